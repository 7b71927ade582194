import { isObject, type JsonObject } from '../../lossless-json.ts'
import { type ListedDelivery, listIn, pathOn, type VendorLister } from '../lister.ts'

/** Some 600 values each; the parser takes 100,000 in one answer. */
const PAGE = 50
/** Of the Admin API; the shapes of its orders and of the webhooks' are the same. */
const VERSION = '2026-10'
const PAID: readonly unknown[] = ['paid', 'partially_refunded', 'refunded']

/**
 * Orders that changed, the oldest change first; the next page stands in a header. An order tells of its payment, of its
 * refunds and of its cancellation at once, so it stands for each of these deliveries.
 * Source: https://shopify.dev/docs/api/admin-rest/latest/resources/order#get-orders
 */
export const shopify: VendorLister = {
  vendor: 'shopify',
  credential: ['access_token'],
  hasIds: false,
  async *list(client, { origin, credential }, { since, until }) {
    const query = new URLSearchParams({
      status: 'any',
      limit: String(PAGE),
      order: 'updated_at asc',
      updated_at_min: since.toISOString(),
      updated_at_max: until.toISOString(),
    })
    for (let path: string | null = `/admin/api/${VERSION}/orders.json?${query}`; path !== null; ) {
      const { body, headers } = await client.get(path, { 'x-shopify-access-token': credential.access_token ?? '' })
      for (const order of listIn(body, 'orders')) yield* deliveriesOf(order)
      const next = nextIn([headers.link].flat().join(','))
      path = next === null ? null : pathOn(origin, next)
    }
  },
}

function* deliveriesOf(order: JsonObject): Generator<ListedDelivery> {
  const of = (topic: string, body: JsonObject): ListedDelivery => ({
    topic,
    headers: { 'x-shopify-topic': topic },
    body,
  })
  yield of('orders/create', order)
  if (PAID.includes(order.financial_status)) yield of('orders/paid', order)
  if (order.financial_status === 'partially_paid') yield of('orders/updated', order)
  if (order.cancelled_at !== null && order.cancelled_at !== undefined) yield of('orders/cancelled', order)
  for (const refund of Array.isArray(order.refunds) ? order.refunds : []) {
    if (isObject(refund)) yield of('refunds/create', refund)
  }
}

/** The target of the link to the next page (RFC 8288). Each target is between `<` and `>`, and its parameters follow. */
function nextIn(link: string): string | null {
  for (const part of link.split('<').slice(1)) {
    const [target = '', parameters = ''] = part.split('>')
    if (/;\s*rel="?next/.test(parameters)) return target
  }
  return null
}
