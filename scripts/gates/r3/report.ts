import type { Latency } from '../../load/latency.ts'
import { toTable } from '../../load/table.ts'

export interface Row {
  /** How many deliveries, or the rate. */
  rung: string
  scenario: string
  sent: number
  ok: number
  rows: number
  dead: number
  latency: Latency
  /** A sentence each; none: passed. */
  faults: string[]
}

export interface Report {
  seed: number
  isPassed: boolean
  rows: Row[]
  /** What concerns the run as a whole. */
  checks: { name: string; seen: string; faults: string[] }[]
  tookMs: number
}

/** Of each row; what is more is counted. */
const MAX_FAULTS = 10

export function toText({ seed, isPassed, rows, checks, tookMs }: Report): string {
  const ms = (value: number | null) => (value === null ? '-' : value.toFixed(value < 100 ? 1 : 0))
  const table = toTable(
    ['rung', 'scenario', 'sent', '2xx', 'rows', 'dead', 'p50 ms', 'p95 ms', 'p99 ms', 'verdict'],
    rows.map(({ rung, scenario, sent, ok, rows: stored, dead, latency, faults }) => [
      rung,
      scenario,
      ...[sent, ok, stored, dead].map(String),
      ...[latency.p50, latency.p95, latency.p99].map(ms),
      faults.length === 0 ? 'passed' : 'FAILED',
    ]),
    2,
  )
  const faulty = [
    ...rows.map(({ rung, scenario, faults }) => ({ of: `${rung} ${scenario}`, faults })),
    ...checks.map(({ name, faults }) => ({ of: name, faults })),
  ].filter(({ faults }) => faults.length > 0)
  return [
    `gate r3, seed ${seed}`,
    '',
    ...table,
    '',
    ...checks.map(({ name, seen, faults }) => `${faults.length === 0 ? 'passed' : 'FAILED'}  ${name}: ${seen}`),
    ...faulty.flatMap(({ of, faults }) => [
      '',
      `${of}:`,
      ...faults.slice(0, MAX_FAULTS).map((fault) => `  ${fault}`),
      ...(faults.length > MAX_FAULTS ? [`  and ${faults.length - MAX_FAULTS} more`] : []),
    ]),
    '',
    `${isPassed ? 'passed' : 'FAILED'} in ${(tookMs / 1000).toFixed(0)} s`,
    '',
  ].join('\n')
}

export function toJson({ isPassed, tookMs, ...report }: Report): string {
  return `${JSON.stringify({ passed: isPassed, took_ms: Math.round(tookMs), ...report })}\n`
}
