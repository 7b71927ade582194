import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'
import type { InWindow, RevenueBasis } from '../../../revenue/daily/days.ts'

export type Dimension = 'channel' | 'campaign' | 'day'

export interface CreditSpan {
  editionId: string
  startsAt: string
  endsAt: string
  timeZone: string
  basis: RevenueBasis
}

/** Credits of one channel, summed. Minor units and millionths, by the models that were asked for. */
export interface CreditRow extends InWindow {
  /** Of the amounts; the reporting currency where they are converted. */
  currency: string
  channel: string
  tier: string
  /** Null but for campaigns; null there too where the touches name none. */
  campaign: string | null
  /** Null but for days: the day on which the money counts. */
  day: string | null
  revenueMinor: bigint[]
  conversionMicro: bigint[]
}

interface StoredRow extends Omit<CreditRow, 'revenueMinor' | 'conversionMicro'> {
  revenueMinor: string[]
  conversionMicro: string[]
}

/**
 * The credits of all orders of the window, and of what was taken back in it from other orders. `places` are those of the
 * models in the arrays, from 0 on. Where `convertsTo` is the reporting currency of the edition, credits that are known in it
 * count in it.
 */
export async function sumCredits(
  tx: Tx,
  tenantId: string,
  { editionId, startsAt, endsAt, timeZone, basis }: CreditSpan,
  { places, dimension, convertsTo }: { places: readonly number[]; dimension: Dimension; convertsTo: string | null },
): Promise<CreditRow[]> {
  const at = (column: 'revenue_minor' | 'conversion_micro') =>
    sql`array[${sql.join(places.map((place) => sql`sum(${sql.ref(column)}[${sql.lit(place + 1)}])::text`))}]`
  const columns = sql`
      o.identity_tier, o.ordered_at, c.occurred_at, c.kind, c.channel, c.campaign, c.conversion_micro,
      ${
        convertsTo === null
          ? sql`c.currency, c.revenue_minor`
          : sql`case when c.reporting_minor is null then c.currency else ${convertsTo} end as currency,
                case when c.currency = ${convertsTo} then c.revenue_minor else coalesce(c.reporting_minor, c.revenue_minor) end
                  as revenue_minor`
      }`
  const isWithin = (column: 'c.occurred_at' | 'o.ordered_at') =>
    sql`(${sql.ref(column)} >= ${startsAt}::timestamptz and ${sql.ref(column)} < ${endsAt}::timestamptz)`
  const day =
    basis === 'order_date' ? sql`ordered_at` : sql`case when kind = 'capture' then ordered_at else occurred_at end`
  const { rows } = await sql<StoredRow>`
    select currency, channel, identity_tier as tier,
           ${dimension === 'campaign' ? sql`campaign` : sql`null::text as campaign`},
           ${dimension === 'day' ? sql`(${day} at time zone ${timeZone})::date as "day"` : sql`null::date as "day"`},
           is_ordered as "isOrdered", is_moved as "isMoved",
           ${at('revenue_minor')} as "revenueMinor", ${at('conversion_micro')} as "conversionMicro"
    from (
      select ${columns}, true as is_ordered, c.kind = 'capture' or ${isWithin('c.occurred_at')} as is_moved
      from attribution_orders as o
      join attribution_order_credits as c on c.tenant_id = ${tenantId} and c.edition_id = ${editionId}
                                   and c.order_key = o.order_key and c.revision = o.revision
      where o.tenant_id = ${tenantId} and o.edition_id = ${editionId} and ${isWithin('o.ordered_at')}
      union all
      select ${columns}, false, true
      from attribution_order_credits as c
      join attribution_orders as o on o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
                                  and o.order_key = c.order_key and o.revision = c.revision
      where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.kind <> 'capture'
        and ${isWithin('c.occurred_at')} and not ${isWithin('o.ordered_at')}
    ) as credits
    group by 1, 2, 3, 4, 5, 6, 7`.execute(tx)
  return rows.map((row) => ({
    ...row,
    revenueMinor: row.revenueMinor.map(BigInt),
    conversionMicro: row.conversionMicro.map(BigInt),
  }))
}

/** What the orders of the window have in one currency, as they stand now. Minor units. */
export interface OrderTotal {
  currency: string
  /** With a capture. */
  orders: number
  overRefundedMinor: bigint
}

export async function sumOrders(
  tx: Tx,
  tenantId: string,
  { editionId, startsAt, endsAt }: Pick<CreditSpan, 'editionId' | 'startsAt' | 'endsAt'>,
): Promise<OrderTotal[]> {
  const { rows } = await sql<OrderTotal>`
    select m.currency,
           count(*) filter (where m.captured > 0)::integer as "orders",
           sum(m.over_refunded)::bigint                    as "overRefundedMinor"
    from attribution_orders as o
    cross join lateral unnest(o.currencies, o.captured_minor, o.over_refunded_minor) as m (currency, captured, over_refunded)
    where o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
      and o.ordered_at >= ${startsAt}::timestamptz and o.ordered_at < ${endsAt}::timestamptz
    group by m.currency
    order by m.currency`.execute(tx)
  return rows
}

export interface SpendRow {
  channel: string
  campaign: string | null
  day: string | null
  spendMinor: bigint
}

/** Spend of days (both included) in one currency, each figure by its newest version. */
export async function sumSpend(
  tx: Tx,
  tenantId: string,
  { from, to, currency }: { from: string; to: string; currency: string },
  dimension: Dimension,
): Promise<SpendRow[]> {
  const { rows } = await sql<SpendRow>`
    select s.channel,
           ${dimension === 'campaign' ? sql`nullif(s.campaign, '') as campaign` : sql`null::text as campaign`},
           ${dimension === 'day' ? sql`s.day as "day"` : sql`null::date as "day"`},
           sum(s.amount_minor)::bigint as "spendMinor"
    from (
      select distinct on (day, time_zone, channel, source, campaign) day, channel, campaign, amount_minor
      from spend_versions
      where tenant_id = ${tenantId} and day between ${from}::date and ${to}::date and currency = ${currency}
      order by day, time_zone, channel, source, campaign, version desc
    ) as s
    group by 1, 2, 3`.execute(tx)
  return rows
}

/** What one order gave a channel, by one model. */
export interface ChannelOrderRow {
  orderKey: string
  revenueMinor: bigint
  conversionMicro: bigint
  /** Of the whole order, on the same basis. */
  netMinor: bigint
}

/** The orders with a credit of this channel on the basis, the highest revenue first, and how many there are. */
export async function listChannelOrders(
  tx: Tx,
  tenantId: string,
  { editionId, startsAt, endsAt, basis }: CreditSpan,
  { place, channel, currency, limit }: { place: number; channel: string; currency: string; limit: number },
): Promise<{ orders: ChannelOrderRow[]; count: number }> {
  const revenue = sql`c.revenue_minor[${sql.lit(place + 1)}]`
  const conversion = sql`c.conversion_micro[${sql.lit(place + 1)}]`
  const captures = sql`
      select c.order_key, c.channel, ${revenue} as revenue, ${conversion} as conversion
      from attribution_orders as o
      join attribution_order_credits as c on c.tenant_id = ${tenantId} and c.edition_id = ${editionId}
                                   and c.order_key = o.order_key and c.revision = o.revision
      where o.tenant_id = ${tenantId} and o.edition_id = ${editionId} and c.currency = ${currency}
        and o.ordered_at >= ${startsAt}::timestamptz and o.ordered_at < ${endsAt}::timestamptz`
  const taken = sql`
      union all
      select c.order_key, c.channel, ${revenue}, ${conversion}
      from attribution_order_credits as c
      join attribution_orders as o on o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
                                  and o.order_key = c.order_key and o.revision = c.revision
      where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.kind <> 'capture' and c.currency = ${currency}
        and c.occurred_at >= ${startsAt}::timestamptz and c.occurred_at < ${endsAt}::timestamptz`
  const { rows } = await sql<ChannelOrderRow & { count: bigint }>`
    select order_key as "orderKey", credited::bigint as "revenueMinor", conversions::bigint as "conversionMicro",
           net::bigint as "netMinor", count(*) over () as count
    from (
      select order_key, sum(revenue) as net,
             sum(revenue) filter (where channel = ${channel}) as credited,
             sum(conversion) filter (where channel = ${channel}) as conversions
      from (${captures} ${basis === 'order_date' ? sql`` : sql`and c.kind = 'capture' ${taken}`}) as credits
      group by order_key
    ) as orders
    where credited <> 0 or conversions <> 0
    order by credited desc, order_key collate "C"
    limit ${limit}`.execute(tx)
  return { orders: rows, count: Number(rows[0]?.count ?? 0) }
}
