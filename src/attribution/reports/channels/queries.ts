import { type RawBuilder, sql } from 'kysely'
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
 * Ledger entries with the credits of their touches, of both tables, and what is `computed` of `c` and its order `o`: once for
 * each entry, whose touches are many (`offset 0`: not again for each of them). `found` says which entries these are.
 */
function entriesWith(computed: RawBuilder<unknown>, found: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(
        (select ${computed}, c.order_key, c.currency, c.channels, c.campaigns, c.revenue_minor, c.conversion_micro,
                case when c.is_reporting then c.revenue_minor else c.reporting_minor end as reporting_minor,
                cardinality(c.revenue_minor) / cardinality(c.channels) as models
         from attribution_entry_credits as c ${found} offset 0)
        union all
        (select ${computed}, c.order_key, c.currency, array[c.channel], array[c.campaign], c.revenue_minor, c.conversion_micro::integer[],
                c.reporting_minor, cardinality(c.revenue_minor)
         from attribution_touch_credits as c ${found} offset 0)
      ) as e`
}

const BY_TOUCH = sql`cross join lateral unnest(e.channels) with ordinality as t (channel, place)`

/** What the touch gets by the model at `place`. */
function ofTouch(credits: RawBuilder<unknown>, place: number): RawBuilder<unknown> {
  return sql`${credits}[(t.place::integer - 1) * e.models + ${sql.lit(place + 1)}]`
}

type Span = Pick<CreditSpan, 'editionId' | 'startsAt' | 'endsAt'>

function isWithin({ startsAt, endsAt }: Span, time: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`(${time} >= ${startsAt}::timestamptz and ${time} < ${endsAt}::timestamptz)`
}

/**
 * The touches of the orders of the span. A look into the index for each order, whatever the planner knows of the tables: a join
 * takes all credits of the tenant for a day's orders, and where nothing is known yet as often as there are orders.
 */
function touchesOfOrders(tenantId: string, span: Span, computed: RawBuilder<unknown>): RawBuilder<unknown> {
  const { editionId } = span
  const ofOrder = sql`
         where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.order_key = o.order_key and c.revision = o.revision`
  return sql`attribution_orders as o
      cross join lateral ${entriesWith(computed, ofOrder)}
      ${BY_TOUCH}
      where o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
        and o.ordered_at > '-infinity' and ${isWithin(span, sql`o.ordered_at`)}`
}

/** The touches of what was taken back in the span, from orders of which `isOfOrder` holds. */
function touchesTakenBack(
  tenantId: string,
  span: Span,
  { computed, isOfOrder }: { computed: RawBuilder<unknown>; isOfOrder: RawBuilder<unknown> },
): RawBuilder<unknown> {
  const { editionId } = span
  const taken = sql`
         cross join lateral (
           select o.ordered_at, o.identity_tier from attribution_orders as o
           where o.tenant_id = ${tenantId} and o.edition_id = ${editionId} and o.order_key = c.order_key and o.revision = c.revision
           offset 0
         ) as o
         where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.kind <> 'capture'
           and ${isWithin(span, sql`c.occurred_at`)} and ${isOfOrder}`
  return sql`${entriesWith(computed, taken)} ${BY_TOUCH}`
}

/**
 * The credits of all orders of the window, and of what was taken back in it from other orders. `places` are those of the
 * models in the arrays, from 0 on. Where `convertsTo` is the reporting currency of the edition, credits that are known in it
 * count in it.
 *
 * Each part is added up by itself, by columns that are made before their touches: of those the planner believes, with statistics
 * and without, that they make few groups. By an expression it believed in as many as there are credits, and sorted them
 * (100,000 orders, 1,050,000 credits by day: 1.5 GB, 8 s of processor time for 1.1 now).
 */
export async function sumCredits(
  tx: Tx,
  tenantId: string,
  span: CreditSpan,
  { places, dimension, convertsTo }: { places: readonly number[]; dimension: Dimension; convertsTo: string | null },
): Promise<CreditRow[]> {
  const orderedAt = sql`o.ordered_at`
  const movedAt = sql`case when c.kind = 'capture' then o.ordered_at else c.occurred_at end`
  const countsAt = span.basis === 'order_date' ? orderedAt : movedAt
  const computed = sql`o.identity_tier as tier, ${isWithin(span, movedAt)} as is_moved,
                ${dimension === 'day' ? sql`(${countsAt} at time zone ${span.timeZone})::date` : sql`null::date`} as day`
  const revenue = convertsTo === null ? sql`e.revenue_minor` : sql`(coalesce(e.reporting_minor, e.revenue_minor))`
  const sums = places.flatMap((place, index) => [
    sql`sum(${ofTouch(revenue, place)}) as ${sql.ref(`revenue_${index}`)}`,
    sql`sum(${ofTouch(sql`e.conversion_micro`, place)}) as ${sql.ref(`conversion_${index}`)}`,
  ])
  const columns = sql`e.currency, t.channel, e.tier, e.day, e.is_moved,
             ${dimension === 'campaign' ? sql`e.campaigns[t.place]` : sql`null::text`} as campaign,
             ${convertsTo === null ? sql`false` : sql`e.reporting_minor is not null`} as is_converted`
  const total = (name: 'revenue' | 'conversion') =>
    sql`array[${sql.join(places.map((_, index) => sql`sum(${sql.ref(`${name}_${index}`)})::text`))}]`
  const ofOthers = { computed, isOfOrder: sql`not ${isWithin(span, orderedAt)}` }
  const { rows } = await sql<StoredRow>`
    select ${convertsTo === null ? sql`currency` : sql`case when is_converted then ${convertsTo} else currency end`} as currency,
           channel, tier, campaign, day as "day", is_ordered as "isOrdered", is_moved as "isMoved",
           ${total('revenue')} as "revenueMinor", ${total('conversion')} as "conversionMicro"
    from (
      select ${columns}, true as is_ordered, ${sql.join(sums)} from ${touchesOfOrders(tenantId, span, computed)} group by 1, 2, 3, 4, 5, 6, 7, 8
      union all
      select ${columns}, false, ${sql.join(sums)} from ${touchesTakenBack(tenantId, span, ofOthers)} group by 1, 2, 3, 4, 5, 6, 7, 8
    ) as credits
    group by 1, 2, 3, 4, 5, 6, 7`.execute(tx)
  return rows.map((row) => ({
    ...row,
    revenueMinor: row.revenueMinor.map(BigInt),
    conversionMicro: row.conversionMicro.map(BigInt),
  }))
}

/** What was taken back of the orders of the window beyond what they had left, as they stand now. Minor units of the currency. */
export async function sumOverRefunded(
  tx: Tx,
  tenantId: string,
  {
    editionId,
    startsAt,
    endsAt,
    currency,
  }: Pick<CreditSpan, 'editionId' | 'startsAt' | 'endsAt'> & { currency: string },
): Promise<bigint> {
  const { rows } = await sql<{ overRefundedMinor: bigint }>`
    select coalesce(sum(o.over_refunded_minor[array_position(o.currencies, ${currency})]), 0)::bigint as "overRefundedMinor"
    from attribution_orders as o
    where o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
      and o.ordered_at > '-infinity' and o.ordered_at >= ${startsAt}::timestamptz and o.ordered_at < ${endsAt}::timestamptz`.execute(
    tx,
  )
  return rows[0]?.overRefundedMinor ?? 0n
}

export interface SpendRow {
  /** The one that was asked for, or that of spend without a rate into it. */
  currency: string
  channel: string
  campaign: string | null
  day: string | null
  spendMinor: bigint
}

/** Minor units of a currency are those of another by `numerator / denominator`, on one day. */
export interface SpendRate {
  day: string
  currency: string
  numerator: bigint
  denominator: bigint
}

interface SpendSpan {
  /** Days, both included. */
  from: string
  to: string
  currency: string
}

/** Those of the spend of these days beside the one that is asked for. */
export async function listSpendCurrencies(
  tx: Tx,
  tenantId: string,
  { from, to, currency }: SpendSpan,
): Promise<string[]> {
  const { rows } = await sql<{ currency: string }>`
    select distinct currency from spend_versions
    where tenant_id = ${tenantId} and day between ${from}::date and ${to}::date and currency <> ${currency}`.execute(tx)
  return rows.map((row) => row.currency)
}

/**
 * Spend, each figure by its newest version, in the currency where it is or has a rate of its day; of a day, channel, campaign
 * and currency the sum is converted, rounded half up.
 */
export async function sumSpend(
  tx: Tx,
  tenantId: string,
  { from, to, currency }: SpendSpan,
  { dimension, rates }: { dimension: Dimension; rates: readonly SpendRate[] },
): Promise<SpendRow[]> {
  const { rows } = await sql<SpendRow>`
    with rate as (
      select r.day, r.currency, r.numerator, r.denominator
      from unnest(${rates.map(({ day }) => day)}::date[], ${rates.map((rate) => rate.currency)}::text[],
                  ${rates.map(({ numerator }) => String(numerator))}::numeric[],
                  ${rates.map(({ denominator }) => String(denominator))}::numeric[]) as r (day, currency, numerator, denominator)
    ),
    newest as (
      select distinct on (day, time_zone, channel, source, campaign, currency) day, channel, campaign, currency, amount_minor
      from spend_versions
      where tenant_id = ${tenantId} and day between ${from}::date and ${to}::date
      order by day, time_zone, channel, source, campaign, currency, version desc
    ),
    spent as (
      select day, channel, campaign, currency, sum(amount_minor) as amount_minor from newest group by 1, 2, 3, 4
    )
    select case when r.day is null then s.currency else ${currency} end as currency,
           s.channel,
           ${dimension === 'campaign' ? sql`nullif(s.campaign, '') as campaign` : sql`null::text as campaign`},
           ${dimension === 'day' ? sql`s.day as "day"` : sql`null::date as "day"`},
           sum(case when r.day is null then s.amount_minor
                    else div(2 * s.amount_minor * r.numerator + r.denominator, 2 * r.denominator) end)::bigint as "spendMinor"
    from spent as s
    left join rate as r on r.day = s.day and r.currency = s.currency
    group by 1, 2, 3, 4`.execute(tx)
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
  { basis, ...span }: CreditSpan,
  { place, channel, currency, limit }: { place: number; channel: string; currency: string; limit: number },
): Promise<{ orders: ChannelOrderRow[]; count: number }> {
  const columns = sql`e.order_key, t.channel, ${ofTouch(sql`e.revenue_minor`, place)} as revenue,
             ${ofTouch(sql`e.conversion_micro`, place)} as conversion`
  const computed = sql`c.kind`
  const ordered = sql`select ${columns} from ${touchesOfOrders(tenantId, span, computed)} and e.currency = ${currency}`
  const takenBack = touchesTakenBack(tenantId, span, { computed, isOfOrder: sql`true` })
  const moved = sql`and e.kind = 'capture' union all select ${columns} from ${takenBack} where e.currency = ${currency}`
  const { rows } = await sql<ChannelOrderRow & { count: bigint }>`
    select order_key as "orderKey", credited::bigint as "revenueMinor", conversions::bigint as "conversionMicro",
           net::bigint as "netMinor", count(*) over () as count
    from (
      select order_key, sum(revenue) as net,
             sum(revenue) filter (where channel = ${channel}) as credited,
             sum(conversion) filter (where channel = ${channel}) as conversions
      from (${ordered} ${basis === 'order_date' ? sql`` : moved}) as credits
      group by order_key
    ) as orders
    where credited <> 0 or conversions <> 0
    order by credited desc, order_key collate "C"
    limit ${limit}`.execute(tx)
  return { orders: rows, count: Number(rows[0]?.count ?? 0) }
}
