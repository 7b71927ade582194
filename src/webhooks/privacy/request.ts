import { isObject, type JsonObject, type JsonValue } from '../lossless-json.ts'
import { schemaFault } from '../normalize/dead-delivery.ts'

/**
 * The three topics that every app of Shopify must serve.
 * Source: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance
 */
export const PRIVACY_TOPICS = ['customers/data_request', 'customers/redact', 'shop/redact'] as const
export type PrivacyTopic = (typeof PRIVACY_TOPICS)[number]

/** Orders of one person in one request; beyond it the delivery is dead, so that somebody looks at it. */
const MAX_ORDERS = 5_000
const ORDER_ID = /^[1-9]\d{0,19}$/
/** All that a `shop/redact` has. */
const SHOP_MEMBERS: ReadonlySet<string> = new Set(['shop_id', 'shop_domain'])

export function isPrivacyTopic(vendor: string, topic: string): topic is PrivacyTopic {
  return vendor === 'shopify' && (PRIVACY_TOPICS as readonly string[]).includes(topic)
}

/**
 * What is kept of a request about personal data: ids of orders, as texts, and the vendor's id of the request; nothing of
 * the person. The topic stands in a header that is not signed, so the body must be of the kind that the topic says: what
 * one customer's erasure was signed for must not end a shop. Throws DeadDelivery. Pure.
 */
export function keepPrivacyRequest(topic: PrivacyTopic, body: JsonValue): JsonObject {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw otherKind()
  if (topic === 'shop/redact') {
    if (!('shop_id' in body) || Object.keys(body).some((name) => !SHOP_MEMBERS.has(name))) throw otherKind()
    return {}
  }
  const name = topic === 'customers/redact' ? 'orders_to_redact' : 'orders_requested'
  if (!Array.isArray(body[name])) throw otherKind()
  const orders = [...new Set(body[name].map(toOrderId))]
  if (orders.length > MAX_ORDERS) throw schemaFault('too_many_orders', `The request names over ${MAX_ORDERS} orders.`)
  const request = isObject(body.data_request) ? toId(body.data_request.id) : null
  return request === null ? { orders } : { orders, request }
}

/** The same, out of a stored payload. */
export function readPrivacyRequest(payload: JsonObject): { orderIds: string[]; vendorRequest: string | null } {
  const body = isObject(payload.body) ? payload.body : {}
  const orders = Array.isArray(body.orders) ? body.orders : []
  const vendorRequest = typeof body.request === 'string' ? body.request : null
  return { orderIds: orders.filter((id) => typeof id === 'string'), vendorRequest }
}

function toOrderId(value: JsonValue): string {
  const id = toId(value)
  if (id === null) throw schemaFault('bad_value', 'An order of the request is not named by an id.')
  return id
}

/** Ids are integers, beyond 2^53 too: the parser gives those as texts. */
function toId(value: JsonValue | undefined): string | null {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  return ORDER_ID.test(text) ? text : null
}

function otherKind() {
  return schemaFault('topic_body_mismatch', 'The body is about another kind of request than the topic says.')
}
