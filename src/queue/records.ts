import { sql } from 'kysely'
import type { AppContext } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import { inTenant, type Tx } from '../db/tenant.ts'
import { describeOutput, type Failure, redactArguments } from './failure.ts'
import { type Attempt, argumentsOf, type JobData } from './job.ts'

/** A job as pg-boss hands it out. */
export interface TakenJob {
  id: string
  data: JobData
  /** Attempts before this one, since it was queued last. */
  retryCount: number
  signal: AbortSignal
}

export function attemptOf({ id, data, retryCount }: Pick<TakenJob, 'id' | 'data' | 'retryCount'>): Attempt {
  const { originId = id, earlierAttempts = 0, correlationId } = data
  return { jobId: originId, number: earlierAttempts + retryCount + 1, correlationId }
}

export interface FailedAttempt {
  attempt: Attempt
  failure: Failure
  workerId: string | null
}

/** Of the transaction's tenant. What is known of an attempt stays as it was written first. */
async function insertFailures(tx: Tx, tenantId: string, failed: readonly FailedAttempt[]): Promise<void> {
  const rows = failed.map(({ attempt, failure, workerId }) => ({
    job_id: attempt.jobId,
    attempt: attempt.number,
    failure_class: failure.class,
    message: failure.message,
    worker_id: workerId,
  }))
  await sql`
    insert into worker_job_failures (tenant_id, job_id, attempt, failure_class, message, worker_id)
    select ${tenantId}::uuid, f.job_id, f.attempt, f.failure_class, f.message, f.worker_id
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as f (job_id uuid, attempt integer, failure_class text, message text, worker_id text)
    on conflict (tenant_id, job_id, attempt) do nothing`.execute(tx)
}

export async function recordFailures(
  ctx: AppContext,
  scope: { tenantId: string; correlationId: string },
  failed: readonly FailedAttempt[],
): Promise<void> {
  await inTenant(ctx.db.main, scope, (tx) => insertFailures(tx, scope.tenantId, failed))
}

/**
 * Jobs that were taken and not begun lie in the queue as if they had never been taken. Those that are not this worker's any more
 * are left alone; pg-boss's own `restore` would bring them back from the dead.
 */
export async function giveBack(ctx: AppContext, queue: string, jobs: readonly TakenJob[]): Promise<void> {
  const ids = jobs.map(({ id }) => id)
  const retries = jobs.map(({ retryCount }) => retryCount)
  // What has not started is taken without counting an attempt.
  await sql`
    update pgboss.job as j
    set state = case when j.retry_count = 0 then 'created'::pgboss.job_state else 'retry' end, started_on = null, heartbeat_on = null
    from unnest(${ids}::uuid[], ${retries}::integer[]) as g (id, retry_count)
    where j.name = ${queue} and j.id = g.id and j.retry_count = g.retry_count and j.state = 'active'`.execute(
    ctx.db.main.lookup,
  )
}

/**
 * The attempts before these, of which nobody could tell how they ended: their worker died, or was told to give them up. What
 * cannot be written down is logged, and holds up nobody.
 */
export async function recordLostAttempts(ctx: AppContext, queue: string, jobs: readonly TakenJob[]): Promise<void> {
  const report = (error: Error) =>
    ctx.log.warn({ error: error.message, queue }, 'lost attempts could not be written down')
  await findLostAttempts(ctx, queue, jobs).then(async (lost) => {
    for (const { scope, failed } of lost) await recordFailures(ctx, scope, failed).catch(report)
  }, report)
}

async function findLostAttempts(
  ctx: AppContext,
  queue: string,
  jobs: readonly TakenJob[],
): Promise<{ scope: { tenantId: string; correlationId: string }; failed: FailedAttempt[] }[]> {
  const again = jobs.filter(({ retryCount, data }) => retryCount > 0 && data.tenantId !== undefined)
  if (again.length === 0) return []
  const ids = again.map(({ id }) => id)
  const { rows } = await sql<{ id: string; output: unknown }>`
    select id, output from pgboss.job where name = ${queue} and id = any (${ids}::uuid[])`.execute(ctx.db.main.lookup)
  const outputs = new Map(rows.map(({ id, output }) => [id, output]))
  return [...Map.groupBy(again, ({ data }) => data.tenantId)].map(([tenantId, lost]) => ({
    scope: { tenantId, correlationId: lost[0]?.data.correlationId ?? tenantId },
    failed: lost.map((job) => ({
      attempt: { ...attemptOf(job), number: attemptOf(job).number - 1 },
      failure: describeOutput(outputs.get(job.id)),
      workerId: null,
    })),
  }))
}

/** A job as it lies in a dead letter queue. */
export interface DeadLetter {
  data: JobData
  /** The queue that it failed in. */
  queue: string
  /** Its id there. */
  runId: string
  enqueuedAt: Date
  retryCount: number
  output: unknown
  failedAt: Date
}

/** Writes down that the attempts of a job are used up: once for each run, however often it is called. */
export async function recordDeadLetter(ctx: AppContext, letter: DeadLetter): Promise<void> {
  const { data, queue, runId, output, enqueuedAt, failedAt } = letter
  const { tenantId, correlationId, job: task, userId = null, sessionId = null } = data
  const attempt = attemptOf({ id: runId, data, retryCount: letter.retryCount })
  const failure = describeOutput(output)
  const kept = redactArguments(argumentsOf(data))
  await inTenant(ctx.db.main, { tenantId, correlationId }, async (tx) => {
    await insertFailures(tx, tenantId, [{ attempt, failure, workerId: null }])
    await sql`
      insert into worker_failed_jobs as j (
        tenant_id, job_id, run_id, queue, task, failure_class, message, traceback, arguments, is_redacted, user_id, session_id,
        correlation_id, attempts, enqueued_at, first_failed_at, last_failed_at)
      select ${tenantId}::uuid, ${attempt.jobId}::uuid, ${runId}::uuid, ${queue}, ${task}, ${failure.class}, ${failure.message},
             ${failure.traceback}, ${JSON.stringify(kept.arguments)}::jsonb, ${kept.isRedacted}, ${userId}::uuid,
             ${sessionId}::uuid, ${correlationId}::uuid, ${attempt.number}::integer, ${enqueuedAt}::timestamptz,
             least(coalesce(min(f.failed_at), ${failedAt}), ${failedAt}), ${failedAt}
      from worker_job_failures as f
      where f.tenant_id = ${tenantId}::uuid and f.job_id = ${attempt.jobId}::uuid
      on conflict (tenant_id, job_id) do update
      set status = 'pending', run_id = excluded.run_id, failure_class = excluded.failure_class, message = excluded.message,
          traceback = excluded.traceback, attempts = excluded.attempts,
          last_failed_at = greatest(j.last_failed_at, excluded.last_failed_at)
      where j.run_id <> excluded.run_id and j.status = 'in_progress'`.execute(tx)
  })
}

/** A job that was run again by hand has succeeded. */
export async function recordRedriven(ctx: AppContext, job: TakenJob): Promise<void> {
  const { tenantId, correlationId, originId } = job.data
  await inTenant(ctx.db.main, { tenantId, correlationId }, (tx) =>
    sql`
      update worker_failed_jobs
      set status = 'resolved', resolved_at = clock_timestamp()
      where tenant_id = ${tenantId}::uuid and job_id = ${originId}::uuid and status = 'in_progress'`.execute(tx),
  )
}

/** Whether the member whose act the job is may still ask for it. */
export async function isAuthorityLive(ctx: AppContext, { data }: TakenJob): Promise<boolean> {
  const { tenantId, correlationId, userId, sessionId } = data
  if (userId === undefined) return true
  return inTenant(ctx.db.main, { tenantId, correlationId }, async (tx) => {
    const { rows } = await sql<{ live: boolean }>`
      select internal.is_authority_live(${tenantId}::uuid, ${userId}::uuid, ${sessionId ?? null}::uuid) as live`.execute(
      tx,
    )
    return rows[0]?.live === true
  })
}

/** A run that begins again after a crash is the same run. */
export async function startRun(
  lookup: Lookup,
  run: { runId: string; schedule: string; workerId: string },
): Promise<void> {
  await sql`
    insert into schedule_runs (run_id, schedule, worker_id) values (${run.runId}::uuid, ${run.schedule}, ${run.workerId})
    on conflict (run_id) do update
    set started_at = clock_timestamp(), finished_at = null, outcome = 'running', message = null, worker_id = excluded.worker_id`.execute(
    lookup,
  )
}

export async function endRun(lookup: Lookup, runId: string, failure: Failure | null): Promise<void> {
  await sql`
    update schedule_runs
    set finished_at = clock_timestamp(), outcome = ${failure === null ? 'succeeded' : 'failed'}, message = ${failure?.message ?? null}
    where run_id = ${runId}::uuid`.execute(lookup)
}
