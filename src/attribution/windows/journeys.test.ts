import { expect, test } from 'vitest'
import { hashJourneys, type JourneyRow, toJourneys } from './journeys.ts'

const order = (unit: string, channels: string, valueMinor = 100): JourneyRow => {
  const touchedAtUs = channels.split(',').map((_, place) => 1_000 + place)
  return { unit, orderedAtUs: 2_000, valueMinor, channels, touchedAtUs }
}
const open = (unit: string, channels: string): JourneyRow => ({
  unit,
  orderedAtUs: null,
  valueMinor: 0,
  channels,
  touchedAtUs: [],
})

test('journeys become numbers: channels by name, visitors by their place', () => {
  const journeys = toJourneys([order('a', 'email,ads', 250), open('a', 'email'), open('b', 'direct,email')])
  expect(journeys).toMatchObject({ channels: ['ads', 'direct', 'email'], units: 2 })
  const lists = Object.fromEntries(
    Object.entries(journeys).flatMap(([name, column]) =>
      ArrayBuffer.isView(column) ? [[name, Array.from(column as Int32Array)]] : [],
    ),
  )
  expect(lists).toEqual({
    unit: [0, 0, 1],
    converts: [1, 0, 0],
    valueMinor: [250, 0, 0],
    orderedAtUs: [2_000, 0, 0],
    touchesFrom: [0, 2, 3, 5],
    touch: [2, 0, 2, 1, 2],
    touchedAtUs: [1_000, 1_001, 0, 0, 0],
  })
})

test('anything that a figure follows from changes the hash, and the name of a visitor does not', () => {
  const rows = [order('a', 'email,ads'), open('b', 'direct')]
  const hash = (list: JourneyRow[], settings = 'settings') => hashJourneys(toJourneys(list), settings).toString('hex')
  const changed = [
    hash(rows),
    hash(rows, 'others'),
    hash([order('a', 'ads,email'), open('b', 'direct')]),
    hash([order('a', 'email,ads', 101), open('b', 'direct')]),
    hash([order('a', 'email,ads'), open('a', 'direct')]),
    hash([order('a', 'email,ads'), open('b', 'email')]),
    hash([order('a', 'email'), open('b', 'ads,direct')]),
    hash([{ ...order('a', 'email,ads'), touchedAtUs: [1_000, 1_002] }, open('b', 'direct')]),
    hash([{ ...order('a', 'email,ads'), orderedAtUs: 2_001 }, open('b', 'direct')]),
  ]
  expect(new Set(changed).size).toBe(changed.length)
  expect(hash([order('x', 'email,ads'), open('y', 'direct')])).toBe(hash(rows))
})

test.each([-1, 2 ** 53, 0.5])('an order that brought in %d is refused', (valueMinor) => {
  expect(() => toJourneys([order('a', 'email', valueMinor)])).toThrow(RangeError)
})
