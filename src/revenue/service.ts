import { hash } from 'node:crypto'
import type { AppContext, TenantContext } from '../context.ts'
import { inTenant } from '../db/tenant.ts'
import { matchesTag } from '../etag.ts'
import { ProblemError } from '../problem/problem.ts'
import { type Answers, type Calculated, CoolingDown, createAnswers } from './answers.ts'
import { getWatermark, type Seal, sumRevenue, type VendorRevenue, type Watermark } from './queries.ts'

export interface CurrencyRevenue {
  currency: string
  capturedMinor: bigint
  refundedMinor: bigint
  orders: number
}

export interface RealtimeRevenue {
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
/** A transaction that records for longer than a seal is old is found out after this. */
const MAX_SEAL_AGE_MS = 60_000
const MAX_SEALS = 1_000

interface Counter {
  answers: Answers<RealtimeRevenue>
  seals: Map<string, Seal & { madeMs: number }>
}

/** By process: contexts of requests are copies that share its pools. */
const counters = new WeakMap<AppContext['db'], Counter>()

function counterOf({ db }: Pick<AppContext, 'db'>): Counter {
  const found = counters.get(db)
  if (found !== undefined) return found
  const now = () => performance.now()
  const options = { maxAnswers: 1_000, patienceMs: 250, maxStaleMs: 60_000, coolDownMs: 5_000, now }
  const counter: Counter = { answers: createAnswers(options), seals: new Map() }
  counters.set(db, counter)
  return counter
}

/**
 * Money that moved since `since` (default: 00:00 today in the tenant's time zone), by the vendors' own times. The ETag
 * is strong: whatever is recorded changes it, and an unchanged one is answered by its tag alone, without adding up.
 * It is added up once for all who ask for the same span. While that takes long or fails, the figures before are given
 * for up to a minute, under their own tag; without them it throws `service_unavailable`, with `Retry-After`.
 */
export async function getRealtimeRevenue(
  ctx: TenantContext,
  request: { since: Date | undefined; ifNoneMatch: string | undefined },
): Promise<{ etag: string; revenue: RealtimeRevenue | null }> {
  if (request.since !== undefined) requireRecent(request.since, ctx.clock())
  const watermark = await readWatermark(ctx, request.since)
  const current = toEtag(ctx, watermark, watermark.recorded)
  if (matchesTag(request.ifNoneMatch, current)) return { etag: current, revenue: null }
  const key = placeOf(ctx, watermark)
  const calculated = await counterOf(ctx)
    .answers.get(key, watermark.recorded, () => calculate(ctx, watermark))
    .catch(refuseForNow)
  const etag = toEtag(ctx, watermark, calculated.recorded)
  return { etag, revenue: matchesTag(request.ifNoneMatch, etag) ? null : calculated.answer }
}

async function readWatermark(ctx: TenantContext, since: Date | undefined): Promise<Watermark> {
  const { seals } = counterOf(ctx)
  const key = `${ctx.tenantId} ${since?.toISOString() ?? 'day'}`
  const known = seals.get(key)
  const isFresh = known !== undefined && performance.now() - known.madeMs <= MAX_SEAL_AGE_MS
  const seal = isFresh ? known : undefined
  const watermark = await inTenant(
    ctx.db.main,
    ctx,
    (tx) => getWatermark(tx, ctx.tenantId, { since, now: ctx.clock(), seal }),
    { isOneRead: true },
  )
  seals.delete(key)
  // A seal that grows out of another one is as old as that.
  seals.set(key, { ...watermark.seal, madeMs: seal?.madeMs ?? performance.now() })
  const [oldest] = seals.keys()
  if (seals.size > MAX_SEALS && oldest !== undefined) seals.delete(oldest)
  return watermark
}

async function calculate(ctx: TenantContext, span: Watermark): Promise<Calculated<RealtimeRevenue>> {
  const { since, timeZone, reportingCurrency } = span
  const { rows, recorded } = await inTenant(ctx.db.main, ctx, (tx) => sumRevenue(tx, ctx.tenantId, since))
  const totals = sumBy(rows, ({ currency }) => currency, addRevenue)
  const nothing = { currency: reportingCurrency, capturedMinor: 0n, refundedMinor: 0n, orders: 0 }
  return {
    recorded,
    answer: {
      since,
      timeZone,
      revenue: totals.find(({ currency }) => currency === reportingCurrency) ?? nothing,
      others: totals.filter(({ currency }) => currency !== reportingCurrency),
      sources: sumBy(rows, ({ vendor }) => vendor, addEntries),
      verified: rows.length > 0 && rows.every(({ entries, verified }) => entries === verified),
      dataAsOf: rows.length === 0 ? null : new Date(Math.max(...rows.map(({ newest }) => newest.getTime()))),
    },
  }
}

function refuseForNow(error: unknown): never {
  if (!(error instanceof CoolingDown)) throw error
  throw new ProblemError('service_unavailable', 'The revenue cannot be added up at the moment. Try again shortly.', {
    cause: error.cause,
    headers: { 'Retry-After': String(Math.max(1, Math.ceil(error.remainingMs / 1_000))) },
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

/** Whatever the figures depend on besides the ledger. */
function placeOf({ tenantId }: TenantContext, { since, reportingCurrency, timeZone }: Watermark): string {
  return [tenantId, since.toISOString(), reportingCurrency, timeZone].join('|')
}

function toEtag(ctx: TenantContext, span: Watermark, recorded: bigint): string {
  return `"${hash('sha256', `${placeOf(ctx, span)}|${recorded}`, 'base64url')}"`
}
