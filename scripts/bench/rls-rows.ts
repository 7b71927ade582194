import type pg from 'pg'

/** What the benchmark's database holds: several tenants alike, so that a policy has others' rows to hide. */
export const SIZE = { tenants: 5, orders: 6_000, touchesPerOrder: 3, days: 30 }

/** Newest first: orders lie evenly over the days before this moment. */
export const NOW = new Date('2026-03-31T12:00:00Z')

export const tenantId = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`

/** Written set by set, without triggers and foreign keys: these rows are known to be good, and many. */
export async function fillForRls(client: pg.Client, size = SIZE): Promise<void> {
  await client.query("set session_replication_role = replica; set timezone = 'UTC'")
  for (let number = 1; number <= size.tenants; number += 1) {
    for (const statement of STATEMENTS)
      await client.query(statement, [tenantId(number), size.orders, size.days, NOW, size.touchesPerOrder])
  }
  await client.query('set session_replication_role = default')
  await client.query('vacuum analyze')
}

/** $1 tenant, $2 orders, $3 days, $4 now, $5 touches per order. Every statement takes them all. */
const ARGUMENTS = `(select $1::uuid as tenant_id, $2::integer as orders, $3::integer as days, $4::timestamptz as now, $5::integer as touches) as a`
/** The n-th order of a tenant, and its time. */
const ORDERS = `${ARGUMENTS} cross join lateral generate_series(1, a.orders) as n
  cross join lateral (select a.now - n * make_interval(days => a.days) / a.orders as at, md5(a.tenant_id || n::text)::uuid as event_id) as o`
const IDENTITY = `sha256(convert_to(a.tenant_id || '/' || (n % 2000)::text, 'UTF8'))`

const STATEMENTS = [
  `insert into tenants (tenant_id, slug, name, reporting_currency, time_zone)
   select tenant_id, 'bench-' || right(tenant_id::text, 4), 'Benchmark', 'USD', 'UTC' from ${ARGUMENTS}`,
  `insert into webhook_endpoints (tenant_id, endpoint_id, vendor, name, endpoint_key)
   select tenant_id, tenant_id, 'shopify', 'Benchmark', left(md5(tenant_id::text) || md5(tenant_id::text), 43) from ${ARGUMENTS}`,
  `insert into webhook_events (tenant_id, event_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, is_test,
                               is_handled, correlation_id, received_at)
   select a.tenant_id, o.event_id, 'shopify', 'event-' || n, a.tenant_id, 'orders/paid', sha256(o.event_id::text::bytea),
          '{"id": 1}', false, true, o.event_id, o.at
   from ${ORDERS}`,
  `insert into order_facts (tenant_id, order_key, event_id, currency, ordered_at, identity, recorded_at)
   select a.tenant_id, 'shopify:' || n, o.event_id, 'USD', o.at, ${IDENTITY}, o.at from ${ORDERS}`,
  `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at, recorded_at)
   select a.tenant_id, 'capture-' || n, 'shopify:' || n, 'capture', 1000 + n % 5000, 'USD', 'shopify', o.event_id, o.at, o.at
   from ${ORDERS}`,
  `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256, received_at)
   select a.tenant_id, 'server', 'touch-' || n || '-' || t, ${IDENTITY}, o.at - make_interval(hours => t),
          (array['email', 'paid_search', 'social'])[1 + t % 3], sha256(o.event_id::text::bytea), o.at
   from ${ORDERS} cross join generate_series(1, a.touches) as t`,
  // The edition has the id of its tenant.
  `insert into attribution_editions (tenant_id, edition_id, number, config, config_sha256, models, status, publications, published_at)
   select a.tenant_id, a.tenant_id, 1, '{"models": [], "lookbackDays": 30}', sha256('config'), array['first_touch', 'last_touch', 'linear'],
          'published', 1, a.now
   from ${ARGUMENTS}`,
  `insert into attribution_day_runs (tenant_id, run_id, edition_id, publication, model, model_version, window_start, window_end, data_cutoff,
                                 input_hash, output_hash, orders, cause)
   select a.tenant_id, md5(a.tenant_id || m || d)::uuid, a.tenant_id, 1, m, '1.0.0', s.at, s.at + interval '1 day', a.now, repeat('0', 64),
          repeat('0', 64), a.orders / a.days, 'edition'
   from ${ARGUMENTS} cross join unnest(array['first_touch', 'last_touch', 'linear']) as m cross join generate_series(1, a.days) as d
   cross join lateral (select date_trunc('day', a.now, 'UTC') - make_interval(days => d) as at) as s`,
  `insert into attribution_day_run_totals (tenant_id, run_id, currency, orders, attributed_orders, captured_minor, refunded_minor,
                                       over_refunded_minor, net_minor, attributed_minor)
   select r.tenant_id, r.run_id, 'USD', r.orders, r.orders, 100000, 0, 0, 100000, 100000
   from attribution_day_runs as r join ${ARGUMENTS} on a.tenant_id = r.tenant_id`,
  `insert into published_day_runs (tenant_id, edition_id, model, window_start, run_id)
   select r.tenant_id, r.edition_id, r.model, r.window_start, r.run_id from attribution_day_runs as r join ${ARGUMENTS} on a.tenant_id = r.tenant_id`,
  `insert into attribution_orders (tenant_id, edition_id, order_key, revision, ordered_at, identity_tier, touches, currencies, captured_minor,
                                   refunded_minor, over_refunded_minor, input_sha256, output_sha256)
   select f.tenant_id, f.tenant_id, f.order_key, 1, f.ordered_at, 'visitor_id', 3, array['USD'], array[1500], array[0], array[0],
          sha256('x'), sha256('x')
   from order_facts as f join ${ARGUMENTS} on a.tenant_id = f.tenant_id`,
  `insert into attribution_entry_credits (tenant_id, edition_id, order_key, revision, entry_key, position, kind, currency, ordered_at, occurred_at,
                                    channels, touch_origins, touch_external_ids, touched_at, revenue_minor, conversion_micro, is_reporting)
   select f.tenant_id, f.tenant_id, f.order_key, 1, f.order_key, 0, 'capture', 'USD', f.ordered_at, f.ordered_at,
          array['email', 'paid_search', 'social'], array_fill('server'::text, array[3]), array_fill('touch'::text, array[3]),
          array_fill(f.ordered_at, array[3]), array_fill(500, array[9]), array_fill(333333, array[9]), true
   from order_facts as f join ${ARGUMENTS} on a.tenant_id = f.tenant_id`,
]
