import type { ProblemItem } from '../../problem/problem.ts'
import { getTransform, setTransform } from '../transforms/registry.ts'
import { ModelError, type ModelParameters } from './model.ts'
import { getModel, resolveParameters } from './registry.ts'

/** How a tenant has its figures attributed. */
export interface AttributionSettings {
  /** Those that are not named have their initial parameters. */
  models: Readonly<Record<string, ModelParameters>>
  pathTransform: { name: string; parameters: ModelParameters }
}

/** Before anybody sets anything. */
export const INITIAL_SETTINGS: AttributionSettings = {
  models: {},
  pathTransform: { name: 'identity', parameters: {} },
}

/** What cannot be set so. Each pointer leads on from where the settings stand. Empty where there is no fault. */
export function findAttributionFaults({ models, pathTransform }: AttributionSettings): ProblemItem[] {
  return [
    ...Object.entries(models).flatMap(([name, given]) =>
      faultsOf(`/models/${name}`, () => resolveParameters(getModel(name), given)),
    ),
    ...findTransformFaults(pathTransform),
  ]
}

/** A version says everything: what a transform takes is given, and not left to what it has at first. */
function findTransformFaults({ name, parameters }: AttributionSettings['pathTransform']): ProblemItem[] {
  const faults = faultsOf('/path_transform', () => setTransform(name, parameters))
  if (faults.length > 0) return faults
  return Object.keys(getTransform(name).parameters)
    .filter((parameter) => parameters[parameter] === undefined)
    .map((parameter) => ({
      pointer: `/path_transform/${parameter}`,
      code: 'required',
      detail: `${name} takes ${parameter}.`,
    }))
}

function faultsOf(pointer: string, resolve: () => unknown): ProblemItem[] {
  try {
    resolve()
    return []
  } catch (error) {
    if (!(error instanceof ModelError)) throw error
    const { code, parameter, message: detail } = error
    return [{ pointer: parameter === null ? pointer : `${pointer}/${parameter}`, code, detail }]
  }
}
