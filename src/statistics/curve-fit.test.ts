import { describe, expect, test } from 'vitest'
import { type ChannelWeek, fitCurve, historyGaps, isTooUncertain } from './curve-fit.ts'
import { invert, solve } from './positive-definite.ts'
import { normalQuantile } from './quantile.ts'
import { adstock, marginalAt, type ResponseCurve, responseAt } from './response-curve.ts'

const SEARCH: ResponseCurve = { beta: 12_000_000, k: 3_000_000, a: 0.8 }
const TV: ResponseCurve = { beta: 15_000_000, k: 5_000_000, a: 3 }
const CURRENT = 2_500_000
const SETTINGS = { currentMinor: BigInt(CURRENT), theta: 0, level: 0.95 }

interface History {
  count?: number
  /** Standard deviation of the logarithm of the weekly spend. */
  spread?: number
  /** Of the revenue, as a part of what the current spend brings. */
  noise?: number
  theta?: number
  seed?: number
}

/** Weeks of a channel whose curve is known; the same for the same seed (mulberry32). */
function weeksOf(
  curve: ResponseCurve,
  { count = 52, spread = 0.5, noise = 0.05, theta = 0, seed = 1 }: History,
): ChannelWeek[] {
  let state = seed * 0x9e3779b1
  const draw = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return normalQuantile((((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32)
  }
  const spends = Array.from({ length: count }, () => Math.round(CURRENT * Math.exp(spread * draw())))
  const effective = adstock(spends, theta)
  return spends.map((spend, week) => {
    const revenue = responseAt(curve, effective[week] as number) + noise * responseAt(curve, CURRENT) * draw()
    return { spendMinor: BigInt(spend), revenueMinor: BigInt(Math.round(revenue)) }
  })
}

describe.each([
  ['concave', SEARCH],
  ['S-shaped', TV],
])('a %s curve', (_name, curve) => {
  test('is found where nothing disturbs it', () => {
    const fit = fitCurve(weeksOf(curve, { noise: 0 }), SETTINGS)
    if (fit.status !== 'fitted') throw new Error(fit.gaps.join())
    expect(fit.estimate.curve.beta / curve.beta).toBeCloseTo(1, 4)
    expect(fit.estimate.curve.k / curve.k).toBeCloseTo(1, 4)
    expect(fit.estimate.curve.a / curve.a).toBeCloseTo(1, 4)
    expect(fit.weeks).toBe(52)
  })

  test('is found through a carry-over that is known, as the curve over steady spend', () => {
    const theta = 0.5
    const fit = fitCurve(weeksOf(curve, { noise: 0, theta }), { ...SETTINGS, theta })
    if (fit.status !== 'fitted') throw new Error(fit.gaps.join())
    expect(fit.estimate.curve.k / (curve.k * (1 - theta))).toBeCloseTo(1, 3)
    expect(fit.marginal.expected).toBeCloseTo(marginalAt({ ...curve, k: curve.k * (1 - theta) }, CURRENT), 4)
  })

  test('has the true marginal in 95 of 100 intervals', () => {
    const truth = marginalAt(curve, CURRENT)
    const fits = Array.from({ length: 400 }, (_, seed) => fitCurve(weeksOf(curve, { seed: seed + 1 }), SETTINGS))
    const passed = fits.filter((fit) => fit.status === 'fitted')
    const held = passed.filter(({ marginal }) => marginal.low <= truth && truth <= marginal.high)
    expect(passed.length).toBeGreaterThan(380)
    // Three standard errors of a share of 0.95 among 400.
    expect(Math.abs(held.length / passed.length - 0.95)).toBeLessThan(0.033)
  })

  test('is the same in other units of money', () => {
    const weeks = weeksOf(curve, {})
    const scaled = weeks.map(({ spendMinor, revenueMinor }) => ({
      spendMinor: spendMinor * 1_000n,
      revenueMinor: revenueMinor * 1_000n,
    }))
    const one = fitCurve(weeks, SETTINGS)
    const other = fitCurve(scaled, { ...SETTINGS, currentMinor: SETTINGS.currentMinor * 1_000n })
    if (one.status !== 'fitted' || other.status !== 'fitted') throw new Error('not fitted')
    expect(other.marginal.expected).toBeCloseTo(one.marginal.expected, 6)
    expect(other.marginal.high).toBeCloseTo(one.marginal.high, 6)
    expect(other.estimate.curve.k / one.estimate.curve.k).toBeCloseTo(1_000, 2)
  })
})

describe('what a history lacks', () => {
  const gapsOf = (weeks: ChannelWeek[], settings = SETTINGS) => {
    const fit = fitCurve(weeks, settings)
    return fit.status === 'insufficient' ? fit.gaps : []
  }

  test.each<[string, ChannelWeek[], string[]]>([
    ['25 weeks', weeksOf(SEARCH, { count: 25 }), ['too_few_weeks']],
    ['26 weeks', weeksOf(SEARCH, { count: 26, noise: 0.01 }), []],
    ['an even spend', weeksOf(SEARCH, { spread: 0.12 }), ['spend_too_even']],
    ['both', weeksOf(SEARCH, { count: 10, spread: 0.1 }), ['too_few_weeks', 'spend_too_even']],
    ['revenue that is noise', weeksOf(SEARCH, { noise: 3 }), ['return_too_uncertain']],
    ['no week', [], ['no_spend']],
  ])('%s', (_name, weeks, gaps) => {
    expect(gapsOf(weeks)).toEqual(gaps)
  })

  test('weeks without spend do not count', () => {
    const idle = new Array<ChannelWeek>(30).fill({ spendMinor: 0n, revenueMinor: 0n })
    expect(gapsOf(idle)).toEqual(['no_spend'])
    expect(gapsOf([...weeksOf(SEARCH, { count: 25 }), ...idle])).toEqual(['too_few_weeks'])
  })

  test('spend now, where the marginal would have to be known', () => {
    expect(gapsOf(weeksOf(SEARCH, {}), { ...SETTINGS, currentMinor: 0n })).toEqual(['no_spend'])
  })

  test('revenue that only falls', () => {
    const weeks = weeksOf(SEARCH, { noise: 0 }).map(({ spendMinor }) => ({ spendMinor, revenueMinor: -spendMinor }))
    expect(gapsOf(weeks)).toEqual(['return_too_uncertain'])
  })

  test('revenue that is proportional to spend: half saturation may lie anywhere', () => {
    const weeks = weeksOf(SEARCH, { noise: 0 }).map(({ spendMinor }) => ({ spendMinor, revenueMinor: 3n * spendMinor }))
    expect(gapsOf(weeks)).toEqual(['return_too_uncertain'])
  })

  test('the variation of the spend is at least 0.15', () => {
    const alternating = (part: number) =>
      Array.from({ length: 30 }, (_, week) => (week % 2 === 0 ? 1 + part : 1 - part))
    expect(historyGaps(alternating(0.147))).toEqual(['spend_too_even'])
    expect(historyGaps(alternating(0.148))).toEqual([])
  })
})

test.each([
  [{ low: 0, expected: 1, high: 2 }, true],
  [{ low: -0.1, expected: 1, high: 2 }, true],
  [{ low: 0.5, expected: 1, high: 1.5 }, false],
  [{ low: 0.4, expected: 0.9, high: 1.3 }, true],
  [{ low: Number.NaN, expected: Number.NaN, high: Number.NaN }, true],
])('%o: too uncertain is %s', (interval, isUncertain) => {
  expect(isTooUncertain(interval)).toBe(isUncertain)
})

test('equations with a positive definite matrix', () => {
  const matrix = [
    [4, 2, 1],
    [2, 5, 3],
    [1, 3, 6],
  ]
  const solution = solve(matrix, [13, 21, 25]) as number[]
  for (const [row, value] of [13, 21, 25].entries()) {
    expect(
      (matrix[row] as number[]).reduce((sum, cell, column) => sum + cell * (solution[column] as number), 0),
    ).toBeCloseTo(value, 12)
  }
  expect(invert(matrix)?.[0]?.[0]).toBeCloseTo(21 / 67, 12)
  expect(
    invert([
      [1, 1],
      [1, 1],
    ]),
  ).toBeNull()
})
