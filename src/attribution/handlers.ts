import { requireUser } from '../auth/principal.ts'
import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import {
  getRecomputeJob as getJob,
  requestRecompute as queueRecompute,
  type RecomputeJob,
} from './recompute/service.ts'
import { editionHandlers } from './reports/editions/handlers.ts'
import { reportHandlers } from './reports/handlers.ts'
import { orderHandlers } from './reports/orders/handlers.ts'
import { runHandlers } from './reports/runs/handlers.ts'
import { toWireRun } from './reports/wire.ts'

async function requestRecompute(
  ctx: TenantContext,
  { body }: Request<'requestRecompute'>,
): Promise<Reply<'requestRecompute'>> {
  const span = { from: body.start_date, to: body.end_date }
  const job = await queueRecompute(ctx, requireUser(ctx).userId, span)
  ctx.log.setBindings({ businessId: job.jobId })
  ctx.log.debug('a recompute was asked for')
  return { status: 202, headers: { Location: `/api/attribution/recompute/${job.jobId}` }, body: toJob(job) }
}

async function getRecomputeJob(
  ctx: TenantContext,
  { params }: Request<'getRecomputeJob'>,
): Promise<Reply<'getRecomputeJob'>> {
  return { status: 200, body: toJob(await getJob(ctx, params.job_id)) }
}

function toJob(job: RecomputeJob) {
  return {
    job_id: job.jobId,
    status: job.status,
    start_date: job.windowStart.toISOString().slice(0, 10),
    end_date: new Date(job.windowEnd.getTime() - 1).toISOString().slice(0, 10),
    run_count: job.runCount,
    requested_at: job.requestedAt.toISOString(),
    finished_at: job.finishedAt?.toISOString() ?? null,
    runs: job.runs.map(toWireRun),
  }
}

export const attributionHandlers = {
  requestRecompute,
  getRecomputeJob,
  ...reportHandlers,
  ...orderHandlers,
  ...editionHandlers,
  ...runHandlers,
} satisfies Partial<Handlers>
