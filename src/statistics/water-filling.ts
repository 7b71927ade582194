import { marginalAt, type ResponseCurve, spendAtMarginal } from './response-curve.ts'

/** A concave curve (a <= 1) with the bounds of its spend, minimum < = maximum, in the curve's own units. */
export interface BoundedCurve {
  curve: ResponseCurve
  minimum: number
  maximum: number
}

export interface WaterLevel {
  /** In the order of the curves; they sum to the budget, up to rounding of the last digits. */
  spends: number[]
  /** The marginal at which every channel between its bounds stands; null where the bounds leave no choice. */
  level: number | null
}

/**
 * The division of `budget` that brings most: every channel between its bounds has the same marginal, the water level,
 * which is found by bisection to the last digit. The budget lies between the sums of the bounds.
 */
export function fillToLevel(channels: readonly BoundedCurve[], budget: number): WaterLevel {
  const minimums = channels.map(({ minimum }) => minimum)
  const maximums = channels.map(({ maximum }) => maximum)
  if (budget <= sumOf(minimums)) return { spends: minimums, level: null }
  if (budget >= sumOf(maximums)) return { spends: maximums, level: null }

  const spendsAt = (level: number) => channels.map((channel) => spendAt(channel, level))
  let high = sumOf(channels.map(({ curve }) => curve.beta)) / budget
  while (sumOf(spendsAt(high)) > budget) high *= 2
  let low = high / 2
  while (sumOf(spendsAt(low)) <= budget) {
    high = low
    low /= 2
  }
  for (let middle = (low + high) / 2; low < middle && middle < high; middle = (low + high) / 2) {
    if (sumOf(spendsAt(middle)) > budget) low = middle
    else high = middle
  }
  return { spends: between(spendsAt(high), spendsAt(low), budget), level: high }
}

function spendAt({ curve, minimum, maximum }: BoundedCurve, level: number): number {
  if (marginalAt(curve, minimum) <= level) return minimum
  if (marginalAt(curve, maximum) >= level) return maximum
  return Math.min(Math.max(spendAtMarginal(curve, level) ?? minimum, minimum), maximum)
}

/** Where curves are almost straight, neighbouring levels are far apart in spend: what is missing is taken in proportion. */
function between(less: readonly number[], more: readonly number[], budget: number): number[] {
  const share = (budget - sumOf(less)) / (sumOf(more) - sumOf(less))
  return less.map((spend, index) => spend + share * ((more[index] as number) - spend))
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
