import { expect, test } from 'vitest'
import { type JourneyRow, toJourneys } from './journeys.ts'
import { toPaths } from './window-paths.ts'

const order = (unit: string, channels: string, valueMinor: number): JourneyRow => {
  const touchedAtUs = channels.split(',').map((_, place) => place)
  return { unit, orderedAtUs: 100, valueMinor, channels, touchedAtUs }
}
const open = (unit: string, channels: string): JourneyRow => {
  return { unit, orderedAtUs: null, valueMinor: 0, channels, touchedAtUs: [] }
}

test('each order has a path of its own, and the chain sees equal channels once', () => {
  const rows = [
    open('a', 'ads'),
    order('b', 'ads,email', 5),
    order('c', 'ads', 7),
    open('d', 'email'),
    order('e', 'ads,email', 11),
    open('f', 'ads'),
  ]
  const { converting, paths, path, distinct, distinctOf } = toPaths(toJourneys(rows))
  expect(converting.map(({ touches }) => touches.map(({ channel }) => channel).join())).toEqual([
    'ads,email',
    'ads',
    'ads,email',
  ])
  expect(paths).toBe(5)
  expect([...path]).toEqual([3, 0, 1, 4, 2, 3])
  expect([...distinctOf]).toEqual([0, 1, 0, 1, 2])
  expect(distinct).toEqual([
    { channels: ['ads', 'email'], conversions: 2, value: 16, nulls: 0 },
    { channels: ['ads'], conversions: 1, value: 7, nulls: 2 },
    { channels: ['email'], conversions: 0, value: 0, nulls: 1 },
  ])
})
