import { exponentOf } from '../money.ts'
import { searchGrid } from './money-grid.ts'
import { marginalAt, type ResponseCurve, requireCurve, responseAt } from './response-curve.ts'
import { fillToLevel } from './water-filling.ts'

export interface BudgetChannel {
  /** Its name; each at most once. */
  channel: string
  curve: ResponseCurve
  /** 0 or more. */
  minimumMinor: bigint
  /** Not below the minimum. */
  maximumMinor: bigint
}

export interface BudgetProblem {
  budgetMinor: bigint
  /** The grid that spend is rounded to: see `stepFor`. */
  stepMinor: bigint
  channels: readonly BudgetChannel[]
}

export interface BudgetAllocation {
  solver: 'water_filling' | 'money_grid'
  stepMinor: bigint
  /** By channel, in the order of their names; sums exactly to the budget. */
  spendMinor: ReadonlyMap<string, bigint>
  /** Sum over the channels, in minor units, by the curves. */
  response: number
  /** What one more unit of budget would bring; null where the bounds leave no choice. */
  lambda: number | null
}

export type BudgetFault =
  | 'no_channels'
  | 'duplicate_channel'
  | 'out_of_range'
  | 'bounds_contradict'
  | 'below_minimums'
  | 'above_maximums'
  | 'grid_too_fine'

export class BudgetError extends Error {
  override name = 'BudgetError'
  readonly code: BudgetFault

  constructor(code: BudgetFault, message: string) {
    super(message)
    this.code = code
  }
}

/** Up to both, the sum of all spends is exact to the minor unit in double precision. */
const MAX_BUDGET_MINOR = 2n ** 46n
const MAX_CHANNELS = 100
/** The search takes time with the square of it: 0.6 s for 16 channels. */
const MAX_GRID_STEPS = 5_000n

/** A thousandth of the budget, but at least one unit of the currency (1.00 USD, 1 JPY). Throws MoneyError. */
export function stepFor(budgetMinor: bigint, currency: string): bigint {
  const unit = 10n ** BigInt(exponentOf(currency))
  const thousandth = budgetMinor / 1_000n
  return thousandth > unit ? thousandth : unit
}

/**
 * The division of the budget over the channels that brings the most revenue by their curves.
 *
 * Each channel gets its minimum and whole steps; what the steps leave of the budget, and what a maximum cuts off, goes in
 * parts of a step. The bounds always hold and the budget is always spent. Where all curves are concave, each channel is
 * less than one step off the exact optimum (water filling, then the largest remainders); otherwise the division is the
 * best of the whole grid, and among equal ones that in which the channel of the last name spends least. The names alone
 * decide the order, not how the channels are listed.
 *
 * Throws BudgetError where that is impossible, and RangeError for a curve that is none.
 */
export function allocateBudget(problem: BudgetProblem): BudgetAllocation {
  const ordered = problem.channels.toSorted((a, b) => (a.channel < b.channel ? -1 : 1))
  const inOrder = { ...problem, channels: ordered }
  requireSolvable(inOrder)
  const isConcave = ordered.every(({ curve }) => curve.a <= 1)
  const { spends, lambda } = isConcave ? fillWater(inOrder) : findOnGrid(inOrder)
  return {
    solver: isConcave ? 'water_filling' : 'money_grid',
    stepMinor: problem.stepMinor,
    spendMinor: new Map(ordered.map(({ channel }, index) => [channel, spends[index] as bigint])),
    response: ordered.reduce((sum, { curve }, index) => sum + responseAt(curve, Number(spends[index])), 0),
    lambda,
  }
}

interface Solution {
  spends: bigint[]
  lambda: number | null
}

function fillWater(problem: BudgetProblem): Solution {
  const { budgetMinor, stepMinor, channels } = problem
  const bounded = channels.map(({ curve, minimumMinor, maximumMinor }) => ({
    curve,
    minimum: Number(minimumMinor),
    maximum: Number(smaller(maximumMinor, budgetMinor)),
  }))
  const { spends: exact, level } = fillToLevel(bounded, Number(budgetMinor))
  const spends = channels.map(({ minimumMinor }, index) => {
    const above = BigInt(Math.floor(exact[index] as number)) - minimumMinor
    return minimumMinor + above - (above % stepMinor)
  })
  const cut = spends.map((spend, index) => (exact[index] as number) - Number(spend))
  return { spends: spendTheRest(problem, spends, cut), lambda: level }
}

function findOnGrid(problem: BudgetProblem): Solution {
  const { budgetMinor, stepMinor, channels } = problem
  const free = budgetMinor - sumOf(channels.map(({ minimumMinor }) => minimumMinor))
  const mostSteps = channels.map(({ minimumMinor, maximumMinor }) => (maximumMinor - minimumMinor) / stepMinor)
  const steps = smaller(free / stepMinor, sumOf(mostSteps))
  if (steps > MAX_GRID_STEPS) throw new BudgetError('grid_too_fine', `the budget has more than ${MAX_GRID_STEPS} steps`)
  const responses = channels.map(({ curve, minimumMinor }, index) => {
    const most = Number(smaller(mostSteps[index] as bigint, steps))
    return Array.from({ length: most + 1 }, (_, step) =>
      responseAt(curve, Number(minimumMinor + BigInt(step) * stepMinor)),
    )
  })
  const found = searchGrid(responses, Number(steps))
  const spends = channels.map(
    ({ minimumMinor }, index) => minimumMinor + BigInt(found.steps[index] as number) * stepMinor,
  )
  const marginals = channels.map(({ curve }, index) => marginalAt(curve, Number(spends[index])))
  return {
    spends: spendTheRest(problem, spends, marginals),
    lambda: found.lastStep === null ? null : found.lastStep / Number(stepMinor),
  }
}

/**
 * Gives what is left of the budget to the channels in the order of their `claims`, the largest first and equal ones by
 * name: at most one step each in a round, and none beyond its maximum.
 */
function spendTheRest(problem: BudgetProblem, spends: readonly bigint[], claims: readonly number[]): bigint[] {
  const { budgetMinor, stepMinor, channels } = problem
  const order = channels.map((_, index) => index).sort((a, b) => (claims[b] as number) - (claims[a] as number) || a - b)
  const given = [...spends]
  let left = budgetMinor - sumOf(spends)
  while (left > 0n) {
    for (const index of order) {
      const room = (channels[index] as BudgetChannel).maximumMinor - (given[index] as bigint)
      const gift = smaller(smaller(left, stepMinor), room)
      given[index] = (given[index] as bigint) + gift
      left -= gift
    }
  }
  return given
}

/** The channels are in the order of their names. */
function requireSolvable({ budgetMinor, stepMinor, channels }: BudgetProblem): void {
  if (channels.length === 0) throw new BudgetError('no_channels', 'there is no channel to spend on')
  if (channels.length > MAX_CHANNELS)
    throw new BudgetError('out_of_range', `there are more than ${MAX_CHANNELS} channels`)
  if (budgetMinor < 0n || budgetMinor > MAX_BUDGET_MINOR || stepMinor <= 0n) {
    throw new BudgetError(
      'out_of_range',
      `the budget is not from 0 to ${MAX_BUDGET_MINOR} minor units, or the step not above 0`,
    )
  }
  for (const [index, { channel, curve, minimumMinor, maximumMinor }] of channels.entries()) {
    requireCurve(curve)
    if (channels[index - 1]?.channel === channel) {
      throw new BudgetError('duplicate_channel', `${channel} is named more than once`)
    }
    if (minimumMinor < 0n || maximumMinor < minimumMinor) {
      throw new BudgetError(
        'bounds_contradict',
        `the bounds of ${channel} are below 0, or its maximum below its minimum`,
      )
    }
  }
  if (budgetMinor < sumOf(channels.map(({ minimumMinor }) => minimumMinor))) {
    throw new BudgetError('below_minimums', 'the minimums of the channels sum to more than the budget')
  }
  if (budgetMinor > sumOf(channels.map(({ maximumMinor }) => maximumMinor))) {
    throw new BudgetError('above_maximums', 'the maximums of the channels sum to less than the budget')
  }
}

function sumOf(amounts: readonly bigint[]): bigint {
  return amounts.reduce((sum, amount) => sum + amount, 0n)
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
