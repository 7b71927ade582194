import { createHash } from 'node:crypto'
import type { Vendor } from '../../context.ts'
import { isObject, type JsonObject, type JsonValue } from '../lossless-json.ts'
import { namedShop } from '../named-shop.ts'
import { isPrivacyTopic } from '../privacy/request.ts'
import { DeadDelivery, schemaFault } from './dead-delivery.ts'
import type { DeliveryInput } from './delivery.ts'

export interface Ids {
  externalId: string | null
  topic: string | null
}

/** Where a vendor says what a delivery is, and what of it contradicts itself. */
export interface Envelope {
  /** Ids at the vendor are of one shop, and a tenant may have several. */
  readonly hasShopInKeys: boolean
  /** The ids as far as they can be stored; of a body that could not be parsed (null) those in the headers. Never throws. */
  findIds(input: DeliveryInput, body: JsonValue): Ids
  /** Throws DeadDelivery. */
  requireIds(input: DeliveryInput, body: JsonValue): { externalId: string; topic: string }
  /** What the field map cannot say, of the headers and what in the body they are held against. Throws DeadDelivery. */
  check(input: DeliveryInput, topic: string, body: JsonValue): void
  /** What the field map cannot say, of the body alone: as it was sent, or what is kept of it. Throws DeadDelivery. */
  checkBody(topic: string, body: JsonValue): void
}

/** `type` and `id` in the body; the kind of its object is checked by the field map. */
const stripe: Envelope = {
  hasShopInKeys: false,
  findIds: (_input, body) => ({
    externalId: fitting(body, 'id', /^evt_[A-Za-z0-9_]{1,124}$/),
    topic: fitting(body, 'type', /^(?=.{1,100}$)[a-z0-9_]+(?:\.[a-z0-9_]+)*$/),
  }),
  requireIds(input, body) {
    requireObject(body)
    if (memberOf(body, 'object') !== 'event') {
      if (typeof memberOf(body, 'object') !== 'string') throw wrong(memberOf(body, 'object'), '/object', 'a text')
      const detail = 'The body is not an event with its object in it; thin events are not read.'
      throw new DeadDelivery({ class: 'unsupported', code: 'unsupported_envelope', detail })
    }
    return requireBoth(stripe.findIds(input, body), body, { externalId: 'id', topic: 'type' })
  },
  check: () => {},
  checkBody(_topic, body) {
    const livemode = memberOf(body, 'livemode')
    if (typeof livemode !== 'boolean') throw wrong(livemode, '/livemode', 'true or false')
  },
}

/** `event_type` and `id` in the body. */
const paypal: Envelope = {
  hasShopInKeys: false,
  findIds: (_input, body) => ({
    externalId: fitting(body, 'id', /^[A-Za-z0-9_-]{1,128}$/),
    topic: fitting(body, 'event_type', /^(?=.{1,100}$)[A-Z0-9_-]+(?:\.[A-Z0-9_-]+)*$/),
  }),
  requireIds(input, body) {
    requireObject(body)
    return requireBoth(paypal.findIds(input, body), body, { externalId: 'id', topic: 'event_type' })
  },
  check: () => {},
  checkBody: () => {},
}

const SHOPIFY_ID = /^[A-Za-z0-9_-]{1,128}$/
const SHOPIFY_TOPIC = /^[a-z0-9_]{1,49}\/[a-z0-9_]{1,49}$/
const GRAPHQL_ID = /^gid:\/\/shopify\/([A-Za-z]{1,50})\/(\d{1,20})$/
/** Kinds of objects by the first part of the topic, as they stand in `admin_graphql_api_id`. */
const SHOPIFY_KINDS: Readonly<Record<string, string>> = {
  orders: 'Order',
  refunds: 'Refund',
  order_transactions: 'OrderTransaction',
  disputes: 'ShopifyPaymentsDispute',
}

/** Topics whose money depends on transactions that gave money back. */
const MONEY_BACK: ReadonlySet<string> = new Set(['refunds/create', 'orders/paid', 'orders/updated'])

/**
 * Topic, shop and id stand in headers, which are not signed. So the shop must be that of the endpoint, and the body, which
 * is signed, about the kind of object that the topic says: an order sent again as a refund is caught here.
 */
const shopify: Envelope = {
  hasShopInKeys: false,
  findIds: ({ headers }) => ({
    externalId: fitting(headers, 'x-shopify-webhook-id', SHOPIFY_ID),
    topic: fitting(headers, 'x-shopify-topic', SHOPIFY_TOPIC),
  }),
  requireIds({ headers }) {
    return {
      externalId: requireHeader(headers, 'x-shopify-webhook-id', SHOPIFY_ID),
      topic: requireHeader(headers, 'x-shopify-topic', SHOPIFY_TOPIC),
    }
  },
  check({ headers, endpoint: { shopDomain } }, topic, body) {
    requireObject(body)
    requireShop(shopDomain, { headers, topic, body })
  },
  checkBody(topic, body) {
    requireFlag(body, '')
    if (MONEY_BACK.has(topic)) requireReturnedMoney(topic, body)
    const kind = SHOPIFY_KINDS[topic.split('/')[0] ?? '']
    const graphqlId = memberOf(body, 'admin_graphql_api_id')
    if (kind === undefined || graphqlId === undefined || graphqlId === null) return
    const [, bodyKind, id] = (typeof graphqlId === 'string' && GRAPHQL_ID.exec(graphqlId)) || []
    if (bodyKind !== kind || id !== String(memberOf(body, 'id'))) {
      throw schemaFault('topic_body_mismatch', 'The body is about another kind of object than the topic says.')
    }
  },
}

/**
 * Where the body names a shop, that is the one that Shopify signed for. The requests that erase always do, so one of another
 * shop of the same app, sent again under a header of this one, does nothing here; nor can one end all that an endpoint of no
 * shop takes in.
 */
function requireShop(
  shopDomain: string | null,
  { headers, topic, body }: { headers: DeliveryInput['headers']; topic: string; body: JsonValue },
): void {
  if (shopDomain === null) {
    if (topic !== 'shop/redact') return
    const detail = 'The endpoint is bound to no shop: whether this is the end of its shop is for an operator to say.'
    throw schemaFault('shop_unknown', detail)
  }
  if (namedShop('shopify', headers) !== shopDomain) throw otherShop()
  const signed = memberOf(body, 'shop_domain') ?? null
  if (typeof signed === 'string' && signed.toLowerCase() !== shopDomain) throw otherShop()
  if (typeof signed !== 'string' && (signed !== null || isPrivacyTopic('shopify', topic)))
    throw wrong(signed, '/shop_domain', 'a text')
}

/** A mark of a test that is neither true nor false would count as money. */
function requireFlag(item: JsonValue, pointer: string): void {
  const test = memberOf(item, 'test')
  if (test !== undefined && test !== null && typeof test !== 'boolean')
    throw wrong(test, `${pointer}/test`, 'true or false')
}

/** A sum over what is there would pass over what is missing: of a refund, and of an order each of its refunds. */
function requireReturnedMoney(topic: string, body: JsonValue): void {
  const refunds = topic === 'refunds/create' ? [['', body] as const] : itemsOf(body, 'refunds', '')
  for (const [pointer, refund] of refunds) {
    for (const [at, transaction] of itemsOf(refund, 'transactions', pointer)) {
      const counts = memberOf(transaction, 'kind') === 'refund' && memberOf(transaction, 'status') === 'success'
      for (const name of ['kind', 'status', ...(counts ? ['amount', 'currency'] : [])]) {
        const value = memberOf(transaction, name)
        if (typeof value !== 'string') throw wrong(value, `${at}/${name}`, 'a text')
      }
      requireFlag(transaction, at)
    }
  }
}

/** The items of a list that may be missing, each with its pointer. Throws where it is no list, or an item no object. */
function itemsOf(of: JsonValue, name: string, pointer: string): [pointer: string, item: JsonObject][] {
  const list = memberOf(of, name) ?? []
  if (!Array.isArray(list)) throw wrong(list, `${pointer}/${name}`, 'a list')
  return list.map((item, index) => {
    const at = `${pointer}/${name}/${index}`
    if (typeof item !== 'object' || item === null || Array.isArray(item)) throw wrong(item, at, 'an object')
    return [at, item]
  })
}

const WOO_TOPIC = /^(?=.{1,100}$)[a-z_]+(?:\.[A-Za-z0-9_-]+)+$/

/**
 * The topic stands in a header, which is not signed; but any topic's body tells the same facts. The id of a delivery is
 * none (two orders of one second share it), so the body itself makes the key.
 */
const woocommerce: Envelope = {
  hasShopInKeys: true,
  findIds({ headers, rawBody }, body) {
    const topic = fitting(headers, 'x-wc-webhook-topic', WOO_TOPIC)
    const id = memberOf(body, 'id')
    return { externalId: topic === null ? null : wooKey(headers['x-wc-webhook-id'], topic, id, rawBody), topic }
  },
  requireIds({ headers, rawBody }, body) {
    const topic = requireHeader(headers, 'x-wc-webhook-topic', WOO_TOPIC)
    return { externalId: wooKey(headers['x-wc-webhook-id'], topic, memberOf(body, 'id'), rawBody), topic }
  },
  check({ headers, endpoint: { shopDomain } }, _topic, body) {
    requireObject(body)
    if (shopDomain !== null && namedShop('woocommerce', headers) !== shopDomain) throw otherShop()
  },
  checkBody: () => {},
}

/** 64 hex digits over webhook, topic, resource and body. */
function wooKey(webhookId: unknown, topic: string, id: JsonValue | undefined, rawBody: Buffer): string {
  const place = [webhookId, topic, id].map((part) => (typeof part === 'object' ? '' : String(part ?? ''))).join('\n')
  return createHash('sha256').update(place).update('\n').update(rawBody).digest('hex')
}

export const envelopes: Readonly<Record<Vendor, Envelope>> = { stripe, shopify, paypal, woocommerce }

function memberOf(body: unknown, name: string): JsonValue | undefined {
  return isObject(body) && Object.hasOwn(body, name) ? body[name] : undefined
}

function requireObject(body: JsonValue): void {
  if (!isObject(body)) throw wrong(body, '/', 'an object')
}

/** The member when it has the form that it should have; null otherwise. */
function fitting(object: unknown, name: string, pattern: RegExp): string | null {
  const value = memberOf(object, name)
  return typeof value === 'string' && pattern.test(value) ? value : null
}

function requireBoth(
  { externalId, topic }: Ids,
  body: JsonValue,
  names: Record<keyof Ids, string>,
): { externalId: string; topic: string } {
  if (externalId === null) throw wrongMember(body, names.externalId)
  if (topic === null) throw wrongMember(body, names.topic)
  return { externalId, topic }
}

function wrongMember(body: JsonValue, name: string): DeadDelivery {
  const value = memberOf(body, name)
  if (typeof value !== 'string') return wrong(value, `/${name}`, 'a text')
  return schemaFault('bad_value', `The field /${name} does not have the form it should have.`)
}

function wrong(value: JsonValue | undefined, pointer: string, expected: string): DeadDelivery {
  if (value === undefined || value === null) return schemaFault('missing_field', `The field ${pointer} is missing.`)
  return schemaFault('wrong_type', `The field ${pointer} is not ${expected}.`)
}

function requireHeader(headers: DeliveryInput['headers'], name: string, pattern: RegExp): string {
  if (headers[name] === undefined) throw schemaFault('missing_header', `The header ${name} is missing.`)
  const value = fitting(headers, name, pattern)
  if (value === null) throw schemaFault('bad_header', `The header ${name} does not have the form it should have.`)
  return value
}

function otherShop(): DeadDelivery {
  return schemaFault('shop_mismatch', 'The delivery is not from the shop that this endpoint is for.')
}
