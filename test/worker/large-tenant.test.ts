import { expect, test } from 'vitest'
import { startPlatform } from '../support/platform.ts'
import { connectAs, newIds, rowsOf, toInsert } from '../support/rows.ts'
import { bringUp, workerContext } from '../support/worker.ts'

/** Orders of one day, each of a visitor of its own with one earlier order and three touches before. */
const ORDERS = 5_000

test('10,000 orders are computed within the time that a statement has', async ({ onTestFinished }) => {
  const platform = await startPlatform(onTestFinished)
  const { tenantId, userId } = platform.tenant
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const ids = { ...newIds(), tenantId, userId }
  for (const [table, row] of rowsOf(ids))
    if (table === 'webhook_endpoints' || table === 'webhook_events') await admin.query(...toInsert(table, row))
  await admin.query(
    `insert into order_facts (tenant_id, order_key, event_id, currency, ordered_at, identity)
     select $1, 'stripe:pi_' || n || '_' || earlier, $2, 'USD',
            timestamptz '2026-03-02T12:00:00Z' - make_interval(days => earlier) + n * interval '1 second', sha256(n::text::bytea)
     from generate_series(1, $3::integer) as n, generate_series(0, 1) as earlier`,
    [tenantId, ids.eventId, ORDERS],
  )
  await admin.query(
    `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at)
     select tenant_id, order_key || ':capture', order_key, 'capture', 1999, currency, 'stripe', event_id, ordered_at from order_facts`,
  )
  await admin.query(
    `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256)
     select $1, 'server', 't' || n || '_' || touch, sha256(n::text::bytea),
            timestamptz '2026-03-02T11:00:00Z' - make_interval(hours => touch), 'email', sha256('x')
     from generate_series(1, $2::integer) as n, generate_series(0, 2) as touch`,
    [tenantId, ORDERS],
  )
  await admin.query('analyze')
  // A plan that looks through all touches for each order meets the time limit of the role's statements.
  await bringUp(workerContext(platform, platform.tenant, onTestFinished))
  const { rows } = await admin.query(
    'select count(*)::integer as n from attribution_order_credits where tenant_id = $1',
    [tenantId],
  )
  expect(rows).toEqual([{ n: ORDERS * (3 + 1) }])
})
