import type { RequestContext, TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { enqueue, type JobContext } from '../../queue/job.ts'
import { comesFirst, type MaybeJob } from '../../queue/once.ts'
import { listUnpublishedTenants } from '../engine/changes/queries.ts'
import { ENGINE_VERSION } from '../engine/editions/config.ts'
import { bringUpToDate, recomputeSpan } from '../engine/service.ts'
import { NOTHING_NAMED, recomputeTouched, runRecompute } from '../jobs.ts'
import { listPublishedRuns, type RunRow } from '../reports/runs/queries.ts'
import { requestMeasurement } from '../windows/service.ts'
import {
  beginRecompute,
  failRecompute,
  findRecomputeJob,
  type RecomputeJobRow,
  succeedRecompute,
  upsertRecomputeJob,
} from './queries.ts'

/** How many days one recompute may span. */
const MAX_RECOMPUTE_DAYS = 92
/** After which a tenant lets the others come first: what it still has to do is behind theirs. */
const TURN_MS = 60_000
/** Longer than a publication takes to begin, however busy the workers are on an ordinary day. */
const WAITING_S = 120
const DAY_MS = 86_400_000

const WORKER = { executionContext: 'worker' } as const

/** Queues the publication of what this transaction stores, or of what it sets the figures to be computed by. */
export async function requestPublication(tx: Tx, ctx: TenantContext): Promise<void> {
  await enqueue(tx, recomputeTouched, ctx, NOTHING_NAMED)
}

/** Queues the publication of every tenant whose changes have waited for so long that no wake-up seems to be on its way. */
export async function requestPublications(ctx: RequestContext & MaybeJob, signal: AbortSignal): Promise<void> {
  for (const tenantId of await listUnpublishedTenants(ctx.db.main.lookup, WAITING_S)) {
    signal.throwIfAborted()
    const scope = { tenantId, correlationId: ctx.correlationId }
    await inTenant(ctx.db.main, scope, async (tx) => {
      if (await comesFirst(tx, ctx, 'publication')) await enqueue(tx, recomputeTouched, scope, NOTHING_NAMED)
    })
  }
}

/**
 * Publishes what was stored, and builds what settings ask for, for a minute at most; what is left is queued again. Windows are
 * measured when nothing is.
 */
export async function publishStored(ctx: TenantContext, signal: AbortSignal): Promise<void> {
  const progress = await bringUpToDate(ctx, signal, performance.now() + TURN_MS)
  const goOn = progress === 'more' ? requestPublication : requestMeasurement
  await inTenant(ctx.db.main, ctx, (tx) => goOn(tx, ctx))
}

export interface RecomputeJob extends RecomputeJobRow {
  /** The runs that answer for its days now. */
  runs: RunRow[]
}

/** Queues a recompute of whole UTC days, both included. Throws `validation_failed` for a span that is not one. */
export function requestRecompute(
  ctx: TenantContext,
  userId: string,
  { from, to }: { from: string; to: string },
): Promise<RecomputeJob> {
  requireSpan({ from, to })
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const { tenantId } = ctx
    const jobId = await upsertRecomputeJob(tx, {
      tenantId,
      from,
      to,
      modelVersion: ENGINE_VERSION,
      requestedBy: userId,
    })
    await enqueue(tx, runRecompute, ctx, { jobId })
    return requireRecomputeJob(tx, ctx, jobId)
  })
}

/** Throws `not_found`. */
export function getRecomputeJob(ctx: TenantContext, jobId: string): Promise<RecomputeJob> {
  return inTenant(ctx.db.main, ctx, (tx) => requireRecomputeJob(tx, ctx, jobId))
}

async function requireRecomputeJob(tx: Tx, ctx: TenantContext, jobId: string): Promise<RecomputeJob> {
  const job = await findRecomputeJob(tx, ctx.tenantId, jobId)
  if (job === undefined) throw notFound()
  const span = { from: toDay(job.windowStart), to: lastDay(job) }
  return { ...job, runs: await listPublishedRuns(tx, ctx.tenantId, span) }
}

/** Ends a requested recompute that is not tried any more, or whose member may not ask for it any more. */
export async function giveUpRecompute(ctx: JobContext, jobId: string): Promise<void> {
  const [{ jobId: runId }] = ctx.attempts
  await inTenant(ctx.db.main, ctx, (tx) => failRecompute(tx, ctx.tenantId, jobId, runId), WORKER)
}

/** Carries out a requested recompute. It is at work until it succeeds or the queue gives it up. */
export async function runRecomputeJob(ctx: JobContext, jobId: string, signal: AbortSignal): Promise<void> {
  const { tenantId } = ctx
  const [{ jobId: runId, number: attempt }] = ctx.attempts
  const run = { jobId, runId, attempt }
  const job = await inTenant(
    ctx.db.main,
    ctx,
    async (tx) => ((await beginRecompute(tx, tenantId, run)) ? findRecomputeJob(tx, tenantId, jobId) : undefined),
    WORKER,
  )
  if (job === undefined) return
  await bringUpToDate(ctx, signal)
  const { windowStart, windowEnd } = job
  const span = { from: windowStart.toISOString(), until: windowEnd.toISOString(), cause: 'request' } as const
  await recomputeSpan(ctx, span, signal)
  await inTenant(ctx.db.main, ctx, (tx) => succeedRecompute(tx, tenantId, run), WORKER)
}

function notFound(): ProblemError {
  return new ProblemError('not_found', 'There is nothing at this address.')
}

function toDay(time: Date): string {
  return time.toISOString().slice(0, 10)
}

function lastDay(job: RecomputeJobRow): string {
  return toDay(new Date(job.windowEnd.getTime() - DAY_MS))
}

/** Both days included. */
function requireSpan({ from, to }: { from: string; to: string }): void {
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1
  // RFC 3339 has no dates before the year 1.
  const isDate = from >= '0001-01-01'
  if (days >= 1 && days <= MAX_RECOMPUTE_DAYS && isDate) return
  const tooLong = isDate
    ? `At most ${MAX_RECOMPUTE_DAYS} days can be asked for, these are ${days}.`
    : 'It begins before the year 1.'
  const detail = days < 1 ? 'end_date is before start_date.' : tooLong
  throw new ProblemError('validation_failed', 'The span of days is not valid.', {
    errors: [{ pointer: '/body/end_date', code: 'span', detail }],
  })
}
