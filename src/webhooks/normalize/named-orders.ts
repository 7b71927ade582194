import type { Vendor } from '../../context.ts'
import type { JsonObject } from '../lossless-json.ts'
import { applyFieldMap } from './apply.ts'
import { fieldMaps, type Gift, type Maps, type VendorMap } from './field-map.ts'
import { MapFault } from './transform.ts'

/** The fields of a canonical event that hold keys of orders. */
const KEY_FIELDS = ['order_key', 'same_as']

/**
 * The keys of the orders that a body names where the map of its topic looks for them, whatever else is wrong with it: also of
 * one that gives no events. `body` as it was sent, or as it is stored. Pure.
 */
export function ordersNamedIn({
  vendor,
  topic,
  body,
  shop = null,
}: {
  vendor: Vendor
  topic: string
  body: JsonObject
  shop?: string | null
}): string[] {
  const found = lookupsOf(vendor, topic).flatMap((maps) => {
    try {
      return applyFieldMap(vendor, topic, body, {}, { maps, shop }).map(({ fields }) => fields.order_key)
    } catch (error) {
      if (error instanceof MapFault) return []
      throw error
    }
  })
  return [...new Set(found.filter((key) => typeof key === 'string'))]
}

/** The same, of a stored payload. */
export function ordersOfPayload(vendor: Vendor, topic: string, { body, shop }: JsonObject): string[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return []
  return ordersNamedIn({ vendor, topic, body, shop: typeof shop === 'string' ? shop : null })
}

const lookups = new Map<string, readonly Maps[]>()

/** For each place of a key a map that reads nothing else, so that a fault stays that of one place. */
function lookupsOf(vendor: Vendor, topic: string): readonly Maps[] {
  const known = lookups.get(`${vendor} ${topic}`)
  if (known !== undefined) return known
  const map = fieldMaps.vendors[vendor]
  const source = map !== undefined && Object.hasOwn(map.events, topic) ? map.events[topic] : undefined
  const gifts = source?.gives.flatMap(({ event, for_each, fields }) =>
    KEY_FIELDS.flatMap((name): Gift[] => {
      const rule = fields[name]
      return rule === undefined
        ? []
        : [{ event, ...(for_each !== undefined && { for_each }), fields: { order_key: rule } }]
    }),
  )
  const made = unique(gifts ?? []).map((gift) =>
    toMaps({ ...(map as VendorMap), test_mode: {}, ignored: {} }, topic, gift),
  )
  lookups.set(`${vendor} ${topic}`, made)
  return made
}

function toMaps(map: VendorMap, topic: string, gift: Gift): Maps {
  const vendors = { [map.vendor]: { ...map, events: { [topic]: { gives: [gift] } } } }
  return { ...fieldMaps, canonical: { events: {} }, vendors }
}

function unique(gifts: readonly Gift[]): Gift[] {
  return [...new Map(gifts.map((gift) => [JSON.stringify({ ...gift, event: null }), gift])).values()]
}
