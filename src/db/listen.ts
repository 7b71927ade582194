import { setTimeout as sleep } from 'node:timers/promises'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Logger } from 'pino'
import type { Lookup } from './connect.ts'

export interface ListenOptions {
  url: string
  /** Shown in pg_stat_activity. */
  applicationName: string
  channel: string
  log: Logger
  /** When somebody notified, and when the connection is there (again), since what came in between was missed. */
  onSignal: () => void
}

/** One connection of its own that listens on one channel. */
export interface Listener {
  /** For reads on that connection; null while there is none. */
  connected(): Lookup | null
  /** Gives the connection up for a new one: for whoever finds that it does not answer. */
  drop(reason: string): void
  close(): Promise<void>
}

/** Milliseconds. A notification must reach a process within a second; a silent peer is found out by the reads. */
const CONNECT_TIMEOUT_MS = 2_000
const QUERY_TIMEOUT_MS = 1_000
const GOODBYE_MS = 200
const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 1_000

/**
 * Listens until it is closed, over as many connections as that takes: one that breaks is replaced, with pauses from 0.1
 * to 1 s between attempts. Never throws; behind a pooler that has no LISTEN it only serves reads.
 */
export function listen({ url, applicationName, channel, log, onSignal }: ListenOptions): Listener {
  const closing = new AbortController()
  let current: { client: pg.Client; lookup: Lookup } | null = null
  let lose: ((reason: string) => void) | null = null

  async function holdOne(): Promise<void> {
    const client = new pg.Client({
      connectionString: url,
      application_name: applicationName,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      statement_timeout: QUERY_TIMEOUT_MS,
    })
    const lost = new Promise<string>((resolve) => {
      lose = resolve
      client.on('error', ({ message }) => resolve(message))
      client.on('end', () => resolve('the connection ended'))
    })
    try {
      client.on('notification', onSignal)
      const open = client.connect().then(() => client.query(`listen ${pg.escapeIdentifier(channel)}`))
      const early = await Promise.race([open.then(() => null), lost])
      if (early !== null) throw new Error(early)
      current = { client, lookup: lookupOn(client) }
      onSignal()
      const reason = await lost
      if (!closing.signal.aborted) log.warn({ error: reason, channel }, 'a listening connection was lost')
    } finally {
      current = null
      lose = null
      client.removeAllListeners('notification')
      await leave(client)
    }
  }

  async function run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!closing.signal.aborted) {
      const before = performance.now()
      await holdOne().catch(({ message }: Error) => log.debug({ error: message, channel }, 'cannot listen'))
      pauseMs = performance.now() - before > MAX_PAUSE_MS ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, MAX_PAUSE_MS)
      await sleep(pauseMs, undefined, { signal: closing.signal, ref: false }).catch(() => {})
    }
  }

  const running = run()
  return {
    connected: () => current?.lookup ?? null,
    drop: (reason) => lose?.(reason),
    async close() {
      closing.abort()
      lose?.('closed')
      await running
    },
  }
}

/** Says goodbye, and hangs up when a silent peer does not answer it. */
async function leave(client: pg.Client): Promise<void> {
  const timer = new AbortController()
  const late = sleep(GOODBYE_MS, undefined, { signal: timer.signal, ref: false }).catch(() => {})
  await Promise.race([client.end().catch(() => {}), late])
  timer.abort()
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection
  stream.destroy()
}

function lookupOn(client: pg.Client): Lookup {
  const connection = { query: client.query.bind(client), release: () => {} }
  return new Kysely({
    dialect: new PostgresDialect({
      pool: { connect: () => Promise.resolve(connection as never), end: () => Promise.resolve() } as never,
    }),
  })
}
