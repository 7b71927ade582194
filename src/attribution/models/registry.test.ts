import { describe, expect, test } from 'vitest'
import { ModelError } from './model.ts'
import { ATTRIBUTION_MODELS, getModel, getOrderModel, resolveParameters, toCanonicalText } from './registry.ts'

function faultOf(run: () => unknown): [code: string, parameter: string | null] {
  try {
    run()
  } catch (error) {
    if (error instanceof ModelError) return [error.code, error.parameter]
    throw error
  }
  throw new Error('nothing was thrown')
}

test('the models, in the order in which they are listed', () => {
  expect(ATTRIBUTION_MODELS.map(({ name }) => name)).toEqual([
    'first_touch',
    'last_touch',
    'last_non_direct',
    'linear',
    'position',
    'time_decay',
    'time_decay_bucketed',
    'decay_step',
    'shapley',
    'shapley_ordered',
    'custom',
    'markov',
  ])
})

test.each(ATTRIBUTION_MODELS.map((model) => [model.name, model] as const))(
  '%s has a sentence, and its initial values are within its own bounds',
  (_name, model) => {
    expect(model.about).toMatch(/^[A-Z].*\.$/)
    const initial = resolveParameters(model, {})
    expect(resolveParameters(model, { ...initial })).toEqual(initial)
  },
)

describe('parameters', () => {
  test('that are not given have their initial values', () => {
    expect(resolveParameters(getModel('position'), { first: 30, middle: 30 })).toEqual({
      first: 30,
      middle: 30,
      last: 40,
    })
  })

  test.each<[string, Record<string, unknown>, [string, string | null]]>([
    ['position', { third: 1 }, ['unknown_parameter', 'third']],
    ['position', { constructor: 1 }, ['unknown_parameter', 'constructor']],
    ['position', { first: '40' }, ['wrong_type', 'first']],
    ['position', { first: 0.5 }, ['wrong_type', 'first']],
    ['position', { first: -1 }, ['out_of_bounds', 'first']],
    ['position', { first: 0, middle: 0, last: 0 }, ['contradiction', null]],
    ['time_decay', { half_life_hours: 0 }, ['out_of_bounds', 'half_life_hours']],
    ['time_decay', { half_life_hours: 8_761 }, ['out_of_bounds', 'half_life_hours']],
    ['time_decay_bucketed', { rate_percent: 100 }, ['out_of_bounds', 'rate_percent']],
    ['last_non_direct', { direct_channel: '' }, ['out_of_bounds', 'direct_channel']],
    ['last_non_direct', { direct_channel: 7 }, ['wrong_type', 'direct_channel']],
    ['custom', { oldest: 3 }, ['wrong_type', 'oldest']],
    ['custom', { oldest: [1, null] }, ['wrong_type', 'oldest']],
    ['custom', { newest: new Array(21).fill(1) }, ['out_of_bounds', 'newest']],
    ['custom', { oldest: [0, 5], newest: [] }, ['contradiction', null]],
    ['markov', { order: 4 }, ['out_of_bounds', 'order']],
    ['markov', { uses_nulls: 1 }, ['wrong_type', 'uses_nulls']],
    ['markov', { value_rule: 'other' }, ['out_of_bounds', 'value_rule']],
  ])('%s refuses %o', (name, given, fault) => {
    expect(faultOf(() => resolveParameters(getModel(name), given))).toEqual(fault)
  })
})

describe('the canonical text', () => {
  const position = getModel('position')

  test('is the same however the parameters were written', () => {
    const one = toCanonicalText(position, resolveParameters(position, { last: 1, first: 2 }))
    const other = toCanonicalText(position, resolveParameters(position, { first: 2, last: 1, middle: 20 }))
    expect(one).toBe('position/1.0.0 {"first":2,"last":1,"middle":20}')
    expect(other).toBe(one)
  })

  test('tells every setting apart', () => {
    const text = (first: number) => toCanonicalText(position, resolveParameters(position, { first }))
    expect(text(1)).not.toBe(text(2))
  })
})

test('a model that is not there', () => {
  expect(faultOf(() => getModel('toString'))).toEqual(['unknown_model', null])
})

test('Markov is refused for single orders, with the reason', () => {
  expect(faultOf(() => getOrderModel('markov'))[0]).toBe('not_order_level')
  expect(() => getOrderModel('markov')).toThrow('credits channels, not orders')
})

test('Markov credits channels by its parameters', () => {
  const markov = getModel('markov')
  if (markov.level !== 'channel') throw new Error('Markov is a model of channels')
  const paths = [
    { channels: ['a', 'b'], conversions: 3, value: 30, nulls: 1 },
    { channels: ['a', 'c'], conversions: 1, value: 50, nulls: 1 },
  ]
  const credit = (given: Record<string, unknown>) => markov.attribute(paths, resolveParameters(markov, given))
  expect(credit({}).map(({ channel }) => channel)).toEqual(['a', 'b', 'c'])
  expect(credit({})[0]?.conversions).toBeCloseTo(2, 12)
  // Of the value of 80 the paths with b earned 30: 40, 15 and 25 by value, and 40, 30 and 10 by conversions.
  expect(credit({ value_rule: 'reward' }).map(({ value }) => Math.round(value * 1e9) / 1e9)).toEqual([40, 15, 25])
  expect(credit({ value_rule: 'share' }).map(({ value }) => Math.round(value * 1e9) / 1e9)).toEqual([40, 30, 10])
})
