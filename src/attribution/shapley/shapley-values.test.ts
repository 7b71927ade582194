import { describe, expect, test } from 'vitest'
import { exactShapley, sumSubsets } from './exact.ts'
import { sampleShapley } from './sampled.ts'
import { shapleyValues } from './shapley-values.ts'

const NEVER_SAMPLED = { seed: 'unused', pairs: 2 }

/** Sets as bits: the first player is 1, the second 2, the third 4. */
describe('exact, from what each set is worth', () => {
  test.each<[string, number[], number[]]>([
    ['a published example of three', [0, 7, 6, 15, 4, 7, 9, 19], [46 / 6, 49 / 6, 19 / 6]],
    ['one that is not monotone has a negative value', [0, 11, 31, 3], [-8.5, 11.5]],
    ['a glove for the left hand and two for the right', [0, 0, 0, 1, 0, 1, 0, 1], [2 / 3, 1 / 6, 1 / 6]],
    ['what nobody has is nobody’s gain', [10, 12], [2]],
    ['no players', [5], []],
  ])('%s', (_name, worth, expected) => {
    const values = exactShapley(Float64Array.from(worth))
    expect(values.length).toBe(expected.length)
    for (const [player, value] of expected.entries()) expect(values[player]).toBeCloseTo(value, 13)
  })

  test('16 players, each with a worth of its own', () => {
    const game = {
      players: 16,
      worth: (members: Uint8Array) => members.reduce((sum, isIn, player) => sum + isIn * player, 0),
    }
    const { method, values, standardErrors } = shapleyValues(game, NEVER_SAMPLED)
    expect([method, standardErrors]).toEqual(['exact', null])
    for (const [player, value] of values.entries()) expect(value).toBeCloseTo(player, 9)
  })
})

test('a set has what lies inside it', () => {
  const amounts = Float64Array.of(1, 10, 100, 1_000)
  sumSubsets(amounts)
  expect([...amounts]).toEqual([1, 11, 101, 1_111])
})

describe('above 20 players', () => {
  /** Worth 1 when more than half are in: of n players each is worth 1/n. */
  const majority = {
    players: 25,
    worth: (members: Uint8Array) => Number(members.reduce((sum, isIn) => sum + isIn, 0) > 12),
  }

  test('sampled, and it says so', () => {
    const { method, values, standardErrors } = shapleyValues(majority, { seed: 'majority', pairs: 4_000 })
    expect(method).toBe('sampled')
    expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9)
    for (const [player, value] of values.entries()) {
      const error = standardErrors?.[player] as number
      expect(error).toBeGreaterThan(0)
      // 25 players within 4.5 standard errors each: one seed in 6,000 misses.
      expect(Math.abs(value - 1 / 25)).toBeLessThan(4.5 * error)
    }
  })

  test('the standard error falls with the root of the number of pairs', () => {
    const error = (pairs: number) => sampleShapley(majority, { seed: 'error', pairs }).standardErrors[0] as number
    expect(error(400) / error(6_400)).toBeGreaterThan(3)
    expect(error(400) / error(6_400)).toBeLessThan(5)
  })

  test('the same seed gives the same values, another one others', () => {
    const values = (seed: string) => [...sampleShapley(majority, { seed, pairs: 10 }).values]
    expect(values('one')).toEqual(values('one'))
    expect(values('one')).not.toEqual(values('two'))
  })

  test('a player that adds the same to any set has no error', () => {
    const game = { players: 21, worth: (members: Uint8Array) => (members[0] as number) * 5 }
    const { values, standardErrors } = sampleShapley(game, { seed: 'sure', pairs: 3 })
    expect([values[0], values[1], standardErrors[0]]).toEqual([5, 0, 0])
  })

  test('an order and its reversal take the chance out of a game in which only the place counts', () => {
    const game = { players: 21, worth: (members: Uint8Array) => members.reduce((size, isIn) => size + isIn, 0) ** 2 }
    const { values, standardErrors } = sampleShapley(game, { seed: 'places', pairs: 2 })
    expect([...values]).toEqual(new Array(21).fill(21))
    expect([...standardErrors]).toEqual(new Array(21).fill(0))
  })

  test('one pair has no standard error', () => {
    expect(() => sampleShapley(majority, { seed: 'x', pairs: 1 })).toThrow(RangeError)
  })
})
