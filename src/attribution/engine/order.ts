/** An order as the engine reads it, and what it makes of it. */

export type EntryKind = 'capture' | 'refund' | 'dispute' | 'dispute_reversal'

/** An entry of the ledger with what corrects it, money that two vendors report once. */
export interface Entry {
  entryKey: string
  kind: EntryKind
  /** Minor units; negative for what goes away. */
  amountMinor: bigint
  currency: string
  /** The dispute that was won; null for the others. */
  reverses: string | null
  /** When the money came or went: microseconds since 1970, UTC. */
  occurredAtUs: number
}

export type Tier = 'visitor_id' | 'click_id' | 'vendor_journey' | 'landing_page'

export interface OrderTouch {
  /** Microseconds since 1970, UTC. */
  occurredAtUs: number
  origin: string
  externalId: string
  channel: string
  campaign: string | null
  tier: Tier
}

/** Entries with captures first, then by time and key; touches by time and id, whatever order they arrived in. */
export interface OrderInput {
  orderKey: string
  /** Microseconds since 1970, UTC. */
  orderedAtUs: number
  hasIdentity: boolean
  entries: readonly Entry[]
  touches: readonly OrderTouch[]
}

/** An integer: a number wherever it is a safe one, since those cost a tenth of the other. */
export type Part = number | bigint

/** What each touch gets of one entry: by model, then by touch; without models where it gets nothing. One place stands for none. */
export interface CreditedEntry {
  entry: Entry
  revenueMinor: readonly (readonly Part[])[]
  conversionMicro: readonly (readonly Part[])[]
  /** In the reporting currency; null where a rate is missing. */
  reportingMinor: readonly (readonly Part[])[] | null
}

/** Minor units. */
export interface CurrencyTotal {
  currency: string
  capturedMinor: bigint
  /** Applied to credits. */
  refundedMinor: bigint
  /** Beyond what the order had left. */
  overRefundedMinor: bigint
  /** Net revenue in the reporting currency; null where a rate is missing. */
  reportingMinor: bigint | null
}

export interface CreditedOrder {
  /** Those that give anything. */
  entries: CreditedEntry[]
  /** By currency, ascending. */
  totals: CurrencyTotal[]
  /** By model: those with the same number share out the order alike, and their parts are the same. */
  wayOf: readonly number[]
}

/** Where the credit of an order without any eligible touch goes, so that totals still add up. Never spread. */
export const UNATTRIBUTED = '(unattributed)'
