import { compare } from '../../compare.ts'
import type { CanonicalType } from '../normalize/canonical-event.ts'
import { settleClaims } from './claims.ts'
import { effectsOfLists } from './lists.ts'
import { amountOf, byStanding, type Statement, timeOf } from './statement.ts'

export type EntryKind = 'capture' | 'refund' | 'dispute' | 'dispute_reversal'

/** What the ledger says of an entry: of its row and all that correct it, the sum for each order and currency. */
export interface BookedEntry {
  entryKey: string
  /** The row itself, and those that correct it. */
  rows: number
  /** Minor units, with the sign of their effect. */
  sums: readonly { orderKey: string; currency: string; amountMinor: bigint }[]
}

/** A row that the ledger needs. */
export interface NewEntry {
  entryKey: string
  orderKey: string
  kind: EntryKind
  /** Minor units; below 0 for what goes away. */
  amountMinor: bigint
  currency: string
  eventId: string
  occurredAt: Date
  reversesEntryKey: string | null
  correctsEntryKey: string | null
}

/** What the ledger shall say of an entry. */
export type WantedEntry = Omit<NewEntry, 'correctsEntryKey'>

const EFFECTS: Partial<Record<CanonicalType, { kind: EntryKind; sign: 1n | -1n }>> = {
  payment_captured: { kind: 'capture', sign: 1n },
  payment_refunded: { kind: 'refund', sign: -1n },
  payment_disputed: { kind: 'dispute', sign: -1n },
}

/**
 * What the ledger shall say, by all statements about some movements; a dispute stands before what its end gives back. It
 * follows from the set of the statements, not from their order: of several about one movement the first in `byStanding`
 * holds. Given all statements about these movements, their lists and their disputes.
 */
export function wantedEntries(statements: readonly Statement[]): WantedEntry[] {
  const moving = statements.filter(({ type }) => type !== 'dispute_closed')
  const ends = statements.filter(({ type }) => type === 'dispute_closed')
  const effects = effectsOfLists(moving)
  settleClaims(effects, ends)
  const entries = [...effects].map(([entryKey, { said, amountMinor }]) => toWanted(entryKey, said, amountMinor))
  const reversals = [...Map.groupBy(ends, ({ disputeKey }) => disputeKey)].flatMap(([disputeKey, ofDispute]) => {
    const dispute = entries.find(({ entryKey }) => entryKey === disputeKey)
    return dispute === undefined ? [] : [toReversal(ofDispute, dispute)]
  })
  return [...entries, ...reversals]
}

/**
 * The rows after which the ledger says of an entry what is wanted: the entry itself, or corrections of it. What is booked
 * for another order or in another currency is taken back there. No row has an amount of 0.
 */
export function correctionsOf(wanted: WantedEntry, booked: BookedEntry | undefined): NewEntry[] {
  const { orderKey, currency } = wanted
  const isWanted = (sum: { orderKey: string; currency: string }) =>
    sum.orderKey === orderKey && sum.currency === currency
  const sums = booked?.sums ?? []
  const missing = [
    ...sums.filter((sum) => !isWanted(sum)).map((sum) => ({ ...sum, amountMinor: -sum.amountMinor })),
    { orderKey, currency, amountMinor: wanted.amountMinor - (sums.find(isWanted)?.amountMinor ?? 0n) },
  ]
  const rows = booked?.rows ?? 0
  return missing
    .filter(({ amountMinor }) => amountMinor !== 0n)
    .map((part, index) => {
      const number = rows + index
      const own = number === 0 ? { correctsEntryKey: null } : correcting(wanted.entryKey, number)
      return { ...wanted, ...part, ...own }
    })
}

function correcting(entryKey: string, number: number): Pick<NewEntry, 'entryKey' | 'correctsEntryKey'> {
  return { entryKey: `${entryKey}~${number}`, correctsEntryKey: entryKey }
}

/** Whether a statement says otherwise than another about the same movement, and neither a version nor its standing orders them. */
export function contradicts(one: Statement, others: readonly Statement[]): boolean {
  return others.some(
    (other) =>
      one.versionAt === null &&
      other.versionAt === null &&
      one.prevails === other.prevails &&
      (one.type === 'dispute_closed'
        ? one.outcome !== other.outcome
        : amountOf(one) !== amountOf(other) || one.currency !== other.currency),
  )
}

/** It is dated by the earliest of the statements by which it is money at all. */
function toWanted(entryKey: string, said: readonly Statement[], amountMinor: bigint): WantedEntry {
  const [by] = said.toSorted(byStanding)
  if (by === undefined) throw new TypeError('an entry is what is said of it')
  const effect = EFFECTS[by.type]
  if (effect === undefined) throw new TypeError(`${by.type} has no entry of its own`)
  if (by.currency === null) throw new TypeError('a movement of money has a currency')
  const { orderKey, currency, eventId } = by
  const moving = said.filter((one) => amountOf(one) !== 0n)
  return {
    entryKey,
    orderKey,
    kind: effect.kind,
    amountMinor: effect.sign * amountMinor,
    currency,
    eventId,
    occurredAt: earliest(moving.length > 0 ? moving : [by]),
    reversesEntryKey: null,
  }
}

/**
 * Won, all that the dispute took comes back to where it was taken from; lost, nothing does. Of two ends the newest holds, and
 * `lost` where nothing orders them.
 */
function toReversal(ends: readonly Statement[], dispute: WantedEntry): WantedEntry {
  const [end] = ends.toSorted(
    (a, b) =>
      Number(b.prevails) - Number(a.prevails) ||
      compare(timeOf(b), timeOf(a)) ||
      compare(a.outcome ?? '', b.outcome ?? '') ||
      compare(a.entryKey, b.entryKey) ||
      compare(a.eventId, b.eventId),
  )
  if (end === undefined) throw new TypeError('a reversal is what the ends of a dispute say')
  return {
    ...dispute,
    entryKey: end.entryKey,
    kind: 'dispute_reversal',
    amountMinor: end.outcome === 'won' ? -dispute.amountMinor : 0n,
    eventId: end.eventId,
    occurredAt: earliest(ends),
    reversesEntryKey: dispute.entryKey,
  }
}

function earliest(statements: readonly Statement[]): Date {
  return new Date(Math.min(...statements.map(({ occurredAt }) => occurredAt.getTime())))
}
