import { expect, test } from 'vitest'
import { LOOKBACK_HOURS, MODELS, weigh } from './models.ts'

test.each([
  ['first_touch', 1, [1n]],
  ['first_touch', 3, [1n, 0n, 0n]],
  ['last_touch', 1, [1n]],
  ['last_touch', 3, [0n, 0n, 1n]],
  ['linear', 1, [1n]],
  ['linear', 3, [1n, 1n, 1n]],
] as const)('%s over %i touches', (model, touches, weights) => {
  expect(weigh(model, touches)).toEqual(weights)
})

test('every model weighs something for any number of touches', () => {
  for (const model of MODELS)
    for (const touches of [1, 2, 7, 1_000]) {
      const weights = weigh(model, touches)
      expect(weights).toHaveLength(touches)
      expect(weights.some((weight) => weight > 0n)).toBe(true)
      expect(weights.every((weight) => weight >= 0n)).toBe(true)
    }
})

test('the lookback is 30 days of 86,400 s', () => {
  expect(LOOKBACK_HOURS * 3_600).toBe(30 * 86_400)
})
