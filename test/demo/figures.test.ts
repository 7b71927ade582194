import { expect, test } from 'vitest'
import { computeExpected, type Expected, MODELS, type Model } from '../../scripts/demo/expected.ts'
import { compareAnswers, compareOrders, compareReports, differing, formatMicro } from '../../scripts/demo/figures.ts'
import type { ChannelReport, Observed, OrderCredits } from '../../scripts/demo/platform-answers.ts'
import { isOk, type Report, toJson, toText } from '../../scripts/demo/report.ts'
import { noAnswers } from '../../scripts/demo/send.ts'
import { generateDay } from '../../scripts/demo/traffic.ts'

const day = generateDay(1, '2026-01-15')
const expected = computeExpected(day)
const money = (minor: bigint, currency: string) => ({ amount_minor: Number(minor), currency })

/** What a platform without a fault would answer. */
function perfectReports(all: Expected): Observed {
  const reports: Observed['reports'] = new Map()
  for (const [currency, total] of all.currencies) {
    const others = [...all.currencies].filter(([code]) => code !== currency)
    const report = (model: Model): ChannelReport => ({
      model,
      model_version: '1',
      currency,
      coverage: null,
      conversions: total.conversions,
      net_revenue: money(total.netMinor, currency),
      credited_revenue: money(total.netMinor, currency),
      over_refunded: money(total.overRefundedMinor, currency),
      channels: [...total.channels[model]].map(([channel, { conversionMicro, revenueMinor }]) => ({
        channel,
        conversions: Number(conversionMicro) / 1e6,
        revenue: money(revenueMinor, currency),
        share: Number(revenueMinor) / Number(total.netMinor),
      })),
      other_currencies: others.map(([code, other]) => ({
        net_revenue: money(other.netMinor, code),
        conversions: other.conversions,
      })),
      runs: [],
    })
    reports.set(currency, {
      first_touch: report('first_touch'),
      last_touch: report('last_touch'),
      linear: report('linear'),
    })
  }
  const usd = all.currencies.get('USD')
  if (usd === undefined) throw new Error('a day without USD')
  const net = [...all.currencies].filter(([code]) => code !== 'USD')
  const realtime = {
    since: '2026-01-15T00:00:00Z',
    revenue: money(usd.capturedMinor - usd.refundedMinor, 'USD'),
    captured: money(usd.capturedMinor, 'USD'),
    refunded: money(usd.refundedMinor, 'USD'),
    orders: usd.conversions,
    other_currencies: net.map(([code, total]) => money(total.capturedMinor - total.refundedMinor, code)),
    verified: true,
    sources: [],
  }
  return { reports, realtime }
}

function perfectReport(): Report {
  const observed = perfectReports(expected)
  const answers = {
    ...noAnswers(),
    deliveries: structuredClone(expected.deliveries),
    touchpoints: expected.touchpoints,
  }
  const figures = [...compareAnswers(expected, answers), ...compareReports(expected, observed)]
  const tenant = { id: 'T', slug: 'demo' }
  return {
    day,
    tenant,
    apiUrl: 'http://here',
    answers,
    observed,
    orders: { read: 0, exact: 0 },
    leaks: [],
    figures,
    tookMs: 1,
  }
}

test('a platform without a fault matches every figure', () => {
  const report = perfectReport()
  expect(differing(report.figures)).toEqual([])
  expect(report.figures.length).toBeGreaterThan(250)
  expect(isOk(report)).toBe(true)
  const json = toJson(report)
  const net = Number(expected.currencies.get('USD')?.netMinor)
  expect(json).toMatchObject({ ok: true, net_revenue_minor: net })
  expect(json.credited_minor).toEqual({ first_touch: net, last_touch: net, linear: net })
  expect(toText(report)).toContain(
    `matches the generator's own totals: ${report.figures.length}/${report.figures.length}`,
  )
})

const spoilers: [string, (report: Report) => void][] = [
  ['a cent of one channel', ({ observed }) => shift(observed, 'linear', 0, 1)],
  [
    'a cent moved between channels',
    ({ observed }) => {
      shift(observed, 'linear', 0, 1)
      shift(observed, 'linear', 1, -1)
    },
  ],
  [
    'a missing channel',
    ({ observed }) => {
      channelsOf(observed, 'last_touch').pop()
    },
  ],
  ['a millionth of an order', ({ observed }) => nudge(observed, 1e-6)],
  [
    'one realtime order',
    ({ observed }) => {
      observed.realtime.orders += 1
    },
  ],
  [
    'one duplicate taken twice',
    ({ answers }) => {
      const { stripe } = answers.deliveries
      Object.assign(stripe, { accepted: (stripe.accepted ?? 0) + 1, duplicate: (stripe.duplicate ?? 0) - 1 })
    },
  ],
  [
    'a status that nobody expects',
    ({ answers }) => {
      answers.deliveries.shopify['status 500'] = 1
    },
  ],
]

test.each(spoilers)('%s is noticed', (_, spoil) => {
  const report = perfectReport()
  spoil(report)
  report.figures = [...compareAnswers(expected, report.answers), ...compareReports(expected, report.observed)]
  expect(differing(report.figures).length).toBeGreaterThan(0)
  expect(isOk(report)).toBe(false)
  expect(toText(report)).toContain('differs: ')
})

test('personal data in an answer fails the demo', () => {
  expect(isOk({ ...perfectReport(), leaks: ['GET /somewhere'] })).toBe(false)
})

test("an order's credits are compared touch by touch", () => {
  const [wanted] = [...expected.orders.values()].filter(({ credits }) => credits.linear.length > 2)
  if (wanted === undefined) throw new Error('a day without such an order')
  const { currency } = wanted
  const said: OrderCredits = {
    order_id: wanted.id,
    currency,
    captured: money(wanted.capturedMinor, currency),
    refunded: money(wanted.refundedMinor, currency),
    over_refunded: money(wanted.overRefundedMinor, currency),
    net_revenue: money(wanted.netMinor, currency),
    models: MODELS.map((model) => ({
      model,
      credits: wanted.credits[model].map(({ touchId, channel, conversionMicro, revenueMinor }) => ({
        channel,
        touchpoint_event_id: touchId,
        conversions: Number(conversionMicro) / 1e6,
        revenue: money(revenueMinor, currency),
      })),
    })),
  }
  const one = { ...expected, orders: new Map([[wanted.id, wanted]]) }
  const compare = () => differing(compareOrders(one, new Map([[wanted.id, said]])))
  expect(compare()).toEqual([])
  const [first, second] = said.models[2]?.credits ?? []
  if (first === undefined || second === undefined) throw new Error('two credits at least')
  ;[first.touchpoint_event_id, second.touchpoint_event_id] = [second.touchpoint_event_id, first.touchpoint_event_id]
  first.revenue.amount_minor += 1
  expect(compare()).toHaveLength(1)
  expect(differing(compareOrders(one, new Map()))).toHaveLength(1)
})

test.each([
  [0n, '0'],
  [1n, '0.000001'],
  [1_500_000n, '1.5'],
  [313_000_000n, '313'],
])('%i millionths are written %s', (micro, text) => {
  expect(formatMicro(micro)).toBe(text)
})

function channelsOf({ reports }: Observed, model: Model) {
  const channels = reports.get('USD')?.[model].channels
  if (channels === undefined) throw new Error('no report in USD')
  return channels
}

function shift(observed: Observed, model: Model, index: number, minor: number): void {
  const row = channelsOf(observed, model)[index]
  if (row !== undefined) row.revenue.amount_minor += minor
}

function nudge(observed: Observed, by: number): void {
  const [row] = channelsOf(observed, 'linear')
  if (row !== undefined) row.conversions += by
}
