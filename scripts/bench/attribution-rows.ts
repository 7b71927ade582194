import type pg from 'pg'

/** A shop of orders with touches, evenly over its days. */
export interface ShopSize {
  /** Its tenant is numbered by it. */
  number: number
  orders: number
  touchesPerOrder: number
  days: number
  channels: number
  /** Of one more visitor with a single order. */
  touchesOfOne: number
}

/** Orders lie evenly over the days before this moment. */
const NOW = '2026-03-31T12:00:00Z'

export function tenantOf({ number }: Pick<ShopSize, 'number'>): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

/** $1 tenant, $2 orders, $3 touches of an order, $4 days, $5 now, $6 channels. Every statement takes them all. */
const ARGUMENTS = `(select $1::uuid as tenant_id, $2::integer as orders, $3::integer as touches, $4::integer as days,
  $5::timestamptz as now, $6::integer as channels) as a`
const ORDERS = `${ARGUMENTS} cross join generate_series(1, a.orders) as n
  cross join lateral (select a.now - n * make_interval(days => a.days) / a.orders as at,
                             sha256(('visitor ' || n)::bytea) as identity) as o`

const STATEMENTS = [
  `insert into tenants (tenant_id, slug, name, reporting_currency, time_zone)
   select a.tenant_id, 'bench-' || right(a.tenant_id::text, 12), 'Benchmark', 'USD', 'UTC' from ${ARGUMENTS} where a.orders > 0`,
  `insert into revenue_definitions (tenant_id, version) select a.tenant_id, 1 from ${ARGUMENTS} on conflict do nothing`,
  `insert into channel_rule_versions (tenant_id, version) select a.tenant_id, 1 from ${ARGUMENTS} on conflict do nothing`,
  `insert into attribution_setting_versions (tenant_id, version) select a.tenant_id, 1 from ${ARGUMENTS} on conflict do nothing`,
  `insert into order_facts (tenant_id, order_key, conversion_id, currency, ordered_at, identity)
   select a.tenant_id, 'own:' || n, md5(a.tenant_id || n::text)::uuid, 'USD', o.at, o.identity from ${ORDERS}`,
  `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at)
   select a.tenant_id, 'own:' || n || ':capture', 'own:' || n, 'capture', 1000 + n * 7919 % 50000, 'USD', 'own', 'import', o.at from ${ORDERS}`,
  // One order in twenty gives something back.
  `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at)
   select a.tenant_id, 'own:' || n || ':refund', 'own:' || n, 'refund', -(500 + n % 500), 'USD', 'own', 'import', o.at + interval '3 hours'
   from ${ORDERS} where n % 20 = 0`,
  `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, campaign, item_sha256)
   select a.tenant_id, 'server', 'touch-' || n || '-' || t, o.identity, o.at - t * interval '37 hours',
          'channel_' || translate(((n * 31 + t * 17) % a.channels)::text, '0123456789', 'abcdefghij'), 'spring', sha256('x')
   from ${ORDERS} cross join generate_series(1, a.touches) as t`,
]

/** Without triggers and foreign keys: these rows are known to be good, and many. */
export async function fillShop(client: pg.Client, size: ShopSize): Promise<void> {
  await client.query("set session_replication_role = replica; set timezone = 'UTC'")
  const values = [tenantOf(size), size.orders, size.touchesPerOrder, size.days, NOW, size.channels]
  for (const statement of STATEMENTS) await client.query(statement, values)
  if (size.touchesOfOne > 0) {
    await client.query(
      `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256)
       select $1, 'server', 'one-' || t, sha256('visitor 1'), $3::timestamptz - interval '2 days' - t * interval '1 second', 'channel_a', sha256('x')
       from generate_series(1, $2::integer) as t`,
      [tenantOf(size), size.touchesOfOne, NOW],
    )
  }
  await client.query('set session_replication_role = default')
  await client.query('vacuum analyze')
}

/** A new touch for one order in a hundred, of the last day or of every day, as ingestion has it: with the note of its change. */
export async function addTouches(client: pg.Client, size: ShopSize, ofLastDay: boolean): Promise<number> {
  const share = Math.max(1, Math.round(size.orders / 100))
  const { rowCount } = await client.query(
    `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256)
     select f.tenant_id, 'server', 'late-' || $2::boolean || substr(f.order_key, 5), f.identity, f.ordered_at - interval '5 minutes',
            'channel_b', sha256('y')
     from order_facts as f
     where f.tenant_id = $1
       and case when $2 then substr(f.order_key, 5)::integer <= $3 else substr(f.order_key, 5)::integer % 100 = 7 end`,
    [tenantOf(size), ofLastDay, share],
  )
  return rowCount ?? 0
}
