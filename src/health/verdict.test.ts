import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createVerdict, type Measurement } from './verdict.ts'

const GOOD = { isGood: true, isCertain: false }
const BAD = { isGood: false, isCertain: false }
const TIMEOUTS = { firstMs: 2_000, usualMs: 850, doubtedMs: 500 }
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
    timeouts: TIMEOUTS,
    freshMs: 1_000,
    confirmMs: 450,
    waitMs: 400,
    onChange: ({ isGood }) => void world.changes.push(isGood),
  })
  return { world, isGood: async () => (await verdict.ask()).isGood }
}

test.each([GOOD, BAD, CERTAIN])('the first measurement decides: %j', async (first) => {
  const { isGood } = start(first)
  expect(await isGood()).toBe(first.isGood)
})

test('askers share a measurement, and it is made anew when half of its time is over', async () => {
  const { world, isGood } = start(GOOD)
  expect(await Promise.all([isGood(), isGood(), isGood()])).toEqual([true, true, true])
  await vi.advanceTimersByTimeAsync(499)
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

/** What is measured takes `latencyMs`, or hangs; asked every 20 ms for so long. */
async function poll(forMs: number, latencyAt: (timeMs: number, measurement: number) => number) {
  const answers: { at: number; waitedMs: number; isGood: boolean }[] = []
  const began = performance.now()
  const time = () => performance.now() - began
  let measurement = 0
  const verdict = createVerdict({
    measure: async (timeoutMs) => {
      const latencyMs = latencyAt(time(), measurement)
      measurement += 1
      await new Promise((resolve) => setTimeout(resolve, Math.min(latencyMs, timeoutMs)))
      return latencyMs <= timeoutMs ? GOOD : BAD
    },
    timeouts: TIMEOUTS,
    freshMs: 1_000,
    confirmMs: 450,
    waitMs: 400,
  })
  while (time() < forMs) {
    const at = time()
    void verdict.ask().then(({ isGood }) => answers.push({ at, waitedMs: time() - at, isGood }))
    await vi.advanceTimersByTimeAsync(20)
  }
  return answers
}

test('what hangs is told within 2 s, whenever it begins, and so is its end', async () => {
  for (let beginsAt = 1_000; beginsAt < 2_500; beginsAt += 50) {
    const endsAt = beginsAt + 5_000
    const hangs = (timeMs: number) => timeMs >= beginsAt && timeMs < endsAt
    const answers = await poll(10_000, (timeMs) => (hangs(timeMs) ? Number.POSITIVE_INFINITY : 5))
    const told = answers.find(({ isGood }) => !isGood)
    const isOver = answers.find(({ at, isGood }) => at >= endsAt && isGood)
    expect((told?.at ?? Number.NaN) + (told?.waitedMs ?? 0) - beginsAt, `${beginsAt}`).toBeLessThanOrEqual(1_900)
    expect((isOver?.at ?? Number.NaN) + (isOver?.waitedMs ?? 0) - endsAt, `${beginsAt}`).toBeLessThanOrEqual(1_900)
  }
})

test.each([
  ['all answers', () => 800],
  ['each second answer, and one was lost', (_: number, measurement: number) => (measurement % 2 === 0 ? 300 : 2_000)],
])('what is late is there: %s', async (_, latencyAt) => {
  const answers = await poll(20_000, latencyAt)
  expect(answers.length).toBeGreaterThan(900)
  expect(answers.filter(({ isGood }) => !isGood)).toEqual([])
})

test('nobody waits long for a late measurement, not even the first who asks after a while', async () => {
  const answers = await poll(3_000, (timeMs) => (timeMs < 1_000 ? 0 : 5_000))
  expect(Math.max(...answers.map(({ waitedMs }) => waitedMs))).toBeLessThanOrEqual(420)
  expect(answers.at(-1)?.isGood).toBe(false)
  const { world, isGood } = start(GOOD)
  await isGood()
  world.now = CERTAIN
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await Promise.all([isGood(), isGood()]), 'both wait for the measurement of now').toEqual([false, false])
  expect(world.measured).toBe(2)
})
