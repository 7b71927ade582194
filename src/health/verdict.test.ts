import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createVerdict, type Measurement } from './verdict.ts'

const GOOD = { isGood: true, isCertain: false }
const BAD = { isGood: false, isCertain: false }
const CERTAIN = { isGood: false, isCertain: true }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Measures what `now` says at the time. */
function start(first: Measurement) {
  const world = { now: first, measured: 0, changes: [] as boolean[] }
  const verdict = createVerdict({
    measure: async () => {
      world.measured += 1
      return world.now
    },
    freshMs: 1_000,
    confirmMs: 450,
    onChange: ({ isGood }) => void world.changes.push(isGood),
  })
  return { world, isGood: async () => (await verdict.ask()).isGood }
}

test.each([GOOD, BAD, CERTAIN])('the first measurement decides: %j', async (first) => {
  const { isGood } = start(first)
  expect(await isGood()).toBe(first.isGood)
})

test('askers share a measurement, and it is made at most once a second', async () => {
  const { world, isGood } = start(GOOD)
  expect(await Promise.all([isGood(), isGood(), isGood()])).toEqual([true, true, true])
  await vi.advanceTimersByTimeAsync(999)
  await isGood()
  expect(world.measured).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  await Promise.all([isGood(), isGood()])
  expect(world.measured).toBe(2)
})

test('two in a row decide, there and back, and the second of them comes soon and unasked', async () => {
  const { world, isGood } = start(GOOD)
  await isGood()
  let measured = 1
  for (const next of [BAD, GOOD]) {
    world.now = next
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await isGood()).toBe(!next.isGood)
    await vi.advanceTimersByTimeAsync(449)
    measured += 1
    expect(world.measured).toBe(measured)
    await vi.advanceTimersByTimeAsync(1)
    measured += 1
    expect(world.measured).toBe(measured)
    expect(await isGood()).toBe(next.isGood)
  }
  expect(world.changes).toEqual([true, false, true])
})

test('what was never good is good with the first measurement that is', async () => {
  const { world, isGood } = start(BAD)
  expect(await isGood()).toBe(false)
  world.now = GOOD
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await isGood()).toBe(true)
})

test('one that stands alone changes nothing, however many there are', async () => {
  const { world, isGood } = start(GOOD)
  await isGood()
  for (let time = 0; time < 5; time += 1) {
    world.now = BAD
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await isGood()).toBe(true)
    world.now = GOOD
    await vi.advanceTimersByTimeAsync(450)
    expect(await isGood()).toBe(true)
  }
  expect(world.changes).toEqual([true])
})

test('what is certain is believed at once; its end is not', async () => {
  const { world, isGood } = start(GOOD)
  await isGood()
  world.now = CERTAIN
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await isGood()).toBe(false)
  world.now = GOOD
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await isGood()).toBe(false)
  await vi.advanceTimersByTimeAsync(450)
  expect(await isGood()).toBe(true)
})
