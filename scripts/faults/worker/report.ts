import { median } from '../../bench/auth-turns.ts'
import { toTable } from '../../load/table.ts'

/** What may pass between the end of a worker and the moment at which another one runs its job. */
export const MAX_TAKEOVER_MS = 15_000

export interface Takeover {
  queue: string
  /** Milliseconds since the kill: until the job runs elsewhere, and until it is done once nothing holds it up. */
  runningMs: number
  doneMs: number
}

export interface Report {
  seed: number
  takeovers: Takeover[]
  /** Orders and ledger sums that were compared with those of a tenant in peace. */
  effects: number
  failures: string[]
  tookMs: number
}

const seconds = (ms: number) => (ms / 1_000).toFixed(1)

export function toText({ seed, takeovers, effects, failures, tookMs }: Report): string {
  const rows = [...Map.groupBy(takeovers, ({ queue }) => queue)].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return [
    `faults worker, seed ${seed}: seconds from kill -9 of the worker that has a job`,
    '',
    ...toTable(
      ['queue', 'kills', 'running elsewhere, median', 'worst', 'done, worst', 'verdict'],
      rows.map(([queue, of]) => {
        const running = of.map(({ runningMs }) => runningMs)
        const worst = Math.max(...running)
        return [
          queue,
          String(of.length),
          seconds(median(running)),
          seconds(worst),
          seconds(Math.max(...of.map(({ doneMs }) => doneMs))),
          worst <= MAX_TAKEOVER_MS ? 'passed' : 'FAILED',
        ]
      }),
      1,
    ),
    '',
    `${effects} orders and ledger sums beside those of a tenant in peace`,
    ...(failures.length === 0 ? [] : ['', ...failures.slice(0, 20).map((failure) => `  ${failure}`)]),
    '',
    `${failures.length === 0 ? `passed: within ${MAX_TAKEOVER_MS / 1_000} s each time, lost 0, doubled 0` : 'FAILED'} in ${seconds(tookMs)} s`,
    '',
  ].join('\n')
}

export function toJson({ tookMs, ...report }: Report): string {
  return `${JSON.stringify({ passed: report.failures.length === 0, took_ms: Math.round(tookMs), ...report })}\n`
}
