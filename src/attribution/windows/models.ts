import type { EditionConfig, NamedModel } from '../engine/editions/config.ts'
import type { MarkovOptions } from '../markov/attribute.ts'
import { getModel, resolveParameters, toCanonicalText } from '../models/registry.ts'
import { toMarkovOptions } from './measure.ts'

/** Of an edition: what its figures are computed by. */
export type EditionModels = Pick<EditionConfig, 'models' | 'channelModels'>

export function markovOf({ channelModels }: EditionModels): NamedModel {
  const model = getModel('markov')
  const set = channelModels.find(({ name }) => name === model.name)
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

/** The same text for the same transform, set the same. */
export function describeTransform({ pathTransform }: Pick<EditionConfig, 'pathTransform'>): string {
  return toCanonicalText(pathTransform, pathTransform.parameters)
}
