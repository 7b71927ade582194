import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Database, Lookup } from '../db/connect.ts'
import { API_ROLES, type ApiRole, listGrants } from '../db/grants.ts'
import { inTenant } from '../db/tenant.ts'

/**
 * Whether the database answers, and is open for writes: a standby answers and is not. A full disk is not seen here, nor by
 * a write of one row, which finds room where another went: the alert SkeldirWritesFail tells of it.
 */
export async function isWritable(lookup: Lookup): Promise<boolean> {
  const { rows } = await sql<{ writable: boolean }>`
    select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off' as writable`.execute(lookup)
  return rows[0]?.writable === true
}

/** The newest migration that the database has. */
export async function getSchemaVersion(lookup: Lookup): Promise<string | null> {
  const { rows } = await sql<{ name: string | null }>`select max(name) as name from schema_migrations`.execute(lookup)
  return rows[0]?.name ?? null
}

/** Whether the pool has a connection to give. */
export async function checkOut(lookup: Lookup): Promise<void> {
  await sql`select`.execute(lookup)
}

/**
 * Tables with a tenant_id column whose row level security is not enabled and forced, or which are open to runtime roles
 * without being narrowed to the tenant.
 */
export async function listUnprotectedTables(lookup: Lookup): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace
      and c.relkind in ('r', 'p')
      and (not (c.relrowsecurity and c.relforcerowsecurity)
           or exists (select from pg_policy as p where p.polrelid = c.oid and p.polname = 'open_to_runtime')
              and not exists (select from pg_policy as p
                              where p.polrelid = c.oid and p.polname = 'tenant_only' and not p.polpermissive))
    order by name`.execute(lookup)
  return rows.map(({ name }) => name)
}

/** Of what each role needs: `select on public.tenants, for app_user`. */
export async function listMissingGrants(
  lookup: Lookup,
  needed: Readonly<Record<ApiRole, readonly string[]>>,
): Promise<string[]> {
  const granted = await listGrants(lookup)
  return API_ROLES.flatMap((role) => {
    const actual = new Set(granted[role])
    return needed[role].filter((line) => !actual.has(line)).map((line) => `${line}, for ${role}`)
  })
}

/** Whether the role of this process could see past the policies: then they protect nobody. */
export async function canBypassPolicies(lookup: Lookup): Promise<boolean> {
  const { rows } = await sql<{ can: boolean }>`
    select rolsuper or rolbypassrls as can from pg_roles where rolname = current_user`.execute(lookup)
  return rows[0]?.can !== false
}

/** Whether a tenant's context set in a transaction is seen by it and gone afterwards, on the same kind of connection. */
export async function roundTripTenantContext(db: Database): Promise<boolean> {
  const tenantId = randomUUID()
  const inside = await inTenant(db, { tenantId, correlationId: tenantId }, async (tx) => {
    const { rows } = await sql<{ seen: string }>`select current_setting('app.current_tenant_id', true) as seen`.execute(
      tx,
    )
    return rows[0]?.seen
  })
  const { rows } = await sql<{
    seen: string | null
  }>`select current_setting('app.current_tenant_id', true) as seen`.execute(db.lookup)
  return inside === tenantId && !rows[0]?.seen
}

/**
 * Asks a question that only a worker answers, and queues it; or, where one waits for its answer already, goes on waiting
 * for that. Answers the id of the one to wait for.
 */
export async function askWorker(lookup: Lookup, probeId: string): Promise<string> {
  const { rows } = await sql<{ probeId: string }>`
    with waiting as (
      select probe_id from worker_probes where answered_at is null order by requested_at limit 1
    ), asked as (
      insert into worker_probes (probe_id)
      select ${probeId}::uuid where not exists (select from waiting)
      returning probe_id
    ), queued as materialized (
      select internal.enqueue_job('probe', '{"job": "health.answer_probe"}'::jsonb)
    )
    select probe_id as "probeId" from (select * from waiting union all select * from asked) as q, queued`.execute(
    lookup,
  )
  return (rows[0] as { probeId: string }).probeId
}

/** Who answered; undefined while nobody has. */
export async function findAnswer(lookup: Lookup, probeId: string): Promise<string | undefined> {
  const { rows } = await sql<{ workerId: string }>`
    select worker_id as "workerId"
    from worker_probes
    where probe_id = ${probeId}::uuid and answered_at is not null`.execute(lookup)
  return rows[0]?.workerId
}

export interface QueueFigures {
  name: string
  ready: bigint
  active: bigint
  failed: bigint
  oldestReadyAgeS: number | null
}

/** In the order of the names. */
export async function measureQueues(lookup: Lookup): Promise<QueueFigures[]> {
  const { rows } = await sql<QueueFigures>`
    select name, ready, active, failed, oldest_ready_age_seconds as "oldestReadyAgeS"
    from internal.measure_queues()`.execute(lookup)
  return rows
}

export interface Horizon {
  /** As PostgreSQL estimates. */
  deadTuples: number
  /** The oldest transaction that anything in this database still looks back to; null where that is the newest. */
  oldestXmin: string | null
}

/** What cleaning up the queue's tables depends on; any role may see this much of others' sessions. */
export async function measureHorizon(lookup: Lookup): Promise<Horizon> {
  const { rows } = await sql<Horizon>`
    with held as (
      select xid
      from pg_stat_activity as a, unnest(array[a.backend_xmin, a.backend_xid]) as xid
      where a.datid = (select oid from pg_database where datname = current_database())
        and a.pid <> pg_backend_pid()
        and a.usesysid is not null   -- autovacuum holds back nobody else
      union all
      select transaction from pg_prepared_xacts where database = current_database()
    )
    select (select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables where schemaname = 'pgboss')::double precision
             as "deadTuples",
           (select xid::text from held where age(xid) > 0 order by age(xid) desc limit 1) as "oldestXmin"`.execute(
    lookup,
  )
  return rows[0] as Horizon
}

export interface WorkerFigures {
  workerId: string
  activeJobs: number
  lastSeenAt: Date
}

/** Those that gave a sign of life in the last minute, by the clock of the database. */
export async function listWorkers(lookup: Lookup): Promise<WorkerFigures[]> {
  const { rows } = await sql<WorkerFigures>`
    select worker_id as "workerId", active_jobs as "activeJobs", last_seen_at as "lastSeenAt"
    from worker_heartbeats
    where last_seen_at > now() - interval '1 minute'
    order by worker_id
    limit 1000`.execute(lookup)
  return rows
}

/** Also removes what is left of workers that ended without a word. */
export async function beat(
  lookup: Lookup,
  { workerId, activeJobs }: { workerId: string; activeJobs: number },
): Promise<void> {
  await sql`
    with gone as (delete from worker_heartbeats where last_seen_at < now() - interval '1 hour' and worker_id <> ${workerId})
    insert into worker_heartbeats (worker_id, active_jobs) values (${workerId}, ${activeJobs})
    on conflict (worker_id) do update set active_jobs = excluded.active_jobs, last_seen_at = clock_timestamp()`.execute(
    lookup,
  )
}

export async function removeHeartbeat(lookup: Lookup, workerId: string): Promise<void> {
  await sql`delete from worker_heartbeats where worker_id = ${workerId}`.execute(lookup)
}
