import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { toWireMoney } from '../money.ts'
import type { RevenueFigures } from './daily/days.ts'
import { getDailyRevenue as reportDays } from './daily/service.ts'
import type { LedgerRow } from './ledger/queries.ts'
import { listLedger } from './ledger/service.ts'
import { getRealtimeRevenue as countRevenue } from './service.ts'

/** Cacheable by the caller alone, and checked again each time: a 304 costs next to nothing. */
const CACHE_CONTROL = 'private, no-cache'
/** Where the deprecated path has gone (RFC 5829). */
const SUCCESSOR = '</api/v1/revenue/realtime>; rel="successor-version"'

type Realtime = Extract<Reply<'getRealtimeRevenueV1'>, { status: 200 }>['body']
type LedgerVendor = Realtime['sources'][number]['vendor']

async function getRealtimeRevenueV1(
  ctx: TenantContext,
  request: Request<'getRealtimeRevenueV1'>,
): Promise<Reply<'getRealtimeRevenueV1'>> {
  return await answerRealtime(ctx, request)
}

async function getRealtimeRevenue(
  ctx: TenantContext,
  request: Request<'getRealtimeRevenue'>,
): Promise<Reply<'getRealtimeRevenue'>> {
  const reply = await answerRealtime(ctx, request)
  return reply.status === 304 ? reply : { ...reply, headers: { ...reply.headers, Link: SUCCESSOR } }
}

async function answerRealtime(
  ctx: TenantContext,
  { query, headers }: Request<'getRealtimeRevenueV1'>,
): Promise<Reply<'getRealtimeRevenueV1'>> {
  const since = query.since === undefined ? undefined : new Date(query.since)
  const { etag, revenue: report } = await countRevenue(ctx, { since, ifNoneMatch: headers['if-none-match'] })
  const cache = { ETag: etag, 'Cache-Control': CACHE_CONTROL }
  if (report === null) return { status: 304, headers: cache }
  const { revenue } = report
  const money = (amountMinor: bigint) => toWireMoney(amountMinor, revenue.currency)
  return {
    status: 200,
    headers: cache,
    body: {
      tenant_id: ctx.tenantId,
      interval: 'day',
      since: report.since.toISOString(),
      time_zone: report.timeZone,
      revenue: money(revenue.capturedMinor - revenue.refundedMinor),
      captured: money(revenue.capturedMinor),
      refunded: money(revenue.refundedMinor),
      orders: revenue.orders,
      other_currencies: report.others.map((other) =>
        toWireMoney(other.capturedMinor - other.refundedMinor, other.currency),
      ),
      verified: report.verified,
      data_as_of: report.dataAsOf?.toISOString() ?? null,
      sources: report.sources.map(({ vendor, entries }) => ({ vendor: vendor as LedgerVendor, entries })),
    },
  }
}

async function listLedgerEntries(
  ctx: TenantContext,
  { query }: Request<'listLedgerEntries'>,
): Promise<Reply<'listLedgerEntries'>> {
  const filter = {
    recordedSince: toDate(query.recorded_since),
    occurredSince: toDate(query.occurred_since),
    occurredBefore: toDate(query.occurred_before),
    kind: query.kind,
    vendor: query.vendor,
    orderKey: query.order_id,
    currency: query.currency,
  }
  const { items, nextCursor } = await listLedger(ctx, filter, {
    limit: query.limit ?? 50,
    cursor: query.cursor,
    isAscending: query.sort === 'recorded',
  })
  return { status: 200, body: { items: items.map(toEntry), next_cursor: nextCursor } }
}

function toEntry(row: LedgerRow) {
  return {
    entry_id: row.entryKey,
    order_id: row.orderKey,
    kind: row.kind,
    amount: toWireMoney(row.amountMinor, row.currency),
    vendor: row.vendor as LedgerVendor,
    event_id: row.eventId,
    reverses_entry_id: row.reversesEntryKey,
    corrects_entry_id: row.correctsEntryKey,
    is_counted: row.isCounted,
    occurred_at: row.occurredAt.toISOString(),
    recorded_at: row.recordedAt.toISOString(),
    verified: row.isVerified,
  }
}

async function getDailyRevenue(
  ctx: TenantContext,
  { query }: Request<'getDailyRevenue'>,
): Promise<Reply<'getDailyRevenue'>> {
  const report = await reportDays(ctx, {
    from: query.start_date,
    to: query.end_date,
    timeZone: query.time_zone,
    currency: query.currency,
    basis: query.basis ?? 'order_date',
  })
  const { window, bridge } = report
  const money = (amountMinor: bigint) => toWireMoney(amountMinor, window.currency)
  return {
    status: 200,
    body: {
      start_date: window.from,
      end_date: window.to,
      time_zone: window.timeZone,
      currency: window.currency,
      basis: report.basis,
      as_of: report.asOf?.toISOString() ?? null,
      revenue_definition_version: report.definitionVersion,
      ...toFigures(report.total, window.currency),
      bridge: {
        order_date: money(bridge.orderDateMinor),
        refunds_after_window: money(bridge.afterWindowMinor),
        refunds_of_earlier_orders: money(bridge.ofOtherOrdersMinor),
        refund_date: money(bridge.refundDateMinor),
      },
      days: report.days.map((day) => ({
        date: day.day,
        ...toFigures(day, window.currency),
        is_complete: day.isComplete,
      })),
      other_currencies: report.otherCurrencies.map(({ currency, netMinor }) => toWireMoney(netMinor, currency)),
      verified: report.isVerified,
      sources: report.sources.map(({ vendor, entries }) => ({ vendor: vendor as LedgerVendor, entries })),
    },
  }
}

function toFigures(figures: RevenueFigures, currency: string) {
  return {
    orders: figures.orders,
    captured: toWireMoney(figures.capturedMinor, currency),
    refunded: toWireMoney(figures.refundedMinor, currency),
    disputed: toWireMoney(figures.disputedMinor, currency),
    over_refunded: toWireMoney(figures.overRefundedMinor, currency),
    net_revenue: toWireMoney(figures.netMinor, currency),
  }
}

function toDate(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text)
}

export const revenueHandlers = {
  getRealtimeRevenueV1,
  getRealtimeRevenue,
  listLedgerEntries,
  getDailyRevenue,
} satisfies Partial<Handlers>
