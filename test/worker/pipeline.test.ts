import { expect, test } from 'vitest'
import { startPlatform, until } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'
import { countJobs, givenShop, type Happening, isIdle, ORDER_MODELS, readResult } from '../support/worker.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Noon of three days ago: whatever the hour of the run, nothing of the story lies in the future. */
const NOON = new Date(`${new Date(Date.now() - 3 * DAY).toISOString().slice(0, 10)}T12:00:00Z`)
const at = (ms: number) => new Date(NOON.getTime() + ms)
const today = NOON.toISOString().slice(0, 10)

const touch = (id: string, visitor: string, ms: number, channel: string): Happening => ({
  kind: 'touch',
  touch: { id, visitor, at: at(ms), channel },
})

/**
 * Two orders of Ann (the first uses her touches up), one of Ben who wants all of it back, one of Cy whose touch lies
 * 30 days back to the second, one of Dee who wants more back than she paid, one of nobody we know.
 */
const STORY: readonly Happening[] = [
  touch('a1', 'ann', -5 * HOUR, 'email'),
  touch('a2', 'ann', -3 * HOUR, 'paid_search'),
  touch('a3', 'ann', -HOUR, 'direct'),
  { kind: 'payment', order: 'ann1', visitor: 'ann', at: at(0), amount: 10_000 },
  { kind: 'charge', order: 'ann1', visitor: 'ann', at: at(40_000), amount: 10_000 },
  touch('a4', 'ann', HOUR, 'referral'),
  { kind: 'refund', order: 'ann1', at: at(2 * HOUR), from: 0, to: 101 },
  { kind: 'refund', order: 'ann1', at: at(3 * HOUR), from: 101, to: 1_001 },
  { kind: 'charge', order: 'ann2', visitor: 'ann', at: at(4 * HOUR), amount: 777 },
  touch('b1', 'ben', -2 * DAY, 'organic_social'),
  touch('b2', 'ben', -2 * DAY, 'paid_social'),
  { kind: 'charge', order: 'ben1', visitor: 'ben', at: at(HOUR), amount: 5_001 },
  { kind: 'refund', order: 'ben1', at: at(26 * HOUR), from: 0, to: 5_001 },
  touch('c1', 'cy', -30 * DAY, 'paid_video'),
  touch('c2', 'cy', -30 * DAY - 1_000, 'display'),
  { kind: 'payment', order: 'cy1', visitor: 'cy', at: at(0), amount: 333 },
  touch('d1', 'dee', -HOUR, 'sms'),
  { kind: 'charge', order: 'dee1', visitor: 'dee', at: at(0), amount: 100 },
  { kind: 'refund', order: 'dee1', at: at(HOUR), from: 0, to: 60 },
  { kind: 'refund', order: 'dee1', at: at(2 * HOUR), from: 60, to: 130 },
  { kind: 'charge', order: 'x1', visitor: null, at: at(0), amount: 999, currency: 'EUR' },
]

const LAST_TOUCH = [
  'last_touch stripe:pi_ann1 stripe:ch_ann1:refunded:1001 2 direct a3 USD -900 0',
  'last_touch stripe:pi_ann1 stripe:ch_ann1:refunded:101 2 direct a3 USD -101 0',
  'last_touch stripe:pi_ann1 stripe:pi_ann1:capture 2 direct a3 USD 10000 1000000',
  'last_touch stripe:pi_ann2 stripe:pi_ann2:capture 0 referral a4 USD 777 1000000',
  'last_touch stripe:pi_ben1 stripe:ch_ben1:refunded:5001 1 paid_social b2 USD -5001 0',
  'last_touch stripe:pi_ben1 stripe:pi_ben1:capture 1 paid_social b2 USD 5001 1000000',
  'last_touch stripe:pi_cy1 stripe:pi_cy1:capture 0 paid_video c1 USD 333 1000000',
  'last_touch stripe:pi_dee1 stripe:ch_dee1:refunded:130 0 sms d1 USD -40 0',
  'last_touch stripe:pi_dee1 stripe:ch_dee1:refunded:60 0 sms d1 USD -60 0',
  'last_touch stripe:pi_dee1 stripe:pi_dee1:capture 0 sms d1 USD 100 1000000',
  'last_touch stripe:pi_x1 stripe:pi_x1:capture 0 (unattributed) - EUR 999 1000000',
]

const LINEAR_ANN = [
  'linear stripe:pi_ann1 stripe:ch_ann1:refunded:1001 0 email a1 USD -300 0',
  'linear stripe:pi_ann1 stripe:ch_ann1:refunded:1001 1 paid_search a2 USD -300 0',
  'linear stripe:pi_ann1 stripe:ch_ann1:refunded:1001 2 direct a3 USD -300 0',
  'linear stripe:pi_ann1 stripe:ch_ann1:refunded:101 0 email a1 USD -34 0',
  'linear stripe:pi_ann1 stripe:ch_ann1:refunded:101 1 paid_search a2 USD -34 0',
  'linear stripe:pi_ann1 stripe:ch_ann1:refunded:101 2 direct a3 USD -33 0',
  'linear stripe:pi_ann1 stripe:pi_ann1:capture 0 email a1 USD 3334 333334',
  'linear stripe:pi_ann1 stripe:pi_ann1:capture 1 paid_search a2 USD 3333 333333',
  'linear stripe:pi_ann1 stripe:pi_ann1:capture 2 direct a3 USD 3333 333333',
]

/** Pseudo-random, the same for the same seed (mulberry32). */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  let state = seed
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return items
    .map((item) => [random(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item)
}

test('from HTTP over the queue to the answer, the same whatever the order of arrival', { timeout: 60_000 }, async ({
  onTestFinished,
}) => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  await platform.startWorker()
  const orders: readonly Happening[][] = [
    [...STORY],
    STORY.toReversed(),
    // Everything twice: the second time is a duplicate and changes nothing.
    shuffled([...STORY, ...STORY], 1),
    shuffled(STORY, 2),
    shuffled(STORY, 3),
  ]
  const shops = [await givenShop(platform)]
  while (shops.length < orders.length) shops.push(await givenShop(platform, await platform.createTenant()))
  await Promise.all(shops.map((shop, index) => shop.send(orders[index] ?? [])))
  await until(() => isIdle(admin), Boolean, 30_000)

  const results = []
  for (const { tenant } of shops) results.push(await readResult(admin, tenant.tenantId))
  const [inOrder, ...others] = results
  expect(inOrder?.credits.filter((line) => line.startsWith('last_touch'))).toEqual(LAST_TOUCH)
  expect(inOrder?.credits.filter((line) => line.startsWith('linear stripe:pi_ann1'))).toEqual(LINEAR_ANN)
  expect(Object.keys(inOrder?.runs ?? {}).sort()).toEqual(ORDER_MODELS.map((model) => `${model} ${today}`).sort())
  for (const other of others) expect(other).toEqual(inOrder)

  // What the API answers is that, too; and the money adds up.
  const { body } = await platform.call('getChannelAttribution', { query: { start_date: today, end_date: today } })
  expect(body).toMatchObject({
    conversions: 5,
    net_revenue: { amount_minor: 10_109, currency: 'USD' },
    credited_revenue: { amount_minor: 10_109, currency: 'USD' },
    over_refunded: { amount_minor: 30, currency: 'USD' },
    other_currencies: [{ net_revenue: { amount_minor: 999, currency: 'EUR' }, conversions: 1 }],
  })
})

test('two workers at once come to the same result as one, each effect once', { timeout: 60_000 }, async ({
  onTestFinished,
}) => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const alone = await givenShop(platform)
  await platform.startWorker()
  await alone.send(STORY)
  await until(() => isIdle(admin), Boolean, 30_000)

  await platform.startWorker()
  const together = await givenShop(platform, await platform.createTenant())
  // All at the same time, three times over: whatever can meet, meets.
  await Promise.all(Array.from({ length: 3 }, () => STORY.map((happening) => together.send([happening]))).flat())
  await until(() => isIdle(admin), Boolean, 30_000)

  expect(await readResult(admin, together.tenant.tenantId)).toEqual(await readResult(admin, alone.tenant.tenantId))
  const { rows } = await admin.query(
    `select (select count(*) from ledger_entries where tenant_id = t and corrects_entry_key is null)::int as entries,
            (select count(*) from touchpoints where tenant_id = t)::int as touches,
            (select count(*) from webhook_events where tenant_id = t)::int as events,
            (select count(*) from dead_events where tenant_id = t)::int as dead
     from unnest($1::uuid[]) as t`,
    [[alone.tenant.tenantId, together.tenant.tenantId]],
  )
  const touches = STORY.filter(({ kind }) => kind === 'touch').length
  const events = STORY.length - touches
  // Ann's first payment was reported by two events: one entry.
  const expected = { entries: events - 1, touches, events, dead: 0 }
  expect(rows).toEqual([expected, expected])
})

test('a flood of duplicates is one event, one job, one entry, and every answer is 200', async ({ onTestFinished }) => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const shop = await givenShop(platform)
  const payment: Happening = { kind: 'charge', order: 'one', visitor: 'ann', at: at(0), amount: 1_000 }
  const answers = (await Promise.all(Array.from({ length: 100 }, () => shop.send([payment])))).flat()
  const results = answers.map(({ status, body }) => `${status} ${body.result}`)
  expect(results.filter((result) => result === '200 accepted')).toHaveLength(1)
  expect(results.filter((result) => result === '200 duplicate')).toHaveLength(99)
  expect(new Set(answers.map(({ body }) => body.receipt_id)).size).toBe(1)
  expect((await countJobs(admin, 'webhook')).waiting).toBe(1)

  const touches = await Promise.all(
    Array.from({ length: 50 }, () => shop.sendTouches([{ id: 't1', visitor: 'ann', at: at(-HOUR), channel: 'email' }])),
  )
  expect(touches.reduce((sum, { body }) => sum + body.accepted, 0)).toBe(1)
  expect(touches.reduce((sum, { body }) => sum + body.duplicates, 0)).toBe(49)
  expect((await countJobs(admin, 'attribution')).waiting).toBe(1)

  await platform.startWorker()
  await until(() => isIdle(admin), Boolean)
  const { credits } = await readResult(admin, shop.tenant.tenantId)
  expect(credits).toHaveLength(ORDER_MODELS.length)
  expect(new Set(credits.map((line) => line.split(' ').slice(1).join(' ')))).toEqual(
    new Set(['stripe:pi_one stripe:pi_one:capture 0 email t1 USD 1000 1000000']),
  )
})

test('50 ingests of a tenant within the delay are a few recomputes, and all of it is in the last one', async ({
  onTestFinished,
}) => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const shop = await givenShop(platform)
  await platform.startWorker()
  await shop.send([{ kind: 'charge', order: 'one', visitor: 'ann', at: at(0), amount: 10_000 }])
  await until(() => isIdle(admin), Boolean)
  const recomputes = async () => {
    const { rows } = await admin.query("select count(*)::int as n from attribution_day_runs where model = 'linear'")
    return rows[0].n
  }
  expect(await recomputes()).toBe(1)

  const ingests = Array.from({ length: 50 }, (_, n) =>
    shop.sendTouches([{ id: `t${n}`, visitor: 'ann', at: at(-HOUR - n), channel: 'email' }]),
  )
  for (const { status } of await Promise.all(ingests)) expect(status).toBe(200)
  await until(() => isIdle(admin), Boolean)
  expect((await recomputes()) - 1).toBeLessThanOrEqual(5)
  expect(await countJobs(admin, 'attribution')).toEqual({ waiting: 0, active: 0, failed: 0, completed: 51 })

  const { credits } = await readResult(admin, shop.tenant.tenantId)
  const linear = credits.filter((line) => line.startsWith('linear'))
  expect(new Set(linear.map((line) => line.split(' ')[5])).size).toBe(50)
  expect(linear.reduce((sum, line) => sum + Number(line.split(' ')[7]), 0)).toBe(10_000)
})
