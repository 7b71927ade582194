import { sql } from 'kysely'
import type { Lookup } from '../../../db/connect.ts'
import type { Tx } from '../../../db/tenant.ts'

/** One publication at a time per tenant; held until the transaction ends. */
export async function lockTenant(tx: Tx, tenantId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('attribution/' || ${tenantId}, 0))`.execute(tx)
}

/** A moment before which everything that was committed is seen by the statements after this one. */
export async function readCutoff(tx: Tx): Promise<Date> {
  const { rows } = await sql<{ at: Date }>`select statement_timestamp() as at`.execute(tx)
  return (rows[0] as { at: Date }).at
}

export interface Changes {
  orderKeys: string[]
  /** Hexadecimal, each once; microseconds since 1970 of its first and its last touch. */
  visitors: { identity: string; fromUs: bigint; untilUs: bigint }[]
  /** All orders of these; in order of time, those that overlap or meet as one. */
  spans: Span[]
  /** How many rows these are. */
  taken: number
  /** When the oldest of those that are left was noted; null: none is. */
  leftSince: Date | null
}

/** Times as the database writes them, infinities among others; the end is excluded. */
export interface Span {
  from: string
  until: string
}

/**
 * Takes the oldest changes: they are gone if the transaction commits. What is committed later is not taken, and whatever
 * was taken is seen by the statements after this one.
 */
export async function takeChanges(tx: Tx, tenantId: string, limit: number): Promise<Changes> {
  const { rows } = await sql<Changes>`
    with first as (
      select change_id from attribution_changes where tenant_id = ${tenantId} order by change_id limit ${limit}
    ),
    seen as (
      select c.change_id, c.order_key, c.identity, c.from_at, c.until_at
      from attribution_changes as c join first as f on c.tenant_id = ${tenantId} and c.change_id = f.change_id
    ),
    taken as (
      delete from attribution_changes as c
      using seen as s
      where c.tenant_id = ${tenantId} and c.change_id = s.change_id
      returning c.change_id
    )
    select coalesce((select json_agg(distinct s.order_key) from seen as s where s.order_key is not null), '[]'::json) as "orderKeys",
           coalesce((select json_agg(json_build_object('identity', v.identity, 'fromUs', v.from_us::text, 'untilUs', v.until_us::text))
                     from (select encode(s.identity, 'hex') as identity,
                                  (extract(epoch from min(s.from_at)) * 1000000)::bigint as from_us,
                                  (extract(epoch from max(s.until_at)) * 1000000)::bigint as until_us
                           from seen as s where s.identity is not null group by s.identity) as v), '[]'::json) as visitors,
           coalesce((select json_agg(json_build_object('from', lower(m.span), 'until', upper(m.span)) order by m.span)
                     from (select unnest(range_agg(tstzrange(coalesce(s.from_at, '-infinity'), coalesce(s.until_at, 'infinity'))))
                                  as span
                           from seen as s where num_nonnulls(s.order_key, s.identity) = 0) as m), '[]'::json) as spans,
           (select count(*)::integer from taken) as taken,
           (select c.recorded_at from attribution_changes as c
            where c.tenant_id = ${tenantId} and c.change_id > (select max(f.change_id) from first as f)
            order by c.change_id limit 1) as "leftSince"`.execute(tx)
  const { orderKeys, visitors, spans, taken, leftSince } = rows[0] as Changes
  return {
    orderKeys,
    visitors: visitors.map(({ identity, fromUs, untilUs }) => ({
      identity,
      fromUs: BigInt(fromUs),
      untilUs: BigInt(untilUs),
    })),
    spans,
    taken,
    leftSince,
  }
}

/** Notes that all orders of these spans are to be computed. */
export async function noteSpans(tx: Tx, tenantId: string, spans: readonly Span[]): Promise<void> {
  await sql`
    insert into attribution_changes (tenant_id, from_at, until_at)
    select ${tenantId}::uuid, s.from_at, s.until_at
    from unnest(${spans.map(({ from }) => from)}::timestamptz[], ${spans.map(({ until }) => until)}::timestamptz[])
         as s (from_at, until_at)`.execute(tx)
}

/** All that are there: for a tenant of whom nothing was ever computed, since what follows reads the data itself. */
export async function removeAllChanges(tx: Tx, tenantId: string): Promise<void> {
  await sql`delete from attribution_changes where tenant_id = ${tenantId}`.execute(tx)
}

/** Whose changes have waited for so long that nobody seems to be about to publish them. */
export async function listUnpublishedTenants(lookup: Lookup, waitingSeconds: number): Promise<string[]> {
  const { rows } = await sql<{ tenantId: string }>`
    select tenant_id as "tenantId" from internal.list_unpublished_tenants(${waitingSeconds}::integer)`.execute(lookup)
  return rows.map(({ tenantId }) => tenantId)
}
