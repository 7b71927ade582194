import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'

/** Why there is a run: another edition, new data, or a member who asked. */
export type RunCause = 'edition' | 'data' | 'request'

export interface Publication {
  tenantId: string
  editionId: string
  /** Of the edition. */
  number: number
  dataCutoff: Date
  cause: RunCause
  /** Of the edition, in its order: version, and what stands at the head of its hashes. */
  models: { name: string; version: string; text: string }[]
}

/** How many orders of a UTC day came, went or have other credits. */
export interface ChangedDay {
  /** YYYY-MM-DD */
  day: string
  orders: number
}

/**
 * Makes a run of each model for each of these days from the orders as they are now, with its totals, and lets it answer. The
 * hashes are over those of the orders, in order of their keys.
 */
export async function publishRuns(tx: Tx, publication: Publication, days: readonly ChangedDay[]): Promise<void> {
  if (days.length === 0) return
  const { tenantId, editionId, number, dataCutoff, cause, models } = publication
  const outputs = models.map(
    (_model, index) =>
      sql`string_agg(substring(o.output_sha256 from ${index * 32 + 1} for 32), ''::bytea order by o.order_key collate "C")`,
  )
  const ordersOfDay = sql`
              select o.touches, o.currencies, o.captured_minor, o.refunded_minor, o.over_refunded_minor
              from attribution_orders as o
              where o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
                and o.ordered_at >= d.day and o.ordered_at < d.day + interval '24 hours'
              order by o.ordered_at`
  await sql`
    with days as (
      select d.day::date::timestamp at time zone 'UTC' as day, d.changed
      from unnest(${days.map(({ day }) => day)}::text[], ${days.map(({ orders }) => orders)}::integer[]) as d (day, changed)
    ),
    hashed as (
      select d.day, d.changed, count(o.order_key)::integer as orders,
             string_agg(o.input_sha256, ''::bytea order by o.order_key collate "C") as inputs,
             array[${sql.join(outputs)}] as outputs
      from days as d
      left join lateral (
        select o.order_key, o.input_sha256, o.output_sha256
        from attribution_orders as o
        where o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
          and o.ordered_at >= d.day and o.ordered_at < d.day + interval '24 hours'
        order by o.ordered_at  -- so that a planner who thinks the table empty takes the index on it
      ) as o on true
      group by d.day, d.changed
    ),
    runs as (
      insert into attribution_day_runs (tenant_id, edition_id, publication, model, model_version, window_start, window_end, data_cutoff,
                                    input_hash, output_hash, orders, version, previous_run_id, orders_changed, cause)
      select ${tenantId}::uuid, ${editionId}::uuid, ${number}::integer, m.model, m.model_version, h.day, h.day + interval '24 hours',
             ${dataCutoff}::timestamptz,
             encode(sha256(convert_to('skeldir/attribution-input/v2 ' || m.text, 'UTF8') || coalesce(h.inputs, '')), 'hex'),
             encode(sha256(convert_to('skeldir/attribution-output/v2 ' || m.text, 'UTF8') || coalesce(h.outputs[m.index], '')), 'hex'),
             h.orders, coalesce(b.version, 0) + 1, coalesce(b.run_id, f.run_id), h.changed, ${cause}
      from hashed as h
      cross join unnest(${models.map(({ name }) => name)}::text[], ${models.map(({ version }) => version)}::text[],
                        ${models.map(({ text }) => text)}::text[]) with ordinality as m (model, model_version, text, index)
      left join lateral (  -- the run before it
        select r.version, r.run_id
        from published_day_runs as p
        join attribution_day_runs as r on r.tenant_id = p.tenant_id and r.run_id = p.run_id
        where p.tenant_id = ${tenantId} and p.edition_id = ${editionId} and p.model = m.model and p.window_start = h.day
      ) as b on true
      left join lateral (  -- of the edition before it
        select p.run_id
        from attribution_editions as e
        join published_day_runs as p on p.tenant_id = e.tenant_id and p.edition_id = e.edition_id
        where e.tenant_id = ${tenantId} and e.status = 'published' and e.edition_id <> ${editionId}
          and p.model = m.model and p.window_start = h.day
      ) as f on true
      returning run_id, model, window_start
    ),
    totals as (
      insert into attribution_day_run_totals (tenant_id, run_id, currency, orders, attributed_orders, captured_minor, refunded_minor,
                                          over_refunded_minor, net_minor, attributed_minor)
      select ${tenantId}::uuid, r.run_id, t.currency, t.orders, t.attributed_orders, t.captured, t.refunded, t.over_refunded,
             t.captured - t.refunded, t.attributed
      from (
        select m.day, m.currency, count(*) filter (where m.has_captures)::integer as orders,
               count(*) filter (where m.has_captures and m.touches > 0)::integer as attributed_orders,
               sum(m.captured)::bigint as captured, sum(m.refunded)::bigint as refunded, sum(m.over_refunded)::bigint as over_refunded,
               coalesce(sum(m.captured - m.refunded) filter (where m.touches > 0), 0)::bigint as attributed
        from (
          select u.*, u.captured > 0 or u.over_refunded = 0 as has_captures
          from (  -- most orders have one currency, and to take an array apart costs more than the rest of the row
            select d.day, o.touches, o.currencies[1] as currency, o.captured_minor[1] as captured, o.refunded_minor[1] as refunded,
                   o.over_refunded_minor[1] as over_refunded
            from days as d cross join lateral (${ordersOfDay}) as o
            where cardinality(o.currencies) = 1
            union all
            select d.day, o.touches, c.*
            from days as d cross join lateral (${ordersOfDay}) as o
            cross join lateral unnest(o.currencies, o.captured_minor, o.refunded_minor, o.over_refunded_minor) as c
            where cardinality(o.currencies) > 1
          ) as u
        ) as m
        group by m.day, m.currency
      ) as t
      join runs as r on r.window_start = t.day
    )
    insert into published_day_runs (tenant_id, edition_id, model, window_start, run_id)
    select ${tenantId}::uuid, ${editionId}::uuid, r.model, r.window_start, r.run_id
    from runs as r
    on conflict (tenant_id, edition_id, model, window_start) do update set run_id = excluded.run_id, published_at = now()`.execute(
    tx,
  )
}

/** An order whose credits of one revision count, or count no longer. */
export interface Moved {
  orderKey: string
  revision: number
  sign: 1 | -1
}

/** Writes down what the runs of a publication give each channel more, or less, than those before them. */
export async function insertRunChanges(
  tx: Tx,
  { tenantId, editionId, number, models }: Publication,
  moved: readonly Moved[],
): Promise<void> {
  if (moved.length === 0) return
  // A sum for each model and column in one pass: rows for each of them would be two dozen times as many.
  const sums = (column: 'revenue_minor' | 'conversion_micro') =>
    sql.join(models.map((_model, index) => sql`sum(m.sign * ${sql.ref(`c.${column}`)}[${sql.lit(index + 1)}])::bigint`))
  await sql`
    insert into attribution_day_run_changes (tenant_id, run_id, channel, currency, revenue_delta_minor, conversion_delta_micro)
    select ${tenantId}::uuid, r.run_id, d.channel, d.currency, p.revenue, p.conversion
    from (
      select date_trunc('day', c.ordered_at, 'UTC') as day, c.channel, c.currency,
             array[${sums('revenue_minor')}] as revenue, array[${sums('conversion_micro')}] as conversion
      from unnest(${moved.map(({ orderKey }) => orderKey)}::text[], ${moved.map(({ revision }) => revision)}::integer[],
                  ${moved.map(({ sign }) => sign)}::integer[]) as m (order_key, revision, sign)
      cross join lateral (
        select c.ordered_at, c.channel, c.currency, c.revenue_minor, c.conversion_micro
        from attribution_order_credits as c
        where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.order_key = m.order_key and c.revision = m.revision
        offset 0
      ) as c
      group by 1, 2, 3
    ) as d
    cross join lateral unnest(${models.map(({ name }) => name)}::text[], d.revenue, d.conversion) as p (model, revenue, conversion)
    join attribution_day_runs as r on r.tenant_id = ${tenantId} and r.edition_id = ${editionId} and r.model = p.model
                              and r.window_start = d.day and r.publication = ${number}
    where p.revenue <> 0 or p.conversion <> 0`.execute(tx)
}
