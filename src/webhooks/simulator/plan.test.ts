import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Delivery } from './delivery.ts'
import { type Planned, type PlanOptions, plan } from './plan.ts'

const make = (seed: number) => ({ seed }) as Delivery
const seedsOf = (options: Partial<PlanOptions>): number[] =>
  [...plan(make, { seed: 5, count: 50, duplicate: 0, window: 1, ...options })].map(({ delivery }) => delivery.seed)

test('each delivery has the next seed', () => {
  expect(seedsOf({ count: 4 })).toEqual([5, 6, 7, 8])
})

test('a window of n moves nothing by n places, and loses nothing', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 70 }), fc.integer({ min: 2, max: 20 }), (seed, count, window) => {
      const seeds = seedsOf({ seed, count, window })
      expect(seeds.toSorted((a, b) => a - b)).toEqual(seedsOf({ seed, count }))
      for (const [index, each] of seeds.entries()) expect(Math.abs(each - seed - index)).toBeLessThan(window)
    }),
  )
})

test('the same seed shuffles and repeats alike', () => {
  const options = { duplicate: 0.5, window: 10 }
  expect(seedsOf(options)).toEqual(seedsOf(options))
  expect(seedsOf({ window: 10 })).not.toEqual(seedsOf({}))
})

test('a repeat is the same delivery, marked as one', () => {
  const all: Planned[] = [...plan(make, { seed: 1, count: 3, duplicate: 1, window: 1 })]
  expect(all.map(({ delivery, isRepeat }) => [delivery.seed, isRepeat])).toEqual([
    [1, false],
    [1, true],
    [2, false],
    [2, true],
    [3, false],
    [3, true],
  ])
  expect(all[0]?.delivery).toBe(all[1]?.delivery)
})

test('a share of them is about that share', () => {
  const repeats = [...plan(make, { seed: 1, count: 10_000, duplicate: 0.25, window: 1 })].length - 10_000
  expect(repeats).toBeGreaterThan(2_300)
  expect(repeats).toBeLessThan(2_700)
})

test('a million is not made before it is wanted', () => {
  const first = plan(make, { seed: 1, count: 1e12, duplicate: 0, window: 100 })[Symbol.iterator]().next()
  expect(first.done).toBe(false)
})
