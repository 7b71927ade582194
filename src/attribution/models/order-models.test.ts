import { describe, expect, test } from 'vitest'
import { allocate } from '../../money.ts'
import type { ModelTouch } from './model.ts'
import { getOrderModel, resolveParameters } from './registry.ts'
import { creditPositions } from './shapley-ordered.ts'
import { toShares } from './shares.ts'

const HOUR_US = 3_600_000_000n

/** Channels with the hours before the conversion, which is at 0. */
function touches(...list: [channel: string, hours: number][]): ModelTouch[] {
  return list.map(([channel, hours]) => ({ channel, occurredAtUs: -BigInt(hours) * HOUR_US }))
}

const named = (...channels: string[]) => touches(...channels.map((channel): [string, number] => [channel, 0]))

function weigh(name: string, journey: ModelTouch[], given: Record<string, unknown> = {}): readonly bigint[] {
  const model = getOrderModel(name)
  return model.weigh(journey, 0n, resolveParameters(model, given))
}

/** Least whole numbers in the same proportion. */
function reduced(weights: readonly bigint[]): bigint[] {
  const divisor = (a: bigint, b: bigint): bigint => (b === 0n ? a : divisor(b, a % b))
  const all = weights.reduce(divisor, 0n)
  return weights.map((weight) => weight / all)
}

describe('weights by hand, in least whole numbers', () => {
  test.each<[string, string[], Record<string, unknown>, bigint[]]>([
    ['first_touch', ['a', 'b', 'c'], {}, [1n, 0n, 0n]],
    ['last_touch', ['a', 'b', 'c'], {}, [0n, 0n, 1n]],
    ['last_non_direct', ['a', 'b', 'direct'], {}, [0n, 1n, 0n]],
    ['last_non_direct', ['direct', 'direct'], {}, [0n, 1n]],
    ['last_non_direct', ['a', 'b'], { direct_channel: 'b' }, [1n, 0n]],
    ['linear', ['a', 'b', 'a'], {}, [1n, 1n, 1n]],
    ['position', ['a'], {}, [1n]],
    ['position', ['a', 'b'], {}, [1n, 1n]],
    ['position', ['a', 'b', 'c'], {}, [2n, 1n, 2n]],
    ['position', ['a', 'b', 'c', 'd'], {}, [4n, 1n, 1n, 4n]],
    // The middle is halved: 30/30/40 is 45/55, and not 3/7 and 4/7.
    ['position', ['a', 'b'], { first: 30, middle: 30, last: 40 }, [9n, 11n]],
    ['position', ['a'], { first: 0, middle: 1, last: 0 }, [1n]],
    ['position', ['a', 'b', 'c', 'd'], { first: 0, middle: 1, last: 0 }, [0n, 1n, 1n, 0n]],
    ['decay_step', ['a', 'b', 'c', 'd'], {}, [1n, 2n, 4n, 8n]],
    ['shapley', ['a', 'b'], {}, [1n, 1n]],
    ['shapley', ['a', 'b', 'a', 'a'], {}, [1n, 3n, 1n, 1n]],
    ['shapley', ['a', 'b', 'a', 'c', 'c', 'c'], {}, [3n, 6n, 3n, 2n, 2n, 2n]],
    ['shapley_ordered', ['a', 'b', 'a', 'a'], {}, [1n, 3n, 1n, 1n]],
    ['custom', ['a', 'b', 'c', 'd'], {}, [3n, 1n, 1n, 3n]],
    ['custom', ['a'], { oldest: [2], between: 0, newest: [] }, [1n]],
    // The touch in both lists has the sum of both.
    ['custom', ['a', 'b', 'c'], { oldest: [5, 2], between: 9, newest: [7, 1] }, [5n, 3n, 7n]],
    ['custom', ['a', 'b', 'c', 'd'], { oldest: [1], between: 0, newest: [] }, [1n, 0n, 0n, 0n]],
  ])('%s of %s with %o', (name, channels, parameters, expected) => {
    expect(reduced(weigh(name, named(...channels), parameters))).toEqual(expected)
  })

  test('two touches make one half-life where that is two touches', () => {
    const [oldest = 0n, middle = 0n, newest = 0n] = weigh('decay_step', named('a', 'b', 'c'), { half_life_touches: 2 })
    expect(newest).toBe(2n * oldest)
    // 2^-(1/2), squared, is one half.
    expect(Number(middle * middle) / Number(newest * newest)).toBeCloseTo(0.5, 11)
  })
})

describe('decay by time', () => {
  test('half for each half-life, of seven days unless it is said otherwise', () => {
    expect(reduced(weigh('time_decay', touches(['a', 336], ['b', 168], ['c', 0])))).toEqual([1n, 2n, 4n])
    expect(reduced(weigh('time_decay', touches(['a', 3], ['b', 0]), { half_life_hours: 3 }))).toEqual([1n, 2n])
  })

  test('only the time between the touches counts, however long ago they all were', () => {
    const recent = weigh('time_decay', touches(['a', 30], ['b', 6]), { half_life_hours: 1 })
    const old = weigh('time_decay', touches(['a', 724], ['b', 700]), { half_life_hours: 1 })
    expect(old).toEqual(recent)
    expect(recent.at(-1)).toBe(1n << 40n)
  })

  test('in buckets: 14, 12 and 0 hours with a rate of one half and buckets of 7 are 1/7, 2/7, 4/7', () => {
    const journey = touches(['a', 14], ['b', 12], ['c', 0])
    const weights = weigh('time_decay_bucketed', journey, { rate_percent: 50, bucket_hours: 7 })
    expect(reduced(weights)).toEqual([1n, 2n, 4n])
  })

  test('in buckets, a touch at the end of one is in the next', () => {
    const parameters = { rate_percent: 10, bucket_hours: 24 }
    const [old = 0n, recent = 0n] = weigh('time_decay_bucketed', touches(['a', 24], ['b', 23]), parameters)
    expect(Number(old) / Number(recent)).toBeCloseTo(0.1, 11)
  })
})

describe('money', () => {
  test.each<[string, bigint, string, string[], bigint[]]>([
    ['140.00 linear', 14_000n, 'linear', ['a', 'b', 'a'], [4_667n, 4_667n, 4_666n]],
    ['100.01 back on 40/20/40', -10_001n, 'position', ['a', 'b', 'c'], [-4_001n, -2_000n, -4_000n]],
    ['99.99 at 1/8, 1/4, 1/2 and 1', 9_999n, 'decay_step', ['a', 'b', 'c', 'd'], [667n, 1_333n, 2_666n, 5_333n]],
    ['0.01 in three', 1n, 'linear', ['a', 'b', 'c'], [1n, 0n, 0n]],
    [
      '1000 JPY to seven',
      1_000n,
      'linear',
      ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
      [143n, 143n, 143n, 143n, 143n, 143n, 142n],
    ],
  ])('%s', (_name, amount, model, channels, credits) => {
    expect(allocate(amount, weigh(model, named(...channels)))).toEqual(credits)
  })
})

test('ordered Shapley sums to the conversions although channels return', () => {
  const credits = creditPositions([
    { touches: named('a', 'b', 'a'), conversions: 6 },
    { touches: named('a'), conversions: 2 },
  ])
  expect(credits).toEqual([
    { channel: 'a', position: 1, conversions: 3.5 },
    { channel: 'a', position: 3, conversions: 1.5 },
    { channel: 'b', position: 2, conversions: 3 },
  ])
})

test('a journey of 100,000 touches over 500 channels has a weight for each', () => {
  const journey = Array.from({ length: 100_000 }, (_, index) => ({
    channel: `c${(index * index) % 500}`,
    occurredAtUs: BigInt(index),
  }))
  const weights = weigh('shapley', journey)
  const sumOf = (channel: string) =>
    weights.reduce((sum, weight, index) => (journey[index]?.channel === channel ? sum + weight : sum), 0n)
  expect(weights.length).toBe(journey.length)
  expect(sumOf('c0')).toBe(sumOf('c1'))
})

test('parts of one are the same on any scale, beyond what a number holds too', () => {
  const scale = 10n ** 400n
  expect(toShares([1n, 2n, 0n])).toEqual([1 / 3, 2 / 3, 0])
  expect(toShares([scale, 2n * scale, 0n])).toEqual([1 / 3, 2 / 3, 0])
})
