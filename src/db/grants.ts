import { type Kysely, sql } from 'kysely'

/** The roles that the API logs in as. */
export const API_ROLES = ['app_ingest', 'app_user'] as const
export type ApiRole = (typeof API_ROLES)[number]

/**
 * What each role of the API was granted: one line for each privilege on each schema, table, column or function, such as
 * `update (full_at) on public.rate_limits`, in order. `npm run generate` prints them from a migrated database, and readiness
 * compares them with those of the one that it runs on.
 */
// biome-ignore lint/suspicious/noExplicitAny: asks the catalogue, which no row type describes
export async function listGrants(db: Kysely<any>): Promise<Record<ApiRole, string[]>> {
  const { rows } = await sql<{ role: ApiRole; granted: string }>`
    with role as materialized (
      select oid, rolname from pg_roles where rolname = any (${[...API_ROLES]})
    ), space as materialized (
      select oid, nspname, nspacl from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
    ), target as (
      select 'schema ' || nspname as name, null::text as "column", nspacl as acl from space
      union all
      select s.nspname || '.' || c.relname, null, c.relacl
      from pg_class as c join space as s on s.oid = c.relnamespace
      where c.relacl is not null
      union all
      select s.nspname || '.' || c.relname, a.attname, a.attacl
      from pg_attribute as a join pg_class as c on c.oid = a.attrelid join space as s on s.oid = c.relnamespace
      where a.attacl is not null and not a.attisdropped
      union all
      select s.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')', null, p.proacl
      from pg_proc as p join space as s on s.oid = p.pronamespace
      where p.proacl is not null
    )
    select r.rolname as role, lower(a.privilege_type) || coalesce(' (' || t."column" || ')', '') || ' on ' || t.name as granted
    from target as t
    cross join lateral aclexplode(t.acl) as a
    join role as r on r.oid = a.grantee`.execute(db)
  const lines: Record<ApiRole, string[]> = { app_ingest: [], app_user: [] }
  for (const { role, granted } of rows) lines[role].push(granted)
  for (const role of API_ROLES) lines[role].sort()
  return lines
}
