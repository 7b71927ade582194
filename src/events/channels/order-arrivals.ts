import type { Vendor } from '../../context.ts'
import { isObject, type JsonObject, type JsonValue } from '../../webhooks/lossless-json.ts'
import { readClickIds } from './click-ids.ts'
import { hostOf } from './referrer.ts'
import { readUtm } from './utm.ts'
import { type Arrival, judgeReferrer, readArrival } from './visit.ts'

/** How a buyer came, as a vendor tells it. Tiers as in `order-touches.ts`. */
export interface OrderArrival {
  tier: 'vendor_journey' | 'landing_page'
  /** Null where the vendor gives no time. */
  occurredAt: Date | null
  arrival: Arrival
}

/** Reads what the vendor's order, checkout or payment says of the visit; nothing where it says nothing. Never throws. */
export function readOrderArrivals(vendor: Vendor, body: JsonValue): OrderArrival[] {
  if (!isObject(body)) return []
  if (vendor === 'shopify') return readShopify(body)
  if (vendor === 'woocommerce') return readWoocommerce(body)
  if (vendor === 'stripe') return readStripe(body)
  // PayPal has one field for the merchant, which holds our token or nothing.
  return []
}

/** Express wallets put a page of Shopify's own in place of the landing page; what it says is nothing. */
const NO_LANDING = /^\/wallets\/|\/wallets\/checkouts\.json/
/** Resolves paths; a name that cannot exist (RFC 6761), so that it is nobody's own. */
const NOWHERE = 'https://shop.invalid'

/**
 * `customerJourneySummary` of the Admin API where the body has it, and otherwise `landing_site` (a path or an URL) and
 * `referring_site`. Source: https://shopify.dev/docs/api/admin-rest/latest/resources/order
 */
function readShopify(order: JsonObject): OrderArrival[] {
  const ownHosts = hostsOf([order.order_status_url, order.source_url])
  const journey = isObject(order.customerJourneySummary) ? order.customerJourneySummary : {}
  const visits = [journey.firstVisit, journey.lastVisit].filter(isObject)
  const followed = visits.flatMap((visit): OrderArrival[] => {
    const arrival = arrivalOf(textOf(visit.landingPage), textOf(visit.referrerUrl), ownHosts)
    return arrival === null ? [] : [{ tier: 'vendor_journey', occurredAt: timeOf(visit.occurredAt), arrival }]
  })
  if (followed.length > 0) return withoutRepeats(followed)
  const landing = textOf(order.landing_site)
  if (landing !== null && NO_LANDING.test(landing)) return []
  const arrival = arrivalOf(landing, textOf(order.referring_site), ownHosts)
  return arrival === null ? [] : [{ tier: 'landing_page', occurredAt: null, arrival }]
}

/** A first visit that is the last one too is told twice. */
function withoutRepeats(arrivals: readonly OrderArrival[]): OrderArrival[] {
  const [first, last] = arrivals
  return JSON.stringify(first) === JSON.stringify(last) ? arrivals.slice(0, 1) : [...arrivals]
}

function arrivalOf(landing: string | null, referrer: string | null, ownHosts: readonly string[]): Arrival | null {
  if (landing === null && referrer === null) return null
  const url = URL.parse(landing ?? '/', NOWHERE)
  return url === null ? null : withoutNowhere(readArrival({ pageUrl: url.href, referrer }, ownHosts))
}

function withoutNowhere(arrival: Arrival | null): Arrival | null {
  return arrival?.landingHost === 'shop.invalid' ? { ...arrival, landingHost: null } : arrival
}

/** What stands after it in a key of WooCommerce's order attribution; shops may change what stands before it. */
const ATTRIBUTION = 'attribution_'
const ATTRIBUTION_FIELD = /^(?:source_type|referrer|utm_[a-z_]+|session_entry|session_start_time)$/
/** What its library writes for an absent field. */
const ABSENT = /^\((?:direct|none|not set|not provided)\)$/

/**
 * Order attribution of WooCommerce 8.5 and later, in `meta_data`. Its `source_type` tells what the library made the
 * fields of: `utm` are those of the link; for `organic` and `referral` the referrer is judged here, so that a payment
 * page is no source; `admin` is an order that somebody of the shop has typed in.
 * Source: plugins/woocommerce/src/Internal/Traits/OrderAttributionMeta.php of woocommerce/woocommerce.
 */
function readWoocommerce(order: JsonObject): OrderArrival[] {
  const meta = new Map<string, string>()
  for (const item of Array.isArray(order.meta_data) ? order.meta_data : []) {
    const field = isObject(item) ? attributionField(textOf(item.key) ?? '') : null
    const value = isObject(item) ? textOf(item.value) : null
    if (field !== null && value !== null && !ABSENT.test(value)) meta.set(field, value)
  }
  const type = meta.get('source_type')
  if (type === undefined || type === 'admin') return []
  const entry = meta.get('session_entry') ?? null
  const referrer = meta.get('referrer') ?? null
  const arrival = arrivalOf(entry ?? '/', referrer, hostsOf([entry, order.payment_url ?? null]))
  if (arrival === null) return []
  const usesFields = type === 'utm' || ((type === 'organic' || type === 'referral') && referrer === null)
  const utm = usesFields ? readUtm([...meta].filter(([name]) => name.startsWith('utm_'))) : arrival.utm
  return [
    {
      tier: 'vendor_journey',
      occurredAt: timeOf(meta.get('session_start_time')),
      // A page that the library does not know of is no landing page of `/`.
      arrival: { ...arrival, utm, landingPath: entry === null ? null : arrival.landingPath },
    },
  ]
}

/** Campaign fields that the merchant's own code has put into the metadata of a session or payment, under their usual names. */
function readStripe(event: JsonObject): OrderArrival[] {
  const data = isObject(event.data) ? event.data : {}
  const object = isObject(data.object) ? data.object : {}
  const metadata = isObject(object.metadata) ? object.metadata : {}
  const entries = Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  const utm = readUtm(entries)
  const clickIds = readClickIds(entries)
  if (Object.keys(utm.fields).length === 0 && clickIds.length === 0) return []
  const arrival = { utm, clickIds, ...judgeReferrer(null, []), landingHost: null, landingPath: null }
  return [{ tier: 'landing_page', occurredAt: null, arrival }]
}

function hostsOf(urls: readonly (JsonValue | undefined)[]): string[] {
  return urls.flatMap((url) => (typeof url === 'string' ? (hostOf(url) ?? []) : []))
}

const TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.\d+)?Z?$/

/** UTC, as `2026-11-20 08:09:17` or RFC 3339 with `Z`; null for anything else. */
function timeOf(value: JsonValue | undefined): Date | null {
  const [, day, time] = (typeof value === 'string' && TIME.exec(value)) || []
  const at = new Date(`${day}T${time}Z`)
  return Number.isNaN(at.getTime()) ? null : at
}

function textOf(value: JsonValue | undefined): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null
}

function attributionField(key: string): string | null {
  const start = key.lastIndexOf(ATTRIBUTION)
  const field = key.slice(start + ATTRIBUTION.length)
  return start >= 0 && /^[a-z0-9_]*$/.test(key.slice(0, start)) && ATTRIBUTION_FIELD.test(field) ? field : null
}
