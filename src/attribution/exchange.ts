import { compare } from '../compare.ts'
import { exponentOf } from '../money.ts'
import { roundHalfAway } from './rounding.ts'

/**
 * Exchange by stored rates, exactly: what a rate says is a fraction of integers, and an amount is rounded once, at the end.
 * Where no stored rate is near enough there is none; nothing is guessed.
 */

/** One row of fx_rates: on that day `rate` of `quote` were paid for 1 of `base`. */
export interface StoredRate {
  base: string
  quote: string
  /** UTC day, `2026-03-31`. */
  asOf: string
  source: string
  /** A plain decimal above 0, as `numeric` prints it. */
  rate: string
}

/** What 1 of a currency is in another: `numerator / denominator`, both above 0. */
export interface ExchangeRate {
  numerator: bigint
  denominator: bigint
  /** The day of the stored rates that it is made of; null where the currencies are the same. */
  asOf: string | null
  source: string | null
  via: 'same' | 'direct' | 'inverse' | 'cross'
}

/** Rates by currency pair and day; made once, asked often. */
export type RateTable = ReadonlyMap<string, ReadonlyMap<string, readonly StoredRate[]>>

/** A stored rate holds for its own day and this many after it: over a week of holidays, and not for ever. */
export const MAX_RATE_AGE_DAYS = 7

const DAY_MS = 86_400_000
const DECIMAL = /^(\d{1,15})(?:\.(\d{1,15}))?$/

/** Of one pair, day and source there is one rate: the newest version, which whoever reads them has chosen. */
export function toRateTable(rates: readonly StoredRate[]): RateTable {
  const byDay = Map.groupBy(rates, ({ asOf }) => asOf)
  return new Map([...byDay].map(([day, ofDay]) => [day, groupByCurrency(ofDay)]))
}

/**
 * The rate from one currency to another at an instant: that of the newest day up to the instant's UTC day, at most
 * MAX_RATE_AGE_DAYS before it, for which there is any. Of one day a stored rate goes before its inverse, and both before a
 * cross of two rates of one source over one base; of several sources, or bases, the first by name. Null where there is none.
 */
export function findRate(table: RateTable, from: string, to: string, at: Date): ExchangeRate | null {
  if (from === to) return { numerator: 1n, denominator: 1n, asOf: null, source: null, via: 'same' }
  const lastMs = Math.floor(at.getTime() / DAY_MS) * DAY_MS
  for (let age = 0; age <= MAX_RATE_AGE_DAYS; age += 1) {
    const day = new Date(lastMs - age * DAY_MS).toISOString().slice(0, 10)
    const found = findRateOfDay(table.get(day), from, to)
    if (found !== null) return found
  }
  return null
}

/** An amount in minor units of `from` in those of `to`, rounded half away from zero. Throws MoneyError for a currency that is not known. */
export function exchange(
  amountMinor: bigint,
  { from, to, rate }: { from: string; to: string; rate: ExchangeRate },
): bigint {
  const numerator = amountMinor * rate.numerator * 10n ** BigInt(exponentOf(to))
  return roundHalfAway(numerator, rate.denominator * 10n ** BigInt(exponentOf(from)))
}

function groupByCurrency(rates: readonly StoredRate[]): Map<string, StoredRate[]> {
  const byCurrency = new Map<string, StoredRate[]>()
  const sorted = rates.toSorted((a, b) => compare(a.source, b.source) || compare(a.base, b.base))
  for (const rate of sorted) {
    for (const currency of [rate.base, rate.quote]) {
      const known = byCurrency.get(currency)
      if (known === undefined) byCurrency.set(currency, [rate])
      else known.push(rate)
    }
  }
  return byCurrency
}

function findRateOfDay(
  rates: ReadonlyMap<string, readonly StoredRate[]> | undefined,
  from: string,
  to: string,
): ExchangeRate | null {
  const [ofFrom = [], ofTo = []] = [rates?.get(from), rates?.get(to)]
  const direct = ofFrom.find(({ base, quote }) => base === from && quote === to)
  if (direct !== undefined) return toExchange(direct, [toFraction(direct.rate)], 'direct')
  const inverse = ofFrom.find(({ base, quote }) => base === to && quote === from)
  if (inverse !== undefined) return toExchange(inverse, [invert(toFraction(inverse.rate))], 'inverse')
  for (const first of ofFrom) {
    if (first.quote !== from) continue
    const second = ofTo.find(
      ({ base, quote, source }) => base === first.base && quote === to && source === first.source,
    )
    if (second !== undefined)
      return toExchange(first, [invert(toFraction(first.rate)), toFraction(second.rate)], 'cross')
  }
  return null
}

type Fraction = readonly [numerator: bigint, denominator: bigint]

function toExchange(
  { asOf, source }: StoredRate,
  factors: readonly Fraction[],
  via: ExchangeRate['via'],
): ExchangeRate {
  const [numerator, denominator] = factors.reduce(([a, b], [c, d]) => [a * c, b * d], [1n, 1n])
  return { numerator, denominator, asOf, source, via }
}

function invert([numerator, denominator]: Fraction): Fraction {
  return [denominator, numerator]
}

/** Throws RangeError for what is not a plain decimal above 0. */
function toFraction(rate: string): Fraction {
  const parts = DECIMAL.exec(rate)
  const [, whole = '', fraction = ''] = parts ?? []
  const numerator = parts === null ? 0n : BigInt(whole + fraction)
  if (numerator === 0n) throw new RangeError('a rate is a decimal above 0')
  return [numerator, 10n ** BigInt(fraction.length)]
}
