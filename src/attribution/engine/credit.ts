import { compare } from '../../compare.ts'
import type { ModelParameters, ModelTouch, OrderModel } from '../models/model.ts'
import { countEntries, type RevenueShare } from '../revenue-definition.ts'
import { addParts, apportion, toWeights, type Weights } from './apportion.ts'
import type { CreditedEntry, CreditedOrder, CurrencyTotal, Entry, OrderInput, Part } from './order.ts'

/** A model as an edition has it set. */
export interface SetModel {
  model: OrderModel
  parameters: ModelParameters
}

/** How the money of an order counts. */
export interface Counting {
  /** Which share of the amounts in a currency is revenue. */
  shareOf: (currency: string) => RevenueShare
  reportingCurrency: string
  /** An amount in minor units of a currency in those of the reporting currency, at the time of the order; null: no rate. */
  toReporting: (amountMinor: bigint, currency: string) => bigint | null
}

/** One order, in millionths: integers sum exactly where thirds do not. */
const ORDER_MICRO = 1_000_000n

/**
 * Shares out the money of one order over its touches, by each model.
 *
 * A capture is shared by the model's weights, a refund over what the credits of that currency still hold, each to the
 * minor unit by largest remainder: the credits of an order sum to its net revenue exactly and none is negative. A
 * refund beyond what is left is capped there and counted as over-refunded. A dispute is shared as a refund is, and one
 * that was won is as if it had never been. The first capture carries the conversion. What the credits of a currency hold
 * in the reporting currency is, after each entry, what they hold converted and rounded once, and is shared by the same rules.
 */
export function creditOrder(order: OrderInput, models: readonly SetModel[], counting: Counting): CreditedOrder {
  const journey = order.touches.map(({ channel, occurredAtUs }) => ({ channel, occurredAtUs: BigInt(occurredAtUs) }))
  const { weights, wayOf } = weighJourney(journey, BigInt(order.orderedAtUs), models)
  const toModels = (shares: Shares) => (shares.length === 0 ? shares : wayOf.map((way) => shares[way] ?? []))
  const purses = new Map<string, Purse>()
  const entries: CreditedEntry[] = []
  let conversionMicro: Shares = weights.map((one) => apportion(ORDER_MICRO, one))
  for (const { entry, countedMinor } of countRevenue(withoutWonDisputes(order.entries), counting.shareOf)) {
    const purse = purseOf(purses, entry.currency)
    const revenueMinor = book(purse, entry, countedMinor, weights)
    const reportingMinor = bookReporting(purse, entry, { counting, weights, revenueMinor })
    if ([revenueMinor, conversionMicro, reportingMinor].some((shares) => shares !== null && shares.length > 0)) {
      const revenue = toModels(revenueMinor)
      entries.push({
        entry,
        revenueMinor: revenue,
        conversionMicro: toModels(conversionMicro),
        reportingMinor: reportingMinor === revenueMinor ? revenue : reportingMinor && toModels(reportingMinor),
      })
    }
    conversionMicro = NOTHING
  }
  const totals = [...purses.values()].map(({ total }) => total).sort((a, b) => compare(a.currency, b.currency))
  return { entries, totals, wayOf }
}

/** By way to weigh the journey, then by touch. */
type Shares = readonly (readonly Part[])[]

const NOTHING: Shares = []

/** The ways in which models weigh one journey, and by model the way of it: some often agree, and all do where it is one touch. */
function weighJourney(
  journey: readonly ModelTouch[],
  orderedAtUs: bigint,
  models: readonly SetModel[],
): { weights: Weights[]; wayOf: number[] } {
  if (journey.length <= 1) return { weights: [toWeights([1n])], wayOf: models.map(() => 0) }
  const weights: Weights[] = []
  const wayOf = models.map(({ model, parameters }) => {
    const exact = model.weigh(journey, orderedAtUs, parameters)
    const known = weights.findIndex((one) => one.exact.every((weight, touch) => weight === exact[touch]))
    return known === -1 ? weights.push(toWeights(exact)) - 1 : known
  })
  return { weights, wayOf }
}

/** Without the disputes that were won, and what they brought back: together they are nothing. */
function withoutWonDisputes(entries: readonly Entry[]): readonly Entry[] {
  const won = new Set(entries.map(({ reverses }) => reverses).filter((key) => key !== null))
  if (won.size === 0) return entries
  return entries.filter(({ entryKey, kind }) => kind !== 'dispute_reversal' && !won.has(entryKey))
}

function countRevenue(
  entries: readonly Entry[],
  shareOf: Counting['shareOf'],
): readonly { entry: Entry; countedMinor: bigint }[] {
  const counted = new Map<Entry, bigint>()
  for (const [currency, ofOne] of Map.groupBy(entries, (entry) => entry.currency)) {
    const parts = countEntries(
      ofOne.map(({ amountMinor }) => amountMinor),
      shareOf(currency),
    )
    for (const [index, entry] of ofOne.entries()) counted.set(entry, parts[index] ?? 0n)
  }
  return entries.map((entry) => ({ entry, countedMinor: counted.get(entry) ?? 0n }))
}

/** What the credits of one currency hold. */
interface Purse {
  total: CurrencyTotal
  balances: Shares
  /** In the reporting currency; null where a rate is missing. */
  reporting: { balances: Shares; heldMinor: bigint } | null
}

function purseOf(purses: Map<string, Purse>, currency: string): Purse {
  const known = purses.get(currency)
  if (known !== undefined) return known
  const total = { currency, capturedMinor: 0n, refundedMinor: 0n, overRefundedMinor: 0n, reportingMinor: 0n }
  const purse: Purse = { total, balances: NOTHING, reporting: { balances: NOTHING, heldMinor: 0n } }
  purses.set(currency, purse)
  return purse
}

function book(purse: Purse, { kind }: Entry, countedMinor: bigint, weights: readonly Weights[]): Shares {
  const { total, balances } = purse
  let shares = NOTHING
  if (kind === 'capture') {
    total.capturedMinor += countedMinor
    if (countedMinor !== 0n) shares = weights.map((one) => apportion(countedMinor, one))
  } else {
    const wanted = -countedMinor
    const left = total.capturedMinor - total.refundedMinor
    const applied = wanted < left ? wanted : left
    total.refundedMinor += applied
    total.overRefundedMinor += wanted - applied
    if (applied !== 0n) shares = balances.map((balance) => apportion(-applied, toWeights(balance)))
  }
  purse.balances = addShares(balances, shares)
  return shares
}

/** The same in the reporting currency, after `book`; null where there is no rate. */
function bookReporting(
  purse: Purse,
  { kind, currency }: Entry,
  { counting, weights, revenueMinor }: { counting: Counting; weights: readonly Weights[]; revenueMinor: Shares },
): Shares | null {
  const { total, reporting } = purse
  if (reporting === null) return null
  const netMinor = total.capturedMinor - total.refundedMinor
  if (currency === counting.reportingCurrency) {
    total.reportingMinor = netMinor
    return revenueMinor
  }
  const heldMinor = counting.toReporting(netMinor, currency)
  total.reportingMinor = heldMinor
  if (heldMinor === null) {
    purse.reporting = null
    return null
  }
  const moved = heldMinor - reporting.heldMinor
  if (moved === 0n) return NOTHING
  const shares =
    kind === 'capture'
      ? weights.map((one) => apportion(moved, one))
      : reporting.balances.map((balance) => apportion(moved, toWeights(balance)))
  purse.reporting = { balances: addShares(reporting.balances, shares), heldMinor }
  return shares
}

function addShares(balances: Shares, shares: Shares): Shares {
  if (balances.length === 0 || shares.length === 0) return balances.length === 0 ? shares : balances
  return balances.map((balance, model) => balance.map((held, touch) => addParts(held, shares[model]?.[touch] ?? 0)))
}
