import { expect, test } from 'vitest'
import type { ModelParameters } from './model.ts'
import { type AttributionSettings, findAttributionFaults, INITIAL_SETTINGS } from './settings.ts'

const listFaults = (settings: Partial<AttributionSettings>) =>
  findAttributionFaults({ ...INITIAL_SETTINGS, ...settings }).map(({ pointer, code }) => `${pointer} ${code}`)
const faultsOf = (models: Record<string, ModelParameters>) => listFaults({ models })

test('what every model has at first can be set, and so can nothing', () => {
  expect(faultsOf({})).toEqual([])
  expect(faultsOf({ position: { first: 40, middle: 20, last: 40 }, linear: {} })).toEqual([])
})

test.each([
  ['/models/position/last out_of_bounds', { position: { last: -1 } }],
  ['/models/position/last wrong_type', { position: { last: 0.5 } }],
  ['/models/position/median unknown_parameter', { position: { median: 1 } }],
  ['/models/position contradiction', { position: { first: 0, middle: 0, last: 0 } }],
  ['/models/custom contradiction', { custom: { oldest: [0], newest: [] } }],
  ['/models/markov/order out_of_bounds', { markov: { order: 4 } }],
  ['/models/magic unknown_model', { magic: {} }],
])('%s', (fault, models) => {
  expect(faultsOf(models as Record<string, ModelParameters>)).toEqual([fault])
})

test('all faults are told at once', () => {
  expect(faultsOf({ decay_step: { half_life_touches: 0 }, magic: {} })).toHaveLength(2)
})

test.each([
  ['/path_transform unknown_transform', { name: 'reverse', parameters: {} }],
  ['/path_transform/channel unknown_parameter', { name: 'first', parameters: { channel: 'direct' } }],
  ['/path_transform/touches out_of_bounds', { name: 'last_n', parameters: { touches: 0 } }],
  ['/path_transform/touches required', { name: 'last_n', parameters: {} }],
])('%s', (fault, pathTransform) => {
  expect(listFaults({ pathTransform: pathTransform as AttributionSettings['pathTransform'] })).toEqual([fault])
})
