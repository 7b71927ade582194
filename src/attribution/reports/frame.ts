import type { TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { type BasisBridge, bridgeOf, isCounted, type RevenueBasis } from '../../revenue/daily/days.ts'
import { openWindow, type ReportRequest, type ReportWindow } from '../../tenants/report-window/service.ts'
import { askForWindow, findWindowRun, type WindowRun } from '../windows/service.ts'
import { coverageOf, sumEarned } from './channels/figures.ts'
import { type CreditRow, type Dimension, sumCredits, sumOverRefunded } from './channels/queries.ts'
import { type Figures, readFigures } from './models/service.ts'
import { listRunsBehind, type RunRow } from './runs/queries.ts'

export interface OtherCurrency {
  currency: string
  netMinor: bigint
  orders: number
}

/** What is the same for a window whatever the model. Minor units of the window's currency. */
export interface WindowTotals {
  orders: number
  netMinor: bigint
  overRefundedMinor: bigint
  /** What of the net revenue has a touch, 0 to 1; null where it is not a part of a whole. */
  coverage: number | null
  bridge: BasisBridge
  otherCurrencies: OtherCurrency[]
}

/** A window of one edition, opened to be reported on. */
export interface Frame {
  figures: Figures
  window: ReportWindow
  basis: RevenueBasis
  /** The reporting currency of the edition, which the window is in then; null: amounts stay as they are. */
  convertsTo: string | null
  /** Of order-level models. */
  models: readonly string[]
}

export async function openFrame(
  tx: Tx,
  ctx: TenantContext,
  request: ReportRequest & { basis: RevenueBasis; convert: boolean },
): Promise<Frame> {
  const { basis, convert, ...asked } = request
  const figures = await readFigures(tx, ctx.tenantId)
  // What is stored was converted by the edition, whose reporting currency is the former one until the next edition is whole.
  const { reportingCurrency } = figures.config
  if (convert && asked.currency !== undefined && asked.currency !== reportingCurrency) {
    throw new ProblemError('validation_failed', 'Amounts are converted into the reporting currency only.', {
      errors: [{ pointer: '/query/currency', code: 'convert', detail: `With convert it is ${reportingCurrency}.` }],
    })
  }
  const window = await openWindow(tx, ctx, convert ? { ...asked, currency: reportingCurrency } : asked)
  const models = figures.config.models.map(({ name }) => name)
  return { figures, window, basis, models, convertsTo: convert ? window.currency : null }
}

/** All statements of a report see the data as the first one did. */
export const SNAPSHOT = { isSnapshot: true } as const

/**
 * Has a window measured that a report was about, where that is not of now. In a transaction of its own: it writes, and is
 * to stay also where the report has no answer.
 */
export async function askForWindowOf(
  ctx: TenantContext,
  { window, basis, isConverted }: { window: ReportWindow; basis: RevenueBasis; isConverted: boolean },
): Promise<void> {
  if (basis !== 'order_date') return
  await inTenant(ctx.db.main, ctx, (tx) => askForWindow(tx, ctx, keyOf(window, isConverted)))
}

function keyOf({ from, to, timeZone, currency }: ReportWindow, isConverted: boolean) {
  return { from, to, timeZone, currency, isConverted }
}

/** What is known of the window as a whole, which it is by order date alone. */
export async function findMeasured(tx: Tx, ctx: TenantContext, frame: Frame): Promise<WindowRun | undefined> {
  const { figures, window, basis, convertsTo } = frame
  if (figures.edition === null || basis !== 'order_date') return undefined
  const { editionId } = figures.edition
  return findWindowRun(tx, ctx.tenantId, { ...keyOf(window, convertsTo !== null), editionId })
}

export async function readCredits(
  tx: Tx,
  ctx: TenantContext,
  { figures, window, basis, convertsTo, models: known }: Frame,
  { models, dimension }: { models: readonly string[]; dimension: Dimension },
): Promise<CreditRow[]> {
  const places = models.map((model) => known.indexOf(model))
  if (figures.edition === null || places.includes(-1)) return []
  const span = { ...window, editionId: figures.edition.editionId, basis }
  return sumCredits(tx, ctx.tenantId, span, { places, dimension, convertsTo })
}

export async function readRuns(tx: Tx, ctx: TenantContext, frame: Frame, models: readonly string[]): Promise<RunRow[]> {
  const { figures, window, basis } = frame
  if (figures.edition === null) return []
  const { editionId } = figures.edition
  return listRunsBehind(tx, ctx.tenantId, { ...window, editionId, models, isByRefund: basis === 'refund_date' })
}

/** By the first model of `rows`; what has no touch is the same by each of them. */
export async function readTotals(
  tx: Tx,
  ctx: TenantContext,
  frame: Frame,
  rows: readonly CreditRow[],
): Promise<WindowTotals> {
  const { figures, window, basis } = frame
  const overRefundedMinor =
    figures.edition === null
      ? 0n
      : await sumOverRefunded(tx, ctx.tenantId, { ...window, editionId: figures.edition.editionId })
  const own = rows.filter(({ currency }) => currency === window.currency)
  const counted = own.filter((row) => isCounted(row, basis))
  const { conversionMicro, revenueMinor } = sumEarned(counted, 0)
  return {
    orders: toOrders(conversionMicro),
    netMinor: revenueMinor,
    overRefundedMinor,
    coverage: coverageOf(counted, 0),
    bridge: bridgeOf(own, (row) => row.revenueMinor[0] ?? 0n),
    otherCurrencies: othersOf(rows.filter((row) => isCounted(row, basis) && row.currency !== window.currency)),
  }
}

function othersOf(rows: readonly CreditRow[]): OtherCurrency[] {
  return [...Map.groupBy(rows, ({ currency }) => currency)]
    .map(([currency, ofOne]) => {
      const { conversionMicro, revenueMinor } = sumEarned(ofOne, 0)
      return { currency, netMinor: revenueMinor, orders: toOrders(conversionMicro) }
    })
    .sort((a, b) => (a.currency < b.currency ? -1 : 1))
}

/** The conversions of an order are millionths that sum to one whole. */
export function toOrders(conversionMicro: bigint): number {
  return Number(conversionMicro / 1_000_000n)
}

export function newestOf(runs: readonly RunRow[]): Date | null {
  return runs.length === 0 ? null : new Date(Math.max(...runs.map(({ dataCutoff }) => dataCutoff.getTime())))
}
