import { stripeToMinor } from '../../money.ts'
import {
  type Fields,
  fault,
  findFields,
  findMatch,
  findUnits,
  isObject,
  requireBoolean,
  requireFields,
  requireMatch,
  requireSeconds,
  requireUnits,
  toAmount,
  toFields,
  visitorOf,
} from './fields.ts'
import { isHmacOf } from './signature.ts'
import { about, DeadDelivery, type Fact, type JsonObject, parseBody, type VendorAdapter } from './vendor.ts'

/** Stripe's own default. An older signature is a replay; one from the future, which Stripe's library takes, is refused too. */
const TOLERANCE_S = 300
/** Room for some two dozen signatures; Stripe sends one per secret that is live, so two while one is rolled. */
const MAX_HEADER_LENGTH = 2048

const TIMESTAMP = /^[1-9]\d{0,11}$/
const SIGNATURE = /^[0-9a-f]{64}$/
const ITEM = /^([a-z][a-z0-9]*)=(\S+)$/

const EVENT_ID = /^evt_[A-Za-z0-9_]{1,124}$/
const TOPIC = /^(?=.{1,100}$)[a-z0-9_]+(?:\.[a-z0-9_]+)*$/
const OBJECT_ID = /^[a-z]{2,8}_[A-Za-z0-9_]{1,100}$/
const CURRENCY = /^[a-z]{3}$/
const UNITS = /^\d{1,16}$/

/** The topics that carry revenue, and the kind of object that each is about. */
const OBJECT_OF: ReadonlyMap<string, string> = new Map([
  ['charge.refunded', 'charge'],
  ['charge.succeeded', 'charge'],
  ['payment_intent.succeeded', 'payment_intent'],
])

/**
 * `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…][,v0=<hex>]`, where v1 is HMAC-SHA-256 over `t.body` with the
 * whole text of the secret (`whsec_…`) as key. Several v1 appear while a secret is being rolled, and one match is
 * enough; other schemes count for nothing. Source: https://docs.stripe.com/webhooks#verify-manually
 */
export const stripe: VendorAdapter = {
  vendor: 'stripe',

  verify({ rawBody, headers, secrets, now }) {
    const { timestamp, signatures } = parseSignatureHeader(headers['stripe-signature'])
    const isSigned = isHmacOf([timestamp, '.', rawBody], secrets, 'hex', signatures)
    const ageS = Math.floor(now.getTime() / 1000) - Number(timestamp)
    return isSigned && Math.abs(ageS) <= TOLERANCE_S
  },

  read({ rawBody, identityOf }) {
    const event = toFields(parseBody(rawBody))
    const known = { externalId: fitting(event, 'id', EVENT_ID), topic: fitting(event, 'type', TOPIC) }
    return about(known, () => {
      if (requireMatch(event, 'object', /^[a-z0-9._]{1,100}$/) !== 'event') {
        const detail = 'The body is not an event with its object in it; thin events are not read.'
        throw new DeadDelivery({ class: 'unsupported', code: 'unsupported_envelope', detail })
      }
      const externalId = requireMatch(event, 'id', EVENT_ID)
      const topic = requireMatch(event, 'type', TOPIC)
      const isTest = !requireBoolean(event, 'livemode')
      const kind = OBJECT_OF.get(topic)
      if (kind === undefined) return { externalId, topic, isTest, handled: false, payload: {} }
      const payload = project(event, topic, kind, identityOf)
      toFacts({ topic, payload })
      return { externalId, topic, isTest, handled: true, payload }
    })
  },

  toFacts,
}

/** `signatures` is empty when the header is not one well-formed value; `timestamp` then is 0, so that the work is the same. */
function parseSignatureHeader(header: string | string[] | undefined): { timestamp: string; signatures: string[] } {
  const refused = { timestamp: '0', signatures: [] }
  if (typeof header !== 'string' || header.length > MAX_HEADER_LENGTH) return refused
  const items = header.split(',').map((item) => ITEM.exec(item))
  // Node joins repeated headers with ', ': the space, or the second t, gives them away.
  if (items.includes(null)) return refused
  const valuesOf = (scheme: string) => items.flatMap((item) => (item?.[1] === scheme ? [item[2] ?? ''] : []))
  const [timestamp, ...others] = valuesOf('t')
  if (timestamp === undefined || others.length > 0 || !TIMESTAMP.test(timestamp)) return refused
  return { timestamp, signatures: valuesOf('v1').filter((value) => SIGNATURE.test(value)) }
}

/**
 * The fields that `toFacts` needs, and no others. Amounts stay in Stripe's own unit, as text; `created` and
 * `refunded_at` are Unix seconds.
 */
function project(event: Fields, topic: string, kind: string, identityOf: (visitorId: string) => string): JsonObject {
  const data = requireFields(event, 'data')
  const object = requireFields(data, 'object')
  if (requireMatch(object, 'object', /^[a-z_.]{1,100}$/) !== kind) {
    throw fault('topic_body_mismatch', 'The object of the event is of another kind than its type says.')
  }
  const base = {
    object: kind,
    id: requireMatch(object, 'id', OBJECT_ID),
    payment_intent: kind === 'charge' ? findMatch(object, 'payment_intent', OBJECT_ID) : null,
    currency: requireMatch(object, 'currency', CURRENCY).toUpperCase(),
    // An intent is made when the checkout opens, which may be days before it is paid; its event says when it was.
    created: requireSeconds(kind === 'payment_intent' ? event : object, 'created').getTime() / 1000,
  }
  if (topic === 'charge.refunded') return { ...base, ...projectRefund(event, data, object) }

  const status = findMatch(object, 'status', /^[a-z_]{1,100}$/)
  if (status !== null && status !== 'succeeded') {
    throw fault('topic_body_mismatch', 'The payment did not succeed, but the type of the event says so.')
  }
  const visitorId = findVisitor(object)
  const identity = visitorId === null ? null : identityOf(visitorId)
  return { ...base, captured: String(capturedUnits(object, kind)), identity }
}

/** What was taken, in Stripe's unit: 0 while a charge is only authorised. */
function capturedUnits(object: Fields, kind: string): bigint {
  if (kind === 'payment_intent') return requireUnits(object, 'amount_received')
  if (!requireBoolean(object, 'captured')) return 0n
  // API versions before 2020-08-27 do not have amount_captured.
  return findUnits(object, 'amount_captured') ?? requireUnits(object, 'amount')
}

/**
 * A refund is the interval by which the cumulative `amount_refunded` grew, so it does not matter in which order the
 * refunds of a charge arrive. The charge's own `created` is when it was paid; the event's is when it was refunded.
 */
function projectRefund(event: Fields, data: Fields, charge: Fields): JsonObject {
  const previous = findFields(data, 'previous_attributes')
  const from = previous === null ? null : findUnits(previous, 'amount_refunded')
  if (from === null) {
    const detail = 'The event does not say how much was refunded before, so this refund is not known.'
    throw new DeadDelivery({ class: 'unsupported', code: 'missing_previous_amount', detail })
  }
  const to = requireUnits(charge, 'amount_refunded')
  if (to <= from) throw fault('bad_amount', 'The refunded amount did not grow.')
  return {
    refunded_from: String(from),
    refunded_to: String(to),
    refunded_at: requireSeconds(event, 'created').getTime() / 1000,
  }
}

function findVisitor(object: Fields): string | null {
  const { metadata, client_reference_id: reference } = object.object
  return visitorOf(isObject(metadata) ? metadata.skeldir : undefined) ?? visitorOf(reference)
}

/** The field when it has the form it should have; null otherwise. For the ids of a delivery that may be dead. */
function fitting(from: Fields, key: string, pattern: RegExp): string | null {
  const value = from.object[key]
  return typeof value === 'string' && pattern.test(value) ? value : null
}

/**
 * One payment raises charge.succeeded and payment_intent.succeeded: both give the same entry key, so that the money
 * counts once.
 */
function toFacts({ topic, payload }: { topic: string; payload: JsonObject }): Fact[] {
  if (!OBJECT_OF.has(topic)) return []
  const fields = toFields(payload)
  const id = requireMatch(fields, 'id', OBJECT_ID)
  const orderKey = `stripe:${findMatch(fields, 'payment_intent', OBJECT_ID) ?? id}`
  const currency = requireMatch(fields, 'currency', /^[A-Z]{3}$/)

  if (topic === 'charge.refunded') {
    const from = requireMatch(fields, 'refunded_from', UNITS)
    const to = requireMatch(fields, 'refunded_to', UNITS)
    const amountMinor = toAmount(() => stripeToMinor(BigInt(to) - BigInt(from), currency))
    const occurredAt = requireSeconds(fields, 'refunded_at')
    const entryKey = `stripe:${id}:refund:${from}-${to}`
    return [{ kind: 'refund', orderKey, entryKey, amountMinor, currency, occurredAt }]
  }

  const at = requireSeconds(fields, 'created')
  const identity = findMatch(fields, 'identity', /^[0-9a-f]+$/)
  const captured = requireMatch(fields, 'captured', UNITS)
  const amountMinor = toAmount(() => stripeToMinor(BigInt(captured), currency))
  const facts: Fact[] = [{ kind: 'order', orderKey, orderedAt: at, currency, identity }]
  if (amountMinor > 0n) {
    facts.push({ kind: 'capture', orderKey, entryKey: `${orderKey}:capture`, amountMinor, currency, occurredAt: at })
  }
  return facts
}
