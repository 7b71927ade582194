import { beforeAll, expect, test } from 'vitest'
import { expectProblem, masked } from '../support/answer.ts'
import { toDay } from '../support/given.ts'
import { givenJourneys, givenNeighbour, type Journeys } from '../support/journeys.ts'
import { expectRateLimited } from '../support/limits.ts'
import { until, usePlatform } from '../support/platform.ts'
import { untilIdle } from '../support/stored.ts'

const platform = usePlatform()
let journeys: Journeys

beforeAll(async () => {
  await platform.startWorker()
  await givenNeighbour(platform)
  journeys = await givenJourneys(platform)
  await untilIdle(platform)
})

type Kind = 'attribution_score' | 'channel_performance' | 'reconciliation_discrepancy'

const explain = (entity_type: Kind, entity_id: string, query: Record<string, string> = {}) =>
  platform.call('explainAttributionEntity', {
    tenant: journeys.tenant,
    token: journeys.tenant.tokens.viewer,
    params: { entity_type, entity_id },
    query,
  })

const usd = (amount_minor: number) => ({ amount_minor, currency: 'USD' })

interface Explained {
  explanation: string
  total: { amount_minor: number }
  parts: { amount: { amount_minor: number } }[]
  rest: { parts: number; amount: { amount_minor: number } }
  citations: { amount: { amount_minor: number } | null; number: number | null }[]
}

/** The parts and the rest sum to the total, and every number of the text is cited. */
function expectWhole(body: Explained): void {
  const sum = body.parts.reduce((total, { amount }) => total + amount.amount_minor, body.rest.amount.amount_minor)
  expect(sum).toBe(body.total.amount_minor)
  const cited = new Set(
    body.citations.map(({ amount, number }) =>
      amount === null ? String(number) : (amount.amount_minor / 100).toFixed(2),
    ),
  )
  for (const number of body.explanation.match(/\d+(?:\.\d+)?/g) ?? []) expect(cited).toContain(number)
}

test('200: an order by the linear model, with each touchpoint that counted or was left out', async () => {
  const { status, body } = await explain('attribution_score', journeys.orders.repeated, { model: 'linear' })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    entity_type: 'attribution_score',
    entity_id: journeys.orders.repeated,
    model: 'linear',
    model_version: '1.0.0',
    start_date: toDay(journeys.day),
    end_date: toDay(journeys.day),
    time_zone: 'UTC',
    currency: 'USD',
    basis: 'order_date',
    coverage: 1,
    lookback_days: 30,
    total: usd(8_999),
    parts: [
      { kind: 'credit', channel: 'paid_search', touchpoint_event_id: 'loyal-1', amount: usd(3_000) },
      { kind: 'credit', channel: 'paid_search', touchpoint_event_id: 'loyal-3', amount: usd(3_000) },
      { kind: 'credit', channel: 'email', touchpoint_event_id: 'loyal-2', amount: usd(2_999) },
    ],
    rest: { parts: 0, amount: usd(0) },
  })
  expect(body.explanation).toBe(
    'Net revenue of 89.99 USD (100.00 USD captured, 10.01 USD taken back) is divided by the model linear over 3 eligible touchpoints. ' +
      '2 touchpoints lie after the order and count for nothing.',
  )
  expect(body.touchpoints).toHaveLength(5)
  expect(body.confidence).toBeUndefined()
  expectWhole(body)
})

test('200: an order without an eligible touchpoint, and the day of the time zone', async () => {
  const { body } = await explain('attribution_score', journeys.orders.anonymous, { time_zone: 'America/New_York' })
  expect(body).toMatchObject({
    model: 'last_touch',
    start_date: toDay(new Date(journeys.day.getTime() - 1)),
    time_zone: 'America/New_York',
    coverage: 0,
    parts: [{ channel: '(unattributed)', weight: 1, amount: usd(1_234) }],
    touchpoints: [],
  })
  expect(body.parts[0].touchpoint_event_id).toBeUndefined()
  expectWhole(body)
})

test('200: every order is explained in full, by every reason', async () => {
  for (const order of ['overRefunded', 'afterReset', 'usedUp', 'lookback'] as const) {
    for (const model of ['first_touch', 'time_decay', 'shapley']) {
      const { status, body } = await explain('attribution_score', journeys.orders[order], { model })
      expect(status).toBe(200)
      expectWhole(body)
    }
  }
})

test('200: a channel, by the orders behind it', async () => {
  const { body } = await explain('channel_performance', 'paid_search', { model: 'linear' })
  expect(body).toMatchObject({
    entity_id: 'paid_search',
    explanation: 'The model linear credits paid_search with 60.00 USD of 135.10 USD, from 1 of 6 orders.',
    total: usd(6_000),
    parts: [{ kind: 'order', channel: 'paid_search', order_id: journeys.orders.repeated, amount: usd(6_000) }],
    rest: { parts: 0, amount: usd(0) },
    touchpoints: [],
  })
  expect(body.parts[0].weight).toBeCloseTo(6_000 / 8_999, 12)
  expectWhole(body)
  const report = await platform.call('getChannelAttribution', { tenant: journeys.tenant, query: { model: 'linear' } })
  for (const { channel, revenue } of report.body.channels) {
    const explained = await explain('channel_performance', channel, { model: 'linear' })
    expect(explained.body.total).toEqual(revenue)
    expectWhole(explained.body)
  }
})

test('200: from a channel down to its orders, and from each order to its touches: every step sums to the one above', async () => {
  const { tenant } = journeys
  for (const model of ['linear', 'position', 'shapley', 'custom']) {
    const report = await platform.call('getChannelAttribution', { tenant, query: { model } })
    for (const { channel, revenue } of report.body.channels) {
      const { body } = await explain('channel_performance', channel, { model })
      expect(body.total).toEqual(revenue)
      for (const { order_id, amount } of body.parts) {
        const order = await platform.call('getOrderCredits', { tenant, params: { order_id }, query: { model } })
        const credits: { channel: string; revenue: { amount_minor: number } }[] = order.body.models[0].credits
        const ofChannel = credits.filter((credit) => credit.channel === channel)
        expect(ofChannel.reduce((sum, credit) => sum + credit.revenue.amount_minor, 0)).toBe(amount.amount_minor)
      }
    }
  }
})

test('200: a channel by refund date, and one that earned nothing', async () => {
  const day = toDay(new Date(journeys.day.getTime() + 86_400_000))
  const window = { start_date: day, end_date: day, basis: 'refund_date' }
  const { body } = await explain('channel_performance', 'direct', window)
  expect(body).toMatchObject({ basis: 'refund_date', total: usd(-5_000), parts: [{ amount: usd(-5_000) }] })
  expect(body.parts[0].weight).toBeUndefined()
  const nothing = await explain('channel_performance', 'audio')
  expect(nothing.body).toMatchObject({ total: usd(0), parts: [], rest: { parts: 0 } })
})

test('200: a channel by a model of whole windows names no orders', async () => {
  const query = { model: 'markov', start_date: toDay(journeys.day), end_date: toDay(journeys.day) }
  const { body } = await until(
    () => explain('channel_performance', 'paid_search', query),
    ({ status }) => status === 200,
  )
  expect(body.parts).toEqual([])
  expect(body.rest.amount).toEqual(body.total)
})

test('401: no token', async () => {
  const params = { entity_type: 'channel_performance', entity_id: 'email' }
  expectProblem(await platform.call('explainAttributionEntity', { params, token: null }), 'unauthorized')
})

test("404: another tenant's order is answered like one that is not there, and so is what is no channel or discrepancy", async () => {
  const tenant = await platform.createTenant()
  const ask = (entity_type: Kind, entity_id: string) =>
    platform.call('explainAttributionEntity', { tenant, params: { entity_type, entity_id } })
  const foreign = await ask('attribution_score', journeys.orders.repeated)
  expectProblem(foreign, 'not_found')
  for (const missing of [
    await ask('attribution_score', 'shopify:1'),
    await ask('channel_performance', 'skywriting'),
    await ask('channel_performance', 'email'),
    await ask('reconciliation_discrepancy', '01a1fb80-4c10-7d55-9a3e-0b6f2c71d8e4'),
  ]) {
    expectProblem(missing, 'not_found')
    expect(masked(missing)).toBe(masked(foreign))
  }
})

test('406: an answer that is not JSON', async () => {
  const params = { entity_type: 'channel_performance', entity_id: 'email' }
  const answer = await platform.call('explainAttributionEntity', { params, headers: { accept: 'text/csv' } })
  expectProblem(answer, 'not_acceptable')
})

test('422: a channel-level model has no answer about an order', async () => {
  const answer = await explain('attribution_score', journeys.orders.repeated, { model: 'markov' })
  expectProblem(answer, 'model_not_order_level', ['/query/model'])
})

test.each([
  ['a model that is none', { model: 'gut_feeling' }, '/query/model'],
  ['the end before the start', { start_date: '2026-11-02', end_date: '2026-11-01' }, '/query/end_date'],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await explain('channel_performance', 'email', query), 'validation_failed', [pointer])
})

test('429: the quota is used up', async () => {
  const params = { entity_type: 'channel_performance', entity_id: 'email' }
  await expectRateLimited(platform, 'explainAttributionEntity', { params })
})

test('503: the database is gone', async () => {
  const params = { entity_type: 'channel_performance', entity_id: 'email' }
  const answer = await platform.withoutDatabase(() => platform.call('explainAttributionEntity', { params }))
  expectProblem(answer, 'service_unavailable')
})
