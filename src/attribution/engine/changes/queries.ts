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
  /** Ids of those that may have changed every order. */
  everything: bigint[]
  /** How many rows these are. */
  taken: number
}

/**
 * Takes the oldest changes: they are gone if the transaction commits. What is committed later is not taken, and whatever
 * was taken is seen by the statements after this one. Those that mean everything are told of and stay.
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
      where c.tenant_id = ${tenantId} and c.change_id = s.change_id and num_nonnulls(s.order_key, s.identity) > 0
      returning c.change_id
    )
    select coalesce((select json_agg(distinct s.order_key) from seen as s where s.order_key is not null), '[]'::json) as "orderKeys",
           coalesce((select json_agg(json_build_object('identity', v.identity, 'fromUs', v.from_us::text, 'untilUs', v.until_us::text))
                     from (select encode(s.identity, 'hex') as identity,
                                  (extract(epoch from min(s.from_at)) * 1000000)::bigint as from_us,
                                  (extract(epoch from max(s.until_at)) * 1000000)::bigint as until_us
                           from seen as s where s.identity is not null group by s.identity) as v), '[]'::json) as visitors,
           coalesce((select json_agg(s.change_id::text) from seen as s where num_nonnulls(s.order_key, s.identity) = 0),
                    '[]'::json) as everything,
           (select count(*)::integer from taken) as taken`.execute(tx)
  const { orderKeys, visitors, everything, taken } = rows[0] as Changes
  return {
    orderKeys,
    visitors: visitors.map(({ identity, fromUs, untilUs }) => ({
      identity,
      fromUs: BigInt(fromUs),
      untilUs: BigInt(untilUs),
    })),
    everything: everything.map(BigInt),
    taken,
  }
}

/** Of changes whose orders were all computed since. */
export async function removeChanges(tx: Tx, tenantId: string, changeIds: readonly bigint[]): Promise<void> {
  await sql`
    delete from attribution_changes
    where tenant_id = ${tenantId} and change_id = any (${changeIds.map(String)}::bigint[])`.execute(tx)
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
