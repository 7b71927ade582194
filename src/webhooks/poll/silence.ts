const HOUR_MS = 3_600_000
/** No shop is so busy that less means anything. */
export const LEAST_SILENCE_MS = 6 * HOUR_MS
/** Of the gap that one in a hundred is longer than. */
const TIMES_P99 = 10
/** Of the longest gap: a shop that is closed each night, or on Sundays, has one that p99 does not see. */
const TIMES_LONGEST = 1.5
/** With fewer, nothing is known of an endpoint's rhythm, and nobody is alarmed. */
const LEAST_GAPS = 20

/** What an endpoint's history of 28 days says. */
export interface DeliveryRhythm {
  gaps: number
  /** Of the gaps between deliveries, in seconds; null without one. */
  p99Seconds: number | null
  longestSeconds: number | null
}

/**
 * Milliseconds after which an endpoint counts as silent: the longest of six hours, ten times the gap that 99 of 100 gaps of
 * the last 28 days stay under, and one and a half times the longest of these gaps. Null: not known yet.
 */
export function silenceLimit({ gaps, p99Seconds, longestSeconds }: DeliveryRhythm): number | null {
  if (gaps < LEAST_GAPS || p99Seconds === null || longestSeconds === null) return null
  return Math.max(LEAST_SILENCE_MS, TIMES_P99 * p99Seconds * 1000, TIMES_LONGEST * longestSeconds * 1000)
}
