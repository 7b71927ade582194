import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Calculated, CoolingDown, createAnswers } from './answers.ts'

const OPTIONS = { maxAnswers: 2, patienceMs: 250, maxStaleMs: 60_000, coolDownMs: 5_000, now: () => Date.now() }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Calculations that end when the test says so. */
function givenCalculations() {
  const started: PromiseWithResolvers<Calculated<string>>[] = []
  return {
    started,
    calculate: () => {
      const run = Promise.withResolvers<Calculated<string>>()
      started.push(run)
      return run.promise
    },
    end: (index: number, recorded: bigint) => started[index]?.resolve({ answer: `answer of ${recorded}`, recorded }),
    fail: (index: number) => started[index]?.reject(new Error('no figures')),
  }
}

test('calculates once for all who ask at a time, and not again until something is recorded', async () => {
  const { calculate, end, started } = givenCalculations()
  const answers = createAnswers<string>(OPTIONS)
  const asked = [1, 2, 3].map(() => answers.get('day', 7n, calculate))
  end(0, 7n)
  expect(await Promise.all(asked)).toEqual(Array(3).fill({ answer: 'answer of 7', recorded: 7n }))
  await answers.get('day', 7n, calculate)
  expect(started).toHaveLength(1)
  const other = answers.get('month', 7n, calculate)
  end(1, 7n)
  await other
  expect(started).toHaveLength(2)
})

test('what a caller knows of is in the answer, also where a calculation began before it', async () => {
  const { calculate, end, started } = givenCalculations()
  const answers = createAnswers<string>(OPTIONS)
  const early = answers.get('day', 1n, calculate)
  const late = answers.get('day', 2n, calculate)
  end(0, 1n)
  expect((await early).recorded).toBe(1n)
  expect(started).toHaveLength(2)
  end(1, 2n)
  expect((await late).recorded).toBe(2n)
})

test('while a new answer takes long the former one is given, and then the new one', async () => {
  const { calculate, end } = givenCalculations()
  const answers = createAnswers<string>(OPTIONS)
  const first = answers.get('day', 1n, calculate)
  end(0, 1n)
  await first
  const second = answers.get('day', 2n, calculate)
  await vi.advanceTimersByTimeAsync(249)
  expect(await Promise.race([second, 'waits'])).toBe('waits')
  await vi.advanceTimersByTimeAsync(1)
  expect((await second).recorded).toBe(1n)
  end(1, 2n)
  await vi.advanceTimersByTimeAsync(0)
  expect((await answers.get('day', 2n, calculate)).recorded).toBe(2n)
})

test('a new answer within the patience is given at once', async () => {
  const { calculate, end } = givenCalculations()
  const answers = createAnswers<string>(OPTIONS)
  end(0, 1n)
  const first = answers.get('day', 1n, calculate)
  end(0, 1n)
  await first
  const second = answers.get('day', 2n, calculate)
  await vi.advanceTimersByTimeAsync(100)
  end(1, 2n)
  expect((await second).recorded).toBe(2n)
  expect(vi.getTimerCount()).toBe(0)
})

test('after a failure nothing is calculated for a while, and who asks is told how long', async () => {
  const { calculate, end, fail, started } = givenCalculations()
  const answers = createAnswers<string>(OPTIONS)
  const failed = answers.get('day', 1n, calculate)
  fail(0)
  await expect(failed).rejects.toMatchObject({ remainingMs: 5_000, cause: new Error('no figures') })
  await vi.advanceTimersByTimeAsync(1_000)
  const refused = answers.get('day', 1n, calculate)
  await expect(refused).rejects.toBeInstanceOf(CoolingDown)
  await expect(refused).rejects.toMatchObject({ remainingMs: 4_000 })
  expect(started).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(4_000)
  const again = answers.get('day', 1n, calculate)
  end(1, 1n)
  expect((await again).recorded).toBe(1n)
})

test('a former answer stands in for a failure, for a minute and no longer', async () => {
  const { calculate, end, fail, started } = givenCalculations()
  const answers = createAnswers<string>(OPTIONS)
  const first = answers.get('day', 1n, calculate)
  end(0, 1n)
  await first
  const second = answers.get('day', 2n, calculate)
  fail(1)
  expect((await second).recorded).toBe(1n)
  await vi.advanceTimersByTimeAsync(1_000)
  expect((await answers.get('day', 2n, calculate)).recorded).toBe(1n)
  expect(started).toHaveLength(2)
  await vi.advanceTimersByTimeAsync(59_001)
  const third = answers.get('day', 2n, calculate)
  fail(2)
  await expect(third).rejects.toBeInstanceOf(CoolingDown)
})

test('the answer that nobody asked for the longest time goes first', async () => {
  const { calculate, end, started } = givenCalculations()
  const answers = createAnswers<string>(OPTIONS)
  for (const [index, key] of ['a', 'b', 'a', 'c'].entries()) {
    const asked = answers.get(key, 1n, calculate)
    end(index === 3 ? 2 : index, 1n)
    await asked
  }
  await answers.get('a', 1n, calculate)
  expect(started).toHaveLength(3)
  void answers.get('b', 1n, calculate)
  expect(started).toHaveLength(4)
})
