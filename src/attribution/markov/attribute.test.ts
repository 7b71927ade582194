import { describe, expect, test } from 'vitest'
import type { AggregatedPath } from '../paths.ts'
import { attributeMarkov, type MarkovOptions } from './attribute.ts'
import { solveChain } from './chain.ts'
import { MarkovError, type MarkovFault } from './markov-error.ts'
import { toStructure } from './structure.ts'

const FIRST: MarkovOptions = { order: 1, usesNulls: true, valueRule: 'reward' }

/** `['a > b', conversions, nulls]`; each conversion brings in 1. */
function paths(...rows: [path: string, conversions: number, nulls: number][]): AggregatedPath[] {
  return rows.map(([path, conversions, nulls]) => ({
    channels: path.split(' > '),
    conversions,
    value: conversions,
    nulls,
  }))
}

function faultOf(run: () => unknown): MarkovFault {
  try {
    run()
  } catch (error) {
    if (error instanceof MarkovError) return error.code
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('published examples, order 1', () => {
  test.each<[string, AggregatedPath[], MarkovOptions, number, [string, number, number][]]>([
    [
      'three paths',
      paths(['c1 > c2 > c3', 1, 0], ['c1', 0, 1], ['c2 > c3', 0, 1]),
      FIRST,
      1 / 3,
      [
        ['c1', 1 / 2, 1 / 5],
        ['c2', 1, 2 / 5],
        ['c3', 1, 2 / 5],
      ],
    ],
    [
      'a channel that follows itself',
      paths(['A > B > A > B > B > A', 1, 0], ['A > B > B > A > A', 1, 0], ['A > A', 1, 0]),
      FIRST,
      1,
      [
        ['A', 1, 2],
        ['B', 1 / 2, 1],
      ],
    ],
    [
      'four paths',
      paths(['google', 2, 1], ['mailing', 1, 0], ['google > mailing', 1, 0]),
      FIRST,
      4 / 5,
      [
        ['google', 3 / 4, 12 / 5],
        ['mailing', 1 / 2, 8 / 5],
      ],
    ],
    [
      'a fixture with nulls',
      paths(['direct', 2, 1], ['search > email', 3, 2], ['search > social > email', 5, 4]),
      FIRST,
      10 / 17,
      [
        ['direct', 1 / 5, 70 / 81],
        ['email', 4 / 5, 280 / 81],
        ['search', 4 / 5, 280 / 81],
        ['social', 18 / 35, 20 / 9],
      ],
    ],
    [
      'nine paths without nulls',
      paths(
        ['A', 3, 0],
        ['A > B', 3, 0],
        ['A > B > C', 3, 0],
        ['B', 3, 0],
        ['B > A', 3, 0],
        ['B > C > A', 3, 0],
        ['C', 3, 0],
        ['C > A', 3, 0],
        ['C > B > A', 3, 0],
      ),
      { ...FIRST, usesNulls: false },
      1,
      [
        ['A', 2 / 3, 2565 / 241],
        ['B', 8 / 15, 2052 / 241],
        ['C', 28 / 57, 1890 / 241],
      ],
    ],
  ])('%s', (_name, rows, options, probability, expected) => {
    const result = attributeMarkov(rows, options)
    expect(result.conversionProbability).toBeCloseTo(probability, 14)
    expect(result.quality).toMatchObject({ isOk: true })
    expect(result.channels.map(({ channel }) => channel)).toEqual(expected.map(([channel]) => channel))
    for (const [index, [, effect, conversions]] of expected.entries()) {
      expect(result.channels[index]?.removalEffect).toBeCloseTo(effect, 13)
      expect(result.channels[index]?.conversions).toBeCloseTo(conversions, 12)
    }
  })
})

describe('states', () => {
  test('of order 2 are pairs, and a path of one channel is a state of its own', () => {
    const { channels, states, steps, firstState, lastState } = toStructure(
      [{ channels: ['b', 'a', 'b', 'b', 'b'] }, { channels: ['a'] }],
      2,
    )
    const named = states.map((state) => state.map((index) => channels[index]).join('>'))
    expect(named).toEqual(['a', 'a>b', 'b>a', 'b>b'])
    // b>a, a>b, b>b; the second b>b repeats the one before it.
    expect([...steps]).toEqual([2 * 4 + 1, 1 * 4 + 3])
    expect([firstState[0], lastState[0], firstState[1], lastState[1]]).toEqual([2, 3, 0, 0])
  })

  test('beyond the limit are refused before anything is allocated', () => {
    const many = Array.from({ length: 2_001 }, (_, index) => ({ channels: [`c${index}`] }))
    expect(faultOf(() => toStructure(many, 1))).toBe('too_many_states')
    expect(toStructure(many.slice(1), 1).states.length).toBe(2_000)
    const wide = Array.from({ length: 300_000 }, (_, index) => ({ channels: [`c${index}`] }))
    expect(faultOf(() => toStructure(wide, 3))).toBe('too_many_states')
  })

  test('from which no journey ends are refused', () => {
    // Three states among themselves: rounding makes the matrix look regular, with an inverse of 10^16.
    const between = Float64Array.of(0, 1, 2, 1, 0, 6, 3, 7, 0)
    const [nulls, values] = [new Float64Array(3), new Float64Array(3)]
    const counts = { start: Float64Array.of(1, 0, 0), between, nulls, values }
    expect(faultOf(() => solveChain({ ...counts, conversions: new Float64Array(3) }))).toBe('no_exit')
    const { conversionProbability } = solveChain({ ...counts, conversions: Float64Array.of(0, 0, 1) })
    expect(conversionProbability).toBeCloseTo(1, 12)
  })
})

describe('input', () => {
  test.each<[string, AggregatedPath, MarkovFault]>([
    ['no channel', { channels: [], conversions: 1, value: 1, nulls: 0 }, 'bad_path'],
    ['half a conversion', { channels: ['a'], conversions: 0.5, value: 1, nulls: 0 }, 'bad_path'],
    ['fewer than no nulls', { channels: ['a'], conversions: 1, value: 1, nulls: -1 }, 'bad_path'],
    ['a value that is no number', { channels: ['a'], conversions: 1, value: Number.NaN, nulls: 0 }, 'bad_path'],
    ['value without a conversion', { channels: ['a'], conversions: 0, value: 1, nulls: 1 }, 'bad_path'],
  ])('%s is refused', (_name, path, fault) => {
    expect(faultOf(() => attributeMarkov([path], FIRST))).toBe(fault)
  })

  test.each([0, 4, 1.5])('order %s is refused', (order) => {
    expect(faultOf(() => attributeMarkov(paths(['a', 1, 0]), { ...FIRST, order }))).toBe('bad_order')
  })

  test('without any conversion all credits are 0', () => {
    const { channels, conversionProbability } = attributeMarkov(paths(['a > b', 0, 3]), FIRST)
    expect(conversionProbability).toBe(0)
    expect(channels).toEqual(
      ['a', 'b'].map((channel) => ({ channel, removalEffect: 0, valueRemovalEffect: 0, conversions: 0, value: 0 })),
    )
  })

  test('without paths there is nothing', () => {
    expect(attributeMarkov([], FIRST).channels).toEqual([])
  })

  test('a channel that only journeys without a conversion have is listed when nulls do not count', () => {
    const result = attributeMarkov(paths(['a', 2, 0], ['b', 0, 5]), { ...FIRST, usesNulls: false })
    expect(result.states).toBe(1)
    expect(result.channels.map(({ channel, conversions }) => [channel, conversions])).toEqual([
      ['a', 2],
      ['b', 0],
    ])
  })
})
