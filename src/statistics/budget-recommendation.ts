import { allocateBudget, type BudgetAllocation, type BudgetChannel, stepFor } from './budget.ts'
import { type CurveEstimate, type Interval, responseGradient, standardError } from './curve-estimate.ts'
import { normalQuantile } from './quantile.ts'
import { responseAt } from './response-curve.ts'

/** By which part of its current spend a channel may change in one period, unless the user says otherwise. */
export const MAX_CHANGE = 0.2
export const INTERVAL_LEVEL = 0.95

export interface CurrentChannel {
  channel: string
  /** Over the spend of the period. */
  estimate: CurveEstimate
  /** What would be spent in the period as things are. All of them sum to the budget. */
  currentMinor: bigint
  /** The user's own bounds, which come before `maxChange`; null where there are none. */
  minimumMinor: bigint | null
  maximumMinor: bigint | null
}

export interface RecommendationRequest {
  currency: string
  channels: readonly CurrentChannel[]
  /** 0.2 allows 80 to 120 % of the current spend. 0 or more. */
  maxChange?: number
  /** Probability of the interval of the gain. */
  level?: number
}

export interface Recommendation {
  /** `no_change` unless the whole interval of the gain is above 0. */
  outcome: 'recommended' | 'no_change'
  /** By channel; the current spends for `no_change`. Sums to the budget. */
  spendMinor: ReadonlyMap<string, bigint>
  /** The best division within the bounds, also where it is not recommended. */
  best: BudgetAllocation
  /** Revenue of the best division less that of the current one, in minor units, by the curves. */
  gain: Interval
  level: number
}

/**
 * How to divide what is spent now, so that it brings more: the best division within the bounds, or none where chance may
 * explain its gain. A channel whose current spend lies outside the user's bounds moves to them whatever `maxChange` says,
 * and then the best division is always recommended, since the current one is not allowed.
 *
 * The interval of the gain treats the curves of two channels as independent, and is linear in their parameters.
 * Throws BudgetError where the bounds are impossible, MoneyError for an unknown currency.
 */
export function recommendBudget(request: RecommendationRequest): Recommendation {
  const { currency, channels, maxChange = MAX_CHANGE, level = INTERVAL_LEVEL } = request
  const budgetMinor = channels.reduce((sum, { currentMinor }) => sum + currentMinor, 0n)
  const bounded = channels.map((channel) => withBounds(channel, maxChange))
  const best = allocateBudget({ budgetMinor, stepMinor: stepFor(budgetMinor, currency), channels: bounded })
  const gain = gainOf(channels, best, normalQuantile((1 + level) / 2))
  const current = new Map(channels.map(({ channel, currentMinor }) => [channel, currentMinor]))
  const isAllowed = channels.every((one) => clamp(one.currentMinor, one) === one.currentMinor)
  const isKept = isAllowed && gain.low <= 0
  return {
    outcome: isKept ? 'no_change' : 'recommended',
    spendMinor: isKept ? current : best.spendMinor,
    best,
    gain,
    level,
  }
}

/**
 * The bounds that allow `less` and `more` of a spend, as parts of it: the spend and then both bounds are rounded to the
 * step, halves up. The lower one is never below 0.
 */
export function boundsAround(
  spendMinor: bigint,
  { less, more }: { less: number; more: number },
  stepMinor: bigint,
): { minimumMinor: bigint; maximumMinor: bigint } {
  const spend = roundTo(spendMinor, stepMinor)
  const lower = roundTo(spend * (MILLIONTHS - millionths(less)), stepMinor * MILLIONTHS)
  const upper = roundTo(spend * (MILLIONTHS + millionths(more)), stepMinor * MILLIONTHS)
  return { minimumMinor: lower < 0n ? 0n : lower / MILLIONTHS, maximumMinor: upper / MILLIONTHS }
}

function withBounds(current: CurrentChannel, maxChange: number): BudgetChannel {
  const around = boundsAround(current.currentMinor, { less: maxChange, more: maxChange }, 1n)
  return {
    channel: current.channel,
    curve: current.estimate.curve,
    minimumMinor: clamp(around.minimumMinor, current),
    maximumMinor: clamp(around.maximumMinor, current),
  }
}

function clamp(amount: bigint, { minimumMinor, maximumMinor }: CurrentChannel): bigint {
  if (minimumMinor !== null && amount < minimumMinor) return minimumMinor
  return maximumMinor !== null && amount > maximumMinor ? maximumMinor : amount
}

function gainOf(channels: readonly CurrentChannel[], best: BudgetAllocation, width: number): Interval {
  let expected = 0
  let variance = 0
  for (const { channel, estimate, currentMinor } of channels) {
    const after = Number(best.spendMinor.get(channel))
    const before = Number(currentMinor)
    expected += responseAt(estimate.curve, after) - responseAt(estimate.curve, before)
    const then = responseGradient(estimate.curve, before)
    const gradient = responseGradient(estimate.curve, after).map((slope, index) => slope - (then[index] as number))
    variance += standardError(gradient, estimate.covariance) ** 2
  }
  const error = width * Math.sqrt(variance)
  return { low: expected - error, expected, high: expected + error }
}

const MILLIONTHS = 1_000_000n

function millionths(part: number): bigint {
  return BigInt(Math.round(part * Number(MILLIONTHS)))
}

/** The nearest multiple of the step, halves up. */
function roundTo(amount: bigint, step: bigint): bigint {
  const shifted = 2n * amount + step
  const rest = ((shifted % (2n * step)) + 2n * step) % (2n * step)
  return (shifted - rest) / 2n
}
