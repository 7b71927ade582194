import { type RawBuilder, sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'
import type { DayRow, RevenueBasis } from './days.ts'

export interface RevenueDefinition {
  version: number
  includesTax: boolean
  includesShipping: boolean
  includesTips: boolean
  subtractsDiscounts: boolean
}

/** The one that holds now. */
export function getRevenueDefinition(tx: Tx, tenantId: string): Promise<RevenueDefinition> {
  return tx
    .selectFrom('revenue_definitions')
    .select([
      'version',
      'includes_tax as includesTax',
      'includes_shipping as includesShipping',
      'includes_tips as includesTips',
      'subtracts_discounts as subtractsDiscounts',
    ])
    .where('tenant_id', '=', tenantId)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
}

interface Span {
  startsAt: string
  endsAt: string
  timeZone: string
}

/**
 * What moved, by day: all entries of the orders of the window, and what was taken back in it of other orders. A capture
 * counts at the time of its order, a refund or a dispute at the earliest that any delivery states; what two vendors report
 * counts once, and a dispute that was won not at all. Each entry counts with its part by the revenue definition, as
 * `countEntries` has it: the share of the sum so far, rounded half away from zero, less the one before. What would take the
 * sum below 0 is over-refunded.
 *
 * What is joined is made once (`materialized`) and looked up by its key (`offset 0`), whatever the planner knows of the tenant: without
 * statistics it aggregated the orders anew for each entry, and 600 orders took 10 s.
 */
export async function sumByDay(
  tx: Tx,
  tenantId: string,
  { startsAt, endsAt, timeZone }: Span,
  { basis, definition }: { basis: RevenueBasis; definition: RevenueDefinition },
): Promise<DayRow[]> {
  const counting = countBy(tenantId, definition)
  const { rows } = await sql<DayRow>`
    with candidates as (
      select coalesce(g.group_key, f.order_key) as order_key
      from order_facts as f
      left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = f.order_key
      where f.tenant_id = ${tenantId} and f.ordered_at >= ${startsAt}::timestamptz and f.ordered_at < ${endsAt}::timestamptz
      union
      select coalesce(g.group_key, l.order_key)
      from ledger_entries as l
      left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = l.order_key
      where l.tenant_id = ${tenantId}
        and l.kind <> 'capture'
        and l.occurred_at >= ${startsAt}::timestamptz   -- an entry is never earlier than the first that states it
        and (l.occurred_at < ${endsAt}::timestamptz
             or exists (select from canonical_events as c
                        where c.tenant_id = ${tenantId} and c.entry_key = coalesce(l.corrects_entry_key, l.entry_key)
                          and c.counts and c.occurred_at < ${endsAt}::timestamptz))
    ),
    members as materialized (
      select order_key, order_key as member from candidates
      union all
      select c.order_key, g.order_key
      from candidates as c
      join order_groups as g on g.tenant_id = ${tenantId} and g.group_key = c.order_key and g.order_key <> c.order_key
    ),
    orders as materialized (
      select m.order_key, min(f.ordered_at) as ordered_at
      from members as m
      cross join lateral (
        select f.ordered_at from order_facts as f where f.tenant_id = ${tenantId} and f.order_key = m.member offset 0
      ) as f
      group by m.order_key
    ),
    won as materialized (  -- one that was won and then lost has a reversal of nothing
      select w.reverses_entry_key as entry_key
      from ledger_entries as w
      where w.tenant_id = ${tenantId} and w.reverses_entry_key is not null and w.order_key in (select member from members)
      group by w.reverses_entry_key, coalesce(w.corrects_entry_key, w.entry_key), w.currency
      having sum(w.amount_minor) <> 0
    ),
    stated as materialized (
      select m.order_key, coalesce(l.corrects_entry_key, l.entry_key) as entry_key, l.kind, l.currency, l.vendor,
             sum(l.amount_minor)::bigint as amount_minor,
             min(l.occurred_at) as occurred_at,
             count(*) as entries,
             count(*) filter (where l.source = 'webhook') as verified,
             max(l.recorded_at) as newest
      from members as m
      join ledger_entries as l on l.tenant_id = ${tenantId} and l.order_key = m.member
      where l.kind <> 'dispute_reversal'
        and not exists (select from uncounted_entries as u
                        where u.tenant_id = ${tenantId} and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))
        and (l.kind <> 'dispute' or coalesce(l.corrects_entry_key, l.entry_key) not in (select entry_key from won))
      group by 1, 2, 3, 4, 5
      having sum(l.amount_minor) <> 0
    ),
    moved as (
      select s.*,
             coalesce(o.ordered_at, s.occurred_at) as ordered_at,
             case when s.kind = 'capture' then coalesce(o.ordered_at, s.occurred_at)
                  else least(s.occurred_at, (select min(c.occurred_at) from canonical_events as c
                                             where c.tenant_id = ${tenantId} and c.entry_key = s.entry_key
                                               and c.counts and c.amount_minor is distinct from 0))
             end as moved_at
      from stated as s
      left join orders as o on o.order_key = s.order_key
    ),
    ${counting.shares}
    summed as (
      select m.*, ${counting.columns}
             sum(m.amount_minor) over steps as sum_minor,
             m.kind = 'capture' and row_number() over steps = 1 as is_first_capture
      from moved as m
      ${counting.join}
      window steps as (partition by m.order_key, m.currency
                       order by m.kind <> 'capture', m.moved_at, m.kind, m.entry_key collate "C" rows unbounded preceding)
    ),
    cut as (
      select s.*, ${counting.cut(sql`s.sum_minor`)} as counted_sum, ${counting.cut(sql`(s.sum_minor - s.amount_minor)`)} as sum_before
      from summed as s
    ),
    counted as (
      select c.*,
             c.counted_sum - c.sum_before as part,
             greatest(0, c.counted_sum) - greatest(0, c.sum_before) as applied,
             c.ordered_at >= ${startsAt}::timestamptz and c.ordered_at < ${endsAt}::timestamptz as is_ordered,
             c.moved_at >= ${startsAt}::timestamptz and c.moved_at < ${endsAt}::timestamptz as is_moved
      from cut as c
    )
    select (${basis === 'order_date' ? sql`c.ordered_at` : sql`c.moved_at`} at time zone ${timeZone})::date as "day",
           c.currency,
           c.vendor,
           c.is_ordered                                                                  as "isOrdered",
           c.is_moved                                                                    as "isMoved",
           count(*) filter (where c.is_first_capture)::integer                           as "orders",
           coalesce(sum(c.part) filter (where c.kind = 'capture'), 0)::bigint            as "capturedMinor",
           coalesce(-sum(c.part) filter (where c.kind = 'refund'), 0)::bigint            as "refundedMinor",
           coalesce(-sum(c.part) filter (where c.kind = 'dispute'), 0)::bigint           as "disputedMinor",
           coalesce(sum(c.applied - c.part) filter (where c.kind <> 'capture'), 0)::bigint as "overRefundedMinor",
           sum(c.entries)::integer                                                       as "entries",
           sum(c.verified)::integer                                                      as "verified",
           max(c.newest)                                                                 as "newest"
    from counted as c
    where c.is_ordered or c.is_moved
    group by 1, 2, 3, 4, 5`.execute(tx)
  return rows
}

/** How a revenue definition takes part in the statement. */
interface Counting {
  shares: RawBuilder<unknown>
  /** Of the shares. */
  columns: RawBuilder<unknown>
  join: RawBuilder<unknown>
  /** What of a sum of an order's money is revenue. */
  cut: (sum: RawBuilder<unknown>) => RawBuilder<unknown>
}

/**
 * Each order counts by its share, `counted_minor / total_minor`, in all currencies where its `currency` is null, and whole where
 * it has none. The parts that hold are chosen as `partsOfOrder` does.
 */
function countBy(tenantId: string, definition: RevenueDefinition): Counting {
  const { includesTax, includesShipping, includesTips, subtractsDiscounts } = definition
  if (includesTax && includesShipping && includesTips && subtractsDiscounts) {
    return { shares: sql``, columns: sql``, join: sql``, cut: (sum) => sum }
  }
  const nothing = sql`0`
  const shares = sql`
    parts as (
      select m.order_key, p.covers, p.currency, p.total_minor::numeric as total_minor,
             p.total_minor::numeric - ${includesTax ? nothing : sql`p.tax_minor`}
               - ${includesShipping ? nothing : sql`p.shipping_minor`} - ${includesTips ? nothing : sql`p.tip_minor`}
               + ${subtractsDiscounts ? nothing : sql`p.discount_minor`} as counted_minor,
             bool_or(p.covers = 'order') over (partition by m.order_key) as has_snapshot,
             row_number() over (partition by m.order_key
                                order by p.covers = 'order' desc, p.order_key = m.order_key desc, p.order_key collate "C",
                                         p.version_at desc nulls last, p.total_minor desc, p.fact_id) as place
      from members as m
      cross join lateral (
        select * from order_parts as p where p.tenant_id = ${tenantId} and p.order_key = m.member offset 0
      ) as p
    ),
    shares as materialized (
      select order_key, null::text as currency, counted_minor, total_minor from parts where has_snapshot and place = 1
      union all
      select order_key, currency, sum(counted_minor), sum(total_minor) from parts where not has_snapshot group by 1, 2
    ),`
  const [counted, total] = [sql`coalesce(s.counted_minor, 1)`, sql`coalesce(s.total_minor, 1)`]
  return {
    shares,
    columns: sql`s.counted_minor, s.total_minor,`,
    join: sql`left join shares as s on s.order_key = m.order_key and (s.currency is null or s.currency = m.currency)`,
    cut: (sum) => sql`(sign(${sum}) * div(2 * abs(${sum}) * ${counted} + ${total}, 2 * ${total}))`,
  }
}
