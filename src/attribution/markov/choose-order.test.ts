import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { AggregatedPath } from '../paths.ts'
import { chooseOrder } from './choose-order.ts'

function paths(...rows: [path: string, conversions: number, nulls: number][]): AggregatedPath[] {
  return rows.map(([path, conversions, nulls]) => ({
    channels: path.split(' > '),
    conversions,
    value: conversions,
    nulls,
  }))
}

test('a last channel that tells all is worth 1, less the penalty of its two parameters', () => {
  const { scores, suggested } = chooseOrder(paths(['x > a', 6, 0], ['x > b', 0, 4]), 1)
  expect(scores).toMatchObject([{ order: 1, auc: 1, penalizedAuc: 1 }])
  expect(suggested).toBe(1)
})

test('what depends on the channel before is seen by order 2 alone', () => {
  const rows = paths(['a > c', 30, 0], ['b > c', 0, 30])
  const { scores, suggested } = chooseOrder(rows, 2)
  expect(scores.map(({ auc }) => auc)).toEqual([0.5, 1])
  expect(suggested).toBe(2)
})

test('the penalty is that of an adjusted R², with multisets as parameters', () => {
  const { scores } = chooseOrder(paths(['a', 6, 2], ['b', 1, 3]), 3)
  // Over 12 journeys: sorted by chance, a (6 of 7 conversions, 2 of 5 nulls) comes first.
  const auc = 1 - (2 / 5) * (6 / 7) * 0.5 - (3 / 5) * (1 / 7) * 0.5 - (2 / 5) * (1 / 7)
  for (const [index, parameters] of [2, 3, 4].entries()) {
    expect(scores[index]?.auc).toBeCloseTo(auc, 12)
    expect(scores[index]?.penalizedAuc).toBeCloseTo(1 - ((1 - auc) * 11) / (11 - parameters), 12)
  }
})

test.each([
  ['conversions', paths(['a', 0, 3])],
  ['nulls', paths(['a', 3, 0])],
  ['paths', []],
])('without %s there is nothing to choose by', (_name, rows) => {
  expect(chooseOrder(rows, 3)).toEqual({ scores: [], suggested: null })
})

const folder = process.env.SKELDIR_REFERENCE_DATA
describe.skipIf(folder === undefined)('against published data', () => {
  test('the scores of orders 1 to 8, of which 4 is suggested', () => {
    const file = join(folder as string, 'data/attribution/pathdata/PathData.csv')
    const rows = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(';'))
      .map(([path = '', conversions, value, nulls]) => ({
        channels: path.split('>').map((channel) => channel.trim()),
        conversions: Number(conversions),
        value: Number(value),
        nulls: Number(nulls),
      }))
    const { scores, suggested } = chooseOrder(rows, 8)
    expect(scores.map(({ penalizedAuc }) => penalizedAuc.toFixed(4))).toEqual([
      '0.5086',
      '0.5169',
      '0.5259',
      '0.5357',
      '0.5306',
      '0.4871',
      '0.3154',
      '0.0000',
    ])
    expect(suggested).toBe(4)
  })
})
