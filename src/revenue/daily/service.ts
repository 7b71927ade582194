import type { TenantContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import { listDays, openWindow, type ReportRequest, type ReportWindow } from '../../tenants/report-window/service.ts'
import {
  type BasisBridge,
  type DayRow,
  isCounted,
  type RevenueBasis,
  type RevenueFigures,
  sumFigures,
  toDailyFigures,
} from './days.ts'
import { getRevenueDefinition, sumByDay } from './queries.ts'

export interface DailyRevenue {
  window: ReportWindow
  basis: RevenueBasis
  definitionVersion: number
  /** When the newest entry was recorded; null without one. */
  asOf: Date | null
  total: RevenueFigures
  bridge: BasisBridge
  /** All days of the window; one that has not ended is not complete. */
  days: ({ day: string; isComplete: boolean } & RevenueFigures)[]
  /** Net revenue of each other currency, in order of its code. */
  otherCurrencies: { currency: string; netMinor: bigint }[]
  /** Rows of the ledger by vendor, in order of the name. */
  sources: { vendor: string; entries: number }[]
  isVerified: boolean
}

/** The ledger of a window, day by day. Throws `validation_failed` as `openWindow` does. */
export function getDailyRevenue(
  ctx: TenantContext,
  { basis, ...request }: ReportRequest & { basis: RevenueBasis },
): Promise<DailyRevenue> {
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const window = await openWindow(tx, ctx, request)
    const definition = await getRevenueDefinition(tx, ctx.tenantId)
    const rows = await sumByDay(tx, ctx.tenantId, window, { basis, definition })
    const counted = rows.filter((row) => isCounted(row, basis))
    const byCurrency = Map.groupBy(rows, ({ currency }) => currency)
    const figures = toDailyFigures(byCurrency.get(window.currency) ?? [], listDays(window), basis)
    return {
      window,
      basis,
      definitionVersion: definition.version,
      asOf: counted.length === 0 ? null : new Date(Math.max(...counted.map(({ newest }) => newest.getTime()))),
      total: figures.total,
      bridge: figures.bridge,
      days: figures.days.map((day) => ({ ...day, isComplete: day.day < window.today })),
      otherCurrencies: netOfOthers(
        Map.groupBy(counted, ({ currency }) => currency),
        window.currency,
      ),
      sources: countByVendor(counted),
      isVerified: counted.length > 0 && counted.every(({ entries, verified }) => entries === verified),
    }
  })
}

function netOfOthers(byCurrency: ReadonlyMap<string, DayRow[]>, own: string): DailyRevenue['otherCurrencies'] {
  return [...byCurrency]
    .filter(([currency]) => currency !== own)
    .map(([currency, rows]) => ({ currency, netMinor: sumFigures(rows).netMinor }))
    .sort((a, b) => (a.currency < b.currency ? -1 : 1))
}

function countByVendor(rows: readonly DayRow[]): DailyRevenue['sources'] {
  return [...Map.groupBy(rows, ({ vendor }) => vendor)]
    .map(([vendor, ofVendor]) => ({ vendor, entries: ofVendor.reduce((sum, { entries }) => sum + entries, 0) }))
    .sort((a, b) => (a.vendor < b.vendor ? -1 : 1))
}
