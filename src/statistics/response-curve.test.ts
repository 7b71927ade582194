import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  adstock,
  inflexionOf,
  marginalAt,
  overSteadySpend,
  type ResponseCurve,
  requireCurve,
  responseAt,
  spendAtMarginal,
} from './response-curve.ts'

const SEARCH: ResponseCurve = { beta: 120_000, k: 30_000, a: 0.8 }
const TV: ResponseCurve = { beta: 150_000, k: 50_000, a: 3 }
const DISPLAY: ResponseCurve = { beta: 40_000, k: 20_000, a: 1 }

const curveArbitrary = fc.record({
  beta: fc.double({ min: 1, max: 1e9, noNaN: true }),
  k: fc.double({ min: 1, max: 1e9, noNaN: true }),
  a: fc.double({ min: 0.2, max: 5, noNaN: true }),
})
const close = (found: number, expected: number, tolerance: number) =>
  expect(Math.abs(found - expected), `${found} for ${expected}`).toBeLessThanOrEqual(tolerance * Math.abs(expected))

test('half of beta is reached at k, whatever the steepness', () => {
  for (const curve of [SEARCH, TV, DISPLAY]) expect(responseAt(curve, curve.k)).toBe(curve.beta / 2)
  expect(responseAt(TV, 0)).toBe(0)
  expect(responseAt(TV, 1e12)).toBeCloseTo(150_000, 6)
})

test('the marginal at the published optimum is the published water level', () => {
  expect(marginalAt(SEARCH, 38_521.968)).toBeCloseTo(0.616831, 6)
  expect(marginalAt(DISPLAY, 16_013.225)).toBeCloseTo(0.616831, 6)
})

test('the marginal of the first unit', () => {
  expect(marginalAt(SEARCH, 0)).toBe(Infinity)
  expect(marginalAt(DISPLAY, 0)).toBe(2)
  expect(marginalAt(TV, 0)).toBe(0)
})

test('an S-shaped curve turns where the formula says, and is steepest there', () => {
  const turn = inflexionOf(TV)
  expect(turn).toBeCloseTo(50_000 * 0.5 ** (1 / 3), 6)
  expect(marginalAt(TV, turn)).toBeGreaterThan(marginalAt(TV, turn * 0.99))
  expect(marginalAt(TV, turn)).toBeGreaterThan(marginalAt(TV, turn * 1.01))
  expect(inflexionOf(SEARCH)).toBe(0)
})

describe('spendAtMarginal', () => {
  test('undoes the marginal beyond the inflexion', () => {
    fc.assert(
      fc.property(curveArbitrary, fc.double({ min: 1.01, max: 50, noNaN: true }), (curve, factor) => {
        const spend = Math.max(inflexionOf(curve), curve.k * 0.01) * factor
        const marginal = marginalAt(curve, spend)
        const found = spendAtMarginal(curve, marginal) as number
        close(marginalAt(curve, found), marginal, 1e-12)
        // Near the inflexion the marginal is flat, so that its digits say less of the spend.
        if (factor > 1.2) close(found, spend, 1e-9)
      }),
    )
  })

  test('is null where no spend brings that much', () => {
    expect(spendAtMarginal(TV, 1.001 * marginalAt(TV, inflexionOf(TV)))).toBeNull()
    expect(spendAtMarginal(DISPLAY, 2.001)).toBeNull()
    expect(spendAtMarginal(DISPLAY, 2)).toBe(0)
    expect(spendAtMarginal(SEARCH, 1e9)).toBeGreaterThan(0)
  })

  test('the steepest marginal belongs to the inflexion', () => {
    const turn = inflexionOf(TV)
    close(spendAtMarginal(TV, marginalAt(TV, turn)) as number, turn, 1e-6)
  })
})

test('the marginal is the slope of the response', () => {
  fc.assert(
    fc.property(curveArbitrary, fc.double({ min: 0.05, max: 20, noNaN: true }), (curve, factor) => {
      const spend = curve.k * factor
      const width = spend * 1e-5
      const slope = (responseAt(curve, spend + width) - responseAt(curve, spend - width)) / (2 * width)
      close(slope, marginalAt(curve, spend), 1e-4)
    }),
  )
})

describe('carry-over', () => {
  test('a steady spend settles at spend / (1 - theta)', () => {
    expect(adstock([100, 0, 0, 50], 0.5)).toEqual([100, 50, 25, 62.5])
    const settled = adstock(new Array(200).fill(10_000), 0.6).at(-1) as number
    close(settled, 25_000, 1e-12)
    close(responseAt(overSteadySpend(TV, 0.6), 10_000), responseAt(TV, settled), 1e-12)
  })

  test.each([-0.1, 1, Number.NaN])('of %s is refused', (theta) => {
    expect(() => adstock([1], theta)).toThrow(RangeError)
    expect(() => overSteadySpend(TV, theta)).toThrow(RangeError)
  })
})

test.each([
  { ...TV, beta: 0 },
  { ...TV, k: -1 },
  { ...TV, a: Number.NaN },
  { ...TV, beta: Infinity },
])('%o is no curve', (curve) => {
  expect(() => requireCurve(curve)).toThrow(RangeError)
})
