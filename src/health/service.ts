import packageJson from '../../package.json' with { type: 'json' }
import type { AppContext, RequestContext, TenantContext } from '../context.ts'
import { ProblemError } from '../problem/problem.ts'
import { type EventLoopDelay, watchEventLoop } from './event-loop.ts'
import { createFigures, type Figures } from './figures.ts'
import { type Check, createReadiness, type ReadinessMeasurement } from './readiness.ts'
import type { Verdict } from './verdict.ts'
import { TooLate } from './within.ts'
import { createWorkerProbe, type WorkerAnswer } from './worker-probe.ts'

export { measureQueues, type QueueFigures } from './queries.ts'

const RETRY_AFTER_SECONDS = '5'
/** Beyond, a part is slow. */
const SLOW_EVENT_LOOP_MS = 200
const LONG_WAIT_S = 60
/** That a scrape waits for a count, and that a probe does. */
const FIGURES_MS = 2_000
const PROBED_FIGURES_MS = 400

/** What one process measures of itself. */
interface Monitors {
  readiness: Verdict<ReadinessMeasurement>
  worker: () => Promise<WorkerAnswer>
  figures: ReturnType<typeof createFigures>
  eventLoop: EventLoopDelay
  isDraining: boolean
}

/** By process: contexts of requests are copies that share its pools. */
const known = new WeakMap<AppContext['db'], Monitors>()

function monitorsOf(ctx: AppContext): Monitors {
  const found = known.get(ctx.db)
  if (found !== undefined) return found
  const monitors = {
    readiness: createReadiness(ctx),
    worker: createWorkerProbe(ctx),
    figures: createFigures(ctx),
    eventLoop: watchEventLoop(),
    isDraining: false,
  }
  known.set(ctx.db, monitors)
  return monitors
}

/** Begins to watch what can only be watched over time. */
export function startMonitors(ctx: AppContext): void {
  monitorsOf(ctx)
}

/** From now on the process is not ready, whatever is measured: it lets its requests finish and takes no new ones. */
export function startDraining(ctx: AppContext): void {
  monitorsOf(ctx).isDraining = true
}

export function stopMonitors(ctx: AppContext): void {
  monitorsOf(ctx).eventLoop.stop()
}

/** Whether this process can serve requests now, each part tried for real. Throws `not_ready` with the parts that failed. */
export async function checkReadiness(ctx: AppContext): Promise<Check[]> {
  const { readiness, isDraining } = monitorsOf(ctx)
  if (isDraining) {
    const detail = 'The process is going down: it lets its requests finish and takes no new ones.'
    throw notReady('Not ready: draining.', [{ pointer: '/checks/draining', code: 'draining', detail }])
  }
  const { checks, failed } = await readiness.ask()
  if (failed.length === 0) return checks
  const names = failed.map(({ pointer }) => pointer.replace('/checks/', '')).join(', ')
  throw notReady(`Not ready: ${names}.`, failed)
}

function notReady(detail: string, errors: ReadinessMeasurement['failed']): ProblemError {
  return new ProblemError('not_ready', detail, { errors, headers: { 'Retry-After': RETRY_AFTER_SECONDS } })
}

/** What the database knows of queues and workers, as fresh as the probes are. Rejects where it cannot be read in time. */
export function getFigures(ctx: AppContext): Promise<Figures> {
  return monitorsOf(ctx).figures(FIGURES_MS)
}

/** See `EventLoopDelay`. */
export function getEventLoopDelayMs(ctx: AppContext): number | null {
  return monitorsOf(ctx).eventLoop.p99Ms()
}

/** A round trip through the queue and a worker. Throws `worker_unavailable` naming the part that is down. */
export function checkWorker(ctx: AppContext): Promise<WorkerAnswer> {
  return monitorsOf(ctx).worker()
}

export type ComponentName = 'api' | 'database' | 'queue' | 'worker'
export type ComponentStatus = 'up' | 'degraded' | 'down' | 'unknown'

export interface Status {
  status: 'healthy' | 'degraded' | 'unhealthy'
  version: string
  checkedAt: Date
  uptimeS: number
  components: { name: ComponentName; status: ComponentStatus }[]
}

interface Measured {
  status: Status
  readiness: ReadinessMeasurement
  /** `late`: there are so many jobs that counting them takes longer than whoever asks can wait. */
  figures: Figures | 'late' | null
  eventLoopP99Ms: number | null
}

/** Throws `not_ready` where requests cannot be answered. */
export async function getStatus(ctx: RequestContext): Promise<Status> {
  const { status, readiness } = await measure(ctx)
  if (status.status !== 'unhealthy') return status
  const errors = readiness.failed.map(({ detail }) => ({ pointer: '/components/database', code: 'down', detail }))
  throw notReady(`1 of ${status.components.length} parts is down.`, errors)
}

async function measure(ctx: AppContext): Promise<Measured> {
  const monitors = monitorsOf(ctx)
  const [readiness, figures, worker] = await Promise.all([
    monitors.readiness.ask(),
    monitors.figures(PROBED_FIGURES_MS).catch((error: unknown) => (error instanceof TooLate ? 'late' : null)),
    describeWorker(monitors),
  ])
  const eventLoopP99Ms = monitors.eventLoop.p99Ms()
  const isSlow = eventLoopP99Ms !== null && eventLoopP99Ms > SLOW_EVENT_LOOP_MS
  const api = isSlow || monitors.isDraining ? 'degraded' : 'up'
  const database = readiness.isGood ? 'up' : 'down'
  const components: Status['components'] = [
    { name: 'api', status: api },
    { name: 'database', status: database },
    // Of what needs the database nothing is known while that is down.
    { name: 'queue', status: database === 'down' ? 'unknown' : describeQueues(figures, worker) },
    { name: 'worker', status: database === 'down' || worker === 'no queue' ? 'unknown' : worker },
  ]
  const isHealthy = components.every(({ status }) => status === 'up')
  const status = database === 'down' ? 'unhealthy' : isHealthy ? 'healthy' : 'degraded'
  const { version } = packageJson
  const about = { version, checkedAt: readiness.measuredAt, uptimeS: Math.floor(process.uptime()) }
  return {
    status: { status, ...about, components },
    readiness,
    figures: database === 'down' ? null : figures,
    eventLoopP99Ms,
  }
}

async function describeWorker({ worker }: Monitors): Promise<ComponentStatus | 'no queue'> {
  try {
    await worker()
    return 'up'
  } catch (error) {
    const part = error instanceof ProblemError ? error.errors?.[0]?.pointer : undefined
    return part === '/worker' ? 'down' : part === '/queue' ? 'no queue' : 'unknown'
  }
}

function describeQueues(figures: Measured['figures'], worker: ComponentStatus | 'no queue'): ComponentStatus {
  if (figures === null || worker === 'no queue') return 'down'
  if (figures === 'late') return 'unknown'
  const isLate = figures.queues.some(({ oldestReadyAgeS }) => (oldestReadyAgeS ?? 0) > LONG_WAIT_S)
  return isLate ? 'degraded' : 'up'
}

export interface DetailedStatus extends Status {
  database: {
    schemaVersion: string | null
    roundTripMs: number | null
    connectionsMax: number
    connectionsOpen: number
    connectionsBusy: number
    requestsWaiting: number
  }
  figures: Pick<Figures, 'queues' | 'workers'>
  requests: NonNullable<ReturnType<NonNullable<RequestContext['requestFigures']>>> & { eventLoopP99Ms: number | null }
}

const NO_REQUESTS = { perMinute: 0, errorRatio: null, durationP50Ms: null, durationP99Ms: null }

/** The status with the figures behind it. */
export async function getDetails(ctx: TenantContext): Promise<DetailedStatus> {
  const { status, readiness, figures, eventLoopP99Ms } = await measure(ctx)
  const pools = [ctx.db.main.pool, ctx.db.ingest.pool]
  const sum = (read: (pool: (typeof pools)[number]) => number) => pools.reduce((total, pool) => total + read(pool), 0)
  return {
    ...status,
    database: {
      schemaVersion: readiness.schemaVersion,
      roundTripMs: readiness.checks.find(({ name }) => name === 'database')?.durationMs ?? null,
      connectionsMax: sum(({ options }) => options.max ?? 0),
      connectionsOpen: sum(({ totalCount }) => totalCount),
      connectionsBusy: sum(({ totalCount, idleCount }) => totalCount - idleCount),
      requestsWaiting: sum(({ waitingCount }) => waitingCount),
    },
    figures: figures === null || figures === 'late' ? { queues: [], workers: [] } : figures,
    requests: { ...(ctx.requestFigures?.() ?? NO_REQUESTS), eventLoopP99Ms },
  }
}
