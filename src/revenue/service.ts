import { createHash } from 'node:crypto'
import type { TenantContext } from '../context.ts'
import { inTenant } from '../db/tenant.ts'
import { matchesTag } from '../etag.ts'
import { ProblemError } from '../problem/problem.ts'
import { getTenant } from '../tenants/queries.ts'
import { getStartOfDay, getWatermark, sumRevenue, type VendorRevenue } from './queries.ts'

export interface CurrencyRevenue {
  currency: string
  capturedMinor: bigint
  refundedMinor: bigint
  orders: number
}

export interface RealtimeRevenue {
  etag: string
  since: Date
  timeZone: string
  revenue: CurrencyRevenue
  others: CurrencyRevenue[]
  /** Ledger entries by vendor. */
  sources: { vendor: string; entries: number }[]
  verified: boolean
  dataAsOf: Date | null
}

const MAX_SPAN_MS = 31 * 86_400_000

/**
 * Money that moved since `since` (default: 00:00 today in the tenant's time zone), by the vendors' own times. The ETag
 * is strong: whatever is recorded changes it, and an unchanged one is answered by its tag alone, without adding up.
 */
export function getRealtimeRevenue(
  ctx: TenantContext,
  request: { since: Date | undefined; ifNoneMatch: string | undefined },
): Promise<RealtimeRevenue | { etag: string; revenue: null }> {
  const now = ctx.clock()
  if (request.since !== undefined) requireRecent(request.since, now)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const tenant = await getTenant(tx, ctx.tenantId)
    const since = request.since ?? (await getStartOfDay(tx, tenant.timeZone, now))
    const watermark = await getWatermark(tx, ctx.tenantId, since)
    const place = [ctx.tenantId, since.toISOString(), tenant.reportingCurrency, tenant.timeZone]
    const etag = toEtag([...place, watermark.recorded, watermark.newest])
    if (matchesTag(request.ifNoneMatch, etag)) return { etag, revenue: null }
    const rows = await sumRevenue(tx, ctx.tenantId, since)
    const totals = sumBy(rows, ({ currency }) => currency, addRevenue)
    const nothing = { currency: tenant.reportingCurrency, capturedMinor: 0n, refundedMinor: 0n, orders: 0 }
    return {
      etag,
      since,
      timeZone: tenant.timeZone,
      revenue: totals.find(({ currency }) => currency === tenant.reportingCurrency) ?? nothing,
      others: totals.filter(({ currency }) => currency !== tenant.reportingCurrency),
      sources: sumBy(rows, ({ vendor }) => vendor, addEntries),
      verified: rows.length > 0 && rows.every(({ entries, verified }) => entries === verified),
      dataAsOf: rows.length === 0 ? null : new Date(Math.max(...rows.map(({ newest }) => newest.getTime()))),
    }
  })
}

/** One sum for each key, in order of the keys. */
function sumBy<T>(
  rows: readonly VendorRevenue[],
  keyOf: (row: VendorRevenue) => string,
  add: (sum: T | undefined, row: VendorRevenue) => T,
): T[] {
  const sums = new Map<string, T>()
  for (const row of rows) sums.set(keyOf(row), add(sums.get(keyOf(row)), row))
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum)
}

function addRevenue(sum: CurrencyRevenue | undefined, row: VendorRevenue): CurrencyRevenue {
  return {
    currency: row.currency,
    capturedMinor: (sum?.capturedMinor ?? 0n) + row.capturedMinor,
    refundedMinor: (sum?.refundedMinor ?? 0n) + row.refundedMinor,
    orders: (sum?.orders ?? 0) + row.orders,
  }
}

function addEntries(sum: { vendor: string; entries: number } | undefined, { vendor, entries }: VendorRevenue) {
  return { vendor, entries: (sum?.entries ?? 0) + entries }
}

function requireRecent(since: Date, now: Date): void {
  const age = now.getTime() - since.getTime()
  if (age >= 0 && age <= MAX_SPAN_MS) return
  const detail = age < 0 ? 'since lies in the future.' : 'since lies more than 31 days back.'
  throw new ProblemError('validation_failed', 'The span of time is not valid.', {
    errors: [{ pointer: '/query/since', code: 'span', detail }],
  })
}

function toEtag(parts: unknown[]): string {
  const text = parts.map((part) => (part instanceof Date ? part.toISOString() : String(part))).join('|')
  return `"${createHash('sha256').update(text).digest('base64url')}"`
}
