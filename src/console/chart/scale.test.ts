import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createScale, toBar } from './scale.ts'

test.each([
  [[1926128, 240766], 0, 2_000_000, [0, 500_000, 1_000_000, 1_500_000, 2_000_000]],
  [[100], 0, 100, [0, 50, 100]],
  [[3], 0, 3, [0, 1, 2, 3]],
  [[-500, 1500], -500, 1500, [-500, 0, 500, 1000, 1500]],
  [[-30, -10], -30, 0, [-30, -20, -10, 0]],
  [[0, 0], 0, 1, [0, 1]],
  [[], 0, 1, [0, 1]],
])('%j is drawn from %d to %d', (values, min, max, ticks) => {
  const scale = createScale(values)
  expect([scale.min, scale.max]).toEqual([min, max])
  expect(scale.ticks).toEqual(ticks)
})

test('shares end at 1', () => {
  expect(createScale([0.5, 0.598], { unit: 0.01, limit: 1 }).ticks).toEqual([0, 0.2, 0.4, 0.6])
  expect(createScale([0.97], { unit: 0.01, limit: 1 }).ticks).toEqual([0, 0.5, 1])
})

test('a bar of twice the value is twice as long; a negative one goes left of zero', () => {
  const scale = createScale([-500, 1500])
  expect(scale.at(0)).toBe(25)
  expect(toBar(scale, 1500)).toEqual({ start: 25, length: 75 })
  expect(toBar(scale, 750)).toEqual({ start: 25, length: 37.5 })
  expect(toBar(scale, -500)).toEqual({ start: 0, length: 25 })
  expect(toBar(scale, 0)).toEqual({ start: 25, length: 0 })
})

test('holds every value, 0 too, in few round steps, and keeps proportions', () => {
  const amount = fc.maxSafeInteger()
  fc.assert(
    fc.property(fc.array(amount, { minLength: 1, maxLength: 20 }), (values) => {
      const scale = createScale(values)
      const span = scale.max - scale.min
      expect(scale.min).toBeLessThanOrEqual(0)
      expect(scale.max).toBeGreaterThanOrEqual(0)
      expect(scale.ticks).toContain(0)
      expect(scale.ticks.length).toBeLessThanOrEqual(6)
      for (const value of values) {
        expect(value).toBeGreaterThanOrEqual(scale.min)
        expect(value).toBeLessThanOrEqual(scale.max)
        expect(toBar(scale, value).length).toBeCloseTo((100 * Math.abs(value)) / span, 6)
      }
    }),
  )
})
