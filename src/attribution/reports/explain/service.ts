import type { TenantContext } from '../../../context.ts'
import { inTenant, type Tx } from '../../../db/tenant.ts'
import { ProblemError } from '../../../problem/problem.ts'
import type { RevenueBasis } from '../../../revenue/daily/days.ts'
import { openWindow, type ReportRequest, toLocalDay } from '../../../tenants/report-window/service.ts'
import { ratioOf } from '../channels/figures.ts'
import { type ChannelOrderRow, listChannelOrders } from '../channels/queries.ts'
import { type ChannelReport, readChannelReport } from '../channels/service.ts'
import type { Confidence } from '../confidence.ts'
import { askForWindowOf, SNAPSHOT } from '../frame.ts'
import { type Figures, type ModelSetting, readFigures, settingOf } from '../models/service.ts'
import { type CreditLine, readOrderCredits } from '../orders/service.ts'
import type { ExplainedTouch } from '../orders/touches.ts'
import { type Citation, describeChannel, describeOrder } from './text.ts'

const MAX_PARTS = 100

export interface ExplanationRequest extends ReportRequest {
  model: string
  basis: RevenueBasis
}

export interface ExplanationPart {
  kind: 'credit' | 'order'
  channel: string
  orderKey: string | null
  touchExternalId: string | null
  /** Of the order's net revenue; null where it is not a part of it. */
  weight: number | null
  conversionMicro: bigint
  amountMinor: bigint
}

/** Minor units of `currency`; the parts and the rest sum to the total. */
export interface Explanation {
  text: string
  citations: Citation[]
  setting: ModelSetting
  config: Figures['config']
  from: string
  to: string
  timeZone: string
  currency: string
  basis: RevenueBasis
  asOf: Date
  coverage: number | null
  totalMinor: bigint
  parts: ExplanationPart[]
  rest: { parts: number; amountMinor: bigint }
  touches: ExplainedTouch[]
  confidence: Confidence | null
}

/** How an order's revenue was divided. Throws `not_found`, `model_not_order_level`, and `validation_failed` for a window that is none. */
export function explainOrder(
  ctx: TenantContext,
  orderKey: string,
  { model, basis, ...request }: ExplanationRequest,
): Promise<Explanation> {
  return inTenant(
    ctx.db.main,
    ctx,
    async (tx) => {
      const window = await openWindow(tx, ctx, request)
      const order = await readOrderCredits(tx, ctx, { orderKey, model })
      const [credited] = order.models
      if (credited === undefined || order.asOf === null) throw notFound()
      const { currency, capturedMinor, refundedMinor, netMinor, config, touches } = order
      const setting = settingOf(config, model)
      const eligible = touches.filter(({ position }) => position !== null).length
      const day = await toLocalDay(tx, order.orderedAt, window.timeZone)
      const excluded = Object.fromEntries(
        [...Map.groupBy(touches, ({ exclusion }) => exclusion)].flatMap(([reason, list]) =>
          reason === null ? [] : [[reason, list.length]],
        ),
      )
      const { text, citations } = describeOrder({
        title: model,
        currency,
        capturedMinor,
        refundedMinor,
        netMinor,
        lookbackDays: config.lookbackDays,
        eligible,
        excluded,
      })
      const parts = credited.credits.map(toCreditPart).sort((a, b) => Number(b.amountMinor - a.amountMinor))
      return {
        text,
        citations,
        setting,
        config,
        from: day,
        to: day,
        timeZone: window.timeZone,
        currency,
        basis,
        asOf: order.asOf,
        coverage: netMinor > 0n ? Number(eligible > 0) : null,
        totalMinor: netMinor,
        ...divide(parts, parts.length, netMinor),
        touches,
        confidence: null,
      }
    },
    SNAPSHOT,
  )
}

function toCreditPart({ channel, touchExternalId, conversionMicro, revenueMinor }: CreditLine): ExplanationPart {
  return {
    kind: 'credit',
    channel,
    orderKey: null,
    touchExternalId,
    weight: Number(conversionMicro) / 1_000_000,
    conversionMicro,
    amountMinor: revenueMinor,
  }
}

/** Which orders gave a channel its revenue. Throws `not_found` where the model has no run, and `validation_failed` for a window that is none. */
export async function explainChannel(
  ctx: TenantContext,
  channel: string,
  request: ExplanationRequest,
): Promise<Explanation> {
  const { report, behind } = await inTenant(
    ctx.db.main,
    ctx,
    async (tx) => {
      const report = await readChannelReport(tx, ctx, { ...request, groupBy: 'channel', convert: false })
      return { report, behind: await readOrders(tx, ctx, channel, report) }
    },
    SNAPSHOT,
  )
  await askForWindowOf(ctx, report)
  const { window, basis, setting, asOf } = report
  if (asOf === null) throw notFound()
  const line = report.channels.find((one) => one.channel === channel)
  const totalMinor = line?.revenueMinor ?? 0n
  const isOrderLevel = setting.model.level === 'order'
  const { text, citations } = describeChannel({
    title: setting.model.name,
    channel,
    currency: window.currency,
    creditedMinor: totalMinor,
    netMinor: report.netMinor,
    creditedOrders: isOrderLevel ? behind.count : null,
    orders: report.orders,
  })
  return {
    text,
    citations,
    setting,
    config: report.config,
    from: window.from,
    to: window.to,
    timeZone: window.timeZone,
    currency: window.currency,
    basis,
    asOf,
    coverage: report.coverage,
    totalMinor,
    ...divide(
      behind.orders.map((order) => toOrderPart(order, channel)),
      isOrderLevel ? behind.count : report.orders,
      totalMinor,
    ),
    touches: [],
    confidence: line?.confidence ?? null,
  }
}

async function readOrders(
  tx: Tx,
  ctx: TenantContext,
  channel: string,
  { window, basis, setting }: ChannelReport,
): Promise<{ orders: ChannelOrderRow[]; count: number }> {
  const { edition, config } = await readFigures(tx, ctx.tenantId)
  const place = config.models.findIndex(({ name }) => name === setting.model.name)
  if (edition === null || place === -1) return { orders: [], count: 0 }
  const span = { ...window, editionId: edition.editionId, basis }
  return listChannelOrders(tx, ctx.tenantId, span, { place, channel, currency: window.currency, limit: MAX_PARTS })
}

function toOrderPart(
  { orderKey, revenueMinor, conversionMicro, netMinor }: ChannelOrderRow,
  channel: string,
): ExplanationPart {
  const weight = ratioOf(revenueMinor, netMinor)
  return { kind: 'order', channel, orderKey, touchExternalId: null, weight, conversionMicro, amountMinor: revenueMinor }
}

/** The largest parts, and what the others are together. */
function divide(
  parts: readonly ExplanationPart[],
  count: number,
  totalMinor: bigint,
): Pick<Explanation, 'parts' | 'rest'> {
  const listed = parts.slice(0, MAX_PARTS)
  const listedMinor = listed.reduce((sum, { amountMinor }) => sum + amountMinor, 0n)
  return { parts: listed, rest: { parts: count - listed.length, amountMinor: totalMinor - listedMinor } }
}

function notFound(): ProblemError {
  return new ProblemError('not_found', 'There is nothing at this address.')
}
