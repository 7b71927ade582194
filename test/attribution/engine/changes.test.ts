import { expect, onTestFinished, test } from 'vitest'
import { givenBooks, readRevisions, readShares } from '../../support/books.ts'
import { startPlatform } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, readResult, recomputeAll, workerContext } from '../../support/worker.ts'

const DAY = 86_400_000
const BASE = Date.parse('2026-03-01T12:00:00Z')
const at = (days: number) => new Date(BASE + days * DAY)

async function givenShop() {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { tenantId } = platform.tenant
  const books = await givenBooks(admin, tenantId)
  return { platform, admin, tenantId, books, ctx: workerContext(platform, platform.tenant, onTestFinished) }
}

test('a late touch gives other credits to the orders of its visitor within the lookback, and to no other', async () => {
  const { admin, tenantId, books, ctx } = await givenShop()
  await books.addOrders([
    { key: 'ann-before', at: at(0), amount: 100, visitor: 'ann' },
    { key: 'ann-after', at: at(10), amount: 100, visitor: 'ann' },
    { key: 'ann-much-later', at: at(60), amount: 100, visitor: 'ann' },
    { key: 'ben', at: at(10), amount: 100, visitor: 'ben' },
    { key: 'nobody', at: at(10), amount: 100, visitor: null },
  ])
  await bringUp(ctx)
  const before = await readRevisions(admin, tenantId)
  await books.addTouches([{ id: 't1', visitor: 'ann', at: at(5) }])
  await bringUp(ctx)
  const after = await readRevisions(admin, tenantId)
  expect(Object.keys(after).filter((key) => after[key] !== before[key])).toEqual(['ann-after'])
  expect(await readShares(admin, tenantId)).toContain('ann-after email t1 100')
})

test('of many orders those that changed get new credits, and days without any keep their runs', async () => {
  const { admin, tenantId, books, ctx } = await givenShop()
  const orders = Array.from({ length: 200 }, (_, n) => ({
    key: `o${n}`,
    at: at(n % 20),
    amount: 100 + n,
    visitor: `v${n}`,
  }))
  await books.addOrders(orders)
  await bringUp(ctx)
  const runs = async () => {
    const { rows } = await admin.query(`select run_id::text as id, window_start from attribution_day_runs`)
    return rows as { id: string; window_start: Date }[]
  }
  const [before, runsBefore] = [await readRevisions(admin, tenantId), await runs()]
  await books.addRefund({ order: 'o7', at: at(30), amount: 7 })
  await books.addRefund({ order: 'o27', at: at(30), amount: 7 })
  await bringUp(ctx)
  const after = await readRevisions(admin, tenantId)
  expect(
    Object.keys(after)
      .filter((key) => after[key] !== before[key])
      .sort(),
  ).toEqual(['o27', 'o7'])
  const known = new Set(runsBefore.map(({ id }) => id))
  const fresh = (await runs()).filter(({ id }) => !known.has(id))
  expect(new Set(fresh.map(({ window_start: start }) => start.toISOString().slice(0, 10)))).toEqual(
    new Set([at(7).toISOString().slice(0, 10)]),
  )
  const { rows: left } = await admin.query('select count(*)::integer as n from attribution_changes')
  expect(left).toEqual([{ n: 0 }])
  const answered = await readResult(admin, tenantId)
  await recomputeAll(ctx)
  expect(await readResult(admin, tenantId)).toEqual(answered)
})

test('an order whose money is corrected to nothing is none any more, and is one again when money comes', async () => {
  const { admin, tenantId, books, ctx } = await givenShop()
  await books.addOrders([{ key: 'one', at: at(0), amount: 100, visitor: 'ann' }])
  await bringUp(ctx)
  const correct = (key: string, amount: number) =>
    admin.query(
      `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at, corrects_entry_key)
       select tenant_id, $2, order_key, kind, $3, currency, vendor, event_id, occurred_at, entry_key
       from ledger_entries where tenant_id = $1 and entry_key = 'stripe:one:capture'`,
      [tenantId, key, amount],
    )
  await correct('c1', -100)
  await bringUp(ctx)
  expect(await readShares(admin, tenantId)).toEqual([])
  const { rows } = await admin.query(
    `select distinct r.orders, r.orders_changed as changed from published_day_runs join attribution_day_runs as r using (tenant_id, run_id)`,
  )
  expect(rows).toEqual([{ orders: 0, changed: 1 }])
  await correct('c2', 30)
  await bringUp(ctx)
  expect(await readShares(admin, tenantId)).toEqual(['one (unattributed) - 30'])
})

test('what the runs of a publication changed is the difference of the figures before and after', async () => {
  const { admin, tenantId, books, ctx } = await givenShop()
  await books.addTouches([
    { id: 't1', visitor: 'ann', at: at(-3), channel: 'email' },
    { id: 't2', visitor: 'ann', at: at(-2), channel: 'sms' },
  ])
  await books.addOrders([
    { key: 'one', at: at(0), amount: 1_001, visitor: 'ann' },
    { key: 'two', at: at(0), amount: 500, visitor: 'ben' },
  ])
  await bringUp(ctx)
  const figures = async () => {
    const { rows } = await admin.query(
      `select p.model || ' ' || c.channel as key, sum(p.revenue)::integer as revenue, sum(p.conversion)::integer as conversion
       from attribution_editions as e
       join attribution_orders as o using (tenant_id, edition_id)
       join attribution_order_credits as c using (tenant_id, edition_id, order_key, revision)
       cross join lateral unnest(e.models, c.revenue_minor, c.conversion_micro) as p (model, revenue, conversion)
       where tenant_id = $1 and e.status = 'published' group by 1`,
      [tenantId],
    )
    return new Map(rows.map(({ key, revenue, conversion }) => [key, { revenue, conversion }]))
  }
  const before = await figures()
  await books.addTouches([{ id: 't3', visitor: 'ann', at: at(-1), channel: 'paid_search' }])
  await books.addRefund({ order: 'two', at: at(1), amount: 500 })
  await bringUp(ctx)
  const after = await figures()
  const { rows } = await admin.query(
    `select r.model || ' ' || d.channel as key, d.revenue_delta_minor::integer as revenue, d.conversion_delta_micro::integer as conversion
     from attribution_day_run_changes as d join attribution_day_runs as r using (tenant_id, run_id) where tenant_id = $1`,
    [tenantId],
  )
  const told = new Map(rows.map(({ key, revenue, conversion }) => [key, { revenue, conversion }]))
  const none = { revenue: 0, conversion: 0 }
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(key) ?? none, after.get(key) ?? none]
    const delta = { revenue: is.revenue - was.revenue, conversion: is.conversion - was.conversion }
    expect(told.get(key) ?? none, key).toEqual(delta)
  }
  expect(told.get('last_touch paid_search')).toEqual({ revenue: 1_001, conversion: 1_000_000 })
  const { rows: versions } = await admin.query(
    `select r.version, r.cause, f.version as former from attribution_day_runs as r
     join attribution_day_runs as f on f.tenant_id = r.tenant_id and f.run_id = r.previous_run_id
     where r.model = 'linear'`,
  )
  expect(versions).toEqual([{ version: 2, cause: 'data', former: 1 }])
})

test('publications that meet each other, and data that comes meanwhile, end as one publication would', async () => {
  const { admin, tenantId, books, ctx } = await givenShop()
  await books.addOrders(
    Array.from({ length: 40 }, (_, n) => ({ key: `o${n}`, at: at(n % 4), amount: 100 + n, visitor: `v${n % 10}` })),
  )
  const arriving = Array.from({ length: 6 }, (_, n) =>
    books.addTouches([{ id: `t${n}`, visitor: `v${n}`, at: at(-1), channel: n % 2 === 0 ? 'email' : 'sms' }]),
  )
  await Promise.all([...Array.from({ length: 4 }, () => bringUp(ctx)), ...arriving])
  await bringUp(ctx)
  const answered = await readResult(admin, tenantId)
  expect(answered.credits.some((line) => line.includes(' sms '))).toBe(true)
  await recomputeAll(ctx)
  expect(await readResult(admin, tenantId)).toEqual(answered)
})
