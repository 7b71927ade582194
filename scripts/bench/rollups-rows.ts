import type pg from 'pg'
import type { View } from '../../src/rollups/views.ts'

export const SIZE = { tenants: 20, orders: 9_500, refundedOneIn: 20, days: 90 }
/** Entries of the ledger, captures and refunds. */
export const ENTRIES = SIZE.tenants * (SIZE.orders + SIZE.orders / SIZE.refundedOneIn)
/** One in a hundred. */
export const CHANGED = Math.round(ENTRIES / 100)

/** Orders lie evenly over the days before this moment. */
const NOW = '2026-03-31T12:00:00Z'

/** $1 tenants, $2 orders, $3 days, $4 now, $5 one refund in so many orders. Every statement takes them all. */
const ARGUMENTS = `(select $1::integer as tenants, $2::integer as orders, $3::integer as days, $4::timestamptz as now, $5::integer as refunded) as a`
const TENANTS = `${ARGUMENTS} cross join lateral (select ('00000000-0000-4000-8000-' || lpad(s::text, 12, '0'))::uuid as tenant_id, s
  from generate_series(1, a.tenants) as s) as t`
const ORDERS = `${TENANTS} cross join lateral generate_series(1, a.orders) as n
  cross join lateral (select a.now - n * make_interval(days => a.days) / a.orders as at, md5(t.tenant_id || n::text)::uuid as event_id,
                             (array['USD', 'USD', 'USD', 'EUR'])[1 + n % 4] as currency,
                             (array['shopify', 'stripe'])[1 + n % 2] as vendor) as o`

const MODELS = `array['first_touch', 'last_touch', 'linear']`

const STATEMENTS = [
  `insert into tenants (tenant_id, slug, name, reporting_currency, time_zone)
   select t.tenant_id, 'bench-' || t.s, 'Benchmark', 'USD', 'UTC' from ${TENANTS}`,
  `insert into webhook_endpoints (tenant_id, endpoint_id, vendor, name, endpoint_key)
   select t.tenant_id, t.tenant_id, 'shopify', 'Benchmark', left(md5(t.tenant_id::text) || md5(t.tenant_id::text), 43) from ${TENANTS}`,
  `insert into webhook_events (tenant_id, event_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, is_test,
                               is_handled, correlation_id, received_at)
   select t.tenant_id, o.event_id, o.vendor, 'event-' || n, t.tenant_id, 'orders/paid', sha256(o.event_id::text::bytea),
          '{"id": 1}', false, true, o.event_id, o.at
   from ${ORDERS}`,
  `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at, recorded_at)
   select t.tenant_id, 'capture-' || n, o.vendor || ':' || n, 'capture', 1000 + n % 5000, o.currency, o.vendor, o.event_id, o.at, o.at
   from ${ORDERS}`,
  `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at, recorded_at)
   select t.tenant_id, 'refund-' || n, o.vendor || ':' || n, 'refund', -500, o.currency, o.vendor, o.event_id, o.at + interval '3 hours', o.at
   from ${ORDERS} where n % a.refunded = 0`,
  `insert into attribution_editions (tenant_id, edition_id, number, config, config_sha256, models, status, published_at)
   select t.tenant_id, t.tenant_id, 1, '{}', sha256('x'), ${MODELS}, 'published', a.now from ${TENANTS}`,
  `insert into attribution_day_runs (tenant_id, run_id, edition_id, publication, model, model_version, window_start, window_end, data_cutoff,
                                 input_hash, output_hash, orders, cause)
   select t.tenant_id, md5(t.tenant_id || m || d)::uuid, t.tenant_id, 1, m, '1.0.0', s.at, s.at + interval '1 day', a.now, repeat('0', 64),
          repeat('0', 64), a.orders / a.days, 'edition'
   from ${TENANTS} cross join unnest(${MODELS}) as m cross join generate_series(0, a.days) as d
   cross join lateral (select date_trunc('day', a.now, 'UTC') - make_interval(days => d) as at) as s`,
  `insert into attribution_day_run_totals (tenant_id, run_id, currency, orders, attributed_orders, captured_minor, refunded_minor,
                                       over_refunded_minor, net_minor, attributed_minor)
   select r.tenant_id, r.run_id, c, r.orders / 2, r.orders / 2, 100000, 0, 0, 100000, 100000
   from attribution_day_runs as r cross join unnest(array['USD', 'EUR']) as c where $1::integer + $2::integer + $3::integer + $5::integer > 0 and $4::timestamptz is not null`,
  `insert into published_day_runs (tenant_id, edition_id, model, window_start, run_id)
   select r.tenant_id, r.edition_id, r.model, r.window_start, r.run_id
   from attribution_day_runs as r where $1::integer + $2::integer + $3::integer + $5::integer > 0 and $4::timestamptz is not null`,
  `insert into attribution_orders (tenant_id, edition_id, order_key, revision, ordered_at, identity_tier, touches, currencies, captured_minor,
                                   refunded_minor, over_refunded_minor, input_sha256, output_sha256)
   select t.tenant_id, t.tenant_id, o.vendor || ':' || n, 1, o.at, 'visitor_id', 2, array[o.currency], array[1000 + n % 5000], array[0],
          array[0], sha256('x'), sha256('x')
   from ${ORDERS}`,
  // Two touches share each order, evenly where the model is linear.
  `insert into attribution_entry_credits (tenant_id, edition_id, order_key, revision, entry_key, position, kind, currency, ordered_at, occurred_at,
                                    channels, touch_origins, touch_external_ids, touched_at, revenue_minor, conversion_micro, is_reporting)
   select t.tenant_id, t.tenant_id, o.vendor || ':' || n, 1, 'capture-' || n, 0, 'capture', o.currency, o.at, o.at,
          array[c.names[1 + n % 6], c.names[1 + (n + 1) % 6]], array['server', 'server'], array['touch', 'touch'], array[o.at, o.at],
          array[v.minor, 0, v.minor / 2, 0, v.minor, v.minor / 2], array[1000000, 0, 500000, 0, 1000000, 500000], false
   from ${ORDERS}
   cross join lateral (select 1000 + n % 5000 as minor) as v
   cross join (select array['email', 'paid_search', 'paid_social', 'organic_search', 'direct', 'affiliate'] as names) as c`,
]

/** Without triggers and foreign keys: these rows are known to be good, and many. */
export async function fillForRollups(client: pg.Client): Promise<void> {
  await client.query("set session_replication_role = replica; set timezone = 'UTC'")
  for (const statement of STATEMENTS)
    await client.query(statement, [SIZE.tenants, SIZE.orders, SIZE.days, NOW, SIZE.refundedOneIn])
  await client.query('set session_replication_role = default')
  await client.query('vacuum analyze')
}

/** As the end of migration 0022 has it: everything is to be made. */
export async function noteEverything(client: pg.Client): Promise<void> {
  await client.query(`
    insert into view_changes (tenant_id, view, bucket)
    select distinct l.tenant_id, v.view, to_char(l.occurred_at at time zone 'UTC', v.pattern)
    from ledger_entries as l
    cross join (values ('realtime_revenue', 'YYYY-MM-DD"T"HH24'), ('daily_revenue', 'YYYY-MM-DD')) as v (view, pattern)
    where l.corrects_entry_key is null`)
  await client.query(`
    insert into view_changes (tenant_id, view, bucket)
    select distinct p.tenant_id, v.view, to_char(p.window_start at time zone 'UTC', 'YYYY-MM-DD')
    from published_day_runs as p cross join (values ('allocation_summary'), ('channel_performance')) as v (view)`)
  await client.query('vacuum analyze view_changes')
}

/** The n-th of the new entries; `spread`: over all days, otherwise nine in ten of the last two. Returns tenant and time. */
export function newEntry(n: number, isSpread: boolean): { tenantId: string; at: Date; key: string } {
  const tenant = 1 + (n % SIZE.tenants)
  const late = isSpread || n % 10 === 9
  // A fixed walk: the same entries in each run.
  const hours = ((n * 7_919) % ((late ? SIZE.days : 2) * 24 * 60)) / 60
  return {
    tenantId: `00000000-0000-4000-8000-${String(tenant).padStart(12, '0')}`,
    at: new Date(Date.parse(NOW) - hours * 3_600_000),
    key: `${isSpread ? 'spread' : 'recent'}-${n}`,
  }
}

const CREDITS = `attribution_editions as e
            join attribution_orders as o using (tenant_id, edition_id)
            join attribution_order_credits as c using (tenant_id, edition_id, order_key, revision)
            cross join lateral unnest(e.models, c.revenue_minor, c.conversion_micro) as m (model, revenue, conversion)`
const CREDITED = `select e.tenant_id, e.edition_id, date_trunc('day', o.ordered_at, 'UTC') as at, m.model, c.currency, sum(m.revenue) as sum
              from ${CREDITS} group by 1, 2, 3, 4, 5`

/** The same figures as materialized views, read as whoever sees every tenant. */
export const MATVIEWS: Partial<Record<View, { key: string; columns: string; query: string }>> = {
  allocation_summary: {
    key: 'tenant_id, day, model, currency',
    columns: 'tenant_id, day, model, currency, run_id, orders, revenue_minor, allocated_minor',
    query: `select p.tenant_id, (p.window_start at time zone 'UTC')::date as day, p.model, t.currency, p.run_id, t.orders,
                   t.net_minor as revenue_minor, coalesce(c.sum, 0)::bigint as allocated_minor
            from published_day_runs as p
            join attribution_day_run_totals as t using (tenant_id, run_id)
            left join (${CREDITED}) as c
              on c.tenant_id = p.tenant_id and c.edition_id = p.edition_id and c.at = p.window_start and c.model = p.model
             and c.currency = t.currency`,
  },
  channel_performance: {
    key: 'tenant_id, day, model, channel, currency',
    columns: 'tenant_id, day, model, channel, currency, orders, conversion_micro, revenue_minor',
    query: `select e.tenant_id, (o.ordered_at at time zone 'UTC')::date as day, m.model, c.channel, c.currency,
                   count(distinct c.order_key)::integer as orders, sum(m.conversion)::bigint as conversion_micro,
                   sum(m.revenue)::bigint as revenue_minor
            from ${CREDITS}
            where m.revenue <> 0 or m.conversion <> 0
            group by 1, 2, 3, 4, 5`,
  },
  daily_revenue: {
    key: 'tenant_id, day, currency, kind',
    columns: 'tenant_id, day, currency, kind, amount_minor, entries',
    query: `select l.tenant_id, (coalesce(r.occurred_at, l.occurred_at) at time zone 'UTC')::date as day, l.currency, l.kind,
                   sum(l.amount_minor)::bigint as amount_minor,
                   (count(*) filter (where l.corrects_entry_key is null))::integer as entries
            from ledger_entries as l
            left join ledger_entries as r on r.tenant_id = l.tenant_id and r.entry_key = l.corrects_entry_key
            where not exists (select from uncounted_entries as u
                              where u.tenant_id = l.tenant_id and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))
            group by 1, 2, 3, 4`,
  },
  realtime_revenue: {
    key: 'tenant_id, hour, currency, vendor',
    columns: 'tenant_id, hour, currency, vendor, captured_minor, refunded_minor, entries, verified',
    query: `select l.tenant_id, date_trunc('hour', coalesce(r.occurred_at, l.occurred_at), 'UTC') as hour, l.currency, l.vendor,
                   coalesce(sum(l.amount_minor) filter (where l.kind = 'capture'), 0)::bigint as captured_minor,
                   coalesce(-sum(l.amount_minor) filter (where l.kind <> 'capture'), 0)::bigint as refunded_minor,
                   count(*)::integer as entries, count(e.event_id)::integer as verified
            from ledger_entries as l
            left join ledger_entries as r on r.tenant_id = l.tenant_id and r.entry_key = l.corrects_entry_key
            left join webhook_events as e on e.tenant_id = l.tenant_id and e.event_id = l.event_id and not e.is_test
            where not exists (select from uncounted_entries as u
                              where u.tenant_id = l.tenant_id and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))
            group by 1, 2, 3, 4`,
  },
}
