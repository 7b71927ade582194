import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openJourneys } from './open-journeys.ts'

const SPAN = { startsUs: 100, lookbackUs: 30 }
const timesOf = (times: readonly number[], orders: readonly number[]) =>
  openJourneys(times, orders, SPAN).map((journey) => journey.map((place) => times[place]))

test.each<[about: string, touches: number[], orders: number[], journeys: number[][]]>([
  ['a visitor without orders', [100, 110, 125], [], [[100, 110, 125]]],
  ['what lies before the window counts, a lookback far', [80, 95, 110], [], [[80, 95, 110]]],
  ['and no farther', [79, 95, 110], [], [[95, 110]]],
  ['nothing in the window', [80, 99], [], []],
  ['an order takes all touches up to it', [100, 110], [110], []],
  ['and leaves those after it', [100, 110, 111], [110], [[111]]],
  ['a lookback before an order, the edge included', [100, 101], [131], [[100]]],
  ['a later order does not take what an earlier one stands before', [100, 140], [139, 200], [[100], [140]]],
  ['an order after the window takes its touches', [100, 150], [170], [[100]]],
  ['two journeys on either side of an order', [100, 110, 160], [145, 146], [[100, 110], [160]]],
])('%s', (_about, touches, orders, journeys) => {
  expect(timesOf(touches, orders)).toEqual(journeys)
})

/** By the rule of each touch and order alone, without any order of time in the loops. */
function slowly(touches: readonly number[], orders: readonly number[]): number[][] {
  const isCredited = (atUs: number) =>
    orders.some(
      (at) => atUs <= at && at <= atUs + SPAN.lookbackUs && !orders.some((other) => atUs <= other && other < at),
    )
  const free = touches.filter((touch) => !isCredited(touch))
  const gapOf = (atUs: number) => orders.filter((at) => at >= atUs).length
  const gaps = [...new Set(free.map(gapOf))].sort((a, b) => b - a)
  return gaps
    .map((gap) => free.filter((touch) => gapOf(touch) === gap))
    .map((times) => times.filter((at) => at >= Math.max(...times) - SPAN.lookbackUs))
    .filter((times) => Math.max(...times) >= SPAN.startsUs)
}

test('every touch is in the order that credits it, in one journey without an order, or too old', () => {
  const time = fc.integer({ min: 50, max: 250 })
  fc.assert(
    fc.property(fc.uniqueArray(time, { maxLength: 12 }), fc.array(time, { maxLength: 5 }), (times, orders) => {
      const touches = times.toSorted((a, b) => a - b)
      expect(timesOf(touches, orders)).toEqual(slowly(touches, orders))
    }),
    { numRuns: 5_000 },
  )
})
