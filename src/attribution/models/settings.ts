import type { ProblemItem } from '../../problem/problem.ts'
import { ModelError, type ModelParameters } from './model.ts'
import { getModel, resolveParameters } from './registry.ts'

/** How a tenant has the models set. Those that it does not name have their initial parameters. */
export interface AttributionSettings {
  models: Readonly<Record<string, ModelParameters>>
}

/** Before anybody sets anything. */
export const INITIAL_SETTINGS: AttributionSettings = { models: {} }

/** What cannot be set so. Each pointer leads on from where the settings stand. Empty where there is no fault. */
export function findModelFaults({ models }: AttributionSettings): ProblemItem[] {
  return Object.entries(models).flatMap(([name, given]) =>
    faultsOf(`/models/${name}`, () => resolveParameters(getModel(name), given)),
  )
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
