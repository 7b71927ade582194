import type { RequestContext, TenantContext } from '../context.ts'
import type { Handlers, Reply } from '../contract.ts'
import { checkReadiness, checkWorker, getDetails, getStatus, type Status } from './service.ts'

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

async function getHealthStatus(ctx: RequestContext): Promise<Reply<'getHealthStatus'>> {
  const status = await getStatus(ctx)
  const { status: overall } = status
  if (overall === 'unhealthy') throw new TypeError('an unhealthy service is a problem, not a status')
  return { status: 200, body: { status: overall, ...toWire(status) } }
}

async function getDetailedHealth(ctx: TenantContext): Promise<Reply<'getDetailedHealth'>> {
  const details = await getDetails(ctx)
  const { database, figures, requests } = details
  return {
    status: 200,
    body: {
      status: details.status,
      ...toWire(details),
      database: {
        schema_version: database.schemaVersion,
        round_trip_ms: database.roundTripMs,
        connections_max: database.connectionsMax,
        connections_open: database.connectionsOpen,
        connections_busy: database.connectionsBusy,
        requests_waiting: database.requestsWaiting,
      },
      queues: figures.queues.map(({ name, ready, active, failed, oldestReadyAgeS }) => ({
        name,
        ready: Number(ready),
        active: Number(active),
        failed: Number(failed),
        oldest_ready_age_seconds: roundOrNull(oldestReadyAgeS),
      })),
      workers: figures.workers.map(({ workerId, activeJobs, lastSeenAt }) => ({
        worker_id: workerId,
        active_jobs: activeJobs,
        last_seen_at: lastSeenAt.toISOString(),
      })),
      requests: {
        per_minute: requests.perMinute,
        error_ratio: requests.errorRatio,
        duration_p50_ms: roundOrNull(requests.durationP50Ms),
        duration_p99_ms: roundOrNull(requests.durationP99Ms),
        event_loop_delay_p99_ms: roundOrNull(requests.eventLoopP99Ms),
      },
    },
  }
}

function toWire({ version, checkedAt, uptimeS, components }: Status) {
  return {
    version,
    checked_at: checkedAt.toISOString(),
    uptime_seconds: uptimeS,
    components: components.map(({ name, status }) => ({ name, status })),
  }
}

function roundOrNull(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100
}

export const healthHandlers = {
  getDetailedHealth,
  getHealthStatus,
  getLiveness,
  getReadiness,
  getWorkerHealth,
} satisfies Partial<Handlers>
