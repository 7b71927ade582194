import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'
import { type EditionConfig, fromStored } from '../../engine/editions/config.ts'

export interface EditionRow {
  editionId: string
  number: number
  status: 'building' | 'published' | 'superseded'
  config: EditionConfig
  createdAt: Date
  /** Null: it has never answered. */
  publishedAt: Date | null
  supersededAt: Date | null
  /** Its publications when it began to answer; null where that was not noted. */
  firstPublications: number | null
}

const COLUMNS = sql`e.edition_id as "editionId", e.number, e.status, e.config, e.created_at as "createdAt", e.published_at as "publishedAt",
           e.superseded_at as "supersededAt", e.first_publications as "firstPublications"`

/** Those with a lower number than `below`, the highest first. */
export async function listEditionsBelow(
  tx: Tx,
  tenantId: string,
  { below, limit }: { below: number | null; limit: number },
): Promise<EditionRow[]> {
  const { rows } = await sql<EditionRow>`
    select ${COLUMNS}
    from attribution_editions as e
    where e.tenant_id = ${tenantId} and (${below}::integer is null or e.number < ${below})
    order by e.number desc
    limit ${limit}`.execute(tx)
  return rows.map(toEdition)
}

/** That has answered. */
export async function findAnsweringEdition(tx: Tx, tenantId: string, number: number): Promise<EditionRow | undefined> {
  const { rows } = await sql<EditionRow>`
    select ${COLUMNS}
    from attribution_editions as e
    where e.tenant_id = ${tenantId} and e.number = ${number} and e.published_at is not null`.execute(tx)
  return rows.map(toEdition)[0]
}

/** The one with the highest number below this one that has answered. */
export async function findEditionBefore(tx: Tx, tenantId: string, number: number): Promise<EditionRow | undefined> {
  const { rows } = await sql<EditionRow>`
    select ${COLUMNS}
    from attribution_editions as e
    where e.tenant_id = ${tenantId} and e.number < ${number} and e.published_at is not null
    order by e.number desc
    limit 1`.execute(tx)
  return rows.map(toEdition)[0]
}

function toEdition(row: EditionRow): EditionRow {
  return { ...row, config: fromStored(row.config) }
}

export interface DaySpan {
  /** 00:00 UTC of the first day, as a text. */
  startsAt: string
  /** Excluded. */
  endsAt: string
}

/** What a channel has; the arrays are by model. */
export interface SumRow {
  channel: string
  currency: string
  revenueMinor: bigint[]
  conversionMicro: bigint[]
}

/** Over the orders of these days, of the credits that hold and of those that were removed. `models` is how many the edition has. */
export async function sumEdition(
  tx: Tx,
  tenantId: string,
  { editionId, models, startsAt, endsAt }: DaySpan & { editionId: string; models: number },
): Promise<SumRow[]> {
  const sums = (column: 'revenue_minor' | 'conversion_micro') => sql`${sumsByModel(`s.${column}`, models)}::text[]`
  const { rows } = await sql<{ channel: string; currency: string; revenue: string[]; conversions: string[] }>`
    select s.channel, s.currency, ${sums('revenue_minor')} as revenue, ${sums('conversion_micro')} as conversions
    from (
      select c.channel, c.currency, c.revenue_minor, c.conversion_micro
      from (select o.order_key, o.revision
            from attribution_orders as o
            where o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
              and o.ordered_at > '-infinity' and o.ordered_at >= ${startsAt}::timestamptz and o.ordered_at < ${endsAt}::timestamptz
            order by o.ordered_at) as o
      cross join lateral (
        select c.channel, c.currency, c.revenue_minor, c.conversion_micro
        from attribution_order_credits as c
        where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.order_key = o.order_key and c.revision = o.revision
        offset 0
      ) as c
      union all
      select r.channel, r.currency, r.revenue_minor, r.conversion_micro
      from attribution_edition_sums as r
      where r.tenant_id = ${tenantId} and r.edition_id = ${editionId}
        and r.day >= (${startsAt}::timestamptz at time zone 'UTC')::date and r.day < (${endsAt}::timestamptz at time zone 'UTC')::date
    ) as s
    group by 1, 2`.execute(tx)
  return rows.map(({ channel, currency, revenue, conversions }) => ({
    channel,
    currency,
    revenueMinor: revenue.map(BigInt),
    conversionMicro: conversions.map(BigInt),
  }))
}

/** The sums of a column of arrays, by place: an array of numeric. */
function sumsByModel(column: string, models: number) {
  const places = Array.from({ length: models }, (_, place) => sql.lit(place + 1))
  return sql`array[${sql.join(places.map((place) => sql`sum(${sql.ref(column)}[${place}])`))}]`
}

/** What runs of these days moved since the edition began to answer. */
export interface MovedRow {
  model: string
  channel: string
  currency: string
  revenueMinor: bigint
  conversionMicro: bigint
}

export async function sumRunChanges(
  tx: Tx,
  tenantId: string,
  { edition, startsAt, endsAt }: DaySpan & { edition: EditionRow },
): Promise<MovedRow[]> {
  const { editionId, config, firstPublications, publishedAt } = edition
  const models = config.models.map(({ name }) => name)
  const sums = (column: 'revenue_delta_minor' | 'conversion_delta_micro') => sumsByModel(`c.${column}`, models.length)
  // Rows by run are those of the release before; an edition that has not noted its publications answered before there were others.
  const { rows } = await sql<Record<keyof MovedRow, string>>`
    select s.model, s.channel, s.currency, sum(s.revenue)::text as "revenueMinor", sum(s.conversion)::text as "conversionMicro"
    from (
      select m.model, d.channel, d.currency, m.revenue, m.conversion
      from (
        select c.channel, c.currency, ${sums('revenue_delta_minor')} as revenue, ${sums('conversion_delta_micro')} as conversion
        from attribution_publication_changes as c
        where c.tenant_id = ${tenantId} and c.edition_id = ${editionId}
          and c.day >= (${startsAt}::timestamptz at time zone 'UTC')::date and c.day < (${endsAt}::timestamptz at time zone 'UTC')::date
          and c.publication > coalesce(${firstPublications}::integer, 0)
        group by 1, 2
      ) as d
      cross join lateral unnest(${models}::text[], d.revenue, d.conversion) as m (model, revenue, conversion)
      union all
      select r.model, c.channel, c.currency, c.revenue_delta_minor, c.conversion_delta_micro
      from attribution_day_runs as r
      join attribution_run_changes as c on c.tenant_id = ${tenantId} and c.run_id = r.run_id
      where r.tenant_id = ${tenantId} and r.edition_id = ${editionId}
        and r.window_start >= ${startsAt}::timestamptz and r.window_start < ${endsAt}::timestamptz
        and case when ${firstPublications}::integer is null then r.created_at > ${publishedAt}::timestamptz
                 else r.publication > ${firstPublications}::integer end
    ) as s
    group by 1, 2, 3`.execute(tx)
  return rows.map(({ revenueMinor, conversionMicro, ...row }) => ({
    ...row,
    revenueMinor: BigInt(revenueMinor),
    conversionMicro: BigInt(conversionMicro),
  }))
}

/** When the data of the edition's runs of these days were read last. */
export async function findCutoff(
  tx: Tx,
  tenantId: string,
  { editionId, startsAt, endsAt }: DaySpan & { editionId: string },
): Promise<Date | null> {
  const { rows } = await sql<{ at: Date | null }>`
    select max(r.data_cutoff) as at
    from published_day_runs as p
    join attribution_day_runs as r on r.tenant_id = ${tenantId} and r.run_id = p.run_id
    where p.tenant_id = ${tenantId} and p.edition_id = ${editionId}
      and p.window_start >= ${startsAt}::timestamptz and p.window_start < ${endsAt}::timestamptz`.execute(tx)
  return rows[0]?.at ?? null
}
