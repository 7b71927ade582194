/**
 * How what an ad platform claims stands to the orders that are verified. Money is minor units of one currency; amounts
 * are net of what the tenant's revenue definition leaves out, on both sides. Every ratio is to four decimals, halves away
 * from 0, and null where its divisor is not above 0.
 */

/** What a tenant starts with. No standard exists for them, so that a change is a new version and is shown with a verdict. */
export interface ReconciliationThresholds {
  version: number
  /** Claimed so far ÷ expected in the end, below which a claim is still coming in. */
  completeness: number
  /** Relative distance to an exchange rate within which a ratio is taken for it. */
  exchangeRate: number
  /** With fewer orders on both sides nothing is said. */
  orders: number
  /** Lowest and highest claim ratio, both included. */
  matched: readonly [number, number]
  minor: readonly [number, number]
  /** Claim ratio above which an over-claim is severe. */
  severe: number
  /** Standard errors by which the counts of orders differ beyond chance. */
  deltaZ: number
}

export const DEFAULT_THRESHOLDS: ReconciliationThresholds = {
  version: 1,
  completeness: 0.9,
  exchangeRate: 0.02,
  orders: 30,
  matched: [0.9, 1.1],
  minor: [0.75, 1.33],
  severe: 2,
  deltaZ: 3,
}

export type Verdict =
  | 'no_data'
  | 'pending'
  | 'currency_or_tz_mismatch'
  | 'impossible'
  | 'insufficient'
  | 'matched'
  | 'minor'
  | 'severe_over_claim'
  | 'over_claim'
  | 'under_claim'
  | 'inconclusive'

/** From the gravest down. */
const BY_GRAVITY: readonly Verdict[] = [
  'impossible',
  'severe_over_claim',
  'over_claim',
  'under_claim',
  'currency_or_tz_mismatch',
  'inconclusive',
  'minor',
  'pending',
  'insufficient',
  'matched',
  'no_data',
]

export interface Total {
  amountMinor: bigint
  /** A platform may claim parts of an order. */
  orders: number
}

export interface PlatformComparison {
  /** Null where nothing was fetched. */
  claimed: Total | null
  /** Orders in which the platform took part. */
  verified: Total
  /** All orders of the shop. */
  shop: Total
  /** Whether the window still holds days for which the platform may claim more. */
  isInLagWindow: boolean
  /** See `completenessOf` of claim-lag.ts; null without a history. */
  completeness: number | null
  /** Rate of the day between the currencies of account and shop, either way round; null where they are the same. */
  exchangeRate: number | null
  /** Verified amounts of the window one day earlier and one day later. */
  shiftedVerifiedMinor: readonly bigint[]
}

export interface ReconciliationMetrics {
  /** Claimed less verified. */
  differenceMinor: bigint
  /** The difference, but not below 0. */
  overClaimMinor: bigint
  /** Claimed ÷ verified. */
  claimRatio: number | null
  /** Verified ÷ all of the shop. */
  coverage: number | null
  /** How far the counts of orders differ beyond chance; null where both are 0. */
  deltaZ: number | null
}

export function metricsOf({ claimed, verified, shop }: PlatformComparison): ReconciliationMetrics {
  const claimedMinor = claimed?.amountMinor ?? 0n
  const differenceMinor = claimedMinor - verified.amountMinor
  return {
    differenceMinor,
    overClaimMinor: differenceMinor > 0n ? differenceMinor : 0n,
    claimRatio: ratioOf(claimedMinor, verified.amountMinor),
    coverage: ratioOf(verified.amountMinor, shop.amountMinor),
    deltaZ: deltaZOf(claimed?.orders ?? 0, verified.orders),
  }
}

/**
 * The first verdict that applies, in the order of `Verdict`. Amounts are compared exactly, before they are rounded to a
 * ratio; where nothing is verified every claim is above each bound.
 */
export function verdictOf(comparison: PlatformComparison, thresholds: ReconciliationThresholds): Verdict {
  const { claimed, verified, shop, isInLagWindow, completeness } = comparison
  if (claimed === null || (claimed.amountMinor === 0n && claimed.orders === 0)) return 'no_data'
  if (isInLagWindow || (completeness !== null && completeness < thresholds.completeness)) return 'pending'
  if (isMismatch(comparison, claimed.amountMinor, thresholds)) return 'currency_or_tz_mismatch'
  if (claimed.amountMinor > shop.amountMinor || claimed.orders > shop.orders) return 'impossible'
  if (claimed.orders < thresholds.orders && verified.orders < thresholds.orders) return 'insufficient'

  const isWithin = ([low, high]: readonly [number, number]) =>
    compareRatio(claimed.amountMinor, verified.amountMinor, low) >= 0 &&
    compareRatio(claimed.amountMinor, verified.amountMinor, high) <= 0
  if (isWithin(thresholds.matched)) return 'matched'
  if (isWithin(thresholds.minor)) return 'minor'
  const z = deltaZOf(claimed.orders, verified.orders) ?? 0
  if (z > thresholds.deltaZ) {
    if (compareRatio(claimed.amountMinor, verified.amountMinor, thresholds.severe) > 0) return 'severe_over_claim'
    if (compareRatio(claimed.amountMinor, verified.amountMinor, thresholds.minor[1]) > 0) return 'over_claim'
  }
  const isUnder = compareRatio(claimed.amountMinor, verified.amountMinor, thresholds.minor[0]) < 0
  return isUnder && z < -thresholds.deltaZ ? 'under_claim' : 'inconclusive'
}

/** Of several platforms; `no_data` for none. */
export function gravestOf(verdicts: readonly Verdict[]): Verdict {
  return BY_GRAVITY.find((verdict) => verdicts.includes(verdict)) ?? 'no_data'
}

/** Sum of the claims of all platforms ÷ the verified total of all orders. Above 1, orders are claimed twice. */
export function duplicationOf(claimsMinor: readonly bigint[], verifiedTotalMinor: bigint): number | null {
  return ratioOf(sumOf(claimsMinor), verifiedTotalMinor)
}

/** Orders in which two or more platforms took part ÷ those with at least one. */
export function orderOverlapOf(ordersWithTwo: number, ordersWithOne: number): number | null {
  return ratioOf(BigInt(ordersWithTwo), BigInt(ordersWithOne))
}

function isMismatch(
  { verified, exchangeRate, shiftedVerifiedMinor }: PlatformComparison,
  claimedMinor: bigint,
  thresholds: ReconciliationThresholds,
): boolean {
  if (claimedMinor !== verified.amountMinor && shiftedVerifiedMinor.includes(claimedMinor)) return true
  if (exchangeRate === null || verified.amountMinor <= 0n) return false
  const [low, high] = thresholds.matched
  const ratio = Number(claimedMinor) / Number(verified.amountMinor)
  // A rate near 1 would turn every good match into a mismatch.
  return [exchangeRate, 1 / exchangeRate].some(
    (rate) => (rate < low || rate > high) && Math.abs(ratio / rate - 1) <= thresholds.exchangeRate,
  )
}

function deltaZOf(claimedOrders: number, verifiedOrders: number): number | null {
  const orders = claimedOrders + verifiedOrders
  return orders > 0 ? Math.round(((claimedOrders - verifiedOrders) / Math.sqrt(orders)) * 1e4) / 1e4 : null
}

const MILLIONTHS = 1_000_000n

/** Negative, 0 or positive as `part` is below, at or above `bound` × `whole`; a bound has at most six decimals. */
function compareRatio(part: bigint, whole: bigint, bound: number): number {
  return Number(part * MILLIONTHS - whole * BigInt(Math.round(bound * Number(MILLIONTHS))))
}

function ratioOf(part: bigint, whole: bigint): number | null {
  if (whole <= 0n) return null
  const magnitude = part < 0n ? -part : part
  const tenThousandths = (2n * magnitude * 10_000n + whole) / (2n * whole)
  return Number(part < 0n ? -tenThousandths : tenThousandths) / 10_000
}

function sumOf(amounts: readonly bigint[]): bigint {
  return amounts.reduce((sum, amount) => sum + amount, 0n)
}
