import { operations } from '../../generated/operations.ts'
import type { AppContext, Vendor } from '../context.ts'
import { getEventLoopDelayMs, getFigures } from '../health/service.ts'
import { isFailure } from '../problem/problem.ts'
import { apiMetrics } from './catalogue.ts'
import { measureProcess } from './process.ts'
import { createMetrics, type Metrics } from './registry.ts'
import { type Format, render } from './render.ts'

/** What one API process counts. */
type ApiMetrics = Metrics<typeof apiMetrics>

/** By process: contexts of requests are copies that share its pools. */
const known = new WeakMap<AppContext['db'], ApiMetrics>()

function metricsOf({ db }: Pick<AppContext, 'db'>): ApiMetrics {
  const found = known.get(db)
  if (found !== undefined) return found
  const metrics = createMetrics(apiMetrics)
  known.set(db, metrics)
  return metrics
}

/** One answer of the server. */
export interface Answered {
  /** Undefined for files and unknown paths. */
  operationId: string | undefined
  status: number
  durationMs: number
  correlationId: string
}

/** Counts an answer; one to a delivery that failed here too, since most of these never get as far as their handler. */
export function countAnswer(ctx: AppContext, { operationId, status, durationMs, correlationId }: Answered): void {
  const metrics = metricsOf(ctx)
  const row = operationId === undefined ? undefined : operations[operationId as keyof typeof operations]
  const domain = row?.domain ?? 'other'
  metrics.add('skd_http_requests_total', { domain, status: classOf(status) })
  metrics.observe('skd_http_request_duration_seconds', { domain }, durationMs / 1_000, correlationId)
  if (operationId === undefined || !isFailure(status)) return
  metrics.add('skd_http_failures_total', { operation: operationId })
  const vendor = row && vendorOf(row)
  if (vendor !== undefined) metrics.add('skd_webhook_received_total', { vendor, result: 'failed' })
}

/** What is not built yet says so with a 501, to anybody who asks: that is neither a failure nor the caller's fault. */
function classOf(status: number): string {
  return status === 501 ? '501' : `${Math.floor(status / 100)}xx`
}

/** Whose deliveries the operation takes; undefined where it takes none. */
function vendorOf({ security }: { security: readonly (readonly string[])[] }): Vendor | undefined {
  const scheme = security.flat().find((name) => name.endsWith('Signature'))
  return scheme?.slice(0, -'Signature'.length) as Vendor | undefined
}

export type ItemKind = 'touchpoint' | 'browser_touchpoint' | 'conversion' | 'spend'

/** What became of the items of one request. */
export function countItems(
  ctx: AppContext,
  kind: ItemKind,
  { accepted, duplicates, rejected }: { accepted: number; duplicates: number; rejected: number },
): void {
  const metrics = metricsOf(ctx)
  metrics.add('skd_events_ingested_total', { kind, result: 'accepted' }, accepted)
  metrics.add('skd_events_ingested_total', { kind, result: 'duplicate' }, duplicates)
  metrics.add('skd_events_ingested_total', { kind, result: 'rejected' }, rejected)
}

export type DeliveryResult = 'accepted' | 'ignored' | 'duplicate' | 'dead'

/** Counts what taking a signed delivery answers, and how long it took. What it throws is counted with its answer. */
export async function countDelivery<T extends { result: DeliveryResult; faultClass?: string | null }>(
  ctx: AppContext & { correlationId: string },
  vendor: Vendor,
  taken: Promise<T>,
): Promise<T> {
  const started = performance.now()
  const metrics = metricsOf(ctx)
  try {
    const answer = await taken
    const { result, faultClass = null } = answer
    metrics.add('skd_webhook_received_total', { vendor, result })
    if (faultClass !== null) metrics.add('skd_failed_event_total', { vendor, class: faultClass })
    return answer
  } finally {
    metrics.observe('skd_webhook_ack_duration_seconds', {}, (performance.now() - started) / 1_000, ctx.correlationId)
  }
}

/** What this process knows. Queue figures are as fresh as the database allows, and otherwise as they were. */
export async function getMetrics(ctx: AppContext, format: Format): Promise<string> {
  const metrics = metricsOf(ctx)
  await refreshQueues(ctx, metrics)
  measureProcess(metrics)
  const delayMs = getEventLoopDelayMs(ctx)
  if (delayMs !== null) metrics.set('skd_event_loop_delay_seconds', {}, delayMs / 1_000)
  for (const [name, database] of Object.entries({ main: ctx.db.main, ingest: ctx.db.ingest, probe: ctx.db.probe })) {
    const { totalCount, idleCount, waitingCount } = database.pool
    metrics.set('skd_db_connections', { pool: name, state: 'busy' }, totalCount - idleCount)
    metrics.set('skd_db_connections', { pool: name, state: 'idle' }, idleCount)
    metrics.set('skd_db_connections', { pool: name, state: 'waiting' }, waitingCount)
  }
  return render(await metrics.read(), format)
}

async function refreshQueues(ctx: AppContext, metrics: ApiMetrics): Promise<void> {
  try {
    const { queues, workers, views, upkeep } = await getFigures(ctx)
    metrics.set('skd_queue_dead_tuples', {}, upkeep.deadTuples)
    metrics.set('skd_pg_oldest_xmin_age_seconds', {}, upkeep.oldestXminAgeS)
    for (const { name: queue, ready, active, failed, oldestReadyAgeS } of queues) {
      metrics.set('skd_queue_ready_jobs', { queue }, Number(ready))
      metrics.set('skd_queue_active_jobs', { queue }, Number(active))
      metrics.set('skd_queue_dead_letter_jobs', { queue }, Number(failed))
      metrics.set('skd_queue_oldest_ready_age_seconds', { queue }, oldestReadyAgeS ?? 0)
    }
    for (const { view, behindS } of views) metrics.set('skd_view_staleness_seconds', { view }, behindS)
    metrics.set('skd_workers', {}, workers.length)
    metrics.set('skd_queue_last_refresh_timestamp_seconds', {}, Date.now() / 1_000)
  } catch (err) {
    ctx.log.debug({ err }, 'the queue figures could not be read')
    metrics.add('skd_queue_refresh_errors_total', {})
  }
}
