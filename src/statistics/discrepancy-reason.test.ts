import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DISCREPANCY_REASONS, reasonsFor } from './discrepancy-reason.ts'

test('parts of one reason are added, in the order of the list, and the rest is unexplained', () => {
  const parts = [
    { reason: 'refund_timing' as const, amountMinor: 45_000n, items: 9 },
    { reason: 'timezone_boundary' as const, amountMinor: 12_300n, items: 2 },
    { reason: 'matched' as const, amountMinor: 0n, items: 138 },
    { reason: 'refund_timing' as const, amountMinor: -5_000n, items: 1 },
  ]
  expect(reasonsFor(60_000n, parts)).toEqual([
    { reason: 'matched', amountMinor: 0n, items: 138 },
    { reason: 'timezone_boundary', amountMinor: 12_300n, items: 2 },
    { reason: 'refund_timing', amountMinor: 40_000n, items: 10 },
    { reason: 'unexplained', amountMinor: 7_700n, items: 0 },
  ])
})

test('parts that cover more than the difference leave a rest of the other sign', () => {
  expect(reasonsFor(10n, [{ reason: 'duplicate', amountMinor: 15n, items: 1 }]).at(-1)).toEqual({
    reason: 'unexplained',
    amountMinor: -5n,
    items: 0,
  })
})

test('a difference that is covered has no rest', () => {
  expect(reasonsFor(0n, [])).toEqual([])
  expect(reasonsFor(-3n, [{ reason: 'fee', amountMinor: -3n, items: 1 }])).toHaveLength(1)
})

test('what is matched differs by nothing', () => {
  expect(() => reasonsFor(1n, [{ reason: 'matched', amountMinor: 1n, items: 1 }])).toThrow(RangeError)
})

test('whatever the parts, they sum to the difference, each reason once and in order', () => {
  const part = fc.record({
    reason: fc.constantFrom(...DISCREPANCY_REASONS.slice(1)),
    amountMinor: fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
    items: fc.nat({ max: 50 }),
  })
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 16n), max: 10n ** 16n }),
      fc.array(part, { maxLength: 30 }),
      (difference, parts) => {
        const reasons = reasonsFor(difference, parts)
        expect(reasons.reduce((sum, { amountMinor }) => sum + amountMinor, 0n)).toBe(difference)
        expect(reasons.reduce((sum, { items }) => sum + items, 0)).toBe(
          parts.reduce((sum, { items }) => sum + items, 0),
        )
        const places = reasons.map(({ reason }) => DISCREPANCY_REASONS.indexOf(reason))
        expect(places).toEqual([...new Set(places)].sort((a, b) => a - b))
      },
    ),
    { numRuns: 1_000 },
  )
})
