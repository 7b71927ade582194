import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { countEntries, revenueShareOf } from '../../src/attribution/revenue-definition.ts'
import { expectProblem } from '../support/answer.ts'
import {
  DAY,
  daysAgo,
  deliverShopify,
  givenEndpoint,
  HOUR,
  nextNumber,
  shopifyOrder,
  shopifyRefund,
  toDay,
} from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type GivenEntry, type GivenOrder, givenOwnOrders } from '../support/money.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { untilIdle } from '../support/stored.ts'

const platform = usePlatform()
beforeAll(async () => {
  await platform.startWorker()
})

const report = (tenant: TestTenant, query: Record<string, string> = {}) =>
  platform.call('getDailyRevenue', { tenant, token: tenant.tokens.viewer, query })

const eur = (amount_minor: number) => ({ amount_minor, currency: 'EUR' })
const at = (day: number, hours = 12) => new Date(daysAgo(day).getTime() + hours * HOUR)
const windowOf = (first: number, last: number) => ({
  start_date: toDay(daysAgo(first)),
  end_date: toDay(daysAgo(last)),
})

/**
 * In EUR: an order of day 5 over 100.00, of which 30.00 are refunded on day 4 and 80.00 on day 3 (10.00 too much); one of day 4
 * over 50.00 with a dispute that is lost on day 3; one of day 4 over 20.00 with one that is won; one of day 9 over 40.00 of which
 * 15.00 are refunded on day 4. In USD: 7.00 on day 4.
 */
async function givenMoney(tenant: TestTenant): Promise<void> {
  const entry = (kind: GivenEntry['kind'], name: string, amountMinor: bigint, when: Date): GivenEntry => ({
    entryKey: `own:${name}`,
    kind,
    amountMinor,
    at: when,
  })
  const order = (name: string, orderedAt: Date, entries: GivenEntry[], currency = 'EUR'): GivenOrder => ({
    orderKey: `own:${name}`,
    orderedAt,
    currency,
    entries,
  })
  await givenOwnOrders(platform, tenant, [
    order('refunded', at(5), [
      entry('capture', 'c1', 10_000n, at(5)),
      entry('refund', 'r2', 8_000n, at(3)),
      entry('refund', 'r1', 3_000n, at(4)),
    ]),
    order('lost', at(4), [entry('capture', 'c2', 5_000n, at(4)), entry('dispute', 'd1', 5_000n, at(3))]),
    order('won', at(4), [
      entry('capture', 'c3', 2_000n, at(4)),
      entry('dispute', 'd2', 2_000n, at(3)),
      { ...entry('dispute_reversal', 'w2', 2_000n, at(2)), reverses: 'own:d2' },
    ]),
    order('early', at(9), [entry('capture', 'c4', 4_000n, at(9)), entry('refund', 'r3', 1_500n, at(4))]),
    order('dollars', at(4), [entry('capture', 'c5', 700n, at(4))], 'USD'),
  ])
}

const nothing = {
  orders: 0,
  captured: eur(0),
  refunded: eur(0),
  disputed: eur(0),
  over_refunded: eur(0),
  net_revenue: eur(0),
}

test('200: by order date everything counts on the day of its order', async () => {
  const tenant = await platform.createTenant({ currency: 'EUR' })
  await givenMoney(tenant)
  const { status, body } = await report(tenant, windowOf(5, 3))
  expect(status).toBe(200)
  expect(body).toEqual({
    ...windowOf(5, 3),
    time_zone: 'UTC',
    currency: 'EUR',
    basis: 'order_date',
    as_of: expect.any(String),
    revenue_definition_version: 1,
    orders: 3,
    captured: eur(17_000),
    refunded: eur(11_000),
    disputed: eur(5_000),
    over_refunded: eur(1_000),
    net_revenue: eur(2_000),
    bridge: {
      order_date: eur(2_000),
      refunds_after_window: eur(0),
      refunds_of_earlier_orders: eur(1_500),
      refund_date: eur(500),
    },
    days: [
      {
        date: toDay(daysAgo(5)),
        orders: 1,
        captured: eur(10_000),
        refunded: eur(11_000),
        disputed: eur(0),
        over_refunded: eur(1_000),
        net_revenue: eur(0),
        is_complete: true,
      },
      {
        date: toDay(daysAgo(4)),
        orders: 2,
        captured: eur(7_000),
        refunded: eur(0),
        disputed: eur(5_000),
        over_refunded: eur(0),
        net_revenue: eur(2_000),
        is_complete: true,
      },
      { date: toDay(daysAgo(3)), ...nothing, is_complete: true },
    ],
    other_currencies: [{ amount_minor: 700, currency: 'USD' }],
    verified: false,
    sources: [{ vendor: 'own', entries: 7 }],
  })
})

test('200: by refund date a refund counts on its own day, and the bridge leads from one to the other', async () => {
  const tenant = await platform.createTenant({ currency: 'EUR' })
  await givenMoney(tenant)
  const { body } = await report(tenant, { ...windowOf(5, 4), basis: 'refund_date' })
  expect(body).toMatchObject({
    orders: 3,
    captured: eur(17_000),
    refunded: eur(4_500),
    disputed: eur(0),
    over_refunded: eur(0),
    net_revenue: eur(12_500),
    bridge: {
      order_date: eur(2_000),
      refunds_after_window: eur(12_000),
      refunds_of_earlier_orders: eur(1_500),
      refund_date: eur(12_500),
    },
    days: [{ net_revenue: eur(10_000) }, { net_revenue: eur(2_500) }],
  })
  const late = await report(tenant, { ...windowOf(3, 3), basis: 'refund_date' })
  expect(late.body).toMatchObject({
    orders: 0,
    refunded: eur(8_000),
    disputed: eur(5_000),
    over_refunded: eur(1_000),
    net_revenue: eur(-12_000),
  })
})

test('200: a day of the time zone, not of UTC, and the current one is not complete', async () => {
  const tenant = await platform.createTenant({ timeZone: 'Asia/Tokyo', currency: 'JPY' })
  const lateInUtc = at(3, 20)
  const entries = [{ entryKey: 'own:t', kind: 'capture', amountMinor: 1_200n, at: lateInUtc }] as const
  await givenOwnOrders(platform, tenant, [{ orderKey: 'own:t', orderedAt: lateInUtc, currency: 'JPY', entries }])
  const netByDay = async (query: Record<string, string>) => {
    const { body } = await report(tenant, query)
    return body.days
      .filter((day: { net_revenue: { amount_minor: number } }) => day.net_revenue.amount_minor !== 0)
      .map((day: { date: string }) => day.date)
  }
  expect(await netByDay({})).toEqual([toDay(daysAgo(2))])
  expect(await netByDay({ time_zone: 'UTC' })).toEqual([toDay(daysAgo(3))])
  expect(await netByDay({ time_zone: 'America/New_York' })).toEqual([toDay(daysAgo(3))])
  const { body } = await report(tenant)
  expect(body.time_zone).toBe('Asia/Tokyo')
  expect(body.days).toHaveLength(30)
  expect(body.days.map((day: { is_complete: boolean }) => day.is_complete)).toEqual([...Array(29).fill(true), false])
})

test('200: signed deliveries are verified; a refund without its order is over-refunded', async () => {
  const shop = await givenEndpoint(platform, 'shopify')
  const id = nextNumber()
  await deliverShopify(platform, shop, shopifyOrder({ id, total: '10.00', at: at(2) }), { topic: 'orders/paid' })
  const refund = shopifyRefund({ orderId: nextNumber(), amount: '2.50', at: at(2) })
  await deliverShopify(platform, shop, refund, { topic: 'refunds/create' })
  await untilIdle(platform, ['webhook'])
  const { body } = await report(shop.tenant)
  const usd = (amount_minor: number) => ({ amount_minor, currency: 'USD' })
  expect(body).toMatchObject({
    captured: usd(1_000),
    refunded: usd(250),
    over_refunded: usd(250),
    net_revenue: usd(1_000),
    verified: true,
    sources: [{ vendor: 'shopify', entries: 2 }],
  })
})

test('200: a tenant without entries has its days, all of them empty', async () => {
  const { body } = await report(await platform.createTenant({ currency: 'CHF' }), windowOf(3, 2))
  const zero = { amount_minor: 0, currency: 'CHF' }
  expect(body).toMatchObject({ as_of: null, net_revenue: zero, verified: false, sources: [], other_currencies: [] })
  expect(body.days).toHaveLength(2)
})

/** A capture or two, and what is taken back in whatever order; amounts in minor units. */
const anyOrder = fc.record({
  day: fc.integer({ min: 2, max: 6 }),
  captures: fc.array(fc.bigInt({ min: 1n, max: 50_000n }), { minLength: 1, maxLength: 2 }),
  taken: fc.array(
    fc.record({
      kind: fc.constantFrom('refund' as const, 'dispute' as const),
      amountMinor: fc.bigInt({ min: 1n, max: 30_000n }),
      daysLater: fc.integer({ min: 0, max: 4 }),
      isWon: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
  tax: fc.integer({ min: 0, max: 100 }),
  hasParts: fc.boolean(),
})

test.each([false, true])(
  '200: what counts follows from the revenue definition (tax included: %s), to the cent',
  async (includesTax) => {
    const tenant = await platform.createTenant({ currency: 'EUR' })
    await platform.query('insert into revenue_definitions (tenant_id, version, includes_tax) values ($1, 2, $2)', [
      tenant.tenantId,
      includesTax,
    ])
    const seed = 20_261_121
    const orders = fc.sample(anyOrder, { seed, numRuns: 300 }).map(({ day, captures, taken, tax, hasParts }, index) => {
      const orderKey = `own:p${index}`
      const capturedMinor = captures.reduce((sum, amount) => sum + amount, 0n)
      const orderedAt = at(day, 1)
      const entries: GivenEntry[] = captures.map((amountMinor, place) => ({
        entryKey: `${orderKey}:c${place}`,
        kind: 'capture',
        amountMinor,
        at: orderedAt,
      }))
      for (const [place, { kind, amountMinor, daysLater, isWon }] of taken.entries()) {
        const when = new Date(orderedAt.getTime() + daysLater * DAY + place * 1_000)
        const entryKey = `${orderKey}:t${place}`
        entries.push({ entryKey, kind, amountMinor, at: when })
        if (kind === 'dispute' && isWon) {
          entries.push({
            entryKey: `${orderKey}:w${place}`,
            kind: 'dispute_reversal',
            amountMinor,
            at: when,
            reverses: entryKey,
          })
        }
      }
      const taxMinor = (capturedMinor * BigInt(tax)) / 100n
      return {
        orderKey,
        orderedAt,
        currency: 'EUR',
        entries,
        ...(hasParts && { parts: { totalMinor: capturedMinor, taxMinor } }),
      }
    })
    await givenOwnOrders(platform, tenant, orders)
    for (const basis of ['order_date', 'refund_date'] as const) {
      const { body } = await report(tenant, { ...windowOf(6, 2), basis })
      const expected = Object.fromEntries(listDays(6, 2).map((day) => [day, 0n]))
      for (const order of orders) {
        for (const { day, netMinor } of netOf(order, { includesTax, basis })) {
          if (expected[day] !== undefined) expected[day] += netMinor
        }
      }
      const given = Object.fromEntries(
        body.days.map((day: { date: string; net_revenue: { amount_minor: number } }) => [
          day.date,
          BigInt(day.net_revenue.amount_minor),
        ]),
      )
      expect(given, `seed ${seed}, ${basis}`).toEqual(expected)
      const sum = body.days.reduce(
        (total: number, day: { net_revenue: { amount_minor: number } }) => total + day.net_revenue.amount_minor,
        0,
      )
      expect(body.net_revenue.amount_minor).toBe(sum)
      const { order_date, refunds_after_window, refunds_of_earlier_orders, refund_date } = body.bridge
      expect(order_date.amount_minor + refunds_after_window.amount_minor - refunds_of_earlier_orders.amount_minor).toBe(
        refund_date.amount_minor,
      )
      expect(body.bridge[basis]).toEqual(body.net_revenue)
      expect(body.revenue_definition_version).toBe(2)
    }
  },
)

function listDays(first: number, last: number): string[] {
  return Array.from({ length: first - last + 1 }, (_, index) => toDay(daysAgo(first - index)))
}

/** By the pure functions of the engine: counted parts of what holds, never more taken back than is left. */
function netOf(order: GivenOrder, { includesTax, basis }: { includesTax: boolean; basis: string }) {
  const won = new Set(order.entries.map(({ reverses }) => reverses))
  const entries = order.entries.filter(({ kind, entryKey }) => kind !== 'dispute_reversal' && !won.has(entryKey))
  const held = entries.toSorted(
    (a, b) => Number(a.kind !== 'capture') - Number(b.kind !== 'capture') || a.at.getTime() - b.at.getTime(),
  )
  const { totalMinor = 1n, taxMinor = 0n } = order.parts ?? {}
  const parts = { currency: 'EUR', totalMinor, taxMinor, shippingMinor: 0n, tipMinor: 0n, discountMinor: 0n }
  const definition = { includesTax, includesShipping: true, includesTips: true, subtractsDiscounts: true }
  const share = revenueShareOf(order.parts === undefined ? null : parts, definition)
  const counted = countEntries(
    held.map(({ kind, amountMinor }) => (kind === 'capture' ? amountMinor : -amountMinor)),
    share,
  )
  let left = 0n
  return held.map((entry, index) => {
    const part = counted[index] as bigint
    const netMinor = left + part < 0n ? -left : part
    left += netMinor
    return { day: toDay(basis === 'order_date' ? order.orderedAt : entry.at), netMinor }
  })
}

test("200: never counts another tenant's revenue", async () => {
  const [tenant, other] = [await platform.createTenant({ currency: 'EUR' }), await platform.createTenant()]
  await givenMoney(other)
  expect((await report(tenant, windowOf(9, 1))).body).toMatchObject({ orders: 0, net_revenue: eur(0), sources: [] })
})

test.each([
  { start_date: '0001-01-01', end_date: '0001-01-30' },
  { end_date: '0001-01-30' },
  { start_date: '9999-12-01', end_date: '9999-12-31' },
])('200: the ends of the calendar: %j', async (window) => {
  const { status, body } = await report(platform.tenant, { ...window, time_zone: 'Pacific/Kiritimati' })
  expect(status).toBe(200)
  expect(body).toMatchObject(window)
})

test('200: 366 days, the limit', async () => {
  const { status, body } = await report(platform.tenant, { start_date: '2024-01-01', end_date: '2024-12-31' })
  expect(status).toBe(200)
  expect(body.days).toHaveLength(366)
})

test('401: no token', async () => {
  expectProblem(await platform.call('getDailyRevenue', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('getDailyRevenue', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test.each([
  ['the end before the start', { start_date: '2026-11-02', end_date: '2026-11-01' }, '/query/end_date'],
  ['367 days', { start_date: '2024-01-01', end_date: '2025-01-01' }, '/query/end_date'],
  ['more days than that up to today', { start_date: '2020-01-01' }, '/query/end_date'],
  ['an end in the first days of the calendar', { end_date: '0001-01-15' }, '/query/end_date'],
  ['a start before them', { start_date: '0000-12-31', end_date: '0001-01-01' }, '/query/start_date'],
  ['no such time zone', { time_zone: 'Europe/Atlantis' }, '/query/time_zone'],
  ['an offset in place of a time zone', { time_zone: '+02:00' }, '/query/time_zone'],
  ['a basis that is none', { basis: 'today' }, '/query/basis'],
  ['a currency in lower case', { currency: 'usd' }, '/query/currency'],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await platform.call('getDailyRevenue', { query }), 'validation_failed', [pointer])
})

test('429: the quota is used up', async () => {
  await expectRateLimited(platform, 'getDailyRevenue')
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('getDailyRevenue'))
  expectProblem(answer, 'service_unavailable')
})
