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

const DAY_MS = 86_400_000
/** Orders lie evenly over the days before this moment. */
const NOW = '2026-03-31T12:00:00Z'

/** Those that reports know; a shop with more has made-up ones beside them. */
const CHANNELS = [
  'direct',
  'email',
  'paid_search',
  'organic_search',
  'paid_social',
  'organic_social',
  'display',
  'referral',
  'affiliates',
  'paid_shopping',
  'paid_video',
  'sms',
]

export function tenantOf({ number }: Pick<ShopSize, 'number'>): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

export function slugOf(size: Pick<ShopSize, 'number'>): string {
  return `bench-${tenantOf(size).slice(-12)}`
}

/** The days on which its orders are, both included, in UTC. */
export function spanOf({ days }: Pick<ShopSize, 'days'>): { from: string; to: string } {
  const last = Date.parse(NOW)
  return { from: toDay(last - days * DAY_MS), to: toDay(last) }
}

function toDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
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
  `insert into tenant_slugs (slug, tenant_id) select 'bench-' || right(a.tenant_id::text, 12), a.tenant_id from ${ARGUMENTS}`,
  `insert into revenue_definitions (tenant_id, version) select a.tenant_id, 1 from ${ARGUMENTS} on conflict do nothing`,
  `insert into channel_rule_versions (tenant_id, version) select a.tenant_id, 1 from ${ARGUMENTS} on conflict do nothing`,
  `insert into attribution_setting_versions (tenant_id, version) select a.tenant_id, 1 from ${ARGUMENTS} on conflict do nothing`,
  `insert into order_facts (tenant_id, order_key, conversion_id, currency, ordered_at, recorded_at, identity)
   select a.tenant_id, 'own:' || n, md5(a.tenant_id || n::text)::uuid, 'USD', o.at, o.at, o.identity from ${ORDERS}`,
  `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at, recorded_at)
   select a.tenant_id, 'own:' || n || ':capture', 'own:' || n, 'capture', 1000 + n * 7919 % 50000, 'USD', 'own', 'import', o.at, o.at from ${ORDERS}`,
  // One order in twenty gives something back.
  `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at, recorded_at)
   select a.tenant_id, 'own:' || n || ':refund', 'own:' || n, 'refund', -(500 + n % 500), 'USD', 'own', 'import', o.at + interval '3 hours', o.at + interval '3 hours'
   from ${ORDERS} where n % 20 = 0`,
  `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, campaign, item_sha256)
   select a.tenant_id, 'server', 'touch-' || n || '-' || t, o.identity, o.at - t * interval '37 hours',
          coalesce((array['${CHANNELS.join("', '")}'])[1 + c.number], 'channel_' || translate(c.number::text, '0123456789', 'abcdefghij')),
          'spring', sha256('x')
   from ${ORDERS} cross join generate_series(1, a.touches) as t
   cross join lateral (select (n * 31 + t * 17) % a.channels as number) as c`,
]

/** Without triggers and foreign keys: these rows are known to be good, and many. */
export async function fillShop(client: pg.Client, size: ShopSize): Promise<void> {
  await client.query("set session_replication_role = replica; set timezone = 'UTC'")
  const values = [tenantOf(size), size.orders, size.touchesPerOrder, size.days, NOW, size.channels]
  for (const statement of STATEMENTS) await client.query(statement, values)
  if (size.touchesOfOne > 0) {
    await client.query(
      `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256)
       select $1, 'server', 'one-' || t, sha256('visitor 1'), $3::timestamptz - interval '2 days' - t * interval '1 second', '${CHANNELS[0]}', sha256('x')
       from generate_series(1, $2::integer) as t`,
      [tenantOf(size), size.touchesOfOne, NOW],
    )
  }
  await client.query('set session_replication_role = default')
  await client.query('vacuum analyze')
}

/**
 * A new touch for one order in a hundred, of the last day or of every day, as ingestion has it: with the note of its change. Each
 * round has others. Returns how many.
 */
export async function addTouches(
  client: pg.Client,
  size: ShopSize,
  { ofLastDay, round }: { ofLastDay: boolean; round: number },
): Promise<number> {
  const share = Math.max(1, Math.round(size.orders / 100))
  const { rowCount } = await client.query(
    `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256)
     select f.tenant_id, 'server', format('late-%s-%s-%s', $2::boolean, $4::integer, substr(f.order_key, 5)), f.identity,
            f.ordered_at - make_interval(mins => 5 + $4), '${CHANNELS[1]}', sha256('y')
     from order_facts as f
     where f.tenant_id = $1
       and case when $2 then substr(f.order_key, 5)::integer <= $3 else substr(f.order_key, 5)::integer % 100 = $4 end`,
    [tenantOf(size), ofLastDay, share, round],
  )
  return rowCount ?? 0
}

/** As many orders as the shop has on a day, of today: an hour old, where the day is. Without triggers, as all others. */
export async function fillToday(client: pg.Client, size: ShopSize): Promise<void> {
  const hourAgo = "greatest(date_trunc('day', now(), 'UTC'), now() - interval '1 hour')"
  await insertSales(client, size, { count: Math.ceil(size.orders / size.days), at: hourAgo })
  await client.query('vacuum analyze ledger_entries, order_facts')
}

/** One more order, recorded now. */
export function addSale(client: pg.Client, size: ShopSize): Promise<void> {
  return insertSales(client, size, { count: 1, at: 'now()' })
}

/** All those of today. */
export async function removeSales(client: pg.Client, size: ShopSize): Promise<void> {
  await client.query('set session_replication_role = replica')
  for (const table of ['ledger_entries', 'order_facts']) {
    await client.query(`delete from ${table} where tenant_id = $1 and order_key like 'own:today-%'`, [tenantOf(size)])
  }
  await client.query('set session_replication_role = default')
}

async function insertSales(
  client: pg.Client,
  size: ShopSize,
  { count, at }: { count: number; at: string },
): Promise<void> {
  await client.query('set session_replication_role = replica')
  await client.query(
    `with sale as (select gen_random_uuid() as id, ${at} as at from generate_series(1, $2::integer)),
     fact as (insert into order_facts (tenant_id, order_key, conversion_id, currency, ordered_at, recorded_at)
              select $1, 'own:today-' || id, id, 'USD', at, at from sale)
     insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at, recorded_at)
     select $1, 'own:today-' || id || ':capture', 'own:today-' || id, 'capture', 1999, 'USD', 'own', 'import', at, at from sale`,
    [tenantOf(size), count],
  )
  await client.query('set session_replication_role = default')
}
