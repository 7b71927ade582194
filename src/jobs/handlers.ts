import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import type { FailedJobRow } from './queries.ts'
import {
  listFailedJobs as list,
  getFailedJob as read,
  redriveFailedJob as redrive,
  resolveFailedJob as resolve,
} from './service.ts'

const DEFAULT_LIMIT = 20

async function listFailedJobs(
  ctx: TenantContext,
  { query }: Request<'listFailedJobs'>,
): Promise<Reply<'listFailedJobs'>> {
  const { status, queue, limit = DEFAULT_LIMIT, cursor } = query
  const { items, nextCursor } = await list(ctx, { status, queue }, { limit, cursor })
  return { status: 200, body: { items: items.map(toItem), next_cursor: nextCursor } }
}

async function getFailedJob(ctx: TenantContext, { params }: Request<'getFailedJob'>): Promise<Reply<'getFailedJob'>> {
  const job = await read(ctx, params.job_id)
  const { job_id, queue, task, status, redrives, redrivable, correlation_id } = toItem(job)
  return {
    status: 200,
    body: {
      job_id,
      queue,
      task,
      status,
      redrives,
      redrivable,
      payload: job.payload,
      correlation_id,
      enqueued_at: job.enqueuedAt.toISOString(),
      failures: job.failures.map((failure) => ({
        failed_at: failure.failedAt.toISOString(),
        attempt: failure.attempt,
        failure_class: failure.failureClass,
        message: failure.message,
        worker_id: failure.workerId,
      })),
      resolution:
        job.resolvedAt === null
          ? null
          : { resolved_at: job.resolvedAt.toISOString(), resolved_by: job.resolvedBy, note: job.note },
    },
  }
}

async function redriveFailedJob(
  ctx: TenantContext,
  { params }: Request<'redriveFailedJob'>,
): Promise<Reply<'redriveFailedJob'>> {
  const job = await redrive(ctx, params.job_id)
  return { status: 202, headers: { Location: `/api/failed-jobs/${job.jobId}` }, body: toItem(job) }
}

async function resolveFailedJob(
  ctx: TenantContext,
  { params, body }: Request<'resolveFailedJob'>,
): Promise<Reply<'resolveFailedJob'>> {
  const job = await resolve(ctx, params.job_id, { status: body.status, note: body.note })
  return { status: 200, body: toItem(job) }
}

function toItem(job: FailedJobRow) {
  return {
    job_id: job.jobId,
    queue: job.queue,
    task: job.task,
    status: job.status,
    failure_class: job.failureClass,
    message: job.message,
    attempts: job.attempts,
    redrives: job.redrives,
    redrivable: job.status === 'pending' && job.isComplete,
    first_failed_at: job.firstFailedAt.toISOString(),
    last_failed_at: job.lastFailedAt.toISOString(),
    correlation_id: job.correlationId,
  }
}

export const jobHandlers = {
  listFailedJobs,
  getFailedJob,
  redriveFailedJob,
  resolveFailedJob,
} satisfies Partial<Handlers>
