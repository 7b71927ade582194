import { createHash } from 'node:crypto'
import type { Vendor } from '../../context.ts'
import { isObject, type JsonObject, type JsonValue } from '../../webhooks/lossless-json.ts'
import { looksPersonal } from '../../webhooks/personal-data.ts'
import type { IdentityTier, Touch } from '../touchpoints.ts'
import { type ChannelRules, classify } from './classify.ts'
import { findClickIdKind } from './click-ids.ts'
import { readOrderArrivals } from './order-arrivals.ts'
import { UTM_FIELDS, type UtmField } from './utm.ts'
import { toVisit } from './visit.ts'

/*
 * What an order itself tells of how its buyer came, for orders without a visitor of ours. How sure a touch of an order is:
 *   visitor_id      the order carries our visitor id, so all touches of that visitor are its journey
 *   click_id        a touch of ours has the same click id as the order
 *   vendor_journey  the vendor has followed the visit itself (WooCommerce's order attribution, Shopify's customer journey)
 *   landing_page    only the landing page or the referrer of the order is known
 * Without any of these the order is unattributed. Nothing is guessed from addresses or devices.
 */

export type OrderTier = Extract<IdentityTier, 'vendor_journey' | 'landing_page'>

/** One contact before an order, as it is stored with the order; without personal data. */
export interface RawTouch {
  tier: OrderTier
  utm: Partial<Record<UtmField, string>>
  macroUnfilled: boolean
  /** The hash, in hex, of those that belong to one click; null for the others. */
  clickIds: readonly { name: string; hash: string | null }[]
  referrerHost: string | null
  landingPath: string | null
  /** Null: not known; at the time of the order, or before. */
  occurredAt: Date | null
}

/**
 * What to keep, as the member `attribution` of a stored payload, of a body that was just parsed: campaign fields, names of
 * click ids with the keyed hash of their values, host of the referrer, path of the landing page. Texts that look like an
 * address are left out, and so is all else. Empty where the body tells nothing. Throws nothing, whatever the body holds.
 */
export function keepAttribution(
  vendor: Vendor,
  body: JsonValue,
  { hashClickId }: { hashClickId: (name: string, value: string) => Buffer },
): JsonObject[] {
  return readOrderArrivals(vendor, body).flatMap(({ tier, occurredAt, arrival }) => {
    if (toVisit(arrival) === null) return []
    const clickIds = arrival.clickIds.map(({ name, value }) => ({
      name,
      hash: findClickIdKind(name)?.isUnique === true ? hashClickId(name, value).toString('hex') : null,
    }))
    const kept: JsonObject = {
      tier,
      utm: Object.fromEntries(Object.entries(arrival.utm.fields).filter(([, value]) => !looksPersonal(value))),
      macro_unfilled: arrival.utm.macroUnfilled,
      click_ids: clickIds,
      referrer_host: arrival.referrerHost,
      landing_path: arrival.landingPath === null ? null : toPublicPath(arrival.landingPath),
      occurred_at: occurredAt?.toISOString() ?? null,
    }
    return [kept]
  })
}

/** The payload with all that it says of money, and without what it says of the visit; null where it says nothing of one. */
export function withoutAttribution({ attribution, ...rest }: JsonObject): JsonObject | null {
  return attribution === undefined ? null : rest
}

/** What `keepAttribution` has kept in a stored payload. What does not have that form is left out. */
export function attributionContextOf(_vendor: Vendor, _topic: string, payload: JsonObject): RawTouch[] {
  const { attribution } = payload
  return Array.isArray(attribution) ? attribution.flatMap((item) => fromKept(item) ?? []) : []
}

function fromKept(item: JsonValue): RawTouch | null {
  if (!isObject(item) || (item.tier !== 'vendor_journey' && item.tier !== 'landing_page')) return null
  const utm: Partial<Record<UtmField, string>> = {}
  for (const field of UTM_FIELDS) {
    const value = isObject(item.utm) ? item.utm[field] : undefined
    if (typeof value === 'string' && value !== '') utm[field] = value
  }
  const clickIds = Array.isArray(item.click_ids) ? item.click_ids : []
  const occurredAt = typeof item.occurred_at === 'string' ? new Date(item.occurred_at) : null
  return {
    tier: item.tier,
    utm,
    macroUnfilled: item.macro_unfilled === true,
    clickIds: clickIds.flatMap((id) => {
      if (!isObject(id) || typeof id.name !== 'string' || findClickIdKind(id.name) === undefined) return []
      return [{ name: id.name, hash: typeof id.hash === 'string' && HASH.test(id.hash) ? id.hash : null }]
    }),
    referrerHost: textOf(item.referrer_host),
    landingPath: textOf(item.landing_path),
    occurredAt: occurredAt === null || Number.isNaN(occurredAt.getTime()) ? null : occurredAt,
  }
}

const HASH = /^[0-9a-f]{64}$/

/**
 * The touches of an order that carries no visitor of ours. They belong to the order and to nobody. The ids follow from the
 * order, so the same order sent again gives the same touches, whatever the rules are by then.
 */
export function toOrderTouches(
  touches: readonly RawTouch[],
  { orderKey, orderedAt, rules }: { orderKey: string; orderedAt: Date; rules: ChannelRules },
): Touch[] {
  return touches.flatMap((touch, index) => {
    const { utm, macroUnfilled, clickIds, referrerHost, occurredAt } = touch
    const named = clickIds.map(({ name }) => ({ name, value: '' }))
    const visit = toVisit({ utm: { fields: utm, macroUnfilled }, clickIds: named, referrerHost, isReturn: false })
    if (visit === null) return []
    const { channel, ruleVersion } = classify(rules, visit)
    const { source, medium, campaign } = visit
    const click = clickIds.find(({ hash }) => hash !== null) ?? clickIds[0]
    return [
      {
        eventId: toEventId(orderKey, index),
        occurredAt: occurredAt !== null && occurredAt < orderedAt ? occurredAt : orderedAt,
        channel,
        source,
        medium,
        campaign,
        identity: null,
        session: null,
        tier: touch.tier,
        orderKey,
        click:
          click === undefined
            ? null
            : { kind: click.name, hash: click.hash === null ? null : Buffer.from(click.hash, 'hex') },
        landingPath: touch.landingPath,
        referrerHost,
        channelRules: ruleVersion,
        itemSha256: createHash('sha256').update(JSON.stringify(touch)).digest(),
      },
    ]
  })
}

/** At most 128 characters, as ids of touches are; keys of orders may be longer. */
function toEventId(orderKey: string, index: number): string {
  const isShort = orderKey.length <= 100
  return `${isShort ? orderKey : createHash('sha256').update(orderKey).digest('hex')}:touch${index}`
}

/** Sections of a shop whose addresses open a cart, an order or an account. */
const PRIVATE_SECTION =
  /^\/(?:[a-z]{2}(?:-[a-z]{2})?\/)?(?:\d+\/)?(?:cart|carts|checkouts?|orders?|account|wallets|my-account)(?:\/|$)/i
/** What nobody has chosen as a name, such as a token or a number; and what may be anybody's own words, in the encoding of a URL. */
const OPAQUE_SEGMENT = /^(?=[^/]*\d)[A-Za-z0-9_]{12,}$|[%@=]/

/** The path of a landing page, or null where it may open something or name somebody. Its opaque parts are masked. */
export function toPublicPath(path: string): string | null {
  if (PRIVATE_SECTION.test(path) || looksPersonal(path)) return null
  const masked = path
    .split('/')
    .map((segment) => (OPAQUE_SEGMENT.test(segment) ? '*' : segment))
    .join('/')
  return masked.length <= 255 ? masked : null
}

function textOf(value: JsonValue | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
