import type { TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { lockTenant, noteSpans, readCutoff, removeAllChanges, type Span, takeChanges } from './changes/queries.ts'
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
    const progress = await inTenant(ctx.db.main, ctx, (tx) => takeStep(tx, ctx.tenantId), WORKER)
    if (progress === 'done') return 'done'
    if (performance.now() > endsAt) return 'more'
  }
}

/** One publication of changes, and one part of the edition that is being built. */
async function takeStep(tx: Tx, tenantId: string): Promise<Progress> {
  await lockTenant(tx, tenantId)
  const { published, building } = await requireEditions(tx, tenantId)
  const dataCutoff = await readCutoff(tx)
  const progress =
    published === undefined ? 'done' : await publishChanges(tx, tenantId, { published, building, dataCutoff })
  if (building === undefined) return progress
  await buildOn(tx, tenantId, building, { dataCutoff, formerEditionId: published?.editionId ?? null })
  return 'more'
}

/** What changed, and of spans the first part: the rest of them stays as it is noted here, for the publication after this one. */
async function publishChanges(
  tx: Tx,
  tenantId: string,
  { published, building, dataCutoff }: { published: Edition; building: Edition | undefined; dataCutoff: Date },
): Promise<Progress> {
  const changes = await takeChanges(tx, tenantId, MAX_CHANGES)
  if (changes.taken === 0) return 'done'
  const part = await findPart(tx, tenantId, changes.spans)
  await noteSpans(tx, tenantId, part.left)
  const { leftSince } = changes
  const cutoff = leftSince !== null && leftSince < dataCutoff ? leftSince : dataCutoff
  for (const edition of [published, building]) {
    if (edition === undefined) continue
    const dirty = await listDirtyOrders(tx, tenantId, changes, edition.config.lookbackDays)
    const orderKeys = [...new Set([...dirty, ...part.orderKeys])]
    const formerEditionId = edition === building ? published.editionId : null
    await publishOrders(tx, { tenantId, edition, orderKeys, dataCutoff: cutoff, cause: 'data', formerEditionId })
  }
  return changes.taken < MAX_CHANGES && part.left.length === 0 ? 'done' : 'more'
}

/** The first orders of spans, as many as one transaction computes, and what is left of the spans then. */
async function findPart(
  tx: Tx,
  tenantId: string,
  spans: readonly Span[],
): Promise<{ orderKeys: string[]; left: readonly Span[] }> {
  for (const [index, { from, until }] of spans.entries()) {
    const part = await findSpanEnd(tx, tenantId, { since: from, until, orders: SPAN_ORDERS })
    if (part === null) continue
    const others = spans.slice(index + 1)
    const isWhole = until !== 'infinity' && part.until.getTime() >= Date.parse(until)
    const left = isWhole ? others : [{ from: part.until.toISOString(), until }, ...others]
    return { orderKeys: await listOrderKeys(tx, tenantId, part), left }
  }
  return { orderKeys: [], left: [] }
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

/**
 * Computes all orders of a span anew in the published edition, some thousand in a transaction, and what an edition that is
 * being built has of them. What comes out as it was stays as it is.
 */
export async function recomputeSpan(
  ctx: TenantContext,
  { from, until, cause }: Span & { cause: RunCause },
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
