import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { PgBoss } from 'pg-boss'
import type { AppContext } from '../context.ts'
import { createBoss } from './boss.ts'
import type { Task } from './job.ts'

/** Milliseconds between two tries to become the leader, and between two looks at the connection of whoever is. */
const INTERVAL_MS = 1_000
const TIMEOUT_MS = 3_000
/** Seconds of silence after which the server ends the connection of whoever leads, and their lock with it. */
const SILENCE_S = 5

/** Jobs of the clock ask others to work, and take a moment: they wait behind no tenant's. */
const CLOCK_PRIORITY = 20

export interface Leader {
  isLeading(): boolean
  stop(): Promise<void>
}

/**
 * Keeps trying to become the one process that supervises the queue and keeps its schedules. Who leads holds a lock on a
 * connection of its own: when the process ends, the next one leads within about a second; when it hangs, or nothing comes through
 * from its host any more, after SILENCE_S, since the server waits no longer for a word. While two lead for a moment, since one has not noticed yet, everything that they do is claimed in the database.
 */
export function startLeader(ctx: AppContext, options: { tasks: readonly Task[]; databaseUrl: string }): Leader {
  const end = new AbortController()
  let isLeading = false
  const lead = async () => {
    const client = new pg.Client({
      connectionString: options.databaseUrl,
      application_name: 'skeldir queue leader',
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
      keepAlive: true,
    })
    const lost = new AbortController()
    client.on('error', () => lost.abort())
    client.on('end', () => lost.abort())
    const over = AbortSignal.any([end.signal, lost.signal])
    let boss: PgBoss | undefined
    try {
      await client.connect()
      await client.query(`set idle_session_timeout = '${SILENCE_S}s'`)
      while (!over.aborted && !(await tryLock(client))) await pause(over)
      if (over.aborted) return
      boss = createBoss(ctx, { ...options, name: 'skeldir queue leader', max: 2, isLeader: true, listens: false })
      await boss.start()
      await keepSchedules(boss, options.tasks)
      isLeading = true
      ctx.log.info('this process leads the queue')
      while (!over.aborted) {
        await client.query('select 1')
        await pause(over)
      }
    } finally {
      isLeading = false
      // The lock goes last: nobody leads before we have stopped.
      await boss?.stop({ graceful: false, close: true }).catch(() => {})
      await client.end().catch(() => {})
    }
  }
  const running = (async () => {
    while (!end.signal.aborted) {
      await lead().catch((error: Error) => ctx.log.debug({ error: error.message }, 'the queue has no leader here'))
      await pause(end.signal)
    }
  })()
  return {
    isLeading: () => isLeading,
    async stop() {
      end.abort()
      await running
    },
  }
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    "select pg_try_advisory_lock(hashtextextended('skeldir/queue-leader', 0)) as locked",
  )
  return rows[0]?.locked === true
}

/** Resolves after the interval, or at once when the signal aborts. */
async function pause(signal: AbortSignal): Promise<void> {
  await sleep(INTERVAL_MS, undefined, { signal }).catch(() => {})
}

/** The rows of the schedules are those of the tasks: no more, no less. */
async function keepSchedules(boss: PgBoss, tasks: readonly Task[]): Promise<void> {
  const wanted = new Map(
    tasks.flatMap(({ name, queue, cron }) => (cron === undefined ? [] : [[name, { queue, cron }]])),
  )
  for (const { name: queue, key } of await boss.getSchedules()) {
    if (wanted.get(key)?.queue !== queue) await boss.unschedule(queue, key)
  }
  for (const [name, { queue, cron }] of wanted)
    await boss.schedule(queue, cron, { job: name }, { key: name, tz: 'UTC', missed: 'once', priority: CLOCK_PRIORITY })
}
