import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'

export interface RunRow {
  runId: string
  model: string
  modelVersion: string
  /** Number of the edition. */
  edition: number
  /** Of the model and day in the edition, from 1 on. */
  version: number
  previousRunId: string | null
  cause: 'edition' | 'data' | 'request'
  windowStart: Date
  windowEnd: Date
  dataCutoff: Date
  inputHash: string
  outputHash: string
  orders: number
  ordersChanged: number
  totals: RunTotal[]
  /** Against the run before it in the edition. */
  changes: RunChange[]
}

/** Minor units as text: JSON has no integers above 2^53. */
export interface RunTotal {
  currency: string
  netMinor: string
}

/** Minor units and millionths as text. */
export interface RunChange {
  channel: string
  currency: string
  revenueMinor: string
  conversionMicro: string
}

const COLUMNS = sql`
           r.run_id          as "runId",
           r.model,
           r.model_version   as "modelVersion",
           e.number          as "edition",
           r.version,
           r.previous_run_id as "previousRunId",
           r.cause,
           r.window_start    as "windowStart",
           r.window_end      as "windowEnd",
           r.data_cutoff     as "dataCutoff",
           r.input_hash      as "inputHash",
           r.output_hash     as "outputHash",
           r.orders,
           r.orders_changed  as "ordersChanged",
           coalesce(t.list, '[]'::json) as totals,
           coalesce(d.list, '[]'::json) as changes`

const listsOf = (tenantId: string) => sql`
    cross join lateral (
      select json_agg(json_build_object('currency', t.currency, 'netMinor', t.net_minor::text) order by t.currency) as list
      from attribution_day_run_totals as t
      where t.tenant_id = ${tenantId} and t.run_id = r.run_id
    ) as t
    cross join lateral (
      select json_agg(json_build_object('channel', c.channel, 'currency', c.currency, 'revenueMinor', c.revenue_delta_minor::text,
                                        'conversionMicro', c.conversion_delta_micro::text)
                      order by c.channel collate "C", c.currency) as list
      from attribution_day_run_changes as c
      where c.tenant_id = ${tenantId} and c.run_id = r.run_id and r.version > 1
    ) as d`

/** The runs that answer in the editions of a tenant; what follows narrows them. */
const runsOf = (tenantId: string) => sql`
    select ${COLUMNS}
    from attribution_editions as e
    join published_day_runs as p on p.tenant_id = ${tenantId} and p.edition_id = e.edition_id
    join attribution_day_runs as r on r.tenant_id = ${tenantId} and r.run_id = p.run_id
    ${listsOf(tenantId)}
    where e.tenant_id = ${tenantId}`

/** The runs that answer for a span of UTC days (both included), by day and model, of the published edition. */
export async function listPublishedRuns(
  tx: Tx,
  tenantId: string,
  { from, to }: { from: string; to: string },
): Promise<RunRow[]> {
  const { rows } = await sql<RunRow>`
    ${runsOf(tenantId)}
      and e.status = 'published'
      and p.window_start >= ${from}::date::timestamp at time zone 'UTC'
      and p.window_start <= ${to}::date::timestamp at time zone 'UTC'
    order by r.window_start, r.model`.execute(tx)
  return rows
}

/**
 * The runs behind a window of instants: those of the UTC days that it touches and, where `isByRefund`, of the orders from
 * which something was taken back in it. By day and model.
 */
export async function listRunsBehind(
  tx: Tx,
  tenantId: string,
  {
    editionId,
    models,
    startsAt,
    endsAt,
    isByRefund,
  }: {
    editionId: string
    models: readonly string[]
    startsAt: string
    endsAt: string
    isByRefund: boolean
  },
): Promise<RunRow[]> {
  const refunded = sql`
      or p.window_start in (
        select date_trunc('day', c.ordered_at, 'UTC')
        from attribution_credits_by_touch as c
        where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and c.kind <> 'capture'
          and c.occurred_at >= ${startsAt}::timestamptz and c.occurred_at < ${endsAt}::timestamptz)`
  const { rows } = await sql<RunRow>`
    ${runsOf(tenantId)}
      and e.edition_id = ${editionId}
      and p.model = any (${models as string[]}::text[])
      and (p.window_start > ${startsAt}::timestamptz - interval '24 hours' and p.window_start < ${endsAt}::timestamptz
           ${isByRefund ? refunded : sql``})
    order by r.window_start, r.model`.execute(tx)
  return rows
}

/** Of the last run of a page. */
export interface RunPosition {
  edition: number
  version: number
  model: string
}

/** Every run over the orders of a UTC day, in all editions: the newest first, then by model. */
export async function listRunHistory(
  tx: Tx,
  tenantId: string,
  {
    date,
    model,
    after,
    limit,
  }: { date: string; model: string | undefined; after: RunPosition | undefined; limit: number },
): Promise<RunRow[]> {
  const ofModel = model === undefined ? sql`` : sql`and r.model = ${model}`
  const isAfter =
    after === undefined
      ? sql``
      : sql`and (e.number < ${after.edition}
                 or (e.number = ${after.edition} and (r.version < ${after.version}
                     or (r.version = ${after.version} and r.model collate "C" > ${after.model}))))`
  const { rows } = await sql<RunRow>`
    select ${COLUMNS}
    from (
      select e.number, r.*
      from attribution_editions as e
      join attribution_day_runs as r on r.tenant_id = ${tenantId} and r.edition_id = e.edition_id
      where e.tenant_id = ${tenantId} and r.window_start = ${date}::date::timestamp at time zone 'UTC' ${ofModel} ${isAfter}
      order by e.number desc, r.version desc, r.model collate "C"
      limit ${limit}
    ) as r
    cross join lateral (select r.number) as e
    ${listsOf(tenantId)}
    order by r.number desc, r.version desc, r.model collate "C"`.execute(tx)
  return rows
}
