import { describe, expect, test } from 'vitest'
import { gradeOf } from './grade.ts'
import { isSettled, quantile, toEstimate } from './interval.ts'
import { jeffreysInterval } from './jeffreys.ts'

describe('estimates', () => {
  test('quantiles lie on the line between two order statistics', () => {
    const sorted = Float64Array.of(1, 2, 4, 8)
    expect([0, 0.5, 1, 1 / 6].map((probability) => quantile(sorted, probability))).toEqual([1, 3, 8, 1.5])
  })

  test('of 0 to 200 in any order: 5 and 195, and the error of both ends', () => {
    const resamples = Float64Array.from({ length: 201 }, (_, index) => (index * 100) % 201)
    const { point, low, high, standardError, quantileError } = toEstimate(90, resamples)
    expect([point, low, high]).toEqual([90, 5, 195])
    expect(standardError).toBeCloseTo(Math.sqrt((201 * 202) / 12), 9)
    // Two binomial deviations are 4.43: ranks 1 to 9 around 5, and 191 to 199 around 195.
    expect(quantileError).toBe(2)
  })

  test('settled when the error is a fiftieth of the width at most', () => {
    const estimate = { point: 1, standardError: 1, low: 0, high: 100 }
    expect(isSettled({ ...estimate, quantileError: 2 })).toBe(true)
    expect(isSettled({ ...estimate, quantileError: 2.01 })).toBe(false)
    expect(isSettled({ ...estimate, high: 0, quantileError: 0 })).toBe(true)
  })
})

describe('grades', () => {
  test.each([
    ['A', 5, 100, 1],
    ['B', 5.01, 100, 1],
    ['B', 5, 99, 1],
    ['B', 15, 30, 1],
    ['C', 15.1, 1_000, 1],
    ['C', 40, 10, 1],
    ['D', 40.1, 1_000, 1],
    ['D', 1, 9, 1],
    // Below 60 % of coverage nothing is better than C, and nothing becomes better by it.
    ['C', 1, 1_000, 0.59],
    ['C', 15, 30, 0.59],
    ['A', 1, 1_000, 0.6],
    ['C', 1, 1_000, null],
    ['D', 99, 1_000, 0.1],
  ] as const)('%s at ±%s %% of the figure, %s identities and a coverage of %s', (grade, percent, units, coverage) => {
    expect(gradeOf({ point: 100, low: 100 - percent, high: 100 + percent }, units, coverage)).toBe(grade)
  })

  test('nothing of nothing is D', () => {
    expect(gradeOf({ point: 0, low: 0, high: 0 }, 1_000, 1)).toBe('D')
  })
})

describe('the interval of a rate', () => {
  // Checked with mpmath in 30 digits.
  test.each([
    [0, 10, 4.7890433157582804e-5, 0.21719626750921606],
    [3, 20, 0.04413134197515767, 0.34857771085846423],
    [19_785, 88_387, 0.2211063008352383, 0.22660205585267335],
    [1, 1_000_000, 1.0789766249982e-7, 4.6741920461393e-6],
  ])('%s of %s', (conversions, journeys, low, high) => {
    const interval = jeffreysInterval(conversions, journeys)
    expect((interval?.low ?? 0) / low).toBeCloseTo(1, 10)
    expect((interval?.high ?? 0) / high).toBeCloseTo(1, 10)
  })

  test('of all is that of none, turned round', () => {
    const [none, all] = [jeffreysInterval(0, 7), jeffreysInterval(7, 7)]
    expect(all?.low).toBeCloseTo(1 - (none?.high ?? 0), 12)
    expect(all?.high).toBeCloseTo(1 - (none?.low ?? 0), 12)
  })

  test('there is none without a sample, and none of more than all', () => {
    expect(jeffreysInterval(0, 0)).toBeNull()
    expect(() => jeffreysInterval(2, 1)).toThrow(RangeError)
    expect(() => jeffreysInterval(-1, 1)).toThrow(RangeError)
  })
})
