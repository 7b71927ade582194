import { sql } from 'kysely'
import type { Lookup } from '../db/connect.ts'
import type { Tx } from '../db/tenant.ts'
import type { FailureClass } from '../queue/failure.ts'
import type { QueueName } from '../queue/queues.ts'

/** `poll` and `measure` have no jobs that failed for good. */
export type FailedJobQueue = Exclude<QueueName, 'poll' | 'measure'>

export type FailedJobStatus = 'pending' | 'in_progress' | 'resolved' | 'abandoned'

export interface FailedJobRow {
  jobId: string
  queue: FailedJobQueue
  task: string
  status: FailedJobStatus
  failureClass: FailureClass
  message: string
  attempts: number
  redrives: number
  /** Whether it could be run again if it were pending: nothing is missing in its arguments. */
  isComplete: boolean
  firstFailedAt: Date
  lastFailedAt: Date
  correlationId: string
}

export interface FailedJobFilter {
  status?: FailedJobStatus | undefined
  queue?: FailedJobQueue | undefined
}

/** Microseconds since 1970 as text, and the id: the order of the list. A `Date` would lose the microseconds. */
export type FailedJobPosition = readonly [failedMicros: string, jobId: string]

const COLUMNS = sql.raw(`
  j.job_id          as "jobId",
  j.queue,
  j.task,
  j.status,
  j.failure_class   as "failureClass",
  j.message,
  j.attempts,
  j.redrives,
  j.arguments is not null and not j.is_redacted as "isComplete",
  j.first_failed_at as "firstFailedAt",
  j.last_failed_at  as "lastFailedAt",
  j.correlation_id  as "correlationId"`)

/** The newest failure first, those after `after`. */
export async function listFailedJobs(
  tx: Tx,
  tenantId: string,
  { status = undefined, queue = undefined }: FailedJobFilter,
  { after, limit }: { after: FailedJobPosition | undefined; limit: number },
): Promise<(FailedJobRow & { failedMicros: string })[]> {
  const [micros, jobId] = after ?? [null, null]
  const { rows } = await sql<FailedJobRow & { failedMicros: string }>`
    select ${COLUMNS}, (extract(epoch from j.last_failed_at) * 1000000)::bigint::text as "failedMicros"
    from worker_failed_jobs as j
    where j.tenant_id = ${tenantId}::uuid
      and (${status ?? null}::text is null or j.status = ${status ?? null}::text)
      and (${queue ?? null}::text is null or j.queue = ${queue ?? null}::text)
      and (${micros}::bigint is null
           or (j.last_failed_at, j.job_id)
              < ('epoch'::timestamptz + ${micros}::bigint * interval '1 microsecond', ${jobId}::uuid))
    order by j.last_failed_at desc, j.job_id desc
    limit ${limit}`.execute(tx)
  return rows
}

export interface FailedJobDetailRow extends FailedJobRow {
  /** JSON. */
  payload: string | null
  enqueuedAt: Date
  /** Whether it is a member's own act. */
  userId: string | null
  resolvedAt: Date | null
  resolvedBy: string | null
  note: string | null
}

export async function findFailedJob(tx: Tx, tenantId: string, jobId: string): Promise<FailedJobDetailRow | undefined> {
  const { rows } = await sql<FailedJobDetailRow>`
    select ${COLUMNS}, j.arguments::text as payload, j.enqueued_at as "enqueuedAt", j.user_id as "userId",
           j.resolved_at as "resolvedAt", j.resolved_by as "resolvedBy", j.note
    from worker_failed_jobs as j
    where j.tenant_id = ${tenantId}::uuid and j.job_id = ${jobId}::uuid`.execute(tx)
  return rows[0]
}

export interface JobFailureRow {
  attempt: number
  failureClass: FailureClass
  message: string
  workerId: string | null
  failedAt: Date
}

/** The newest first. */
export async function listFailures(tx: Tx, tenantId: string, jobId: string, limit: number): Promise<JobFailureRow[]> {
  const { rows } = await sql<JobFailureRow>`
    select attempt, failure_class as "failureClass", message, worker_id as "workerId", failed_at as "failedAt"
    from worker_job_failures
    where tenant_id = ${tenantId}::uuid and job_id = ${jobId}::uuid
    order by attempt desc
    limit ${limit}`.execute(tx)
  return rows
}

export interface RedrivenRow {
  redrives: number
  attempts: number
  queue: string
  task: string
  correlationId: string
  userId: string | null
  arguments: Record<string, string>
}

/** Undefined: it is not pending, or cannot be run again. Of two at once one is first. */
export async function takeForRedrive(tx: Tx, tenantId: string, jobId: string): Promise<RedrivenRow | undefined> {
  const { rows } = await sql<RedrivenRow>`
    update worker_failed_jobs
    set status = 'in_progress', redrives = redrives + 1
    where tenant_id = ${tenantId}::uuid and job_id = ${jobId}::uuid and status = 'pending'
      and arguments is not null and not is_redacted
    returning redrives, attempts, queue, task, correlation_id as "correlationId", user_id as "userId", arguments`.execute(
    tx,
  )
  return rows[0]
}

/** False: it is not pending. Of two at once one is first. */
export async function closeFailedJob(
  tx: Tx,
  tenantId: string,
  jobId: string,
  close: { status: 'resolved' | 'abandoned'; note: string; resolvedBy: string | null; at: Date },
): Promise<boolean> {
  const { rows } = await sql`
    update worker_failed_jobs
    set status = ${close.status}, note = ${close.note}, resolved_by = ${close.resolvedBy}::uuid,
        resolved_at = ${close.at}::timestamptz
    where tenant_id = ${tenantId}::uuid and job_id = ${jobId}::uuid and status = 'pending'
    returning job_id`.execute(tx)
  return rows.length > 0
}

/** Those that were closed. As app_worker. */
export async function abandonOldJobs(
  tx: Tx,
  tenantId: string,
  { before, note, at }: { before: Date; note: string; at: Date },
): Promise<{ jobId: string; task: string }[]> {
  const { rows } = await sql<{ jobId: string; task: string }>`
    update worker_failed_jobs
    set status = 'abandoned', note = ${note}, resolved_at = ${at}::timestamptz
    where tenant_id = ${tenantId}::uuid and status = 'pending' and last_failed_at < ${before}::timestamptz
    returning job_id as "jobId", task`.execute(tx)
  return rows
}

/** Jobs that run again, and have no run that is open: lost with the queue, or ended by another attempt. How many. As app_worker. */
export async function returnOrphans(tx: Tx, tenantId: string): Promise<number> {
  const { rows } = await sql`
    update worker_failed_jobs as j
    set status = 'pending'
    where j.tenant_id = ${tenantId}::uuid and j.status = 'in_progress'
      and not exists (select from pgboss.job as q
                      where q.name in (j.queue, j.queue || '_dead') and q.state in ('created', 'retry', 'active')
                        and q.data ->> 'originId' = j.job_id::text and q.data ->> 'tenantId' = j.tenant_id::text)
    returning j.job_id`.execute(tx)
  return rows.length
}

/** How many are gone. The last run of each schedule stays. */
export async function forgetOldRuns(lookup: Lookup, before: Date): Promise<number> {
  const { rows } = await sql`
    delete from schedule_runs as r
    where r.started_at < ${before}::timestamptz
      and exists (select from schedule_runs as n where n.schedule = r.schedule and n.started_at > r.started_at)
    returning r.run_id`.execute(lookup)
  return rows.length
}

export interface LastRunRow {
  schedule: string
  startedAt: Date
  finishedAt: Date | null
  outcome: 'running' | 'succeeded' | 'failed'
  message: string | null
}

/** One for each schedule that ever ran. */
export async function listLastRuns(lookup: Lookup): Promise<LastRunRow[]> {
  const { rows } = await sql<LastRunRow>`
    select distinct on (schedule) schedule, started_at as "startedAt", finished_at as "finishedAt", outcome, message
    from schedule_runs
    order by schedule, started_at desc`.execute(lookup)
  return rows
}
