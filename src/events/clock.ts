/** A sender's clock may be ahead by this much. */
const FUTURE_TOLERANCE_MS = 5 * 60_000
const DAY_MS = 86_400_000

/** What is sent as it happens: older touches cannot count for any report that can be asked for. */
export const MAX_EVENT_AGE_MS = 2 * 365 * DAY_MS
/** What a file of history may hold. */
export const MAX_IMPORT_AGE_MS = 10 * 365 * DAY_MS

export type ClockFault = 'occurred_in_future' | 'occurred_too_long_ago'

/** Whether a time can be true: not later than now, for a clock that is a little fast, and not older than `maxAgeMs`. */
export function findClockFault(occurredAt: Date, now: Date, maxAgeMs: number): ClockFault | null {
  const aheadMs = occurredAt.getTime() - now.getTime()
  if (aheadMs > FUTURE_TOLERANCE_MS) return 'occurred_in_future'
  return aheadMs < -maxAgeMs ? 'occurred_too_long_ago' : null
}
