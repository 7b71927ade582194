/** The version that the shapes here follow. */
export const SHOPIFY_API_VERSION = '2026-10'

/** All headers but the signature. Source: https://shopify.dev/docs/apps/build/webhooks#headers */
export function shopifyHeaders(delivery: {
  topic: string
  shopDomain: string
  /** The same over the retries of a delivery. */
  webhookId: string
  /** Shared by all deliveries that one action of the merchant set off. */
  eventId: string
  /** Milliseconds since 1970; the vendor writes nanoseconds. */
  triggeredAt: number
  isTest?: boolean
}): Record<string, string> {
  return {
    'Content-Type': 'application/json',
    'User-Agent': 'Shopify-Captain-Hook',
    'X-Shopify-API-Version': SHOPIFY_API_VERSION,
    'X-Shopify-Event-Id': delivery.eventId,
    'X-Shopify-Shop-Domain': delivery.shopDomain,
    'X-Shopify-Topic': delivery.topic,
    'X-Shopify-Triggered-At': new Date(delivery.triggeredAt).toISOString().replace('Z', '000417Z'),
    'X-Shopify-Webhook-Id': delivery.webhookId,
    ...(delivery.isTest === true ? { 'X-Shopify-Test': 'true' } : {}),
  }
}
