import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'
import { toBytesArray } from '../columns.ts'
import type { DayMoney } from './day.ts'

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

/** The run of a model and a UTC day that answered so far. */
export interface FormerRun {
  /** YYYY-MM-DD */
  day: string
  model: string
  /** Of this edition, or else of the one that is published; null where neither has one. */
  runId: string
  /** The rest is of this edition alone: 0 where the run is of another. */
  version: number
  orders: number
  /** Null where a release made it that does not keep them. */
  inputSum: Buffer | null
  outputSum: Buffer | null
}

export async function listFormerRuns(
  tx: Tx,
  { tenantId, editionId, models }: Publication,
  days: readonly string[],
): Promise<FormerRun[]> {
  const { rows } = await sql<FormerRun>`
    select d.day, m.model, coalesce(b.run_id, f.run_id) as "runId", coalesce(b.version, 0) as version, coalesce(b.orders, 0) as orders,
           b.input_sum as "inputSum", b.output_sum as "outputSum"
    from unnest(${days as string[]}::text[]) as d (day)
    cross join lateral (select d.day::date::timestamp at time zone 'UTC' as begins) as w
    cross join unnest(${models.map(({ name }) => name)}::text[]) as m (model)
    left join lateral (
      select r.run_id, r.version, r.orders, r.input_sum, r.output_sum
      from published_day_runs as p
      join attribution_day_runs as r on r.tenant_id = p.tenant_id and r.run_id = p.run_id
      where p.tenant_id = ${tenantId} and p.edition_id = ${editionId} and p.model = m.model and p.window_start = w.begins
    ) as b on true
    left join lateral (
      select p.run_id
      from attribution_editions as e
      join published_day_runs as p on p.tenant_id = e.tenant_id and p.edition_id = e.edition_id
      where e.tenant_id = ${tenantId} and e.status = 'published' and e.edition_id <> ${editionId}
        and p.model = m.model and p.window_start = w.begins
    ) as f on true
    where b.run_id is not null or f.run_id is not null`.execute(tx)
  return rows
}

/** The money of the runs that answer so far in this edition: the same for each model, so that of one. */
export async function listFormerMoney(
  tx: Tx,
  { tenantId, editionId, models }: Publication,
  days: readonly string[],
): Promise<(DayMoney & { day: string; currency: string })[]> {
  const { rows } = await sql<DayMoney & { day: string; currency: string }>`
    select d.day, t.currency, t.orders, t.attributed_orders as "attributedOrders", t.captured_minor as "capturedMinor",
           t.refunded_minor as "refundedMinor", t.over_refunded_minor as "overRefundedMinor", t.attributed_minor as "attributedMinor"
    from unnest(${days as string[]}::text[]) as d (day)
    join published_day_runs as p on p.tenant_id = ${tenantId} and p.edition_id = ${editionId} and p.model = ${models[0]?.name ?? null}
                                and p.window_start = d.day::date::timestamp at time zone 'UTC'
    join attribution_day_run_totals as t on t.tenant_id = ${tenantId} and t.run_id = p.run_id`.execute(tx)
  return rows
}

/** A day with its runs, as they are inserted: in the order of the edition's models. */
export interface NewDay {
  /** YYYY-MM-DD */
  day: string
  orders: number
  changed: number
  money: [currency: string, money: DayMoney][]
  runs: {
    runId: string
    version: number
    previousRunId: string | null
    inputHash: string
    outputHash: string
    inputSum: Buffer
    outputSum: Buffer
  }[]
}

/** Inserts the runs of these days, with their totals, and lets them answer. */
export async function insertRuns(tx: Tx, publication: Publication, days: readonly NewDay[]): Promise<void> {
  const { tenantId, editionId, number, dataCutoff, cause, models } = publication
  const runs = days.flatMap(({ day, orders, changed, runs: ofDay }) =>
    ofDay.map((run, index) => ({ ...run, day, orders, changed, model: models[index] })),
  )
  const totals = days.flatMap(({ day, money }) => money.map(([currency, sums]) => ({ day, currency, ...sums })))
  await sql`
    with runs as (
      select r.*, r.day::date::timestamp at time zone 'UTC' as begins
      from unnest(${runs.map(({ runId }) => runId)}::uuid[], ${runs.map(({ day }) => day)}::text[],
                  ${runs.map(({ model }) => model?.name)}::text[], ${runs.map(({ model }) => model?.version)}::text[],
                  ${runs.map(({ inputHash }) => inputHash)}::text[], ${runs.map(({ outputHash }) => outputHash)}::text[],
                  ${toBytesArray(runs.map(({ inputSum }) => inputSum))}::bytea[], ${toBytesArray(runs.map(({ outputSum }) => outputSum))}::bytea[],
                  ${runs.map(({ orders }) => orders)}::integer[], ${runs.map(({ version }) => version)}::integer[],
                  ${runs.map(({ previousRunId }) => previousRunId)}::uuid[], ${runs.map(({ changed }) => changed)}::integer[])
           as r (run_id, day, model, model_version, input_hash, output_hash, input_sum, output_sum, orders, version,
                 previous_run_id, orders_changed)
    ),
    inserted as (
      insert into attribution_day_runs (tenant_id, run_id, edition_id, publication, model, model_version, window_start, window_end,
                                        data_cutoff, input_hash, output_hash, input_sum, output_sum, orders, version,
                                        previous_run_id, orders_changed, cause)
      select ${tenantId}::uuid, r.run_id, ${editionId}::uuid, ${number}::integer, r.model, r.model_version, r.begins,
             r.begins + interval '24 hours', ${dataCutoff}::timestamptz, r.input_hash, r.output_hash, r.input_sum, r.output_sum,
             r.orders, r.version, r.previous_run_id, r.orders_changed, ${cause}
      from runs as r
    ),
    totals as (
      insert into attribution_day_run_totals (tenant_id, run_id, currency, orders, attributed_orders, captured_minor, refunded_minor,
                                              over_refunded_minor, net_minor, attributed_minor)
      select ${tenantId}::uuid, r.run_id, t.currency, t.orders, t.attributed_orders, t.captured, t.refunded, t.over_refunded,
             t.captured - t.refunded, t.attributed
      from unnest(${totals.map(({ day }) => day)}::text[], ${totals.map(({ currency }) => currency)}::text[],
                  ${totals.map(({ orders }) => orders)}::integer[],
                  ${totals.map(({ attributedOrders }) => attributedOrders)}::integer[],
                  ${totals.map(({ capturedMinor }) => capturedMinor)}::bigint[],
                  ${totals.map(({ refundedMinor }) => refundedMinor)}::bigint[],
                  ${totals.map(({ overRefundedMinor }) => overRefundedMinor)}::bigint[],
                  ${totals.map(({ attributedMinor }) => attributedMinor)}::bigint[])
           as t (day, currency, orders, attributed_orders, captured, refunded, over_refunded, attributed)
      join runs as r on r.day = t.day
    )
    insert into published_day_runs (tenant_id, edition_id, model, window_start, run_id)
    select ${tenantId}::uuid, ${editionId}::uuid, r.model, r.begins, r.run_id
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

/** Writes down what a publication gives each channel more, or less, by day of the orders and by model. */
export async function insertChanges(
  tx: Tx,
  { tenantId, editionId, number, models }: Publication,
  moved: readonly Moved[],
): Promise<void> {
  if (moved.length === 0) return
  // A sum for each model and column in one pass: rows for each of them would be two dozen times as many.
  const sums = (column: 'revenue_minor' | 'conversion_micro') =>
    sql.join(
      models.map(
        (_model, index) =>
          sql`sum(c.sign * ${sql.ref(`c.${column}`)}[c.models_before + ${sql.lit(index + 1)}])::bigint`,
      ),
    )
  // The orders stand behind a select of their own, so that Postgres does not plan for as many groups as they have touches and sort
  // those with all of their figures on disk: there are as many as days and channels (measured: 43 ms for 89). Nor does it work out
  // the day of each touch (43 ms for 54).
  await sql`
    insert into attribution_publication_changes (tenant_id, edition_id, day, publication, channel, currency,
                                                 revenue_delta_minor, conversion_delta_micro)
    select ${tenantId}::uuid, ${editionId}::uuid, d.day, ${number}::integer, d.channel, d.currency, d.revenue, d.conversion
    from (
      select c.day, c.channel, c.currency, array[${sums('revenue_minor')}] as revenue, array[${sums('conversion_micro')}] as conversion
      from (
        select m.sign, c.day, t.channel, c.currency, (t.place::integer - 1) * ${sql.lit(models.length)} as models_before,
               c.revenue_minor, c.conversion_micro
        from unnest((select ${moved.map(({ orderKey }) => orderKey)}::text[]), (select ${moved.map(({ revision }) => revision)}::integer[]),
                    (select ${moved.map(({ sign }) => sign)}::integer[])) as m (order_key, revision, sign)
        cross join lateral (
          select (c.ordered_at at time zone 'UTC')::date as day, c.channels, c.currency, c.revenue_minor, c.conversion_micro
          from attribution_entry_credits as c
          where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.order_key = m.order_key and c.revision = m.revision
          union all
          select (c.ordered_at at time zone 'UTC')::date, array[c.channel], c.currency, c.revenue_minor, c.conversion_micro::integer[]
          from attribution_touch_credits as c
          where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.order_key = m.order_key and c.revision = m.revision
          offset 0
        ) as c
        cross join lateral unnest(c.channels) with ordinality as t (channel, place)
        offset 0
      ) as c
      group by 1, 2, 3
    ) as d
    where 0 <> any (d.revenue) or 0 <> any (d.conversion)`.execute(tx)
}
