import type { Vendor } from '../../context.ts'
import { keepAttribution } from '../../events/channels/order-touches.ts'
import { isObject, type JsonObject, type JsonValue } from '../lossless-json.ts'
import { findPersonalData, withoutPersonalTexts } from '../personal-data.ts'
import { isPrivacyTopic, keepPrivacyRequest } from '../privacy/request.ts'
import { applyFieldMap, isTestDelivery } from './apply.ts'
import { eventsOf } from './canonical-event.ts'
import { about, DeadDelivery, parseBody } from './dead-delivery.ts'
import type { Delivery, DeliveryInput } from './delivery.ts'
import { type Envelope, envelopes } from './envelopes.ts'
import { fieldMaps } from './field-map.ts'
import { type Projection, planProjection, project } from './project.ts'

/**
 * What is kept of a verified delivery. Throws DeadDelivery, and nothing else, for whatever the delivery may hold; a
 * payload that it returns is one that `toCanonicalEvents` can read.
 */
export function readDelivery(input: DeliveryInput): Delivery {
  const { vendor, rawBody, headers } = input
  const envelope = envelopes[vendor]
  const body = about({ ...envelope.findIds(input, null), payload: null }, () => parseBody(rawBody))
  const ids = envelope.findIds(input, body)
  const { payload, leftOut } = about({ ...ids, payload: null }, () =>
    toPayload(input, envelope, ids.topic ?? '*', body),
  )
  // What is kept of a dead one may be read again, and would look as if what was left out had not been there.
  const dead = leftOut.length === 0 ? payload : { ...payload, left_out: leftOut }
  return about({ ...ids, payload: dead }, () => {
    const { externalId, topic } = envelope.requireIds(input, body)
    envelope.check(input, topic, body)
    envelope.checkBody(topic, body)
    // Its test header is not signed, so it cannot switch an erasure off.
    if (isPrivacyTopic(vendor, topic)) {
      return { externalId, topic, isTest: false, handled: true, payload: { body: keepPrivacyRequest(topic, body) } }
    }
    const isTest = isTestDelivery(vendor, payload.body as JsonObject, headers)
    const handled = Object.hasOwn(fieldMaps.vendors[vendor]?.events ?? {}, topic)
    if (handled) requireReadable(input, topic, body, payload)
    return { externalId, topic, isTest, handled, payload }
  })
}

/**
 * Both what was sent and what is stored of it: a value that cannot be stored is missing from the second, and only the
 * first tells that it contradicts the topic, or what is wrong with it. Throws MapFault.
 */
function requireReadable(
  { vendor, headers }: DeliveryInput,
  topic: string,
  body: JsonValue,
  payload: JsonObject,
): void {
  applyFieldMap(vendor, topic, isObject(body) ? body : {}, headers)
  eventsOf(vendor, topic, payload)
}

function toPayload(
  { vendor, headers, endpoint, identityOf, hashClickId }: DeliveryInput,
  { hasShopInKeys }: Envelope,
  topic: string,
  body: JsonValue,
): { payload: JsonObject; leftOut: string[] } {
  // A topic about a person: not even the person's id at the vendor is needed.
  if (/^customers?[./_]/.test(topic)) return { payload: { body: {} }, leftOut: [] }
  const sent = (fieldMaps.headers[vendor] ?? []).flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' && HEADER_VALUE.test(value) ? [[name, value] as const] : []
  })
  const handled = Object.hasOwn(fieldMaps.vendors[vendor]?.events ?? {}, topic)
  const attribution = handled ? keepAttribution(vendor, body, { hashClickId }).map(withoutPersonalTexts) : []
  const { kept, leftOut } = project(body, projectionOf(vendor, topic), identityOf)
  const payload: JsonObject = {
    body: kept,
    ...(sent.length > 0 && { headers: Object.fromEntries(sent) }),
    ...(hasShopInKeys && endpoint.shopDomain !== null && { shop: endpoint.shopDomain.replaceAll('.', '_') }),
    ...(attribution.length > 0 && { attribution }),
  }
  const pointer = findPersonalData(payload)
  if (pointer === null) return { payload, leftOut }
  // The projection lets nothing of that kind through, so this is a fault of ours.
  throw new DeadDelivery({
    class: 'poison',
    code: 'personal_data',
    detail: `The field at ${pointer.slice(0, 300)} holds what looks like personal data.`,
  })
}

const HEADER_VALUE = /^[\w:.+-]{1,64}$/

const projections = new Map<string, Projection>()

/** Made once for each topic of the maps; every other topic has the one of `*`. */
function projectionOf(vendor: Vendor, topic: string): Projection {
  const stored = fieldMaps.stored[vendor] ?? {}
  const name = Object.hasOwn(stored, topic) ? topic : '*'
  const known = projections.get(`${vendor} ${name}`)
  if (known !== undefined) return known
  const made = planProjection(stored[name] ?? {})
  projections.set(`${vendor} ${name}`, made)
  return made
}
