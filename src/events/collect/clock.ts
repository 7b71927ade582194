import { type ClockFault, findClockFault } from '../clock.ts'

/** Less than this is the way through the network, and a clock that is right. */
const TOLERANCE_MS = 60_000
/** The snippet sends again for as long what could not be sent. Whoever has read the key in a page may invent no older past. */
export const MAX_BROWSER_AGE_MS = 7 * 86_400_000

/**
 * When something happened by our clock, of which a browser says when by its own, and (`sentAt`) what that clock showed
 * when it told us. A clock that is off by more than a minute is corrected by the difference. Without `sentAt`, and where
 * the clock is right, the time stays as it is, so that the same thing sent again is at the same time.
 */
export function toServerTime({ occurredAt, sentAt, now }: { occurredAt: Date; sentAt: Date | null; now: Date }): Date {
  const offMs = sentAt === null ? 0 : now.getTime() - sentAt.getTime()
  return Math.abs(offMs) <= TOLERANCE_MS ? occurredAt : new Date(occurredAt.getTime() + offMs)
}

export function findBrowserClockFault(occurredAt: Date, now: Date): ClockFault | null {
  return findClockFault(occurredAt, now, MAX_BROWSER_AGE_MS)
}
