import type { RequestContext, TenantContext } from '../context.ts'
import { decodeCursor, encodeCursor } from '../cursor.ts'
import { inTenant } from '../db/tenant.ts'
import { measureQueues, type QueueFigures } from '../health/service.ts'
import { ProblemError } from '../problem/problem.ts'
import { addJob, type JobData } from '../queue/job.ts'
import { type Schedule, schedules } from '../queue/schedules.ts'
import { recordAudit } from '../tenants/audit.ts'
import type { Page } from '../tenants/page.ts'
import { listTenantIds } from '../tenants/retention/service.ts'
import { findPersonalData } from '../webhooks/personal-data.ts'
import { endWork } from './endings.ts'
import {
  abandonOldJobs,
  closeFailedJob,
  type FailedJobDetailRow,
  type FailedJobFilter,
  type FailedJobPosition,
  type FailedJobRow,
  findFailedJob,
  forgetOldRuns,
  type JobFailureRow,
  type LastRunRow,
  listFailures,
  listLastRuns,
  listFailedJobs as listRows,
  returnOrphans,
  takeForRedrive,
} from './queries.ts'

/** Of many failures the last are shown. */
const MAX_FAILURES_SHOWN = 100
const DAY_MS = 86_400_000
/** A failed job that nobody cares for in this time is given up. */
const FORGOTTEN_DAYS = 90
/** Runs of schedules are kept for so long. */
const RUN_DAYS = 30

/** The newest failure first. Throws `validation_failed` for a cursor of another list. */
export function listFailedJobs(
  ctx: TenantContext,
  filter: FailedJobFilter,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<FailedJobRow>> {
  const { status, queue } = filter
  const scope = { operationId: 'listFailedJobs', tenantId: ctx.tenantId, filters: { status, queue } }
  const after = decodeCursor<FailedJobPosition>(ctx.keys, scope, cursor)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listRows(tx, ctx.tenantId, filter, { after, limit: limit + 1 })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    const isMore = rows.length > limit && last !== undefined
    return { items, nextCursor: isMore ? encodeCursor(ctx.keys, scope, [last.failedMicros, last.jobId]) : null }
  })
}

export interface FailedJobDetail extends FailedJobDetailRow {
  /** The newest first. */
  failures: JobFailureRow[]
}

/** Throws `not_found`. */
export function getFailedJob(ctx: TenantContext, jobId: string): Promise<FailedJobDetail> {
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const job = await findFailedJob(tx, ctx.tenantId, jobId)
    if (job === undefined) throw notFound()
    return { ...job, failures: await listFailures(tx, ctx.tenantId, jobId, MAX_FAILURES_SHOWN) }
  })
}

/**
 * Queues a pending job once more, under the name that its effects are known by. What was a member's own act is now that of
 * whoever asks. Throws `not_found`, and `job_not_redrivable` for one that is not pending or is not complete any more.
 */
export function redriveFailedJob(ctx: TenantContext, jobId: string): Promise<FailedJobRow> {
  const { principal, tenantId } = ctx
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const job = await findFailedJob(tx, tenantId, jobId)
    if (job === undefined) throw notFound()
    const taken = await takeForRedrive(tx, tenantId, jobId)
    if (taken === undefined) throw notRedrivable((await findFailedJob(tx, tenantId, jobId)) ?? job)
    const authority =
      taken.userId !== null && principal.kind === 'user'
        ? { userId: principal.userId, sessionId: principal.sessionId }
        : undefined
    const data: JobData = {
      ...taken.arguments,
      job: taken.task,
      tenantId,
      correlationId: taken.correlationId,
      originId: jobId,
      earlierAttempts: taken.attempts,
      ...authority,
    }
    await addJob(tx, taken.queue, data)
    await recordAudit(tx, {
      actor: principal,
      action: 'failed_job.redriven',
      subject: `failed_job:${jobId}`,
      details: { task: taken.task, redrives: taken.redrives },
    })
    return { ...job, status: 'in_progress', redrives: taken.redrives }
  })
}

/**
 * Closes a pending job without running it. Throws `not_found`, `conflict` for one that is not pending, and
 * `validation_failed` for a note that looks like personal data.
 */
export function resolveFailedJob(
  ctx: TenantContext,
  jobId: string,
  { status, note }: { status: 'resolved' | 'abandoned'; note: string },
): Promise<FailedJobRow> {
  if (findPersonalData(note) !== null) throw personalNote()
  const { principal, tenantId } = ctx
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const job = await findFailedJob(tx, tenantId, jobId)
    if (job === undefined) throw notFound()
    const resolvedBy = principal.kind === 'user' ? principal.userId : null
    const isClosed = await closeFailedJob(tx, tenantId, jobId, { status, note, resolvedBy, at: ctx.clock() })
    if (!isClosed) throw notPending((await findFailedJob(tx, tenantId, jobId)) ?? job)
    await endWork(tx, tenantId, { jobId, task: job.task, args: job.payload === null ? null : JSON.parse(job.payload) })
    await recordAudit(tx, {
      actor: principal,
      action: 'failed_job.closed',
      subject: `failed_job:${jobId}`,
      details: { status, task: job.task },
    })
    return { ...job, status }
  })
}

/**
 * By the clock, of every tenant. What runs again and whose run is nowhere any more waits for somebody again; what nobody cared
 * for is closed, and that is written down.
 */
export async function tidy(ctx: RequestContext, signal: AbortSignal): Promise<void> {
  const at = ctx.clock()
  const before = new Date(at.getTime() - FORGOTTEN_DAYS * DAY_MS)
  const note = `Nobody cared for it in ${FORGOTTEN_DAYS} days.`
  for await (const tenantId of listTenantIds(ctx)) {
    signal.throwIfAborted()
    const scope = { tenantId, correlationId: ctx.correlationId }
    const returned = await inTenant(ctx.db.main, scope, (tx) => returnOrphans(tx, tenantId))
    const abandoned = await inTenant(ctx.db.main, scope, async (tx) => {
      const closed = await abandonOldJobs(tx, tenantId, { before, note, at })
      for (const { jobId, task } of closed)
        await recordAudit(tx, {
          actor: { kind: 'worker', tenantId },
          action: 'failed_job.closed',
          subject: `failed_job:${jobId}`,
          details: { status: 'abandoned', task },
        })
      return closed.length
    })
    if (returned + abandoned > 0) ctx.log.warn({ tenantId, returned, abandoned }, 'failed jobs were tidied')
  }
  await forgetOldRuns(ctx.db.main.lookup, new Date(at.getTime() - RUN_DAYS * DAY_MS))
}

export interface ScheduleState extends Schedule {
  name: string
  lastRun: LastRunRow | null
}

/** What waits, what runs, what failed, and when each schedule ran last. */
export async function describeJobs(
  ctx: RequestContext,
): Promise<{ queues: QueueFigures[]; schedules: ScheduleState[] }> {
  const { lookup } = ctx.db.main
  const [queues, lastRuns] = await Promise.all([measureQueues(lookup), listLastRuns(lookup)])
  const runs = new Map(lastRuns.map((run) => [run.schedule, run]))
  return {
    queues,
    schedules: Object.entries(schedules).map(([name, schedule]) => ({
      name,
      ...schedule,
      lastRun: runs.get(name) ?? null,
    })),
  }
}

function notFound(): ProblemError {
  return new ProblemError('not_found', 'The tenant has no failed job with this id.')
}

function notRedrivable({ status, isComplete }: FailedJobDetailRow): ProblemError {
  const detail =
    status === 'in_progress'
      ? 'The job is in_progress already.'
      : status === 'pending' && !isComplete
        ? 'Data of the job have been removed, so it cannot be run again.'
        : `The job is ${status}.`
  return new ProblemError('job_not_redrivable', detail)
}

function notPending({ status }: FailedJobDetailRow): ProblemError {
  const isAtWork = status === 'in_progress'
  return new ProblemError('conflict', isAtWork ? 'The job is being run again.' : 'This job is closed already.')
}

function personalNote(): ProblemError {
  return new ProblemError('validation_failed', 'The request does not match the contract.', {
    errors: [
      { pointer: '/body/note', code: 'personal_data', detail: 'This looks like personal data: say it without.' },
    ],
  })
}
