import type { TenantContext } from '../../../context.ts'
import { decodeCursor, encodeCursor } from '../../../cursor.ts'
import { inTenant, type Tx } from '../../../db/tenant.ts'
import { ProblemError } from '../../../problem/problem.ts'
import type { Page } from '../../../tenants/page.ts'
import { type EditionConfig, toConfig } from '../../engine/editions/config.ts'
import { getFigureSettings } from '../../engine/editions/queries.ts'
import type { AttributionModel, ModelParameters } from '../../models/model.ts'
import { ATTRIBUTION_MODELS, getModel, resolveParameters } from '../../models/registry.ts'
import { findPublishedEdition } from './queries.ts'

/** What holds for the figures of a tenant now: of the published edition or, before there is one, of the settings. */
export interface Figures {
  /** Null: nothing has been published yet. */
  edition: { editionId: string; number: number } | null
  config: EditionConfig
}

export async function readFigures(tx: Tx, tenantId: string): Promise<Figures> {
  const edition = await findPublishedEdition(tx, tenantId)
  if (edition !== undefined) return { edition, config: edition.config }
  return { edition: null, config: toConfig(await getFigureSettings(tx, tenantId)) }
}

/** A model as the tenant has it set. */
export interface ModelSetting {
  model: AttributionModel
  version: string
  parameters: ModelParameters
  config: Pick<EditionConfig, 'lookbackDays' | 'pathTransform' | 'attributionSettingsVersion'>
}

/** Throws ModelError `unknown_model`. */
export function settingOf(config: EditionConfig, name: string): ModelSetting {
  const model = getModel(name)
  const set = [...config.models, ...config.channelModels].find((one) => one.name === name)
  return {
    model,
    version: set?.version ?? model.version,
    parameters: set?.parameters ?? resolveParameters(model, {}),
    config,
  }
}

/** Where the model's figures stand in the arrays of credits. Throws `model_not_order_level` for one that has none. */
export function requireOrderLevel({ models }: EditionConfig, name: string): number {
  const model = getModel(name)
  if (model.level === 'channel') {
    throw new ProblemError('model_not_order_level', `${model.refusal} Ask for an order-level model.`, {
      errors: [
        {
          pointer: '/query/model',
          code: 'model_not_order_level',
          detail: `${name} has no answer about a single order.`,
        },
      ],
    })
  }
  return models.findIndex((one) => one.name === name)
}

/** All models, as they are set for the tenant now. Throws `validation_failed` for a cursor of another list. */
export function listModels(
  ctx: TenantContext,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<ModelSetting>> {
  const scope = { operationId: 'listAttributionModels', tenantId: ctx.tenantId }
  const [first = 0] = decodeCursor<[number]>(ctx.keys, scope, cursor) ?? []
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const { config } = await readFigures(tx, ctx.tenantId)
    const items = ATTRIBUTION_MODELS.slice(first, first + limit).map(({ name }) => settingOf(config, name))
    const next = first + limit
    return { items, nextCursor: next < ATTRIBUTION_MODELS.length ? encodeCursor(ctx.keys, scope, [next]) : null }
  })
}
