import type { RequestContext } from '../context.ts'
import type { Handlers, Reply } from '../contract.ts'
import { checkReadiness, checkWorker } from './service.ts'

/** Depends on nothing: it says that the process runs, and a restart is the cure for when it does not. */
async function getLiveness(): Promise<Reply<'getLiveness'>> {
  return { status: 200, body: { status: 'alive' } }
}

async function getReadiness(ctx: RequestContext): Promise<Reply<'getReadiness'>> {
  const checks = await checkReadiness(ctx)
  return {
    status: 200,
    body: {
      status: 'ready',
      checks: checks.map(({ name, durationMs }) => ({ name, status: 'ok', duration_ms: durationMs })),
    },
  }
}

async function getWorkerHealth(ctx: RequestContext): Promise<Reply<'getWorkerHealth'>> {
  const answer = await checkWorker(ctx)
  return {
    status: 200,
    body: {
      status: 'ok',
      worker_id: answer.workerId,
      round_trip_ms: answer.roundTripMs,
      checked_at: answer.checkedAt.toISOString(),
    },
  }
}

export const healthHandlers = { getLiveness, getReadiness, getWorkerHealth } satisfies Partial<Handlers>
