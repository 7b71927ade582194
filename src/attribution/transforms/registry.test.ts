import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelError } from '../models/model.ts'
import { PATH_TRANSFORMS, setTransform, transformJourney } from './registry.ts'

const toJourney = (path: string) => [...path].map((channel, at) => ({ channel, at }))
const apply = (name: string, path: string, parameters = {}) =>
  transformJourney(setTransform(name, parameters), toJourney(path))
    .map(({ channel }) => channel)
    .join('')

test.each([
  ['identity', {}, 'DABBCDCC', 'DABBCDCC'],
  ['exposure', {}, 'DABBCDCC', 'DABCDC'],
  ['first', {}, 'DABBCDCC', 'DABC'],
  ['remove_unless_all', { channel: 'X' }, 'aaaXaXX', 'aaaa'],
  ['remove_trailing_unless_all', { channel: 'X' }, 'aaaXaXX', 'aaaXa'],
  ['remove_unless_all', { channel: 'X' }, 'XX', 'XX'],
  ['remove_trailing_unless_all', { channel: 'X' }, 'XX', 'XX'],
  ['last_n', { touches: 3 }, 'DABBCDCC', 'DCC'],
  ['last_n', { touches: 3 }, 'DA', 'DA'],
])('%s %j: %s is %s', (name, parameters, path, kept) => {
  expect(apply(name, path, parameters)).toBe(kept)
})

test('of equal neighbours the earliest stays', () => {
  const exposed = transformJourney(setTransform('exposure', {}), toJourney('aabba'))
  expect(exposed.map(({ at }) => at)).toEqual([0, 2, 4])
})

test('where nothing goes the journey is the very one that came', () => {
  const journey = toJourney('abc')
  for (const { name } of PATH_TRANSFORMS) expect(transformJourney(setTransform(name, {}), journey)).toBe(journey)
})

test.each([
  ['unknown_transform', 'reverse', {}],
  ['unknown_parameter', 'identity', { channel: 'direct' }],
  ['out_of_bounds', 'last_n', { touches: 0 }],
])('%s is refused: %s %j', (code, name, parameters) => {
  expect(() => setTransform(name, parameters)).toThrow(expect.objectContaining({ code }))
  expect(() => setTransform(name, parameters)).toThrow(ModelError)
})

describe.each([
  ...PATH_TRANSFORMS.map(({ name }) => setTransform(name, {})),
  setTransform('remove_unless_all', { channel: 'a' }),
  setTransform('remove_trailing_unless_all', { channel: 'a' }),
  ...[1, 2, 5].map((touches) => setTransform('last_n', { touches })),
])('$name $parameters', (transform) => {
  const journeys = fc
    .array(fc.constantFrom('a', 'b', 'c', 'direct'), { maxLength: 12 })
    .map((channels) => channels.map((channel, at) => ({ channel, at })))
  const keep = (journey: readonly { channel: string; at: number }[]) => transformJourney(transform, journey)
  const check = (holds: (journey: { channel: string; at: number }[], lost: boolean[]) => void) =>
    fc.assert(fc.property(journeys, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), holds), {
      numRuns: 2_000,
    })

  test('keeps the order, and something of what has touches', () => {
    check((journey) => {
      const kept = keep(journey)
      const places = kept.map((touch) => journey.indexOf(touch))
      expect(places).toEqual([...new Set(places)].sort((a, b) => a - b))
      expect(places).not.toContain(-1)
      expect(kept.length > 0).toBe(journey.length > 0)
    })
  })

  test('done twice is done once', () => {
    check((journey) => {
      expect(keep(keep(journey))).toEqual(keep(journey))
    })
  })

  test('does not miss any of the touches that it leaves out', () => {
    check((journey, lost) => {
      const kept = new Set(keep(journey))
      const left = journey.filter((touch, place) => kept.has(touch) || lost[place] !== true)
      expect(keep(left)).toEqual(keep(journey))
    })
  })
})
