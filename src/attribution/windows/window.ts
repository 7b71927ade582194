/** Days of a report that are measured as a whole. */
export interface ReportWindow {
  /** YYYY-MM-DD, both included, of the time zone. */
  from: string
  to: string
  /** IANA name. */
  timeZone: string
  currency: string
  /** True: all orders, in the reporting currency by stored rates; `currency` is that one. False: the orders in `currency`. */
  isConverted: boolean
}

/** What resamples are drawn from, by anybody who knows the window: nothing in it is secret or made up. */
export function seedOf(tenantId: string, window: ReportWindow): string {
  return `${tenantId}|${describeWindow(window)}|all`
}

/** The same text for the same window. */
export function describeWindow({ from, to, timeZone, currency, isConverted }: ReportWindow): string {
  return `${from}/${to} ${timeZone} ${currency}${isConverted ? ' converted' : ''}`
}

const DAY_MS = 86_400_000
const RECENT_DAYS = 30

/**
 * The windows that are measured whether or not somebody asks: the last 30 days, which a report is of that names none, the
 * current month and the one before, in the tenant's own time zone and currency. Throws RangeError for an unknown time zone.
 */
export function defaultWindows(
  now: Date,
  { timeZone, reportingCurrency }: { timeZone: string; reportingCurrency: string },
): ReportWindow[] {
  const today = dayOf(now, timeZone)
  const month = `${today.slice(0, 7)}-01`
  const formerLast = addDays(month, -1)
  const spans = [
    { from: addDays(today, 1 - RECENT_DAYS), to: today },
    { from: month, to: addDays(`${addDays(month, 31).slice(0, 7)}-01`, -1) },
    { from: `${formerLast.slice(0, 7)}-01`, to: formerLast },
  ]
  return spans.map((span) => ({ ...span, timeZone, currency: reportingCurrency, isConverted: false }))
}

function dayOf(at: Date, timeZone: string): string {
  // Of the Swedish forms the short one is YYYY-MM-DD, whatever the locale of the host.
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(at)
}

function addDays(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10)
}
