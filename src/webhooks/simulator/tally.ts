import type { Planned } from './plan.ts'

/** What became of one attempt. */
export interface Outcome {
  /** Null when no answer came. */
  status: number | null
  /** Why none came: `timed out`, or the system's code such as ECONNREFUSED. */
  failure: string | null
  /** `result` and `code` of our own receipts, where the answer is one. */
  result: string | null
  code: string | null
  /** What a problem document says. */
  detail: string | null
  latencyMs: number
}

export interface Tally {
  /** Deliveries that are done with, repeats included. */
  deliveries: number
  repeats: number
  /** Requests, retries included. */
  attempts: number
  /** Of all attempts, by status or failure. */
  statuses: Record<string, number>
  /** By the `result` of the receipt. */
  results: Record<string, number>
  /** Of dead deliveries, by the receipt's code. */
  dead: Record<string, number>
  unexpected: number
  /** The first few deliveries that were not answered as they should be. */
  examples: string[]
  latenciesMs: number[]
  /** Milliseconds from the first attempt to the last answer. */
  tookMs: number
  interrupted: boolean
}

const MAX_EXAMPLES = 5

export function newTally(): Tally {
  return {
    deliveries: 0,
    repeats: 0,
    attempts: 0,
    statuses: {},
    results: {},
    dead: {},
    unexpected: 0,
    examples: [],
    latenciesMs: [],
    tookMs: 0,
    interrupted: false,
  }
}

export function countAttempt(tally: Tally, outcome: Outcome): void {
  tally.attempts += 1
  tally.latenciesMs.push(outcome.latencyMs)
  count(tally.statuses, String(outcome.status ?? outcome.failure))
}

/** The last attempt of a delivery; `expected` says what should have been answered. */
export function countDelivery(
  tally: Tally,
  { delivery, isRepeat }: Planned,
  outcome: Outcome,
  { isExpected, expected }: { isExpected: boolean; expected: string },
): void {
  tally.deliveries += 1
  if (isRepeat) tally.repeats += 1
  if (outcome.result !== null) count(tally.results, outcome.result)
  if (outcome.result === 'dead') count(tally.dead, outcome.code ?? 'unknown')
  if (isExpected) return
  tally.unexpected += 1
  if (tally.examples.length === MAX_EXAMPLES) return
  const detail = outcome.detail === null ? '' : `: ${outcome.detail}`
  const answer = outcome.status === null ? `no answer (${outcome.failure})` : `${outcome.status}${detail}`
  tally.examples.push(`${delivery.topic}, seed ${delivery.seed}: ${expected} expected, ${answer}`)
}

export function isAsExpected(tally: Tally): boolean {
  return tally.unexpected === 0 && !tally.interrupted
}

/** The nearest-rank percentile of sorted numbers; null of none. */
export function percentile(sorted: readonly number[], percent: number): number | null {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? null
}

export function latencies({ latenciesMs }: Tally): Record<'p50' | 'p95' | 'p99' | 'max', number | null> {
  const sorted = Float64Array.from(latenciesMs).sort()
  const at = (percent: number) => {
    const value = percentile(sorted as unknown as readonly number[], percent)
    return value === null ? null : Math.round(value * 10) / 10
  }
  return { p50: at(50), p95: at(95), p99: at(99), max: at(100) }
}

/** Attempts per second, and null when there is no time to divide by. */
export function ratePerS({ attempts, tookMs }: Tally): number | null {
  return tookMs < 1 ? null : Math.round((attempts / tookMs) * 10_000) / 10
}

export function toText(tally: Tally): string {
  const { p50, p95, p99, max } = latencies(tally)
  const rate = ratePerS(tally)
  const rows: [string, string][] = [
    ['deliveries', `${tally.deliveries}${tally.repeats === 0 ? '' : ` (${tally.repeats} of them repeats)`}`],
    ['requests', `${tally.attempts} in ${(tally.tookMs / 1000).toFixed(1)} s${rate === null ? '' : `, ${rate}/s`}`],
    ['answers', listed(tally.statuses)],
    ...((Object.keys(tally.results).length === 0 ? [] : [['results', listed(tally.results)]]) as [string, string][]),
    ...((Object.keys(tally.dead).length === 0 ? [] : [['dead', listed(tally.dead)]]) as [string, string][]),
    ['latency', p50 === null ? 'none' : `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms, max ${max} ms`],
    ['as expected', tally.unexpected === 0 ? 'all' : `all but ${tally.unexpected}`],
  ]
  const lines = rows.map(([name, value]) => `${name.padEnd(12)}${value}`)
  const more = tally.unexpected - tally.examples.length
  return [
    ...lines,
    ...tally.examples.map((example) => `  ${example}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...(tally.interrupted ? ['interrupted before all was sent'] : []),
    '',
  ].join('\n')
}

export function toJson(tally: Tally): object {
  const { latenciesMs: _, tookMs, repeats, interrupted, ...counts } = tally
  return {
    ok: isAsExpected(tally),
    ...counts,
    repeats,
    interrupted,
    took_ms: Math.round(tookMs),
    rate_per_s: ratePerS(tally),
    latency_ms: latencies(tally),
  }
}

function listed(counts: Record<string, number>): string {
  const entries = Object.entries(counts).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return entries.length === 0 ? 'none' : entries.map(([name, number]) => `${name}: ${number}`).join(', ')
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}
