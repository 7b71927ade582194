import { type TestPlatform, until } from './platform.ts'

/** Where something is kept of what comes in, or follows from it. */
const TABLES = [
  'webhook_events',
  'dead_events',
  'order_facts',
  'ledger_entries',
  'touchpoints',
  'conversions',
  'spend_versions',
  'attribution_day_runs',
  'attribution_entry_credits',
  'attribution_recompute_jobs',
  'pgboss.job',
] as const

/** How many rows each of these tables holds, of all tenants. */
export async function countStored(platform: TestPlatform): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const table of TABLES) {
    const [row] = await platform.query<{ rows: number }>(`select count(*)::integer as rows from ${table}`)
    counts[table] = row?.rows ?? Number.NaN
  }
  return counts
}

/**
 * The tables with a row that holds `text` in any column and any case: as text, inside JSON, or as the bytes of a bytea.
 * Looks through every table of the database, the queue's too. Throws when there is none to look through.
 */
export async function listTablesHolding(platform: TestPlatform, text: string): Promise<string[]> {
  const tables = await platform.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name
     from information_schema.tables
     where table_schema in ('public', 'pgboss') and table_type = 'BASE TABLE'
     order by name`,
  )
  if (tables.length < TABLES.length) throw new Error(`only ${tables.length} tables to look through`)
  const holding: string[] = []
  for (const { name } of tables) {
    const found = await platform.query(
      `select from ${name} as t
       where strpos(lower(to_jsonb(t)::text), lower($1)) > 0 or strpos(to_jsonb(t)::text, $2) > 0
       limit 1`,
      [text, Buffer.from(text).toString('hex')],
    )
    if (found.length > 0) holding.push(name)
  }
  return holding
}

/**
 * Waits until the workers have nothing left to do in these queues (`webhook`: all deliveries are in the ledger). A delivery's job ends only after the recompute that it calls for is
 * queued, so there is no moment in between at which nothing waits.
 */
export async function untilIdle(
  platform: TestPlatform,
  queues: readonly ('webhook' | 'attribution')[] = ['webhook', 'attribution'],
): Promise<void> {
  await until(
    () =>
      platform.query(
        `select data, state, output from pgboss.job
         where state in ('created', 'retry', 'active') and name = any ($1)`,
        [queues],
      ),
    (jobs) => jobs.length === 0,
    20_000,
  )
}
