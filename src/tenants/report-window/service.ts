import type { TenantContext } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { isTimeZone } from '../time-zone.ts'
import { findLocalDay, prepareForReport, resolveWindow } from './queries.ts'

const DAY_MS = 86_400_000

/** How many days one report may span. */
export const MAX_REPORT_DAYS = 366

export interface ReportRequest {
  /** Days, both included; default the last 30, today included. */
  from: string | undefined
  to: string | undefined
  /** IANA name; default the tenant's. */
  timeZone: string | undefined
  /** Default: the tenant's reporting currency. */
  currency: string | undefined
}

/** The days of a report, and the instants that they are. */
export interface ReportWindow {
  from: string
  to: string
  /** In the time zone of the report. */
  today: string
  timeZone: string
  currency: string
  reportingCurrency: string
  /** Instants as Postgres writes them: the first is in the window, the second is not. */
  startsAt: string
  endsAt: string
}

/** For one report in this transaction. Throws `validation_failed` for a time zone that there is not, and for days that are no span of 1 to 366. */
export async function openWindow(tx: Tx, ctx: TenantContext, request: ReportRequest): Promise<ReportWindow> {
  const { from, to, timeZone, currency } = request
  requireDates(request)
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    throw invalid('/query/time_zone', 'time_zone', 'There is no such time zone.')
  }
  await prepareForReport(tx)
  const window = await resolveWindow(tx, ctx.tenantId, { from, to, timeZone, now: ctx.clock() })
  requireSpan(window)
  return { ...window, currency: currency ?? window.reportingCurrency }
}

/** The days of the window, ascending. */
export function listDays({ from, to }: { from: string; to: string }): string[] {
  return Array.from({ length: countDays({ from, to }) }, (_, index) => toDay(Date.parse(from) + index * DAY_MS))
}

/** The day (YYYY-MM-DD) on which an instant lies in a time zone. */
export function toLocalDay(tx: Tx, at: Date, timeZone: string): Promise<string> {
  return findLocalDay(tx, at, timeZone)
}

/** A start that is not given lies 29 days before the end, and before the year 1 there are no dates (RFC 3339). */
function requireDates({ from, to }: ReportRequest): void {
  const first = from ?? (to === undefined ? to : toDay(Date.parse(to) - 29 * DAY_MS))
  if (first !== undefined && first < '0001-01-01') throw spanFault('It begins before the year 1.')
  if (from !== undefined && to !== undefined) requireSpan({ from, to })
}

function requireSpan(span: { from: string; to: string }): void {
  const days = countDays(span)
  if (days < 1) throw spanFault('end_date is before start_date.')
  if (days > MAX_REPORT_DAYS) {
    throw spanFault(`At most ${MAX_REPORT_DAYS} days can be asked for, these are ${days}.`)
  }
}

function countDays({ from, to }: { from: string; to: string }): number {
  return (Date.parse(to) - Date.parse(from)) / DAY_MS + 1
}

/** Years before 0 have a sign, which sorts before all digits. */
function toDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function spanFault(detail: string): ProblemError {
  return invalid('/query/end_date', 'span', detail)
}

function invalid(pointer: string, code: string, detail: string): ProblemError {
  return new ProblemError('validation_failed', 'The window of the report is not valid.', {
    errors: [{ pointer, code, detail }],
  })
}
