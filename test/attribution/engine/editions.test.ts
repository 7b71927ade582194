import { expect, onTestFinished, test } from 'vitest'
import { listLiveEditions } from '../../../src/attribution/engine/editions/queries.ts'
import { inTenant } from '../../../src/db/tenant.ts'
import { givenBooks, readShares } from '../../support/books.ts'
import { startPlatform, until } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, isIdle, workerContext } from '../../support/worker.ts'

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

test('a setting that figures are computed by makes another edition, which the worker builds without being told', async () => {
  const { platform, admin, tenantId, books } = await givenShop()
  await platform.startWorker()
  await books.addTouches([{ id: 't1', visitor: 'ann', at: at(-20) }])
  await books.addOrders([{ key: 'one', at: at(0), amount: 100, visitor: 'ann' }])
  const { headers } = await platform.call('getTenant', { token: platform.tenant.tokens.admin })
  const change = (body: object, etag: string | null) =>
    platform.call('updateTenantSettings', {
      token: platform.tenant.tokens.admin,
      headers: { 'if-match': etag ?? '' },
      body,
    })
  const narrowed = await change({ lookback_days: 7 }, headers.get('etag'))
  expect(narrowed.status, narrowed.text).toBe(200)
  await until(() => isIdle(admin), Boolean, 20_000)
  expect(await readShares(admin, tenantId)).toEqual(['one (unattributed) - 100'])
  const widened = await change({ lookback_days: 30 }, narrowed.headers.get('etag'))
  expect(widened.status, widened.text).toBe(200)
  await until(() => isIdle(admin), Boolean, 20_000)
  expect(await readShares(admin, tenantId)).toEqual(['one email t1 100'])
  const { rows } = await admin.query(
    `select e.number, e.status, e.config -> 'lookbackDays' as lookback, r.version, r.cause,
            (select f.edition_id from attribution_day_runs as f where f.run_id = r.previous_run_id)
              = (select n.edition_id from attribution_editions as n where n.number = e.number - 1) as "isAfter"
     from attribution_editions as e join attribution_day_runs as r using (tenant_id, edition_id)
     where r.model = 'linear' order by 1`,
  )
  expect(rows).toEqual([
    { number: 1, status: 'superseded', lookback: 7, version: 1, cause: 'edition', isAfter: null },
    { number: 2, status: 'published', lookback: 30, version: 1, cause: 'edition', isAfter: true },
  ])
  // A setting that no figure is computed by makes none.
  expect((await change({ retention_days: 400 }, widened.headers.get('etag'))).status).toBe(200)
  await until(() => isIdle(admin), Boolean, 20_000)
  expect((await admin.query('select count(*)::integer as n from attribution_editions')).rows).toEqual([{ n: 2 }])
})

test('until an edition is whole the one before it answers, and no reader sees some of each', async () => {
  const { admin, tenantId, books, ctx, platform } = await givenShop()
  const orders = Array.from({ length: 60 }, (_, n) => ({ key: `o${n}`, at: at(n), amount: 100, visitor: `v${n}` }))
  await books.addOrders(orders)
  await books.addTouches(
    orders.map(({ visitor, at: time }) => ({ id: visitor, visitor, at: new Date(time.getTime() - 20 * DAY) })),
  )
  await bringUp(ctx)
  const reader = await connectAs(platform.database, 'admin', onTestFinished)
  const read = async () => {
    const { rows } = await reader.query(
      `select count(distinct order_key)::integer as orders,
              (count(*) filter (where c.channel = 'email'))::integer as touched,
              (select count(*)::integer from attribution_editions as e join published_day_runs as p using (tenant_id, edition_id)
               where e.status = 'published' and p.model = 'linear') as days
       from attribution_editions as e
       join attribution_orders as o using (tenant_id, edition_id)
       join attribution_order_credits as c using (tenant_id, edition_id, order_key, revision)
       where tenant_id = $1 and e.status = 'published'`,
      [tenantId],
    )
    return JSON.stringify(rows[0])
  }
  const [before, after] = [
    { orders: 60, touched: 60, days: 60 },
    { orders: 60, touched: 0, days: 60 },
  ].map((row) => JSON.stringify(row))
  expect(await read()).toBe(before)
  await admin.query('update tenants set lookback_days = 7')
  const seen = new Set<string>()
  let isDone = false
  const watching = (async () => {
    while (!isDone) seen.add(await read())
  })()
  await bringUp(ctx)
  isDone = true
  await watching
  expect(await read()).toBe(after)
  for (const one of seen) expect([before, after]).toContain(one)
})

test('data that comes while an edition is built is in it', async () => {
  const { admin, tenantId, books, ctx, platform } = await givenShop()
  await books.addOrders([{ key: 'one', at: at(0), amount: 100, visitor: 'ann' }])
  await bringUp(ctx)
  await admin.query('update tenants set lookback_days = 7')
  // The first step builds the only day there is, and the next one would publish.
  const blocker = await connectAs(platform.database, 'admin', onTestFinished)
  await blocker.query('begin')
  await blocker.query('lock table attribution_day_runs in share mode')
  const building = bringUp(ctx)
  await until(
    async () =>
      (await admin.query("select count(*)::integer as n from pg_stat_activity where wait_event_type = 'Lock'")).rows[0]
        .n,
    (waiting) => waiting > 0,
  )
  await books.addTouches([{ id: 't1', visitor: 'ann', at: at(-3) }])
  await books.addOrders([{ key: 'two', at: at(-60), amount: 7, visitor: 'ben' }])
  await blocker.query('rollback')
  await building
  expect(await readShares(admin, tenantId)).toEqual(['one email t1 100', 'two (unattributed) - 7'])
})

test('an edition that is not wanted any more is given up before it is whole', async () => {
  const { admin, tenantId, books, ctx } = await givenShop()
  await books.addTouches([{ id: 't1', visitor: 'ann', at: at(-20) }])
  await books.addOrders([{ key: 'one', at: at(0), amount: 100, visitor: 'ann' }])
  await bringUp(ctx)
  await admin.query(
    `insert into attribution_editions (tenant_id, number, config, config_sha256, models)
     select tenant_id, 2, config, sha256('another'), models from attribution_editions`,
  )
  await bringUp(ctx)
  const { rows } = await admin.query('select number, status from attribution_editions order by 1')
  expect(rows).toEqual([
    { number: 1, status: 'published' },
    { number: 2, status: 'superseded' },
  ])
  expect(await readShares(admin, tenantId)).toEqual(['one email t1 100'])
})

test('parameters that a tenant sets make another edition, whose credits follow them', async () => {
  const { admin, tenantId, books, ctx } = await givenShop()
  await books.addTouches([
    { id: 't1', visitor: 'ann', at: at(-3), channel: 'email' },
    { id: 't2', visitor: 'ann', at: at(-2), channel: 'display' },
    { id: 't3', visitor: 'ann', at: at(-1), channel: 'direct' },
  ])
  await books.addOrders([{ key: 'one', at: at(0), amount: 1000, visitor: 'ann' }])
  await bringUp(ctx)
  const set = (version: number, models: object) =>
    admin.query('insert into attribution_setting_versions (tenant_id, version, models) values ($1, $2, $3)', [
      tenantId,
      version,
      models,
    ])
  expect(await readShares(admin, tenantId, 'position')).toEqual([
    'one direct t3 400',
    'one display t2 200',
    'one email t1 400',
  ])
  await set(2, { position: { first: 1, middle: 0, last: 3 }, last_non_direct: { direct_channel: 'display' } })
  await bringUp(ctx)
  expect(await readShares(admin, tenantId, 'position')).toEqual([
    'one direct t3 750',
    'one display t2 0',
    'one email t1 250',
  ])
  expect(await readShares(admin, tenantId, 'last_non_direct')).toContain('one direct t3 1000')
  const { rows } = await admin.query(
    `select config ->> 'attributionSettingsVersion' as version,
            (select m -> 'parameters' from jsonb_array_elements(config -> 'models') as m where m ->> 'name' = 'position') as position
     from attribution_editions order by number`,
  )
  expect(rows).toEqual([
    { version: '1', position: { first: 40, middle: 20, last: 40 } },
    { version: '2', position: { first: 1, middle: 0, last: 3 } },
  ])
})

test('an edition that the release before made is read as it was meant, and built anew', async () => {
  const { admin, tenantId, books, ctx } = await givenShop()
  await books.addOrders([{ key: 'one', at: at(0), amount: 100, visitor: null }])
  await bringUp(ctx)
  await admin.query(
    `update attribution_editions
     set config = config - 'channelModels' - 'attributionSettingsVersion', config_sha256 = sha256('of the release before')`,
  )
  const [former] = await inTenant(ctx.db.main, ctx, (tx) => listLiveEditions(tx, tenantId))
  expect(former?.config).toMatchObject({
    attributionSettingsVersion: 1,
    channelModels: [{ name: 'markov', parameters: { order: 1, uses_nulls: true, value_rule: 'reward' } }],
  })
  await bringUp(ctx)
  const { rows } = await admin.query('select number, status from attribution_editions order by 1')
  expect(rows).toEqual([
    { number: 1, status: 'superseded' },
    { number: 2, status: 'published' },
  ])
})
