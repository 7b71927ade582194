import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normalQuantile, studentQuantile } from './quantile.ts'

describe('normalQuantile', () => {
  // Computed with 40 digits from the error function; one for each of the three approximations, and both sides of a seam.
  test.each([
    [0.5, 0],
    [0.5005, 0.0012533144654324165],
    [0.3, -0.524400512708041],
    [0.0759, -1.433202414014924],
    [0.0751, -1.4388253927525398],
    [0.025, -1.9599639845400543],
    [0.001, -3.0902323061678136],
    [0.9999, 3.7190164854557084],
    [1e-10, -6.361340902404057],
    [1e-11, -6.706023155495136],
    [2e-12, -6.937181428035681],
    [1e-40, -13.31092137142517],
  ])('of %s is %s', (probability, z) => {
    expect(Math.abs(normalQuantile(probability) - z)).toBeLessThanOrEqual(4 * Number.EPSILON * Math.abs(z))
  })

  test('is infinite where the probability is certain', () => {
    expect(normalQuantile(0)).toBe(-Infinity)
    expect(normalQuantile(1)).toBe(Infinity)
  })

  test.each([-0.1, 1.1, Number.NaN])('refuses %s', (probability) => {
    expect(() => normalQuantile(probability)).toThrow(RangeError)
  })

  test('rises, and is odd around one half', () => {
    const dyadic = fc.integer({ min: 1, max: 2 ** 30 - 1 }).map((numerator) => numerator / 2 ** 30)
    fc.assert(
      fc.property(dyadic, dyadic, (p, q) => {
        if (p < q) expect(normalQuantile(p)).toBeLessThan(normalQuantile(q))
        expect(normalQuantile(1 - p)).toBe(p === 0.5 ? 0 : -normalQuantile(p))
      }),
    )
  })
})

describe('studentQuantile', () => {
  // Computed with 40 digits from the incomplete beta function.
  test.each([
    [0.95, 15, 1.75305035569],
    [0.975, 15, 2.13144954556],
    [0.995, 15, 2.94671288348],
    [0.975, 23, 2.06865761042],
    [0.995, 23, 2.80733568377],
    [0.95, 49, 1.67655089262],
    [0.975, 49, 2.00957523713],
  ])('of %s with %i degrees of freedom', (probability, degreesOfFreedom, t) => {
    expect(studentQuantile(probability, degreesOfFreedom)).toBeCloseTo(t, 4)
    expect(studentQuantile(1 - probability, degreesOfFreedom)).toBeCloseTo(-t, 4)
  })

  test('refuses fewer than 15 degrees of freedom', () => {
    expect(() => studentQuantile(0.975, 14)).toThrow(RangeError)
  })
})
