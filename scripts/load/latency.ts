import { percentile } from '../../src/webhooks/simulator/tally.ts'

/** Milliseconds; null of no answers. */
export interface Latency {
  p50: number | null
  p95: number | null
  p99: number | null
}

export function latencyOf(milliseconds: readonly number[]): Latency {
  const sorted = milliseconds.toSorted((left, right) => left - right)
  return { p50: percentile(sorted, 50), p95: percentile(sorted, 95), p99: percentile(sorted, 99) }
}
