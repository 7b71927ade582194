import { requireUser } from '../auth/principal.ts'
import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { toWireMoney } from '../money.ts'
import { UNATTRIBUTED } from './models.ts'
import type { OrderCreditRow, RunRow } from './queries.ts'
import {
  getOrderCredits as explainOrder,
  getRecomputeJob as getJob,
  requestRecompute as queueRecompute,
  type RecomputeJob,
  getChannelAttribution as reportChannels,
} from './service.ts'

async function requestRecompute(
  ctx: TenantContext,
  { body }: Request<'requestRecompute'>,
): Promise<Reply<'requestRecompute'>> {
  const span = { from: body.start_date, to: body.end_date }
  const job = await queueRecompute(ctx, requireUser(ctx).userId, span)
  ctx.log.setBindings({ businessId: job.jobId })
  ctx.log.debug('a recompute was asked for')
  return { status: 202, headers: { Location: `/api/attribution/recompute/${job.jobId}` }, body: toJob(job) }
}

async function getRecomputeJob(
  ctx: TenantContext,
  { params }: Request<'getRecomputeJob'>,
): Promise<Reply<'getRecomputeJob'>> {
  return { status: 200, body: toJob(await getJob(ctx, params.job_id)) }
}

async function getChannelAttribution(
  ctx: TenantContext,
  { query }: Request<'getChannelAttribution'>,
): Promise<Reply<'getChannelAttribution'>> {
  const report = await reportChannels(ctx, {
    model: query.model ?? 'last_touch',
    from: query.start_date,
    to: query.end_date,
    currency: query.currency,
  })
  const { currency, creditedMinor } = report
  return {
    status: 200,
    body: {
      model: report.model,
      model_version: report.modelVersion,
      start_date: report.from,
      end_date: report.to,
      time_zone: 'UTC',
      currency,
      basis: 'order_date',
      as_of: report.asOf?.toISOString() ?? null,
      coverage: report.coverage,
      conversions: report.orders,
      net_revenue: toWireMoney(report.netMinor, currency),
      credited_revenue: toWireMoney(creditedMinor, currency),
      over_refunded: toWireMoney(report.overRefundedMinor, currency),
      channels: report.channels.map(({ channel, conversionMicro, revenueMinor }) => ({
        channel: channel as Channel,
        conversions: fromMicro(conversionMicro),
        revenue: toWireMoney(revenueMinor, currency),
        share: creditedMinor === 0n ? null : Number(revenueMinor) / Number(creditedMinor),
      })),
      other_currencies: report.otherCurrencies.map((other) => ({
        net_revenue: toWireMoney(other.netMinor, other.currency),
        conversions: other.orders,
      })),
      runs: report.runs.map(toRun),
    },
  }
}

async function getOrderCredits(
  ctx: TenantContext,
  { params }: Request<'getOrderCredits'>,
): Promise<Reply<'getOrderCredits'>> {
  const order = await explainOrder(ctx, params.order_id)
  const { currency } = order
  return {
    status: 200,
    body: {
      order_id: params.order_id,
      ordered_at: order.orderedAt.toISOString(),
      currency,
      captured: toWireMoney(order.capturedMinor, currency),
      refunded: toWireMoney(order.refundedMinor, currency),
      over_refunded: toWireMoney(order.overRefundedMinor, currency),
      net_revenue: toWireMoney(order.netMinor, currency),
      identity_tier: order.hasIdentity ? 'visitor_id' : 'none',
      models: order.models.map(({ model, modelVersion, runId, credits }) => ({
        model,
        model_version: modelVersion,
        run_id: runId,
        credits: credits.map((credit) => toCredit(credit, currency)),
      })),
    },
  }
}

type Channel = Extract<Reply<'getChannelAttribution'>, { status: 200 }>['body']['channels'][number]['channel']

function toCredit(row: OrderCreditRow, currency: string) {
  return {
    position: row.channel === UNATTRIBUTED ? null : row.position + 1,
    channel: row.channel as Channel,
    touchpoint_event_id: row.touchExternalId,
    touched_at: row.touchedAt?.toISOString() ?? null,
    weight: fromMicro(row.conversionMicro),
    conversions: fromMicro(row.conversionMicro),
    revenue: toWireMoney(row.revenueMinor, currency),
  }
}

function toRun(run: RunRow) {
  return {
    run_id: run.runId,
    model: run.model,
    model_version: run.modelVersion,
    window_start: run.windowStart.toISOString(),
    window_end: run.windowEnd.toISOString(),
    data_cutoff: run.dataCutoff.toISOString(),
    input_hash: run.inputHash,
    output_hash: run.outputHash,
    orders: run.orders,
    net_revenue: run.totals.map(({ netMinor, currency }) => toWireMoney(BigInt(netMinor), currency)),
  }
}

function toJob(job: RecomputeJob) {
  return {
    job_id: job.jobId,
    status: job.status,
    start_date: job.windowStart.toISOString().slice(0, 10),
    end_date: new Date(job.windowEnd.getTime() - 1).toISOString().slice(0, 10),
    run_count: job.runCount,
    requested_at: job.requestedAt.toISOString(),
    finished_at: job.finishedAt?.toISOString() ?? null,
    runs: job.runs.map(toRun),
  }
}

/** Millionths to a decimal: exact to the sixth digit. */
function fromMicro(micro: bigint): number {
  return Number(micro) / 1_000_000
}

export const attributionHandlers = {
  requestRecompute,
  getRecomputeJob,
  getChannelAttribution,
  getOrderCredits,
} satisfies Partial<Handlers>
