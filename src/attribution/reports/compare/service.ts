import { compare } from '../../../compare.ts'
import type { TenantContext } from '../../../context.ts'
import { inTenant, type Tx } from '../../../db/tenant.ts'
import { isCounted, type RevenueBasis } from '../../../revenue/daily/days.ts'
import type { ReportRequest, ReportWindow } from '../../../tenants/report-window/service.ts'
import { ATTRIBUTION_MODELS } from '../../models/registry.ts'
import type { WindowRun } from '../../windows/service.ts'
import { type ChannelFigure, type Earned, sumEarned, toFigures } from '../channels/figures.ts'
import { type ChannelLine, figuresOf, withShares } from '../channels/lines.ts'
import type { CreditRow } from '../channels/queries.ts'
import { readSpend, type Spend } from '../channels/spend.ts'
import { confidenceOf } from '../confidence.ts'
import {
  askForWindowOf,
  findMeasured,
  newestOf,
  openFrame,
  readCredits,
  readRuns,
  readTotals,
  SNAPSHOT,
  toOrders,
  type WindowTotals,
} from '../frame.ts'
import { type Figures, type ModelSetting, settingOf } from '../models/service.ts'

export interface ModelComparison {
  setting: ModelSetting
  creditedMinor: bigint
  runIds: string[]
}

export interface ComparedFigure extends ChannelLine {
  model: string
  /** Revenue less that by the baseline; null where the baseline has no run. */
  differenceMinor: bigint | null
}

export interface Comparison extends WindowTotals {
  baseline: string
  config: Figures['config']
  window: ReportWindow
  basis: RevenueBasis
  asOf: Date | null
  tiers: { tier: string; orders: number; netMinor: bigint }[]
  models: ModelComparison[]
  channels: { channel: string; spendMinor: bigint | null; figures: ComparedFigure[] }[]
  /** That has no rate into the currency of the window. */
  otherSpend: Spend['others']
}

/** Every model that has a run beside the others. Throws `validation_failed` for a window that is none. */
export async function compareModels(
  ctx: TenantContext,
  { baseline, ...request }: ReportRequest & { baseline: string; basis: RevenueBasis },
): Promise<Comparison> {
  const comparison = await inTenant(
    ctx.db.main,
    ctx,
    (tx) => readComparison(tx, ctx, { baseline, ...request }),
    SNAPSHOT,
  )
  await askForWindowOf(ctx, { ...comparison, isConverted: false })
  return comparison
}

async function readComparison(
  tx: Tx,
  ctx: TenantContext,
  { baseline, ...request }: ReportRequest & { baseline: string; basis: RevenueBasis },
): Promise<Comparison> {
  const frame = await openFrame(tx, ctx, { ...request, convert: false })
  const { window, basis, figures } = frame
  const measured = await findMeasured(tx, ctx, frame)
  const rows = await readCredits(tx, ctx, frame, { models: frame.models, dimension: 'channel' })
  const own = rows.filter((row) => row.currency === window.currency && isCounted(row, basis))
  const totals = await readTotals(tx, ctx, frame, rows)
  const runs = await readRuns(tx, ctx, frame, frame.models)
  const spend = await readSpend(tx, ctx, window, 'channel')
  const compared: { model: string; figures: ChannelFigure[]; runIds: string[] }[] = []
  const isCurrent = measured !== undefined && basis === 'order_date' && sawTheSame(measured, own, frame.models)
  for (const { name } of ATTRIBUTION_MODELS) {
    const place = frame.models.indexOf(name)
    const runIds = runs.filter(({ model }) => model === name).map(({ runId }) => runId)
    if (place !== -1 && runIds.length > 0) {
      compared.push({ model: name, figures: toFigures(own, [], place), runIds })
    }
    // A model of whole windows takes part where it saw what the others see now.
    const found = measured?.models.find((one) => one.model === name)
    if (place === -1 && found !== undefined && isCurrent) {
      compared.push({ model: name, figures: figuresOf(found.channels, []), runIds: [measured.windowRunId] })
    }
  }
  return {
    baseline,
    config: figures.config,
    window,
    basis,
    asOf: newestOf(runs),
    ...totals,
    tiers: tiersOf(own),
    models: compared.map(({ model, figures: ofModel, runIds }) => ({
      setting: settingOf(figures.config, model),
      creditedMinor: ofModel.reduce((sum, { revenueMinor }) => sum + revenueMinor, 0n),
      runIds,
    })),
    channels: compareChannels(compared, { baseline, spend: spend.rows, measured }),
    otherSpend: spend.others,
  }
}

/**
 * Whether the order-level models gave each channel what they give it now, when the window was measured: the net revenue alone
 * would not tell that touches came since.
 */
function sawTheSame(measured: WindowRun, rows: readonly CreditRow[], models: readonly string[]): boolean {
  return models.every((name, place) => {
    const then = measured.models.find(({ model }) => model === name)?.channels ?? []
    return describeEarned(then) === describeEarned(toFigures(rows, [], place))
  })
}

function describeEarned(channels: readonly (Earned & { channel: string })[]): string {
  return channels
    .filter(({ conversionMicro, revenueMinor }) => conversionMicro !== 0n || revenueMinor !== 0n)
    .map(({ channel, conversionMicro, revenueMinor }) => `${channel} ${conversionMicro} ${revenueMinor}`)
    .sort(compare)
    .join()
}

function compareChannels(
  compared: readonly { model: string; figures: readonly ChannelFigure[] }[],
  {
    baseline,
    spend,
    measured,
  }: {
    baseline: string
    spend: readonly { channel: string; spendMinor: bigint }[]
    measured: WindowRun | undefined
  },
): Comparison['channels'] {
  const names = new Set([
    ...compared.flatMap(({ figures }) => figures.map(({ channel }) => channel)),
    ...spend.map(({ channel }) => channel),
  ])
  const nothing = { conversionMicro: 0n, revenueMinor: 0n, campaign: null, day: null }
  const lines = new Map<string, ChannelLine[]>()
  for (const { model, figures } of compared) {
    const all = [...names].map((channel) => ({
      ...(figures.find((figure) => figure.channel === channel) ?? nothing),
      channel,
      spendMinor: spend.find((row) => row.channel === channel)?.spendMinor ?? null,
    }))
    lines.set(
      model,
      withShares(all).map((line) => ({
        ...line,
        confidence: confidenceOf(measured, { model, channel: line.channel }),
      })),
    )
  }
  const ofBaseline = lines.get(baseline)
  const revenueBy = (of: readonly ChannelLine[] | undefined, channel: string) =>
    of?.find((line) => line.channel === channel)?.revenueMinor ?? 0n
  const ranking = ofBaseline ?? lines.values().next().value
  return [...names]
    .sort((a, b) => {
      const [left, right] = [revenueBy(ranking, a), revenueBy(ranking, b)]
      return left === right ? (a < b ? -1 : 1) : left > right ? -1 : 1
    })
    .map((channel) => ({
      channel,
      spendMinor: spend.find((row) => row.channel === channel)?.spendMinor ?? null,
      figures: [...lines].flatMap(([model, ofModel]) => {
        const line = ofModel.find((one) => one.channel === channel)
        if (line === undefined) return []
        const differenceMinor = ofBaseline === undefined ? null : line.revenueMinor - revenueBy(ofBaseline, channel)
        return [{ ...line, model, differenceMinor }]
      }),
    }))
}

/** From the surest way on. */
const TIERS = ['visitor_id', 'click_id', 'vendor_journey', 'landing_page', 'none']

function tiersOf(rows: readonly CreditRow[]): Comparison['tiers'] {
  const byTier = Map.groupBy(rows, ({ tier }) => tier)
  return TIERS.flatMap((tier) => {
    const ofTier = byTier.get(tier)
    if (ofTier === undefined) return []
    const { conversionMicro, revenueMinor } = sumEarned(ofTier, 0)
    return [{ tier, orders: toOrders(conversionMicro), netMinor: revenueMinor }]
  })
}
