import { creditPaths } from '../../../src/attribution/credit-paths.ts'
import { attributeMarkov } from '../../../src/attribution/markov/attribute.ts'
import { getOrderModel, resolveParameters } from '../../../src/attribution/models/registry.ts'
import { toShares } from '../../../src/attribution/models/shares.ts'
import type { AggregatedPath } from '../../../src/attribution/paths.ts'
import { bootstrap } from '../../../src/attribution/uncertainty/bootstrap.ts'
import { markovEstimator } from '../../../src/attribution/uncertainty/estimator.ts'
import { randomOf } from '../../../src/webhooks/simulator/random.ts'
import { exactMarkov } from '../oracles/markov.ts'
import { SLOW_MODELS, type SlowTouch } from '../oracles/order-models.ts'
import { slowPoissonWeight, slowUint32s } from '../oracles/poisson.ts'
import { toNumber } from '../oracles/rational.ts'
import { enumerateShapley, worthOfJourneys } from '../oracles/shapley.ts'
import { compare, type Table } from '../table.ts'
import { toEstimator, toJourneys } from './bootstrap.ts'

const CHANNELS = ['affiliates', 'direct', 'email', 'organic_search', 'paid_search', 'paid_social', 'referral', 'video']
const HOUR_US = 3_600_000_000n

/** Journeys that look like those of a shop: the same on every machine. Values are whole minor units. */
export function makeUpPaths(channels: readonly string[], rows: number): AggregatedPath[] {
  const random = randomOf(`skeldir verify ${channels.length} ${rows}`)
  const weighted = channels.map((channel, index) => ({ channel, weight: 1 + ((index * 5) % 7) }))
  return Array.from({ length: rows }, () => {
    const length = 1 + Math.floor(random.integer(0, 99) ** 2 / 1_000)
    const touched = Array.from({ length }, () => random.pickWeighted(weighted).channel)
    const conversions = random.chance(0.6) ? random.integer(1, 9) : 0
    const value = conversions === 0 ? 0 : conversions * random.integer(500, 20_000) + random.integer(0, 99)
    return { channels: touched, conversions, value, nulls: random.integer(0, 20) }
  })
}

/** Our own journeys, beside methods that share nothing with the product but the definition. */
export function compareLookAlike(): Table[] {
  const paths = makeUpPaths(CHANNELS, 500)
  return [
    ...compareOrderModels(),
    compareShapley(paths),
    compareMarkov(1, true, paths),
    compareMarkov(1, false, paths),
    compareMarkov(2, true, paths),
    compareMarkov(3, true, makeUpPaths(CHANNELS.slice(0, 3), 60)),
    compareResamples(makeUpPaths(CHANNELS, 40)),
    compareCoverage(),
  ]
}

/** Every journey by itself, with times, beside the formulas of the text books in floating point. */
function compareOrderModels(): Table[] {
  const random = randomOf('skeldir verify journeys')
  const journeys = Array.from({ length: 300 }, (): SlowTouch[] =>
    Array.from({ length: random.integer(1, 12) }, () => ({
      channel: random.pick(CHANNELS),
      hours: random.integer(0, 720),
    })).sort((a, b) => b.hours - a.hours),
  )
  return Object.entries(SLOW_MODELS).map(([name, slow]) => {
    const table = compare(`look-alike ${name}`, 1e-9)
    const model = getOrderModel(name)
    const parameters = resolveParameters(model, {})
    for (const [index, touches] of journeys.entries()) {
      const seen = touches.map(({ channel, hours }) => ({ channel, occurredAtUs: -BigInt(hours) * HOUR_US }))
      const shares = toShares(model.weigh(seen, 0n, parameters))
      const expected = slow(touches)
      table.same(`journey ${index}`, shares.length, expected.length)
      for (const [position, share] of expected.entries()) {
        table.add(`journey ${index} touch ${position}`, shares[position] ?? Number.NaN, share)
      }
    }
    return table
  })
}

function compareShapley(paths: readonly AggregatedPath[]): Table {
  const table = compare('look-alike shapley, all sets', 1e-9)
  const model = getOrderModel('shapley')
  const values = enumerateShapley(CHANNELS.length, worthOfJourneys(paths, CHANNELS))
  for (const { channel, conversions } of creditPaths(model, paths, {})) {
    table.add(channel, conversions, values[CHANNELS.indexOf(channel)] ?? Number.NaN)
  }
  return table
}

function compareMarkov(order: number, usesNulls: boolean, paths: readonly AggregatedPath[]): Table {
  const table = compare(`look-alike markov order ${order}${usesNulls ? '' : ' without nulls'}`, 1e-9)
  const found = attributeMarkov(paths, { order, usesNulls, valueRule: 'reward' })
  const expected = exactMarkov(paths, { order, usesNulls })
  table.add('probability', found.conversionProbability, toNumber(expected.conversionProbability))
  table.add('value of a journey', found.valuePerJourney, toNumber(expected.valuePerJourney))
  table.same('channels', found.channels.length, expected.channels.length)
  for (const [index, exact] of expected.channels.entries()) {
    const channel = found.channels[index]
    table.same('channel', channel?.channel, exact.channel)
    table.add(`${exact.channel} effect`, channel?.removalEffect ?? Number.NaN, toNumber(exact.removalEffect))
    table.add(
      `${exact.channel} value effect`,
      channel?.valueRemovalEffect ?? Number.NaN,
      toNumber(exact.valueRemovalEffect),
    )
    table.add(`${exact.channel} conversions`, channel?.conversions ?? Number.NaN, toNumber(exact.conversions))
    table.add(`${exact.channel} value`, channel?.value ?? Number.NaN, toNumber(exact.value))
  }
  return table
}

const RESAMPLES = 40

/** Each resample written out as journeys, and the models run on those anew. */
function compareResamples(paths: readonly AggregatedPath[]): Table {
  const table = compare('look-alike bootstrap', 1e-9)
  const journeys = toJourneys(paths)
  const markov = { order: 1, usesNulls: true, valueRule: 'reward' } as const
  const estimators = [toEstimator('linear', 'linear', paths), markovEstimator('markov', paths, markov)]
  const options = { seed: 'look-alike', minReplicates: RESAMPLES, maxReplicates: RESAMPLES }
  const result = bootstrap(journeys, estimators, options)

  const resamples = Array.from({ length: RESAMPLES }, (_, replicate) => {
    const resample = paths.map((path) => ({ ...path, conversions: 0, value: 0, nulls: 0 }))
    for (const [unit, draw] of slowUint32s(`look-alike|${replicate}`, journeys.units).entries()) {
      const path = resample[journeys.path[unit] as number] as AggregatedPath
      const weight = slowPoissonWeight(draw)
      if (journeys.converts[unit] === 1) {
        path.conversions += weight
        path.value += weight * (journeys.value[unit] as number)
      } else path.nulls += weight
    }
    return resample
  })
  const slow = {
    linear: resamples.map((resample) => creditPaths(getOrderModel('linear'), resample, {})),
    markov: resamples.map((resample) => attributeMarkov(resample, markov).channels),
  }
  for (const { name, channels } of result.estimators) {
    for (const [index, { channel, conversions, value }] of channels.entries()) {
      for (const [measure, estimate] of Object.entries({ conversions, value })) {
        const drawn = slow[name as keyof typeof slow].map(
          (credits) => credits[index]?.[measure as 'conversions' | 'value'] ?? Number.NaN,
        )
        const mean = drawn.reduce((sum, figure) => sum + figure, 0) / RESAMPLES
        const squares = drawn.reduce((sum, figure) => sum + (figure - mean) ** 2, 0)
        table.add(`${name} ${channel} ${measure} error`, estimate.standardError, Math.sqrt(squares / (RESAMPLES - 1)))
        // 39 × 0.025 = 0.975: between the two lowest.
        const [lowest = 0, second = 0] = drawn.toSorted((a, b) => a - b)
        table.add(`${name} ${channel} ${measure} low`, estimate.low, lowest + 0.975 * (second - lowest))
      }
    }
  }
  return table
}

const SAMPLES = 600
/** Of channel b in the population below: two journeys of five, and half of two more. */
const TRUE_SHARE = 0.6

/** How many of the 95 % intervals of as many samples hold the truth: 93 % to 97 % are what chance allows. */
function compareCoverage(): Table {
  const table = compare('look-alike intervals that hold the truth', 0.02 / 0.95)
  const random = randomOf('skeldir verify coverage')
  const kinds = [['a'], ['b'], ['b'], ['a', 'b'], ['a', 'b']]
  let held = 0
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const paths = kinds.map((channels) => ({ channels, conversions: 0, value: 0, nulls: 0 }))
    for (let person = 0; person < 200; person += 1) random.pick(paths).conversions += 1
    const options = { seed: `coverage|${sample}`, minReplicates: 400, maxReplicates: 400 }
    const { estimators } = bootstrap(toJourneys(paths), [toEstimator('linear', 'linear', paths)], options)
    const share = estimators[0]?.channels.find(({ channel }) => channel === 'b')?.conversionShare
    if (share !== undefined && share.low <= TRUE_SHARE && TRUE_SHARE <= share.high) held += 1
  }
  table.add('linear, 200 people', held / SAMPLES, 0.95)
  return table
}
