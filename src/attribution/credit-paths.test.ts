import { expect, test } from 'vitest'
import { creditPaths } from './credit-paths.ts'
import { getOrderModel, resolveParameters } from './models/registry.ts'

const paths = [
  { channels: ['direct'], conversions: 2, value: 20, nulls: 1 },
  { channels: ['search', 'email'], conversions: 3, value: 30, nulls: 2 },
  { channels: ['search', 'social', 'email'], conversions: 5, value: 50, nulls: 4 },
  { channels: ['video'], conversions: 0, value: 0, nulls: 9 },
]

test.each<[string, Record<string, number>]>([
  ['first_touch', { direct: 2, email: 0, search: 8, social: 0, video: 0 }],
  ['linear', { direct: 2, email: 19 / 6, search: 19 / 6, social: 5 / 3, video: 0 }],
  ['position', { direct: 2, email: 3.5, search: 3.5, social: 1, video: 0 }],
  ['shapley', { direct: 2, email: 19 / 6, search: 19 / 6, social: 5 / 3, video: 0 }],
])('%s of a published fixture, by channel', (name, expected) => {
  const model = getOrderModel(name)
  const credits = creditPaths(model, paths, resolveParameters(model, {}))
  expect(credits.map(({ channel }) => channel)).toEqual(Object.keys(expected))
  for (const { channel, conversions, value } of credits) {
    expect(conversions).toBeCloseTo(expected[channel] ?? Number.NaN, 12)
    expect(value).toBeCloseTo(10 * (expected[channel] ?? Number.NaN), 11)
  }
})
