import { toTable } from '../load/table.ts'
import type { Answers } from './attribution-answers.ts'
import type { Published, Windowed } from './attribution-worker.ts'

const MAX_MB = 512
const MAX_INCREMENTAL = 0.03
const MAX_MARKOV_S = 5
/** The counter of today without change, over a read of nothing: processor time of the API. */
const MAX_UNCHANGED = 1.3
/** And over one that is added up: milliseconds at the caller. */
const AIM_UNCHANGED = 0.1
const AIM_REPORT_S = 1

export interface AttributionRow extends Published {
  name: string
  mustMs: number | null
  orders: number
  credits: number
}

export interface AttributionReport {
  rows: AttributionRow[]
  /** All days of the last of them, by the channel-level model. */
  window: Windowed
  /** Of the API, about the last of them. */
  answers: Answers
  /** After the last of them: one order in a hundred has a new touch, of the last day or of every day. The median of some rounds. */
  incremental: (Published & { name: string; changed: number; share: number })[]
  /** All orders of the last scenario, by the row by row method's own rate. */
  baseline: { orders: number; ms: number; allMs: number }
  load: number
}

interface Goal {
  goal: string
  value: number
  /** At most. */
  limit: number
  /** Whether the bench fails without it. */
  isMust: boolean
  isMet: boolean
}

function must(goal: string, value: number, limit: number): Goal {
  return { goal, value, limit, isMust: true, isMet: value <= limit }
}

function aim(goal: string, value: number, limit: number): Goal {
  return { ...must(goal, value, limit), isMust: false }
}

export function judge({ rows, window, answers, incremental }: AttributionReport): Goal[] {
  const { unchanged, counted } = answers.calls
  return [
    ...rows.flatMap(({ name, ms, mustMs, peakMb }) => [
      ...(mustMs === null ? [] : [must(`${name}: seconds`, ms / 1_000, mustMs / 1_000)]),
      must(`${name}: peak memory, MB`, peakMb, MAX_MB),
    ]),
    must(
      'a window of all days, Markov and its resamples: seconds',
      (window.readMs + window.markovMs) / 1_000,
      MAX_MARKOV_S,
    ),
    must('a window of all days, Markov and its resamples: peak memory, MB', window.markovPeakMb, MAX_MB),
    aim('a window of all days, every model: peak memory, MB', window.peakMb, MAX_MB),
    ...incremental.map(({ name, share }) =>
      must(`one order in a hundred ${name}, over all: time`, share, MAX_INCREMENTAL),
    ),
    must('counter of today, 304 over a read of nothing: processor time', answers.unchangedOverEmpty.cpu, MAX_UNCHANGED),
    aim('counter of today, 304 over a read of nothing: time', answers.unchangedOverEmpty.ms, MAX_UNCHANGED),
    aim('counter of today, 304 over added up: time', unchanged.ms / counted.ms, AIM_UNCHANGED),
    ...answers.reports.map(({ operation, p50Ms }) =>
      aim(`${operation} over all days, p50: seconds`, p50Ms / 1_000, AIM_REPORT_S),
    ),
  ]
}

export function print(
  { rows, window, answers, incremental, baseline, load }: AttributionReport,
  goals: readonly Goal[],
): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`
  const full = rows.at(-1)?.ms ?? Number.NaN
  const isMet = goals.every((goal) => goal.isMet || !goal.isMust)
  return [
    ...toTable(
      ['', 'orders', 'credits', 'time', 'processor', 'of the database', 'peak memory'],
      rows.map(({ name, orders, credits, ms, cpuMs, databaseCpuMs, peakMb }) => [
        name,
        String(orders),
        String(credits),
        seconds(ms),
        seconds(cpuMs),
        seconds(databaseCpuMs),
        `${peakMb.toFixed(0)} MB`,
      ]),
      1,
    ),
    '',
    ...incremental.map(
      ({ name, changed, ms, cpuMs, databaseCpuMs }) =>
        `${changed} changed orders ${name}, median of the rounds: ${seconds(ms)} (processor ${seconds(cpuMs)}, of the database ${seconds(databaseCpuMs)})`,
    ),
    `a window of ${window.conversions} journeys with an order, ${window.open} without, ${window.touches} touches: read in ${seconds(window.readMs)}, Markov with its resamples ${seconds(window.markovMs)}, with every other model ${seconds(window.allMs)} (processor ${seconds(window.cpuMs)}, of the database ${seconds(window.databaseCpuMs)}, peak memory ${window.peakMb.toFixed(0)} MB)`,
    `row by row: ${baseline.orders} orders in ${seconds(baseline.ms)}, so all in ${seconds(baseline.allMs)}: ${(baseline.allMs / full).toFixed(1)} times as long, for one model and in floating point`,
    '',
    ...toTable(
      ['asked over HTTP', 'ms, p50', 'ms, slowest'],
      answers.reports.map(({ operation, p50Ms, slowestMs }) => [operation, p50Ms.toFixed(0), slowestMs.toFixed(0)]),
      1,
    ),
    '',
    ...toTable(
      ['asked over HTTP', 'ms, p50', 'processor us'],
      Object.values(answers.calls).map(({ name, ms, cpuMicros }) => [name, ms.toFixed(3), cpuMicros.toFixed(0)]),
      1,
    ),
    '',
    ...goals.map(
      ({ goal, value, limit, isMust, isMet: ok }) =>
        `${ok ? 'met   ' : 'MISSED'}  ${isMust ? 'must' : 'aim '}  ${goal}: ${value.toFixed(3)} (at most ${limit})`,
    ),
    `load of the machine at the end: ${load.toFixed(1)}`,
    isMet ? 'verdict: everything that must hold does' : 'verdict: something that must hold does not',
    '',
  ].join('\n')
}
