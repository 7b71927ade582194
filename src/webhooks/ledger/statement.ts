import { compare } from '../../compare.ts'
import type { CanonicalEvent } from '../normalize/canonical-event.ts'

/** What one delivery says of a movement of money, or of a list of them. */
export interface Statement extends Omit<CanonicalEvent, 'entryKey' | 'sameAs' | 'identity'> {
  eventId: string
  entryKey: string
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
