import { expect, test } from 'vitest'
import { drawUint32s, nextBelow, seedFrom } from './generator.ts'
import { drawPoissonWeights, poissonWeight } from './poisson.ts'

const SEED = 'tenant-a|2024-01|markov_o1|0'
const FIRST = [3977049056, 1274172143, 2673082355, 1474009746, 479423592, 624053702, 3949013291, 2763491102]

test('a text gives the same words and numbers in any language', () => {
  const state = seedFrom(SEED)
  expect([...state]).toEqual([1668152944, 4081655045, 1066187039, 2148687046])
  const drawn = new Uint32Array(8)
  drawUint32s(state, drawn)
  expect([...drawn]).toEqual(FIRST)
})

test('numbers go on where the last ones ended', () => {
  const state = seedFrom(SEED)
  const [one, rest] = [new Uint32Array(3), new Uint32Array(5)]
  drawUint32s(state, one)
  drawUint32s(state, rest)
  expect([...one, ...rest]).toEqual(FIRST)
})

test('numbers below a bound favour none of them', () => {
  const state = seedFrom('below')
  const counts = [0, 0, 0]
  for (let draw = 0; draw < 30_000; draw += 1) counts[nextBelow(state, 3)] = (counts[nextBelow(state, 3)] ?? 0) + 1
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(20_000 / 3))
  expect(nextBelow(state, 1)).toBe(0)
})

test.each([
  [0, 0],
  [1580030167, 0],
  [1580030168, 1],
  [3160060336, 1],
  [3160060337, 2],
  [2451617419, 1],
  [3881782666, 2],
  [4294967294, 12],
  [4294967295, 13],
])('a draw of %s is in %s times', (draw, times) => {
  expect(poissonWeight(draw)).toBe(times)
})

test('weights follow the draws of their text', () => {
  const weights = new Uint8Array(8)
  drawPoissonWeights(SEED, weights, new Uint32Array(8))
  expect([...weights]).toEqual(FIRST.map(poissonWeight))
})

test('weights have the mean and the variance of Poisson(1)', () => {
  const weights = new Uint8Array(100_000)
  drawPoissonWeights('moments', weights, new Uint32Array(100_000))
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
  const variance = weights.reduce((sum, weight) => sum + (weight - 1) ** 2, 0) / weights.length
  expect(Math.abs(mean - 1)).toBeLessThan(5 / Math.sqrt(100_000))
  // The fourth central moment is 4, so the squares vary by 3.
  expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(3 / 100_000))
})
