import type { TenantContext } from '../context.ts'
import { inTenant, type Tx } from '../db/tenant.ts'
import { ProblemError } from '../problem/problem.ts'
import { enqueue, type JobContext } from '../queue/job.ts'
import { getTenant } from '../tenants/queries.ts'
import { creditJourneys, hashInput, hashOutput } from './credit.ts'
import { recomputeTouched, runRecompute } from './jobs.ts'
import { LOOKBACK_HOURS, MODEL_VERSION, MODELS, type Model } from './models.ts'
import {
  beginRecompute,
  type ChannelRow,
  failRecompute,
  findOrder,
  findPublishedInputHash,
  findRecomputeJob,
  listOrderCredits,
  listOrderDays,
  listPublishedRuns,
  lockTenant,
  type OrderCreditRow,
  type OrderRow,
  publishRun,
  type RecomputeJobRow,
  type RunRow,
  readInputs,
  type Span,
  succeedRecompute,
  sumByChannel,
  upsertRecomputeJob,
} from './queries.ts'

const DAY_MS = 86_400_000
const LOOKBACK_MS = LOOKBACK_HOURS * 3_600_000
/** How many days one report, and one recompute, may span. */
export const MAX_REPORT_DAYS = 366
export const MAX_RECOMPUTE_DAYS = 92

const WORKER = { executionContext: 'worker' } as const

/**
 * Queues the recompute of what new data touches, in the transaction that writes the data. `times` are those of new
 * touches and orders: both count for orders up to a lookback later (an earlier order uses touches up).
 */
export async function requestRecomputeOf(
  tx: Tx,
  ctx: TenantContext,
  { orderKeys, times }: { orderKeys: readonly string[]; times: readonly Date[] },
): Promise<void> {
  if (orderKeys.length === 0 && times.length === 0) return
  const ms = times.map((time) => time.getTime())
  await enqueue(tx, recomputeTouched, ctx, {
    from: ms.length === 0 ? '' : new Date(Math.min(...ms)).toISOString(),
    to: ms.length === 0 ? '' : new Date(Math.max(...ms)).toISOString(),
    orderKeys: [...new Set(orderKeys)].join(' '),
  })
}

/** Recomputes the days that a batch of new data touched, each once. Stops between two days when `signal` aborts. */
export async function recomputeTouchedDays(
  ctx: TenantContext,
  batch: readonly { from: string; to: string; orderKeys: string }[],
  signal: AbortSignal,
): Promise<void> {
  const spans = batch
    .filter(({ from }) => from !== '')
    .map(({ from, to }) => ({ from: new Date(from), to: new Date(Date.parse(to) + LOOKBACK_MS) }))
  const orderKeys = [...new Set(batch.flatMap((job) => (job.orderKeys === '' ? [] : job.orderKeys.split(' '))))]
  const touched = { spans: mergeSpans(spans), orderKeys }
  const days = await inTenant(ctx.db.main, ctx, (tx) => listOrderDays(tx, ctx.tenantId, touched), WORKER)
  for (const day of days) {
    signal.throwIfAborted()
    await recomputeDay(ctx, day)
  }
}

/** The same times in spans that do not overlap: one old touch must not make a span of everything since. */
function mergeSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = []
  for (const span of spans.toSorted((a, b) => a.from.getTime() - b.from.getTime())) {
    const last = merged.at(-1)
    if (last === undefined || span.from > last.to) merged.push({ ...span })
    else if (span.to > last.to) last.to = span.to
  }
  return merged
}

/**
 * Computes all models for the orders of one UTC day and publishes them, in one transaction: until it commits, the
 * runs that were published before keep answering. A model whose inputs did not change keeps its run.
 */
export function recomputeDay(ctx: TenantContext, day: string): Promise<void> {
  return inTenant(
    ctx.db.main,
    ctx,
    async (tx) => {
      await lockTenant(tx, ctx.tenantId)
      const { journeys, dataCutoff } = await readInputs(tx, ctx.tenantId, day)
      for (const model of MODELS) {
        const inputHash = hashInput(model, MODEL_VERSION, journeys)
        const publishedHash = await findPublishedInputHash(tx, ctx.tenantId, model, day)
        if (publishedHash === inputHash || (publishedHash === undefined && journeys.length === 0)) continue
        const { credits, totals } = creditJourneys(model, journeys)
        const run = {
          tenantId: ctx.tenantId,
          model,
          modelVersion: MODEL_VERSION,
          day,
          dataCutoff,
          inputHash,
          outputHash: hashOutput(model, MODEL_VERSION, credits),
          orders: journeys.length,
        }
        await publishRun(tx, run, totals, credits)
      }
    },
    WORKER,
  )
}

export interface RecomputeJob extends RecomputeJobRow {
  /** The runs that answer for its days now. */
  runs: RunRow[]
}

/** Queues a recompute of whole UTC days, both included. Throws `validation_failed` for a span that is not one. */
export function requestRecompute(
  ctx: TenantContext,
  userId: string,
  { from, to }: { from: string; to: string },
): Promise<RecomputeJob> {
  requireSpan({ from, to }, MAX_RECOMPUTE_DAYS, '/body')
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const { tenantId } = ctx
    const jobId = await upsertRecomputeJob(tx, { tenantId, from, to, modelVersion: MODEL_VERSION, requestedBy: userId })
    await enqueue(tx, runRecompute, ctx, { jobId })
    return requireRecomputeJob(tx, ctx, jobId)
  })
}

/** Throws `not_found`. */
export function getRecomputeJob(ctx: TenantContext, jobId: string): Promise<RecomputeJob> {
  return inTenant(ctx.db.main, ctx, (tx) => requireRecomputeJob(tx, ctx, jobId))
}

async function requireRecomputeJob(tx: Tx, ctx: TenantContext, jobId: string): Promise<RecomputeJob> {
  const job = await findRecomputeJob(tx, ctx.tenantId, jobId)
  if (job === undefined) throw notFound()
  const span = { from: toDay(job.windowStart), to: lastDay(job) }
  return { ...job, runs: await listPublishedRuns(tx, ctx.tenantId, { ...span, model: null }) }
}

/** Ends a requested recompute that is not tried any more, or whose member may not ask for it any more. */
export async function giveUpRecompute(ctx: JobContext, jobId: string): Promise<void> {
  const [{ jobId: runId }] = ctx.attempts
  await inTenant(ctx.db.main, ctx, (tx) => failRecompute(tx, ctx.tenantId, jobId, runId), WORKER)
}

/** Carries out a requested recompute. It is at work until it succeeds or the queue gives it up. */
export async function runRecomputeJob(ctx: JobContext, jobId: string, signal: AbortSignal): Promise<void> {
  const { tenantId } = ctx
  const [{ jobId: runId, number: attempt }] = ctx.attempts
  const run = { jobId, runId, attempt }
  const days = await inTenant(
    ctx.db.main,
    ctx,
    async (tx) => {
      if (!(await beginRecompute(tx, tenantId, run))) return null
      const job = await findRecomputeJob(tx, tenantId, jobId)
      if (job === undefined) return null
      const span = { from: job.windowStart, to: new Date(job.windowEnd.getTime() - 1) }
      return listOrderDays(tx, tenantId, { spans: [span], orderKeys: [] })
    },
    WORKER,
  )
  if (days === null) return
  for (const day of days) {
    signal.throwIfAborted()
    await recomputeDay(ctx, day)
  }
  await inTenant(ctx.db.main, ctx, (tx) => succeedRecompute(tx, tenantId, run), WORKER)
}

export interface ChannelReportRequest {
  model: Model
  /** UTC days, both included; default the last 30, today included. */
  from: string | undefined
  to: string | undefined
  /** Default: the tenant's reporting currency. */
  currency: string | undefined
}

export interface ChannelReport {
  model: Model
  modelVersion: string
  from: string
  to: string
  currency: string
  /** Newest data that any of the runs saw; null without a run. */
  asOf: Date | null
  /** Share of net revenue that has an identified touch, 0..1; null without revenue. */
  coverage: number | null
  orders: number
  netMinor: bigint
  creditedMinor: bigint
  overRefundedMinor: bigint
  channels: ChannelRow[]
  /** What stands in other currencies: never converted, never added. */
  otherCurrencies: { currency: string; netMinor: bigint; orders: number }[]
  runs: RunRow[]
}

/** What each channel earned in a span of order days. Throws `validation_failed` for a span that is not one. */
export function getChannelAttribution(ctx: TenantContext, request: ChannelReportRequest): Promise<ChannelReport> {
  const to = request.to ?? toDay(ctx.clock())
  const from = request.from ?? toDay(new Date(Date.parse(to) - 29 * DAY_MS))
  requireSpan({ from, to }, MAX_REPORT_DAYS, '/query')
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const currency = request.currency ?? (await getTenant(tx, ctx.tenantId)).reportingCurrency
    const { model } = request
    const runs = await listPublishedRuns(tx, ctx.tenantId, { from, to, model })
    const channels = await sumByChannel(tx, ctx.tenantId, { from, to, model, currency })
    const totals = sumTotals(runs)
    const own = totals.get(currency)
    const netMinor = own?.netMinor ?? 0n
    return {
      model,
      modelVersion: MODEL_VERSION,
      from,
      to,
      currency,
      asOf: runs.length === 0 ? null : new Date(Math.max(...runs.map((run) => run.dataCutoff.getTime()))),
      coverage: own === undefined || netMinor === 0n ? null : Number(own.attributedMinor) / Number(netMinor),
      orders: own?.orders ?? 0,
      netMinor,
      creditedMinor: channels.reduce((sum, channel) => sum + channel.revenueMinor, 0n),
      overRefundedMinor: own?.overRefundedMinor ?? 0n,
      channels,
      otherCurrencies: [...totals]
        .filter(([code]) => code !== currency)
        .map(([code, total]) => ({ currency: code, netMinor: total.netMinor, orders: total.orders }))
        .sort((a, b) => (a.currency < b.currency ? -1 : 1)),
      runs,
    }
  })
}

interface Totals {
  orders: number
  netMinor: bigint
  attributedMinor: bigint
  overRefundedMinor: bigint
}

function sumTotals(runs: readonly RunRow[]): Map<string, Totals> {
  const sums = new Map<string, Totals>()
  for (const total of runs.flatMap((run) => run.totals)) {
    const sum = sums.get(total.currency) ?? { orders: 0, netMinor: 0n, attributedMinor: 0n, overRefundedMinor: 0n }
    sums.set(total.currency, {
      orders: sum.orders + total.orders,
      netMinor: sum.netMinor + BigInt(total.netMinor),
      attributedMinor: sum.attributedMinor + BigInt(total.attributedMinor),
      overRefundedMinor: sum.overRefundedMinor + BigInt(total.overRefundedMinor),
    })
  }
  return sums
}

export interface OrderCredits extends OrderRow {
  overRefundedMinor: bigint
  netMinor: bigint
  models: { model: Model; modelVersion: string; runId: string; credits: OrderCreditRow[] }[]
}

/** Which touches an order's revenue went to, by model. Throws `not_found` for an order without money. */
export function getOrderCredits(ctx: TenantContext, orderKey: string): Promise<OrderCredits> {
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const order = await findOrder(tx, ctx.tenantId, orderKey)
    if (order === undefined) throw notFound()
    const rows = await listOrderCredits(tx, ctx.tenantId, order.orderKey, toDay(order.orderedAt), order.currency)
    const models = MODELS.flatMap((model) => {
      const credits = rows.filter((row) => row.model === model)
      const [first] = credits
      return first === undefined ? [] : [{ model, modelVersion: first.modelVersion, runId: first.runId, credits }]
    })
    const appliedMinor = order.refundedMinor < order.capturedMinor ? order.refundedMinor : order.capturedMinor
    return {
      ...order,
      overRefundedMinor: order.refundedMinor - appliedMinor,
      netMinor: order.capturedMinor - appliedMinor,
      models,
    }
  })
}

function requireSpan({ from, to }: { from: string; to: string }, maxDays: number, at: string): void {
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1
  // A start that was not given lies up to 29 days before the end, and before the year 1 there are no dates (RFC 3339).
  const isDate = from >= '0001-01-01'
  if (days >= 1 && days <= maxDays && isDate) return
  const tooLong = isDate
    ? `At most ${maxDays} days can be asked for, these are ${days}.`
    : 'It begins before the year 1.'
  const detail = days < 1 ? 'end_date is before start_date.' : tooLong
  throw new ProblemError('validation_failed', 'The span of days is not valid.', {
    errors: [{ pointer: `${at}/end_date`, code: 'span', detail }],
  })
}

function notFound(): ProblemError {
  return new ProblemError('not_found', 'There is nothing at this address.')
}

function toDay(time: Date): string {
  return time.toISOString().slice(0, 10)
}

function lastDay(job: RecomputeJobRow): string {
  return toDay(new Date(job.windowEnd.getTime() - DAY_MS))
}
