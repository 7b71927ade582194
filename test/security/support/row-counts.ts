import type { TestPlatform } from '../../support/platform.ts'

/** What the server counts of its callers, whatever they ask for. */
const COUNTERS: readonly string[] = ['rate_limits', 'internal.login_attempts']

export type RowCounts = ReadonlyMap<string, number>

/** How many rows each table of ours and of the queue holds, of all tenants, by name. */
export async function countRows(platform: TestPlatform): Promise<RowCounts> {
  const tables = (await listTables(platform)).filter((name) => !COUNTERS.includes(name))
  const counts = tables.map((name) => `select '${name}' as name, count(*)::integer as rows from ${name}`)
  const rows = await platform.query<{ name: string; rows: number }>(counts.join(' union all '))
  return new Map(rows.map(({ name, rows: count }) => [name, count]))
}

/** Every table in every schema that is not Postgres's own, with its schema. Throws when there are next to none. */
export async function listTables(platform: TestPlatform): Promise<string[]> {
  const tables = await platform.query<{ name: string }>(
    `select c.oid::regclass::text as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^pg_|^information_schema$' and not c.relispartition
     order by name`,
  )
  if (tables.length < 20) throw new Error(`only ${tables.length} tables`)
  return tables.map(({ name }) => name)
}
