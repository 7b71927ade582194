import { expect, test } from 'vitest'
import { createRequestWindow } from './request-window.ts'

function startAt(ms: number) {
  const clock = { ms }
  return { clock, window: createRequestWindow(() => clock.ms) }
}

test('without requests nothing is said of them', () => {
  expect(startAt(0).window.read()).toEqual({
    perMinute: 0,
    errorRatio: null,
    durationP50Ms: null,
    durationP99Ms: null,
  })
})

test('counts, the share of failures, and percentiles at most 9 % above the truth', () => {
  const { window } = startAt(5_000)
  for (let ms = 1; ms <= 1_000; ms += 1) window.note(ms % 4 === 0 ? 503 : 404, ms)
  const { perMinute, errorRatio, durationP50Ms, durationP99Ms } = window.read()
  expect(perMinute).toBe(1_000)
  expect(errorRatio).toBe(0.25)
  expect(durationP50Ms).toBeGreaterThanOrEqual(500)
  expect(durationP50Ms).toBeLessThanOrEqual(500 * 1.091)
  expect(durationP99Ms).toBeGreaterThanOrEqual(990)
  expect(durationP99Ms).toBeLessThanOrEqual(990 * 1.091)
})

test('what is not built yet is no failure', () => {
  const { window } = startAt(0)
  window.note(501, 1)
  expect(window.read()).toMatchObject({ perMinute: 1, errorRatio: 0 })
})

test.each([0, 1e-9, 1e9, Number.POSITIVE_INFINITY])('a duration of %d ms has its place', (durationMs) => {
  const { window } = startAt(0)
  window.note(200, durationMs)
  expect(window.read()).toMatchObject({ perMinute: 1, durationP50Ms: expect.any(Number) })
})

test('forgets what is older than a minute, whether or not anything came since', () => {
  const { clock, window } = startAt(10_000)
  window.note(500, 1)
  clock.ms = 40_000
  window.note(200, 1)
  clock.ms = 69_999
  expect(window.read()).toMatchObject({ perMinute: 2, errorRatio: 0.5 })
  clock.ms = 70_000
  expect(window.read()).toMatchObject({ perMinute: 1, errorRatio: 0 })
  window.note(200, 1)
  expect(window.read()).toMatchObject({ perMinute: 2, errorRatio: 0 })
  clock.ms = 1_000_000
  expect(window.read()).toMatchObject({ perMinute: 0 })
})
