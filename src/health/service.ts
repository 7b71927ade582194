import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { AppContext } from '../context.ts'
import { newestMigration } from '../db/migrate.ts'
import { ProblemError, type ProblemItem } from '../problem/problem.ts'
import {
  askWorker,
  canBypassPolicies,
  findAnswer,
  getSchemaVersion,
  isWritable,
  listUnprotectedTables,
  roundTripTenantContext,
} from './queries.ts'

type CheckName = 'database' | 'schema' | 'row_level_security' | 'tenant_context'

export interface Check {
  name: CheckName
  durationMs: number
}

/** A check that takes longer has failed: whoever asks wants to know now. */
const CHECK_TIMEOUT_MS = 2_000
/** How long a worker has to answer. It polls twice a second. */
const PROBE_TIMEOUT_MS = 2_000
const PROBE_POLL_MS = 50
/** An answer is good for this long, so that many askers are one probe. */
const PROBE_FRESH_MS = 1_000
const RETRY_AFTER_SECONDS = '5'

/** Whether this process can serve requests now, each part tried for real. Throws `not_ready` with the parts that failed. */
export async function checkReadiness(ctx: AppContext): Promise<Check[]> {
  const { lookup } = ctx.db.main
  const outcomes = await Promise.all([
    tryCheck(ctx, 'database', async () => {
      if (!(await isWritable(lookup))) throw new CheckFailed('The database is read-only.')
    }),
    tryCheck(ctx, 'schema', async () => {
      const [actual, expected] = [await getSchemaVersion(lookup), await newestMigration()]
      if (actual === null || actual < expected)
        throw new CheckFailed(`The database is at ${actual ?? 'nothing'}, this code needs ${expected}.`)
    }),
    tryCheck(ctx, 'row_level_security', async () => {
      if (await canBypassPolicies(lookup))
        throw new CheckFailed('The role in DATABASE_URL is not bound by row level security.')
      const open = await listUnprotectedTables(lookup)
      if (open.length > 0) throw new CheckFailed(`Row level security is not forced on: ${open.join(', ')}.`)
    }),
    tryCheck(ctx, 'tenant_context', async () => {
      if (!(await roundTripTenantContext(ctx.db.main)))
        throw new CheckFailed('The tenant of a transaction does not end with it.')
    }),
  ])
  const failed = outcomes.filter((outcome): outcome is ProblemItem => 'pointer' in outcome)
  reportChange(ctx, failed)
  if (failed.length > 0) {
    const names = failed.map(({ pointer }) => pointer.replace('/checks/', '')).join(', ')
    throw new ProblemError('not_ready', `Not ready: ${names}.`, {
      errors: failed,
      headers: { 'Retry-After': RETRY_AFTER_SECONDS },
    })
  }
  return outcomes as Check[]
}

const lastFailed = new WeakMap<AppContext['db'], string>()

/** One line when it turns bad, worse or good: whoever asks every second must not fill the log. */
function reportChange(ctx: AppContext, failed: readonly ProblemItem[]): void {
  const names = failed.map(({ pointer }) => pointer).join(' ')
  const before = lastFailed.get(ctx.db) ?? ''
  lastFailed.set(ctx.db, names)
  if (names === before) return
  if (failed.length === 0) ctx.log.warn('ready again')
  else ctx.log.warn({ checks: failed.map(({ pointer, detail }) => ({ pointer, detail })) }, 'not ready')
}

/** What a check found; its message is public. */
class CheckFailed extends Error {
  override name = 'CheckFailed'
}

async function tryCheck(ctx: AppContext, name: CheckName, check: () => Promise<void>): Promise<Check | ProblemItem> {
  const started = performance.now()
  try {
    await within(CHECK_TIMEOUT_MS, check())
    return { name, durationMs: round(performance.now() - started) }
  } catch (error) {
    ctx.log.debug({ err: error, check: name }, 'a readiness check failed')
    const detail = error instanceof CheckFailed ? error.message : 'The database did not answer as it should.'
    return { pointer: `/checks/${name}`, code: 'failed', detail }
  }
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const timeout = new AbortController()
  try {
    const late = delay(timeoutMs, undefined, { signal: timeout.signal }).then(() => {
      throw new CheckFailed(`No answer within ${timeoutMs} ms.`)
    })
    late.catch(() => {})
    return await Promise.race([work, late])
  } finally {
    timeout.abort()
  }
}

export interface WorkerAnswer {
  workerId: string
  roundTripMs: number
  checkedAt: Date
}

type Probe = { at: number; answer: Promise<WorkerAnswer> }
const probes = new WeakMap<AppContext['db'], Probe>()

/**
 * A real round trip: a job is queued, a worker takes it and writes its answer, and the answer is read. Askers share one
 * probe, and an answer is good for a second. Throws `worker_unavailable` naming the part that is down.
 */
export function checkWorker(ctx: AppContext): Promise<WorkerAnswer> {
  const running = probes.get(ctx.db)
  if (running !== undefined && performance.now() - running.at < PROBE_FRESH_MS) return running.answer
  const probe: Probe = { at: Number.POSITIVE_INFINITY, answer: askAndWait(ctx) }
  probes.set(ctx.db, probe)
  const settle = () => {
    probe.at = performance.now()
  }
  probe.answer.then(settle, settle)
  return probe.answer
}

async function askAndWait(ctx: AppContext): Promise<WorkerAnswer> {
  const { lookup } = ctx.db.main
  const started = performance.now()
  try {
    await within(CHECK_TIMEOUT_MS, isWritable(lookup))
  } catch (cause) {
    throw unavailable('database', 'The database does not answer.', cause)
  }
  const probeId = randomUUID()
  try {
    await within(CHECK_TIMEOUT_MS, askWorker(lookup, probeId))
  } catch (cause) {
    throw unavailable('queue', 'The queue takes no job.', cause)
  }
  while (performance.now() - started < PROBE_TIMEOUT_MS) {
    await delay(PROBE_POLL_MS)
    const answer = await within(CHECK_TIMEOUT_MS, findAnswer(lookup, probeId)).catch((cause) => {
      throw unavailable('database', 'The database does not answer.', cause)
    })
    if (answer !== undefined)
      return { workerId: answer.workerId, roundTripMs: round(performance.now() - started), checkedAt: ctx.clock() }
  }
  throw unavailable('worker', `No worker answered within ${PROBE_TIMEOUT_MS} ms.`)
}

function unavailable(part: 'database' | 'queue' | 'worker', detail: string, cause?: unknown): ProblemError {
  return new ProblemError('worker_unavailable', detail, {
    cause,
    errors: [{ pointer: `/${part}`, code: 'down', detail }],
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  })
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}
