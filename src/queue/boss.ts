import { PgBoss } from 'pg-boss'
import type { AppContext } from '../context.ts'

interface BossOptions {
  /** As app_worker. */
  databaseUrl: string
  /** Shown in pg_stat_activity. */
  name: string
  /** Connections at most. */
  max: number
  /** True in the leader only: finds jobs whose worker is gone or that took too long, removes old ones, and keeps the schedules. */
  isLeader: boolean
  /** True: holds a connection that hears of new jobs. */
  listens: boolean
}

/**
 * Goes to pg with the rest: a database that says nothing would be waited for as long as TCP does. Milliseconds; whoever leads also
 * asks for what takes longer, such as to remove what is old. A worker whose signs of life hang is taken for dead after 10 s.
 */
const silenceOf = (isLeader: boolean): object => ({ query_timeout: isLeader ? 30_000 : 8_000, keepAlive: true })

/** It neither creates nor migrates anything: see `install.ts`. */
export function createBoss(ctx: AppContext, { databaseUrl, name, max, isLeader, listens }: BossOptions): PgBoss {
  const boss = new PgBoss({
    connectionString: withPlans(databaseUrl),
    application_name: name,
    max,
    connectionTimeoutMillis: 3_000,
    ...silenceOf(isLeader),
    migrate: false,
    createSchema: false,
    schedule: isLeader,
    supervise: isLeader,
    reindex: false,
    useListenNotify: listens,
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
    // No job waits for another here; to look for some that do takes longer the more jobs are kept.
    flowIntervalSeconds: 3_600,
  })
  // The error of a lost connection carries the whole client with it: only what it says is logged.
  boss.on('error', reportSparsely(ctx))
  boss.on('warning', (warning) => ctx.log.warn({ warning }, 'the queue warns'))
  return boss
}

const NO_NESTED_LOOP = '-c enable_nestloop=off'

/**
 * A batch of jobs is completed by a join with what is active, of which statistics never know how much there is: with the nested
 * loop that they suggest it took 250 ms for 500 jobs, and 5 without (measured).
 */
export function withPlans(databaseUrl: string): string {
  const url = new URL(databaseUrl)
  const given = url.searchParams.get('options')
  url.searchParams.set('options', given === null ? NO_NESTED_LOOP : `${given} ${NO_NESTED_LOOP}`)
  return url.href
}

const REPEAT_AFTER_MS = 30_000

/** pg-boss reports a lost database several times a second; the same fault is one line each half minute. */
function reportSparsely(ctx: AppContext): (error: Error) => void {
  const reportedAt = new Map<string, number>()
  return ({ message }) => {
    const fault = message.replace(/ \(Queue: [^()]*\)$/, '')
    const now = performance.now()
    const last = reportedAt.get(fault)
    if (last !== undefined && now - last < REPEAT_AFTER_MS) return
    if (reportedAt.size > 100) reportedAt.clear()
    reportedAt.set(fault, now)
    ctx.log.warn({ error: fault }, 'the queue reported an error')
  }
}
