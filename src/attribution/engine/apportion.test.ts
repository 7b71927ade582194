import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allocate } from '../../money.ts'
import { addParts, apportion, toWeights } from './apportion.ts'

/** Small ones, those of decays, and those that no number carries. */
const weight = fc.oneof(
  fc.bigInt(0n, 3n),
  fc.bigInt(0n, 1_000_000n),
  fc.bigInt(0n, 1n << 40n),
  fc.bigInt(0n, 1n << 70n),
)
const weights = fc.array(weight, { minLength: 1, maxLength: 48 }).filter((all) => all.some((one) => one > 0n))
const total = fc
  .oneof(fc.bigInt(0n, 20n), fc.bigInt(0n, 100_000_000n), fc.bigInt(0n, (1n << 53n) - 1n), fc.bigInt(0n, 1n << 60n))
  .chain((amount) => fc.constantFrom(amount, -amount))

test('gives the same parts as the exact rule, whatever the amount and the weights', () => {
  fc.assert(
    fc.property(total, weights, (amount, of) => {
      expect(apportion(amount, toWeights(of)).map(BigInt)).toEqual(allocate(amount, of))
    }),
    { numRuns: 20_000 },
  )
})

test.each<[name: string, amount: bigint, weights: bigint[], parts: number[]]>([
  ['100.00 in three', 10_000n, [1n, 1n, 1n], [3334, 3333, 3333]],
  ['140.00 in three', 14_000n, [1n, 1n, 1n], [4667, 4667, 4666]],
  ['-100.01 on 40/20/40', -10_001n, [40n, 20n, 40n], [-4001, -2000, -4000]],
  ['1000 JPY in seven', 1_000n, Array<bigint>(7).fill(1n), [143, 143, 143, 143, 143, 143, 142]],
  ['99.99 on eighths', 9_999n, [1n, 2n, 4n, 8n], [667, 1333, 2666, 5333]],
  ['0.01 in three', 1n, [1n, 1n, 1n], [1, 0, 0]],
  ['83 of the Alabama paradox', 83n, [46n, 27n, 49n], [31, 19, 33]],
  ['84 of it', 84n, [46n, 27n, 49n], [32, 18, 34]],
])('%s', (_name, amount, of, parts) => {
  expect(apportion(amount, toWeights(of))).toEqual(parts)
})

test('sums stay exact beyond what a number carries', () => {
  const most = Number.MAX_SAFE_INTEGER
  expect(addParts(most, most)).toBe(2n * BigInt(most))
  expect(addParts(2n * BigInt(most), -most)).toBe(most)
})
