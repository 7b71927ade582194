import { compare } from '../../../compare.ts'
import type { EditionConfig, NamedModel } from '../../engine/editions/config.ts'
import type { ModelParameters } from '../../models/model.ts'

/** A setting that is not the same in two editions; values as JSON texts, null where there is none. */
export interface Difference {
  /** As in `models.position.first`. */
  setting: string
  before: string | null
  after: string | null
  /** The same in a sentence. */
  text: string
}

/** In order of the settings' names. */
export function differencesOf(before: EditionConfig, after: EditionConfig): Difference[] {
  const [old, now] = [listSettings(before), listSettings(after)]
  return [...new Set([...old.keys(), ...now.keys()])].sort(compare).flatMap((setting) => {
    const [was, is] = [old.get(setting) ?? null, now.get(setting) ?? null]
    return was === is ? [] : [{ setting, before: was, after: is, text: describe(setting, was, is) }]
  })
}

function describe(setting: string, was: string | null, is: string | null): string {
  if (was === null) return `${setting} is new: ${is}.`
  return is === null ? `${setting} is gone; it was ${was}.` : `${setting} is ${is}; it was ${was}.`
}

function listSettings(config: EditionConfig): Map<string, string> {
  const { revenueDefinition: definition, pathTransform } = config
  const settings: Record<string, unknown> = {
    engine: config.engine,
    lookback_days: config.lookbackDays,
    reporting_currency: config.reportingCurrency,
    channel_rules_version: config.channelRulesVersion,
    attribution_settings_version: config.attributionSettingsVersion,
    revenue_definition_version: definition.version,
    'revenue_definition.includes_tax': definition.includesTax,
    'revenue_definition.includes_shipping': definition.includesShipping,
    'revenue_definition.includes_tips': definition.includesTips,
    'revenue_definition.subtracts_discounts': definition.subtractsDiscounts,
    path_transform: pathTransform.name,
    'path_transform.version': pathTransform.version,
    ...under('path_transform', pathTransform.parameters),
  }
  for (const model of [...config.models, ...config.channelModels]) Object.assign(settings, ofModel(model))
  return new Map(Object.entries(settings).map(([name, value]) => [name, JSON.stringify(value)]))
}

function ofModel({ name, version, parameters }: NamedModel): Record<string, unknown> {
  return { [`models.${name}.version`]: version, ...under(`models.${name}`, parameters) }
}

function under(prefix: string, parameters: ModelParameters): Record<string, unknown> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [`${prefix}.${name}`, value]))
}
