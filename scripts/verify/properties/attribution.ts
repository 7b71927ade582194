import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { creditPaths } from '../../../src/attribution/credit-paths.ts'
import { attributeMarkov, type MarkovOptions } from '../../../src/attribution/markov/attribute.ts'
import { getOrderModel } from '../../../src/attribution/models/registry.ts'
import type { AggregatedPath, ChannelCredit } from '../../../src/attribution/paths.ts'
import { shapleyValues } from '../../../src/attribution/shapley/shapley-values.ts'
import { bootstrap } from '../../../src/attribution/uncertainty/bootstrap.ts'
import { type Estimator, markovEstimator } from '../../../src/attribution/uncertainty/estimator.ts'
import { drawUint32s, seedFrom } from '../../../src/attribution/uncertainty/generator.ts'
import { drawPoissonWeights } from '../../../src/attribution/uncertainty/poisson.ts'
import { allocate } from '../../../src/money.ts'
import { toEstimator, toJourneys } from '../attribution/bootstrap.ts'
import { exactMarkov } from '../oracles/markov.ts'
import { slowPoissonWeight, slowUint32s } from '../oracles/poisson.ts'
import { toNumber } from '../oracles/rational.ts'
import { enumerateShapley, worthOfJourneys } from '../oracles/shapley.ts'
import { journey, orderModel, paths } from './arbitraries.ts'
import { type Property, property } from './property.ts'

const amount = fc.bigInt({ min: 0n, max: 10n ** 12n })
const markovOptions: fc.Arbitrary<MarkovOptions> = fc.record({
  order: fc.integer({ min: 1, max: 3 }),
  usesNulls: fc.boolean(),
  valueRule: fc.constantFrom('reward', 'share'),
})

const total = (parts: readonly bigint[]) => parts.reduce((sum, part) => sum + part, 0n)

function isClose(found: number, expected: number, limit = 1e-9): boolean {
  return Math.abs(found - expected) <= limit * Math.max(1, Math.abs(expected))
}

function areClose(found: readonly ChannelCredit[], expected: readonly ChannelCredit[]): boolean {
  return (
    found.length === expected.length &&
    expected.every(({ channel, conversions, value }, index) => {
      const credit = found[index]
      return credit?.channel === channel && isClose(credit.conversions, conversions) && isClose(credit.value, value)
    })
  )
}

/** Channels in another order, each with another name: a becomes z and so on. `direct` stays what it is. */
function rename(channel: string): string {
  return channel === 'direct' ? channel : String.fromCharCode(97 + 122 - channel.charCodeAt(0))
}

function renamed(rows: readonly AggregatedPath[]): AggregatedPath[] {
  return rows.map((row) => ({ ...row, channels: row.channels.map(rename) }))
}

function back(credits: readonly ChannelCredit[]): ChannelCredit[] {
  return credits
    .map((credit) => ({ ...credit, channel: rename(credit.channel) }))
    .sort((a, b) => (a.channel < b.channel ? -1 : 1))
}

/** The first row in two, its conversions and nulls divided anyhow and its value like them; the rest turned round. */
function split(rows: readonly AggregatedPath[], part: number): AggregatedPath[] {
  const [first, ...rest] = rows as [AggregatedPath, ...AggregatedPath[]]
  const conversions = Math.floor(first.conversions * part)
  const nulls = Math.floor(first.nulls * part)
  const value = first.conversions === 0 ? 0 : (first.value / first.conversions) * conversions
  const taken = { ...first, conversions, value, nulls }
  const left = {
    ...first,
    conversions: first.conversions - conversions,
    value: first.value - value,
    nulls: first.nulls - nulls,
  }
  return [...rest.toReversed(), left, taken]
}

const halves = fc.double({ min: 0, max: 1, noNaN: true })
const small = paths({ channels: 4, rows: 8, touches: 6 })

/** What attribution promises of all journeys: `npm test` looks at few cases of each, `npm run verify` at many. */
export const attributionProperties: readonly Property[] = [
  property(
    'weights are whole, none negative, not all zero, and the credits of an order sum exactly',
    fc.record({ journey, chosen: orderModel, revenue: amount }),
    ({ journey: touches, chosen: { model, parameters }, revenue }) => {
      const weights = model.weigh(touches, 0n, parameters)
      const credits = allocate(revenue, weights)
      return (
        weights.length === touches.length &&
        weights.every((weight) => weight >= 0n) &&
        total(weights) > 0n &&
        total(credits) === revenue
      )
    },
  ),
  property(
    'refunds over remaining credits end at zero, and no credit is ever negative',
    fc.record({ journey, chosen: orderModel, revenue: amount, refunds: fc.array(amount, { maxLength: 8 }) }),
    ({ journey: touches, chosen: { model, parameters }, revenue, refunds }) => {
      let balances = allocate(revenue, model.weigh(touches, 0n, parameters))
      for (const wish of [...refunds, revenue]) {
        const left = total(balances)
        const refund = wish < left ? wish : left
        if (refund === 0n) continue
        const taken = allocate(-refund, balances)
        balances = balances.map((balance, index) => balance + (taken[index] as bigint))
        if (total(balances) !== left - refund || balances.some((balance) => balance < 0n)) return false
      }
      return balances.every((balance) => balance === 0n)
    },
  ),
  property(
    'renaming channels changes no weight of an order',
    fc.record({ journey, chosen: orderModel }),
    ({ journey: touches, chosen: { model, parameters } }) => {
      const others = touches.map((touch) => ({ ...touch, channel: rename(touch.channel) }))
      const theirs = Object.fromEntries(
        Object.entries(parameters).map(([name, value]) => [name, typeof value === 'string' ? rename(value) : value]),
      )
      return isDeepStrictEqual(model.weigh(others, 0n, theirs), model.weigh(touches, 0n, parameters))
    },
  ),
  property(
    'splitting a row, and turning the rows round, changes no credit of single orders',
    fc.record({ rows: small, chosen: orderModel, part: halves }),
    ({ rows, chosen: { model, parameters }, part }) =>
      areClose(creditPaths(model, split(rows, part), parameters), creditPaths(model, rows, parameters)),
  ),
  property(
    'simplified Shapley equals the sum over all sets, for up to 12 channels',
    paths({ channels: 12, rows: 6, touches: 8 }),
    (rows) => {
      const credits = creditPaths(getOrderModel('shapley'), rows, {})
      const channels = credits.map(({ channel }) => channel)
      const values = enumerateShapley(channels.length, worthOfJourneys(rows, channels))
      return credits.every(({ conversions }, index) => isClose(conversions, values[index] ?? Number.NaN))
    },
  ),
  property(
    'the Shapley values of any game equal the sum over all sets, and sum to what all are worth',
    fc
      .integer({ min: 0, max: 6 })
      .chain((players) =>
        fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 2 ** players, maxLength: 2 ** players }),
      ),
    (worths) => {
      const players = Math.log2(worths.length)
      const worth = (set: number) => worths[set] ?? Number.NaN
      const game = {
        players,
        worth: (members: Uint8Array) => worth(members.reduce((set, isIn, player) => set | (isIn << player), 0)),
      }
      const { values, method } = shapleyValues(game, { seed: 'unused', pairs: 2 })
      const expected = enumerateShapley(players, worth)
      const sum = values.reduce((all, value) => all + value, 0)
      return (
        method === 'exact' &&
        isClose(sum, worth(worths.length - 1) - worth(0)) &&
        expected.every((value, player) => isClose(values[player] ?? Number.NaN, value))
      )
    },
  ),
  property(
    'Markov equals the same model in rational numbers, order 1 to 3',
    fc.record({ rows: paths({ channels: 3, rows: 5, touches: 5 }), options: markovOptions }),
    ({ rows, options }) => {
      const found = attributeMarkov(rows, { ...options, valueRule: 'reward' })
      const exact = exactMarkov(rows, options)
      return (
        found.quality.isOk &&
        isClose(found.conversionProbability, toNumber(exact.conversionProbability), 1e-12) &&
        exact.channels.every((channel, index) => {
          const one = found.channels[index]
          return (
            one?.channel === channel.channel &&
            isClose(one.removalEffect, toNumber(channel.removalEffect)) &&
            isClose(one.valueRemovalEffect, toNumber(channel.valueRemovalEffect)) &&
            isClose(one.conversions, toNumber(channel.conversions)) &&
            isClose(one.value, toNumber(channel.value))
          )
        })
      )
    },
  ),
  property(
    'Markov credits sum to what the paths earned, and each removal effect is 0 to 1',
    fc.record({ rows: small, options: markovOptions }),
    ({ rows, options }) => {
      const { channels } = attributeMarkov(rows, options)
      const sumOf = (measure: 'conversions' | 'value') => [
        channels.reduce((sum, channel) => sum + channel[measure], 0),
        rows.reduce((sum, row) => sum + row[measure], 0),
      ]
      const [conversions = Number.NaN, expectedConversions = 0] = sumOf('conversions')
      const [value = Number.NaN, expectedValue = 0] = sumOf('value')
      return (
        isClose(conversions, expectedConversions) &&
        isClose(value, expectedValue) &&
        channels.every(({ removalEffect }) => removalEffect >= -1e-12 && removalEffect <= 1 + 1e-12)
      )
    },
  ),
  property(
    'renaming channels permutes Markov credits; splitting a row, turning the rows round and counting twice changes none',
    fc.record({ rows: small, options: markovOptions, part: halves }),
    ({ rows, options, part }) => {
      const credits = attributeMarkov(rows, options).channels
      const doubled = rows.map((row) => ({
        ...row,
        conversions: 2 * row.conversions,
        value: 2 * row.value,
        nulls: 2 * row.nulls,
      }))
      const halved = attributeMarkov(doubled, options).channels.map((credit) => ({
        ...credit,
        conversions: credit.conversions / 2,
        value: credit.value / 2,
      }))
      return (
        areClose(back(attributeMarkov(renamed(rows), options).channels), credits) &&
        areClose(attributeMarkov(split(rows, part), options).channels, credits) &&
        areClose(halved, credits)
      )
    },
  ),
  property(
    'the bits of a resample are those of the published generator, whatever the text',
    fc.record({ seed: fc.string({ unit: 'grapheme', maxLength: 40 }), units: fc.integer({ min: 1, max: 40 }) }),
    ({ seed, units }) => {
      const draws = new Uint32Array(units)
      drawUint32s(seedFrom(seed), draws)
      const weights = new Uint8Array(units)
      drawPoissonWeights(seed, weights, new Uint32Array(units))
      const expected = slowUint32s(seed, units)
      return isDeepStrictEqual([...draws], expected) && isDeepStrictEqual([...weights], expected.map(slowPoissonWeight))
    },
  ),
  property(
    'the bootstrap gives the same figures again, whatever is computed beside them',
    fc.record({ rows: small, seed: fc.string({ maxLength: 8 }), options: markovOptions }),
    ({ rows, seed, options }) => {
      const linear = toEstimator('linear', 'linear', rows)
      const markov = markovEstimator('markov', rows, options)
      const run = (estimators: Estimator[]) =>
        bootstrap(toJourneys(rows), estimators, { seed, minReplicates: 3, maxReplicates: 3 }).estimators
      const [ofMarkov, ofLinear] = run([markov, linear])
      return isDeepStrictEqual(run([linear]), [ofLinear]) && isDeepStrictEqual(run([markov]), [ofMarkov])
    },
  ),
]
