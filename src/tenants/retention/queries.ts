import { type RawBuilder, sql } from 'kysely'
import type { Lookup } from '../../db/connect.ts'
import type { Tx } from '../../db/tenant.ts'
import { type RetentionItem, SUPERSEDED_ITEMS } from './rules.ts'

export interface RetainedTenant {
  tenantId: string
  retentionDays: number
  isOffboarded: boolean
}

/** The tenant of the transaction. As app_retention, like all of this file. */
export async function findRetention(tx: Tx, tenantId: string): Promise<RetainedTenant | undefined> {
  const { rows } = await sql<RetainedTenant>`
    select tenant_id as "tenantId", retention_days as "retentionDays", offboarded_at is not null as "isOffboarded"
    from tenants
    where tenant_id = ${tenantId}`.execute(tx)
  return rows[0]
}

/** Slugs and ids in the order of the slugs, after `after`. */
export async function listSlugs(
  lookup: Lookup,
  after: string,
  limit: number,
): Promise<{ slug: string; tenantId: string }[]> {
  const { rows } = await sql<{ slug: string; tenantId: string }>`
    select slug, tenant_id as "tenantId"
    from tenant_slugs
    where slug collate "C" > ${after}
    order by slug collate "C"
    limit ${limit}`.execute(lookup)
  return rows
}

/** Of an edition that was superseded, or given up, before. */
const ofSuperseded = (cutoff: Date) => sql<boolean>`
    exists (select from attribution_editions as e
            where e.tenant_id = t.tenant_id and e.edition_id = t.edition_id and e.superseded_at < ${cutoff})`

/** Of such an edition, and of what is no order any more: credits of orders go with them. */
const ofNoOrder = (cutoff: Date) => sql<boolean>`
    ${ofSuperseded(cutoff)}
    and not exists (select from attribution_orders as o
                    where o.tenant_id = t.tenant_id and o.edition_id = t.edition_id and o.order_key = t.order_key)`

/** Rows whose time has come: which `remove_expired` and `remove_superseded` take. */
const DUE: Record<RetentionItem, (cutoff: Date) => RawBuilder<boolean>> = {
  touchpoints: (cutoff) => sql`t.occurred_at < ${cutoff}`,
  order_facts: (cutoff) => sql`t.identity is not null and t.ordered_at < ${cutoff}`,
  conversions: (cutoff) => sql`t.identity is not null and t.occurred_at < ${cutoff}`,
  webhook_events: (cutoff) => sql`
    t.received_at < ${cutoff}
    and t.received_at > '-infinity'
    and t.received_at >= coalesce((select max(r.cutoff) from retention_runs as r
                                   where r.tenant_id = t.tenant_id and r.item = 'webhook_events' and r.finished_at is not null), '-infinity')
    and internal.has_identity(t.payload)`,
  dead_events: (cutoff) => sql`t.payload is not null and t.received_at < ${cutoff}`,
  dead_event_bodies: (cutoff) => sql`t.created_at < ${cutoff}`,
  idempotency_keys: (cutoff) => sql`t.expires_at < ${cutoff}`,
  sessions: (cutoff) => sql`least(t.ended_at, t.expires_at) < ${cutoff}`,
  member_invitations: (cutoff) => sql`t.expires_at < ${cutoff}`,
  webhook_secrets: (cutoff) => sql`t.not_after < ${cutoff}`,
  data_requests: (cutoff) => sql`t.expires_at < ${cutoff}`,
  browser_errors: (cutoff) => sql`t.last_seen_at < ${cutoff}`,
  worker_failed_jobs: (cutoff) => sql`t.last_failed_at < ${cutoff} and t.status <> 'in_progress'`,
  worker_job_failures: (cutoff) => sql`
    t.failed_at < ${cutoff}
    and not exists (select from worker_failed_jobs as j where j.tenant_id = t.tenant_id and j.job_id = t.job_id)`,
  job_effects: (cutoff) => sql`
    t.entered_at < ${cutoff}
    and not exists (select from worker_failed_jobs as j where j.tenant_id = t.tenant_id and j.job_id = t.job_id)`,
  attribution_orders: ofSuperseded,
  attribution_entry_credits: ofNoOrder,
  attribution_touch_credits: ofNoOrder,
  published_windows: ofSuperseded,
  attribution_window_runs: (cutoff) => sql`
    t.created_at < ${cutoff}
    and not exists (select from published_windows as p
                    where p.tenant_id = t.tenant_id and p.window_run_id = t.window_run_id
                      and not exists (select from attribution_editions as e
                                      where e.tenant_id = p.tenant_id and e.edition_id = p.edition_id and e.superseded_at < ${cutoff}))`,
}

/** For a dry run. */
export async function countDue(tx: Tx, tenantId: string, item: RetentionItem, cutoff: Date): Promise<number> {
  const { rows } = await sql<{ due: number }>`
    select count(*)::integer as "due"
    from ${sql.table(item)} as t
    where t.tenant_id = ${tenantId} and ${DUE[item](cutoff)}`.execute(tx)
  return rows[0]?.due ?? 0
}

/** Milliseconds; a count tells how much there is, and nothing waits for it for long. */
const MAX_COUNT_MS = 5_000

/** All rows of the tenant, out of an index. Throws for so many that it takes longer than some seconds. */
export async function countRows(tx: Tx, tenantId: string, item: RetentionItem): Promise<number> {
  await sql`select set_config('statement_timeout', ${String(MAX_COUNT_MS)}, true)`.execute(tx)
  const { rows } = await sql<{ rows: number }>`
    select count(*)::integer as "rows" from ${sql.table(item)} as t where t.tenant_id = ${tenantId}`.execute(tx)
  return rows[0]?.rows ?? 0
}

export async function insertRun(
  tx: Tx,
  run: { tenantId: string; runId: string; item: RetentionItem; cutoff: Date; lookedAt: number },
): Promise<void> {
  await sql`
    insert into retention_runs (tenant_id, run_id, item, cutoff, looked_at)
    values (${run.tenantId}, ${run.runId}, ${run.item}, ${run.cutoff}, ${run.lookedAt})`.execute(tx)
}

/** Where a batch ended: what it gave, for the one after it. */
export interface Position {
  /** As the database writes it: a Date has no microseconds. */
  lastAt: string | null
  lastId: string | null
}

export interface Removed extends Position {
  seen: number
  gone: number
}

/** One batch, after the one that ended at `after`. Fewer than `maxRows` were seen: there are no more. */
export async function removeExpired(
  tx: Tx,
  {
    tenantId,
    runId,
    item,
    cutoff,
    maxRows,
    after: { lastAt, lastId },
  }: { tenantId: string; runId: string; item: RetentionItem; cutoff: Date; maxRows: number; after: Position },
): Promise<Removed> {
  if (SUPERSEDED_ITEMS.has(item)) {
    const { rows } = await sql<Omit<Removed, keyof Position>>`
      select seen, gone from internal.remove_superseded(${tenantId}, ${runId}, ${item}, ${cutoff}, ${maxRows})`.execute(
      tx,
    )
    return { ...(rows[0] as Omit<Removed, keyof Position>), lastAt: null, lastId: null }
  }
  const { rows } = await sql<Removed>`
    select seen, gone, last_at::text as "lastAt", last_id as "lastId"
    from internal.remove_expired(${tenantId}, ${runId}, ${item}, ${cutoff}, ${maxRows}, ${lastAt}::timestamptz,
                                 ${lastId}::uuid)`.execute(tx)
  return rows[0] as Removed
}

/** What is of no tenant. */
export async function removeExpiredEverywhere(
  lookup: Lookup,
  now: Date,
  isDry: boolean,
): Promise<{ item: string; lookedAt: number; removed: number }[]> {
  const { rows } = await sql<{ item: string; lookedAt: number; removed: number }>`
    select item, looked_at::integer as "lookedAt", removed::integer as "removed"
    from internal.remove_expired_everywhere(${now}, ${isDry})`.execute(lookup)
  return rows
}

/** What was destroyed, by table. */
export async function offboardTenant(tx: Tx, tenantId: string): Promise<Record<string, number>> {
  await sql`select set_config('app.actor', 'operator', true)`.execute(tx)
  const { rows } = await sql<{ counts: Record<string, number> }>`
    select internal.offboard_tenant(${tenantId}) as counts`.execute(tx)
  return rows[0]?.counts ?? {}
}
