import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Database, Lookup } from '../db/connect.ts'
import { inTenant } from '../db/tenant.ts'

/** Whether the database answers, and whether it takes writes: a standby or a full one answers and does not. */
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

/** Tables with a tenant_id column whose row level security is not enabled and forced. */
export async function listUnprotectedTables(lookup: Lookup): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace
      and c.relkind in ('r', 'p')
      and not (c.relrowsecurity and c.relforcerowsecurity)
    order by name`.execute(lookup)
  return rows.map(({ name }) => name)
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

/** Asks a question that only a worker answers, and queues it. */
export async function askWorker(lookup: Lookup, probeId: string): Promise<void> {
  await sql`
    with asked as (insert into worker_probes (probe_id) values (${probeId}::uuid))
    select internal.enqueue_job('probe', '{"job": "health.answer_probe"}'::jsonb)`.execute(lookup)
}

export async function findAnswer(
  lookup: Lookup,
  probeId: string,
): Promise<{ workerId: string; answeredAt: Date } | undefined> {
  const { rows } = await sql<{ workerId: string; answeredAt: Date }>`
    select worker_id as "workerId", answered_at as "answeredAt"
    from worker_probes
    where probe_id = ${probeId}::uuid and answered_at is not null`.execute(lookup)
  return rows[0]
}
