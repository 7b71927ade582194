import type { IncomingHttpHeaders } from 'node:http'
import { parseDecimalToMinor } from '../../money.ts'
import {
  type Fields,
  fault,
  findBoolean,
  findLabel,
  findMatch,
  isAbsent,
  isObject,
  listFields,
  requireBoolean,
  requireCurrency,
  requireDecimal,
  requireIntegerId,
  requireTime,
  toAmount,
  toFields,
  visitorOf,
} from './fields.ts'
import { isHmacOf } from './signature.ts'
import { about, type Fact, type JsonObject, parseBody, type VendorAdapter } from './vendor.ts'

/** 32 bytes in base64, padded. */
const SIGNATURE = /^[A-Za-z0-9+/]{43}=$/
const WEBHOOK_ID = /^[A-Za-z0-9_-]{1,128}$/
const TOPIC = /^[a-z0-9_]{1,49}\/[a-z0-9_]{1,49}$/
const GRAPHQL_ID = /^gid:\/\/shopify\/([A-Za-z]{1,50})\/(\d{1,20})$/
const WORD = /^[a-z_]{1,40}$/
/** The name of the note attribute (cart attribute) that carries our token. */
const TOKEN_ATTRIBUTE = 'skeldir'

/** The topics that carry revenue, and the kind of object that each is about. */
const OBJECT_OF: ReadonlyMap<string, string> = new Map([
  ['orders/create', 'Order'],
  ['orders/paid', 'Order'],
  ['refunds/create', 'Refund'],
])

/** States of an order whose money was taken, if only to be given back later. */
const PAID_STATES: ReadonlySet<string> = new Set(['paid', 'partially_refunded', 'refunded'])

/**
 * `X-Shopify-Hmac-Sha256` = base64 of HMAC-SHA-256 over the raw body with the app's client secret. It signs no time
 * and no header: a delivery verifies for ever, so only its id guards against a replay, and topic and shop are checked
 * against the signed body as far as it tells them. After a rotation the old secret may sign for an hour.
 * Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https
 */
export const shopify: VendorAdapter = {
  vendor: 'shopify',

  verify({ rawBody, headers, secrets }) {
    // Node joins repeated headers with ', ', which is not base64.
    const signature = oneHeader(headers, 'x-shopify-hmac-sha256')
    const candidates = signature !== null && SIGNATURE.test(signature) ? [signature] : []
    return isHmacOf([rawBody], secrets, 'base64', candidates)
  },

  read({ rawBody, headers, shopDomain, identityOf }) {
    const known = {
      externalId: fitting(headers, 'x-shopify-webhook-id', WEBHOOK_ID),
      topic: fitting(headers, 'x-shopify-topic', TOPIC),
    }
    return about(known, () => {
      const externalId = requireHeader(headers, 'x-shopify-webhook-id', WEBHOOK_ID)
      const topic = requireHeader(headers, 'x-shopify-topic', TOPIC)
      if (shopDomain !== null && oneHeader(headers, 'x-shopify-shop-domain')?.toLowerCase() !== shopDomain) {
        throw fault('shop_mismatch', 'The delivery is not from the shop that this endpoint is for.')
      }
      const body = toFields(parseBody(rawBody))
      const isTestDelivery = oneHeader(headers, 'x-shopify-test') === 'true'
      const kind = OBJECT_OF.get(topic)
      if (kind === undefined) {
        const isTest = isTestDelivery || body.object.test === true
        return { externalId, topic, isTest, handled: false, payload: {} }
      }
      refuseOtherKind(body, kind)
      const payload =
        kind === 'Refund' ? projectRefund(body, isTestDelivery) : projectOrder(body, isTestDelivery, topic, identityOf)
      toFacts({ topic, payload })
      return { externalId, topic, isTest: payload.test === true, handled: true, payload }
    })
  },

  toFacts,
}

/** The topic is not signed, the body is: an order sent again as a refund, or the other way round, is caught here. */
function refuseOtherKind(body: Fields, kind: string): void {
  if (isAbsent(body, 'admin_graphql_api_id')) return
  const graphqlId = body.object.admin_graphql_api_id
  const [, bodyKind, id] = (typeof graphqlId === 'string' && GRAPHQL_ID.exec(graphqlId)) || []
  if (bodyKind !== kind || id !== requireIntegerId(body, 'id')) {
    throw fault('topic_body_mismatch', 'The body is about another kind of object than the topic says.')
  }
}

/** The fields that `toFacts` needs and a label; amounts as the decimal text that was sent, in the shop's currency. */
function projectOrder(
  order: Fields,
  isTestDelivery: boolean,
  topic: string,
  identityOf: (visitorId: string) => string,
): JsonObject {
  const visitorId = findVisitor(order)
  return {
    id: requireIntegerId(order, 'id'),
    test: isTestDelivery || findBoolean(order, 'test') === true,
    cancelled: !isAbsent(order, 'cancelled_at'),
    financial_status: findMatch(order, 'financial_status', WORD),
    currency: requireCurrency(order, 'currency'),
    // What was agreed at the purchase: edits and refunds change current_total_price, never this.
    total_price: topic === 'orders/paid' ? requireDecimal(order, 'total_price') : null,
    ordered_at: businessTime(order),
    identity: visitorId === null ? null : identityOf(visitorId),
    source_name: findLabel(order, 'source_name'),
  }
}

function projectRefund(refund: Fields, isTestDelivery: boolean): JsonObject {
  const transactions = listFields(refund, 'transactions')
  // Lines and adjustments only explain a refund: the vendor's sample has lines of 398.00 and gave nothing back.
  const paidBack = transactions.filter(({ object }) => object.kind === 'refund' && object.status === 'success')
  return {
    id: requireIntegerId(refund, 'id'),
    order_id: requireIntegerId(refund, 'order_id'),
    test: isTestDelivery || transactions.some((transaction) => findBoolean(transaction, 'test') === true),
    refunded_at: businessTime(refund),
    transactions: paidBack.map((transaction) => ({
      amount: requireDecimal(transaction, 'amount'),
      currency: requireCurrency(transaction, 'currency'),
    })),
  }
}

/** `processed_at`, which an importer sets to when it really happened, or else `created_at`. */
function businessTime(body: Fields): string {
  return requireTime(body, isAbsent(body, 'processed_at') ? 'created_at' : 'processed_at').toISOString()
}

function findVisitor(order: Fields): string | null {
  const attributes = order.object.note_attributes
  if (!Array.isArray(attributes)) return null
  for (const attribute of attributes) {
    const isOurs = isObject(attribute) && attribute.name === TOKEN_ATTRIBUTE
    const visitorId = isOurs ? visitorOf(attribute.value) : null
    if (visitorId !== null) return visitorId
  }
  return null
}

function toFacts({ topic, payload }: { topic: string; payload: JsonObject }): Fact[] {
  const kind = OBJECT_OF.get(topic)
  if (kind === undefined) return []
  const fields = toFields(payload)
  if (requireBoolean(fields, 'test')) return []
  return kind === 'Refund' ? refundFacts(fields) : orderFacts(fields, topic)
}

function orderFacts(order: Fields, topic: string): Fact[] {
  const orderKey = `shopify:${requireIntegerId(order, 'id')}`
  const orderedAt = requireTime(order, 'ordered_at')
  const currency = requireCurrency(order, 'currency')
  const identity = findMatch(order, 'identity', /^[0-9a-f]+$/)
  const facts: Fact[] = [{ kind: 'order', orderKey, orderedAt, currency, identity }]
  if (topic !== 'orders/paid') return facts

  const amountMinor = toAmount(() => parseDecimalToMinor(requireDecimal(order, 'total_price'), currency))
  const status = findMatch(order, 'financial_status', WORD)
  if (requireBoolean(order, 'cancelled') || status === 'voided') return facts
  // A subscription may filter the state out of the body; one that contradicts the topic is no money.
  if (status !== null && !PAID_STATES.has(status)) {
    throw fault('topic_body_mismatch', 'The order is not paid, but the topic says so.')
  }
  if (amountMinor > 0n) {
    const entryKey = `${orderKey}:capture`
    facts.push({ kind: 'capture', orderKey, entryKey, amountMinor, currency, occurredAt: orderedAt })
  }
  return facts
}

function refundFacts(refund: Fields): Fact[] {
  const orderKey = `shopify:${requireIntegerId(refund, 'order_id')}`
  const entryKey = `shopify:refund:${requireIntegerId(refund, 'id')}`
  const occurredAt = requireTime(refund, 'refunded_at')
  const transactions = listFields(refund, 'transactions')
  const [currency, ...others] = new Set(transactions.map((transaction) => requireCurrency(transaction, 'currency')))
  if (currency === undefined) return []
  if (others.length > 0) throw fault('mixed_currencies', 'The transactions of the refund are in several currencies.')
  const amounts = transactions.map((transaction) =>
    toAmount(() => parseDecimalToMinor(requireDecimal(transaction, 'amount'), currency)),
  )
  const amountMinor = toAmount(() => amounts.reduce((sum, amount) => sum + amount, 0n))
  return amountMinor === 0n ? [] : [{ kind: 'refund', orderKey, entryKey, amountMinor, currency, occurredAt }]
}

function oneHeader(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}

function fitting(headers: IncomingHttpHeaders, name: string, pattern: RegExp): string | null {
  const value = oneHeader(headers, name)
  return value !== null && pattern.test(value) ? value : null
}

function requireHeader(headers: IncomingHttpHeaders, name: string, pattern: RegExp): string {
  if (headers[name] === undefined) throw fault('missing_header', `The header ${name} is missing.`)
  const value = fitting(headers, name, pattern)
  if (value === null) throw fault('bad_header', `The header ${name} does not have the form it should have.`)
  return value
}
