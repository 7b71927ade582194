// Sets what a platform answers beside what it has to answer, figure by figure.

import type { DeliveryResult, Vendor } from './day.ts'
import { type Credit, type CurrencyTotal, type Expected, type ExpectedOrder, MICRO, MODELS } from './expected.ts'
import type { Observed, OrderCredits, RecomputeJob, Reports } from './platform-answers.ts'
import type { Answers } from './send.ts'

/** Compared as text: one spelling for integers of any size. */
export interface Figure {
  name: string
  expected: string
  actual: string
}

export const REPORTING_CURRENCY = 'USD'

const RESULTS: readonly DeliveryResult[] = ['accepted', 'duplicate', 'ignored', 'dead', 'unauthorized']
const VENDORS: readonly Vendor[] = ['shopify', 'stripe']

export function differing(figures: readonly Figure[]): Figure[] {
  return figures.filter(({ expected, actual }) => expected !== actual)
}

export function compareAnswers(expected: Expected, answers: Answers): Figure[] {
  const figures: Figure[] = []
  for (const vendor of VENDORS) {
    const names = new Set([...RESULTS, ...Object.keys(answers.deliveries[vendor])])
    for (const name of names) {
      const wanted = expected.deliveries[vendor][name as DeliveryResult] ?? 0
      figures.push(figure(`deliveries ${vendor} ${name}`, wanted, answers.deliveries[vendor][name] ?? 0))
    }
  }
  for (const name of ['accepted', 'duplicates', 'rejected'] as const) {
    figures.push(figure(`touchpoints ${name}`, expected.touchpoints[name], answers.touchpoints[name]))
  }
  return figures
}

export function compareReports(expected: Expected, { reports, realtime }: Observed): Figure[] {
  const figures: Figure[] = []
  for (const [currency, total] of expected.currencies) figures.push(...compareCurrency(currency, total, reports))
  const own = expected.currencies.get(REPORTING_CURRENCY) as CurrencyTotal
  figures.push(
    figure('realtime captured', own.capturedMinor, realtime.captured.amount_minor),
    figure('realtime refunded', own.refundedMinor, realtime.refunded.amount_minor),
    figure('realtime revenue', own.capturedMinor - own.refundedMinor, realtime.revenue.amount_minor),
    figure('realtime orders', own.conversions, realtime.orders),
    figure('realtime verified', 'true', String(realtime.verified)),
  )
  for (const currency of othersThan(REPORTING_CURRENCY, expected)) {
    const total = expected.currencies.get(currency) as CurrencyTotal
    const said = realtime.other_currencies.find((money) => money.currency === currency)
    figures.push(figure(`realtime ${currency}`, total.capturedMinor - total.refundedMinor, said?.amount_minor))
  }
  // Every currency lists all the others.
  for (const currency of expected.currencies.keys()) {
    const others = reports.get(currency)?.linear.other_currencies ?? []
    const wanted = othersThan(currency, expected).map((code) => {
      const { netMinor, conversions } = expected.currencies.get(code) as CurrencyTotal
      return `${code} ${netMinor} (${conversions})`
    })
    const said = others.map(
      ({ net_revenue: net, conversions }) => `${net.currency} ${net.amount_minor} (${conversions})`,
    )
    figures.push(figure(`${currency} other currencies`, wanted.sort().join(', '), said.sort().join(', ')))
  }
  return figures
}

function compareCurrency(currency: string, total: CurrencyTotal, reports: Reports): Figure[] {
  const figures: Figure[] = []
  for (const model of MODELS) {
    const report = reports.get(currency)?.[model]
    const at = `${currency} ${model}`
    figures.push(
      figure(`${at} conversions`, total.conversions, report?.conversions),
      figure(`${at} net revenue`, total.netMinor, report?.net_revenue.amount_minor),
      figure(`${at} credited`, total.netMinor, report?.credited_revenue.amount_minor),
      figure(`${at} over-refunded`, total.overRefundedMinor, report?.over_refunded.amount_minor),
    )
    const said = new Map(report?.channels.map((row) => [row.channel, row]))
    for (const channel of new Set([...total.channels[model].keys(), ...said.keys()])) {
      const wanted = total.channels[model].get(channel) ?? { conversionMicro: 0n, revenueMinor: 0n }
      const row = said.get(channel)
      figures.push(
        figure(`${at} ${channel} conversions`, formatMicro(wanted.conversionMicro), formatNumber(row?.conversions)),
        figure(`${at} ${channel} revenue`, wanted.revenueMinor, row?.revenue.amount_minor),
      )
    }
    const sum = report?.channels.reduce((minor, { revenue }) => minor + revenue.amount_minor, 0)
    figures.push(figure(`${at} sum of channels`, total.netMinor, sum))
  }
  return figures
}

/** One figure for each order: all its credits in all models, touch by touch. */
export function compareOrders(expected: Expected, orders: ReadonlyMap<string, OrderCredits>): Figure[] {
  return [...expected.orders.values()].map((order) => {
    const said = orders.get(order.id)
    return figure(
      `credits of ${order.id}`,
      describeExpected(order),
      said === undefined ? 'missing' : describeSaid(said),
    )
  })
}

function describeExpected(order: ExpectedOrder): string {
  const credits = MODELS.map((model) => `${model}: ${order.credits[model].map(describeCredit).sort().join('; ')}`)
  const { currency, capturedMinor, refundedMinor, overRefundedMinor, netMinor } = order
  return [`${currency} ${capturedMinor} - ${refundedMinor} + ${overRefundedMinor} = ${netMinor}`, ...credits].join(
    ' | ',
  )
}

function describeSaid(order: OrderCredits): string {
  const credits = MODELS.map((model) => {
    const rows = order.models.find((said) => said.model === model)?.credits ?? []
    const described = rows.map((row) =>
      describeCredit({
        touchId: row.touchpoint_event_id,
        channel: row.channel,
        conversionMicro: BigInt(Math.round(row.conversions * Number(MICRO))),
        revenueMinor: BigInt(row.revenue.amount_minor),
      }),
    )
    return `${model}: ${described.sort().join('; ')}`
  })
  const { currency, captured, refunded, over_refunded: over, net_revenue: net } = order
  const money = `${currency} ${captured.amount_minor} - ${refunded.amount_minor} + ${over.amount_minor} = ${net.amount_minor}`
  return [money, ...credits].join(' | ')
}

function describeCredit({ touchId, channel, conversionMicro, revenueMinor }: Credit): string {
  return `${touchId ?? 'no touch'} ${channel} ${formatMicro(conversionMicro)} ${revenueMinor}`
}

/** A recompute of the same inputs has to come to the same bytes. */
export function compareRecompute(reports: Reports, job: RecomputeJob): Figure[] {
  return MODELS.flatMap((model) => {
    const before = reports.get(REPORTING_CURRENCY)?.[model].runs[0]
    const after = job.runs.find((run) => run.model === model)
    return [
      figure(`recompute ${model} input hash`, before?.input_hash, after?.input_hash),
      figure(`recompute ${model} output hash`, before?.output_hash, after?.output_hash),
    ]
  })
}

export function figure(
  name: string,
  expected: bigint | number | string | undefined,
  actual: bigint | number | string | undefined,
): Figure {
  return { name, expected: String(expected ?? 'missing'), actual: String(actual ?? 'missing') }
}

/** `1.333333`, without trailing zeros: as JSON spells a multiple of a millionth. */
export function formatMicro(micro: bigint): string {
  const decimals = String(micro % MICRO)
    .padStart(6, '0')
    .replace(/0+$/, '')
  return decimals === '' ? String(micro / MICRO) : `${micro / MICRO}.${decimals}`
}

function formatNumber(value: number | undefined): string | undefined {
  return value === undefined ? undefined : formatMicro(BigInt(Math.round(value * Number(MICRO))))
}

function othersThan(currency: string, expected: Expected): string[] {
  return [...expected.currencies.keys()].filter((code) => code !== currency)
}
