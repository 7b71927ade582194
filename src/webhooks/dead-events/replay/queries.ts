import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'
import { type DeadEventFilter, fitting } from '../queries.ts'
import type { KeptEvent } from './read-again.ts'

export type PendingFilter = Omit<DeadEventFilter, 'status' | 'replayId'>

/** The pending ones that fit, the oldest first. */
export async function listPending(
  tx: Tx,
  tenantId: string,
  filter: PendingFilter,
  limit: number,
): Promise<{ deadEventId: string }[]> {
  const { rows } = await sql<{ deadEventId: string }>`
    select d.dead_event_id as "deadEventId"
    from dead_events as d
    left join dead_event_states as s on s.tenant_id = d.tenant_id and s.dead_event_id = d.dead_event_id
    where ${fitting(tenantId, { ...filter, status: 'pending' })}
    order by d.received_at, d.dead_event_id
    limit ${limit}`.execute(tx)
  return rows
}

export async function insertReplay(
  tx: Tx,
  replay: { tenantId: string; filter: object; requestedBy: string | null; correlationId: string },
): Promise<{ replayId: string }> {
  return tx
    .insertInto('dead_event_replays')
    .values({
      tenant_id: replay.tenantId,
      filter: JSON.stringify(replay.filter),
      requested_by: replay.requestedBy,
      correlation_id: replay.correlationId,
    })
    .returning('replay_id as replayId')
    .executeTakeFirstOrThrow()
}

/** Gives the pending ones that fit to a run, the oldest first; how many. Of two runs at once each is taken by one. */
export async function takePending(
  tx: Tx,
  tenantId: string,
  replayId: string,
  filter: PendingFilter,
  limit: number,
): Promise<number> {
  const { rows } = await sql<{ taken: number }>`
    with fitting as (
      select d.dead_event_id, row_number() over (order by d.received_at, d.dead_event_id) as place
      from dead_events as d
      left join dead_event_states as s on s.tenant_id = d.tenant_id and s.dead_event_id = d.dead_event_id
      where ${fitting(tenantId, { ...filter, status: 'pending' })}
      order by d.received_at, d.dead_event_id
      limit ${limit}
    ), claimed as (
      insert into dead_event_states as s (tenant_id, dead_event_id, status, replays, replay_id)
      select ${tenantId}::uuid, f.dead_event_id, 'in_progress', 1, ${replayId}::uuid from fitting as f order by f.place
      on conflict (tenant_id, dead_event_id) do update
        set status = 'in_progress', replays = s.replays + 1, replay_id = excluded.replay_id
        where s.status = 'pending'
      returning s.dead_event_id
    ), taken as (
      insert into dead_event_takes (tenant_id, replay_id, dead_event_id, position)
      select ${tenantId}::uuid, ${replayId}::uuid, f.dead_event_id, f.place
      from claimed as c join fitting as f on f.dead_event_id = c.dead_event_id
      returning 1
    )
    select count(*)::integer as taken from taken`.execute(tx)
  return (rows[0] as { taken: number }).taken
}

/** What the run took and has not done is pending again; of an id that is none, nothing. As app_ingest or app_user. */
export async function giveBack(tx: Tx, tenantId: string, replayId: string): Promise<void> {
  await sql`
    update dead_event_states
    set status = 'pending'
    where tenant_id = ${tenantId} and status = 'in_progress'
      and replay_id::text = ${replayId}`.execute(tx)
}

/** What the run has and has not done yet, the oldest first. */
export async function listUndone(tx: Tx, tenantId: string, replayId: string, limit: number): Promise<string[]> {
  const { rows } = await sql<{ deadEventId: string }>`
    select t.dead_event_id as "deadEventId"
    from dead_event_takes as t
    join dead_event_states as s on s.tenant_id = ${tenantId} and s.dead_event_id = t.dead_event_id
    where t.tenant_id = ${tenantId}
      and t.replay_id = ${replayId}::uuid
      and s.status = 'in_progress' and s.replay_id = t.replay_id
      and not exists (select from dead_event_outcomes as o
                      where o.tenant_id = ${tenantId} and o.replay_id = t.replay_id and o.dead_event_id = t.dead_event_id)
    order by t.position
    limit ${limit}`.execute(tx)
  return rows.map(({ deadEventId }) => deadEventId)
}

type KeptRow = Omit<KeptEvent, 'endpoint'> & { endpointId: string; mode: 'live' | 'test'; shopDomain: string | null }

/** In the order of the ids. */
export async function listKept(tx: Tx, tenantId: string, deadEventIds: readonly string[]): Promise<KeptEvent[]> {
  const { rows } = await sql<KeptRow>`
    select d.dead_event_id  as "deadEventId",
           d.vendor,
           e.endpoint_id    as "endpointId",
           e.mode,
           e.shop_domain    as "shopDomain",
           d.external_id    as "externalId",
           d.topic,
           d.code,
           d.body_sha256    as "bodySha256",
           d.payload,
           d.correlation_id as "correlationId"
    from unnest(${deadEventIds as string[]}::uuid[]) with ordinality as wanted (dead_event_id, place)
    join dead_events as d on d.tenant_id = ${tenantId} and d.dead_event_id = wanted.dead_event_id
    join webhook_endpoints as e on e.tenant_id = ${tenantId} and e.endpoint_id = d.endpoint_id
    order by wanted.place`.execute(tx)
  return rows.map(({ endpointId, mode, shopDomain, ...kept }) => ({
    ...kept,
    endpoint: { endpointId, mode, shopDomain },
  }))
}

/** As app_ingest: the encrypted bytes of those that could not be read, while they are kept. */
export async function listSealedBodies(
  tx: Tx,
  tenantId: string,
  deadEventIds: readonly string[],
): Promise<{ deadEventId: string; keyVersion: number; sealed: Buffer }[]> {
  return tx
    .selectFrom('dead_event_bodies')
    .select(['dead_event_id as deadEventId', 'key_version as keyVersion', 'sealed_body as sealed'])
    .where('tenant_id', '=', tenantId)
    .where('dead_event_id', 'in', deadEventIds)
    .execute()
}

/** As app_ingest: holds a dead event until the transaction ends. False when the run is done with it. */
export async function holdTaken(tx: Tx, tenantId: string, replayId: string, deadEventId: string): Promise<boolean> {
  const { rows } = await sql`
    select from dead_event_states
    where tenant_id = ${tenantId}
      and dead_event_id = ${deadEventId}::uuid
      and status = 'in_progress'
      and replay_id = ${replayId}::uuid
    for update`.execute(tx)
  return rows.length > 0
}

export type Outcome =
  | { outcome: 'recovered' | 'duplicate'; eventId: string; code: null }
  | { outcome: 'still_dead'; eventId: null; code: string }

/** As app_ingest, of one that is held: what came of it, and where it stands now. */
export async function insertOutcome(
  tx: Tx,
  { tenantId, replayId, deadEventId }: { tenantId: string; replayId: string; deadEventId: string },
  { outcome, eventId, code, recipes }: Outcome & { recipes: readonly string[] },
): Promise<void> {
  await sql`
    insert into dead_event_outcomes (tenant_id, replay_id, dead_event_id, outcome, code, event_id, recipes)
    values (${tenantId}, ${replayId}::uuid, ${deadEventId}::uuid, ${outcome}, ${code}, ${eventId}::uuid,
            ${recipes as string[]}::text[])`.execute(tx)
  await sql`
    update dead_event_states
    set status = ${outcome === 'still_dead' ? 'pending' : 'resolved'},
        resolved_at = case when ${outcome} <> 'still_dead' then now() end
    where tenant_id = ${tenantId} and dead_event_id = ${deadEventId}::uuid`.execute(tx)
}

/** As app_ingest: whether what an event says was entered. */
export async function isEntered(tx: Tx, tenantId: string, eventId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('canonical_events')
    .select('ordinal')
    .where('tenant_id', '=', tenantId)
    .where('event_id', '=', eventId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export interface Sums {
  currency: string
  capturedMinor: bigint
  refundedMinor: bigint
  disputedMinor: bigint
}

/** As app_ingest: what counts of these orders. */
export async function sumOrders(tx: Tx, tenantId: string, orderKeys: readonly string[]): Promise<Sums[]> {
  const { rows } = await sql<Sums>`
    select l.currency,
           coalesce(sum(l.amount_minor) filter (where l.kind = 'capture'), 0)::bigint as "capturedMinor",
           coalesce(-sum(l.amount_minor) filter (where l.kind = 'refund'), 0)::bigint as "refundedMinor",
           coalesce(-sum(l.amount_minor) filter (where l.kind in ('dispute', 'dispute_reversal')), 0)::bigint
             as "disputedMinor"
    from ledger_entries as l
    where l.tenant_id = ${tenantId}
      and l.order_key = any (${orderKeys as string[]}::text[])
      and not exists (select from uncounted_entries as u
                      where u.tenant_id = ${tenantId} and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))
    group by l.currency`.execute(tx)
  return rows
}

/** The orders that these entries are of. */
export async function listOrdersOfEntries(
  tx: Tx,
  tenantId: string,
  entryKeys: readonly string[],
): Promise<{ entryKey: string; orderKey: string }[]> {
  const { rows } = await sql<{ entryKey: string; orderKey: string }>`
    select entry_key as "entryKey", order_key as "orderKey"
    from ledger_entries
    where tenant_id = ${tenantId} and entry_key = any (${entryKeys as string[]}::text[])`.execute(tx)
  return rows
}

/** The other keys that stored deliveries join directly with these. */
export async function listDirectLinks(
  tx: Tx,
  tenantId: string,
  orderKeys: readonly string[],
): Promise<{ orderKey: string; other: string }[]> {
  const keys = orderKeys as string[]
  const { rows } = await sql<{ orderKey: string; other: string }>`
    select distinct c.order_key as "orderKey", c.same_as as other
    from canonical_events as c
    where c.tenant_id = ${tenantId} and c.order_key = any (${keys}::text[]) and c.same_as is not null
    union
    select c.same_as, c.order_key
    from canonical_events as c
    where c.tenant_id = ${tenantId} and c.same_as = any (${keys}::text[])`.execute(tx)
  return rows
}

/** Ends with the transaction; false when another one of the tenant holds it. */
export async function tryHoldPreview(tx: Tx, tenantId: string): Promise<boolean> {
  const { rows } = await sql<{ held: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended('replay-preview/' || ${tenantId}, 0)) as held`.execute(tx)
  return rows[0]?.held === true
}
