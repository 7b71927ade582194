import { createHash } from 'node:crypto'
import type { RevenueParts } from '../../../tenants/settings/settings.ts'
import type { AttributionModel, ModelParameters } from '../../models/model.ts'
import { ATTRIBUTION_MODELS, getOrderModel, resolveParameters } from '../../models/registry.ts'
import { type AttributionSettings, INITIAL_SETTINGS } from '../../models/settings.ts'
import { type SetTransform, setTransform } from '../../transforms/registry.ts'
import type { SetModel } from '../credit.ts'

/** Of the engine as a whole: a change in what it computes from the same rows and settings is a new one. */
export const ENGINE_VERSION = '3.0.0'

interface SharedSettings {
  lookbackDays: number
  channelRulesVersion: number
  revenueDefinition: RevenueParts & { version: number }
  reportingCurrency: string
}

/** What decides about the figures of a tenant. */
export interface FigureSettings extends SharedSettings {
  attribution: AttributionSettings & { version: number }
}

/** A model as it is named and set in an edition. */
export interface NamedModel {
  name: string
  version: string
  parameters: ModelParameters
}

/** What all figures of an edition are computed by, as it is stored. */
export interface EditionConfig extends SharedSettings {
  engine: string
  /** Of single orders. */
  models: NamedModel[]
  /** Of whole windows. */
  channelModels: NamedModel[]
  /** What is done to a journey after it is put in order. */
  pathTransform: SetTransform
  attributionSettingsVersion: number
}

/** The edition that these settings ask for: every model, with the tenant's parameters. Throws ModelError for what cannot be set so. */
export function toConfig({ attribution, ...shared }: FigureSettings): EditionConfig {
  return {
    engine: ENGINE_VERSION,
    models: listModels('order', attribution),
    channelModels: listModels('channel', attribution),
    pathTransform: setTransform(attribution.pathTransform.name, attribution.pathTransform.parameters),
    attributionSettingsVersion: attribution.version,
    ...shared,
  }
}

/** What an edition of the release before does not say was as it is at first. */
export function fromStored(stored: EditionConfig): EditionConfig {
  const { channelModels, attributionSettingsVersion, pathTransform } = stored as Partial<EditionConfig>
  return {
    ...stored,
    pathTransform: typeof pathTransform === 'object' ? pathTransform : setTransform('identity', {}),
    channelModels: channelModels ?? listModels('channel', INITIAL_SETTINGS),
    attributionSettingsVersion: attributionSettingsVersion ?? 1,
  }
}

function listModels(level: AttributionModel['level'], { models }: AttributionSettings): NamedModel[] {
  return ATTRIBUTION_MODELS.filter((model) => model.level === level).map((model) => ({
    name: model.name,
    version: model.version,
    parameters: resolveParameters(model, models[model.name] ?? {}),
  }))
}

/** SHA-256 of a form that does not depend on the order of members: a database gives them back in its own. */
export function hashConfig(config: EditionConfig): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(inOrder(config)))
    .digest()
}

/** The models of an edition, ready to compute. Throws ModelError for one that this release does not have. */
export function modelsOf({ models }: EditionConfig): SetModel[] {
  return models.map(({ name, parameters }) => ({ model: getOrderModel(name), parameters }))
}

/** Stands at the head of every hash of a run: which model, set how. */
export function describeModel({ models }: EditionConfig, index: number): string {
  return JSON.stringify(inOrder(models[index]))
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (value === null || typeof value !== 'object') return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, inOrder(member)]))
}
