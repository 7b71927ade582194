import type { AppContext, RequestContext } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import { sqlState } from '../db/errors.ts'
import { inTenant } from '../db/tenant.ts'
import { describeFailure } from '../queue/failure.ts'
import { refreshAgain } from './jobs.ts'
import {
  EVERYTHING,
  enqueueLater,
  estimateRows,
  type LastRefreshRow,
  limitStatements,
  listChangedTenants,
  listLastRefreshes,
  measureChanges,
  noteEverything,
  rebuildBuckets,
  recordRefresh,
  takeChangedBuckets,
  type ViewFigures,
  withViewLock,
} from './queries.ts'
import { type View, viewNames, views } from './views.ts'

export type { ViewFigures } from './queries.ts'

/** Of one transaction: a first refresh of years takes seconds, and is done in parts. A tenant with much in them gets smaller ones. */
const MAX_BUCKETS = 200
/** After which a tenant lets the others come first: what it still has to do is behind theirs. */
const TURN_MS = 5_000
/** Half of what the clock can tell apart. */
const AGAIN_AFTER_S = 30
const MAX_MESSAGE = 500

const WORKER = { executionContext: 'worker' } as const

export interface Refresh {
  view: View
  /** `skipped`: somebody else was at it. */
  outcome: 'success' | 'skipped' | 'failure'
  tenants: number
  buckets: number
  durationMs: number
  /** The first, where there was one. */
  error: Error | null
}

export interface RefreshOptions {
  signal: AbortSignal
  /** Of this tenant alone; by default of whoever has changes. */
  tenantId?: string
}

/**
 * Makes again what is behind its data, tenant by tenant, each in transactions of its own that see no other: whoever reads
 * finds the rows as they were or as they are. A tenant whose rows cannot be made holds up no other and is tried again the
 * next time. Can be stopped and repeated at any point, and does nothing where nothing has changed.
 */
export async function refreshView(ctx: RequestContext, view: View, options: RefreshOptions): Promise<Refresh> {
  const startedAt = ctx.clock()
  const started = performance.now()
  const { lookup } = ctx.db.main
  let done: { tenants: number; buckets: number; error: Error | null } | undefined
  try {
    done = await withViewLock(ctx.db.main, view, () => refreshTenants(ctx, view, options))
  } catch (error) {
    options.signal.throwIfAborted()
    done = { tenants: 0, buckets: 0, error: error as Error }
  }
  const durationMs = performance.now() - started
  const outcome = done === undefined ? 'skipped' : done.error === null ? 'success' : 'failure'
  ctx.onRefreshed?.(view, outcome, durationMs)
  if (done === undefined) return { view, outcome, tenants: 0, buckets: 0, durationMs, error: null }
  const { tenants, buckets, error } = done
  if (error !== null)
    ctx.log.warn({ err: error, view, correlationId: ctx.correlationId }, 'a view could not be brought up to its data')
  // What was done for one tenant says nothing of the others.
  if (options.tenantId === undefined && outcome !== 'skipped') {
    const finishedAt = new Date(startedAt.getTime() + Math.ceil(durationMs))
    const message = error === null ? null : describeFailure(error).message.slice(0, MAX_MESSAGE)
    await recordRefresh(lookup, { view, outcome, startedAt, finishedAt, tenants, buckets, message })
  }
  return { view, outcome, tenants, buckets, durationMs, error }
}

async function refreshTenants(
  ctx: RequestContext,
  view: View,
  { signal, tenantId }: RefreshOptions,
): Promise<{ tenants: number; buckets: number; error: Error | null }> {
  const tenantIds = tenantId === undefined ? await listChangedTenants(ctx.db.main.lookup, view) : [tenantId]
  const waiting: Turn[] = tenantIds.map((id) => ({ tenantId: id, maxBuckets: MAX_BUCKETS }))
  let buckets = 0
  let failure: Error | null = null
  for (let turn = waiting.shift(); turn !== undefined; turn = waiting.shift()) {
    try {
      const { rebuilt, next } = await refreshTenant(ctx, view, turn, signal)
      buckets += rebuilt
      if (next !== null) waiting.push(next)
    } catch (error) {
      signal.throwIfAborted()
      failure ??= error as Error
    }
  }
  return { tenants: tenantIds.length, buckets, error: failure }
}

interface Turn {
  tenantId: string
  maxBuckets: number
}

/** A few seconds of a tenant's parts; `next`: there are more. */
async function refreshTenant(
  ctx: RequestContext,
  view: View,
  { tenantId, maxBuckets: most }: Turn,
  signal: AbortSignal,
): Promise<{ rebuilt: number; next: Turn | null }> {
  const endsAt = performance.now() + TURN_MS
  let maxBuckets = most
  let rebuilt = 0
  for (;;) {
    signal.throwIfAborted()
    let count = 0
    try {
      const isLast = await refreshPart(ctx, view, { tenantId, maxBuckets }, (buckets) => {
        count = buckets
      })
      rebuilt += count
      // New changes of a busy tenant are for the next time.
      if (isLast) return { rebuilt, next: null }
    } catch (error) {
      if (sqlState(error) !== QUERY_CANCELED || count <= 1) throw error
      maxBuckets = Math.ceil(count / 2)
    }
    if (performance.now() > endsAt) return { rebuilt, next: { tenantId, maxBuckets } }
  }
}

const QUERY_CANCELED = '57014'

/** True: there is no more. `onTaken` hears how many buckets there are to do, before they are done. */
function refreshPart(
  ctx: RequestContext,
  view: View,
  { tenantId, maxBuckets }: Turn,
  onTaken: (buckets: number) => void,
): Promise<boolean> {
  const scope = { tenantId, correlationId: ctx.correlationId }
  return inTenant(
    ctx.db.main,
    scope,
    async (tx) => {
      const taken = await takeChangedBuckets(tx, tenantId, view, maxBuckets)
      const buckets = taken.filter((bucket) => bucket !== EVERYTHING)
      const isAll = buckets.length < taken.length
      if (isAll) await noteEverything(tx, tenantId, view)
      onTaken(buckets.length)
      // What is too much is to be known soon; what cannot be divided has all the time that there is.
      if (buckets.length > 1) await limitStatements(tx, 1 / 3)
      if (buckets.length > 0) await rebuildBuckets(tx, tenantId, view, buckets)
      return taken.length < maxBuckets && !isAll
    },
    WORKER,
  )
}

/**
 * Refreshes every view. One that cannot be refreshed is told of by `describeViews`, the metrics and the log, and throws nothing:
 * the next refresh is half a minute away, and a retry would be no sooner.
 */
export async function refreshViews(ctx: RequestContext, signal: AbortSignal): Promise<Refresh[]> {
  const refreshes: Refresh[] = []
  for (const view of viewNames) {
    signal.throwIfAborted()
    refreshes.push(await refreshView(ctx, view, { signal }))
  }
  return refreshes
}

/** Refreshes every view now, and once more before the next minute. */
export async function refreshByTheClock(ctx: RequestContext, signal: AbortSignal): Promise<void> {
  await enqueueLater(ctx.db.main.lookup, refreshAgain.queue, refreshAgain.name, AGAIN_AFTER_S)
  await refreshViews(ctx, signal)
}

/** How far every view is behind its data. */
export function measureViews(lookup: Lookup): Promise<ViewFigures[]> {
  return measureChanges(lookup, viewNames)
}

export interface ViewState {
  view: View
  holds: string
  staleAfterS: number
  /** As `ViewFigures` has it. */
  behindS: number
  isStale: boolean
  /** That a refresh would make again. */
  changedBuckets: number
  lastRefresh: LastRefreshRow | null
}

/** How every view is, measured now. */
export async function describeViews(ctx: AppContext): Promise<ViewState[]> {
  const { lookup } = ctx.db.probe
  const [figures, refreshes] = await Promise.all([measureViews(lookup), listLastRefreshes(lookup)])
  return figures.map(({ view, buckets, behindS }) => {
    const { holds, staleAfterS } = views[view]
    return {
      view,
      holds,
      staleAfterS,
      behindS,
      isStale: behindS > staleAfterS,
      changedBuckets: Number(buckets),
      lastRefresh: refreshes.find((row) => row.view === view) ?? null,
    }
  })
}

/** Rows of all tenants together, as the server's statistics have them. */
export async function estimateViewRows(ctx: AppContext): Promise<Record<View, number>> {
  const rows = await estimateRows(ctx.db.main.lookup)
  const entries = viewNames.map((view) => [
    view,
    Number(rows.find(({ table }) => table === `view_${view}`)?.rows ?? 0n),
  ])
  return Object.fromEntries(entries) as Record<View, number>
}
