import { sql } from 'kysely'
import type { Vendor } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import type { JsonObject } from '../lossless-json.ts'

/** As app_retention, like all of this file but where it says otherwise. */
export async function findRequestEvent(
  tx: Tx,
  tenantId: string,
  eventId: string,
): Promise<{ vendor: Vendor; topic: string; endpointId: string; payload: JsonObject } | undefined> {
  const row = await tx
    .selectFrom('webhook_events')
    .select(['vendor', 'topic', 'endpoint_id as endpointId', 'payload'])
    .where('tenant_id', '=', tenantId)
    .where('event_id', '=', eventId)
    .executeTakeFirst()
  return row as { vendor: Vendor; topic: string; endpointId: string; payload: JsonObject } | undefined
}

export interface ErasedCounts {
  touchpoints: number
  orderFacts: number
  conversions: number
  payloads: number
  deadPayloads: number
  deadBodies: number
}

/** What was done and why, for the audit log. */
export interface Act {
  act: string
  kind: string
  thing: string
  /** Not written down where nothing was found. */
  isSilent: boolean
}

/** Cuts the ties of these orders to whoever placed them; of these events and dead events too, which name one of them. */
export async function eraseOrders(
  tx: Tx,
  tenantId: string,
  { keys, named, dead }: { keys: readonly string[]; named: readonly string[]; dead: readonly string[] },
  { act, kind, thing, isSilent }: Act,
): Promise<ErasedCounts> {
  const { rows } = await sql<ErasedCounts>`
    select touchpoints, order_facts as "orderFacts", conversions, payloads, dead_payloads as "deadPayloads",
           dead_bodies as "deadBodies"
    from internal.erase_orders(${tenantId}, ${keys}::text[], ${named}::uuid[], ${dead}::uuid[], ${act}, ${kind}, ${thing},
                               ${isSilent})`.execute(tx)
  return rows[0] as ErasedCounts
}

/** As app_ingest: whether the ties of one of these orders were cut, under whichever of its keys. Waits for one that is under way. */
export async function isErased(tx: Tx, tenantId: string, keys: readonly string[]): Promise<boolean> {
  const { rows } = await sql<{ is: boolean }>`
    select internal.is_erased(${tenantId}, ${keys}::text[]) as "is"`.execute(tx)
  return rows[0]?.is === true
}

/** Until the transaction ends, nothing comes about an order without seeing that it is erased. All keys of the orders. */
export async function holdErasure(tx: Tx, tenantId: string, keys: readonly string[]): Promise<string[]> {
  await sql`call internal.hold_erasure(${tenantId}::uuid)`.execute(tx)
  const { rows } = await sql<{ keys: string[] }>`
    select internal.keys_of_orders(${tenantId}, ${keys}::text[]) as "keys"`.execute(tx)
  return rows[0]?.keys ?? []
}

export interface DeadRemains {
  deadEventId: string
  vendor: Vendor
  topic: string | null
  /** Of the endpoint. */
  shopDomain: string | null
  bodySha256: Buffer
  /** Null where it ties to nobody. */
  payload: JsonObject | null
  keyVersion: number | null
  sealed: Buffer | null
}

/** What is kept of dead deliveries of these vendors and may tie an order to a person, in the order of the ids after `after`. */
export async function listRemains(
  tx: Tx,
  tenantId: string,
  { vendors, after, limit }: { vendors: readonly string[]; after: string | null; limit: number },
): Promise<DeadRemains[]> {
  const { rows } = await sql<DeadRemains>`
    select d.dead_event_id as "deadEventId",
           d.vendor,
           d.topic,
           e.shop_domain   as "shopDomain",
           d.body_sha256   as "bodySha256",
           case when internal.has_identity(d.payload) then d.payload end as payload,
           b.key_version   as "keyVersion",
           b.sealed_body   as sealed
    from dead_events as d
    join webhook_endpoints as e on e.tenant_id = ${tenantId} and e.endpoint_id = d.endpoint_id
    left join dead_event_bodies as b on b.tenant_id = ${tenantId} and b.dead_event_id = d.dead_event_id
    where d.tenant_id = ${tenantId}
      and d.vendor = any (${vendors}::text[])
      and (${after}::uuid is null or d.dead_event_id > ${after}::uuid)
      and (internal.has_identity(d.payload) or b.dead_event_id is not null)
    order by d.dead_event_id
    limit ${limit}`.execute(tx)
  return rows
}

/** That an operator does what follows, and not the platform by itself. */
export async function actAsOperator(tx: Tx): Promise<void> {
  await sql`select set_config('app.actor', 'operator', true)`.execute(tx)
}

/** The orders of the endpoint's next events after `after`; `lastEvent` is null when there are no more. */
export async function listEndpointOrders(
  tx: Tx,
  tenantId: string,
  { endpointId, after, limit }: { endpointId: string; after: string | null; limit: number },
): Promise<{ keys: string[]; lastEvent: string | null }> {
  const { rows } = await sql<{ keys: string[]; lastEvent: string | null }>`
    select keys, last_event as "lastEvent"
    from internal.list_endpoint_orders(${tenantId}, ${endpointId}, ${after}::uuid, ${limit})`.execute(tx)
  return rows[0] as { keys: string[]; lastEvent: string | null }
}

export async function endShop(tx: Tx, tenantId: string, endpointId: string): Promise<void> {
  await sql`select internal.end_shop(${tenantId}, ${endpointId})`.execute(tx)
}

/** At most this much of one order goes into a report. */
const MAX_PART_ROWS = 200

/** All that is held about one order, as one document. */
export async function readOrder(tx: Tx, tenantId: string, orderKey: string): Promise<JsonObject> {
  const { rows } = await sql<{ held: JsonObject }>`
    with visitors as (
      select distinct f.identity from order_facts as f
      where f.tenant_id = ${tenantId} and f.order_key = ${orderKey} and f.identity is not null
    )
    select jsonb_build_object(
      'order_id', ${orderKey}::text,
      'visitors', (select coalesce(jsonb_agg(encode(v.identity, 'hex')), '[]') from visitors as v),
      'events', (
        select coalesce(jsonb_agg(to_jsonb(p)), '[]')
        from (
          select distinct e.event_id, e.topic, e.received_at, e.payload
          from webhook_events as e
          where e.tenant_id = ${tenantId}
            and e.event_id in (
              select f.event_id from order_facts as f where f.tenant_id = ${tenantId} and f.order_key = ${orderKey}
              union
              select c.event_id from canonical_events as c where c.tenant_id = ${tenantId} and c.order_key = ${orderKey})
          order by e.received_at, e.event_id
          limit ${MAX_PART_ROWS}
        ) as p),
      'ledger', (
        select coalesce(jsonb_agg(to_jsonb(p)), '[]')
        from (
          select l.entry_key, l.kind, l.amount_minor::text as amount_minor, l.currency, l.occurred_at
          from ledger_entries as l
          where l.tenant_id = ${tenantId} and l.order_key = ${orderKey}
          order by l.occurred_at, l.entry_key
          limit ${MAX_PART_ROWS}
        ) as p),
      'touchpoints', (
        select coalesce(jsonb_agg(to_jsonb(p)), '[]')
        from (
          select t.origin, t.occurred_at, t.channel, t.source, t.medium, t.campaign, t.click_kind, t.landing_path, t.referrer_host
          from touchpoints as t
          where t.tenant_id = ${tenantId}
            and (t.order_key = ${orderKey} or t.identity in (select v.identity from visitors as v))
          order by t.occurred_at, t.external_id
          limit ${MAX_PART_ROWS}
        ) as p)
    ) as held`.execute(tx)
  return (rows[0] as { held: JsonObject }).held
}

export interface StoredReport {
  requestId: string
  keyVersion: number
  sealed: Buffer
  createdAt: Date
  expiresAt: Date
}

/** False when the delivery was answered before. */
export async function insertReport(
  tx: Tx,
  report: Omit<StoredReport, 'createdAt'> & {
    tenantId: string
    eventId: string
    orderKeys: readonly string[]
    createdAt: Date
  },
): Promise<boolean> {
  const { rows } = await sql`
    insert into data_requests (tenant_id, request_id, event_id, order_keys, key_version, sealed, created_at, expires_at)
    values (${report.tenantId}, ${report.requestId}, ${report.eventId}, ${report.orderKeys}::text[], ${report.keyVersion},
            ${report.sealed}, ${report.createdAt}, ${report.expiresAt})
    on conflict (tenant_id, event_id) do nothing
    returning request_id`.execute(tx)
  return rows.length === 1
}

/** Those about an order that can still be fetched, the newest first. As app_rw. */
export async function listReports(tx: Tx, tenantId: string, orderKey: string, now: Date): Promise<StoredReport[]> {
  const { rows } = await sql<StoredReport>`
    select request_id as "requestId", key_version as "keyVersion", sealed, created_at as "createdAt", expires_at as "expiresAt"
    from data_requests
    where tenant_id = ${tenantId} and order_keys @> array[${orderKey}] and expires_at > ${now}
    order by created_at desc, request_id
    limit 10`.execute(tx)
  return rows
}

/** What comes from outside, as far as it is kept. Who the members of a tenant are is no part of it. */
export const SCANNED_TABLES = [
  'webhook_events',
  'dead_events',
  'canonical_events',
  'order_facts',
  'ledger_entries',
  'touchpoints',
  'conversions',
] as const

/** The rows after a place in the table, in the order in which they lie there; `last` is null at the end. */
export async function scanPage(
  tx: Tx,
  tenantId: string,
  table: (typeof SCANNED_TABLES)[number],
  after: string,
  limit: number,
): Promise<{ rows: number; hits: number; finding: string | null; last: string | null }> {
  // Hashes and ids are no words of anybody, and the digits of some look like a telephone number.
  const { rows } = await sql<{ rows: number; hits: number; finding: string | null; last: string | null }>`
    with page as (
      select t.ctid as place,
             internal.find_personal_data(to_jsonb(t) - array['tenant_id', 'event_id', 'endpoint_id', 'dead_event_id',
               'body_sha256', 'item_sha256', 'correlation_id', 'identity', 'session', 'click_hash', 'received_at', 'recorded_at',
               'order_key', 'same_as', 'conversion_id', 'entry_key', 'corrects_entry_key', 'reverses_entry_key',
               'dispute_key']) as finding
      from ${sql.table(table)} as t
      where t.tenant_id = ${tenantId} and t.ctid > ${after}::tid
      order by t.ctid
      limit ${limit}
    )
    select count(*)::integer as "rows", count(p.finding)::integer as "hits", min(p.finding) as "finding",
           (select l.place::text from page as l order by l.place desc limit 1) as "last"
    from page as p`.execute(tx)
  return rows[0] as { rows: number; hits: number; finding: string | null; last: string | null }
}
