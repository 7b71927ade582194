import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'
import type { StatedParts } from '../../revenue-definition.ts'
import type { Changes } from '../changes/queries.ts'
import type { Entry, EntryKind, OrderInput, OrderTouch, Tier } from '../order.ts'
import type { Pointer } from '../pointers/queries.ts'
import type { Publication } from '../runs/queries.ts'

/**
 * The keys of orders that these changes may have given other credits: those that are named, by all keys of the same order;
 * those of a visitor with new touches, up to a lookback after them; and those of the same visitor that follow a named one
 * within a lookback, since that one uses touches up or gives them back. Some may be no orders.
 */
export async function listDirtyOrders(
  tx: Tx,
  tenantId: string,
  { orderKeys, visitors }: Pick<Changes, 'orderKeys' | 'visitors'>,
  lookbackDays: number,
): Promise<string[]> {
  const { rows } = await sql<{ orderKey: string }>`
    with keys as (
      select unnest(${orderKeys}::text[]) as order_key
    ),
    named as (  -- with all keys of the same order
      select order_key from keys
      union
      select other.order_key
      from keys as k
      join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = k.order_key
      join order_groups as other on other.tenant_id = ${tenantId} and other.group_key = g.group_key
      union
      select g.group_key from keys as k join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = k.order_key
    ),
    affected as (
      select decode(v.identity, 'hex') as identity,
             timestamptz 'epoch' + v.from_us * interval '1 microsecond' as from_at,
             timestamptz 'epoch' + v.until_us * interval '1 microsecond' as until_at
      from unnest(${visitors.map(({ identity }) => identity)}::text[], ${visitors.map(({ fromUs }) => String(fromUs))}::bigint[],
                  ${visitors.map(({ untilUs }) => String(untilUs))}::bigint[]) as v (identity, from_us, until_us)
      union all
      select o.identity, t.from_at, t.until_at  -- an order may have facts that name no visitor
      from (select f.identity, array_agg(n.order_key) as keys
            from named as n join order_facts as f on f.tenant_id = ${tenantId} and f.order_key = n.order_key
            where f.identity is not null
            group by f.identity) as o
      cross join lateral (
        select min(f.ordered_at) as from_at, max(f.ordered_at) as until_at
        from order_facts as f
        where f.tenant_id = ${tenantId}
          and f.order_key in (select k from unnest(o.keys) as k
                              union
                              select other.order_key
                              from unnest(o.keys) as k
                              join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = k
                              join order_groups as other on other.tenant_id = ${tenantId} and other.group_key = g.group_key)
      ) as t
    ),
    spans as (
      select identity, min(from_at) as from_at, max(until_at) + make_interval(hours => ${lookbackDays * 24}) as until_at
      from affected
      group by identity
    ),
    theirs as (
      select distinct coalesce(g.group_key, f.order_key) as order_key, s.from_at, s.until_at
      from spans as s
      join order_facts as f on f.tenant_id = ${tenantId} and f.identity = s.identity
      left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = f.order_key
    )
    select order_key as "orderKey" from named
    union
    select t.order_key
    from theirs as t
    where exists (select from order_facts as f
                  where f.tenant_id = ${tenantId} and f.order_key = t.order_key and f.ordered_at between t.from_at and t.until_at)
       or exists (select from order_groups as g join order_facts as f on f.tenant_id = ${tenantId} and f.order_key = g.order_key
                  where g.tenant_id = ${tenantId} and g.group_key = t.order_key and f.ordered_at between t.from_at and t.until_at)
    order by 1`.execute(tx)
  return rows.map(({ orderKey }) => orderKey)
}

/** Keys of orders with a fact in a span of time, whose end is excluded. Ascending. */
export async function listOrderKeys(
  tx: Tx,
  tenantId: string,
  { from, until }: { from: Date; until: Date },
): Promise<string[]> {
  const { rows } = await sql<{ orderKey: string }>`
    select distinct coalesce(g.group_key, f.order_key) as "orderKey"
    from order_facts as f
    left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = f.order_key
    where f.tenant_id = ${tenantId} and f.ordered_at >= ${from} and f.ordered_at < ${until}
    order by 1`.execute(tx)
  return rows.map(({ orderKey }) => orderKey)
}

/**
 * The end of a span of whole UTC days from `since` on that has about so many facts of orders, and at least one day that has
 * any; null where there are none before `until`.
 */
export async function findSpanEnd(
  tx: Tx,
  tenantId: string,
  { since, until, orders }: { since: string; until: string; orders: number },
): Promise<{ from: Date; until: Date } | null> {
  const { rows } = await sql<{ from: Date | null; until: Date | null }>`
    select date_trunc('day', min(o.ordered_at), 'UTC')                     as "from",
           date_trunc('day', max(o.ordered_at), 'UTC') + interval '24 hours' as "until"
    from (select f.ordered_at from order_facts as f
          where f.tenant_id = ${tenantId} and f.ordered_at >= ${since}::timestamptz and f.ordered_at < ${until}::timestamptz
          order by f.ordered_at limit ${orders}) as o`.execute(tx)
  const row = rows[0]
  return row === undefined || row.from === null || row.until === null ? null : { from: row.from, until: row.until }
}

/** An order with what tells its parts. */
export interface ReadOrder {
  order: OrderInput
  parts: StatedParts[]
  /** The order of the same visitor before it, which has used up the touches until then: microseconds since 1970. */
  previousUs: number | null
  /** Whether the touches are those that the order brought itself, or there are none. */
  isBrought: boolean
}

/** Touches by column. */
type TouchColumns = [
  times: number[],
  origins: string[],
  externalIds: string[],
  channels: string[],
  campaigns: (string | null)[],
  tiers: Tier[],
]
type EntryRow = [
  entryKey: string,
  kind: EntryKind,
  amount: string,
  currency: string,
  reverses: string | null,
  at: number,
]
type PartsRow = [
  orderKey: string,
  factId: string,
  covers: StatedParts['covers'],
  versionAt: string | null,
  currency: string,
  total: string,
  tax: string,
  shipping: string,
  tip: string,
  discount: string,
]

interface OrderRow {
  orderKey: string
  orderedAtUs: string
  hasIdentity: boolean
  previousUs: string | null
  isBrought: boolean
  entries: EntryRow[]
  touches: TouchColumns | null
  parts: PartsRow[] | null
}

/**
 * Those of these keys that are orders with a capture, with their ledger entries and their eligible touches. One statement, so
 * that all of it comes from the same snapshot.
 *
 * A touch is eligible for an order of the same identity when it is not later than the order, not more than the
 * lookback before it, and no earlier order of that identity used it up. Where an order has none of these, those count
 * that it brought itself. Times are compared as instants.
 *
 * The fences (`offset 0`), here and below, make each part a look into an index for each order, whatever the planner knows: the
 * tables grow by the million between two looks of the statistics, and a join that reads one of them whole takes minutes. Nor
 * may the touches of a visitor be looked for among those of all: hence the pairs, which only one index knows.
 */
export async function readOrders(
  tx: Tx,
  tenantId: string,
  orderKeys: readonly string[],
  lookbackDays: number,
): Promise<ReadOrder[]> {
  const { rows } = await sql<OrderRow>`
    with chunk as (  -- a key that belongs to another order is none itself
      select k.order_key
      from unnest(${orderKeys as string[]}::text[]) as k (order_key)
      where not exists (select from order_groups as g
                        where g.tenant_id = ${tenantId} and g.order_key = k.order_key and g.group_key <> k.order_key)
    ),
    orders as materialized (
      select o.order_key, o.members, o.ordered_at, o.identity, e.list as entries
      from (${ordersOf(tenantId, 'chunk')}) as o
      cross join lateral ${entriesOf(tenantId)} as e
    ),
    strangers as (  -- the other orders of these visitors
      select coalesce((select g.group_key from order_groups as g
                       where g.tenant_id = ${tenantId} and g.order_key = f.order_key), f.order_key) as order_key
      from (select distinct o.identity from orders as o where o.identity is not null) as i
      cross join lateral (
        select f.order_key from order_facts as f where f.tenant_id = ${tenantId} and f.identity = i.identity offset 0
      ) as f
      except
      select o.order_key from orders as o
    ),
    others as materialized (
      select o.order_key, o.ordered_at, o.identity
      from (${ordersOf(tenantId, 'strangers')}) as o
      where o.identity is not null and ${isPaid(tenantId)}
    ),
    conversions as (  -- the one before has used up the touches until then
      select c.*, case when c.identity is not null
                       then lag(c.ordered_at) over (partition by c.identity order by c.ordered_at, c.order_key collate "C")
                  end as previous_at
      from (select order_key, members, ordered_at, identity, entries from orders
            union all
            select order_key, null, ordered_at, identity, null from others) as c
    )
    select o.order_key                                      as "orderKey",
           (extract(epoch from o.ordered_at) * 1000000)::bigint::text as "orderedAtUs",
           o.identity is not null                           as "hasIdentity",
           o.entries,
           (extract(epoch from o.previous_at) * 1000000)::bigint::text as "previousUs",
           coalesce(touches.list, brought.list)             as touches,
           touches.list is null                             as "isBrought",
           parts.list                                       as parts
    from (select * from conversions where entries is not null) as o
    left join lateral (  -- of the visitor
      select ${TOUCHES} as list
      from touchpoints as t
      where t.tenant_id = ${tenantId}
        and (t.identity, t.occurred_at) >= (o.identity, o.ordered_at - make_interval(hours => ${lookbackDays * 24}))
        and (t.identity, t.occurred_at) <= (o.identity, o.ordered_at)
        and (o.previous_at is null or t.occurred_at > o.previous_at)
    ) as touches on true
    left join lateral (  -- that the order itself brought
      select ${TOUCHES} as list
      from unnest(o.members) as m (member)
      cross join lateral (
        select t.* from touchpoints as t where t.tenant_id = ${tenantId} and t.identity is null and t.order_key = m.member offset 0
      ) as t
      where touches.list is null
        and t.occurred_at between o.ordered_at - make_interval(hours => ${lookbackDays * 24}) and o.ordered_at
    ) as brought on true
    left join lateral (
      select json_agg(json_build_array(p.order_key, p.fact_id, p.covers, p.version_at, p.currency, p.total_minor::text,
                                       p.tax_minor::text, p.shipping_minor::text, p.tip_minor::text, p.discount_minor::text)) as list
      from unnest(o.members) as m (member)
      cross join lateral (
        select p.* from order_parts as p where p.tenant_id = ${tenantId} and p.order_key = m.member offset 0
      ) as p
    ) as parts on true
    order by o.order_key collate "C"`.execute(tx)
  return rows.map(toOrder)
}

/** Of these keys those under which an order is known, by all of its keys. */
function ordersOf(tenantId: string, keys: 'chunk' | 'strangers') {
  return sql`
      select m.order_key, array_agg(distinct m.member) as members, min(f.ordered_at) as ordered_at,
             decode(min(encode(f.identity, 'hex')), 'hex') as identity
      from (select order_key, order_key as member from ${sql.table(keys)}
            union
            select k.order_key, g.order_key
            from ${sql.table(keys)} as k
            cross join lateral (
              select g.order_key from order_groups as g where g.tenant_id = ${tenantId} and g.group_key = k.order_key offset 0
            ) as g) as m
      left join lateral (  -- under some keys nothing but a refund may be known
        select f.ordered_at, f.identity from order_facts as f where f.tenant_id = ${tenantId} and f.order_key = m.member offset 0
      ) as f on true
      group by m.order_key
      having min(f.ordered_at) is not null`
}

const BY_TIME = sql`order by t.occurred_at, t.external_id collate "C", t.origin`

/** The touches `t`, or null where there are none: an array for each column costs half of what one for each touch does. */
const TOUCHES = sql`case when count(*) > 0 then json_build_array(
        array_agg((extract(epoch from t.occurred_at) * 1000000)::bigint ${BY_TIME}), array_agg(t.origin ${BY_TIME}),
        array_agg(t.external_id ${BY_TIME}), array_agg(t.channel ${BY_TIME}), array_agg(t.campaign ${BY_TIME}),
        array_agg(t.tier ${BY_TIME})) end`

/** What counts in the ledger of an order that is paid: captures, then what changed them in order of time. */
function entriesOf(tenantId: string) {
  return sql`(
        select json_agg(json_build_array(e.entry_key, e.kind, e.amount_minor::text, e.currency, e.reverses,
                                         (extract(epoch from e.occurred_at) * 1000000)::bigint)
                        order by e.kind <> 'capture', case when e.kind <> 'capture' then e.occurred_at end, e.kind,
                                 e.entry_key collate "C") as list
        from (
          select coalesce(l.corrects_entry_key, l.entry_key) as entry_key,
                 l.kind,
                 l.currency,
                 l.reverses_entry_key as reverses,
                 sum(l.amount_minor) as amount_minor,
                 min(least(l.occurred_at, (select min(s.occurred_at) from canonical_events as s
                                           where s.tenant_id = ${tenantId} and s.entry_key = l.entry_key
                                             and s.counts and s.amount_minor is distinct from 0))) as occurred_at
          from unnest(o.members) as m (member)
          cross join lateral (
            select l.* from ledger_entries as l where l.tenant_id = ${tenantId} and l.order_key = m.member offset 0
          ) as l
          where not exists (select from uncounted_entries as u
                            where u.tenant_id = ${tenantId} and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))
          group by 1, l.kind, l.currency, l.reverses_entry_key
          having sum(l.amount_minor) <> 0
        ) as e
        having sum(e.amount_minor) filter (where e.kind = 'capture') <> 0
      )`
}

/** Whether an order has a capture which counts and was not corrected to nothing. */
function isPaid(tenantId: string) {
  return sql`exists (
        select from unnest(o.members) as m (member)
        cross join lateral (
          select l.amount_minor, coalesce(l.corrects_entry_key, l.entry_key) as entry_key from ledger_entries as l
          where l.tenant_id = ${tenantId} and l.order_key = m.member and l.kind = 'capture' offset 0
        ) as l
        where not exists (select from uncounted_entries as u where u.tenant_id = ${tenantId} and u.entry_key = l.entry_key)
        having sum(l.amount_minor) <> 0
      )`
}

function toOrder(row: OrderRow): ReadOrder {
  const { orderKey, orderedAtUs, hasIdentity, previousUs, isBrought, entries, touches, parts } = row
  return {
    previousUs: previousUs === null ? null : Number(previousUs),
    isBrought,
    order: {
      orderKey,
      orderedAtUs: Number(orderedAtUs),
      hasIdentity,
      entries: entries.map(toEntry),
      touches: touches === null ? [] : toTouches(touches),
    },
    parts: (parts ?? []).map(toParts),
  }
}

function toEntry([entryKey, kind, amount, currency, reverses, occurredAtUs]: EntryRow): Entry {
  return { entryKey, kind, amountMinor: BigInt(amount), currency, reverses, occurredAtUs }
}

function toTouches([times, origins, externalIds, channels, campaigns, tiers]: TouchColumns): OrderTouch[] {
  return times.map((occurredAtUs, index) => ({
    occurredAtUs,
    origin: origins[index] as string,
    externalId: externalIds[index] as string,
    channel: channels[index] as string,
    campaign: campaigns[index] as string | null,
    tier: tiers[index] as Tier,
  }))
}

function toParts(row: PartsRow): StatedParts {
  const [orderKey, factId, covers, versionAt, currency, total, tax, shipping, tip, discount] = row
  return {
    orderKey,
    factId,
    covers,
    versionAt: versionAt === null ? null : new Date(versionAt),
    currency,
    totalMinor: BigInt(total),
    taxMinor: BigInt(tax),
    shippingMinor: BigInt(shipping),
    tipMinor: BigInt(tip),
    discountMinor: BigInt(discount),
  }
}

/** Touches that the credits of these orders name, some of them more than once. */
export async function listCreditedNames(
  tx: Tx,
  { tenantId, editionId }: { tenantId: string; editionId: string },
  pointers: readonly Pointer[],
): Promise<Map<string, TouchName[]>> {
  const { rows } = await sql<{ orderKey: string; origins: string[]; externalIds: string[] }>`
    select o.order_key as "orderKey", to_json(c.origins) as origins, to_json(c.external_ids) as "externalIds"
    from unnest(${pointers.map(({ orderKey }) => orderKey)}::text[], ${pointers.map(({ revision }) => revision)}::integer[])
           as o (order_key, revision)
    cross join lateral (
      select e.touch_origins, e.touch_external_ids
      from attribution_entry_credits as e
      where e.tenant_id = ${tenantId} and e.edition_id = ${editionId} and e.order_key = o.order_key and e.revision = o.revision
      union all
      select array[t.touch_origin], array[t.touch_external_id]
      from attribution_touch_credits as t
      where t.tenant_id = ${tenantId} and t.edition_id = ${editionId} and t.order_key = o.order_key and t.revision = o.revision
        and t.touch_external_id is not null
      offset 0
    ) as c (origins, external_ids)
    where c.external_ids is not null`.execute(tx)
  const named = new Map<string, TouchName[]>()
  for (const { orderKey, origins, externalIds } of rows) {
    const names = externalIds.map((externalId, index) => ({ origin: origins[index] as string, externalId }))
    named.set(orderKey, [...(named.get(orderKey) ?? []), ...names])
  }
  return named
}

/** The same, whole, and each once: what costs several times as much. */
export async function listCreditedTouches(
  tx: Tx,
  { tenantId, editionId }: { tenantId: string; editionId: string },
  pointers: readonly Pointer[],
): Promise<Map<string, OrderTouch[]>> {
  const { rows } = await sql<{ orderKey: string; touches: TouchColumns }>`
    select o.order_key as "orderKey", t.touches
    from unnest(${pointers.map(({ orderKey }) => orderKey)}::text[], ${pointers.map(({ revision }) => revision)}::integer[])
           as o (order_key, revision)
    cross join lateral (
      select ${TOUCHES} as touches
      from (
        select distinct on (c.touch_origin, c.touch_external_id)
               c.touched_at as occurred_at, c.touch_origin as origin, c.touch_external_id as external_id, c.channel, c.campaign, c.tier
        from attribution_credits_by_touch as c
        where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.order_key = o.order_key and c.revision = o.revision
          and c.touch_external_id is not null
        order by c.touch_origin, c.touch_external_id
      ) as t
    ) as t
    where t.touches is not null`.execute(tx)
  return new Map(rows.map(({ orderKey, touches }) => [orderKey, toTouches(touches)]))
}

/** What names a touch of a tenant. */
export type TouchName = Pick<OrderTouch, 'origin' | 'externalId'>

/** Those of these touches that are stored. */
export async function listStoredTouches(tx: Tx, tenantId: string, touches: readonly TouchName[]): Promise<TouchName[]> {
  const { rows } = await sql<TouchName>`
    select n.origin, n.external_id as "externalId"
    from unnest(${touches.map(({ origin }) => origin)}::text[], ${touches.map(({ externalId }) => externalId)}::text[])
           as n (origin, external_id)
    where exists (select from touchpoints as t
                  where t.tenant_id = ${tenantId} and t.origin = n.origin and t.external_id = n.external_id
                  offset 0)`.execute(tx)
  return rows
}

/** The type of the rows that `insertCredits` sends, in this database. */
export async function getCreditRowType(tx: Tx): Promise<number> {
  const { rows } = await sql<{
    oid: number
  }>`select 'attribution_entry_credit_row'::regtype::oid::integer as oid`.execute(tx)
  const [row] = rows
  if (row === undefined) throw new Error('a statement without a table gave no row')
  return row.oid
}

/** Writes credits of a publication; they are never changed. */
export async function insertCredits(
  tx: Tx,
  { tenantId, editionId, number }: Pick<Publication, 'tenantId' | 'editionId' | 'number'>,
  rows: Buffer,
): Promise<void> {
  await sql`
    insert into attribution_entry_credits (tenant_id, edition_id, order_key, revision, entry_key, position, kind, currency, ordered_at,
                                           occurred_at, channels, campaigns, touch_origins, touch_external_ids, touched_at, tiers,
                                           revenue_minor, conversion_micro, is_reporting, reporting_minor)
    select ${tenantId}::uuid, ${editionId}::uuid, c.order_key, ${number}::integer, c.entry_key, c.position, c.kind, c.currency,
           c.ordered_at, c.occurred_at, c.channels, c.campaigns, c.touch_origins, c.touch_external_ids, c.touched_at, c.tiers,
           c.revenue_minor, c.conversion_micro, c.is_reporting, c.reporting_minor
    from unnest(${rows}::attribution_entry_credit_row[]) as c`.execute(tx)
}
