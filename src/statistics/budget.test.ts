import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allocateBudget, type BudgetChannel, BudgetError, type BudgetProblem, stepFor } from './budget.ts'
import { responseAt } from './response-curve.ts'
import { fillToLevel } from './water-filling.ts'

const channel = (
  name: string,
  beta: number,
  k: number,
  a: number,
  minimum: bigint,
  maximum: bigint,
): BudgetChannel => ({
  channel: name,
  curve: { beta, k, a },
  minimumMinor: minimum,
  maximumMinor: maximum,
})

/** The two problems of the reference, where one minor unit is one unit of currency. */
const P1 = [
  channel('search', 120_000, 30_000, 0.8, 5_000n, 60_000n),
  channel('social', 90_000, 40_000, 0.9, 5_000n, 60_000n),
  channel('display', 40_000, 20_000, 1, 2_000n, 40_000n),
  channel('video', 60_000, 60_000, 0.7, 0n, 50_000n),
]
const P2 = [
  channel('search', 100_000, 20_000, 1, 0n, 60_000n),
  channel('tv', 150_000, 50_000, 3, 0n, 100_000n),
  channel('social', 50_000, 15_000, 2, 0n, 60_000n),
]

const solve = (channels: BudgetChannel[], budgetMinor: bigint, stepMinor = 100n) =>
  allocateBudget({ budgetMinor, stepMinor, channels })
const amounts = (found: ReturnType<typeof solve>) => Object.fromEntries(found.spendMinor)

describe('the published problems', () => {
  test('P1, exact', () => {
    const bounded = P1.map(({ curve, minimumMinor, maximumMinor }) => ({
      curve,
      minimum: Number(minimumMinor),
      maximum: Number(maximumMinor),
    }))
    const { spends, level } = fillToLevel(bounded, 100_000)
    expect(spends.map((spend) => spend.toFixed(3))).toEqual(['38521.968', '32548.176', '16013.225', '12916.631'])
    expect(level?.toFixed(6)).toBe('0.616831')
    const response = P1.reduce((sum, { curve }, index) => sum + responseAt(curve, spends[index] as number), 0)
    expect(response.toFixed(4)).toBe('139870.2854')
  })

  test('P1 in steps of 100', () => {
    const found = solve(P1, 100_000n)
    expect(found.solver).toBe('water_filling')
    expect(amounts(found)).toEqual({ display: 16_000n, search: 38_500n, social: 32_600n, video: 12_900n })
    expect(found.response.toFixed(4)).toBe('139870.2505')
    expect(found.lambda?.toFixed(6)).toBe('0.616831')
  })

  test('P2, where a search by steps loses a third', () => {
    const found = solve(P2, 100_000n)
    expect(found.solver).toBe('money_grid')
    expect(amounts(found)).toEqual({ search: 17_200n, social: 17_000n, tv: 65_800n })
    expect(found.response.toFixed(2)).toBe('178605.45')
  })

  test('P2 with less money, where a rule of averages leaves half of it unspent', () => {
    const found = solve(P2, 60_000n)
    expect(amounts(found)).toEqual({ search: 9_900n, social: 0n, tv: 50_100n })
    expect(found.response.toFixed(2)).toBe('108335.14')
  })

  test('lambda of the grid is what the last step brings', () => {
    const { lambda, response } = solve(P2, 100_000n)
    expect(lambda).toBeCloseTo((response - solve(P2, 99_900n).response) / 100, 12)
  })
})

test('straight lines, whose marginals differ by less than a digit, share what they leave open', () => {
  const line = { curve: { beta: 1e18, k: 1e18, a: 1 }, minimum: 0, maximum: 80 }
  expect(fillToLevel([line, line], 100).spends).toEqual([50, 50])
})

test.each([
  [10_000_000n, 'USD', 10_000n],
  [9_999_999n, 'USD', 9_999n],
  [50_000n, 'USD', 100n],
  [50n, 'USD', 100n],
  [500_000n, 'JPY', 500n],
  [999n, 'JPY', 1n],
  [1_000_000n, 'KWD', 1_000n],
])('the step of %s minor units of %s is %s', (budgetMinor, currency, step) => {
  expect(stepFor(budgetMinor, currency)).toBe(step)
})

describe('ties', () => {
  test('equal S-shaped channels: the later name spends less', () => {
    const twin = (name: string) => channel(name, 100, 50, 3, 0n, 100n)
    expect(amounts(solve([twin('b'), twin('a')], 100n, 10n))).toEqual({ a: 50n, b: 50n })
    expect(amounts(solve([twin('b'), twin('a')], 50n, 10n))).toEqual({ a: 50n, b: 0n })
  })

  test('equal concave channels: the step that is over goes to the earlier name', () => {
    const twin = (name: string) => channel(name, 100, 50, 1, 0n, 100n)
    expect(amounts(solve([twin('c'), twin('a'), twin('b')], 100n, 10n))).toEqual({ a: 40n, b: 30n, c: 30n })
  })
})

describe('what the step does not divide', () => {
  test('the rest of the budget is spent too', () => {
    expect(sumOf(solve(P1, 99_987n))).toBe(99_987n)
    expect(sumOf(solve(P2, 99_987n))).toBe(99_987n)
    expect(sumOf(solve(P2, 7n))).toBe(7n)
    expect(sumOf(solve(P1, 12_003n, 5_000n))).toBe(12_003n)
  })

  test('a maximum is reached exactly where the budget asks for it', () => {
    const narrow = P2.map((one) => ({ ...one, maximumMinor: 1_033n }))
    expect(amounts(solve(narrow, 3_099n))).toEqual({ search: 1_033n, social: 1_033n, tv: 1_033n })
    expect(solve(P1, 210_000n).lambda).toBeNull()
  })
})

describe('what is refused', () => {
  test.each<[string, Partial<BudgetProblem>]>([
    ['no_channels', { channels: [] }],
    ['duplicate_channel', { channels: [...P1, ...P1.slice(2, 3)] }],
    ['out_of_range', { budgetMinor: -1n }],
    ['out_of_range', { budgetMinor: 2n ** 46n + 1n }],
    ['out_of_range', { stepMinor: 0n }],
    ['bounds_contradict', { channels: [channel('x', 1, 1, 1, 10n, 9n)] }],
    ['bounds_contradict', { channels: [channel('x', 1, 1, 1, -1n, 200_000n)] }],
    ['below_minimums', { budgetMinor: 11_999n }],
    ['above_maximums', { budgetMinor: 210_001n }],
    ['grid_too_fine', { channels: P2, stepMinor: 1n }],
  ])('%s', (code, change) => {
    const faultOf = () => {
      try {
        allocateBudget({ budgetMinor: 100_000n, stepMinor: 100n, channels: P1, ...change })
      } catch (error) {
        if (error instanceof BudgetError) return error.code
        throw error
      }
      return 'none'
    }
    expect(faultOf()).toBe(code)
  })

  test('a curve that is none', () => {
    expect(() => solve([channel('x', 0, 1, 1, 0n, 10n)], 5n)).toThrow(RangeError)
  })
})

const STEP = 10n
const curveArbitrary = (steepest: number) =>
  fc.record({
    beta: fc.integer({ min: 1, max: 1_000 }),
    k: fc.integer({ min: 5, max: 300 }),
    a: fc.integer({ min: 4, max: steepest }).map((tenths) => tenths / 10),
  })

/** Two to four channels on a grid of ten, and a budget that their bounds allow. */
const problemArbitrary = (steepest: number, mostChannels = 4) =>
  fc
    .array(fc.tuple(curveArbitrary(steepest), fc.nat({ max: 3 }), fc.nat({ max: 8 })), {
      minLength: 2,
      maxLength: mostChannels,
    })
    .chain((rows) => {
      const channels = rows.map(([{ beta, k, a }, least, more], index) =>
        channel(`channel-${index}`, beta, k, a, BigInt(least) * STEP, BigInt(least + more) * STEP),
      )
      const least = rows.reduce((sum, [, minimum]) => sum + minimum, 0)
      const most = rows.reduce((sum, [, minimum, more]) => sum + minimum + more, 0)
      return fc
        .integer({ min: least, max: most })
        .map((steps) => ({ channels, budgetMinor: BigInt(steps) * STEP, stepMinor: STEP }))
    })

/** The best response of all divisions on a grid of `step`. */
function bestOf(
  channels: readonly BudgetChannel[],
  budget: bigint,
  step: bigint,
): { response: number; spends: bigint[] } {
  const [first, ...others] = channels
  if (first === undefined) return { response: budget === 0n ? 0 : -Infinity, spends: [] }
  let best = { response: -Infinity, spends: [] as bigint[] }
  for (let spend = first.minimumMinor; spend <= first.maximumMinor && spend <= budget; spend += step) {
    const rest = bestOf(others, budget - spend, step)
    const response = rest.response + responseAt(first.curve, Number(spend))
    if (response > best.response) best = { response, spends: [spend, ...rest.spends] }
  }
  return best
}

function sumOf({ spendMinor }: { spendMinor: ReadonlyMap<string, bigint> }): bigint {
  return [...spendMinor.values()].reduce((sum, spend) => sum + spend, 0n)
}

function expectWithinBounds(problem: BudgetProblem, found: ReturnType<typeof solve>): void {
  expect(sumOf(found)).toBe(problem.budgetMinor)
  for (const { channel: name, minimumMinor, maximumMinor } of problem.channels) {
    const spend = found.spendMinor.get(name) as bigint
    expect(spend >= minimumMinor && spend <= maximumMinor, name).toBe(true)
  }
}

describe('against every division of a small grid', () => {
  test('curves of any shape: nothing is better', () => {
    fc.assert(
      fc.property(problemArbitrary(40), (problem) => {
        const found = allocateBudget(problem)
        expectWithinBounds(problem, found)
        if (found.solver === 'money_grid') {
          const best = bestOf(problem.channels, problem.budgetMinor, STEP)
          expect(found.response).toBeGreaterThan(best.response * (1 - 1e-12) - 1e-12)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('concave curves: each channel is within a step of the optimum of a ten times finer grid', () => {
    fc.assert(
      fc.property(problemArbitrary(10, 3), (problem) => {
        const found = allocateBudget(problem)
        expect(found.solver).toBe('water_filling')
        expectWithinBounds(problem, found)
        const finest = bestOf(problem.channels, problem.budgetMinor, 1n)
        for (const [index, { channel: name }] of problem.channels.entries()) {
          const off = Number((found.spendMinor.get(name) as bigint) - (finest.spends[index] as bigint))
          // The finer optimum is itself up to two of its own steps off the exact one.
          expect(Math.abs(off), name).toBeLessThanOrEqual(Number(STEP) + 2)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('budgets and bounds that no step divides are kept to the unit', () => {
    const amount = fc.bigInt({ min: 0n, max: 500n })
    const row = fc.tuple(curveArbitrary(30), amount, amount)
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 5 }),
        fc.nat({ max: 1_000 }),
        fc.bigInt(1n, 60n),
        (rows, part, stepMinor) => {
          const channels = rows.map(([{ beta, k, a }, least, more], index) =>
            channel(`channel-${index}`, beta, k, a, least, least + more),
          )
          const least = rows.reduce((sum, [, minimum]) => sum + minimum, 0n)
          const free = rows.reduce((sum, [, , more]) => sum + more, 0n)
          const problem = { channels, stepMinor, budgetMinor: least + (free * BigInt(part)) / 1_000n }
          expectWithinBounds(problem, allocateBudget(problem))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('the order in which channels are listed changes nothing', () => {
    fc.assert(
      fc.property(problemArbitrary(30), fc.infiniteStream(fc.nat()), (problem, keys) => {
        const shuffled = problem.channels
          .map((one) => ({ one, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one)
        expect(allocateBudget({ ...problem, channels: shuffled })).toEqual(allocateBudget(problem))
      }),
    )
  })

  test('other names permute the division, up to ties', () => {
    fc.assert(
      fc.property(problemArbitrary(30), (problem) => {
        const found = allocateBudget(problem)
        const renamed = problem.channels.map((one, index) => ({ ...one, channel: `z-${9 - index}` }))
        const other = allocateBudget({ ...problem, channels: renamed })
        if (found.solver === 'money_grid') {
          expect(Math.abs(other.response - found.response)).toBeLessThanOrEqual(1e-12 * found.response)
          return
        }
        for (const [index, { channel: name }] of problem.channels.entries()) {
          const off = (other.spendMinor.get(`z-${9 - index}`) as bigint) - (found.spendMinor.get(name) as bigint)
          // Of two equal remainders either may be rounded up.
          expect(off >= -STEP && off <= STEP, name).toBe(true)
        }
      }),
    )
  })
})
