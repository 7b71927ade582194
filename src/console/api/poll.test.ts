import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { pauseAfter, type Visibility, whenVisible } from './poll.ts'

test('pauses double with each failure, up to a minute', () => {
  expect([0, 1, 2, 3, 4, 9].map((failures) => pauseAfter(failures, 5_000))).toEqual([
    5_000, 10_000, 20_000, 40_000, 60_000, 60_000,
  ])
})

class Page extends EventTarget implements Visibility {
  visibilityState = 'visible'

  turn(state: 'visible' | 'hidden') {
    this.visibilityState = state
    this.dispatchEvent(new Event('visibilitychange'))
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
})

test('runs once, when the pause is over', () => {
  const run = vi.fn()
  whenVisible(new Page(), 5_000, run)
  vi.advanceTimersByTime(4_999)
  expect(run).toHaveBeenCalledTimes(0)
  vi.advanceTimersByTime(60_000)
  expect(run).toHaveBeenCalledTimes(1)
})

test('waits while nobody looks, then runs at once', () => {
  const run = vi.fn()
  const page = new Page()
  whenVisible(page, 5_000, run)
  page.turn('hidden')
  vi.advanceTimersByTime(60_000)
  expect(run).toHaveBeenCalledTimes(0)
  page.turn('visible')
  vi.advanceTimersByTime(0)
  expect(run).toHaveBeenCalledTimes(1)
  page.turn('hidden')
  page.turn('visible')
  vi.advanceTimersByTime(60_000)
  expect(run).toHaveBeenCalledTimes(1)
})

test('keeps the rest of the pause when the page comes back early', () => {
  const run = vi.fn()
  const page = new Page()
  whenVisible(page, 5_000, run)
  vi.advanceTimersByTime(1_000)
  page.turn('hidden')
  vi.advanceTimersByTime(1_000)
  page.turn('visible')
  vi.advanceTimersByTime(2_999)
  expect(run).toHaveBeenCalledTimes(0)
  vi.advanceTimersByTime(1)
  expect(run).toHaveBeenCalledTimes(1)
})

test('can be called off', () => {
  const run = vi.fn()
  const page = new Page()
  whenVisible(page, 5_000, run)()
  page.turn('visible')
  vi.advanceTimersByTime(60_000)
  expect(run).toHaveBeenCalledTimes(0)
})
