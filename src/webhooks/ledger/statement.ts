import type { CanonicalType } from '../normalize/canonical-event.ts'

/** What one delivery says of a movement of money, or of a list of them. */
export interface Statement {
  eventId: string
  type: CanonicalType
  orderKey: string
  entryKey: string
  disputeKey: string | null
  outcome: 'won' | 'lost' | null
  /** The list that it is about, such as the refunds of a charge, and what it says of it; both null where it is about none. */
  listKey: string | null
  list: 'item' | 'whole' | 'sum' | 'claim' | null
  /** Minor units, not below 0; of a dispute's end null where it says none. */
  amountMinor: bigint | null
  /** False: it moved no money, or does so no longer. */
  counts: boolean
  currency: string | null
  occurredAt: Date
  /** Null where the vendor's stamps order nothing. */
  versionAt: Date | null
  prevails: boolean
}

/**
 * The first holds: what prevails, what has a version, the newest, the larger amount; and so that it is always the same, the
 * first currency, order and event.
 */
export function byStanding(a: Statement, b: Statement): number {
  return (
    Number(b.prevails) - Number(a.prevails) ||
    compare(timeOf(b), timeOf(a)) ||
    compare(amountOf(b), amountOf(a)) ||
    compare(a.currency ?? '', b.currency ?? '') ||
    compare(a.orderKey, b.orderKey) ||
    compare(a.eventId, b.eventId)
  )
}

/** Minor units without the sign of the effect; 0 for what moved none. */
export function amountOf({ amountMinor, counts }: Statement): bigint {
  return counts ? (amountMinor ?? 0n) : 0n
}

/** Milliseconds since 1970; what has no version is older than all that have one. */
export function timeOf({ versionAt }: Pick<Statement, 'versionAt'>): number {
  return versionAt?.getTime() ?? Number.NEGATIVE_INFINITY
}

export function compare<T extends string | number | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}
