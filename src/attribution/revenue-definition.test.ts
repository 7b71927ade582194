import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RevenueParts } from '../tenants/settings/settings.ts'
import { countEntries, type OrderParts, partsOfOrder, revenueShareOf, type StatedParts } from './revenue-definition.ts'

const ALL: RevenueParts = { includesTax: true, includesShipping: true, includesTips: true, subtractsDiscounts: true }
const PARTS: OrderParts = {
  currency: 'EUR',
  totalMinor: 13_200n,
  taxMinor: 990n,
  shippingMinor: 210n,
  tipMinor: 500n,
  discountMinor: 1_000n,
}

describe('the share that a definition counts', () => {
  test.each<[string, Partial<RevenueParts>, bigint]>([
    ['everything', {}, 13_200n],
    ['without tax', { includesTax: false }, 12_210n],
    ['without shipping', { includesShipping: false }, 12_990n],
    ['without tips', { includesTips: false }, 12_700n],
    ['before discounts', { subtractsDiscounts: false }, 14_200n],
    ['goods alone', { includesTax: false, includesShipping: false, includesTips: false }, 11_500n],
  ])('%s', (_name, change, countedMinor) => {
    const share = revenueShareOf(PARTS, { ...ALL, ...change })
    expect(share).toEqual({ countedMinor, totalMinor: 13_200n, parts: 'known' })
    expect(countEntries([13_200n], share)).toEqual([countedMinor])
  })

  test('is the whole where no parts are known, and it says so', () => {
    const share = revenueShareOf(null, { ...ALL, includesTax: false })
    expect(share.parts).toBe('unknown')
    expect(countEntries([999n, -333n], share)).toEqual([999n, -333n])
  })

  test('is nothing of an order that is all tax', () => {
    const share = revenueShareOf(
      { ...PARTS, taxMinor: 13_200n, shippingMinor: 0n, tipMinor: 0n },
      { ...ALL, includesTax: false },
    )
    expect(countEntries([13_200n, -13_200n], share)).toEqual([0n, 0n])
  })

  test('parts that are more than the total are refused', () => {
    expect(() => revenueShareOf({ ...PARTS, taxMinor: 13_201n }, { ...ALL, includesTax: false })).toThrow(RangeError)
  })
})

describe('the counted part of each entry', () => {
  const third = { countedMinor: 1n, totalMinor: 3n, parts: 'known' as const }

  test('thirds of a cent go where the sum crosses the half', () => {
    // Sums 1, 2, 3 count 0.33, 0.67 and 1.
    expect(countEntries([1n, 1n, 1n], third)).toEqual([0n, 1n, 0n])
    expect(countEntries([100n, -50n, -50n], third)).toEqual([33n, -16n, -17n])
  })

  test('more than was paid given back is counted below zero by the same share', () => {
    expect(countEntries([90n, -120n], third)).toEqual([30n, -40n])
  })

  const minor = fc.bigInt({ min: 0n, max: 10n ** 12n })
  const parts = fc
    .record({ goods: minor, tax: minor, shipping: minor, tip: minor, discount: minor })
    .filter(({ goods, tax, shipping, tip }) => goods + tax + shipping + tip > 0n)
    .map(
      ({ goods, tax, shipping, tip, discount }): OrderParts => ({
        currency: 'EUR',
        totalMinor: goods + tax + shipping + tip,
        taxMinor: tax,
        shippingMinor: shipping,
        tipMinor: tip,
        discountMinor: discount,
      }),
    )
  const definition = fc.record<RevenueParts>({
    includesTax: fc.boolean(),
    includesShipping: fc.boolean(),
    includesTips: fc.boolean(),
    subtractsDiscounts: fc.boolean(),
  })
  const amounts = fc.array(fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }), { maxLength: 12 })
  const sum = (values: readonly bigint[]) => values.reduce((total, value) => total + value, 0n)

  test('sums to the share of the net, and has the sign of its entry', () => {
    fc.assert(
      fc.property(parts, definition, amounts, (of, by, entries) => {
        const share = revenueShareOf(of, by)
        const counted = countEntries(entries, share)
        // Within half a unit: |counted × total − net × share| ≤ total / 2.
        const off = sum(counted) * share.totalMinor - sum(entries) * share.countedMinor
        expect(2n * (off < 0n ? -off : off) <= share.totalMinor).toBe(true)
        counted.forEach((part, index) => {
          const entry = entries[index] as bigint
          expect(entry > 0n ? part >= 0n : part <= 0n).toBe(true)
        })
      }),
      { numRuns: 20_000 },
    )
  })

  test('the whole order counts exactly what the definition says, and given back in any pieces leaves nothing', () => {
    fc.assert(
      fc.property(parts, definition, fc.array(fc.nat(1_000), { maxLength: 8 }), (of, by, cuts) => {
        const share = revenueShareOf(of, by)
        const pieces: bigint[] = []
        let rest = of.totalMinor
        for (const cut of cuts) {
          const piece = (rest * BigInt(cut)) / 1_000n
          pieces.push(-piece)
          rest -= piece
        }
        const counted = countEntries([of.totalMinor, ...pieces, -rest], share)
        expect(counted[0]).toBe(share.countedMinor)
        expect(sum(counted)).toBe(0n)
      }),
      { numRuns: 20_000 },
    )
  })
})

describe('the parts that hold of an order', () => {
  const stated = (change: Partial<StatedParts>): StatedParts => ({
    ...PARTS,
    orderKey: 'shopify:1',
    factId: 'a',
    covers: 'order',
    versionAt: new Date('2026-03-01T00:00:00Z'),
    ...change,
  })
  const of = (...all: StatedParts[]) => partsOfOrder(all, { groupKey: 'shopify:1', currency: 'EUR' })

  test('none were stated', () => {
    expect(of()).toBeNull()
  })

  test('the newest snapshot holds, in whatever order they came', () => {
    const older = stated({ factId: 'z' })
    const newer = stated({ taxMinor: 1n, versionAt: new Date('2026-03-02T00:00:00Z') })
    const undated = stated({ taxMinor: 2n, versionAt: null })
    expect(of(older, newer, undated)).toBe(newer)
    expect(of(undated, newer, older)).toBe(newer)
  })

  test('the key that the order goes by holds before that of its payment, be it older', () => {
    const own = stated({})
    const payment = stated({ orderKey: 'stripe:pi_1', versionAt: new Date('2026-04-01T00:00:00Z') })
    expect(of(payment, own)).toBe(own)
    expect(of(payment)).toBe(payment)
  })

  test('purchases of one order add up, in the currency that is asked for', () => {
    const one = stated({ covers: 'payment', versionAt: null })
    const two = { ...one, factId: 'b', totalMinor: 800n, taxMinor: 10n }
    const other = { ...one, factId: 'c', currency: 'USD' }
    expect(of(one, other, two)).toEqual({
      currency: 'EUR',
      totalMinor: 14_000n,
      taxMinor: 1_000n,
      shippingMinor: 420n,
      tipMinor: 1_000n,
      discountMinor: 2_000n,
    })
    expect(of(other)).toBeNull()
  })
})
