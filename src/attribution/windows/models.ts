import type { MarkovOptions } from '../markov/attribute.ts'
import type { ModelParameters } from '../models/model.ts'
import { getModel, resolveParameters, toCanonicalText } from '../models/registry.ts'
import { toMarkovOptions } from './measure.ts'

/** Of an edition: what its figures are computed by. */
export interface EditionModels {
  models: readonly SetModel[]
  /** Absent in an edition that was made before it said how: their initial parameters. */
  channelModels?: readonly SetModel[]
}

export interface SetModel {
  name: string
  version: string
  parameters: ModelParameters
}

export function markovOf({ channelModels }: EditionModels): SetModel {
  const model = getModel('markov')
  const set = channelModels?.find(({ name }) => name === model.name)
  return set ?? { name: model.name, version: model.version, parameters: resolveParameters(model, {}) }
}

export function markovOptionsOf(config: EditionModels): MarkovOptions {
  return toMarkovOptions(markovOf(config).parameters)
}

/** The same text for the same models, set the same. */
export function describeModels(config: EditionModels): string {
  return [...config.models, markovOf(config)]
    .map(({ name, version, parameters }) => toCanonicalText({ ...getModel(name), version }, parameters))
    .join('\n')
}
