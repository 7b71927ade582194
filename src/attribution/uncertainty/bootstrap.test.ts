import { describe, expect, test } from 'vitest'
import { getOrderModel } from '../models/registry.ts'
import { bootstrap, bootstrapSteps, operationsPerReplicate, type ResampledJourneys } from './bootstrap.ts'
import { markovEstimator, orderEstimator } from './estimator.ts'

const PATHS = [{ channels: ['a', 'b'] }, { channels: ['b'] }, { channels: ['c', 'b'] }]
const MARKOV = { order: 1, usesNulls: true, valueRule: 'reward' } as const

function linear(paths: readonly { channels: readonly string[] }[] = PATHS) {
  const journeys = paths.map(({ channels }) => ({
    touches: channels.map((channel) => ({ channel, occurredAtUs: 0n })),
    conversionAtUs: 0n,
  }))
  return orderEstimator('linear', getOrderModel('linear'), journeys, {})
}

/** `[unit, path, value]`; null: the journey did not convert. */
function journeys(rows: readonly (readonly [unit: number, path: number, value: number | null])[]): ResampledJourneys {
  return {
    units: 1 + Math.max(...rows.map(([unit]) => unit)),
    unit: Int32Array.from(rows, ([unit]) => unit),
    paths: PATHS.length,
    path: Int32Array.from(rows, ([, path]) => path),
    converts: Uint8Array.from(rows, ([, , value]) => (value === null ? 0 : 1)),
    value: Float64Array.from(rows, ([, , value]) => value ?? 0),
  }
}

/** 600 people: one in three converts along each path, the others do not. */
const many = journeys(Array.from({ length: 600 }, (_, unit) => [unit, unit % 3, unit % 2 === 0 ? 10 : null] as const))

describe('figures', () => {
  test('of the journeys as they are', () => {
    const rows = journeys([
      [0, 0, 40],
      [0, 1, 10],
      [1, 1, 30],
      [2, 2, null],
    ])
    const result = bootstrap(rows, [linear(), markovEstimator('markov', PATHS, MARKOV)], {
      seed: 'point',
      minReplicates: 2,
      maxReplicates: 2,
    })
    const [byLinear, byMarkov] = result.estimators
    expect(
      byLinear?.channels.map(({ channel, conversions, value }) => [channel, conversions.point, value.point]),
    ).toEqual([
      ['a', 0.5, 20],
      ['b', 2.5, 60],
      ['c', 0, 0],
    ])
    expect(
      byLinear?.channels.map(({ conversionShare, valueShare }) => [conversionShare.point, valueShare.point]),
    ).toEqual([
      [0.5 / 3, 0.25],
      [2.5 / 3, 0.75],
      [0, 0],
    ])
    expect(byMarkov?.channels.reduce((sum, { value }) => sum + value.point, 0)).toBeCloseTo(80, 10)
  })

  test('people are counted once for a channel, however often they convert', () => {
    const rows = journeys([
      [0, 0, 1],
      [0, 1, 1],
      [1, 1, 1],
      [2, 2, null],
    ])
    const { estimators } = bootstrap(rows, [linear(), markovEstimator('markov', PATHS, MARKOV)], {
      seed: 'units',
      minReplicates: 2,
      maxReplicates: 2,
    })
    for (const { channels } of estimators) {
      expect(channels.map(({ channel, convertingUnits }) => [channel, convertingUnits])).toEqual([
        ['a', 1],
        ['b', 2],
        ['c', 0],
      ])
    }
  })

  test('the error of credited conversions is the root of the squared credits', () => {
    const { estimators } = bootstrap(many, [linear()], { seed: 'law', minReplicates: 2_000 })
    // 300 conversions, 100 along each path: a has half of 100, b half of 200 and all of 100, c half of 100.
    const expected = [Math.sqrt(100 / 4), Math.sqrt(200 / 4 + 100), Math.sqrt(100 / 4)]
    for (const [index, error] of expected.entries()) {
      const ratio = (estimators[0]?.channels[index]?.conversions.standardError ?? 0) / error
      // 2,000 resamples: ±1.6 % is one standard error.
      expect(Math.abs(ratio - 1)).toBeLessThan(0.07)
    }
  })

  test('what one person does often is less certain than what many do', () => {
    const together = journeys(Array.from({ length: 60 }, (_, index) => [Math.floor(index / 20), 1, 10] as const))
    const apart = journeys(Array.from({ length: 60 }, (_, index) => [index, 1, 10] as const))
    const errorOf = (rows: ResampledJourneys) =>
      bootstrap(rows, [linear()], { seed: 'unit', minReplicates: 400, maxReplicates: 400 }).estimators[0]?.channels[1]
        ?.conversions.standardError ?? 0
    // Variance 60 in one case, 3 × 20² in the other.
    expect(errorOf(together) / errorOf(apart)).toBeGreaterThan(3.8)
    expect(errorOf(together) / errorOf(apart)).toBeLessThan(5.2)
  })

  test('a resample without any conversion gives zeros', () => {
    const { estimators } = bootstrap(journeys([[0, 0, 5]]), [linear(), markovEstimator('markov', PATHS, MARKOV)], {
      seed: 'alone',
      minReplicates: 50,
      maxReplicates: 50,
    })
    for (const { channels } of estimators) {
      expect(channels[0]?.conversionShare.low).toBe(0)
      expect(channels.every(({ conversions }) => Number.isFinite(conversions.standardError))).toBe(true)
    }
  })
})

describe('how many resamples', () => {
  test('until every interval is settled', () => {
    const result = bootstrap(many, [linear()], { seed: 'enough', maxReplicates: 20_000 })
    expect(result.isSettled).toBe(true)
    expect(result.replicates % 200).toBe(0)
    expect(result.replicates).toBeLessThan(5_000)
    for (const { conversionShare: share } of result.estimators[0]?.channels ?? []) {
      expect(share.quantileError).toBeLessThanOrEqual(0.02 * (share.high - share.low))
    }
  })

  test('never more than the limit', () => {
    const result = bootstrap(many, [linear()], { seed: 'limit', minReplicates: 30, maxReplicates: 30 })
    expect([result.replicates, result.isSettled]).toEqual([30, false])
  })

  test('looking in between whether they are enough changes none of them', () => {
    const run = (minReplicates: number) =>
      bootstrap(many, [linear()], { seed: 'same', minReplicates, maxReplicates: 400 })
    expect(run(200).replicates).toBe(400)
    expect(run(200)).toEqual(run(400))
  })

  test('they can be had one by one, and the last one brings the result', () => {
    const options = { seed: 'steps', minReplicates: 3, maxReplicates: 3 }
    const steps = bootstrapSteps(many, [linear()], options)
    expect([steps.next().value, steps.next().value, steps.next().value]).toEqual([1, 2, 3])
    expect(steps.next()).toEqual({ done: true, value: bootstrap(many, [linear()], options) })
  })

  test('a budget is kept by counting steps', () => {
    const own = 600 + 600 + 3 * 3
    expect(operationsPerReplicate(many, [linear()])).toBe(own + 5)
    // Two steps between three states.
    expect(operationsPerReplicate(many, [markovEstimator('markov', PATHS, MARKOV)])).toBe(own + 2 + 2 * 27)
  })
})

test('journeys that are not in the order of their units are refused', () => {
  const rows = journeys([
    [1, 0, 1],
    [0, 0, 1],
  ])
  expect(() => bootstrap(rows, [linear()], { seed: 'order' })).toThrow(RangeError)
})
