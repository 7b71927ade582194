import { custom } from './custom.ts'
import { decayStep } from './decay-step.ts'
import { firstTouch } from './first-touch.ts'
import { lastNonDirect } from './last-non-direct.ts'
import { lastTouch } from './last-touch.ts'
import { linear } from './linear.ts'
import { markov } from './markov.ts'
import {
  type Adjustable,
  type AttributionModel,
  ModelError,
  type ModelParameters,
  type OrderModel,
  type ParameterRule,
  type ParameterValue,
} from './model.ts'
import { position } from './position.ts'
import { shapley } from './shapley.ts'
import { shapleyOrdered } from './shapley-ordered.ts'
import { timeDecay } from './time-decay.ts'
import { timeDecayBucketed } from './time-decay-bucketed.ts'

/** All models, in the order in which they are listed and compared. To add one: its file, and a line here. */
export const ATTRIBUTION_MODELS: readonly AttributionModel[] = [
  firstTouch,
  lastTouch,
  lastNonDirect,
  linear,
  position,
  timeDecay,
  timeDecayBucketed,
  decayStep,
  shapley,
  shapleyOrdered,
  custom,
  markov,
]

/** Throws ModelError `unknown_model`. */
export function getModel(name: string): AttributionModel {
  const model = ATTRIBUTION_MODELS.find((one) => one.name === name)
  if (model === undefined) throw new ModelError('unknown_model', null, 'There is no model of this name.')
  return model
}

/** One whose credits make a ledger. Throws ModelError, `not_order_level` with the reason for a channel-level model. */
export function getOrderModel(name: string): OrderModel {
  const model = getModel(name)
  if (model.level === 'channel') throw new ModelError('not_order_level', null, model.refusal)
  return model
}

/**
 * All parameters of a model: those that are given, and the initial values of the others. Throws ModelError
 * `unknown_parameter`, `wrong_type`, `out_of_bounds` or `contradiction`.
 */
export function resolveParameters(model: Adjustable, given: Readonly<Record<string, unknown>>): ModelParameters {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(model.parameters, name)) {
      throw new ModelError('unknown_parameter', name, `${model.name} has no parameter of this name.`)
    }
  }
  const parameters = Object.fromEntries(
    Object.entries(model.parameters).map(([name, rule]): [string, ParameterValue] => [
      name,
      given[name] === undefined ? rule.initial : toValue(name, rule, given[name]),
    ]),
  )
  const contradiction = model.contradiction?.(parameters) ?? null
  if (contradiction !== null) throw new ModelError('contradiction', null, contradiction)
  return parameters
}

function toValue(name: string, rule: ParameterRule, value: unknown): ParameterValue {
  switch (rule.kind) {
    case 'integer':
      return toInteger(name, rule, value)
    case 'integers':
      if (!Array.isArray(value)) throw new ModelError('wrong_type', name, `${name} is a list of whole numbers.`)
      if (value.length > rule.maxItems) {
        throw new ModelError('out_of_bounds', name, `${name} has at most ${rule.maxItems} entries.`)
      }
      return value.map((entry) => toInteger(name, rule, entry))
    case 'flag':
      if (typeof value !== 'boolean') throw new ModelError('wrong_type', name, `${name} is true or false.`)
      return value
    case 'choice':
      if (typeof value !== 'string') throw new ModelError('wrong_type', name, `${name} is a text.`)
      if (!rule.values.includes(value)) {
        throw new ModelError('out_of_bounds', name, `${name} is one of ${rule.values.join(', ')}.`)
      }
      return value
    case 'text':
      if (typeof value !== 'string') throw new ModelError('wrong_type', name, `${name} is a text.`)
      if (value.length === 0 || value.length > rule.maxLength) {
        throw new ModelError('out_of_bounds', name, `${name} has 1 to ${rule.maxLength} characters.`)
      }
      return value
  }
}

function toInteger(name: string, { min, max }: { min: number; max: number }, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new ModelError('wrong_type', name, `${name} takes whole numbers.`)
  }
  if (value < min || value > max) throw new ModelError('out_of_bounds', name, `${name} is ${min} to ${max}.`)
  return value
}

/**
 * What stands in hashes and run keys: `position/1.0.0 {"first":40,"last":40,"middle":20}`. Names in code unit order, so
 * that equal settings give equal texts however they were written.
 */
export function toCanonicalText(
  model: Pick<AttributionModel, 'name' | 'version'>,
  parameters: ModelParameters,
): string {
  const sorted = Object.fromEntries(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1)))
  return `${model.name}/${model.version} ${JSON.stringify(sorted)}`
}
