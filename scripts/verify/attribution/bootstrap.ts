import { join } from 'node:path'
import { getOrderModel, resolveParameters } from '../../../src/attribution/models/registry.ts'
import type { AggregatedPath } from '../../../src/attribution/paths.ts'
import { bootstrap, type ResampledJourneys } from '../../../src/attribution/uncertainty/bootstrap.ts'
import { type Estimator, markovEstimator, orderEstimator } from '../../../src/attribution/uncertainty/estimator.ts'
import { drawUint32s, seedFrom } from '../../../src/attribution/uncertainty/generator.ts'
import { drawPoissonWeights } from '../../../src/attribution/uncertainty/poisson.ts'
import { slowUint32s } from '../oracles/poisson.ts'
import { compare, type Table } from '../table.ts'
import { readCsv } from './csv.ts'
import { readPathData } from './path-data.ts'

const SEED = 'pathdata|boot'
const REPLICATES = 500
/** Of a resample that are drawn again on big integers. */
const SLOW_DRAWS = 10_000

/** Published names of models that the bootstrap has, and ours. */
export const PUBLISHED_MODELS: Readonly<Record<string, string>> = {
  first_touch: 'first_touch',
  last_touch: 'last_touch',
  linear: 'linear',
  position_40_20_40: 'position',
  shapley_simplified: 'shapley',
}

/** A journey for each conversion of a row and then for each null, each its own identity, rows in the order given. */
export function toJourneys(paths: readonly AggregatedPath[]): ResampledJourneys {
  const units = paths.reduce((sum, { conversions, nulls }) => sum + conversions + nulls, 0)
  const path = new Int32Array(units)
  const converts = new Uint8Array(units)
  const value = new Float64Array(units)
  let next = 0
  for (const [index, row] of paths.entries()) {
    path.fill(index, next, next + row.conversions + row.nulls)
    converts.fill(1, next, next + row.conversions)
    value.fill(row.value / row.conversions, next, next + row.conversions)
    next += row.conversions + row.nulls
  }
  return {
    units,
    unit: Int32Array.from({ length: units }, (_, unit) => unit),
    paths: paths.length,
    path,
    converts,
    value,
  }
}

export function toEstimator(name: string, model: string, paths: readonly AggregatedPath[]): Estimator {
  const journeys = paths.map(({ channels }) => ({
    touches: channels.map((channel) => ({ channel, occurredAtUs: 0n })),
    conversionAtUs: 0n,
  }))
  const found = getOrderModel(model)
  return orderEstimator(name, found, journeys, resolveParameters(found, {}))
}

export function compareBootstrap(pathDataFolder: string, folder: string): Table[] {
  const paths = readPathData(pathDataFolder)
  const journeys = toJourneys(paths)
  return [compareBits(journeys), compareIntervals(paths, journeys, folder)]
}

/** The published test vectors, and resamples beside the generator on big integers. */
function compareBits(journeys: ResampledJourneys): Table {
  const table = compare('bootstrap bits', 0)
  const state = seedFrom('tenant-a|2024-01|markov_o1|0')
  table.same('words', state.join(), '1668152944,4081655045,1066187039,2148687046')
  const drawn = new Uint32Array(8)
  drawUint32s(state, drawn)
  const published = '3977049056,1274172143,2673082355,1474009746,479423592,624053702,3949013291,2763491102'
  table.same('first numbers', drawn.join(), published)

  const weights = new Uint8Array(journeys.units)
  const draws = new Uint32Array(journeys.units)
  drawPoissonWeights(`${SEED}|0`, weights, draws)
  table.same('first draws of a resample', draws.slice(0, 4).join(), '2451617419,3881782666,1403812928,528719804')
  table.same('first weights', weights.slice(0, 4).join(), '1,2,0,0')
  const countOf = (outcome: number) =>
    weights.reduce((sum, weight, unit) => sum + (journeys.converts[unit] === outcome ? weight : 0), 0)
  table.same('conversions of a resample', countOf(1), 19_664)
  table.same('nulls of a resample', countOf(0), 68_482)
  for (const replicate of [0, REPLICATES - 1]) {
    drawPoissonWeights(`${SEED}|${replicate}`, weights, draws)
    for (const [index, slow] of slowUint32s(`${SEED}|${replicate}`, SLOW_DRAWS).entries()) {
      table.same(`draw ${index} of resample ${replicate}`, draws[index], slow)
    }
  }
  return table
}

function compareIntervals(paths: readonly AggregatedPath[], journeys: ResampledJourneys, folder: string): Table {
  const table = compare('bootstrap intervals', 1e-9)
  const estimators = [
    ...Object.entries(PUBLISHED_MODELS).map(([name, model]) => toEstimator(name, model, paths)),
    markovEstimator('markov_o1_null', paths, { order: 1, usesNulls: true, valueRule: 'reward' }),
  ]
  const options = { seed: SEED, minReplicates: REPLICATES, maxReplicates: REPLICATES }
  const result = bootstrap(journeys, estimators, options)
  const expected = readCsv(join(folder, 'expected_poisson_bootstrap_pathdata_B500.csv'))
  table.same('models', estimators.length, new Set(expected.map(({ model }) => model)).size)
  for (const row of expected) {
    const found = result.estimators
      .find(({ name }) => name === row.model)
      ?.channels.find(({ channel }) => channel === row.channel)
    const pairs: [string, number | undefined][] = [
      ['share_point', found?.conversionShare.point],
      ['share_se', found?.conversionShare.standardError],
      ['share_p2.5', found?.conversionShare.low],
      ['share_p97.5', found?.conversionShare.high],
      ['conv_point', found?.conversions.point],
      ['conv_se', found?.conversions.standardError],
    ]
    for (const [column, figure] of pairs) {
      table.add(`${row.model} ${row.channel} ${column}`, figure ?? Number.NaN, Number(row[column]))
    }
  }
  return table
}
