import { type RawBuilder, sql } from 'kysely'
import type { Database, Lookup } from '../db/connect.ts'
import type { Tx } from '../db/tenant.ts'
import type { View } from './views.ts'

/**
 * Runs the work while nobody else refreshes the view, wherever they are; undefined, at once, when somebody does. The lock is
 * one connection's, so it ends with its holder, however that ends.
 */
export async function withViewLock<T>(
  { pool }: Pick<Database, 'pool'>,
  view: View,
  work: () => Promise<T>,
): Promise<T | undefined> {
  const key = `skeldir/view/${view}`
  const client = await pool.connect()
  let broken: Error | undefined
  // Back in the pool, a connection that still has its lock would hold it for as long as it is used.
  const end = (error: Error) => {
    broken = error
  }
  try {
    const lock = client.query('select pg_try_advisory_lock(hashtextextended($1, 0)) as "isHeld"', [key])
    lock.catch(end)
    if ((await lock).rows[0]?.isHeld !== true) return undefined
    try {
      return await work()
    } finally {
      await client.query('select pg_advisory_unlock(hashtextextended($1, 0))', [key]).catch(end)
    }
  } finally {
    client.release(broken)
  }
}

/** Of a change: the bucket that stands for all that the tenant has. */
export const EVERYTHING = '*'

/** Notes every bucket of the tenant that can have rows. One look into an index for each hour or day, however much is in it. */
export async function noteEverything(tx: Tx, tenantId: string, view: View): Promise<void> {
  await sql`
    insert into view_changes (tenant_id, view, bucket)
    select ${tenantId}::uuid, ${view}, b.bucket
    from (${existing[view](tenantId)}) as b`.execute(tx)
}

const bookedTimes = (tenantId: string, unit: 'hour' | 'day', pattern: string) => {
  const first = (since: RawBuilder<unknown>) => sql`
    (select date_trunc(${unit}, l.occurred_at, 'UTC') from ledger_entries as l
     where l.tenant_id = ${tenantId} and ${since} order by l.occurred_at limit 1)`
  return sql`
    with recursive time as (
      select ${first(sql`true`)} as at
      union all
      select ${first(sql`l.occurred_at >= t.at + ${unit === 'hour' ? '1 hour' : '24 hours'}::interval`)}
      from time as t
      where t.at is not null
    )
    select to_char(at at time zone 'UTC', ${pattern}) as bucket from time where at is not null`
}

const publishedDays = (tenantId: string) => sql`
    select distinct to_char(p.window_start at time zone 'UTC', 'YYYY-MM-DD') as bucket
    from attribution_editions as e
    join published_day_runs as p on p.tenant_id = e.tenant_id and p.edition_id = e.edition_id
    where e.tenant_id = ${tenantId} and e.status = 'published'
    union
    select v.day::text from view_allocation_summary as v where v.tenant_id = ${tenantId}
    union
    select v.day::text from view_channel_performance as v where v.tenant_id = ${tenantId}`

const existing: Record<View, (tenantId: string) => RawBuilder<unknown>> = {
  allocation_summary: publishedDays,
  channel_performance: publishedDays,
  daily_revenue: (tenantId) => bookedTimes(tenantId, 'day', 'YYYY-MM-DD'),
  realtime_revenue: (tenantId) => bookedTimes(tenantId, 'hour', 'YYYY-MM-DD"T"HH24'),
  reconciliation_status: (tenantId) => sql`
    select c.endpoint_id::text as bucket from poll_cursors as c where c.tenant_id = ${tenantId}
    union
    select f.endpoint_id::text from poll_findings as f where f.tenant_id = ${tenantId}`,
}

/** Cuts the time that a statement of this transaction may take to this share of what it is. */
export async function limitStatements(tx: Tx, share: number): Promise<void> {
  await sql`
    select set_config('statement_timeout',
                      (extract(epoch from current_setting('statement_timeout')::interval) * 1000 * ${share}::float8)::integer::text,
                      true)`.execute(tx)
}

/** Tenants with rows of the view that are behind their data; whoever waits longest first. */
export async function listChangedTenants(lookup: Lookup, view: View): Promise<string[]> {
  const { rows } = await sql<{ tenantId: string }>`
    select tenant_id as "tenantId" from internal.list_changed_tenants(${view}) with ordinality order by ordinality`.execute(
    lookup,
  )
  return rows.map(({ tenantId }) => tenantId)
}

/**
 * Takes the changes of at most so many buckets: they are gone if the transaction commits. What is committed later is not
 * taken, and whatever was taken is seen by the statements after this one.
 */
export async function takeChangedBuckets(tx: Tx, tenantId: string, view: View, max: number): Promise<string[]> {
  const { rows } = await sql<{ bucket: string }>`
    with first as (
      select distinct bucket from view_changes
      where tenant_id = ${tenantId} and view = ${view}
      order by bucket
      limit ${max}
    ),
    taken as (
      delete from view_changes as c
      using first as f
      where c.tenant_id = ${tenantId} and c.view = ${view} and c.bucket = f.bucket
      returning c.bucket
    )
    select distinct bucket from taken order by bucket`.execute(tx)
  return rows.map(({ bucket }) => bucket)
}

interface Statements {
  remove: RawBuilder<unknown>
  insert: RawBuilder<unknown>
}

/**
 * Makes these buckets of one tenant's view again from the data. In this order and not as one statement: the second sees
 * everything that was committed before the rows that the first one removed were written.
 */
export async function rebuildBuckets(tx: Tx, tenantId: string, view: View, buckets: readonly string[]): Promise<void> {
  const { remove, insert } = statements[view](tenantId, sql`${buckets as string[]}::text[]`)
  await remove.execute(tx)
  await insert.execute(tx)
}

const days = (buckets: RawBuilder<unknown>) => sql`select b::date as day, b::date::timestamp at time zone 'UTC' as at
                                                   from unnest(${buckets}) as b`

/** What each order of these days gives each channel by each model, in the published edition; without what it gives nothing. */
const credited = (tenantId: string, buckets: RawBuilder<unknown>) => sql`
    credited as (
      select b.day, p.model, c.channel, c.currency, sum(p.revenue) as revenue_minor, sum(p.conversion) as conversion_micro
      from (${days(buckets)}) as b
      join attribution_editions as e on e.tenant_id = ${tenantId} and e.status = 'published'
      join attribution_orders as o on o.tenant_id = ${tenantId} and o.edition_id = e.edition_id
                                  and o.ordered_at > '-infinity' and o.ordered_at >= b.at and o.ordered_at < b.at + interval '24 hours'
      cross join lateral (
        select c.channel, c.currency, c.order_key, c.revenue_minor, c.conversion_micro
        from attribution_order_credits as c
        where c.tenant_id = ${tenantId} and c.edition_id = e.edition_id and c.order_key = o.order_key and c.revision = o.revision
        offset 0
      ) as c
      cross join lateral unnest(e.models, c.revenue_minor, c.conversion_micro) as p (model, revenue, conversion)
      where p.revenue <> 0 or p.conversion <> 0
      group by b.day, p.model, c.channel, c.currency, c.order_key
    )`

/**
 * Counted entries, and what corrects them, of buckets that `span` has as `since` and `until`. The fence (`offset 0`) makes it a
 * look into the index for each bucket: a join of ranges is planned as a walk over all that the tenant has (30 x slower).
 */
const booked = (tenantId: string, span: RawBuilder<unknown>) => sql`
    entry as (
      select b.since, l.*
      from (${span}) as b
      cross join lateral (
        select l.entry_key, l.currency, l.kind, l.vendor, l.amount_minor, l.event_id, l.recorded_at
        from ledger_entries as l
        where l.tenant_id = ${tenantId} and l.occurred_at >= b.since and l.occurred_at < b.until and l.corrects_entry_key is null
        offset 0
      ) as l
      where not exists (select from uncounted_entries as u where u.tenant_id = ${tenantId} and u.entry_key = l.entry_key)
    ),
    booked as (
      select since, currency, kind, vendor, amount_minor, event_id, recorded_at, false as is_correction from entry
      union all
      select e.since, l.currency, l.kind, l.vendor, l.amount_minor, l.event_id, l.recorded_at, true
      from entry as e
      join ledger_entries as l on l.tenant_id = ${tenantId} and l.corrects_entry_key = e.entry_key
    )`

const statements: Record<View, (tenantId: string, buckets: RawBuilder<unknown>) => Statements> = {
  allocation_summary: (tenantId, buckets) => ({
    remove: sql`delete from view_allocation_summary where tenant_id = ${tenantId} and day = any (${buckets}::date[])`,
    insert: sql`
      with ${credited(tenantId, buckets)},
      allocated as (
        select day, model, currency, sum(revenue_minor) as revenue_minor from credited group by day, model, currency
      )
      insert into view_allocation_summary (tenant_id, day, model, currency, run_id, model_version, orders, attributed_orders,
                                           revenue_minor, allocated_minor)
      select p.tenant_id, b.day, p.model, t.currency, p.run_id, r.model_version, t.orders, t.attributed_orders, t.net_minor,
             coalesce(a.revenue_minor, 0)
      from (${days(buckets)}) as b
      join attribution_editions as e on e.tenant_id = ${tenantId} and e.status = 'published'
      join published_day_runs as p on p.tenant_id = ${tenantId} and p.edition_id = e.edition_id and p.window_start = b.at
      join attribution_day_runs as r on r.tenant_id = ${tenantId} and r.run_id = p.run_id
      join attribution_day_run_totals as t on t.tenant_id = ${tenantId} and t.run_id = p.run_id
      left join allocated as a on a.day = b.day and a.model = p.model and a.currency = t.currency`,
  }),
  channel_performance: (tenantId, buckets) => ({
    remove: sql`delete from view_channel_performance where tenant_id = ${tenantId} and day = any (${buckets}::date[])`,
    insert: sql`
      with ${credited(tenantId, buckets)}
      insert into view_channel_performance (tenant_id, day, model, channel, currency, orders, conversion_micro, revenue_minor)
      select ${tenantId}::uuid, day, model, channel, currency, count(*), sum(conversion_micro), sum(revenue_minor)
      from credited
      group by day, model, channel, currency`,
  }),
  daily_revenue: (tenantId, buckets) => ({
    remove: sql`delete from view_daily_revenue where tenant_id = ${tenantId} and day = any (${buckets}::date[])`,
    insert: sql`
      with ${booked(
        tenantId,
        sql`select b::date::timestamp at time zone 'UTC' as since, (b::date + 1)::timestamp at time zone 'UTC' as until
            from unnest(${buckets}) as b`,
      )}
      insert into view_daily_revenue (tenant_id, day, currency, kind, amount_minor, entries)
      select ${tenantId}::uuid, (since at time zone 'UTC')::date, currency, kind, sum(amount_minor),
             count(*) filter (where not is_correction)
      from booked
      group by since, currency, kind`,
  }),
  realtime_revenue: (tenantId, buckets) => ({
    remove: sql`
      delete from view_realtime_revenue
      where tenant_id = ${tenantId} and hour = any (select (b || ':00Z')::timestamptz from unnest(${buckets}) as b)`,
    insert: sql`
      with ${booked(
        tenantId,
        sql`select (b || ':00Z')::timestamptz as since, (b || ':00Z')::timestamptz + interval '1 hour' as until
            from unnest(${buckets}) as b`,
      )}
      insert into view_realtime_revenue (tenant_id, hour, currency, vendor, captured_minor, refunded_minor, entries, verified,
                                         newest_recorded)
      select ${tenantId}::uuid, b.since, b.currency, b.vendor,
             coalesce(sum(b.amount_minor) filter (where b.kind = 'capture'), 0),
             coalesce(-sum(b.amount_minor) filter (where b.kind <> 'capture'), 0),
             count(*), count(e.event_id), max(b.recorded_at)
      from booked as b
      left join webhook_events as e on e.tenant_id = ${tenantId} and e.event_id = b.event_id and not e.is_test
      group by b.since, b.currency, b.vendor`,
  }),
  reconciliation_status: (tenantId, buckets) => ({
    remove: sql`
      delete from view_reconciliation_status where tenant_id = ${tenantId} and endpoint_id = any (${buckets}::uuid[])`,
    insert: sql`
      insert into view_reconciliation_status (tenant_id, endpoint_id, polled_until, run_id, found_at, listed, missing, recovered,
                                              unreadable, is_whole)
      select ${tenantId}::uuid, b.endpoint_id, c.polled_until, f.run_id, f.found_at, coalesce(f.listed, 0),
             coalesce(f.missing, 0), coalesce(f.recovered, 0), coalesce(f.unreadable, 0), coalesce(f.is_whole, true)
      from unnest(${buckets}::uuid[]) as b (endpoint_id)
      left join poll_cursors as c on c.tenant_id = ${tenantId} and c.endpoint_id = b.endpoint_id
      left join lateral (
        select p.run_id, max(p.recorded_at) as found_at, sum(p.listed) as listed, sum(p.missing) as missing,
               sum(p.recovered) as recovered, sum(p.unreadable) as unreadable, bool_and(p.is_whole) as is_whole
        from poll_findings as p
        where p.tenant_id = ${tenantId} and p.endpoint_id = b.endpoint_id
        group by p.run_id
        order by max(p.recorded_at) desc, p.run_id
        limit 1
      ) as f on true
      where c.endpoint_id is not null or f.run_id is not null`,
  }),
}

export interface RefreshRow {
  view: View
  outcome: 'success' | 'failure'
  startedAt: Date
  finishedAt: Date
  tenants: number
  buckets: number
  message: string | null
}

export async function recordRefresh(lookup: Lookup, refresh: RefreshRow): Promise<void> {
  const { view, outcome, startedAt, finishedAt, tenants, buckets, message } = refresh
  const succeededAt = outcome === 'success' ? finishedAt : null
  await sql`
    insert into view_refreshes as r (view, outcome, started_at, finished_at, succeeded_at, tenants, buckets, message)
    values (${view}, ${outcome}, ${startedAt}, ${finishedAt}, ${succeededAt}, ${tenants}, ${buckets}, ${message})
    on conflict (view) do update
      set outcome = excluded.outcome, started_at = excluded.started_at, finished_at = excluded.finished_at,
          succeeded_at = coalesce(excluded.succeeded_at, r.succeeded_at), tenants = excluded.tenants,
          buckets = excluded.buckets, message = excluded.message`.execute(lookup)
}

export interface ViewFigures {
  view: View
  /** That a refresh would make again; of many changes the first 10,000 are counted. */
  buckets: bigint
  /** Since the first change that is not in it yet; 0 where it is as its data. */
  behindS: number
}

/** In the order of the names. */
export async function measureChanges(lookup: Lookup, names: readonly View[]): Promise<ViewFigures[]> {
  const { rows } = await sql<ViewFigures>`
    select view, buckets, behind_seconds as "behindS"
    from internal.measure_views(${names as View[]}::text[])
    order by array_position(${names as View[]}::text[], view)`.execute(lookup)
  return rows
}

export interface LastRefreshRow extends RefreshRow {
  succeededAt: Date | null
}

export async function listLastRefreshes(lookup: Lookup): Promise<LastRefreshRow[]> {
  const { rows } = await sql<LastRefreshRow>`
    select view, outcome, started_at as "startedAt", finished_at as "finishedAt", succeeded_at as "succeededAt", tenants,
           buckets, message
    from view_refreshes`.execute(lookup)
  return rows
}

/** Rows of each view's table, of all tenants, as the server's statistics have them. */
export async function estimateRows(lookup: Lookup): Promise<{ table: string; rows: bigint }[]> {
  const { rows } = await sql<{ table: string; rows: bigint }>`
    select c.relname as "table", pg_stat_get_live_tuples(c.oid) as rows
    from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relname like 'view\_%'`.execute(lookup)
  return rows
}

/** A job of no tenant, in seconds. */
export async function enqueueLater(lookup: Lookup, queue: string, job: string, seconds: number): Promise<void> {
  await sql`select internal.enqueue_job(${queue}, ${JSON.stringify({ job })}::jsonb, ${seconds}::integer)`.execute(
    lookup,
  )
}
