import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'

export interface OrderRow {
  /** The key that the whole order goes by. */
  orderKey: string
  revision: number
  orderedAt: Date
  /** As Postgres writes it, with its microseconds. */
  orderedAtText: string
  identityTier: string
  /** Ascending; the arrays after it are by currency, in minor units as text. */
  currencies: string[]
  capturedMinor: string[]
  /** Applied to credits. */
  refundedMinor: string[]
  overRefundedMinor: string[]
}

/** An order that has been attributed, by any of its keys. */
export async function findOrder(
  tx: Tx,
  tenantId: string,
  { editionId, orderKey }: { editionId: string; orderKey: string },
): Promise<OrderRow | undefined> {
  // Materialized: a policy keeps an expression with a sub-select out of an index condition, and no join.
  const { rows } = await sql<OrderRow>`
    with own as materialized (
      select coalesce((select group_key from order_groups where tenant_id = ${tenantId} and order_key = ${orderKey}),
                      ${orderKey}) as order_key
    )
    select o.order_key                 as "orderKey",
           o.revision,
           o.ordered_at                as "orderedAt",
           o.ordered_at::text          as "orderedAtText",
           o.identity_tier             as "identityTier",
           o.currencies,
           o.captured_minor::text[]    as "capturedMinor",
           o.refunded_minor::text[]    as "refundedMinor",
           o.over_refunded_minor::text[] as "overRefundedMinor"
    from own
    join attribution_orders as o on o.order_key = own.order_key
    where o.tenant_id = ${tenantId} and o.edition_id = ${editionId}`.execute(tx)
  return rows[0]
}

/** What one touch of an order gets, all its ledger entries together; the arrays are by model. */
export interface OrderCreditRow {
  position: number
  channel: string
  touchOrigin: string | null
  touchExternalId: string | null
  touchedAt: Date | null
  revenueMinor: bigint[]
  conversionMicro: bigint[]
}

/** The credits that hold, in one currency, by position. `models` is how many models the arrays have. */
export async function listOrderCredits(
  tx: Tx,
  tenantId: string,
  { editionId, orderKey, revision }: { editionId: string; orderKey: string; revision: number },
  { currency, models }: { currency: string; models: number },
): Promise<OrderCreditRow[]> {
  const places = Array.from({ length: models }, (_, place) => place + 1)
  const sums = (column: 'revenue_minor' | 'conversion_micro') =>
    sql`array[${sql.join(places.map((place) => sql`sum(${sql.ref(`c.${column}`)}[c.models_before + ${sql.lit(place)}])::text`))}]`
  const { rows } = await sql<
    Omit<OrderCreditRow, 'revenueMinor' | 'conversionMicro'> & { revenueMinor: string[]; conversionMicro: string[] }
  >`
    select c.position,
           c.channel,
           c.touch_origin            as "touchOrigin",
           c.touch_external_id       as "touchExternalId",
           c.touched_at              as "touchedAt",
           ${sums('revenue_minor')}    as "revenueMinor",
           ${sums('conversion_micro')} as "conversionMicro"
    from attribution_credits_by_touch as c
    where c.tenant_id = ${tenantId}
      and c.edition_id = ${editionId}
      and c.order_key = ${orderKey}
      and c.revision = ${revision}
      and c.currency = ${currency}
    group by 1, 2, 3, 4, 5
    order by c.position`.execute(tx)
  return rows.map((row) => ({
    ...row,
    revenueMinor: row.revenueMinor.map(BigInt),
    conversionMicro: row.conversionMicro.map(BigInt),
  }))
}

export interface OrderRunRow {
  model: string
  runId: string
  dataCutoff: Date
}

/** The runs of the order's UTC day, one for each model. */
export async function listOrderRuns(
  tx: Tx,
  tenantId: string,
  { editionId, orderedAt }: { editionId: string; orderedAt: Date },
): Promise<OrderRunRow[]> {
  const { rows } = await sql<OrderRunRow>`
    select p.model, p.run_id as "runId", r.data_cutoff as "dataCutoff"
    from published_day_runs as p
    join attribution_day_runs as r on r.tenant_id = ${tenantId} and r.run_id = p.run_id
    where p.tenant_id = ${tenantId}
      and p.edition_id = ${editionId}
      and p.window_start = date_trunc('day', ${orderedAt}::timestamptz, 'UTC')`.execute(tx)
  return rows
}

export interface TouchRow {
  origin: string
  externalId: string
  channel: string
  occurredAt: Date
  /** Of a visitor, not of the order alone. */
  isVisitors: boolean
  isAfterOrder: boolean
  isOlderThanLookback: boolean
  /** Not later than the order before it of the same visitor. */
  isUsedUp: boolean
}

/**
 * The touches of an order's visitor and those that the order brought itself, earliest first: at most `limits.before` up to the
 * order, the last of them, and `limits.after` after it, the first of them.
 */
export async function listTouches(
  tx: Tx,
  tenantId: string,
  { editionId, orderKey, orderedAtText }: { editionId: string; orderKey: string; orderedAtText: string },
  { lookbackDays, limits }: { lookbackDays: number; limits: { before: number; after: number } },
): Promise<TouchRow[]> {
  const { rows } = await sql<TouchRow>`
    with members as (
      select ${orderKey}::text as order_key
      union
      select g.order_key from order_groups as g where g.tenant_id = ${tenantId} and g.group_key = ${orderKey}
    ),
    visitor as (
      select decode(min(encode(f.identity, 'hex')), 'hex') as identity
      from members as m
      join order_facts as f on f.tenant_id = ${tenantId} and f.order_key = m.order_key
    ),
    earlier as (
      select max(o.ordered_at) as ordered_at
      from visitor as v
      join order_facts as f on f.tenant_id = ${tenantId} and f.identity = v.identity
      left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = f.order_key
      join attribution_orders as o on o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
                                  and o.order_key = coalesce(g.group_key, f.order_key)
      where (o.ordered_at, o.order_key collate "C") < (${orderedAtText}::timestamptz, ${orderKey}::text collate "C")
    ),
    found as (
      (select t.origin, t.external_id, t.channel, t.occurred_at, true as is_visitors
       from visitor as v
       join touchpoints as t on t.tenant_id = ${tenantId} and t.identity = v.identity
       where t.occurred_at <= ${orderedAtText}::timestamptz
       order by t.occurred_at desc, t.external_id collate "C" desc
       limit ${limits.before})
      union all
      (select t.origin, t.external_id, t.channel, t.occurred_at, true
       from visitor as v
       join touchpoints as t on t.tenant_id = ${tenantId} and t.identity = v.identity
       where t.occurred_at > ${orderedAtText}::timestamptz
       order by t.occurred_at, t.external_id collate "C"
       limit ${limits.after})
      union all
      select t.origin, t.external_id, t.channel, t.occurred_at, false
      from members as m
      join touchpoints as t on t.tenant_id = ${tenantId} and t.order_key = m.order_key and t.identity is null
    )
    select t.origin,
           t.external_id                                as "externalId",
           t.channel,
           t.occurred_at                                as "occurredAt",
           t.is_visitors                                as "isVisitors",
           t.occurred_at > ${orderedAtText}::timestamptz as "isAfterOrder",
           t.occurred_at < ${orderedAtText}::timestamptz - make_interval(hours => ${lookbackDays * 24}) as "isOlderThanLookback",
           coalesce(t.is_visitors and t.occurred_at <= e.ordered_at, false) as "isUsedUp"
    from found as t
    cross join earlier as e
    order by t.occurred_at, t.external_id collate "C", t.origin`.execute(tx)
  return rows
}
