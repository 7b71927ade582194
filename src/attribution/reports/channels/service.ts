import type { TenantContext } from '../../../context.ts'
import { inTenant, type Tx } from '../../../db/tenant.ts'
import { type BasisBridge, isCounted, type RevenueBasis } from '../../../revenue/daily/days.ts'
import type { ReportRequest, ReportWindow } from '../../../tenants/report-window/service.ts'
import type { WindowRun } from '../../windows/service.ts'
import { confidenceOf } from '../confidence.ts'
import {
  askForWindowOf,
  type Frame,
  findMeasured,
  newestOf,
  openFrame,
  readCredits,
  readRuns,
  readTotals,
  SNAPSHOT,
  type WindowTotals,
} from '../frame.ts'
import { type Figures, type ModelSetting, settingOf } from '../models/service.ts'
import type { RunRow } from '../runs/queries.ts'
import { byDay, byRevenue, sumEarned, toChannels, toFigures } from './figures.ts'
import { type ChannelLine, figuresOf, withShares } from './lines.ts'
import type { CreditRow, Dimension } from './queries.ts'
import { readSpend, type Spend } from './spend.ts'

const MAX_CAMPAIGNS = 1_000

export interface ChannelReportRequest extends ReportRequest {
  model: string
  basis: RevenueBasis
  groupBy: Dimension
  /** All orders in the reporting currency, by stored rates. */
  convert: boolean
}

export interface ChannelReport extends Omit<WindowTotals, 'bridge'> {
  setting: ModelSetting
  config: Figures['config']
  window: ReportWindow
  basis: RevenueBasis
  groupBy: Dimension
  isConverted: boolean
  /** What was recorded until then is in the figures; null without a run. */
  asOf: Date | null
  creditedMinor: bigint
  /** Null for a channel-level model. */
  bridge: BasisBridge | null
  channels: ChannelLine[]
  groups: Omit<ChannelLine, 'confidence'>[]
  /** The groups that are not among them. */
  rest: { groups: number; conversionMicro: bigint; revenueMinor: bigint }
  /** That has no rate into the currency of the window. */
  otherSpend: Spend['others']
  runs: RunRow[]
}

/**
 * What each channel earned in a window, by one model. Throws `validation_failed` for a window that is none, and for a
 * currency beside the one that amounts are converted into.
 */
export async function getChannelReport(ctx: TenantContext, request: ChannelReportRequest): Promise<ChannelReport> {
  const report = await inTenant(ctx.db.main, ctx, (tx) => readChannelReport(tx, ctx, request), SNAPSHOT)
  await askForWindowOf(ctx, report)
  return report
}

/** As `getChannelReport`, in the transaction of the caller. */
export async function readChannelReport(
  tx: Tx,
  ctx: TenantContext,
  request: ChannelReportRequest,
): Promise<ChannelReport> {
  const frame = await openFrame(tx, ctx, request)
  const setting = settingOf(frame.figures.config, request.model)
  const measured = await findMeasured(tx, ctx, frame)
  const asked = { frame, setting, measured, groupBy: request.groupBy }
  return setting.model.level === 'channel' ? reportChannelLevel(tx, ctx, asked) : reportOrderLevel(tx, ctx, asked)
}

interface Reported {
  frame: Frame
  setting: ModelSetting
  measured: WindowRun | undefined
  groupBy: Dimension
}

async function reportOrderLevel(tx: Tx, ctx: TenantContext, asked: Reported): Promise<ChannelReport> {
  const { frame, setting, measured, groupBy } = asked
  const { window, basis } = frame
  const model = setting.model.name
  const grouped = await readCredits(tx, ctx, frame, { models: [model], dimension: groupBy })
  const rows = groupBy === 'channel' ? grouped : toChannels(grouped)
  const own = rows.filter((row) => row.currency === window.currency && isCounted(row, basis))
  const spend = await readSpend(tx, ctx, window, 'channel')
  const channels = withShares(toFigures(own, spend.rows, 0).sort(byRevenue))
  const runs = await readRuns(tx, ctx, frame, [model])
  return {
    ...describe(frame, setting, groupBy),
    ...(await readTotals(tx, ctx, frame, rows)),
    asOf: newestOf(runs),
    creditedMinor: sumEarned(own, 0).revenueMinor,
    channels: channels.map((line) => ({
      ...line,
      confidence: confidenceOf(measured, { model, channel: line.channel }),
    })),
    ...(groupBy === 'channel' ? noGroups() : await readGroups(tx, ctx, frame, { rows: grouped, dimension: groupBy })),
    otherSpend: spend.others,
    runs,
  }
}

/** Of a model that answers for windows as a whole: what it found when it last ran over this one. */
async function reportChannelLevel(tx: Tx, ctx: TenantContext, asked: Reported): Promise<ChannelReport> {
  const { frame, setting, measured, groupBy } = asked
  const { window, basis, models } = frame
  const model = setting.model.name
  const rows = await readCredits(tx, ctx, frame, { models: models.slice(0, 1), dimension: 'channel' })
  const totals = await readTotals(tx, ctx, frame, rows)
  const found = basis === 'order_date' ? measured?.models.find((one) => one.model === model) : undefined
  const spend = await readSpend(tx, ctx, window, 'channel')
  const common = {
    ...describe(frame, setting, groupBy),
    bridge: null,
    ...noGroups(),
    otherSpend: spend.others,
  }
  if (measured === undefined || found === undefined) {
    return { ...totals, ...common, asOf: null, creditedMinor: 0n, channels: [], runs: [] }
  }
  const lines = withShares(figuresOf(found.channels, spend.rows).sort(byRevenue))
  return {
    ...totals,
    ...common,
    orders: measured.orders,
    netMinor: measured.netMinor,
    coverage: measured.coverage,
    asOf: measured.dataCutoff,
    creditedMinor: lines.reduce((sum, { revenueMinor }) => sum + revenueMinor, 0n),
    channels: lines.map((line) => ({ ...line, confidence: confidenceOf(measured, { model, channel: line.channel }) })),
    runs: [toRun(measured, { frame, model, modelVersion: found.modelVersion })],
  }
}

async function readGroups(
  tx: Tx,
  ctx: TenantContext,
  frame: Frame,
  { rows, dimension }: { rows: readonly CreditRow[]; dimension: Dimension },
): Promise<Pick<ChannelReport, 'groups' | 'rest'>> {
  const { window, basis } = frame
  const own = rows.filter((row) => row.currency === window.currency && isCounted(row, basis))
  const figures = toFigures(own, (await readSpend(tx, ctx, window, dimension)).rows, 0)
  const lines = withShares(figures.sort(dimension === 'day' ? byDay : byRevenue))
  const groups = dimension === 'day' ? lines : lines.slice(0, MAX_CAMPAIGNS)
  const left = lines.slice(groups.length)
  return {
    groups,
    rest: {
      groups: left.length,
      conversionMicro: left.reduce((sum, { conversionMicro }) => sum + conversionMicro, 0n),
      revenueMinor: left.reduce((sum, { revenueMinor }) => sum + revenueMinor, 0n),
    },
  }
}

function noGroups(): Pick<ChannelReport, 'groups' | 'rest'> {
  return { groups: [], rest: { groups: 0, conversionMicro: 0n, revenueMinor: 0n } }
}

function describe({ figures, window, basis, convertsTo }: Frame, setting: ModelSetting, groupBy: Dimension) {
  return { setting, config: figures.config, window, basis, groupBy, isConverted: convertsTo !== null }
}

/** A run over the whole window in the form of the others. */
function toRun(
  run: WindowRun,
  { frame, model, modelVersion }: { frame: Frame; model: string; modelVersion: string },
): RunRow {
  return {
    runId: run.windowRunId,
    model,
    modelVersion,
    edition: frame.figures.edition?.number ?? 1,
    version: 1,
    previousRunId: null,
    cause: 'data',
    windowStart: run.startsAt,
    windowEnd: run.endsAt,
    dataCutoff: run.dataCutoff,
    inputHash: run.inputHash,
    outputHash: run.outputHash,
    orders: run.orders,
    ordersChanged: run.orders,
    totals: [{ currency: frame.window.currency, netMinor: String(run.netMinor) }],
    changes: [],
  }
}
