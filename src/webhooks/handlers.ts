import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { createEndpoint, type DeliveryResult, receiveDelivery, requireDelivery } from './service.ts'

async function createWebhookEndpoint(
  ctx: TenantContext,
  { body }: Request<'createWebhookEndpoint'>,
): Promise<Reply<'createWebhookEndpoint'>> {
  const endpoint = await createEndpoint(ctx, {
    vendor: body.vendor,
    name: body.name,
    secret: body.secret,
    mode: body.mode ?? 'live',
    shopDomain: body.shop_domain ?? null,
  })
  return {
    status: 201,
    headers: { Location: `/api/webhook-endpoints/${endpoint.endpointId}` },
    body: {
      endpoint_id: endpoint.endpointId,
      vendor: endpoint.vendor,
      name: endpoint.name,
      mode: endpoint.mode,
      shop_domain: endpoint.shopDomain,
      endpoint_key: endpoint.endpointKey,
      delivery_url: endpoint.deliveryUrl,
      created_at: endpoint.createdAt.toISOString(),
    },
  }
}

async function receiveStripeWebhook(
  ctx: TenantContext,
  { headers, rawBody }: Request<'receiveStripeWebhook'>,
): Promise<Reply<'receiveStripeWebhook'>> {
  return { status: 200, body: toReceipt(await receiveDelivery(ctx, requireDelivery(ctx), { headers, rawBody })) }
}

async function receiveShopifyWebhook(
  ctx: TenantContext,
  { headers, rawBody }: Request<'receiveShopifyWebhook'>,
): Promise<Reply<'receiveShopifyWebhook'>> {
  return { status: 200, body: toReceipt(await receiveDelivery(ctx, requireDelivery(ctx), { headers, rawBody })) }
}

function toReceipt({ result, receiptId, faultClass }: DeliveryResult) {
  return { result, receipt_id: receiptId, code: faultClass }
}

export const webhookHandlers = {
  createWebhookEndpoint,
  receiveStripeWebhook,
  receiveShopifyWebhook,
} satisfies Partial<Handlers>
