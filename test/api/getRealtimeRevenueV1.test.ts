import pg from 'pg'
import { afterEach, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { getRealtimeRevenue } from '../../src/revenue/service.ts'
import { expectProblem } from '../support/answer.ts'
import {
  DAY,
  daysAgo,
  deliverShopify,
  deliverStripe,
  givenEndpoint,
  HOUR,
  MINUTE,
  nextNumber,
  type OrderOptions,
  shopifyOrder,
  shopifyRefund,
  stripeCharge,
  type TestEndpoint,
  tokenAt,
} from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { startPlatform, type TestTenant, usePlatform } from '../support/platform.ts'
import { untilIdle } from '../support/stored.ts'

const platform = usePlatform()
beforeAll(async () => {
  await platform.startWorker()
})
afterEach(() => platform.setNow(null))

interface Ask {
  since?: Date | string
  ifNoneMatch?: string
}

function ask(tenant: TestTenant, { since, ifNoneMatch }: Ask = {}) {
  return platform.call('getRealtimeRevenueV1', {
    tenant,
    token: tenant.tokens.viewer,
    ...(since !== undefined && { query: { since: typeof since === 'string' ? since : since.toISOString() } }),
    ...(ifNoneMatch !== undefined && { headers: { 'if-none-match': ifNoneMatch } }),
  })
}

async function givenShop(options?: { currency?: string; timeZone?: string }): Promise<TestEndpoint> {
  return givenEndpoint(platform, 'shopify', { tenant: await platform.createTenant(options) })
}

/** Paid orders, in the ledger. */
async function givenOrders(shop: TestEndpoint, ...orders: OrderOptions[]): Promise<void> {
  for (const order of orders) {
    const { body } = await deliverShopify(platform, shop, shopifyOrder(order), { topic: 'orders/paid' })
    if (body.result !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(body)}`)
  }
  await untilIdle(platform, ['webhook'])
}

const usd = (amount_minor: number) => ({ amount_minor, currency: 'USD' })

test('200: captured less refunded of both vendors, other currencies apart', async () => {
  const shop = await givenShop()
  const account = await givenEndpoint(platform, 'stripe', { tenant: shop.tenant })
  const since = daysAgo(5)
  const at = (hours: number) => new Date(since.getTime() + hours * HOUR)
  const [before, atStart] = [new Date(since.getTime() - 1_000), since]
  const orderId = nextNumber()
  await deliverStripe(platform, account, stripeCharge({ amount: 4_850, at: at(1) }))
  await deliverStripe(platform, account, stripeCharge({ amount: 4_000, currency: 'jpy', at: at(2) }))
  const refund = shopifyRefund({ orderId, amount: '0.99', at: at(3) })
  await deliverShopify(platform, shop, refund, { topic: 'refunds/create' })
  await givenOrders(
    shop,
    { id: orderId, total: '10.00', at: atStart },
    { total: '20.00', at: at(1) },
    { total: '30.00', currency: 'EUR', at: at(1) },
    { total: '500.00', at: before },
  )
  const { status, body, headers } = await ask(shop.tenant, { since })
  expect(status).toBe(200)
  expect(body).toEqual({
    tenant_id: shop.tenant.tenantId,
    interval: 'day',
    since: since.toISOString(),
    time_zone: 'UTC',
    revenue: usd(7_751),
    captured: usd(7_850),
    refunded: usd(99),
    orders: 3,
    other_currencies: [
      { amount_minor: 3_000, currency: 'EUR' },
      { amount_minor: 4_000, currency: 'JPY' },
    ],
    verified: true,
    data_as_of: expect.any(String),
    sources: [
      { vendor: 'shopify', entries: 4 },
      { vendor: 'stripe', entries: 2 },
    ],
  })
  expect(Math.abs(Date.parse(body.data_as_of) - Date.now())).toBeLessThan(MINUTE)
  expect(headers.get('etag')).toMatch(/^"[\w-]+"$/)
  expect(headers.get('cache-control')).toBe('private, no-cache')
})

test('200: one payment that Stripe tells twice counts once', async () => {
  const account = await givenEndpoint(platform, 'stripe')
  const at = new Date(Date.now() - MINUTE)
  const charge = stripeCharge({ id: String(nextNumber()), amount: 4_850, at })
  const { created, payment_intent: id, currency, amount } = charge.data.object
  const intent = {
    id,
    object: 'payment_intent',
    status: 'succeeded',
    currency,
    created,
    amount,
    amount_received: amount,
  }
  const told = { ...charge, id: `${charge.id}_pi`, type: 'payment_intent.succeeded', data: { object: intent } }
  for (const body of [charge, told]) {
    expect((await deliverStripe(platform, account, body)).body.result).toBe('accepted')
  }
  await untilIdle(platform, ['webhook'])
  const since = new Date(at.getTime() - MINUTE)
  expect((await ask(account.tenant, { since })).body).toMatchObject({ revenue: usd(4_850), orders: 1 })
})

test('200: more refunded than captured is less than nothing', async () => {
  const shop = await givenShop()
  const refund = shopifyRefund({ orderId: nextNumber(), amount: '12.34', at: daysAgo(1) })
  await deliverShopify(platform, shop, refund, { topic: 'refunds/create' })
  await untilIdle(platform, ['webhook'])
  const { body } = await ask(shop.tenant, { since: daysAgo(2) })
  expect(body).toMatchObject({ revenue: usd(-1_234), captured: usd(0), refunded: usd(1_234), orders: 0 })
})

test('200: a tenant without entries', async () => {
  const { tenant } = await givenShop({ currency: 'CHF' })
  const { status, body } = await ask(tenant)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    revenue: { amount_minor: 0, currency: 'CHF' },
    orders: 0,
    other_currencies: [],
    verified: false,
    data_as_of: null,
    sources: [],
  })
})

test("200: never counts another tenant's revenue", async () => {
  const [shop, other] = [await givenShop(), await givenShop()]
  await givenOrders(other, { total: '999.99', at: daysAgo(1) })
  await givenOrders(shop, { total: '1.00', at: daysAgo(1) })
  expect((await ask(shop.tenant, { since: daysAgo(2) })).body.revenue).toEqual(usd(100))
})

test.each([
  // 19 November 21:30 in New York, 20 November 11:30 in Tokyo and 08:15 in Kathmandu.
  ['UTC', '2026-11-20T02:30:00Z', '2026-11-20T00:00:00.000Z'],
  ['America/New_York', '2026-11-20T02:30:00Z', '2026-11-19T05:00:00.000Z'],
  ['Asia/Tokyo', '2026-11-20T02:30:00Z', '2026-11-19T15:00:00.000Z'],
  ['Asia/Kathmandu', '2026-11-20T02:30:00Z', '2026-11-19T18:15:00.000Z'],
  // The clocks went back at 06:00Z: the day began in summer time and has 25 hours.
  ['America/New_York', '2026-11-02T04:59:59Z', '2026-11-01T04:00:00.000Z'],
])('200: the day of %s at %s began at %s', async (timeZone, time, start) => {
  const shop = await givenShop({ timeZone })
  const [now, since] = [new Date(time), new Date(start)]
  await givenOrders(
    shop,
    { total: '1.00', at: since },
    { total: '2.00', at: now },
    { total: '99.00', at: new Date(since.getTime() - 1) },
  )
  platform.setNow(now)
  const { status, body } = await platform.call('getRealtimeRevenueV1', {
    token: await tokenAt(platform, shop.tenant, now),
  })
  expect(status).toBe(200)
  expect(body).toMatchObject({ since: start, time_zone: timeZone, revenue: usd(300), orders: 2 })
})

test('a tenant has no offset in place of a time zone, since Postgres would read its sign the other way round', async () => {
  for (const timeZone of ['+05:30', '-03:00', '+0530', '<X>-3']) {
    await expect(platform.createTenant({ timeZone })).rejects.toThrow('not an IANA time zone')
  }
})

test('200: since is an instant, whatever offset it is written with', async () => {
  const { tenant } = await givenShop()
  const utc = `${daysAgo(1).toISOString().slice(0, 10)}T10:00:00`
  const { body } = await ask(tenant, { since: `${utc}+02:00` })
  expect(body.since).toBe(new Date(`${utc}Z`).toISOString().replace('T10', 'T08'))
})

test('200: 31 days back, the limit', async () => {
  const { tenant } = await givenShop()
  const now = new Date(Math.floor(Date.now() / 1_000) * 1_000)
  platform.setNow(now)
  expect((await ask(tenant, { since: new Date(now.getTime() - 31 * DAY) })).status).toBe(200)
  const beyond = await ask(tenant, { since: new Date(now.getTime() - 31 * DAY - 1) })
  expectProblem(beyond, 'validation_failed', ['/query/since'])
})

test('304: nothing changed since, whichever way the caller says what it has', async () => {
  const { tenant } = await givenShop()
  const since = daysAgo(1)
  const first = await ask(tenant, { since })
  const etag = first.headers.get('etag') ?? ''
  for (const ifNoneMatch of [etag, `W/${etag}`, '*', `"other", ${etag}`, `W/"a",${etag},"b"`]) {
    const answer = await ask(tenant, { since, ifNoneMatch })
    expect(answer.status, ifNoneMatch).toBe(304)
    expect(answer.text).toBe('')
    expect(answer.headers.get('etag')).toBe(etag)
    expect(answer.headers.get('cache-control')).toBe('private, no-cache')
  }
})

test('200: the tag of something else does not match', async () => {
  const [{ tenant }, other] = [await givenShop(), await givenShop()]
  const since = daysAgo(1)
  const foreign = (await ask(other.tenant, { since })).headers.get('etag') ?? ''
  const earlier = (await ask(tenant, { since: daysAgo(2) })).headers.get('etag') ?? ''
  const etag = (await ask(tenant, { since })).headers.get('etag') ?? ''
  for (const ifNoneMatch of [foreign, earlier, '"*"', etag.slice(1, -1), etag.toUpperCase(), `"${etag}"`]) {
    expect((await ask(tenant, { since, ifNoneMatch })).status, ifNoneMatch).toBe(200)
  }
})

test('304: no more, once there is a new entry, even one that arrives late', async () => {
  const shop = await givenShop()
  const since = daysAgo(3)
  await givenOrders(shop, { total: '1.00', at: daysAgo(1) })
  const first = await ask(shop.tenant, { since })
  const ifNoneMatch = first.headers.get('etag') ?? ''
  expect((await ask(shop.tenant, { since, ifNoneMatch })).status).toBe(304)

  await givenOrders(shop, { total: '2.00', at: daysAgo(2) })
  const second = await ask(shop.tenant, { since, ifNoneMatch })
  expect(second.status).toBe(200)
  expect(second.body.revenue).toEqual(usd(300))
  expect(second.headers.get('etag')).not.toBe(ifNoneMatch)

  await givenOrders(await givenShop(), { total: '4.00', at: daysAgo(1) })
  const unmoved = await ask(shop.tenant, { since, ifNoneMatch: second.headers.get('etag') ?? '' })
  expect(unmoved.status, "another tenant's entry").toBe(304)
})

/** A refund of 5.00 of the charge `id`, as the events `refund.*` tell of it. */
function stripeRefund(id: string, { type, at, order }: { type: string; at: Date; order?: string }) {
  const created = at.getTime() / 1_000
  const metadata = order === undefined ? {} : { skeldir_order: order }
  const ids = { id: `re_${id}`, object: 'refund', charge: `ch_${id}`, payment_intent: `pi_${id}` }
  const object = { ...ids, amount: 500, currency: 'usd', created, status: 'succeeded', metadata }
  return { id: `evt_${type.replace('.', '_')}_${id}`, object: 'event', type, created, livemode: true, data: { object } }
}

test.each([
  ['tells of a known refund with an earlier time', { daysLater: -2, isLink: false }, { captured: 3_000, refunded: 0 }],
  ['says that two keys are one order', { daysLater: 0, isLink: true }, { captured: 2_000, refunded: 500 }],
])('304: no more, once a delivery %s, which makes no entry', async (_, { daysLater, isLink }, expected) => {
  const account = await givenEndpoint(platform, 'stripe', { tenant: await platform.createTenant() })
  const { tenant } = account
  const shop = await givenEndpoint(platform, 'shopify', { tenant })
  const [since, at, orderId, id] = [daysAgo(3), daysAgo(2), nextNumber(), String(nextNumber())]
  await deliverStripe(platform, account, stripeCharge({ id, amount: 2_000, at }))
  await givenOrders(shop, { id: orderId, total: '10.00', at })
  await deliverStripe(platform, account, stripeRefund(id, { type: 'refund.created', at }))
  await untilIdle(platform, ['webhook'])
  const first = await ask(tenant, { since })
  expect(first.body).toMatchObject({ captured: usd(3_000), refunded: usd(500) })
  const later = { at: new Date(at.getTime() + daysLater * DAY), ...(isLink && { order: `shopify:${orderId}` }) }
  await deliverStripe(platform, account, stripeRefund(id, { type: 'refund.updated', ...later }))
  await untilIdle(platform, ['webhook'])
  const second = await ask(tenant, { since, ifNoneMatch: first.headers.get('etag') ?? '' })
  expect(second.status).toBe(200)
  expect(second.body).toMatchObject({ captured: usd(expected.captured), refunded: usd(expected.refunded) })
})

/** Runs `work` while the API may not read a table that the figures need and the watermark does not. */
async function withoutFigures<T>(work: () => Promise<T>): Promise<T> {
  await platform.query('revoke select on uncounted_entries from app_user')
  try {
    return await work()
  } finally {
    await platform.query('grant select on uncounted_entries to app_user')
  }
}

test('304: nothing is added up for it', async () => {
  const { tenant } = await givenShop()
  const since = daysAgo(1)
  const ifNoneMatch = (await ask(tenant, { since })).headers.get('etag') ?? ''
  expect((await withoutFigures(() => ask(tenant, { since, ifNoneMatch }))).status).toBe(304)
})

test('304: one tag for the same figures, whoever calculated them', async () => {
  const shop = await givenShop()
  const since = daysAgo(3)
  await givenOrders(shop, { total: '1.00', at: daysAgo(1) })
  const ifNoneMatch = (await ask(shop.tenant, { since })).headers.get('etag') ?? ''
  // A process is known by its pools.
  const second = { ...shop.tenant.ctx, db: { ...shop.tenant.ctx.db } }
  const { etag, revenue } = await getRealtimeRevenue(second, { since, ifNoneMatch })
  expect({ etag, revenue }).toEqual({ etag: ifNoneMatch, revenue: null })
})

test('200: all who ask at a time get the same figures, added up once', async () => {
  const shop = await givenShop()
  await givenOrders(shop, { total: '3.00', at: daysAgo(1) })
  const since = daysAgo(2)
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask(shop.tenant, { since })))
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  expect(new Set(answers.map(({ headers }) => headers.get('etag'))).size).toBe(1)
})

test('200: while the figures cannot be added up, the ones before are given under their own tag', async () => {
  const shop = await givenShop()
  const since = daysAgo(3)
  await givenOrders(shop, { total: '1.00', at: daysAgo(1) })
  const first = await ask(shop.tenant, { since })
  await givenOrders(shop, { total: '2.00', at: daysAgo(1) })
  const stale = await withoutFigures(() => ask(shop.tenant, { since }))
  expect(stale.status).toBe(200)
  expect(stale.text).toBe(first.text)
  const ifNoneMatch = first.headers.get('etag') ?? ''
  expect(stale.headers.get('etag')).toBe(ifNoneMatch)
  expect((await ask(shop.tenant, { since, ifNoneMatch })).status).toBe(304)
})

test('503: the figures cannot be added up, and nobody tries again for some seconds', async () => {
  const shop = await givenShop()
  await givenOrders(shop, { total: '1.00', at: daysAgo(1) })
  const since = daysAgo(3)
  const failed = await withoutFigures(() => ask(shop.tenant, { since }))
  expectProblem(failed, 'service_unavailable')
  const next = await ask(shop.tenant, { since })
  expectProblem(next, 'service_unavailable')
  for (const { headers } of [failed, next]) expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  for (const { headers } of [failed, next]) expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(5)
  const another = await ask(shop.tenant, { since: daysAgo(2) })
  expect(another.status, 'another span').toBe(200)
})

test('401: no token', async () => {
  expectProblem(await platform.call('getRealtimeRevenueV1', { token: null }), 'unauthorized')
})

test('401: a tag is no credential', async () => {
  const headers = { 'if-none-match': '*' }
  expectProblem(await platform.call('getRealtimeRevenueV1', { token: null, headers }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('getRealtimeRevenueV1', { headers }), 'not_acceptable')
})

test.each([
  ['in the future', () => new Date(Date.now() + MINUTE).toISOString()],
  ['more than 31 days back', () => new Date(Date.now() - 32 * DAY).toISOString()],
  ['a day', () => '2026-11-20'],
  ['without an offset', () => '2026-11-20T10:00:00'],
  ['a day that is none', () => '2026-02-30T10:00:00Z'],
  ['empty', () => ''],
])('422: since is %s', async (_, since) => {
  expectProblem(await ask(platform.tenant, { since: since() }), 'validation_failed', ['/query/since'])
})

test('422: more tags than anybody holds', async () => {
  const headers = { 'if-none-match': `"${'a'.repeat(1_024)}"` }
  const answer = await platform.call('getRealtimeRevenueV1', { headers })
  expectProblem(answer, 'validation_failed', ['/header/if-none-match'])
})

test('429: the quota is used up, which comes before whatever is wrong with the request', async () => {
  await expectRateLimited(platform, 'getRealtimeRevenueV1', { query: { since: 'none' } })
})

test('503: the database is there, but takes no connections', async () => {
  const own = await startPlatform(onTestFinished)
  const { name } = own.database
  // From outside: nobody can close the database that they are in.
  const server = new pg.Client(inject('testServer').adminUrl)
  await server.connect()
  onTestFinished(() => server.end())
  await server.query(`alter database ${name} allow_connections false`)
  await server.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename like 'app%'`,
    [name],
  )
  expectProblem(await own.call('getRealtimeRevenueV1'), 'service_unavailable')
})

test('503: the database is gone, for those too who hold a tag', async () => {
  const answers = await platform.withoutDatabase(() =>
    Promise.all([ask(platform.tenant), ask(platform.tenant, { ifNoneMatch: '*' })]),
  )
  for (const answer of answers) expectProblem(answer, 'service_unavailable')
})
