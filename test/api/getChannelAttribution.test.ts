import { beforeAll, expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { daysAgo, toDay } from '../support/given.ts'
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

function report(query: Record<string, string> = {}, tenant = journeys.tenant) {
  return platform.call('getChannelAttribution', { tenant, token: tenant.tokens.viewer, query })
}

const usd = (amount_minor: number) => ({ amount_minor, currency: 'USD' })

const UNATTRIBUTED = ['(unattributed)', 1_734, 2] as const

/** Channel, revenue in minor units and conversions; of the table in journeys.ts, by hand. */
const EXPECTED = {
  first_touch: [
    ['paid_search', 8_999, 1],
    ['referral', 2_000, 1],
    UNATTRIBUTED,
    ['display', 777, 1],
    ['organic_search', 0, 1],
  ],
  last_touch: [['paid_search', 8_999, 1], ['referral', 2_000, 1], UNATTRIBUTED, ['display', 777, 1], ['direct', 0, 1]],
  // 10000 in three: 3334 + 3333 + 3333, less 1001 by what they hold: 334 + 334 + 333.
  linear: [
    ['paid_search', 6_000, 0.666_667],
    ['email', 2_999, 0.333_333],
    ['referral', 2_000, 1],
    UNATTRIBUTED,
    ['display', 777, 1],
    ['direct', 0, 0.5],
    ['organic_search', 0, 0.5],
  ],
} as const

test.each(['first_touch', 'last_touch', 'linear'] as const)('200: %s, to the cent', async (model) => {
  const { status, body } = await report({ model })
  expect(status).toBe(200)
  expect(body.channels).toEqual(
    EXPECTED[model].map(([channel, revenue, conversions]) => ({
      channel,
      conversions,
      revenue: usd(revenue),
      share: revenue / 13_510,
    })),
  )
  expect(body).toMatchObject({
    model,
    currency: 'USD',
    conversions: 6,
    net_revenue: usd(13_510),
    credited_revenue: usd(13_510),
    over_refunded: usd(500),
    other_currencies: [{ net_revenue: { amount_minor: 4_000, currency: 'EUR' }, conversions: 1 }],
  })
  expect(body.coverage).toBeCloseTo(11_776 / 13_510, 12)
  expect(body.runs).toMatchObject([
    {
      model,
      window_start: journeys.day.toISOString(),
      orders: 7,
      net_revenue: [{ amount_minor: 4_000, currency: 'EUR' }, usd(13_510)],
    },
  ])
  expect(body.as_of).toBe(body.runs[0].data_cutoff)
})

test('200: without parameters the last touch of the last 30 days', async () => {
  const { body } = await report()
  expect(body).toMatchObject({
    model: 'last_touch',
    start_date: toDay(daysAgo(29)),
    end_date: toDay(daysAgo(0)),
    time_zone: 'UTC',
    basis: 'order_date',
    net_revenue: usd(13_510),
  })
})

test('200: a tenant without data has zeros', async () => {
  const { status, body } = await report({}, await platform.createTenant({ currency: 'JPY' }))
  expect(status).toBe(200)
  const nothing = { amount_minor: 0, currency: 'JPY' }
  expect(body).toEqual({
    model: 'last_touch',
    model_version: body.model_version,
    start_date: toDay(daysAgo(29)),
    end_date: toDay(daysAgo(0)),
    time_zone: 'UTC',
    currency: 'JPY',
    basis: 'order_date',
    as_of: null,
    coverage: null,
    conversions: 0,
    net_revenue: nothing,
    credited_revenue: nothing,
    over_refunded: nothing,
    channels: [],
    other_currencies: [],
    runs: [],
  })
})

test('200: another currency on request, and the first is the other', async () => {
  const { body } = await report({ currency: 'EUR' })
  expect(body).toMatchObject({
    currency: 'EUR',
    conversions: 1,
    net_revenue: { amount_minor: 4_000, currency: 'EUR' },
    channels: [{ channel: 'email', conversions: 1, revenue: { amount_minor: 4_000, currency: 'EUR' }, share: 1 }],
    other_currencies: [{ net_revenue: usd(13_510), conversions: 6 }],
    over_refunded: { amount_minor: 0, currency: 'EUR' },
  })
  expect((await report({ currency: 'CHF' })).body).toMatchObject({ conversions: 0, channels: [] })
})

test('200: only the days asked for, both of them included', async () => {
  const day = toDay(journeys.day)
  const [before, after] = [-1, 1].map((days) => toDay(new Date(journeys.day.getTime() + days * 86_400_000)))
  const netOf = async (start_date = '', end_date = '') =>
    (await report({ start_date, end_date })).body.net_revenue.amount_minor
  expect(await netOf(day, day)).toBe(13_510)
  expect(await netOf(before, day)).toBe(13_510)
  expect(await netOf(day, after)).toBe(13_510)
  expect(await netOf(before, before)).toBe(0)
  expect(await netOf(after, after)).toBe(0)
})

test('200: without a start, 30 days up to the end; without an end, up to today', async () => {
  const day = toDay(daysAgo(10))
  expect((await report({ end_date: day })).body).toMatchObject({ start_date: toDay(daysAgo(39)), end_date: day })
  expect((await report({ start_date: day })).body).toMatchObject({ start_date: day, end_date: toDay(daysAgo(0)) })
})

test('200: 366 days, the limit', async () => {
  expect((await report({ start_date: '2024-01-01', end_date: '2024-12-31' })).status).toBe(200)
})

test('401: no token', async () => {
  expectProblem(await platform.call('getChannelAttribution', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('getChannelAttribution', { headers }), 'not_acceptable')
})

test.each([
  ['an unknown model', { model: 'markov' }, ['/query/model']],
  ['a currency in lower case', { currency: 'usd' }, ['/query/currency']],
  ['a day that is none', { start_date: '2026-02-30' }, ['/query/start_date']],
  ['a day that is empty', { end_date: '' }, ['/query/end_date']],
  ['the end before the start', { start_date: '2026-11-02', end_date: '2026-11-01' }, ['/query/end_date']],
  ['367 days', { start_date: '2024-01-01', end_date: '2025-01-01' }, ['/query/end_date']],
  ['no start, and an end in the first days of the calendar', { end_date: '0001-01-15' }, ['/query/end_date']],
  ["another tenant's id", { tenant_id: '00000000-0000-4000-8000-000000000000' }, ['/query/tenant_id']],
])('422: %s', async (_, query, pointers) => {
  expectProblem(await platform.call('getChannelAttribution', { query }), 'validation_failed', pointers)
})

test('422: a correlation id that is no uuid', async () => {
  const answer = await platform.call('getChannelAttribution', { headers: { 'x-correlation-id': 'mine' } })
  expectProblem(answer, 'validation_failed', ['/header/x-correlation-id'])
})

test('429: the quota is used up, which comes before whatever is wrong with the request', async () => {
  await expectRateLimited(platform, 'getChannelAttribution', { query: { model: 'none' } })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('getChannelAttribution'))
  expectProblem(answer, 'service_unavailable')
})
