import { createHash } from 'node:crypto'
import { allocate } from '../money.ts'
import { type Model, UNATTRIBUTED, weigh } from './models.ts'

export interface Touch {
  externalId: string
  /** RFC 3339 with microseconds, UTC. */
  occurredAt: string
  channel: string
}

export interface Entry {
  entryKey: string
  kind: 'capture' | 'refund' | 'dispute' | 'dispute_reversal'
  /** Minor units; negative for what goes away. */
  amountMinor: bigint
  currency: string
  /** The dispute that was won; null for the others. */
  reverses: string | null
}

/** One conversion as the database gives it: entries with captures first, then by time and key; touches oldest first. */
export interface Journey {
  orderKey: string
  orderedAt: string
  entries: readonly Entry[]
  touches: readonly Touch[]
}

export interface Credit {
  orderKey: string
  entryKey: string
  position: number
  channel: string
  touchExternalId: string | null
  touchedAt: string | null
  orderedAt: string
  currency: string
  revenueMinor: bigint
  conversionMicro: bigint
}

export interface CurrencyTotal {
  currency: string
  orders: number
  attributedOrders: number
  capturedMinor: bigint
  refundedMinor: bigint
  overRefundedMinor: bigint
  netMinor: bigint
  attributedMinor: bigint
}

export interface RunResult {
  credits: Credit[]
  totals: CurrencyTotal[]
}

/** One order, in millionths: integers sum exactly where thirds do not. */
const ORDER_MICRO = 1_000_000n

/**
 * Shares out the money of each journey over its touches.
 *
 * A capture is shared by the model's weights, a refund over what the credits of that currency still hold, each to the
 * minor unit by largest remainder: the credits of an order sum to its net revenue exactly and none is negative. A
 * refund beyond what is left is capped there and counted as over-refunded. A dispute is shared as a refund is, and one
 * that was won is as if it had never been. The first capture carries the conversion.
 */
export function creditJourneys(model: Model, journeys: readonly Journey[]): RunResult {
  const credits: Credit[] = []
  const totals = new Map<string, CurrencyTotal>()
  for (const journey of journeys) creditJourney(model, journey, credits, totals)
  return { credits, totals: [...totals.values()].sort((a, b) => compare(a.currency, b.currency)) }
}

const NO_TOUCH = [{ externalId: null, occurredAt: null, channel: UNATTRIBUTED }] as const

function creditJourney(model: Model, journey: Journey, credits: Credit[], totals: Map<string, CurrencyTotal>): void {
  const isAttributed = journey.touches.length > 0
  const touches = isAttributed ? journey.touches : NO_TOUCH
  const weights = isAttributed ? weigh(model, touches.length) : [1n]
  const balances = new Map<string, bigint[]>()
  let conversion = allocate(ORDER_MICRO, weights)
  for (const entry of withoutWonDisputes(journey.entries)) {
    const total = totalOf(totals, entry.currency)
    const known = balances.get(entry.currency)
    const balance = known ?? new Array<bigint>(touches.length).fill(0n)
    if (known === undefined) {
      balances.set(entry.currency, balance)
      if (entry.kind === 'capture') {
        total.orders += 1
        if (isAttributed) total.attributedOrders += 1
      }
    }
    const shares = entry.kind === 'capture' ? allocate(entry.amountMinor, weights) : takeAway(entry, balance, total)
    if (entry.kind === 'capture') total.capturedMinor += entry.amountMinor
    for (const [position, touch] of touches.entries()) {
      const revenueMinor = shares[position] ?? 0n
      const conversionMicro = conversion[position] ?? 0n
      balance[position] = (balance[position] ?? 0n) + revenueMinor
      if (revenueMinor === 0n && conversionMicro === 0n) continue
      credits.push({
        orderKey: journey.orderKey,
        entryKey: entry.entryKey,
        position,
        channel: touch.channel,
        touchExternalId: touch.externalId,
        touchedAt: touch.occurredAt,
        orderedAt: journey.orderedAt,
        currency: entry.currency,
        revenueMinor,
        conversionMicro,
      })
      total.netMinor += revenueMinor
      if (isAttributed) total.attributedMinor += revenueMinor
    }
    conversion = []
  }
}

/** What a refund or a dispute takes from each balance (negative), capped at what there is; the rest is over-refunded. */
function takeAway(entry: Entry, balance: readonly bigint[], total: CurrencyTotal): bigint[] {
  const wanted = -entry.amountMinor
  const left = balance.reduce((sum, amount) => sum + amount, 0n)
  const applied = wanted < left ? wanted : left
  total.refundedMinor += applied
  total.overRefundedMinor += wanted - applied
  return applied === 0n ? [] : allocate(-applied, balance)
}

/** Without the disputes that were won, and what they brought back: together they are nothing. */
function withoutWonDisputes(entries: readonly Entry[]): readonly Entry[] {
  const won = new Set(entries.map(({ reverses }) => reverses).filter((key) => key !== null))
  if (won.size === 0) return entries
  return entries.filter(({ entryKey, kind }) => kind !== 'dispute_reversal' && !won.has(entryKey))
}

function totalOf(totals: Map<string, CurrencyTotal>, currency: string): CurrencyTotal {
  const known = totals.get(currency)
  if (known !== undefined) return known
  const fresh: CurrencyTotal = {
    currency,
    orders: 0,
    attributedOrders: 0,
    capturedMinor: 0n,
    refundedMinor: 0n,
    overRefundedMinor: 0n,
    netMinor: 0n,
    attributedMinor: 0n,
  }
  totals.set(currency, fresh)
  return fresh
}

/**
 * SHA-256 over the journeys in canonical order, with the model and its version. Says nothing of tenants or of ids of
 * ours, so the same traffic gives the same hash anywhere.
 */
export function hashInput(model: Model, modelVersion: string, journeys: readonly Journey[]): string {
  const hash = createHash('sha256').update(`skeldir/attribution-input/v1\n${model}\n${modelVersion}\n`)
  for (const journey of [...journeys].sort((a, b) => compare(a.orderKey, b.orderKey))) {
    const entries = journey.entries.map(({ entryKey, kind, amountMinor, currency, reverses }) => [
      entryKey,
      kind,
      String(amountMinor),
      currency,
      ...(reverses === null ? [] : [reverses]),
    ])
    const touches = journey.touches.map(({ externalId, occurredAt, channel }) => [externalId, occurredAt, channel])
    hash.update(`${JSON.stringify([journey.orderKey, journey.orderedAt, entries, touches])}\n`)
  }
  return hash.digest('hex')
}

/** SHA-256 over the credits in canonical order. Holds no times: the same day of traffic, moved, gives the same hash. */
export function hashOutput(model: Model, modelVersion: string, credits: readonly Credit[]): string {
  const hash = createHash('sha256').update(`skeldir/attribution-output/v1\n${model}\n${modelVersion}\n`)
  const rows = credits.map((credit) => [
    credit.orderKey,
    credit.entryKey,
    credit.position,
    credit.channel,
    credit.touchExternalId,
    credit.currency,
    String(credit.revenueMinor),
    String(credit.conversionMicro),
  ])
  rows.sort(
    (a, b) => compare(String(a[0]), String(b[0])) || compare(String(a[1]), String(b[1])) || Number(a[2]) - Number(b[2]),
  )
  for (const row of rows) hash.update(`${JSON.stringify(row)}\n`)
  return hash.digest('hex')
}

/** By code unit: the order must not depend on a locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
