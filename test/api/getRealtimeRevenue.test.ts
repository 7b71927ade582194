import { beforeAll, expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { daysAgo, deliverShopify, givenEndpoint, shopifyOrder, type TestEndpoint } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { untilIdle } from '../support/stored.ts'

const platform = usePlatform()
let shop: TestEndpoint

beforeAll(async () => {
  await platform.startWorker()
  shop = await givenEndpoint(platform, 'shopify')
  await deliverShopify(platform, shop, shopifyOrder({ total: '12.34', at: daysAgo(1) }), { topic: 'orders/paid' })
  await untilIdle(platform, ['webhook'])
})

const ask = (operationId: 'getRealtimeRevenue' | 'getRealtimeRevenueV1', headers: Record<string, string> = {}) =>
  platform.call(operationId, {
    tenant: shop.tenant,
    token: shop.tenant.tokens.viewer,
    query: { since: daysAgo(2).toISOString() },
    headers,
  })

test('200: as its successor says, with the address of that and the day it ends', async () => {
  const [former, current] = [await ask('getRealtimeRevenue'), await ask('getRealtimeRevenueV1')]
  expect(former.status).toBe(200)
  expect(former.body).toEqual(current.body)
  expect(former.body.revenue).toEqual({ amount_minor: 1_234, currency: 'USD' })
  expect(former.headers.get('etag')).toBe(current.headers.get('etag'))
  expect(former.headers.get('link')).toBe('</api/v1/revenue/realtime>; rel="successor-version"')
  expect(former.headers.get('deprecation')).toMatch(/^@\d+$/)
  expect(Date.parse(former.headers.get('sunset') ?? '')).toBeGreaterThan(Date.parse('2027-01-01'))
  expect(current.headers.get('deprecation')).toBeNull()
})

test('304: the tag of the one is that of the other', async () => {
  const etag = (await ask('getRealtimeRevenueV1')).headers.get('etag') ?? ''
  const answer = await ask('getRealtimeRevenue', { 'if-none-match': etag })
  expect(answer.status).toBe(304)
  expect(answer.text).toBe('')
})

test('401: no token', async () => {
  expectProblem(await platform.call('getRealtimeRevenue', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('getRealtimeRevenue', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test('422: since lies in the future', async () => {
  const query = { since: new Date(Date.now() + 60_000).toISOString() }
  expectProblem(await platform.call('getRealtimeRevenue', { query }), 'validation_failed', ['/query/since'])
})

test('429: the quota is used up', async () => {
  await expectRateLimited(platform, 'getRealtimeRevenue')
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('getRealtimeRevenue'))
  expectProblem(answer, 'service_unavailable')
})
