import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { deadEventHandlers } from './dead-events/handlers.ts'
import { requireDelivery } from './endpoints/authenticate.ts'
import {
  createEndpoint,
  DEFAULT_OVERLAP_S,
  deleteEndpoint,
  type Endpoint,
  listEndpoints,
  rotateSecret,
} from './endpoints/service.ts'
import { type DeliveryResult, receiveDelivery } from './ingest/service.ts'

const DEFAULT_LIMIT = 20

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
  const headers = { Location: `/api/webhook-endpoints/${endpoint.endpointId}` }
  return { status: 201, headers, body: toEndpoint(endpoint) }
}

async function listWebhookEndpoints(
  ctx: TenantContext,
  { query }: Request<'listWebhookEndpoints'>,
): Promise<Reply<'listWebhookEndpoints'>> {
  const { vendor, limit = DEFAULT_LIMIT, cursor } = query
  const { items, nextCursor } = await listEndpoints(ctx, { vendor, limit, cursor })
  return {
    status: 200,
    body: {
      items: items.map((endpoint) => ({
        ...toEndpoint(endpoint),
        last_delivery_at: endpoint.lastDeliveryAt?.toISOString() ?? null,
        previous_secret_valid_until: endpoint.previousSecretEndsAt?.toISOString() ?? null,
      })),
      next_cursor: nextCursor,
    },
  }
}

async function rotateWebhookSecret(
  ctx: TenantContext,
  { params, body }: Request<'rotateWebhookSecret'>,
): Promise<Reply<'rotateWebhookSecret'>> {
  const { secret, overlap_seconds: overlapS = DEFAULT_OVERLAP_S } = body
  const rotation = await rotateSecret(ctx, params.endpoint_id, { secret, overlapS })
  return {
    status: 200,
    body: {
      endpoint_id: rotation.endpointId,
      rotated_at: rotation.rotatedAt.toISOString(),
      previous_secret_valid_until: rotation.previousSecretEndsAt?.toISOString() ?? null,
    },
  }
}

async function deleteWebhookEndpoint(
  ctx: TenantContext,
  { params }: Request<'deleteWebhookEndpoint'>,
): Promise<Reply<'deleteWebhookEndpoint'>> {
  await deleteEndpoint(ctx, params.endpoint_id)
  return { status: 204 }
}

function toEndpoint(endpoint: Endpoint) {
  return {
    endpoint_id: endpoint.endpointId,
    vendor: endpoint.vendor,
    name: endpoint.name,
    mode: endpoint.mode,
    shop_domain: endpoint.shopDomain,
    endpoint_key: endpoint.endpointKey,
    delivery_url: endpoint.deliveryUrl,
    created_at: endpoint.createdAt.toISOString(),
  }
}

/** What a delivery is answered is the same everywhere. */
type Receipt = Reply<'receiveStripeWebhook'>
interface SentDelivery {
  headers: object
  rawBody: Buffer
}

/** All topics of an endpoint: the one of a delivery stands in its body or headers. */
async function receiveAny(ctx: TenantContext, { headers, rawBody }: SentDelivery): Promise<Receipt> {
  const delivery = requireDelivery(ctx)
  if (delivery.isPing) return { status: 200, body: { result: 'ignored', receipt_id: ctx.correlationId, code: null } }
  return toReceipt(await receiveDelivery(ctx, delivery, { headers: { ...headers }, rawBody, topic: null }))
}

/** One topic only: a delivery that says another one is dead. */
function receives(topic: string) {
  return async (ctx: TenantContext, { headers, rawBody }: SentDelivery): Promise<Receipt> =>
    toReceipt(await receiveDelivery(ctx, requireDelivery(ctx), { headers: { ...headers }, rawBody, topic }))
}

/** The same where the topic stands in the header `name`, which a relay may leave out. */
function receivesHeader(name: string, topic: string) {
  const receive = receives(topic)
  return (ctx: TenantContext, { headers, rawBody }: SentDelivery): Promise<Receipt> =>
    receive(ctx, { headers: { [name]: topic, ...headers }, rawBody })
}

/** Topics that WooCommerce itself does not have: whatever its header says, the path decides. */
function receivesStatus(topic: string) {
  const receive = receives(topic)
  return (ctx: TenantContext, { headers, rawBody }: SentDelivery): Promise<Receipt> =>
    receive(ctx, { headers: { ...headers, 'x-wc-webhook-topic': topic }, rawBody })
}

async function stripePaymentIntentSucceededLegacy(
  ctx: TenantContext,
  request: Request<'stripePaymentIntentSucceededLegacy'>,
): Promise<Reply<'stripePaymentIntentSucceededLegacy'>> {
  const { status, body } = await receives('payment_intent.succeeded')(ctx, request)
  const Link = '</api/webhooks/stripe/payment_intent/succeeded>; rel="successor-version"'
  return { status, headers: { Link }, body }
}

function toReceipt({ result, receiptId, faultClass }: DeliveryResult): Receipt {
  return { status: 200, body: { result, receipt_id: receiptId, code: faultClass } }
}

export const webhookHandlers = {
  ...deadEventHandlers,

  createWebhookEndpoint,
  listWebhookEndpoints,
  rotateWebhookSecret,
  deleteWebhookEndpoint,

  receiveStripeWebhook: receiveAny,
  receiveShopifyWebhook: receiveAny,
  receivePaypalWebhook: receiveAny,
  receiveWoocommerceWebhook: receiveAny,

  stripeChargeSucceeded: receives('charge.succeeded'),
  stripePaymentIntentSucceeded: receives('payment_intent.succeeded'),
  stripePaymentIntentSucceededLegacy,
  stripeChargeRefunded: receives('charge.refunded'),
  shopifyOrderCreate: receivesHeader('x-shopify-topic', 'orders/create'),
  shopifyOrderPaid: receivesHeader('x-shopify-topic', 'orders/paid'),
  shopifyRefundCreate: receivesHeader('x-shopify-topic', 'refunds/create'),
  shopifyCheckoutUpdated: receivesHeader('x-shopify-topic', 'checkouts/update'),
  paypalSaleCompleted: receives('PAYMENT.SALE.COMPLETED'),
  paypalPaymentCaptureCompleted: receives('PAYMENT.CAPTURE.COMPLETED'),
  paypalSaleRefunded: receives('PAYMENT.SALE.REFUNDED'),
  woocommerceOrderCreated: receivesHeader('x-wc-webhook-topic', 'order.created'),
  woocommerceOrderUpdated: receivesHeader('x-wc-webhook-topic', 'order.updated'),
  woocommerceOrderCompleted: receivesStatus('order.completed'),
  woocommerceOrderRefunded: receivesStatus('order.refunded'),
} satisfies Partial<Handlers>
