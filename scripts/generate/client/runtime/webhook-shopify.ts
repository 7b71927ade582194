import { hmac, isHmacOf, toBase64, toBytes, usableSecrets } from './webhook-bytes.ts'
import {
  headerOf,
  isObject,
  type RawBody,
  readPayload,
  refuse,
  type Verification,
  type WebhookEvent,
  type WebhookInput,
} from './webhook-delivery.ts'
import { knownTopic } from './webhook-topic.ts'

export interface ShopifyInput extends WebhookInput {
  /** Client secret of the app; the old one too for an hour after a rotation. */
  secrets: string | readonly string[]
}

/** From headers, which Shopify does not sign: compare the shop with the one that the secret belongs to. */
export interface ShopifyFacts {
  /** The same over all retries of a delivery: process each once. */
  readonly webhookId: string | null
  /** Shared by all deliveries that one action of the merchant caused. */
  readonly eventId: string | null
  readonly shopDomain: string | null
  readonly apiVersion: string | null
  /** As sent, RFC 3339. */
  readonly triggeredAt: string | null
  readonly isTest: boolean
}

/**
 * Whether Shopify signed the delivery: `X-Shopify-Hmac-Sha256` is the base64 of the HMAC-SHA-256 of the body under the
 * client secret. The signature has no time in it, so only `webhookId` tells a repeat.
 * Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https
 */
export async function verifyShopify(input: ShopifyInput): Promise<Verification<WebhookEvent<'shopify', ShopifyFacts>>> {
  const { body, headers, secrets } = input
  const signature = headerOf(headers, 'x-shopify-hmac-sha256')
  const name = headerOf(headers, 'x-shopify-topic')
  if (signature === null) return refuse('missing_header', 'There is no X-Shopify-Hmac-Sha256 header.')
  if (name === null) return refuse('missing_header', 'There is no X-Shopify-Topic header.')
  if (!/^[A-Za-z0-9+/]{43}=$/.test(signature)) {
    return refuse('malformed_header', 'X-Shopify-Hmac-Sha256 is not the base64 of 32 bytes.')
  }
  const keys = usableSecrets(secrets).map(toBytes)
  if (keys.length === 0) return refuse('unusable_secret', 'No secret was given, or only blank ones.')
  const bytes = toBytes(body)
  if (!(await isHmacOf(bytes, keys, toBase64, [signature]))) {
    return refuse('signature_mismatch', 'The signature is not that of the body under one of the secrets.')
  }
  const payload = readPayload(bytes, input.parse)
  if (!isObject(payload)) return refuse('malformed_body', 'The body is not a JSON object.')
  return {
    ok: true,
    event: {
      vendor: 'shopify',
      topic: knownTopic('shopify', name),
      name,
      payload,
      webhookId: headerOf(headers, 'x-shopify-webhook-id'),
      eventId: headerOf(headers, 'x-shopify-event-id'),
      shopDomain: headerOf(headers, 'x-shopify-shop-domain'),
      apiVersion: headerOf(headers, 'x-shopify-api-version'),
      triggeredAt: headerOf(headers, 'x-shopify-triggered-at'),
      isTest: headerOf(headers, 'x-shopify-test') === 'true',
    } as unknown as WebhookEvent<'shopify', ShopifyFacts>,
  }
}

/** The signature with which Shopify would send `body`: for the tests of a receiver. */
export async function signShopify(body: RawBody, secret: string): Promise<Record<string, string>> {
  const signature = toBase64(await hmac(toBytes(secret), toBytes(body)))
  return { 'content-type': 'application/json', 'x-shopify-hmac-sha256': signature }
}
