import { beforeAll, expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import {
  daysAgo,
  deliverShopify,
  givenEndpoint,
  HOUR,
  nextNumber,
  shopifyOrder,
  shopifyRefund,
  type TestEndpoint,
} from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { givenOwnOrders } from '../support/money.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { untilIdle } from '../support/stored.ts'

const platform = usePlatform()
beforeAll(async () => {
  await platform.startWorker()
})

interface Entry {
  entry_id: string
  amount: { amount_minor: number; currency: string }
  is_counted: boolean
  recorded_at: string
}

const list = (tenant: TestTenant, query: Record<string, string> = {}) =>
  platform.call('listLedgerEntries', { tenant, token: tenant.tokens.viewer, query })

const idsOf = (body: { items: Entry[] }) => body.items.map(({ entry_id }) => entry_id)

/** In one transaction, hence recorded at one instant: 5 captures of one day, a refund and a correction. */
async function givenEntries(tenant: TestTenant): Promise<void> {
  const at = new Date(daysAgo(2).getTime() + HOUR)
  const captures = [1, 2, 3, 4, 5].map((number) => ({
    orderKey: `own:o${number}`,
    orderedAt: at,
    currency: number === 5 ? 'EUR' : 'USD',
    entries: [{ entryKey: `own:c${number}`, kind: 'capture' as const, amountMinor: 1_000n, at }],
  }))
  await givenOwnOrders(platform, tenant, captures)
  const later = new Date(at.getTime() + 24 * HOUR)
  await givenOwnOrders(platform, tenant, [
    {
      orderKey: 'own:o1',
      orderedAt: at,
      currency: 'USD',
      entries: [
        { entryKey: 'own:r1', kind: 'refund', amountMinor: 400n, at: later },
        { entryKey: 'own:k1', kind: 'capture', amountMinor: 50n, at: later, corrects: 'own:c1' },
      ],
    },
  ])
}

async function givenShopOrder(): Promise<{ shop: TestEndpoint; orderKey: string }> {
  const shop = await givenEndpoint(platform, 'shopify')
  const id = nextNumber()
  const at = daysAgo(1)
  await deliverShopify(platform, shop, shopifyOrder({ id, total: '132.00', at }), { topic: 'orders/paid' })
  await untilIdle(platform, ['webhook'])
  const refund = shopifyRefund({ orderId: id, amount: '32.00', at: new Date(at.getTime() + HOUR) })
  await deliverShopify(platform, shop, refund, { topic: 'refunds/create' })
  await untilIdle(platform, ['webhook'])
  return { shop, orderKey: `shopify:${id}` }
}

test('200: entries with the delivery that proves them, the newest first', async () => {
  const { shop, orderKey } = await givenShopOrder()
  const { status, body } = await list(shop.tenant)
  expect(status).toBe(200)
  const at = daysAgo(1)
  const entry = {
    entry_id: expect.stringMatching(/^shopify:/),
    order_id: orderKey,
    vendor: 'shopify',
    event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    reverses_entry_id: null,
    corrects_entry_id: null,
    is_counted: true,
    recorded_at: expect.any(String),
    verified: true,
  }
  expect(body).toEqual({
    items: [
      {
        ...entry,
        kind: 'refund',
        amount: { amount_minor: -3_200, currency: 'USD' },
        occurred_at: new Date(at.getTime() + HOUR).toISOString(),
      },
      { ...entry, kind: 'capture', amount: { amount_minor: 13_200, currency: 'USD' }, occurred_at: at.toISOString() },
    ],
    next_cursor: null,
  })
})

test("200: the tenant's own entries name no delivery; corrections and won disputes name what they are about", async () => {
  const tenant = await platform.createTenant()
  const at = daysAgo(1)
  await givenOwnOrders(platform, tenant, [
    {
      orderKey: 'own:d',
      orderedAt: at,
      currency: 'USD',
      entries: [
        { entryKey: 'own:d:c', kind: 'capture', amountMinor: 900n, at },
        { entryKey: 'own:d:d', kind: 'dispute', amountMinor: 900n, at },
        { entryKey: 'own:d:w', kind: 'dispute_reversal', amountMinor: 900n, at, reverses: 'own:d:d' },
        { entryKey: 'own:d:k', kind: 'refund', amountMinor: 100n, at, corrects: 'own:d:c' },
      ],
    },
  ])
  const { body } = await list(tenant, { sort: 'recorded' })
  expect(body.items).toMatchObject([
    { entry_id: 'own:d:c', kind: 'capture', event_id: null, verified: false },
    { entry_id: 'own:d:d', kind: 'dispute', amount: { amount_minor: -900 } },
    { entry_id: 'own:d:k', corrects_entry_id: 'own:d:c', reverses_entry_id: null },
    { entry_id: 'own:d:w', kind: 'dispute_reversal', amount: { amount_minor: 900 }, reverses_entry_id: 'own:d:d' },
  ])
})

test('200: page by page, each entry once and in order, also those recorded at one instant', async () => {
  const tenant = await platform.createTenant()
  await givenEntries(tenant)
  for (const sort of ['-recorded', 'recorded']) {
    const seen: Entry[] = []
    let query: Record<string, string> = { limit: '3', sort }
    for (;;) {
      const { body } = await list(tenant, query)
      seen.push(...body.items)
      if (body.next_cursor === null) break
      query = { limit: '3', sort, cursor: body.next_cursor }
    }
    const ascending = ['own:c1', 'own:c2', 'own:c3', 'own:c4', 'own:c5', 'own:k1', 'own:r1']
    expect(idsOf({ items: seen })).toEqual(sort === 'recorded' ? ascending : ascending.toReversed())
  }
})

test('200: only what the filters let through', async () => {
  const tenant = await platform.createTenant()
  await givenEntries(tenant)
  const [{ recorded_at: newest }] = (await list(tenant)).body.items
  const soon = new Date(Date.parse(newest) + 1).toISOString()
  const cases: [Record<string, string>, string[]][] = [
    [{ kind: 'refund' }, ['own:r1']],
    [{ currency: 'EUR' }, ['own:c5']],
    [{ order_id: 'own:o2' }, ['own:c2']],
    [{ vendor: 'shopify' }, []],
    [{ vendor: 'own', kind: 'capture', currency: 'USD', order_id: 'own:o1' }, ['own:k1', 'own:c1']],
    [{ occurred_since: daysAgo(1).toISOString() }, ['own:r1', 'own:k1']],
    [{ occurred_before: daysAgo(1).toISOString(), currency: 'EUR' }, ['own:c5']],
    [{ recorded_since: soon }, []],
    [{ recorded_since: '2020-01-01T00:00:00Z', kind: 'refund' }, ['own:r1']],
  ]
  for (const [query, expected] of cases)
    expect(idsOf((await list(tenant, query)).body), JSON.stringify(query)).toEqual(expected)
})

test('200: an order is found by any of its keys, and what two vendors report is told apart from what counts', async () => {
  const { shop, orderKey } = await givenShopOrder()
  const { tenantId } = shop.tenant
  const at = daysAgo(1)
  const entries = [{ entryKey: 'own:twice', kind: 'capture', amountMinor: 13_200n, at }] as const
  await givenOwnOrders(platform, shop.tenant, [{ orderKey: 'own:same', orderedAt: at, currency: 'USD', entries }])
  await platform.query(
    `insert into order_groups (tenant_id, order_key, group_key) values ($1, $2, $2), ($1, 'own:same', $2)`,
    [tenantId, orderKey],
  )
  await platform.query(`insert into uncounted_entries (tenant_id, entry_key, group_key) values ($1, 'own:twice', $2)`, [
    tenantId,
    orderKey,
  ])
  for (const key of [orderKey, 'own:same']) {
    const { body } = await list(shop.tenant, { order_id: key })
    expect(body.items).toHaveLength(3)
    expect(body.items[0]).toMatchObject({ entry_id: 'own:twice', is_counted: false })
  }
  const { body } = await list(shop.tenant)
  const counted = body.items.filter(({ is_counted }: Entry) => is_counted)
  const sum = counted.reduce((total: number, { amount }: Entry) => total + amount.amount_minor, 0)
  const daily = await platform.call('getDailyRevenue', { tenant: shop.tenant })
  expect(sum).toBe(daily.body.net_revenue.amount_minor)
})

test('200: nothing of another tenant', async () => {
  await givenEntries(await platform.createTenant())
  expect((await list(await platform.createTenant())).body).toEqual({ items: [], next_cursor: null })
})

test('401: no token', async () => {
  expectProblem(await platform.call('listLedgerEntries', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('listLedgerEntries', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test.each([
  ['a limit of 0', { limit: '0' }, '/query/limit'],
  ['a kind that is none', { kind: 'gift' }, '/query/kind'],
  ['an order that is none', { order_id: 'amazon:1' }, '/query/order_id'],
  ['a day in place of an instant', { recorded_since: '2026-11-20' }, '/query/recorded_since'],
  [
    'an end before the start',
    { occurred_since: '2026-11-20T00:00:00Z', occurred_before: '2026-11-19T00:00:00Z' },
    '/query/occurred_before',
  ],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await platform.call('listLedgerEntries', { query }), 'validation_failed', [pointer])
})

test('422: a cursor of another list', async () => {
  const tenant = await platform.createTenant()
  await givenEntries(tenant)
  const { body } = await list(tenant, { limit: '1' })
  const answer = await list(tenant, { limit: '1', kind: 'capture', cursor: body.next_cursor })
  expectProblem(answer, 'validation_failed', ['/query/cursor'])
})

test('429: the quota is used up', async () => {
  await expectRateLimited(platform, 'listLedgerEntries')
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('listLedgerEntries'))
  expectProblem(answer, 'service_unavailable')
})
