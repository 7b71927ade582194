import type { OrderParts } from '../../attribution/revenue-definition.ts'
import type { Vendor } from '../../context.ts'
import { isObject, type JsonObject } from '../lossless-json.ts'
import { holds, readFields, type Scope, versionOf } from './apply.ts'
import { fieldMaps } from './field-map.ts'
import { MapFault } from './transform.ts'

/** What a delivery says of the parts of an order. */
export interface DeliveredParts extends OrderParts {
  orderKey: string
  /** Of two snapshots of one order the later one holds; null where the vendor stamps none. */
  versionAt: Date | null
}

/**
 * The parts of the order that a stored payload is about, by `parts` of the field map: a part that a body does not have, where
 * the conditions hold, is 0. Pure. Null where it tells none, or not as the map has it, or more than the total: then they are
 * unknown, and the order is no less one.
 */
export function orderPartsOf({
  vendor,
  topic,
  payload: { body, headers, shop },
}: {
  vendor: Vendor
  topic: string
  payload: JsonObject
}): DeliveredParts | null {
  const map = fieldMaps.vendors[vendor]
  const source = map !== undefined && Object.hasOwn(map.events, topic) ? map.events[topic] : undefined
  if (source?.parts === undefined) return null
  const sent = Object.entries(isObject(headers) ? headers : {}).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : [],
  )
  const values = { payload: isObject(body) ? body : {}, headers: Object.fromEntries(sent) }
  const scope: Scope = { maps: fieldMaps, vendor, shop: typeof shop === 'string' ? shop : null, values }
  const rule = source.parts.find(({ when = [] }) => holds(values, when))
  if (rule === undefined) return null
  try {
    const fields = readFields(scope, { event: 'parts', fields: rule.fields }, 0)
    return toParts(fields, source.version === undefined ? null : versionOf(scope, source.version))
  } catch (error) {
    if (!(error instanceof MapFault)) throw error
    return null
  }
}

function toParts(fields: Record<string, unknown>, versionAt: Date | null): DeliveredParts | null {
  const { order_key: orderKey, currency, total_minor: totalMinor } = fields
  if (typeof orderKey !== 'string' || typeof currency !== 'string' || typeof totalMinor !== 'bigint') return null
  const part = (name: string) => (typeof fields[name] === 'bigint' ? fields[name] : 0n)
  const taxMinor = part('tax_minor')
  const shippingMinor = part('shipping_minor')
  const tipMinor = part('tip_minor')
  if (totalMinor <= 0n || taxMinor + shippingMinor + tipMinor > totalMinor) return null
  return {
    orderKey,
    currency,
    totalMinor,
    taxMinor,
    shippingMinor,
    tipMinor,
    discountMinor: part('discount_minor'),
    versionAt,
  }
}
