import type { Vendor } from '../../../context.ts'
import type { KeptBody } from '../../ingest/kept-body.ts'
import type { JsonObject } from '../../lossless-json.ts'
import { isTestDelivery } from '../../normalize/apply.ts'
import { type CanonicalEvent, toCanonicalEvents } from '../../normalize/canonical-event.ts'
import { about, DeadDelivery, schemaFault } from '../../normalize/dead-delivery.ts'
import type { Delivery, DeliveryInput } from '../../normalize/delivery.ts'
import { envelopes } from '../../normalize/envelopes.ts'
import { fieldMaps } from '../../normalize/field-map.ts'
import { isDeciding } from '../../normalize/left-out.ts'
import { readDelivery } from '../../normalize/read-delivery.ts'
import { findPersonalData } from '../../personal-data.ts'
import { isPrivacyTopic } from '../../privacy/request.ts'
import { recipes as allRecipes, mends, nameOf, type Recipe } from './recipes.ts'

/** What is kept of a dead event. */
export interface KeptEvent {
  deadEventId: string
  vendor: Vendor
  endpoint: { endpointId: string; mode: 'live' | 'test'; shopDomain: string | null }
  externalId: string | null
  topic: string | null
  code: string
  bodySha256: Buffer
  payload: JsonObject | null
  /** Of the request that delivered it. */
  correlationId: string
}

/** Of the tenant. */
export type Hashes = Pick<DeliveryInput, 'identityOf' | 'hashClickId'>

/** `recipes`: those that were tried, by name. */
export type Judgement = { recipes: string[] } & (
  | { delivery: Delivery; canonical: CanonicalEvent[]; code: null }
  | { delivery: null; code: string }
)

/**
 * Found outside of what is kept of a body, or decided for good: reading that again could let pass what was rightly
 * refused, such as the delivery of another shop.
 */
const DECIDED: ReadonlySet<string> = new Set([
  'bad_header',
  'missing_header',
  'personal_data',
  'same_id_other_body',
  'shop_mismatch',
  'topic_path_mismatch',
  'unsupported_envelope',
])
/** Their topic stands in the signed body, so that the body alone decides. */
const TOPIC_IN_BODY: ReadonlySet<Vendor> = new Set(['stripe', 'paypal'])

/** What a dead event says once it is read again, by the maps of today and with the recipes for its fault. Pure. */
export function readAgain(
  kept: KeptEvent,
  body: { kept: KeptBody; hashes: Hashes } | null,
  recipes: readonly Recipe[] = allRecipes,
): Judgement {
  const tried: string[] = []
  if (isDecided(kept, kept.code) || isPrivacyRequest(kept)) return { delivery: null, code: kept.code, recipes: tried }
  let material = toMaterial(kept, body)
  if (material === null) return { delivery: null, code: 'nothing_kept', recipes: tried }
  for (;;) {
    const found = attempt(kept, material)
    if (!(found instanceof DeadDelivery)) return { ...found, code: null, recipes: tried }
    // Once the bytes can be read, what is kept of them is mended.
    if (material.of === 'body' && found.payload !== null) {
      const { externalId, topic, payload } = found
      material = { of: 'payload', externalId: kept.externalId ?? externalId, topic, payload }
    }
    const next = recipes.find(
      (recipe) =>
        recipe.of === material?.of &&
        !tried.includes(nameOf(recipe)) &&
        mends(recipe, { vendor: kept.vendor, topic: found.topic ?? kept.topic, code: found.code }),
    )
    if (next === undefined || isDecided(kept, found.code)) return { delivery: null, code: found.code, recipes: tried }
    tried.push(nameOf(next))
    material = mend(next, material)
  }
}

type Material =
  | { of: 'body'; rawBody: Buffer; headers: Record<string, string>; hashes: Hashes }
  | { of: 'payload'; externalId: string | null; topic: string | null; payload: JsonObject }

function toMaterial(
  { externalId, topic, payload }: KeptEvent,
  body: { kept: KeptBody; hashes: Hashes } | null,
): Material | null {
  if (payload !== null) return { of: 'payload', externalId, topic, payload }
  return body === null ? null : { of: 'body', ...body.kept, hashes: body.hashes }
}

function mend(recipe: Recipe, material: Material): Material {
  if (recipe.of === 'body' && material.of === 'body') return { ...material, rawBody: recipe.apply(material.rawBody) }
  if (recipe.of === 'payload' && material.of === 'payload')
    return { ...material, payload: recipe.apply(material.payload) }
  return material
}

function isDecided({ vendor }: KeptEvent, code: string): boolean {
  return DECIDED.has(code) || (code === 'topic_body_mismatch' && !TOPIC_IN_BODY.has(vendor))
}

/** Of a vendor's request about personal data that could not be used, nothing is kept that says what was asked for. */
function isPrivacyRequest({ vendor, topic, payload }: KeptEvent): boolean {
  return payload !== null && topic !== null && isPrivacyTopic(vendor, topic)
}

function attempt(
  kept: KeptEvent,
  material: Material,
): { delivery: Delivery; canonical: CanonicalEvent[] } | DeadDelivery {
  try {
    const { vendor, endpoint } = kept
    const delivery =
      material.of === 'payload'
        ? readKept(kept, material)
        : readDelivery({ vendor, endpoint, ...material, ...material.hashes })
    const { topic, payload } = delivery
    // The id under which it came; of a body that is mended another one would be made.
    const externalId = kept.externalId ?? delivery.externalId
    return {
      delivery: { ...delivery, externalId },
      canonical: delivery.handled ? toCanonicalEvents({ vendor, topic, payload }) : [],
    }
  } catch (error) {
    if (error instanceof DeadDelivery) return error
    throw error
  }
}

/** As `readDelivery`, of what it kept. Throws DeadDelivery. */
function readKept(
  { vendor, code }: KeptEvent,
  material: { externalId: string | null; topic: string | null; payload: JsonObject },
): Delivery {
  const { externalId, topic } = material
  return about(material, () => {
    const { left_out: leftOut, ...payload } = material.payload
    if (externalId === null || topic === null) throw schemaFault(code, 'Its id or its topic is not known.')
    if (findPersonalData(payload) !== null)
      throw schemaFault('personal_data', 'A field holds what looks like personal data.')
    const body = payload.body as JsonObject
    if (Array.isArray(leftOut) && leftOut.some((path) => isDeciding(vendor, topic, String(path))))
      throw schemaFault('nothing_kept', 'A value that decides what it says was in no form that could be kept.')
    envelopes[vendor].checkBody(topic, body)
    const headers = (payload.headers ?? {}) as Record<string, string>
    const handled = Object.hasOwn(fieldMaps.vendors[vendor]?.events ?? {}, topic)
    return { externalId, topic, payload, handled, isTest: isTestDelivery(vendor, body, headers) }
  })
}
