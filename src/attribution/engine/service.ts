import type { TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { lockTenant, readCutoff, removeAllChanges, removeChanges, takeChanges } from './changes/queries.ts'
import { hashConfig, toConfig } from './editions/config.ts'
import {
  type Edition,
  getFigureSettings,
  giveUpEdition,
  insertEdition,
  listLiveEditions,
  publishEdition,
  setProgress,
} from './editions/queries.ts'
import { findSpanEnd, listDirtyOrders, listOrderKeys } from './orders/queries.ts'
import { publishOrders } from './publish.ts'
import type { RunCause } from './runs/queries.ts'

/** Changes that one publication takes. */
const MAX_CHANGES = 20_000
/** Orders, about, that one transaction computes of a span: its lock is held for a second or two. */
const SPAN_ORDERS = 5_000

const WORKER = { executionContext: 'worker' } as const

/** `done`: everything that was stored before is in the figures. */
export type Progress = 'done' | 'more'

/**
 * Brings the figures of a tenant up to its data and its settings, in transactions that each leave whole figures behind; the one
 * that a crash ends leaves everything as it was, the changes included. `endsAt` is a time of `performance.now()`: there is
 * more to do after it. Stops between two transactions when `signal` aborts.
 */
export async function bringUpToDate(
  ctx: TenantContext,
  signal: AbortSignal,
  endsAt = Number.POSITIVE_INFINITY,
): Promise<Progress> {
  for (;;) {
    signal.throwIfAborted()
    const step = await inTenant(ctx.db.main, ctx, (tx) => takeStep(tx, ctx.tenantId), WORKER)
    if (step.everything.length > 0) {
      await recomputeSpan(ctx, { from: '-infinity', until: 'infinity', cause: 'data' }, signal)
      await inTenant(ctx.db.main, ctx, (tx) => removeChanges(tx, ctx.tenantId, step.everything), WORKER)
      continue
    }
    if (step.progress === 'done') return 'done'
    if (performance.now() > endsAt) return 'more'
  }
}

interface Step {
  progress: Progress
  /** Changes that may have changed every order. */
  everything: readonly bigint[]
}

/** One publication of changes, and one part of the edition that is being built. */
async function takeStep(tx: Tx, tenantId: string): Promise<Step> {
  await lockTenant(tx, tenantId)
  const { published, building } = await requireEditions(tx, tenantId)
  const dataCutoff = await readCutoff(tx)
  let isLast = true
  let everything: readonly bigint[] = []
  if (published !== undefined) {
    const changes = await takeChanges(tx, tenantId, MAX_CHANGES)
    isLast = changes.taken < MAX_CHANGES
    everything = changes.everything
    for (const edition of [published, building]) {
      if (edition === undefined || changes.taken === 0) continue
      const orderKeys = await listDirtyOrders(tx, tenantId, changes, edition.config.lookbackDays)
      const formerEditionId = edition === building ? published.editionId : null
      await publishOrders(tx, { tenantId, edition, orderKeys, dataCutoff, cause: 'data', formerEditionId })
    }
  }
  if (building === undefined) return { progress: isLast ? 'done' : 'more', everything }
  await buildOn(tx, tenantId, building, { dataCutoff, formerEditionId: published?.editionId ?? null })
  return { progress: 'more', everything }
}

/** The next days of an edition; after the last ones it answers. */
async function buildOn(
  tx: Tx,
  tenantId: string,
  edition: Edition,
  { dataCutoff, formerEditionId }: { dataCutoff: Date; formerEditionId: string | null },
): Promise<void> {
  const { editionId, builtUntil: since } = edition
  const span = await findSpanEnd(tx, tenantId, { since, until: 'infinity', orders: SPAN_ORDERS })
  if (span === null) {
    await setProgress(tx, { tenantId, editionId }, 'infinity')
    await publishEdition(tx, tenantId, editionId)
    return
  }
  edition.builtUntil = span.until.toISOString()
  const orderKeys = await listOrderKeys(tx, tenantId, span)
  await publishOrders(tx, { tenantId, edition, orderKeys, dataCutoff, cause: 'edition', formerEditionId })
  await setProgress(tx, { tenantId, editionId }, span.until)
}

/** The edition that answers, and the one that is to: where settings have changed, it is begun here. */
async function requireEditions(
  tx: Tx,
  tenantId: string,
): Promise<{ published: Edition | undefined; building: Edition | undefined }> {
  const config = toConfig(await getFigureSettings(tx, tenantId))
  const configSha256 = hashConfig(config)
  const live = await listLiveEditions(tx, tenantId)
  const published = live.find(({ status }) => status === 'published')
  const building = live.find(({ status }) => status === 'building')
  const isWanted = (edition: Edition | undefined) => edition?.configSha256.equals(configSha256) === true
  if (isWanted(published) ? building === undefined : isWanted(building)) return { published, building }
  if (building !== undefined) await giveUpEdition(tx, tenantId, building.editionId)
  if (isWanted(published)) return { published, building: undefined }
  await insertEdition(tx, tenantId, { config, configSha256 })
  // Whatever is committed by now is read while the edition is built, and nothing else is to be kept up.
  if (published === undefined) await removeAllChanges(tx, tenantId)
  const begun = (await listLiveEditions(tx, tenantId)).find(({ status }) => status === 'building')
  return { published, building: begun }
}

/** Of times as the database writes them; the end is excluded. */
export interface Span {
  from: string
  until: string
  cause: RunCause
}

/**
 * Computes all orders of a span anew in the published edition, some thousand in a transaction, and what an edition that is
 * being built has of them. What comes out as it was stays as it is.
 */
export async function recomputeSpan(
  ctx: TenantContext,
  { from, until, cause }: Span,
  signal: AbortSignal,
): Promise<void> {
  const { tenantId } = ctx
  let since: string | null = from
  while (since !== null) {
    signal.throwIfAborted()
    const start: string = since
    since = await inTenant(
      ctx.db.main,
      ctx,
      async (tx) => {
        await lockTenant(tx, tenantId)
        const span = await findSpanEnd(tx, tenantId, { since: start, until, orders: SPAN_ORDERS })
        if (span === null) return null
        const dataCutoff = await readCutoff(tx)
        const orderKeys = await listOrderKeys(tx, tenantId, span)
        for (const edition of await listLiveEditions(tx, tenantId)) {
          await publishOrders(tx, { tenantId, edition, orderKeys, dataCutoff, cause, formerEditionId: null })
        }
        return span.until.toISOString()
      },
      WORKER,
    )
  }
}
