import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { attributeMarkov } from '../../../src/attribution/markov/attribute.ts'
import type { AggregatedPath } from '../../../src/attribution/paths.ts'
import { exactMarkov } from '../oracles/markov.ts'
import { parseFraction, toNumber, toText } from '../oracles/rational.ts'
import { compare, type Table } from '../table.ts'
import { creditOf, orderModelNames } from './path-data.ts'

interface Toy {
  paths: { path: string; conversions: number; value: number; null: number }[]
  use_null: boolean
  heuristics: Record<string, Record<string, { conversions: number; value: number }>>
  markov_o1: {
    p_conversion: string
    removal_effect: Record<string, string>
    conversions: Record<string, string>
  }
}

/** Two units of the last place: what one division and one sum may cost. */
const LAST_PLACE = 4 * Number.EPSILON

/** Published small examples. The rational method that the properties rely on must give their fractions themselves. */
export function compareToys(folder: string): Table[] {
  const toys = JSON.parse(readFileSync(join(folder, 'toys_expected.json'), 'utf8')) as Record<string, Toy>
  return Object.entries(toys).flatMap(([name, toy]) => {
    const paths: AggregatedPath[] = toy.paths.map((row) => ({
      channels: row.path.split('>').map((channel) => channel.trim()),
      conversions: row.conversions,
      value: row.value,
      nulls: row.null,
    }))
    return [
      compareHeuristics(`toy ${name}`, toy, paths),
      compareMarkov(`toy ${name} Markov`, toy, paths),
      compareFractions(`toy ${name} Markov in rationals`, toy, paths),
    ]
  })
}

function compareHeuristics(name: string, toy: Toy, paths: readonly AggregatedPath[]): Table {
  const table = compare(name, LAST_PLACE)
  table.same('models', Object.keys(toy.heuristics).sort().join(), [...orderModelNames].sort().join())
  for (const [model, channels] of Object.entries(toy.heuristics)) {
    const found = creditOf(model, paths)
    for (const [channel, expected] of Object.entries(channels)) {
      const credit = found.find((one) => one.channel === channel)
      table.add(`${model} ${channel} conversions`, credit?.conversions ?? Number.NaN, expected.conversions)
      table.add(`${model} ${channel} value`, credit?.value ?? Number.NaN, expected.value)
    }
  }
  return table
}

function compareMarkov(name: string, toy: Toy, paths: readonly AggregatedPath[]): Table {
  const table = compare(name, LAST_PLACE)
  const found = attributeMarkov(paths, { order: 1, usesNulls: toy.use_null, valueRule: 'reward' })
  const { p_conversion: probability, removal_effect: effects, conversions } = toy.markov_o1
  table.add('probability', found.conversionProbability, toNumber(parseFraction(probability)))
  for (const { channel, removalEffect, conversions: credit } of found.channels) {
    table.add(`${channel} effect`, removalEffect, toNumber(parseFraction(effects[channel] ?? '')))
    table.add(`${channel} conversions`, credit, toNumber(parseFraction(conversions[channel] ?? '')))
  }
  return table
}

function compareFractions(name: string, toy: Toy, paths: readonly AggregatedPath[]): Table {
  const table = compare(name, 0)
  const found = exactMarkov(paths, { order: 1, usesNulls: toy.use_null })
  table.same('probability', toText(found.conversionProbability), toy.markov_o1.p_conversion)
  for (const { channel, removalEffect, conversions } of found.channels) {
    table.same(`${channel} effect`, toText(removalEffect), toy.markov_o1.removal_effect[channel])
    table.same(`${channel} conversions`, toText(conversions), toy.markov_o1.conversions[channel])
  }
  return table
}
