import { sql } from 'kysely'
import type { Vendor } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import type { JsonObject } from '../lossless-json.ts'
import type { CanonicalEvent } from '../normalize/canonical-event.ts'
import type { DeliveredParts } from '../normalize/order-parts.ts'
import { type GroupEntry, type Link, MAX_LINKED_ORDERS } from './count-once.ts'
import type { Movement } from './order-state.ts'
import type { BookedEntry, NewEntry } from './settle.ts'
import type { Statement } from './statement.ts'

export interface StoredEvent {
  eventId: string
  vendor: Vendor
  endpointId: string
  externalId: string
  topic: string
  payload: JsonObject
  bodySha256: Buffer
}

export async function getEvents(tx: Tx, tenantId: string, eventIds: string[]): Promise<StoredEvent[]> {
  const rows = await tx
    .selectFrom('webhook_events')
    .select([
      'event_id as eventId',
      'vendor',
      'endpoint_id as endpointId',
      'external_id as externalId',
      'topic',
      'payload',
      'body_sha256 as bodySha256',
    ])
    .where('tenant_id', '=', tenantId)
    .where('event_id', 'in', eventIds)
    .orderBy('received_at')
    .orderBy('event_id')
    .execute()
  return rows as StoredEvent[]
}

/** All keys that the stored events join with these, directly or over others; at most one more than MAX_LINKED_ORDERS. */
const linkedOrders = (tenantId: string, orderKeys: readonly string[]) => sql`
    select order_key
    from (
      with recursive linked (order_key) as (
        select unnest(${orderKeys as string[]}::text[])
        union
        select other.order_key
        from linked as l
        cross join lateral (
          select c.same_as as order_key from canonical_events as c
          where c.tenant_id = ${tenantId} and c.order_key = l.order_key and c.same_as is not null
          union all
          select c.order_key from canonical_events as c
          where c.tenant_id = ${tenantId} and c.same_as = l.order_key
        ) as other
      )
      select order_key from linked limit ${MAX_LINKED_ORDERS + 1}
    ) as found`

/**
 * Holds these orders, and those that are joined with them, until the transaction ends: what is said about one order is
 * entered one after the other. The keys that are held.
 */
export async function lockOrders(tx: Tx, tenantId: string, orderKeys: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ orderKey: string }>`
    select o.order_key as "orderKey", pg_advisory_xact_lock(hashtextextended(${`order/${tenantId}/`} || o.order_key, 0))
    from (${linkedOrders(tenantId, orderKeys)} order by order_key collate "C") as o`.execute(tx)
  return rows.map(({ orderKey }) => orderKey)
}

/** The same for further orders, as far as nobody else holds them: waiting for one while others are held could go in a circle. */
export async function tryLockOrders(tx: Tx, tenantId: string, orderKeys: readonly string[]): Promise<boolean> {
  const { rows } = await sql<{ isHeld: boolean }>`
    select coalesce(bool_and(pg_try_advisory_xact_lock(hashtextextended(${`order/${tenantId}/`} || o.order_key, 0))), true)
             as "isHeld"
    from unnest(${orderKeys as string[]}::text[]) as o (order_key)`.execute(tx)
  return rows[0]?.isHeld === true
}

/** The keys of one order, these included, and how deliveries join them. */
export async function listLinkedOrders(
  tx: Tx,
  tenantId: string,
  orderKeys: readonly string[],
): Promise<{ orderKeys: string[]; links: Link[] }> {
  const { rows } = await sql<{ orderKey: string; sameAs: string[] }>`
    select o.order_key as "orderKey",
           array(select distinct c.same_as from canonical_events as c
                 where c.tenant_id = ${tenantId} and c.order_key = o.order_key and c.same_as is not null) as "sameAs"
    from (${linkedOrders(tenantId, orderKeys)}) as o`.execute(tx)
  return {
    orderKeys: rows.map(({ orderKey }) => orderKey),
    links: rows.flatMap(({ orderKey, sameAs }) => sameAs.map((other): Link => [orderKey, other])),
  }
}

/** Entering the same event again adds nothing. */
export async function insertCanonicalEvents(
  tx: Tx,
  tenantId: string,
  eventId: string,
  events: readonly CanonicalEvent[],
): Promise<void> {
  if (events.length === 0) return
  await tx
    .insertInto('canonical_events')
    .values(
      events.map((event, ordinal) => ({
        tenant_id: tenantId,
        event_id: eventId,
        ordinal,
        type: event.type,
        order_key: event.orderKey,
        same_as: event.sameAs,
        entry_key: event.entryKey,
        dispute_key: event.disputeKey,
        outcome: event.outcome,
        list_key: event.listKey,
        list: event.list,
        amount_minor: event.amountMinor,
        counts: event.counts,
        currency: event.currency,
        occurred_at: event.occurredAt,
        version_at: event.versionAt,
        prevails: event.prevails,
      })),
    )
    .onConflict((conflict) => conflict.columns(['tenant_id', 'event_id', 'ordinal']).doNothing())
    .execute()
}

/** `identity`: keyed hash of the visitor in hex, or null. */
export async function insertOrderFact(
  tx: Tx,
  tenantId: string,
  eventId: string,
  fact: { orderKey: string; currency: string; orderedAt: Date; identity: string | null },
): Promise<void> {
  await tx
    .insertInto('order_facts')
    .values({
      tenant_id: tenantId,
      order_key: fact.orderKey,
      event_id: eventId,
      currency: fact.currency,
      ordered_at: fact.orderedAt,
      identity: fact.identity === null ? null : Buffer.from(fact.identity, 'hex'),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'order_key', 'event_id']).doNothing())
    .execute()
}

/** What the event says of the parts of an order; entering it again adds nothing. */
export async function insertOrderParts(
  tx: Tx,
  tenantId: string,
  eventId: string,
  parts: DeliveredParts,
): Promise<void> {
  await tx
    .insertInto('order_parts')
    .values({
      tenant_id: tenantId,
      order_key: parts.orderKey,
      event_id: eventId,
      version_at: parts.versionAt,
      currency: parts.currency,
      total_minor: parts.totalMinor,
      tax_minor: parts.taxMinor,
      shipping_minor: parts.shippingMinor,
      tip_minor: parts.tipMinor,
      discount_minor: parts.discountMinor,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'order_key', 'event_id']).doNothing())
    .execute()
}

/**
 * Everything that was said about these entries, about the ends of these disputes, and about all that is in a list with one
 * of these entries or events.
 */
export async function listStatements(
  tx: Tx,
  tenantId: string,
  {
    eventId,
    listKeys = [],
    entryKeys,
    disputeKeys,
  }: {
    /** Null: of what was not entered. */
    eventId: string | null
    listKeys?: readonly string[]
    entryKeys: readonly string[]
    disputeKeys: readonly string[]
  },
): Promise<Statement[]> {
  const { rows } = await sql<Statement>`
    with lists as (
      select list_key from canonical_events
      where tenant_id = ${tenantId} and entry_key = any (${entryKeys as string[]}::text[]) and list_key is not null
      union
      select list_key from canonical_events
      where tenant_id = ${tenantId} and event_id = ${eventId}::uuid and list_key is not null
      union
      select unnest(${listKeys as string[]}::text[])
    ),
    entries as (
      select unnest(${entryKeys as string[]}::text[]) as entry_key
      union
      select entry_key from canonical_events
      where tenant_id = ${tenantId} and list_key in (select list_key from lists)
    ),
    said as (
      select tenant_id, event_id, ordinal from canonical_events
      where tenant_id = ${tenantId} and entry_key in (select entry_key from entries)
      union
      select tenant_id, event_id, ordinal from canonical_events
      where tenant_id = ${tenantId}
        and dispute_key in (select unnest(${disputeKeys as string[]}::text[]) union select entry_key from entries)
    )
    select c.event_id     as "eventId",
           c.type,
           c.order_key    as "orderKey",
           c.entry_key    as "entryKey",
           c.dispute_key  as "disputeKey",
           c.outcome,
           c.list_key     as "listKey",
           c.list,
           c.amount_minor as "amountMinor",
           c.counts,
           c.currency,
           c.occurred_at  as "occurredAt",
           c.version_at   as "versionAt",
           c.prevails
    from said
    join canonical_events as c using (tenant_id, event_id, ordinal)
    order by c.event_id, c.ordinal`.execute(tx)
  return rows
}

/** What the ledger says of the entries with these keys, each with what corrects it. */
export async function listBooked(tx: Tx, tenantId: string, entryKeys: readonly string[]): Promise<BookedEntry[]> {
  const { rows } = await sql<{
    entryKey: string
    orderKey: string
    currency: string
    amountMinor: bigint
    rows: number
  }>`
    select coalesce(corrects_entry_key, entry_key) as "entryKey",
           order_key                               as "orderKey",
           currency,
           sum(amount_minor)::bigint               as "amountMinor",
           count(*)::integer                       as "rows"
    from ledger_entries
    where tenant_id = ${tenantId}
      and (entry_key = any (${entryKeys as string[]}::text[]) or corrects_entry_key = any (${entryKeys as string[]}::text[]))
    group by 1, 2, 3
    order by 1, order_key collate "C", currency`.execute(tx)
  return [...Map.groupBy(rows, ({ entryKey }) => entryKey)].map(([entryKey, sums]) => ({
    entryKey,
    rows: sums.reduce((count, sum) => count + sum.rows, 0),
    sums: sums.map(({ orderKey, currency, amountMinor }) => ({ orderKey, currency, amountMinor })),
  }))
}

/** False when there is an entry of that key. */
export async function insertLedgerEntry(
  tx: Tx,
  tenantId: string,
  { vendor, source }: { vendor: Vendor; source: 'webhook' | 'poll' },
  entry: NewEntry,
): Promise<boolean> {
  const row = await tx
    .insertInto('ledger_entries')
    .values({
      tenant_id: tenantId,
      entry_key: entry.entryKey,
      order_key: entry.orderKey,
      kind: entry.kind,
      amount_minor: entry.amountMinor,
      currency: entry.currency,
      vendor,
      source,
      event_id: entry.eventId,
      occurred_at: entry.occurredAt,
      reverses_entry_key: entry.reversesEntryKey,
      corrects_entry_key: entry.correctsEntryKey,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'entry_key']).doNothing())
    .returning('entry_key')
    .executeTakeFirst()
  return row !== undefined
}

/** What the ledger holds of these orders, each entry with what corrects it; and which of the keys a delivery tells of. */
export async function listGroupEntries(
  tx: Tx,
  tenantId: string,
  orderKeys: readonly string[],
): Promise<{ entries: GroupEntry[]; members: string[] }> {
  const keys = orderKeys as string[]
  const { rows } = await sql<GroupEntry>`
    select coalesce(l.corrects_entry_key, l.entry_key) as "entryKey",
           l.order_key                                 as "orderKey",
           l.kind,
           sum(l.amount_minor)::bigint                 as "amountMinor",
           l.currency,
           l.reverses_entry_key                        as "reversesEntryKey"
    from ledger_entries as l
    where l.tenant_id = ${tenantId} and l.order_key = any (${keys}::text[])
    group by 1, l.order_key, l.kind, l.currency, l.reverses_entry_key
    having sum(l.amount_minor) <> 0`.execute(tx)
  const members = await tx
    .selectFrom('canonical_events')
    .select('order_key as orderKey')
    .distinct()
    .where('tenant_id', '=', tenantId)
    .where('order_key', 'in', keys)
    .execute()
  return { entries: rows, members: members.map(({ orderKey }) => orderKey) }
}

/** Makes these keys one order, of which these entries report money that others report too. */
export async function replaceGroup(
  tx: Tx,
  tenantId: string,
  { groupKey, orderKeys, uncounted }: { groupKey: string; orderKeys: readonly string[]; uncounted: readonly string[] },
): Promise<void> {
  await sql`
    insert into order_groups as g (tenant_id, order_key, group_key)
    select ${tenantId}::uuid, k, ${groupKey} from unnest(${orderKeys as string[]}::text[]) as k
    on conflict (tenant_id, order_key) do update set group_key = excluded.group_key
      where g.group_key <> excluded.group_key`.execute(tx)
  await sql`
    delete from uncounted_entries as u
    where u.tenant_id = ${tenantId}
      and u.entry_key in (select coalesce(l.corrects_entry_key, l.entry_key) from ledger_entries as l
                          where l.tenant_id = ${tenantId} and l.order_key = any (${orderKeys as string[]}::text[]))
      and u.entry_key <> all (${uncounted as string[]}::text[])
      -- One that was corrected away to another order is that order's.
      and not exists (select from ledger_entries as l
                      where l.tenant_id = ${tenantId}
                        and (l.entry_key = u.entry_key or l.corrects_entry_key = u.entry_key)
                        and l.order_key <> all (${orderKeys as string[]}::text[])
                      group by l.currency
                      having sum(l.amount_minor) <> 0)`.execute(tx)
  await sql`
    insert into uncounted_entries as u (tenant_id, entry_key, group_key)
    select ${tenantId}::uuid, k, ${groupKey} from unnest(${uncounted as string[]}::text[]) as k
    on conflict (tenant_id, entry_key) do update set group_key = excluded.group_key
      where u.group_key <> excluded.group_key`.execute(tx)
}

/**
 * What moved each of these orders (all of the tenant's without a list), by the key that the whole order goes by: each
 * movement once, with the amount that holds and the earliest time that a delivery states.
 */
export async function listMovements(
  tx: Tx,
  tenantId: string,
  orderKeys: readonly string[] | null,
): Promise<Map<string, Movement[]>> {
  const isOne =
    orderKeys === null
      ? sql`true`
      : sql`c.order_key in (select unnest(${orderKeys as string[]}::text[])
                            union
                            select other.order_key from order_groups as g
                            join order_groups as other on other.tenant_id = ${tenantId} and other.group_key = g.group_key
                            where g.tenant_id = ${tenantId} and g.order_key = any (${orderKeys as string[]}::text[]))`
  const { rows } = await sql<Movement & { groupKey: string }>`
    with said as (
      select coalesce(g.group_key, c.order_key) as group_key,
             c.type,
             c.entry_key,
             case c.type when 'payment_disputed' then c.entry_key else c.dispute_key end as dispute_key,
             -- As settle.ts has it: of two ends the newest holds, and lost where nothing orders them.
             (array_agg(c.outcome order by c.prevails desc, c.version_at desc nulls last, c.outcome))[1] as outcome,
             coalesce(min(c.occurred_at) filter (where c.counts and c.amount_minor is distinct from 0), min(c.occurred_at))
               as occurred_at
      from canonical_events as c
      left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = c.order_key
      where c.tenant_id = ${tenantId}
        and c.list is distinct from 'whole'
        and ${isOne}
        and not exists (select from uncounted_entries as u where u.tenant_id = ${tenantId} and u.entry_key = c.entry_key)
        and not exists (select from uncounted_entries as u where u.tenant_id = ${tenantId} and u.entry_key = c.dispute_key)
      group by 1, 2, 3, 4
    )
    select s.group_key as "groupKey",
           s.type,
           s.dispute_key as "disputeKey",
           s.outcome,
           s.occurred_at as "occurredAt",
           coalesce(abs((select sum(l.amount_minor) from ledger_entries as l
                         left join order_groups as o on o.tenant_id = ${tenantId} and o.order_key = l.order_key
                         where l.tenant_id = ${tenantId}
                           and (l.entry_key = s.entry_key or l.corrects_entry_key = s.entry_key)
                           and coalesce(o.group_key, l.order_key) = s.group_key)), 0)::bigint as "amountMinor"
    from said as s
    order by s.group_key collate "C", s.occurred_at, s.type, s.entry_key collate "C"`.execute(tx)
  return Map.groupBy(rows, ({ groupKey }) => groupKey)
}
