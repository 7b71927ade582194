import { beforeAll, expect, test } from 'vitest'
import { ATTRIBUTION_MODELS } from '../../src/attribution/models/registry.ts'
import { expectProblem } from '../support/answer.ts'
import { DAY, givenSpend, toDay } from '../support/given.ts'
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
  const spend = [
    {
      date: toDay(journeys.day),
      channel: 'email',
      source: 'letters',
      amount: { amount_minor: 1_500, currency: 'USD' },
    },
    { date: toDay(journeys.day), channel: 'audio', source: 'radio', amount: { amount_minor: 9_900, currency: 'USD' } },
  ]
  await givenSpend(platform, journeys.tenant, spend)
  await untilIdle(platform)
})

const compare = (query: Record<string, string> = {}, tenant = journeys.tenant) =>
  platform.call('compareAttributionModels', { tenant, token: tenant.tokens.viewer, query })

const usd = (amount_minor: number) => ({ amount_minor, currency: 'USD' })
const ORDER_LEVEL = ATTRIBUTION_MODELS.filter(({ level }) => level === 'order').map(({ name }) => name)

interface Figure {
  model: string
  conversions: number
  revenue: { amount_minor: number }
  difference: { amount_minor: number } | null
}
interface Compared {
  channel: string
  spend: { amount_minor: number } | null
  figures: Figure[]
}

const figureOf = (body: { channels: Compared[] }, channel: string, model: string) =>
  body.channels.find((one) => one.channel === channel)?.figures.find((one) => one.model === model)

test('200: every model beside the baseline, each of them summing to the net revenue', async () => {
  const { status, body } = await compare()
  expect(status).toBe(200)
  expect(body).toMatchObject({
    baseline: 'last_touch',
    time_zone: 'UTC',
    currency: 'USD',
    basis: 'order_date',
    channel_rules_version: 1,
    revenue_definition_version: 1,
    conversions: 6,
    net_revenue: usd(13_510),
    over_refunded: usd(500),
    identity_tiers: [
      { tier: 'visitor_id', orders: 5, net_revenue: usd(12_276) },
      { tier: 'none', orders: 1, net_revenue: usd(1_234) },
    ],
    other_currencies: [{ net_revenue: { amount_minor: 4_000, currency: 'EUR' }, conversions: 1 }],
  })
  const orderLevel = body.models.filter(({ order_level }: { order_level: boolean }) => order_level)
  expect(orderLevel.map(({ model }: { model: string }) => model)).toEqual(ORDER_LEVEL)
  for (const { model, credited_revenue, run_ids } of body.models) {
    expect(credited_revenue, model).toEqual(usd(13_510))
    expect(run_ids.length, model).toBe(1)
    const figures: Figure[] = body.channels.map(({ channel }: Compared) => figureOf(body, channel, model))
    expect(
      figures.reduce((sum, { revenue }) => sum + revenue.amount_minor, 0),
      model,
    ).toBe(13_510)
    expect(
      figures.reduce((sum, { difference }) => sum + (difference?.amount_minor ?? 0), 0),
      model,
    ).toBe(0)
    expect(
      figures.reduce((sum, { conversions }) => sum + Math.round(conversions * 1_000_000), 0),
      model,
    ).toBe(6_000_000)
  }
  expect(body.bridge.order_date).toEqual(body.net_revenue)
})

test('200: a channel by two models, with what was spent on it; one with spend alone is there too', async () => {
  const { body } = await compare()
  expect(figureOf(body, 'email', 'linear')).toMatchObject({
    conversions: 0.333_333,
    revenue: usd(2_999),
    difference: usd(2_999),
    share: 2_999 / 13_510,
    roas: 1.9993,
    cpa: usd(4_500),
  })
  expect(figureOf(body, 'email', 'last_touch')).toMatchObject({
    conversions: 0,
    revenue: usd(0),
    difference: usd(0),
    roas: 0,
    cpa: null,
  })
  const audio = body.channels.find(({ channel }: Compared) => channel === 'audio')
  expect(audio.spend).toEqual(usd(9_900))
  expect(audio.figures.every(({ revenue }: Figure) => revenue.amount_minor === 0)).toBe(true)
})

test('200: ranked by the baseline, and against another one on request', async () => {
  const { body } = await compare({ baseline: 'linear' })
  expect(body.baseline).toBe('linear')
  const revenues = body.channels.map(({ channel }: Compared) => figureOf(body, channel, 'linear')?.revenue.amount_minor)
  expect(revenues).toEqual(revenues.toSorted((a: number, b: number) => b - a))
  expect(figureOf(body, 'email', 'linear')?.difference).toEqual(usd(0))
  expect(figureOf(body, 'email', 'last_touch')?.difference).toEqual(usd(-2_999))
})

test('200: each figure is that of the report by channel', async () => {
  for (const basis of ['order_date', 'refund_date']) {
    const { body } = await compare({ basis })
    for (const model of ['first_touch', 'shapley', 'time_decay']) {
      const report = await platform.call('getChannelAttribution', { tenant: journeys.tenant, query: { model, basis } })
      for (const { channel, revenue, conversions, roas, cpa } of report.body.channels) {
        expect(figureOf(body, channel, model)).toMatchObject({ revenue, conversions, roas, cpa })
      }
      expect(report.body).toMatchObject({ net_revenue: body.net_revenue, bridge: body.bridge, coverage: body.coverage })
    }
  }
})

test('200: a model of whole windows takes part once it has been run over this one', async () => {
  const end = toDay(new Date(journeys.day.getTime() + DAY))
  const query = { start_date: toDay(journeys.day), end_date: end }
  const { body } = await until(
    () => compare(query),
    (answer) => answer.body.models.some(({ order_level }: { order_level: boolean }) => !order_level),
  )
  expect(body.models.at(-1)).toMatchObject({ model: 'markov', order_level: false, credited_revenue: usd(13_510) })
  const measured = body.channels.flatMap(({ figures }: { figures: { confidence: object | null }[] }) =>
    figures.flatMap(({ confidence }) => (confidence === null ? [] : [confidence])),
  )
  expect(measured.length).toBeGreaterThan(0)
  expect((await compare({ ...query, baseline: 'markov' })).body.baseline).toBe('markov')
})

test('200: a baseline without a run leaves the differences open', async () => {
  const { body } = await compare({ baseline: 'markov', basis: 'refund_date' })
  const differences = body.channels.flatMap(({ figures }: Compared) => figures.map(({ difference }) => difference))
  expect(new Set(differences)).toEqual(new Set([null]))
})

test('200: a tenant without data', async () => {
  const { status, body } = await compare({}, await platform.createTenant({ currency: 'JPY' }))
  expect(status).toBe(200)
  expect(body).toMatchObject({
    as_of: null,
    coverage: null,
    conversions: 0,
    identity_tiers: [],
    models: [],
    channels: [],
  })
})

test('401: no token', async () => {
  expectProblem(await platform.call('compareAttributionModels', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('compareAttributionModels', { headers }), 'not_acceptable')
})

test.each([
  ['a baseline that is none', { baseline: 'gut_feeling' }, '/query/baseline'],
  ['a time zone that is none', { time_zone: 'Mars/Olympus' }, '/query/time_zone'],
  ['367 days', { start_date: '2024-01-01', end_date: '2025-01-01' }, '/query/end_date'],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await platform.call('compareAttributionModels', { query }), 'validation_failed', [pointer])
})

test('429: the quota is used up', async () => {
  await expectRateLimited(platform, 'compareAttributionModels')
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('compareAttributionModels'))
  expectProblem(answer, 'service_unavailable')
})
