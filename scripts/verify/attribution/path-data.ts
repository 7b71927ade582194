import { join } from 'node:path'
import { creditPaths } from '../../../src/attribution/credit-paths.ts'
import { attributeMarkov, type MarkovResult, type ValueRule } from '../../../src/attribution/markov/attribute.ts'
import { countTransitions, emptyCounts, toPathTotals } from '../../../src/attribution/markov/counts.ts'
import { toStructure } from '../../../src/attribution/markov/structure.ts'
import { getOrderModel, resolveParameters } from '../../../src/attribution/models/registry.ts'
import type { AggregatedPath, ChannelCredit } from '../../../src/attribution/paths.ts'
import { compare, type Table } from '../table.ts'
import { readCsv } from './csv.ts'

/** Names of the published tables, and ours. */
const ORDER_MODELS: Readonly<Record<string, string>> = {
  first_touch: 'first_touch',
  last_touch: 'last_touch',
  linear: 'linear',
  shapley_simplified: 'shapley',
  position_40_20_40: 'position',
  time_decay_step_h1: 'decay_step',
}
const MARKOV = /^markov_o([123])_(null|nonull)(?:_(reward|share)value)?$/

export function creditOf(name: string, paths: readonly AggregatedPath[]): ChannelCredit[] {
  const model = getOrderModel(ORDER_MODELS[name] ?? name)
  return creditPaths(model, paths, resolveParameters(model, {}))
}

export const orderModelNames = Object.keys(ORDER_MODELS)

export function readPathData(folder: string): AggregatedPath[] {
  return readCsv(join(folder, 'PathData.csv'), ';').map((row) => ({
    channels: (row.path ?? '').split('>').map((channel) => channel.trim()),
    conversions: Number(row.total_conversions),
    value: Number(row.total_conversion_value),
    nulls: Number(row.total_null),
  }))
}

/** Conversions and value by every model, removal effects, transition counts, and order 1 in 30 digits. */
export function comparePathData(folder: string): Table[] {
  const paths = readPathData(folder)
  return [
    ...compareCredits(paths, readCsv(join(folder, 'expected_attribution.csv'))),
    ...compareRemovalEffects(paths, readCsv(join(folder, 'expected_markov_removal_effects.csv'))),
    compareTransitions(paths, readCsv(join(folder, 'expected_transition_counts_order1_null.csv'))),
    compareRational(paths, readCsv(join(folder, 'expected_markov_o1_null_rational.csv'))),
  ]
}

type Rows = readonly Record<string, string>[]

function compareCredits(paths: readonly AggregatedPath[], rows: Rows): Table[] {
  const byModel = Map.groupBy(rows, ({ model }) => model ?? '')
  return [...byModel].map(([name, expected]) => {
    const table = compare(`PathData ${name}`, 1e-9)
    const found = name.startsWith('markov_') ? markovOf(paths, name).channels : creditOf(name, paths)
    table.same('channels', found.length, expected.length)
    for (const { channel, conversions, value } of expected) {
      const credit = found.find((one) => one.channel === channel)
      table.add(`${channel} conversions`, credit?.conversions ?? Number.NaN, Number(conversions))
      table.add(`${channel} value`, credit?.value ?? Number.NaN, Number(value))
    }
    return table
  })
}

/** Each combination is solved once, for the three tables that it is in. */
const solved = new WeakMap<readonly AggregatedPath[], Map<string, MarkovResult>>()

function markovOf(paths: readonly AggregatedPath[], name: string): MarkovResult {
  const [, order, nulls, valueRule = 'reward'] = MARKOV.exec(name) ?? []
  if (order === undefined) throw new Error(`there is no model of the name ${name}`)
  const known = solved.get(paths) ?? new Map<string, MarkovResult>()
  solved.set(paths, known)
  const key = `${order} ${nulls} ${valueRule}`
  const result =
    known.get(key) ??
    attributeMarkov(paths, {
      order: Number(order),
      usesNulls: nulls === 'null',
      valueRule: valueRule as ValueRule,
    })
  known.set(key, result)
  return result
}

function compareRemovalEffects(paths: readonly AggregatedPath[], rows: Rows): Table[] {
  return [...Map.groupBy(rows, ({ model }) => model ?? '')].map(([name, expected]) => {
    const table = compare(`PathData ${name} removal`, 1e-9)
    const found = markovOf(paths, name)
    for (const row of expected) {
      const channel = found.channels.find((one) => one.channel === row.channel)
      table.add(`${row.channel} effect`, channel?.removalEffect ?? Number.NaN, Number(row.removal_effect_conversion))
      table.add(
        `${row.channel} value effect`,
        channel?.valueRemovalEffect ?? Number.NaN,
        Number(row.removal_effect_value),
      )
      table.add('probability', found.conversionProbability, Number(row.p_conversion))
      table.add('value of a journey', found.valuePerJourney, Number(row.expected_value_per_start))
      table.same('states', found.states, Number(row.n_states))
    }
    table.same('quality', found.quality.isOk, true)
    return table
  })
}

function compareTransitions(paths: readonly AggregatedPath[], rows: Rows): Table {
  const table = compare('PathData transition counts', 1e-12)
  const structure = toStructure(paths, 1)
  const counts = emptyCounts(structure)
  countTransitions(structure, toPathTotals(paths), true, counts)
  const n = structure.channels.length
  const found = new Map<string, number>()
  for (const [from, channel] of structure.channels.entries()) {
    found.set(`(start) ${channel}`, counts.start[from] ?? 0)
    found.set(`${channel} (conversion)`, counts.conversions[from] ?? 0)
    found.set(`${channel} (null)`, counts.nulls[from] ?? 0)
    for (const [to, next] of structure.channels.entries()) {
      found.set(`${channel} ${next}`, counts.between[from * n + to] ?? 0)
    }
  }
  const leaving = Map.groupBy(found.keys(), (key) => key.split(' ')[0] ?? '')
  const totals = new Map(
    [...leaving].map(([from, keys]) => [from, keys.reduce((sum, key) => sum + (found.get(key) ?? 0), 0)]),
  )
  for (const { from, to, count, probability } of rows) {
    const key = `${from} ${to}`
    table.add(key, found.get(key) ?? Number.NaN, Number(count))
    table.add(`${key} probability`, (found.get(key) ?? Number.NaN) / (totals.get(from ?? '') ?? 0), Number(probability))
  }
  table.same('steps that are there', [...found.values()].filter((count) => count > 0).length, rows.length)
  return table
}

function compareRational(paths: readonly AggregatedPath[], rows: Rows): Table {
  const table = compare('PathData order 1 in rationals', 1e-9)
  const { channels } = attributeMarkov(paths, { order: 1, usesNulls: true, valueRule: 'reward' })
  for (const row of rows) {
    const channel = channels.find((one) => one.channel === row.channel)
    table.add(`${row.channel} effect`, channel?.removalEffect ?? Number.NaN, Number(row.removal_effect))
    table.add(`${row.channel} conversions`, channel?.conversions ?? Number.NaN, Number(row.conversions))
  }
  return table
}
