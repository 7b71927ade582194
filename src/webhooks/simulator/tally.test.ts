import { expect, test } from 'vitest'
import type { Planned } from './plan.ts'
import {
  countAttempt,
  countDelivery,
  isAsExpected,
  latencies,
  newTally,
  type Outcome,
  percentile,
  toJson,
  toText,
} from './tally.ts'

const planned = { delivery: { topic: 'charge.succeeded', seed: 3 }, isRepeat: false } as Planned
const answered: Outcome = { status: 200, failure: null, result: 'accepted', code: null, detail: null, latencyMs: 4 }
const expected = { isExpected: true, expected: '2xx' }

test.each([
  [50, 5],
  [95, 10],
  [99, 10],
  [100, 10],
  [10, 1],
  [1, 1],
])('the %ith percentile of 1 to 10 is %i', (percent, value) => {
  expect(percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], percent)).toBe(value)
})

test('of nothing there is no percentile', () => {
  expect(latencies(newTally())).toEqual({ p50: null, p95: null, p99: null, max: null })
  expect(toText(newTally())).toContain('latency     none')
})

test('numbers are sorted as numbers', () => {
  const tally = newTally()
  for (const latencyMs of [9, 100, 20]) countAttempt(tally, { ...answered, latencyMs })
  expect(latencies(tally)).toEqual({ p50: 20, p95: 100, p99: 100, max: 100 })
})

test('counts attempts by status or failure, and deliveries by result', () => {
  const tally = newTally()
  const refused: Outcome = { ...answered, status: null, failure: 'ECONNREFUSED', result: null }
  const dead: Outcome = { ...answered, result: 'dead', code: 'schema' }
  countAttempt(tally, refused)
  for (const outcome of [answered, dead]) {
    countAttempt(tally, outcome)
    countDelivery(tally, planned, outcome, expected)
  }
  countDelivery(tally, { ...planned, isRepeat: true }, refused, { isExpected: false, expected: '2xx' })
  expect(toJson(tally)).toMatchObject({
    ok: false,
    deliveries: 3,
    repeats: 1,
    attempts: 3,
    statuses: { ECONNREFUSED: 1, 200: 2 },
    results: { accepted: 1, dead: 1 },
    dead: { schema: 1 },
    unexpected: 1,
  })
  expect(toText(tally)).toContain('charge.succeeded, seed 3: 2xx expected, no answer (ECONNREFUSED)')
})

test('a problem is told by its detail, and the rest by number', () => {
  const tally = newTally()
  for (let i = 0; i < 8; i++) {
    countDelivery(
      tally,
      planned,
      { ...answered, status: 401, detail: 'The signature is wrong.' },
      { isExpected: false, expected: '2xx' },
    )
  }
  const text = toText(tally)
  expect(text).toContain('2xx expected, 401: The signature is wrong.')
  expect(text).toContain('and 3 more')
  expect(text).toContain('all but 8')
})

test('what was interrupted is not as expected', () => {
  expect(isAsExpected(newTally())).toBe(true)
  expect(isAsExpected({ ...newTally(), interrupted: true })).toBe(false)
})
