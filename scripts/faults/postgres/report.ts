import { toTable } from '../../load/table.ts'

export const MAX_GROWTH_MB = 50
/** What may pass from the moment at which Postgres takes connections again. */
export const MAX_RESUME_MS = 15_000

export interface ProcessRow {
  name: string
  /**
   * Megabytes of memory (RSS) under the same load: before, at the end of the time that Postgres is away, and after, each
   * without garbage; and the most of that time, with it.
   */
  beforeMb: number
  peakMb: number
  awayMb: number
  afterMb: number
  hasEnded: boolean
}

export interface Report {
  seed: number
  awayS: number
  processes: ProcessRow[]
  /** Milliseconds until it is well again, and what it was that is. */
  resumed: { what: string; ms: number }[]
  answers: Record<string, number>
  stored: { what: string; acknowledged: number; faults: number }[]
  failures: string[]
  tookMs: number
}

/** Of what is kept; what waits for the garbage collection is no growth. */
export const growth = ({ beforeMb, awayMb, afterMb }: ProcessRow) => Math.max(awayMb, afterMb) - beforeMb

export function toText({ seed, awayS, processes, resumed, answers, stored, failures, tookMs }: Report): string {
  const verdict = (isGood: boolean) => (isGood ? 'passed' : 'FAILED')
  const mb = (value: number) => value.toFixed(0)
  return [
    `faults postgres, seed ${seed}: Postgres away for ${awayS} s`,
    '',
    ...toTable(
      ['process', 'ended', 'MB before', 'away', 'after', 'growth', 'with garbage', 'verdict'],
      processes.map((row) => [
        row.name,
        row.hasEnded ? 'yes' : 'no',
        mb(row.beforeMb),
        mb(row.awayMb),
        mb(row.afterMb),
        mb(growth(row)),
        mb(row.peakMb),
        verdict(!row.hasEnded && growth(row) <= MAX_GROWTH_MB),
      ]),
      2,
    ),
    '',
    ...toTable(
      ['well again', 'ms', 'verdict'],
      resumed.map(({ what, ms }) => [what, mb(ms), verdict(ms <= MAX_RESUME_MS)]),
      1,
    ),
    '',
    ...toTable(
      ['what', 'acknowledged', 'lost or doubled', 'verdict'],
      stored.map(({ what, acknowledged, faults }) => [
        what,
        String(acknowledged),
        String(faults),
        verdict(faults === 0),
      ]),
      1,
    ),
    '',
    `answers  ${Object.entries(answers)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([answer, count]) => `${answer}: ${count}`)
      .join(', ')}`,
    ...(failures.length === 0 ? [] : ['', ...failures.slice(0, 20).map((failure) => `  ${failure}`)]),
    '',
    `${failures.length === 0 ? 'passed: no process ended, all resumed, memory stayed, lost 0' : 'FAILED'} in ${(tookMs / 1_000).toFixed(0)} s`,
    '',
  ].join('\n')
}

export function toJson({ tookMs, ...report }: Report): string {
  return `${JSON.stringify({ passed: report.failures.length === 0, took_ms: Math.round(tookMs), ...report })}\n`
}
