import { describe, expect, test } from 'vitest'
import { completenessOf, lagCurveOf } from './claim-lag.ts'

const HISTORY = [
  [60n, 80n, 95n, 100n],
  [20n, 60n, 85n, 100n],
  [40n, 55n, 75n, 100n],
]

describe('the curve of lags', () => {
  test('weighs each day of the history by its claims', () => {
    expect(lagCurveOf(HISTORY)).toEqual([0.4, 0.65, 0.85, 1])
    expect(
      lagCurveOf([
        [0n, 300n],
        [100n, 100n],
      ]),
    ).toEqual([0.25, 1])
  })

  test('ends where the shortest row does', () => {
    expect(
      lagCurveOf([
        [10n, 20n, 40n],
        [10n, 40n],
      ]),
    ).toEqual([0.25, 0.75])
  })

  test('is between 0 and 1 where claims are taken back', () => {
    expect(lagCurveOf([[-5n, 120n, 100n]])).toEqual([0, 1, 1])
  })

  test('is unknown without a final claim', () => {
    expect(lagCurveOf([])).toBeNull()
    expect(lagCurveOf([[0n, 0n]])).toBeNull()
  })
})

describe('completeness', () => {
  const curve = [0.4, 0.65, 0.85, 1]

  test('is what is claimed of what is expected', () => {
    expect(completenessOf([{ claimedMinor: 40n, ageDays: 0 }], curve)).toBeCloseTo(0.4, 12)
    // 100 of one day that is complete, and 65 of 100 that are expected of another.
    const days = [
      { claimedMinor: 100n, ageDays: 9 },
      { claimedMinor: 65n, ageDays: 1 },
    ]
    expect(completenessOf(days, curve)).toBeCloseTo(165 / 200, 12)
  })

  test('is 1 for days that are final', () => {
    expect(completenessOf([{ claimedMinor: 7n, ageDays: 3 }], curve)).toBe(1)
  })

  test('is unknown where nothing is claimed, or nothing ever was at that age', () => {
    expect(completenessOf([], curve)).toBeNull()
    expect(completenessOf([{ claimedMinor: 0n, ageDays: 0 }], curve)).toBeNull()
    expect(completenessOf([{ claimedMinor: 5n, ageDays: 0 }], [0, 1])).toBeNull()
    expect(
      completenessOf(
        [
          { claimedMinor: 0n, ageDays: 0 },
          { claimedMinor: 5n, ageDays: 1 },
        ],
        [0, 1],
      ),
    ).toBeNull()
  })
})
