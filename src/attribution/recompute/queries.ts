import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'

export interface RecomputeJobRow {
  jobId: string
  status: 'queued' | 'running' | 'succeeded' | 'failed'
  windowStart: Date
  windowEnd: Date
  runCount: number
  requestedAt: Date
  finishedAt: Date | null
}

/** Makes the job, or queues the one there is for these days again. */
export async function upsertRecomputeJob(
  tx: Tx,
  job: { tenantId: string; from: string; to: string; modelVersion: string; requestedBy: string },
): Promise<string> {
  const row = await tx
    .insertInto('attribution_recompute_jobs')
    .values({
      tenant_id: job.tenantId,
      window_start: startOfDay(job.from),
      window_end: new Date(startOfDay(job.to).getTime() + DAY_MS),
      model_version: job.modelVersion,
      requested_by: job.requestedBy,
    })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'window_start', 'window_end', 'model_version']).doUpdateSet({
        status: 'queued',
        requested_by: job.requestedBy,
        requested_at: sql`now()`,
        finished_at: null,
        run_id: null,
        run_attempt: null,
      }),
    )
    .returning('job_id as jobId')
    .executeTakeFirstOrThrow()
  return row.jobId
}

export async function findRecomputeJob(tx: Tx, tenantId: string, jobId: string): Promise<RecomputeJobRow | undefined> {
  const row = await tx
    .selectFrom('attribution_recompute_jobs')
    .select([
      'job_id as jobId',
      'status',
      'window_start as windowStart',
      'window_end as windowEnd',
      'run_count as runCount',
      'requested_at as requestedAt',
      'finished_at as finishedAt',
    ])
    .where('tenant_id', '=', tenantId)
    .where('job_id', '=', jobId)
    .executeTakeFirst()
  return row as RecomputeJobRow | undefined
}

/** One attempt at a recompute. */
export interface RecomputeRun {
  jobId: string
  runId: string
  attempt: number
}

/** False: a later attempt of this run has begun. */
export async function beginRecompute(tx: Tx, tenantId: string, run: RecomputeRun): Promise<boolean> {
  const { rows } = await sql`
    update attribution_recompute_jobs
    set status = 'running', finished_at = null, run_id = ${run.runId}::uuid, run_attempt = ${run.attempt}
    where tenant_id = ${tenantId}::uuid and job_id = ${run.jobId}::uuid
      and (run_id is distinct from ${run.runId}::uuid or run_attempt <= ${run.attempt})
    returning job_id`.execute(tx)
  return rows.length > 0
}

/** Of the attempt that works on it only: what one that was given up says later does not count. */
export async function succeedRecompute(tx: Tx, tenantId: string, run: RecomputeRun): Promise<void> {
  await sql`
    update attribution_recompute_jobs
    set status = 'succeeded', run_count = run_count + 1, finished_at = now()
    where tenant_id = ${tenantId}::uuid and job_id = ${run.jobId}::uuid and status = 'running'
      and run_id = ${run.runId}::uuid and run_attempt = ${run.attempt}`.execute(tx)
}

/** Of a run that is given up, for an id that is none too: one that waits, or that this run began. What somebody else's request began meanwhile goes on. */
export async function failRecompute(tx: Tx, tenantId: string, jobId: string, runId: string): Promise<void> {
  await sql`
    update attribution_recompute_jobs
    set status = 'failed', finished_at = now()
    where tenant_id = ${tenantId}::uuid and job_id::text = ${jobId}
      and (status = 'queued' or (status = 'running' and run_id = ${runId}::uuid))`.execute(tx)
}

const DAY_MS = 86_400_000

/** 00:00 UTC of a day written YYYY-MM-DD. */
function startOfDay(day: string): Date {
  return new Date(`${day}T00:00:00Z`)
}
