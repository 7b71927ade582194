// The demo's report: for people as text, for programs as one JSON object.

import type { Day } from './day.ts'
import { MODELS, type Model, UNATTRIBUTED } from './expected.ts'
import { differing, type Figure, formatMicro, REPORTING_CURRENCY } from './figures.ts'
import type { ChannelReport, Money, Observed, Run } from './platform-answers.ts'
import type { Answers } from './send.ts'

export interface Report {
  day: Day
  tenant: { id: string; slug: string }
  apiUrl: string
  answers: Answers
  observed: Observed
  /** Orders whose credits were read, and how many of them agreed in every model. */
  orders: { read: number; exact: number }
  leaks: string[]
  figures: Figure[]
  tookMs: number
}

export function isOk({ figures, answers, leaks, observed }: Report): boolean {
  return (
    differing(figures).length === 0 &&
    answers.surprises.length === 0 &&
    leaks.length === 0 &&
    MODELS.every((model) => isBalanced(reportOf(observed, REPORTING_CURRENCY, model)))
  )
}

function isBalanced(report: ChannelReport | undefined): boolean {
  if (report === undefined) return false
  const sum = report.channels.reduce((minor, { revenue }) => minor + revenue.amount_minor, 0)
  return report.net_revenue.amount_minor === sum && report.credited_revenue.amount_minor === sum
}

export function toJson(report: Report) {
  const { day, tenant, apiUrl, answers, observed, figures } = report
  const main = reportOf(observed, REPORTING_CURRENCY, 'linear')
  const different = differing(figures)
  return {
    ok: isOk(report),
    seed: day.seed,
    day: day.date,
    tenant: tenant.slug,
    tenant_id: tenant.id,
    api_url: apiUrl,
    accepted: total(answers, 'accepted'),
    duplicates: total(answers, 'duplicate'),
    ignored: total(answers, 'ignored'),
    dead: total(answers, 'dead'),
    unauthorized: total(answers, 'unauthorized'),
    deliveries: answers.deliveries,
    dead_letters: answers.deadLetters,
    touchpoints: answers.touchpoints,
    currency: REPORTING_CURRENCY,
    conversions: main?.conversions ?? 0,
    net_revenue_minor: main?.net_revenue.amount_minor ?? 0,
    credited_minor: Object.fromEntries(
      MODELS.map((model) => [model, reportOf(observed, REPORTING_CURRENCY, model)?.credited_revenue.amount_minor ?? 0]),
    ),
    over_refunded_minor: main?.over_refunded.amount_minor ?? 0,
    coverage: main?.coverage ?? null,
    channels: MODELS.flatMap((model) =>
      (reportOf(observed, REPORTING_CURRENCY, model)?.channels ?? []).map(({ channel, conversions, revenue }) => ({
        channel,
        model,
        conversions,
        revenue_minor: revenue.amount_minor,
      })),
    ),
    other_currencies: (main?.other_currencies ?? []).map(({ net_revenue: net, conversions }) => ({
      currency: net.currency,
      net_revenue_minor: net.amount_minor,
      conversions,
    })),
    realtime: observed.realtime,
    runs: runsOf(observed).map((run) => ({
      model: run.model,
      model_version: run.model_version,
      window_start: run.window_start,
      window_end: run.window_end,
      orders: run.orders,
      input_hash: run.input_hash,
      output_hash: run.output_hash,
    })),
    orders_checked: report.orders.read,
    orders_exact: report.orders.exact,
    personal_data_leaks: report.leaks,
    figures: { expected: figures.length, matched: figures.length - different.length, differences: different },
    surprises: answers.surprises,
    took_ms: Math.round(report.tookMs),
  }
}

export function toText(report: Report): string {
  const { day, tenant, apiUrl, figures, observed, answers } = report
  const different = differing(figures)
  const matched = figures.length - different.length
  const sections = [
    `Skeldir demo: ${day.date} (UTC), seed ${day.seed}, tenant ${tenant.slug}, ${apiUrl}`,
    describeTraffic(report),
    channelTable(observed),
    describeMoney(report),
    describeRuns(observed),
    [
      ...different
        .slice(0, 50)
        .map(({ name, expected, actual }) => `  differs: ${name}: expected ${expected}, got ${actual}`),
      ...(different.length > 50 ? [`  … and ${different.length - 50} more`] : []),
      ...answers.surprises.slice(0, 20).map((surprise) => `  unexpected: ${surprise}`),
      ...report.leaks.slice(0, 20).map((leak) => `  personal data in the answer to ${leak}`),
      `${mark(matched === figures.length)} matches the generator's own totals: ${matched}/${figures.length} figures`,
    ].join('\n'),
  ]
  return `${sections.join('\n\n')}\n`
}

function describeTraffic({ answers, day }: Report): string {
  const columns = ['accepted', 'duplicate', 'ignored', 'dead', 'unauthorized']
  const vendors = Object.entries(answers.deliveries)
  const rows = [...vendors, ['webhooks', sumCounts(vendors.map(([, counts]) => counts))] as const].map(
    ([name, counts]) => [name, ...columns.map((column) => integer(counts[column] ?? 0))],
  )
  const dead = Object.entries(answers.deadLetters).flatMap(([vendor, classes]) =>
    Object.entries(classes)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `${vendor} ${name} ${count}`),
  )
  const { accepted, duplicates, rejected } = answers.touchpoints
  const paid = day.orders.filter(({ capturedMinor }) => capturedMinor !== null).length
  return [
    table([['', ...columns], ...rows]),
    `dead letters: ${dead.length === 0 ? 'none' : dead.join(', ')}`,
    `touchpoints: ${integer(accepted)} accepted, ${integer(duplicates)} duplicate, ${integer(rejected)} rejected; orders: ${integer(day.orders.length)}, ${integer(paid)} of them paid`,
  ].join('\n')
}

const BAR_WIDTH = 14

function channelTable(observed: Observed): string {
  const reports = MODELS.map((model) => reportOf(observed, REPORTING_CURRENCY, model))
  const linear = reports[2]
  const names = [
    ...new Set(
      [...(linear?.channels ?? []), ...reports.flatMap((said) => said?.channels ?? [])].map(({ channel }) => channel),
    ),
  ]
  // What cannot be told stands last, whatever it earned.
  names.sort((a, b) => Number(a === UNATTRIBUTED) - Number(b === UNATTRIBUTED))
  const top = Math.max(0, ...(linear?.channels ?? []).map(({ share }) => share ?? 0))
  const rows = names.map((name) => {
    const cells = reports.flatMap((said) => {
      const row = said?.channels.find(({ channel }) => channel === name)
      return row === undefined ? ['-', '-'] : [conversions(row.conversions), decimal(row.revenue)]
    })
    const share = linear?.channels.find(({ channel }) => channel === name)?.share ?? 0
    return [name, ...cells, `${(share * 100).toFixed(1)} %`, bar(top === 0 ? 0 : share / top)]
  })
  const totals = reports.flatMap((said) =>
    said === undefined ? ['-', '-'] : [conversions(said.conversions), decimal(said.credited_revenue)],
  )
  const head = [
    '',
    'first touch',
    REPORTING_CURRENCY,
    'last touch',
    REPORTING_CURRENCY,
    'linear',
    REPORTING_CURRENCY,
    'share',
    '',
  ]
  return table([head, ...rows, ['credited', ...totals, '', '']])
}

function describeMoney({ observed, orders }: Report): string {
  const { realtime } = observed
  const others = realtime.other_currencies.map(money)
  const lines = [
    `revenue since ${realtime.since}: ${money(realtime.revenue)} (captured ${decimal(realtime.captured)}, refunded ${decimal(realtime.refunded)}), ${integer(realtime.orders)} orders; ${others.join(', ')}; ${realtime.verified ? 'every entry backed by a signed delivery' : 'NOT every entry backed by a signed delivery'}`,
  ]
  for (const model of MODELS) {
    const reports = [...observed.reports.values()].map((byModel) => byModel[model])
    const sums = reports.map((said) => `${money(said.credited_revenue)} = ${decimal(said.net_revenue)}`)
    lines.push(`${mark(reports.every(isBalanced))} ${model}: credits = net revenue: ${sums.join(', ')}`)
  }
  const over = [...observed.reports.values()]
    .map(({ linear }) => linear.over_refunded)
    .filter((sum) => sum.amount_minor > 0)
  if (over.length > 0)
    lines.push(`  refunded beyond what was paid, so not taken from any credit: ${over.map(money).join(', ')}`)
  const { exact, read } = orders
  lines.push(
    `${mark(exact === read)} order by order: ${exact} of ${read} credited to the last unit, touch by touch, in every model`,
  )
  return lines.join('\n')
}

function describeRuns(observed: Observed): string {
  const rows = runsOf(observed).map((run) => [
    `run ${run.model}`,
    run.model_version,
    run.window_start.slice(0, 10),
    `${run.orders} orders`,
    `input ${run.input_hash.slice(0, 12)}`,
    `output ${run.output_hash.slice(0, 12)}`,
  ])
  return table(rows)
}

function runsOf(observed: Observed): Run[] {
  return MODELS.flatMap((model) => reportOf(observed, REPORTING_CURRENCY, model)?.runs ?? [])
}

function reportOf({ reports }: Observed, currency: string, model: Model): ChannelReport | undefined {
  return reports.get(currency)?.[model]
}

function total(answers: Answers, result: string): number {
  return sumCounts(Object.values(answers.deliveries))[result] ?? 0
}

function sumCounts(all: readonly Record<string, number>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const [name, count] of all.flatMap(Object.entries<number>)) sum[name] = (sum[name] ?? 0) + count
  return sum
}

// ---- spelling -----------------------------------------------------------------------------------------------------

/** First column to the left, numbers to the right; a column is as wide as its widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 || /^[█-▏]/.test(cell) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** In eighths of a character; what is there at all is seen. */
function bar(part: number): string {
  const eighths = Math.max(part > 0 ? 1 : 0, Math.round(part * BAR_WIDTH * 8))
  return '█'.repeat(Math.floor(eighths / 8)) + (eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'[(eighths % 8) - 1])
}

function conversions(value: number): string {
  const [whole = '0', decimals] = formatMicro(BigInt(Math.round(value * 1e6))).split('.')
  return decimals === undefined ? integer(Number(whole)) : Number(value).toFixed(2)
}

export function integer(value: number): string {
  return value.toLocaleString('en-US')
}

function money(amount: Money): string {
  return `${amount.currency} ${decimal(amount)}`
}

/** Written from the digits: no amount passes through a fraction. */
function decimal({ amount_minor: minor, currency }: Money): string {
  const decimals = DECIMALS[currency] ?? 2
  const digits = String(Math.abs(minor)).padStart(decimals + 1, '0')
  const whole = integer(Number(digits.slice(0, digits.length - decimals)))
  const rest = decimals === 0 ? '' : `.${digits.slice(-decimals)}`
  return `${minor < 0 ? '-' : ''}${whole}${rest}`
}

/** Decimals of the currencies that the demo uses (ISO 4217). */
const DECIMALS: Record<string, number> = { USD: 2, EUR: 2, JPY: 0 }

function mark(isGood: boolean): string {
  return isGood ? '✓' : '✗'
}
