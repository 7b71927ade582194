import { beforeAll, expect, test } from 'vitest'
import { ATTRIBUTION_MODELS } from '../../src/attribution/models/registry.ts'
import { expectProblem, masked } from '../support/answer.ts'
import { deliverShopify, givenEndpoint, HOUR, nextNumber, shopifyOrder, shopifyRefund } from '../support/given.ts'
import { givenJourneys, givenNeighbour, type Journeys } from '../support/journeys.ts'
import { expectRateLimited } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { untilIdle } from '../support/stored.ts'

const platform = usePlatform()
let journeys: Journeys

beforeAll(async () => {
  await platform.startWorker()
  await givenNeighbour(platform)
  journeys = await givenJourneys(platform)
  await untilIdle(platform)
})

async function explain(order: keyof Journeys['orders']) {
  const { tenant, orders } = journeys
  const params = { order_id: orders[order] }
  const { status, body } = await platform.call('getOrderCredits', { params, token: tenant.tokens.viewer })
  expect(status).toBe(200)
  return body
}

const ORDER_LEVEL = ATTRIBUTION_MODELS.filter(({ level }) => level === 'order').map(({ name }) => name)

const usd = (amount_minor: number) => ({ amount_minor, currency: 'USD' })

interface Credit {
  channel: string
  weight: number
  conversions: number
  revenue: { amount_minor: number }
}

function creditsOf(body: { models: { model: string; credits: Credit[] }[] }, model: string): Credit[] {
  return body.models.find((candidate) => candidate.model === model)?.credits ?? []
}

test('200: a repeated channel earns at each of its places, and the refund is taken from each', async () => {
  const body = await explain('repeated')
  const { orders, day } = journeys
  expect(body).toMatchObject({
    order_id: orders.repeated,
    ordered_at: new Date(day.getTime() + 2 * HOUR).toISOString(),
    currency: 'USD',
    captured: usd(10_000),
    refunded: usd(1_001),
    over_refunded: usd(0),
    net_revenue: usd(8_999),
    identity_tier: 'visitor_id',
  })
  const at = (hours: number) => new Date(day.getTime() + hours * HOUR).toISOString()
  const credit = (position: number, channel: string, hours: number, weight: number, revenue: number) => ({
    position,
    channel,
    touchpoint_event_id: `loyal-${position}`,
    touched_at: at(hours),
    weight,
    conversions: weight,
    revenue: usd(revenue),
  })
  expect(creditsOf(body, 'first_touch')).toEqual([credit(1, 'paid_search', -24, 1, 8_999)])
  expect(creditsOf(body, 'last_touch')).toEqual([credit(3, 'paid_search', 2, 1, 8_999)])
  expect(creditsOf(body, 'linear')).toEqual([
    credit(1, 'paid_search', -24, 0.333_334, 3_000),
    credit(2, 'email', 1, 0.333_333, 2_999),
    credit(3, 'paid_search', 2, 0.333_333, 3_000),
  ])
})

test('200: what is refunded beyond the order is told, and takes nothing from anybody', async () => {
  const body = await explain('overRefunded')
  expect(body).toMatchObject({ captured: usd(5_000), over_refunded: usd(500), net_revenue: usd(0) })
  expect(creditsOf(body, 'linear')).toMatchObject([
    { channel: 'organic_search', conversions: 0.5, revenue: usd(0) },
    { channel: 'direct', conversions: 0.5, revenue: usd(0) },
  ])
})

test.each([
  ['anonymous', 'none'],
  ['usedUp', 'visitor_id'],
] as const)('200: an order without a touch (%s) is credited to nobody', async (order, tier) => {
  const body = await explain(order)
  expect(body.identity_tier).toBe(tier)
  for (const { credits } of body.models) {
    expect(credits).toEqual([
      {
        position: null,
        channel: '(unattributed)',
        touchpoint_event_id: null,
        touched_at: null,
        weight: 1,
        conversions: 1,
        revenue: body.net_revenue,
      },
    ])
  }
})

test('200: touches that an earlier order used up do not count, nor do later or too old ones', async () => {
  const touched = async (order: keyof Journeys['orders']) =>
    creditsOf(await explain(order), 'linear').map((credit) => credit.channel)
  expect(await touched('afterReset')).toEqual(['referral'])
  expect(await touched('lookback')).toEqual(['display'])
})

test.each(['repeated', 'overRefunded', 'anonymous', 'afterReset', 'usedUp', 'lookback', 'euro'] as const)(
  '200: the credits of each model sum to the order: %s',
  async (order) => {
    const body = await explain(order)
    expect(body.models.map(({ model }: { model: string }) => model)).toEqual(ORDER_LEVEL)
    for (const { model } of body.models) {
      const credits = creditsOf(body, model)
      const sum = (of: (credit: Credit) => number) => credits.reduce((total, credit) => total + of(credit), 0)
      expect(sum(({ revenue }) => revenue.amount_minor)).toBe(body.net_revenue.amount_minor)
      expect(sum(({ conversions }) => conversions)).toBeCloseTo(1, 9)
      expect(sum(({ weight }) => weight)).toBeCloseTo(1, 9)
    }
  },
)

test('200: the orders of a day sum to the report of its channels', async () => {
  const { tenant } = journeys
  for (const model of ORDER_LEVEL) {
    const report = await platform.call('getChannelAttribution', { tenant, query: { model } })
    const sums = new Map<string, number>()
    for (const order of Object.keys(journeys.orders) as (keyof Journeys['orders'])[]) {
      const body = await explain(order)
      if (body.currency !== 'USD') continue
      for (const { channel, revenue } of creditsOf(body, model)) {
        sums.set(channel, (sums.get(channel) ?? 0) + revenue.amount_minor)
      }
    }
    const reported = report.body.channels.map((row: Credit) => [row.channel, row.revenue.amount_minor])
    expect(Object.fromEntries(sums)).toEqual(Object.fromEntries(reported))
  }
})

test('200: which touches were left out, and why', async () => {
  const touchesOf = async (order: keyof Journeys['orders']) =>
    (await explain(order)).touchpoints.map(
      ({
        touchpoint_event_id: id,
        position,
        exclusion,
      }: {
        touchpoint_event_id: string
        position: number
        exclusion: string
      }) => [id, position, exclusion],
    )
  expect(await touchesOf('repeated')).toEqual([
    ['loyal-1', 1, null],
    ['loyal-2', 2, null],
    ['loyal-3', 3, null],
    ['loyal-4', null, 'after_order'],
    ['loyal-5-after-all-orders', null, 'after_order'],
  ])
  expect(await touchesOf('afterReset')).toEqual([
    ['loyal-1', null, 'before_previous_order'],
    ['loyal-2', null, 'before_previous_order'],
    ['loyal-3', null, 'before_previous_order'],
    ['loyal-4', 1, null],
    ['loyal-5-after-all-orders', null, 'after_order'],
  ])
  expect((await touchesOf('usedUp')).map(([, , exclusion]: [unknown, unknown, string]) => exclusion)).toEqual([
    ...Array(4).fill('before_previous_order'),
    'after_order',
  ])
  expect(await touchesOf('lookback')).toEqual([
    ['slow-0', null, 'outside_lookback'],
    ['slow-1', 1, null],
  ])
  expect(await touchesOf('anonymous')).toEqual([])
})

test('200: one model on request, with the settings that it was computed by', async () => {
  const { tenant, orders } = journeys
  const params = { order_id: orders.repeated }
  const { body } = await platform.call('getOrderCredits', { tenant, params, query: { model: 'position' } })
  expect(body).toMatchObject({ lookback_days: 30, channel_rules_version: 1, revenue_definition_version: 1 })
  expect(body.models).toMatchObject([
    {
      model: 'position',
      credits: [{ weight: 0.4 }, { weight: 0.2 }, { weight: 0.4 }],
    },
  ])
})

test('422: a channel-level model has no answer about an order, and says why', async () => {
  const { tenant, orders } = journeys
  for (const order_id of [orders.repeated, 'shopify:1']) {
    const answer = await platform.call('getOrderCredits', { tenant, params: { order_id }, query: { model: 'markov' } })
    expectProblem(answer, 'model_not_order_level', ['/query/model'])
    expect(answer.body.detail).toContain('no division of single orders adds up to it')
  }
})

test('200: the colon of the id may come as it is', async () => {
  const response = await fetch(`${platform.url}/api/attribution/orders/${journeys.orders.repeated}/credits`, {
    headers: { authorization: `Bearer ${journeys.tenant.tokens.viewer}` },
  })
  expect(await response.json()).toEqual(await explain('repeated'))
})

test('401: no token', async () => {
  const params = { order_id: journeys.orders.repeated }
  expectProblem(await platform.call('getOrderCredits', { params, token: null }), 'unauthorized')
})

test("404: another tenant's order is answered like one that is not there", async () => {
  const tenant = await platform.createTenant()
  const foreign = await platform.call('getOrderCredits', { tenant, params: { order_id: journeys.orders.repeated } })
  const missing = await platform.call('getOrderCredits', { tenant, params: { order_id: 'shopify:1' } })
  expectProblem(foreign, 'not_found')
  expect(masked(foreign)).toBe(masked(missing))
})

test('404: an order of which no money was taken', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const [created, refunded] = [nextNumber(), nextNumber()]
  const at = new Date()
  await deliverShopify(platform, endpoint, shopifyOrder({ id: created, total: '1.00', at }), { topic: 'orders/create' })
  const refund = shopifyRefund({ orderId: refunded, amount: '1.00', at })
  await deliverShopify(platform, endpoint, refund, { topic: 'refunds/create' })
  await untilIdle(platform)
  for (const id of [created, refunded]) {
    const params = { order_id: `shopify:${id}` }
    expectProblem(await platform.call('getOrderCredits', { tenant: endpoint.tenant, params }), 'not_found')
  }
})

test('406: an answer that is not JSON', async () => {
  const params = { order_id: 'shopify:1' }
  const answer = await platform.call('getOrderCredits', { params, headers: { accept: 'text/csv' } })
  expectProblem(answer, 'not_acceptable')
})

test.each(['1', 'amazon:1', 'shopify:', `shopify:${'1'.repeat(129)}`, 'shopify:1 ', 'stripe:pi_1/../x', 'shopify:\0'])(
  '422: %j is no order id',
  async (order_id) => {
    expectProblem(await platform.call('getOrderCredits', { params: { order_id } }), 'validation_failed')
  },
)

test('422: a correlation id that is no uuid', async () => {
  const params = { order_id: 'shopify:1' }
  const answer = await platform.call('getOrderCredits', { params, headers: { 'x-correlation-id': 'mine' } })
  expectProblem(answer, 'validation_failed', ['/header/x-correlation-id'])
})

test('429: the quota is used up, which comes before whatever is wrong with the request', async () => {
  await expectRateLimited(platform, 'getOrderCredits', { params: { order_id: 'none' } })
})

test('503: the database is gone', async () => {
  const params = { order_id: 'shopify:1' }
  const answer = await platform.withoutDatabase(() => platform.call('getOrderCredits', { params }))
  expectProblem(answer, 'service_unavailable')
})
