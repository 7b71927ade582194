import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BudgetError } from './budget.ts'
import { boundsAround, type CurrentChannel, recommendBudget } from './budget-recommendation.ts'
import { responseAt } from './response-curve.ts'

const covarianceOf = (error: number) =>
  [0, 1, 2].map((row) => [0, 1, 2].map((column) => (row === column ? error ** 2 : 0)))

/** The published problem P1 in cents, at a division that is not the best, with `error` on each ln of a parameter. */
const current = (error: number): CurrentChannel[] =>
  [
    { channel: 'search', beta: 120_000, k: 30_000, a: 0.8, spend: 45_000n },
    { channel: 'social', beta: 90_000, k: 40_000, a: 0.9, spend: 30_000n },
    { channel: 'display', beta: 40_000, k: 20_000, a: 1, spend: 15_000n },
    { channel: 'video', beta: 60_000, k: 60_000, a: 0.7, spend: 10_000n },
  ].map(({ channel, beta, k, a, spend }) => ({
    channel,
    estimate: { curve: { beta: beta * 100, k: k * 100, a }, covariance: covarianceOf(error) },
    currentMinor: spend * 100n,
    minimumMinor: null,
    maximumMinor: null,
  }))

const recommend = (channels: CurrentChannel[], maxChange?: number) =>
  recommendBudget({ currency: 'USD', channels, ...(maxChange === undefined ? {} : { maxChange }) })

test('the published bounds around five spends, rounded to hundreds', () => {
  const spends = [1_064_250n, 2_222_200n, 3_333_300n, 4_444_400n, 5_555_500n]
  const less = [0.5, 0.4, 0.3, 0.2, 0.1]
  const more = [0.2544, 0.4, 0.5, 0.6, 0.7]
  const bounds = spends.map((spend, index) =>
    boundsAround(spend, { less: less[index] as number, more: more[index] as number }, 10_000n),
  )
  expect(bounds.map(({ minimumMinor }) => minimumMinor / 100n)).toEqual([5_300n, 13_300n, 23_300n, 35_500n, 50_000n])
  expect(bounds.map(({ maximumMinor }) => maximumMinor / 100n)).toEqual([13_300n, 31_100n, 50_000n, 71_000n, 94_500n])
})

test('a spend may fall by its whole, not by more', () => {
  expect(boundsAround(1_000n, { less: 3, more: 0 }, 1n)).toEqual({ minimumMinor: 0n, maximumMinor: 1_000n })
  expect(boundsAround(0n, { less: 0.2, more: 0.2 }, 1n)).toEqual({ minimumMinor: 0n, maximumMinor: 0n })
})

test('wide bounds give the published optimum', () => {
  const { outcome, spendMinor, best, gain } = recommend(current(0.001), 0.9)
  expect(outcome).toBe('recommended')
  expect(Object.fromEntries(spendMinor)).toEqual({
    display: 1_600_000n,
    search: 3_850_000n,
    social: 3_260_000n,
    video: 1_290_000n,
  })
  expect(best.lambda?.toFixed(6)).toBe('0.616831')
  expect(gain.low).toBeGreaterThan(0)
  expect(gain.expected).toBeCloseTo(13_987_025.05 - 13_931_446, -1)
})

test('without other words no channel changes by more than a fifth', () => {
  const { spendMinor } = recommend(current(0.001))
  expect(spendMinor.get('video')).toBe(1_200_000n)
  expect([...spendMinor.values()].reduce((sum, spend) => sum + spend, 0n)).toBe(10_000_000n)
})

describe('a gain that chance may explain', () => {
  test('keeps the current division, and still shows the best one', () => {
    const { outcome, spendMinor, best, gain } = recommend(current(0.5))
    expect(outcome).toBe('no_change')
    expect(spendMinor).toEqual(new Map(current(0.5).map(({ channel, currentMinor }) => [channel, currentMinor])))
    expect(best.spendMinor.get('video')).toBe(1_200_000n)
    expect(gain.low).toBeLessThan(0)
    expect(gain.expected).toBeGreaterThan(0)
  })

  test('a division that is the best but for rounding is kept', () => {
    const exact = [3_852_197n, 3_254_818n, 1_601_322n, 1_291_663n]
    const channels = current(0).map((one, index) => ({ ...one, currentMinor: exact[index] as bigint }))
    const { outcome, gain } = recommend(channels)
    expect(gain.expected).toBeLessThan(0)
    expect(outcome).toBe('no_change')
  })

  test('no gain at all is no change', () => {
    const { outcome, gain } = recommend(current(0), 0)
    expect(outcome).toBe('no_change')
    expect(gain).toEqual({ low: 0, expected: 0, high: 0 })
  })

  test('does not keep a division that the user forbids', () => {
    const channels = current(0.5).map((one) => (one.channel === 'search' ? { ...one, maximumMinor: 3_000_000n } : one))
    const { outcome, spendMinor } = recommend(channels, 0.8)
    expect(outcome).toBe('recommended')
    expect(spendMinor.get('search')).toBe(3_000_000n)
  })
})

test("the interval of the gain is that of the curves' parameters", () => {
  const onlyBeta = current(0).map((one) => ({ ...one, estimate: { ...one.estimate, covariance: betaAlone(0.05) } }))
  const { best, gain } = recommend(onlyBeta)
  const changes = onlyBeta.map(({ channel, estimate, currentMinor }) => {
    const after = responseAt(estimate.curve, Number(best.spendMinor.get(channel)))
    return after - responseAt(estimate.curve, Number(currentMinor))
  })
  const error = 0.05 * Math.hypot(...changes)
  expect(gain.high - gain.expected).toBeCloseTo(1.959963984540054 * error, 6)
  expect(gain.expected - gain.low).toBeCloseTo(1.959963984540054 * error, 6)
})

const betaAlone = (error: number) => [
  [error ** 2, 0, 0],
  [0, 0, 0],
  [0, 0, 0],
]

test('bounds that leave no division are refused', () => {
  const channels = current(0.1).map((one) => ({ ...one, maximumMinor: 2_000_000n }))
  expect(() => recommend(channels)).toThrow(BudgetError)
})

test('what is recommended sums to the budget, keeps every bound, and surely brings more', () => {
  const amount = fc.bigInt({ min: 0n, max: 5_000_000n })
  const row = fc.record({
    beta: fc.integer({ min: 1_000, max: 9_000_000 }),
    k: fc.integer({ min: 1_000, max: 9_000_000 }),
    a: fc.integer({ min: 4, max: 30 }).map((tenths) => tenths / 10),
    currentMinor: amount,
  })
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 4 }), fc.constantFrom(0.1, 0.2, 0.5), (rows, maxChange) => {
      const channels = rows.map(({ beta, k, a, currentMinor }, index) => ({
        channel: `channel-${index}`,
        estimate: { curve: { beta, k, a }, covariance: covarianceOf(0.1) },
        currentMinor,
        minimumMinor: null,
        maximumMinor: null,
      }))
      const { spendMinor, best, gain, outcome } = recommend(channels, maxChange)
      const budget = rows.reduce((sum, { currentMinor }) => sum + currentMinor, 0n)
      expect([...spendMinor.values()].reduce((sum, spend) => sum + spend, 0n)).toBe(budget)
      for (const { channel, currentMinor } of channels) {
        const off = Math.abs(Number((best.spendMinor.get(channel) as bigint) - currentMinor))
        expect(off).toBeLessThanOrEqual(maxChange * Number(currentMinor) + 0.5)
      }
      expect(outcome).toBe(gain.low > 0 ? 'recommended' : 'no_change')
    }),
    { numRuns: 200 },
  )
})
