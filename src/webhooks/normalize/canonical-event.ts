import type { Vendor } from '../../context.ts'
import { isObject, type JsonObject } from '../lossless-json.ts'
import { applyFieldMap, type MappedEvent } from './apply.ts'
import { about } from './dead-delivery.ts'
import { fieldMaps } from './field-map.ts'

export type CanonicalType =
  | 'order_created'
  | 'payment_captured'
  | 'payment_refunded'
  | 'payment_disputed'
  | 'dispute_closed'
  | 'order_cancelled'

/** What a delivery says, in the words of api-contracts/governance/canonical-events.yaml. What a type does not have is null. */
export interface CanonicalEvent {
  type: CanonicalType
  /** `<vendor>:<id>` */
  orderKey: string
  /** Another key of the same order, such as that of its payment. */
  sameAs: string | null
  /** Business key: the same in every delivery about one movement of money. At most 255 characters. */
  entryKey: string | null
  /** Of a dispute's end: the entry key of the dispute. */
  disputeKey: string | null
  outcome: 'won' | 'lost' | null
  /** The list of movements that it is about, such as the refunds of an order, and what it says of it. */
  listKey: string | null
  list: 'item' | 'whole' | 'sum' | 'claim' | null
  /** 0 to 2^53 − 1 minor units, whatever the direction; of a dispute's end null where it says none. */
  amountMinor: bigint | null
  /** False: what it is about moved no money, or does so no longer; it takes back what another event says. */
  counts: boolean
  /** ISO 4217 */
  currency: string | null
  occurredAt: Date
  /** Of two statements about one thing the later version holds; null where the vendor's stamps do not order anything. */
  versionAt: Date | null
  /** It stands before one that does not, whatever the versions. */
  prevails: boolean
  /** Keyed hash of the visitor, in hex; null when the order carries no token of ours. */
  identity: string | null
}

/**
 * The canonical events of a stored payload, in the order of the field map. Pure: the same payload gives the same events,
 * whenever and wherever. Empty for a topic that carries no revenue. Throws DeadDelivery for a payload of which
 * `readDelivery` would have said the same.
 */
export function toCanonicalEvents({
  vendor,
  topic,
  payload,
}: {
  vendor: Vendor
  topic: string
  payload: JsonObject
}): CanonicalEvent[] {
  return about({ externalId: null, topic, payload }, () => eventsOf(vendor, topic, payload))
}

/** As above; throws MapFault. */
export function eventsOf(vendor: Vendor, topic: string, { body, headers, shop }: JsonObject): CanonicalEvent[] {
  const map = fieldMaps.vendors[vendor]
  if (map === undefined || !Object.hasOwn(map.events, topic)) return []
  const isOrdered = map.ordering.rule === 'newest_version'
  const sent = Object.fromEntries(Object.entries(isObject(headers) ? headers : {}).filter(isText))
  const mapped = applyFieldMap(vendor, topic, isObject(body) ? body : {}, sent, {
    shop: typeof shop === 'string' ? shop : null,
  })
  return mapped.map((event) => toEvent(event, isOrdered))
}

function toEvent(mapped: MappedEvent, isOrdered: boolean): CanonicalEvent {
  const { event, versionAt, list, counts, prevails, fields } = mapped
  const orderKey = fields.order_key as string
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : null)
  const sameAs = text('same_as')
  return {
    type: event as CanonicalType,
    orderKey,
    sameAs: sameAs === orderKey ? null : sameAs,
    entryKey: text('entry_key'),
    disputeKey: text('dispute_key'),
    outcome: text('outcome') as CanonicalEvent['outcome'],
    listKey: text('list_key'),
    list,
    amountMinor: typeof fields.amount_minor === 'bigint' ? fields.amount_minor : null,
    counts,
    currency: text('currency'),
    occurredAt: fields.occurred_at as Date,
    versionAt: isOrdered ? versionAt : null,
    prevails,
    identity: text('visitor_id'),
  }
}

function isText(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === 'string'
}
