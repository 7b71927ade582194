import { type RawBuilder, sql } from 'kysely'
import type { Vendor } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import type { DeadClass } from '../normalize/dead-delivery.ts'

export type DeadEventStatus = 'pending' | 'in_progress' | 'resolved' | 'abandoned'

export interface DeadEventRow {
  deadEventId: string
  vendor: Vendor
  endpointId: string
  externalId: string | null
  topic: string | null
  class: DeadClass
  code: string
  detail: string
  status: DeadEventStatus
  /** How many runs took it. */
  replays: number
  /** The last one. */
  replayId: string | null
  receivedAt: Date
  firstSeenAt: Date
  lastSeenAt: Date
  seen: number
  correlationId: string
}

export interface DeadEventFilter {
  vendor?: Vendor | undefined
  class?: DeadClass | undefined
  code?: string | undefined
  status?: DeadEventStatus | undefined
  /** Arrived then or later. */
  since?: Date | undefined
  /** Arrived before. */
  until?: Date | undefined
  /** Taken by this run. */
  replayId?: string | undefined
  deadEventIds?: readonly string[] | undefined
}

/** Microseconds since 1970 as text, and the id: the order of the list. A `Date` would lose the microseconds. */
export type DeadEventPosition = readonly [receivedMicros: string, deadEventId: string]

/** Of `dead_events as d`, `dead_event_states as s` and `dead_event_sightings as n`. */
const COLUMNS = sql.raw(`
  d.dead_event_id                       as "deadEventId",
  d.vendor,
  d.endpoint_id                         as "endpointId",
  d.external_id                         as "externalId",
  d.topic,
  d.class,
  d.code,
  d.detail,
  coalesce(s.status, 'pending')         as status,
  coalesce(s.replays, 0)                as replays,
  s.replay_id                           as "replayId",
  d.received_at                         as "receivedAt",
  coalesce(n.first_seen_at, d.received_at) as "firstSeenAt",
  coalesce(n.last_seen_at, d.received_at)  as "lastSeenAt",
  coalesce(n.seen, 1)                   as seen,
  d.correlation_id                      as "correlationId"`)

const SOURCES = sql.raw(`
  dead_events as d
  left join dead_event_states as s on s.tenant_id = d.tenant_id and s.dead_event_id = d.dead_event_id
  left join dead_event_sightings as n on n.tenant_id = d.tenant_id and n.dead_event_id = d.dead_event_id`)

/** Of `dead_events as d` and `dead_event_states as s`: what fits every member of the filter. */
export function fitting(tenantId: string, filter: DeadEventFilter): RawBuilder<unknown> {
  const conditions = [sql`d.tenant_id = ${tenantId}`]
  if (filter.vendor !== undefined) conditions.push(sql`d.vendor = ${filter.vendor}`)
  if (filter.class !== undefined) conditions.push(sql`d.class = ${filter.class}`)
  if (filter.code !== undefined) conditions.push(sql`d.code = ${filter.code}`)
  if (filter.status !== undefined) conditions.push(sql`coalesce(s.status, 'pending') = ${filter.status}`)
  if (filter.since !== undefined) conditions.push(sql`d.received_at >= ${filter.since}`)
  if (filter.until !== undefined) conditions.push(sql`d.received_at < ${filter.until}`)
  if (filter.deadEventIds !== undefined)
    conditions.push(sql`d.dead_event_id = any (${filter.deadEventIds as string[]}::uuid[])`)
  if (filter.replayId !== undefined) {
    conditions.push(sql`d.dead_event_id in (
      select t.dead_event_id from dead_event_takes as t
      where t.tenant_id = ${tenantId} and t.replay_id = ${filter.replayId}::uuid)`)
  }
  return sql.join(conditions, sql` and `)
}

/** The newest first, those after `after`. */
export async function listDeadEvents(
  tx: Tx,
  tenantId: string,
  filter: DeadEventFilter,
  { after, limit }: { after: DeadEventPosition | undefined; limit: number },
): Promise<(DeadEventRow & { receivedMicros: string })[]> {
  const [micros, deadEventId] = after ?? [null, null]
  const { rows } = await sql<DeadEventRow & { receivedMicros: string }>`
    select ${COLUMNS}, (extract(epoch from d.received_at) * 1000000)::bigint::text as "receivedMicros"
    from ${SOURCES}
    where ${fitting(tenantId, filter)}
      and (${micros}::bigint is null
           or (d.received_at, d.dead_event_id)
              < ('epoch'::timestamptz + ${micros}::bigint * interval '1 microsecond', ${deadEventId}::uuid))
    order by d.received_at desc, d.dead_event_id desc
    limit ${limit}`.execute(tx)
  return rows
}

export interface DeadEventDetailRow extends DeadEventRow {
  bodySha256: Buffer
  /** JSON, with its members in the order in which Postgres keeps them. */
  payload: string | null
  conflictsWithEventId: string | null
  resolvedAt: Date | null
  resolvedBy: string | null
  note: string | null
}

export async function findDeadEvent(
  tx: Tx,
  tenantId: string,
  deadEventId: string,
): Promise<DeadEventDetailRow | undefined> {
  const { rows } = await sql<DeadEventDetailRow>`
    select ${COLUMNS},
           d.body_sha256 as "bodySha256",
           d.payload::text as payload,
           (select e.event_id from webhook_events as e
            where e.tenant_id = d.tenant_id and e.endpoint_id = d.endpoint_id and e.external_id = d.external_id
              and e.body_sha256 <> d.body_sha256) as "conflictsWithEventId",
           s.resolved_at as "resolvedAt",
           s.resolved_by as "resolvedBy",
           s.note
    from ${SOURCES}
    where d.tenant_id = ${tenantId} and d.dead_event_id = ${deadEventId}::uuid`.execute(tx)
  return rows[0]
}

export interface ReplayOfEventRow {
  replayId: string
  requestedAt: Date
  finishedAt: Date | null
  outcome: 'recovered' | 'duplicate' | 'still_dead' | null
  code: string | null
  eventId: string | null
  recipes: string[]
}

/** The runs that took a dead event, the newest first. */
export async function listReplaysOf(
  tx: Tx,
  tenantId: string,
  deadEventId: string,
  limit: number,
): Promise<ReplayOfEventRow[]> {
  const { rows } = await sql<ReplayOfEventRow>`
    select r.replay_id    as "replayId",
           r.requested_at as "requestedAt",
           o.finished_at  as "finishedAt",
           o.outcome,
           o.code,
           o.event_id     as "eventId",
           coalesce(o.recipes, '{}') as recipes
    from dead_event_takes as t
    join dead_event_replays as r on r.tenant_id = t.tenant_id and r.replay_id = t.replay_id
    left join dead_event_outcomes as o
      on o.tenant_id = t.tenant_id and o.replay_id = t.replay_id and o.dead_event_id = t.dead_event_id
    where t.tenant_id = ${tenantId} and t.dead_event_id = ${deadEventId}::uuid
    order by r.requested_at desc, r.replay_id desc
    limit ${limit}`.execute(tx)
  return rows
}

/** False when it is not pending. There must be such a dead event. */
export async function closeDeadEvent(
  tx: Tx,
  tenantId: string,
  deadEventId: string,
  {
    status,
    note,
    resolvedBy,
    at,
  }: { status: 'resolved' | 'abandoned'; note: string; resolvedBy: string | null; at: Date },
): Promise<boolean> {
  const { rows } = await sql`
    insert into dead_event_states as s (tenant_id, dead_event_id, status, resolved_at, resolved_by, note)
    values (${tenantId}, ${deadEventId}::uuid, ${status}, ${at}, ${resolvedBy}::uuid, ${note})
    on conflict (tenant_id, dead_event_id) do update
      set status = excluded.status, resolved_at = excluded.resolved_at, resolved_by = excluded.resolved_by,
          note = excluded.note
      where s.status = 'pending'
    returning 1`.execute(tx)
  return rows.length > 0
}
