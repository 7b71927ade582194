import { expect, test } from 'vitest'
import { type FigureSettings, toConfig } from '../../engine/editions/config.ts'
import { INITIAL_SETTINGS } from '../../models/settings.ts'
import { differencesOf } from './differences.ts'

const SETTINGS: FigureSettings = {
  lookbackDays: 30,
  channelRulesVersion: 1,
  reportingCurrency: 'USD',
  revenueDefinition: {
    version: 1,
    includesTax: true,
    includesShipping: true,
    includesTips: true,
    subtractsDiscounts: true,
  },
  attribution: { ...INITIAL_SETTINGS, version: 1 },
}
const between = (change: Partial<FigureSettings>) =>
  differencesOf(toConfig(SETTINGS), toConfig({ ...SETTINGS, ...change }))

test('equal settings do not differ', () => {
  expect(between({})).toEqual([])
})

test('each setting that differs is named, with what it was and is', () => {
  const attribution = {
    version: 2,
    models: { position: { first: 30, middle: 30, last: 40 }, custom: { oldest: [5, 2], between: 1, newest: [3] } },
    pathTransform: { name: 'last_n', parameters: { touches: 4 } },
  }
  expect(between({ lookbackDays: 7, attribution })).toEqual([
    difference('attribution_settings_version', '1', '2'),
    difference('lookback_days', '30', '7'),
    difference('models.custom.oldest', '[3]', '[5,2]'),
    difference('models.position.first', '40', '30'),
    difference('models.position.middle', '20', '30'),
    difference('path_transform', '"identity"', '"last_n"'),
    { setting: 'path_transform.touches', before: null, after: '4', text: 'path_transform.touches is new: 4.' },
  ])
})

test('a model that is gone is told by everything that it had', () => {
  const config = toConfig(SETTINGS)
  const without = { ...config, models: config.models.filter(({ name }) => name !== 'decay_step') }
  expect(differencesOf(config, without).map(({ text }) => text)).toEqual([
    'models.decay_step.half_life_touches is gone; it was 1.',
    'models.decay_step.version is gone; it was "1.0.0".',
  ])
})

function difference(setting: string, before: string, after: string) {
  return { setting, before, after, text: `${setting} is ${after}; it was ${before}.` }
}
