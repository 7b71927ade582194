import type { RequestFigures } from '../context.ts'
import { isFailure } from '../problem/problem.ts'

export interface RequestWindow {
  /** `durationMs` from the arrival of the headers to the answer's being written. */
  note(status: number, durationMs: number): void
  read(): RequestFigures
}

const SECONDS = 60
/** Steps of a duration that doubles: a percentile is at most 9 % above the truth. */
const STEPS = 8
/** The lowest is all below 1/16 ms, the highest all above 65 s. */
const LOWEST_POWER = -4
const BUCKETS = 20 * STEPS

/**
 * Counts of the last minute in whole seconds, in 40 kB whatever comes. A note takes 0.1 us (measured).
 * `now` is a monotonic clock in milliseconds.
 */
export function createRequestWindow(now: () => number = () => performance.now()): RequestWindow {
  const counts = new Uint32Array(SECONDS * BUCKETS)
  const failures = new Uint32Array(SECONDS)
  /** Which second each row is of. */
  const seconds = new Float64Array(SECONDS).fill(-1)

  return {
    note(status, durationMs) {
      const second = Math.floor(now() / 1_000)
      const row = second % SECONDS
      if (seconds[row] !== second) {
        seconds[row] = second
        failures[row] = 0
        counts.fill(0, row * BUCKETS, (row + 1) * BUCKETS)
      }
      const at = row * BUCKETS + bucketOf(durationMs)
      counts[at] = (counts[at] as number) + 1
      if (isFailure(status)) failures[row] = (failures[row] as number) + 1
    },
    read() {
      const oldest = Math.floor(now() / 1_000) - SECONDS
      const sums = new Float64Array(BUCKETS)
      let total = 0
      let failed = 0
      for (let row = 0; row < SECONDS; row += 1) {
        if ((seconds[row] as number) <= oldest) continue
        failed += failures[row] as number
        for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
          const count = counts[row * BUCKETS + bucket] as number
          sums[bucket] = (sums[bucket] as number) + count
          total += count
        }
      }
      return {
        perMinute: total,
        errorRatio: total === 0 ? null : failed / total,
        durationP50Ms: percentile(sums, total, 0.5),
        durationP99Ms: percentile(sums, total, 0.99),
      }
    },
  }
}

function bucketOf(durationMs: number): number {
  const bucket = Math.ceil((Math.log2(durationMs) - LOWEST_POWER) * STEPS)
  // A clock that stood still gives 0, whose logarithm is no number of ours.
  return bucket > 0 ? Math.min(bucket, BUCKETS - 1) : 0
}

/** The upper bound of the bucket that it falls in; null without requests. */
function percentile(sums: Float64Array, total: number, share: number): number | null {
  if (total === 0) return null
  let seen = 0
  const bucket = sums.findIndex((count) => {
    seen += count
    return seen >= total * share
  })
  return 2 ** (bucket / STEPS + LOWEST_POWER)
}
