import { beforeAll, expect, test } from 'vitest'
import { ATTRIBUTION_MODELS } from '../../src/attribution/models/registry.ts'
import { expectProblem } from '../support/answer.ts'
import {
  DAY,
  daysAgo,
  deliverShopify,
  givenEndpoint,
  givenSpend,
  givenTouches,
  HOUR,
  MINUTE,
  nextNumber,
  shopifyOrder,
  shopifyRefund,
  toDay,
  ulid,
} from '../support/given.ts'
import { givenJourneys, givenNeighbour, type Journeys } from '../support/journeys.ts'
import { expectRateLimited } from '../support/limits.ts'
import { givenOwnOrders } from '../support/money.ts'
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

const ZERO = { amount_minor: 0, currency: 'USD' }
const day = (days = 0) => toDay(new Date(journeys.day.getTime() + days * DAY))
const only = (first: number, last = first) => ({ start_date: day(first), end_date: day(last) })

test.each(['first_touch', 'last_touch', 'linear'] as const)('200: %s, to the cent', async (model) => {
  const { status, body } = await report({ model })
  expect(status).toBe(200)
  expect(body.channels).toMatchObject(
    EXPECTED[model].map(([channel, revenue, conversions]) => ({
      channel,
      conversions,
      revenue: usd(revenue),
      share: revenue / 13_510,
      spend: null,
      roas: null,
      cpa: null,
    })),
  )
  expect(body).toMatchObject({
    model,
    model_version: '1.0.0',
    order_level: true,
    parameters: {
      lookback_days: 30,
      path_transform: 'identity',
      path_transform_version: '1.0.0',
      reset_on_conversion: true,
    },
    currency: 'USD',
    group_by: 'channel',
    converted: false,
    channel_rules_version: 1,
    revenue_definition_version: 1,
    conversions: 6,
    net_revenue: usd(13_510),
    credited_revenue: usd(13_510),
    over_refunded: usd(500),
    groups: [],
    rest: { groups: 0, conversions: 0, revenue: ZERO },
    other_currencies: [{ net_revenue: { amount_minor: 4_000, currency: 'EUR' }, conversions: 1 }],
  })
  expect(body.coverage).toBeCloseTo(11_776 / 13_510, 12)
  expect(body.runs).toMatchObject([
    {
      model,
      edition: 1,
      window_start: journeys.day.toISOString(),
      orders: 7,
      net_revenue: [{ amount_minor: 4_000, currency: 'EUR' }, usd(13_510)],
    },
  ])
  expect(body.as_of).toBe(body.runs[0].data_cutoff)
})

test('200: every order-level model credits the net revenue and the orders of the window, exactly', async () => {
  for (const { name, level } of ATTRIBUTION_MODELS) {
    const { status, body } = await report({ model: name })
    expect(status).toBe(200)
    if (level === 'channel') continue
    const sum = (of: (channel: Line) => number) =>
      body.channels.reduce((total: number, line: Line) => total + of(line), 0)
    expect(
      sum(({ revenue }) => revenue.amount_minor),
      name,
    ).toBe(13_510)
    expect(
      sum(({ conversions }) => Math.round(conversions * 1_000_000)),
      name,
    ).toBe(6_000_000)
    expect(body.credited_revenue).toEqual(body.net_revenue)
  }
})

interface Line {
  channel: string
  campaign?: string | null
  date?: string | null
  conversions: number
  revenue: { amount_minor: number }
  spend: { amount_minor: number } | null
}

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
    order_level: true,
    parameters: {
      lookback_days: 30,
      path_transform: 'identity',
      path_transform_version: '1.0.0',
      reset_on_conversion: true,
    },
    start_date: toDay(daysAgo(29)),
    end_date: toDay(daysAgo(0)),
    time_zone: 'UTC',
    currency: 'JPY',
    basis: 'order_date',
    group_by: 'channel',
    converted: false,
    as_of: null,
    coverage: null,
    channel_rules_version: 1,
    revenue_definition_version: 1,
    attribution_settings_version: 1,
    conversions: 0,
    net_revenue: nothing,
    credited_revenue: nothing,
    over_refunded: nothing,
    bridge: {
      order_date: nothing,
      refunds_after_window: nothing,
      refunds_of_earlier_orders: nothing,
      refund_date: nothing,
    },
    channels: [],
    groups: [],
    rest: { groups: 0, conversions: 0, revenue: nothing },
    other_currencies: [],
    other_spend: [],
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

test('200: by refund date what was taken back counts on its own day, and the bridge leads there', async () => {
  // Captured 19511 on the day of the orders; on the next one 1001 and 5000 of it are taken back.
  const ofOrders = await report({ basis: 'refund_date', model: 'linear', ...only(0) })
  expect(ofOrders.body).toMatchObject({
    basis: 'refund_date',
    conversions: 6,
    net_revenue: usd(19_511),
    credited_revenue: usd(19_511),
    bridge: {
      order_date: usd(13_510),
      refunds_after_window: usd(6_001),
      refunds_of_earlier_orders: ZERO,
      refund_date: usd(19_511),
    },
  })
  const ofRefunds = await report({ basis: 'refund_date', model: 'linear', ...only(1) })
  expect(ofRefunds.body).toMatchObject({
    conversions: 0,
    net_revenue: usd(-6_001),
    coverage: null,
    bridge: {
      order_date: ZERO,
      refunds_after_window: ZERO,
      refunds_of_earlier_orders: usd(6_001),
      refund_date: usd(-6_001),
    },
  })
  const byName = (body: { channels: Line[] }) =>
    Object.fromEntries(body.channels.map(({ channel, revenue }) => [channel, revenue.amount_minor]))
  expect(byName(ofRefunds.body)).toEqual({ paid_search: -667, email: -334, organic_search: -2_500, direct: -2_500 })
  expect(ofRefunds.body.channels.map(({ share }: { share: null }) => share)).toEqual([null, null, null, null])
  expect(ofRefunds.body.runs).toMatchObject([{ window_start: journeys.day.toISOString() }])
  const both = await report({ basis: 'refund_date', model: 'linear', ...only(0, 1) })
  expect(both.body.net_revenue).toEqual(usd(13_510))
})

test('200: days are those of the time zone', async () => {
  // The first order is at 00:00 UTC, which is the evening before in New York.
  const { body } = await report({ time_zone: 'America/New_York', ...only(-1) })
  expect(body).toMatchObject({
    time_zone: 'America/New_York',
    net_revenue: usd(1_234 + 8_999 + 0 + 2_000),
    conversions: 4,
  })
  const rest = await report({ time_zone: 'America/New_York', ...only(0) })
  expect(rest.body).toMatchObject({ net_revenue: usd(500 + 777), conversions: 2 })
})

test('200: spend and what it brought, channel by channel and campaign by campaign; all of them sum to the channel', async () => {
  const tenant = await platform.createTenant()
  const shop = await givenEndpoint(platform, 'shopify', { tenant })
  const visitors = [ulid(), ulid(), ulid()] as const
  const at = new Date(daysAgo(2).getTime() + 10 * HOUR)
  const touchpoints = [
    { visitor_id: visitors[0], channel: 'paid_search', campaign: 'a' },
    { visitor_id: visitors[1], channel: 'paid_search', campaign: 'b' },
    { visitor_id: visitors[2], channel: 'paid_search' },
    { visitor_id: visitors[2], channel: 'email', campaign: 'a' },
  ].map((touch, index) => ({
    ...touch,
    event_id: `touch-${index}`,
    occurred_at: new Date(at.getTime() - (5 - index) * MINUTE).toISOString(),
  }))
  await platform.call('ingestTouchpoints', { tenant, body: { touchpoints } })
  for (const [index, visitorId] of visitors.entries()) {
    const order = shopifyOrder({ total: `${index + 1}0.01`, at, visitorId })
    await deliverShopify(platform, shop, order, { topic: 'orders/paid' })
  }
  const cost = (channel: string, amount_minor: number, campaign?: string) => ({
    date: toDay(at),
    channel,
    source: 'ads',
    ...(campaign !== undefined && { campaign }),
    amount: { amount_minor, currency: 'USD' },
  })
  for (const amount of [900, 700]) {
    const spend = [cost('paid_search', amount, 'a'), cost('paid_search', 300), cost('display', 250)]
    await givenSpend(platform, tenant, spend)
  }
  await untilIdle(platform)
  const { body } = await report({ model: 'linear', group_by: 'campaign' }, tenant)
  // 10.01 by a, 20.01 by b, and 30.01 half by no campaign and half by the letter.
  expect(body.channels).toMatchObject([
    { channel: 'paid_search', conversions: 2.5, revenue: usd(4_503), spend: usd(1_000), roas: 4.503, cpa: usd(400) },
    { channel: 'email', conversions: 0.5, revenue: usd(1_500), spend: null, roas: null, cpa: null },
    { channel: 'display', conversions: 0, revenue: ZERO, spend: usd(250), roas: 0, cpa: null },
  ])
  expect(body.groups).toMatchObject([
    { channel: 'paid_search', campaign: 'b', date: null, conversions: 1, revenue: usd(2_001), spend: null },
    { channel: 'paid_search', campaign: null, conversions: 0.5, revenue: usd(1_501), spend: usd(300), roas: 5.0033 },
    { channel: 'email', campaign: 'a', conversions: 0.5, revenue: usd(1_500), spend: null },
    {
      channel: 'paid_search',
      campaign: 'a',
      conversions: 1,
      revenue: usd(1_001),
      spend: usd(700),
      roas: 1.43,
      cpa: usd(700),
    },
    { channel: 'display', campaign: null, conversions: 0, revenue: ZERO, spend: usd(250) },
  ])
  expectToSum(body)
  const daily = await report({ model: 'linear', group_by: 'day' }, tenant)
  expect(daily.body.groups.map(({ date }: Line) => date)).toEqual(Array(3).fill(toDay(at)))
  expectToSum(daily.body)
})

test('200: spend in other currencies counts by the stored rate of its day, rounded once a campaign; without a rate it is apart', async () => {
  const tenant = await platform.createTenant()
  await platform.query(
    `insert into fx_rates (base, quote, as_of, source, rate)
     values ('SEK', 'USD', $1, 'test', 0.09455), ('USD', 'JPY', $2, 'test', 150.5), ('NOK', 'USD', $3, 'test', 0.1)`,
    [toDay(daysAgo(9)), toDay(daysAgo(2)), toDay(daysAgo(10))],
  )
  const cost = (channel: string, amount_minor: number, currency: string, campaign?: string) => ({
    date: toDay(daysAgo(2)),
    channel,
    source: 'ads',
    ...(campaign !== undefined && { campaign }),
    amount: { amount_minor, currency },
  })
  await givenSpend(platform, tenant, [
    cost('paid_search', 1_000, 'USD'),
    cost('paid_search', 333, 'SEK', 'a'),
    cost('paid_search', 333, 'SEK', 'b'),
    cost('email', 1_000, 'JPY'),
    cost('display', 500, 'NOK'),
  ])
  const { body } = await report({ group_by: 'campaign' }, tenant)
  // 333 x 0.09455 is 31 for each campaign, and 1,000 yen are 6.64 dollars; the rate of the krone is 8 days old.
  expect(body.channels).toMatchObject([
    { channel: 'email', spend: usd(664) },
    { channel: 'paid_search', spend: usd(1_062), roas: 0 },
  ])
  expect(body.other_spend).toEqual([{ amount_minor: 500, currency: 'NOK' }])
  expectToSum(body)
  expectToSum((await report({ group_by: 'day' }, tenant)).body)
  const kronor = await report({ currency: 'SEK' }, tenant)
  expect(kronor.body.channels).toContainEqual(
    expect.objectContaining({ channel: 'paid_search', spend: { amount_minor: 10_576 + 666, currency: 'SEK' } }),
  )
  const compared = await platform.call('compareAttributionModels', { tenant, token: tenant.tokens.viewer })
  expect(compared.body.other_spend).toEqual(body.other_spend)
  expect(compared.body.channels).toContainEqual(expect.objectContaining({ channel: 'paid_search', spend: usd(1_062) }))
})

/** The groups and their rest, to the channels: money, conversions and spend. */
function expectToSum(body: { channels: Line[]; groups: Line[]; rest: Pick<Line, 'conversions' | 'revenue'> }): void {
  const sums = (lines: readonly Line[], of: (line: Line) => number) =>
    lines.reduce(
      (sums, line) => sums.set(line.channel, (sums.get(line.channel) ?? 0) + of(line)),
      new Map<string, number>(),
    )
  for (const of of [
    ({ revenue }: Line) => revenue.amount_minor,
    ({ spend }: Line) => spend?.amount_minor ?? 0,
    ({ conversions }: Line) => Math.round(conversions * 1_000_000),
  ]) {
    expect(sums(body.groups, of)).toEqual(new Map([...sums(body.channels, of)]))
  }
  expect(body.rest).toMatchObject({ conversions: 0, revenue: { amount_minor: 0 } })
}

test.each(['order_date', 'refund_date'])('200: by day, days sum to the channels (%s)', async (basis) => {
  const { body } = await report({ model: 'linear', group_by: 'day', basis })
  expectToSum(body)
  const dates = body.groups.map(({ date }: Line) => date)
  expect(dates).toEqual(dates.toSorted())
  expect(new Set(dates)).toEqual(new Set(basis === 'order_date' ? [day()] : [day(), day(1)]))
})

test('200: the channels of a window sum to the revenue of its days, on both bases', async () => {
  for (const basis of ['order_date', 'refund_date']) {
    for (const window of [only(0), only(1), only(0, 1)]) {
      const query = { basis, ...window }
      const [channels, days] = await Promise.all([
        report({ model: 'position', ...query }),
        platform.call('getDailyRevenue', { tenant: journeys.tenant, query }),
      ])
      expect(channels.body.net_revenue).toEqual(days.body.net_revenue)
      expect(channels.body.bridge).toEqual(days.body.bridge)
      expect(channels.body.conversions).toBe(days.body.orders)
    }
  }
})

test('200: converted, all orders count in the reporting currency at the stored rate; without a rate they are listed apart', async () => {
  const { body: unknown } = await report({ convert: 'true' })
  expect(unknown).toMatchObject({ converted: true, net_revenue: usd(13_510) })
  expect(unknown.other_currencies).toMatchObject([{ net_revenue: { currency: 'EUR' } }])
  await platform.query(
    `insert into fx_rates (base, quote, as_of, source, rate) values ('EUR', 'USD', $1, 'test', 1.1005)`,
    [day(-1)],
  )
  // Whatever is stored next has the figures published again.
  await givenTouches(platform, journeys.tenant, [{ visitorId: ulid(), at: new Date(), channel: 'direct' }])
  await untilIdle(platform)
  const { body } = await report({ convert: 'true', currency: 'USD' })
  expect(body).toMatchObject({
    converted: true,
    conversions: 7,
    net_revenue: usd(13_510 + 4_402),
    other_currencies: [],
  })
  expect(body.channels.find(({ channel }: Line) => channel === 'email')).toMatchObject({ revenue: usd(4_402) })
  expect((await report()).body.net_revenue, 'without it').toEqual(usd(13_510))
})

test('200: converted into the currency of the figures that answer, until those in a new one are published', async () => {
  const tenant = await platform.createTenant()
  await givenOwnOrders(platform, tenant, [
    {
      orderKey: 'own:1',
      orderedAt: daysAgo(1),
      currency: 'USD',
      entries: [{ entryKey: 'own:1:capture', kind: 'capture', amountMinor: 900n, at: daysAgo(1) }],
    },
  ])
  await givenTouches(platform, tenant, [{ visitorId: ulid(), at: new Date(), channel: 'direct' }])
  await untilIdle(platform)
  await platform.query("update tenants set reporting_currency = 'EUR' where tenant_id = $1", [tenant.tenantId])
  expect((await report({ convert: 'true' }, tenant)).body).toMatchObject({ converted: true, net_revenue: usd(900) })
  expectProblem(await report({ convert: 'true', currency: 'EUR' }, tenant), 'validation_failed', ['/query/currency'])
})

test('200: a run says what it changed against the one before it', async () => {
  const shop = await givenEndpoint(platform, 'shopify')
  const [id, visitorId, at] = [nextNumber(), ulid(), new Date(daysAgo(2).getTime() + HOUR)] as const
  await givenTouches(platform, shop.tenant, [
    { visitorId, at: new Date(at.getTime() - 2 * MINUTE), channel: 'email' },
    { visitorId, at: new Date(at.getTime() - MINUTE), channel: 'sms' },
  ])
  await deliverShopify(platform, shop, shopifyOrder({ id, total: '10.01', at, visitorId }), { topic: 'orders/paid' })
  await untilIdle(platform)
  const [first] = (await report({ model: 'linear' }, shop.tenant)).body.runs
  expect(first.changes).toEqual(first.version === 1 ? [] : expect.any(Array))
  await deliverShopify(platform, shop, shopifyRefund({ orderId: id, amount: '4.01', at }), { topic: 'refunds/create' })
  await untilIdle(platform)
  const { body } = await report({ model: 'linear' }, shop.tenant)
  expect(body.runs).toMatchObject([
    {
      version: first.version + 1,
      previous_run_id: first.run_id,
      cause: 'data',
      orders_changed: 1,
      changes: [
        { channel: 'email', revenue: usd(-201), conversions: 0 },
        { channel: 'sms', revenue: usd(-200), conversions: 0 },
      ],
    },
  ])
})

test('200: a channel-level model answers for windows that it has been run over', async () => {
  const { status, body } = await report({ model: 'markov', ...only(0, 1) })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    model: 'markov',
    order_level: false,
    parameters: { markov_order: 1, with_nulls: true },
    groups: [],
  })
  expect(body.bridge).toBeUndefined()
  const { body: run } = await until(
    () => report({ model: 'markov', ...only(0, 1) }),
    (answer) => answer.body.as_of !== null,
  )
  const revenue = run.channels.reduce((sum: number, line: Line) => sum + line.revenue.amount_minor, 0)
  expect(revenue).toBe(run.net_revenue.amount_minor)
  expect(run.credited_revenue).toEqual(run.net_revenue)
  expect(run.as_of).not.toBeNull()
  expect(run.runs).toHaveLength(1)
  const byRefund = await report({ model: 'markov', basis: 'refund_date', ...only(0, 1) })
  expect(byRefund.body).toMatchObject({ as_of: null, channels: [], runs: [] })
})

test('200: a share has an interval, a grade and the number of people behind it, once it has been calculated', async () => {
  const window = only(-1, 1)
  const measuredOf = (body: { channels: { confidence: unknown }[] }) =>
    body.channels.filter(({ confidence }) => confidence !== null)
  const { body } = await until(
    () => report({ model: 'linear', ...window }),
    (answer) => measuredOf(answer.body).length > 0,
  )
  const measured = measuredOf(body)
  // Five visitors at most: too few for any grade.
  for (const { confidence } of measured) expect(confidence).toMatchObject({ grade: 'D', interval: null })
})

test('200: only the days asked for, both of them included', async () => {
  const netOf = async (first: number, last: number) => (await report(only(first, last))).body.net_revenue.amount_minor
  expect(await netOf(0, 0)).toBe(13_510)
  expect(await netOf(-1, 0)).toBe(13_510)
  expect(await netOf(0, 1)).toBe(13_510)
  expect(await netOf(-1, -1)).toBe(0)
  expect(await netOf(1, 1)).toBe(0)
})

test('200: without a start, 30 days up to the end; without an end, up to today', async () => {
  const tenth = toDay(daysAgo(10))
  expect((await report({ end_date: tenth })).body).toMatchObject({ start_date: toDay(daysAgo(39)), end_date: tenth })
  expect((await report({ start_date: tenth })).body).toMatchObject({ start_date: tenth, end_date: toDay(daysAgo(0)) })
})

test.each([
  { start_date: '0001-01-01', end_date: '0001-01-30' },
  { start_date: '9999-12-01', end_date: '9999-12-31' },
])('200: the ends of the calendar: %j', async (window) => {
  for (const basis of ['order_date', 'refund_date']) {
    const { status, body } = await report({ ...window, basis, group_by: 'day', time_zone: 'Pacific/Kiritimati' })
    expect(status).toBe(200)
    expect(body).toMatchObject(window)
  }
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
  ['an unknown model', { model: 'gut_feeling' }, ['/query/model']],
  ['a time zone that is none', { time_zone: 'Mars/Olympus' }, ['/query/time_zone']],
  ['a grouping that is none', { group_by: 'week' }, ['/query/group_by']],
  ['a currency that nothing is converted into', { convert: 'true', currency: 'EUR' }, ['/query/currency']],
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
