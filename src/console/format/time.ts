/**
 * An instant (RFC 3339) in a time zone, which stands beside it: `Nov 20, 2026, 9:31:07 AM EST`. What cannot be read is
 * returned as it is.
 */
export function formatInstant(instant: string, timeZone = 'UTC', locale?: string): string {
  const time = new Date(instant)
  if (Number.isNaN(time.getTime())) return instant
  const options: Intl.DateTimeFormatOptions = {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  }
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone }).format(time)
  } catch {
    // A zone that this browser does not know.
    return new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' }).format(time)
  }
}

/** `2026-11-19` → `Nov 19, 2026`. */
export function formatDay(day: string, locale?: string): string {
  const time = new Date(`${day}T00:00:00Z`)
  if (Number.isNaN(time.getTime())) return day
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: 'UTC' }).format(time)
}

/** The reader's own clock, for what the page itself did: `14:31:07`. */
export function formatClock(time: number, locale?: string): string {
  return new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit', second: '2-digit' }).format(time)
}

/** Seconds as people say them: `0.4 s`, `45 s`, `12 min`, `3 h`, `2 d`; always rounded down. */
export function formatDuration(seconds: number): string {
  if (seconds < 1) return `${Math.floor(seconds * 10) / 10} s`
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** The last `days` days in UTC, today included, as the contract takes them. */
export function lastDays(days: number, now: Date): { start_date: string; end_date: string } {
  const day = (offset: number) => new Date(now.getTime() - offset * 86_400_000).toISOString().slice(0, 10)
  return { start_date: day(days - 1), end_date: day(0) }
}
