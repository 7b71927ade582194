import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import { connect, type Database } from '../../src/db/connect.ts'
import { inTenant, type Tx } from '../../src/db/tenant.ts'
import { createRandom, type Random, uuid } from '../demo/random.ts'

/** What happens in the middle of a transaction, and how many of 1,000 meet it: the slow ones are rare enough to finish. */
const TROUBLES = {
  none: 740,
  throws: 100,
  'statement fails': 80,
  'error swallowed': 60,
  'statement times out': 5,
  cancelled: 5,
  'backend terminated': 5,
  'client disconnects': 5,
} as const
type Trouble = keyof typeof TROUBLES

const CONNECTIONS = 4
/** Transactions that wait for a connection at a time. */
const IN_FLIGHT = 40
const STATEMENT_TIMEOUT_MS = '20'

export interface PoolOptions {
  /** As app_user. */
  url: string
  /** A superuser, who cancels and terminates. */
  adminUrl: string
  /** Tenants that have one row in `tenants` each. */
  tenants: readonly string[]
  transactions: number
  seed: number
  /** What is put to the test; another one only to see that faults of it are noticed. */
  run?: typeof inTenant
}

export interface PoolResult {
  transactions: number
  connections: number
  /** Connections that were looked at as they were handed out again, and how many were made over all. */
  handedOut: number
  made: number
  troubles: Record<Trouble, number>
  /** Rows of another tenant, a context that was left behind, an outcome that is not what the trouble gives. */
  faults: string[]
}

/**
 * Runs transactions of several tenants through `inTenant` on a small shared pool, with errors, time-outs, cancelled
 * statements and lost connections among them. Whenever a connection is handed out it must have no context, no open
 * transaction and no role but its own; no transaction may see a row of another tenant.
 */
export async function shakePool(options: PoolOptions): Promise<PoolResult> {
  const { url, seed, run = inTenant } = options
  const random = createRandom(seed, 'isolation pool')
  const log = pino({ level: 'silent' })
  const db = connect({
    url,
    applicationName: 'skeldir isolation pool',
    max: CONNECTIONS,
    log,
  })
  const admin = new pg.Pool({ connectionString: options.adminUrl, application_name: 'skeldir isolation', max: 2 })
  admin.on('error', () => {})
  const result: PoolResult = {
    transactions: 0,
    connections: CONNECTIONS,
    handedOut: 0,
    made: 0,
    troubles: Object.fromEntries(Object.keys(TROUBLES).map((trouble) => [trouble, 0])) as Record<Trouble, number>,
    faults: [],
  }
  db.pool.on('connect', () => {
    result.made += 1
  })
  const watched = { ...watch(db, result), run, admin }
  try {
    const lane = async () => {
      while (result.transactions < options.transactions) {
        result.transactions += 1
        await transact(
          watched,
          { tenantId: random.pick(options.tenants), trouble: pickTrouble(random), correlationId: uuid(random) },
          result,
        )
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
    await inspectIdle(db, result)
  } finally {
    await db.close()
    await admin.end()
  }
  return result
}

function pickTrouble(random: Random): Trouble {
  return random.pickWeighted(
    Object.entries(TROUBLES).map(([trouble, weight]) => ({ trouble: trouble as Trouble, weight })),
  ).trouble
}

const LEFT_BEHIND = `
  select pg_backend_pid() as pid, coalesce(current_setting('app.current_tenant_id', true), '') || coalesce(current_setting('app.correlation_id', true), '')
           || coalesce(current_setting('app.execution_context', true), '') as context,
         pg_current_xact_id_if_assigned() is not null as open, current_user <> session_user as changed,
         (select count(*)::integer from tenants) as rows`

interface LeftBehind {
  pid: number
  context: string
  open: boolean
  changed: boolean
  rows: number
}

interface Watched {
  db: Database
  /** The sockets of the connections, by the process that serves each. */
  sockets: Map<number, Socket>
}

/** The same pool, which looks at each connection before it hands it out. */
function watch(db: Database, result: PoolResult): Watched {
  const sockets = new Map<number, Socket>()
  const handOut = async () => {
    const client = await db.pool.connect()
    const left = await inspect(client, result)
    const { connection } = client as unknown as { connection: { stream: Socket } }
    sockets.set(left.pid, connection.stream)
    return client
  }
  return { db: { ...db, pool: { connect: handOut } as unknown as pg.Pool }, sockets }
}

async function inspect(client: pg.PoolClient, result: PoolResult): Promise<LeftBehind> {
  const { rows } = await client.query<LeftBehind>(LEFT_BEHIND)
  const left = rows[0] as LeftBehind
  result.handedOut += 1
  if (left.context !== '') result.faults.push(`the context ${left.context} was left on a connection`)
  if (left.open) result.faults.push('a transaction was left open on a connection')
  if (left.changed) result.faults.push('a role was left on a connection')
  if (left.rows > 0) result.faults.push(`${left.rows} tenants are seen on a connection without a context`)
  return left
}

async function inspectIdle(db: Database, result: PoolResult): Promise<void> {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => db.pool.connect()))
  for (const client of clients) {
    await inspect(client, result)
    client.release()
  }
}

interface Plan {
  tenantId: string
  trouble: Trouble
  correlationId: string
}

/** What `inTenant` must give for each trouble: nothing, or an error with this name or SQLSTATE. */
const OUTCOMES: Record<Trouble, readonly string[]> = {
  none: ['done'],
  throws: ['planned'],
  'statement fails': ['22012'],
  'error swallowed': ['TransactionLost'],
  'statement times out': ['57014'],
  cancelled: ['57014'],
  'backend terminated': ['57P01', 'Error'],
  'client disconnects': ['Error', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED'],
}

async function transact(watched: Watched & { run: typeof inTenant; admin: pg.Pool }, plan: Plan, result: PoolResult) {
  const { db, sockets, admin, run } = watched
  const { tenantId, trouble, correlationId } = plan
  result.troubles[trouble] += 1
  const outcome = await run(db, { tenantId, correlationId }, async (tx) => {
    await read(tx, plan, result)
    await meet(trouble, tx, { admin, sockets })
    await read(tx, plan, result)
    return 'done'
  }).catch((error: Error & { code?: string }) => error.code ?? (error.message === 'planned' ? 'planned' : error.name))
  if (!OUTCOMES[trouble].includes(outcome)) result.faults.push(`a transaction that ${trouble} ended with ${outcome}`)
}

/** Unfiltered, so that the policy alone decides; in the failed transaction of `error swallowed` there is nothing to read. */
async function read(tx: Tx, { tenantId, trouble }: Plan, result: PoolResult): Promise<void> {
  const query = sql<{ tenantId: string; context: string }>`
    select tenant_id as "tenantId", current_setting('app.current_tenant_id', true) as context from tenants`.execute(tx)
  const rows = await (trouble === 'error swallowed'
    ? query.then(
        (answer) => answer.rows,
        () => null,
      )
    : query.then((answer) => answer.rows))
  if (rows === null) return
  const isOwn = rows.length === 1 && rows[0]?.tenantId === tenantId && rows[0].context === tenantId
  if (!isOwn) result.faults.push(`tenant ${tenantId} saw ${rows.map((row) => row.tenantId).join(', ') || 'nothing'}`)
}

async function meet(trouble: Trouble, tx: Tx, outside: Outside): Promise<void> {
  switch (trouble) {
    case 'none':
      return
    case 'throws':
      throw new Error('planned')
    case 'statement fails':
      await sql`select 1 / 0`.execute(tx)
      return
    case 'error swallowed':
      await sql`select 1 / 0`.execute(tx).catch(() => {})
      return
    case 'statement times out':
      await sql`select set_config('statement_timeout', ${STATEMENT_TIMEOUT_MS}, true)`.execute(tx)
      await sql`select pg_sleep(20)`.execute(tx)
      return
    default:
      await interrupt(trouble, tx, outside)
  }
}

interface Outside extends Pick<Watched, 'sockets'> {
  admin: pg.Pool
}

/** From outside, while a statement runs. */
async function interrupt(trouble: Trouble, tx: Tx, { admin, sockets }: Outside): Promise<void> {
  const { rows } = await sql<{ pid: number }>`
    select pg_backend_pid() as pid, set_config('statement_timeout', '60s', true)`.execute(tx)
  const { pid } = rows[0] as { pid: number }
  const asleep = sql`select pg_sleep(20)`.execute(tx)
  asleep.catch(() => {})
  await untilActive(admin, pid)
  if (trouble === 'cancelled') await admin.query('select pg_cancel_backend($1)', [pid])
  else if (trouble === 'backend terminated') await admin.query('select pg_terminate_backend($1)', [pid])
  else sockets.get(pid)?.destroy()
  await asleep
}

async function untilActive(admin: pg.Pool, pid: number): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const { rowCount } = await admin.query(
      "select from pg_stat_activity where pid = $1 and state = 'active' and query like '%pg_sleep%'",
      [pid],
    )
    if (rowCount === 1) return
    await sleep(1)
  }
}
