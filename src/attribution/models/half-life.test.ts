import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DECAY_ONE, halve } from './half-life.ts'

test.each<[bigint, bigint, bigint]>([
  [0n, 7n, DECAY_ONE],
  [7n, 7n, DECAY_ONE / 2n],
  [70n, 7n, DECAY_ONE >> 10n],
  [280n, 7n, 1n],
  [287n, 7n, 0n],
  [10n ** 18n, 1n, 0n],
])('%s of a half-life of %s leaves %s parts', (age, halfLife, parts) => {
  expect(halve(age, halfLife)).toBe(parts)
})

test('one part of 2^40 from the true value at most, at any age', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 13n }), fc.bigInt({ min: 1n, max: 10n ** 12n }), (age, halfLife) => {
      // A number has 53 digits, so this is true to 2^-12 of a part.
      const exact = 2 ** (40 - Number(age) / Number(halfLife))
      expect(Math.abs(Number(halve(age, halfLife)) - exact)).toBeLessThan(1.01)
    }),
  )
})

test('never more for an older touch', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 12n }), fc.bigInt({ min: 0n, max: 10n ** 12n }), (age, more) => {
      expect(halve(age + more, 604_800_000_000n)).toBeLessThanOrEqual(halve(age, 604_800_000_000n))
    }),
  )
})
