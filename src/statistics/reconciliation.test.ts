import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  DEFAULT_THRESHOLDS,
  duplicationOf,
  gravestOf,
  metricsOf,
  orderOverlapOf,
  type PlatformComparison,
  verdictOf,
} from './reconciliation.ts'

interface Case extends Partial<Omit<PlatformComparison, 'claimed' | 'verified' | 'shop'>> {
  claimed?: [amountMinor: bigint, orders: number] | null
  verified?: [amountMinor: bigint, orders: number]
  shop?: [amountMinor: bigint, orders: number]
}

/** 100 verified orders of 10,000.00 in a shop of ten times as many; what is claimed agrees, and is complete. */
function comparison({
  claimed = [1_000_000n, 100],
  verified = [1_000_000n, 100],
  shop = [10_000_000n, 1_000],
  ...others
}: Case): PlatformComparison {
  const total = ([amountMinor, orders]: [bigint, number]) => ({ amountMinor, orders })
  return {
    claimed: claimed === null ? null : total(claimed),
    verified: total(verified),
    shop: total(shop),
    isInLagWindow: false,
    completeness: 1,
    exchangeRate: null,
    shiftedVerifiedMinor: [],
    ...others,
  }
}
const verdict = (one: Case) => verdictOf(comparison(one), DEFAULT_THRESHOLDS)

describe('the verdict', () => {
  test.each<[string, Case, string]>([
    ['nothing fetched', { claimed: null, isInLagWindow: true }, 'no_data'],
    ['nothing claimed', { claimed: [0n, 0], isInLagWindow: true }, 'no_data'],
    ['inside the lag window', { isInLagWindow: true }, 'pending'],
    ['less than 0.9 of the claims are in', { completeness: 0.8999 }, 'pending'],
    ['0.9 of the claims are in', { completeness: 0.9 }, 'matched'],
    ['no history of lags', { completeness: null }, 'matched'],
    ['the ratio is the rate, within 2 %', { claimed: [1_177_000n, 100], exchangeRate: 1.2 }, 'currency_or_tz_mismatch'],
    ['the ratio is the inverse rate', { claimed: [830_000n, 100], exchangeRate: 1.2 }, 'currency_or_tz_mismatch'],
    ['the ratio is near the rate, not within 2 %', { claimed: [1_175_999n, 100], exchangeRate: 1.2 }, 'minor'],
    ['a rate near 1 proves nothing', { claimed: [1_050_000n, 100], exchangeRate: 1.05 }, 'matched'],
    [
      'the totals of the day before',
      { claimed: [1_400_000n, 100], shiftedVerifiedMinor: [1_400_000n, 1n] },
      'currency_or_tz_mismatch',
    ],
    ['equal days prove nothing', { shiftedVerifiedMinor: [1_000_000n, 1_000_000n] }, 'matched'],
    ['more than the whole shop took', { claimed: [10_000_001n, 100] }, 'impossible'],
    ['more orders than the whole shop had', { claimed: [1_000_000n, 1_001] }, 'impossible'],
    ['impossible with few orders', { claimed: [20n, 4], verified: [10n, 1], shop: [10n, 1] }, 'impossible'],
    ['29 orders on both sides', { claimed: [9n, 29], verified: [3n, 29] }, 'insufficient'],
    ['30 on one side', { claimed: [3n, 30], verified: [3n, 29] }, 'matched'],
    ['ratio 0.90', { claimed: [900_000n, 100] }, 'matched'],
    ['ratio 1.10', { claimed: [1_100_000n, 100] }, 'matched'],
    ['a minor unit above 1.10', { claimed: [1_100_001n, 100] }, 'minor'],
    ['ratio 0.75', { claimed: [750_000n, 100] }, 'minor'],
    ['ratio 1.33', { claimed: [1_330_000n, 100] }, 'minor'],
    ['above 1.33 beyond chance', { claimed: [1_330_001n, 150] }, 'over_claim'],
    ['above 1.33 within chance', { claimed: [1_500_000n, 140] }, 'inconclusive'],
    ['twice as much beyond chance', { claimed: [2_000_000n, 150] }, 'over_claim'],
    ['above 2 beyond chance', { claimed: [2_000_001n, 150] }, 'severe_over_claim'],
    ['above 2 within chance', { claimed: [2_500_000n, 100] }, 'inconclusive'],
    ['below 0.75 beyond chance', { claimed: [749_999n, 60] }, 'under_claim'],
    ['below 0.75 within chance', { claimed: [600_000n, 80] }, 'inconclusive'],
    ['nothing verified', { claimed: [500_000n, 50], verified: [0n, 0] }, 'severe_over_claim'],
    ['more refunded than sold', { claimed: [500_000n, 50], verified: [-1n, 3] }, 'severe_over_claim'],
  ])('%s', (_name, one, expected) => {
    expect(verdict(one)).toBe(expected)
  })

  test('the first that applies wins, in the order of the contract', () => {
    // Each case breaks the rule of its verdict and all rules behind it.
    const all: Case = {
      claimed: [20n, 5],
      verified: [10n, 2],
      shop: [15n, 3],
      isInLagWindow: true,
      shiftedVerifiedMinor: [20n],
    }
    expect(verdict({ ...all, claimed: null })).toBe('no_data')
    expect(verdict(all)).toBe('pending')
    expect(verdict({ ...all, isInLagWindow: false })).toBe('currency_or_tz_mismatch')
    expect(verdict({ ...all, isInLagWindow: false, shiftedVerifiedMinor: [] })).toBe('impossible')
    expect(verdict({ ...all, isInLagWindow: false, shiftedVerifiedMinor: [], shop: [99n, 9] })).toBe('insufficient')
  })

  test('a tenant may have thresholds of its own', () => {
    const strict = { ...DEFAULT_THRESHOLDS, version: 2, matched: [0.99, 1.01] as const }
    expect(verdictOf(comparison({ claimed: [1_020_000n, 100] }), strict)).toBe('minor')
  })
})

describe('metrics', () => {
  test('of a platform that claims too much', () => {
    expect(
      metricsOf(comparison({ claimed: [1_842_000n, 212], verified: [1_310_500n, 149], shop: [4_815_320n, 412] })),
    ).toEqual({
      differenceMinor: 531_500n,
      overClaimMinor: 531_500n,
      claimRatio: 1.4056,
      coverage: 0.2722,
      deltaZ: 3.3158,
    })
  })

  test('without a claim', () => {
    expect(metricsOf(comparison({ claimed: null }))).toMatchObject({
      differenceMinor: -1_000_000n,
      overClaimMinor: 0n,
      claimRatio: 0,
      deltaZ: -10,
    })
  })

  test('a division by nothing is null', () => {
    const empty = comparison({ claimed: [0n, 0], verified: [0n, 0], shop: [0n, 0] })
    expect(metricsOf(empty)).toMatchObject({ claimRatio: null, coverage: null, deltaZ: null })
    expect(metricsOf(comparison({ verified: [-5n, 1] })).claimRatio).toBeNull()
    expect(duplicationOf([1n, 2n], 0n)).toBeNull()
    expect(orderOverlapOf(0, 0)).toBeNull()
  })

  test('ratios are rounded half away from 0, exactly', () => {
    expect(duplicationOf([100_005n], 100_000n)).toBe(1.0001)
    expect(duplicationOf([100_004n], 100_000n)).toBe(1)
    expect(duplicationOf([-100_005n], 100_000n)).toBe(-1.0001)
    // Beyond what a double holds: 2^60 + 1 of 2^60.
    expect(duplicationOf([2n ** 60n, 1n], 2n ** 60n)).toBe(1)
    expect(duplicationOf([1_950_200n, 1_842_000n], 4_815_320n)).toBe(0.7875)
    expect(orderOverlapOf(12, 100)).toBe(0.12)
  })
})

test('the gravest verdict speaks for all', () => {
  expect(gravestOf([])).toBe('no_data')
  expect(gravestOf(['matched', 'no_data'])).toBe('matched')
  expect(gravestOf(['matched', 'pending', 'minor'])).toBe('minor')
  expect(gravestOf(['under_claim', 'over_claim', 'currency_or_tz_mismatch'])).toBe('over_claim')
  expect(gravestOf(['severe_over_claim', 'impossible'])).toBe('impossible')
})

const caseArbitrary = fc.record({
  claimed: fc.tuple(fc.bigInt({ min: 0n, max: 4_000_000n }), fc.nat({ max: 300 })),
  verified: fc.tuple(fc.bigInt({ min: -1_000n, max: 2_000_000n }), fc.nat({ max: 200 })),
  shop: fc.tuple(fc.bigInt({ min: 2_000_000n, max: 9_000_000n }), fc.integer({ min: 200, max: 900 })),
})

describe('properties', () => {
  test('the unit of money changes neither verdict nor ratio', () => {
    fc.assert(
      fc.property(caseArbitrary, fc.bigInt({ min: 1n, max: 10n ** 12n }), (one, scale) => {
        const scaled = Object.fromEntries(
          Object.entries(one).map(([side, [amountMinor, orders]]) => [side, [amountMinor * scale, orders]]),
        )
        expect(verdict(scaled)).toBe(verdict(one))
        const { claimRatio, coverage, deltaZ } = metricsOf(comparison(one))
        expect(metricsOf(comparison(scaled))).toMatchObject({ claimRatio, coverage, deltaZ })
      }),
      { numRuns: 1_000 },
    )
  })

  test('a larger claim never moves the verdict towards an under-claim', () => {
    const place = ['under_claim', 'minor', 'matched', 'over_claim', 'severe_over_claim', 'impossible']
    fc.assert(
      fc.property(caseArbitrary, fc.bigInt({ min: 0n, max: 1_000_000n }), (one, more) => {
        const larger: Case = { ...one, claimed: [one.claimed[0] + more, one.claimed[1]] }
        const before = verdict(one)
        const after = verdict(larger)
        if (before === 'minor' || !place.includes(before) || !place.includes(after) || after === 'minor') return
        expect(place.indexOf(after)).toBeGreaterThanOrEqual(place.indexOf(before))
      }),
      { numRuns: 1_000 },
    )
  })

  test('the differences of the platforms sum exactly to the difference of the sums', () => {
    fc.assert(
      fc.property(fc.array(caseArbitrary, { minLength: 1, maxLength: 5 }), (cases) => {
        const claims = cases.map(({ claimed }) => claimed[0])
        const differences = cases.map((one) => metricsOf(comparison(one)).differenceMinor)
        const verified = cases.reduce((sum, one) => sum + one.verified[0], 0n)
        const claimed = claims.reduce((sum, claim) => sum + claim, 0n)
        expect(differences.reduce((sum, difference) => sum + difference, 0n)).toBe(claimed - verified)
      }),
    )
  })
})
