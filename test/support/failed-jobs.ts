import { randomUUID } from 'node:crypto'
import type { TestPlatform, TestTenant } from './platform.ts'

export interface FailedJobOptions {
  status?: 'pending' | 'in_progress' | 'resolved' | 'abandoned'
  queue?: 'webhook' | 'attribution' | 'maintenance'
  task?: string
  /** Minutes ago. */
  failedAgo?: number
  args?: object | null
  isRedacted?: boolean
  failures?: number
}

/** A job of the tenant whose attempts are used up, as a worker writes it down: its id. */
export async function givenFailedJob(
  platform: TestPlatform,
  { tenantId }: TestTenant,
  options: FailedJobOptions = {},
): Promise<string> {
  const { status = 'pending', queue = 'attribution', task = 'attribution.run_recompute', failedAgo = 1 } = options
  const { args = { jobId: randomUUID() }, isRedacted = false, failures = 2 } = options
  const jobId = randomUUID()
  const failedAt = new Date(Date.now() - failedAgo * 60_000).toISOString()
  for (let attempt = 1; attempt <= failures; attempt += 1)
    await platform.query(
      `insert into worker_job_failures (tenant_id, job_id, attempt, failure_class, message, worker_id, failed_at)
       values ($1, $2, $3, 'database', 'The connection to the database was lost.', $4, $5::timestamptz - interval '1 minute' * $6)`,
      [tenantId, jobId, attempt, attempt === 1 ? null : 'host/1', failedAt, failures - attempt],
    )
  await platform.query(
    `insert into worker_failed_jobs (tenant_id, job_id, run_id, queue, task, status, failure_class, message, arguments, is_redacted,
                                     correlation_id, attempts, enqueued_at, first_failed_at, last_failed_at, resolved_at)
     values ($1, $2, $2, $3, $4, $5, 'database', 'The connection to the database was lost.', $6, $7, $8, $9,
             $10::timestamptz - interval '1 hour', $10::timestamptz - interval '1 minute' * ($9::integer - 1), $10,
             case when $5 in ('resolved', 'abandoned') then now() end)`,
    [
      tenantId,
      jobId,
      queue,
      task,
      status,
      args === null ? null : JSON.stringify(args),
      isRedacted,
      randomUUID(),
      failures,
      failedAt,
    ],
  )
  return jobId
}
