import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { toWireMoney } from '../money.ts'
import { getRealtimeRevenue } from './service.ts'

/** Cacheable by the caller alone, and checked again each time: a 304 costs next to nothing. */
const CACHE_CONTROL = 'private, no-cache'

type LedgerVendor = Extract<Reply<'getRealtimeRevenueV1'>, { status: 200 }>['body']['sources'][number]['vendor']

async function getRealtimeRevenueV1(
  ctx: TenantContext,
  { query, headers }: Request<'getRealtimeRevenueV1'>,
): Promise<Reply<'getRealtimeRevenueV1'>> {
  const since = query.since === undefined ? undefined : new Date(query.since)
  const report = await getRealtimeRevenue(ctx, { since, ifNoneMatch: headers['if-none-match'] })
  const cache = { ETag: report.etag, 'Cache-Control': CACHE_CONTROL }
  if (report.revenue === null) return { status: 304, headers: cache }
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

export const revenueHandlers = { getRealtimeRevenueV1 } satisfies Partial<Handlers>
