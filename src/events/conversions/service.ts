import { createHash } from 'node:crypto'
import { requestPublication } from '../../attribution/recompute/service.ts'
import type { TenantContext } from '../../context.ts'
import { storeSparing } from '../../db/savepoint.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { isCurrency } from '../../money.ts'
import { type ClockFault, findClockFault, MAX_EVENT_AGE_MS } from '../clock.ts'
import { loadTouchHasher, type TouchHasher } from '../touchpoints.ts'
import { insertConversions, type NewConversion } from './queries.ts'

export interface Amount {
  amountMinor: bigint
  currency: string
}

/** A purchase or a refund as the tenant's own systems tell it. */
export interface SentConversion {
  conversionId: string
  kind: 'purchase' | 'refund'
  /** The sender's; the order's key in the ledger is `own:<orderId>`. */
  orderId: string
  occurredAt: Date
  /** What was paid or given back, all parts included. */
  total: Amount
  /** Parts of the total; null: none. */
  tax: Amount | null
  shipping: Amount | null
  tip: Amount | null
  /** By how much discounts lowered the total. */
  discount: Amount | null
  visitorId: string | null
}

export interface ConversionResult {
  conversionId: string
  result: 'accepted' | 'duplicate' | 'rejected'
  code: ClockFault | 'amount_invalid' | 'currency_mismatch' | 'personal_data' | 'conflict' | null
}

/** Stores what a tenant's own systems sold and gave back; one result per item, in order (see `storeConversions`). */
export function ingestConversions(
  ctx: TenantContext,
  conversions: readonly SentConversion[],
): Promise<ConversionResult[]> {
  return inTenant(ctx.db.ingest, ctx, async (tx) => {
    const hasher = await loadTouchHasher(tx, ctx)
    return storeConversions(tx, ctx, { source: 'conversion', maxAgeMs: MAX_EVENT_AGE_MS, hasher }, conversions)
  })
}

/**
 * Stores each conversion once for good, with its entry in the ledger, and queues the recompute of its order, in the
 * transaction of the caller, which is one of `ctx.db.ingest`. An id that was sent before with other content, by whatever
 * way, is `rejected` as `conflict`: the first one stands. What the database refuses to hold is `personal_data`, and refuses no
 * other one. A refund needs no purchase: it waits in the ledger for its order.
 */
export async function storeConversions(
  tx: Tx,
  ctx: TenantContext,
  { source, maxAgeMs, hasher }: { source: 'conversion' | 'import'; maxAgeMs: number; hasher: TouchHasher },
  conversions: readonly SentConversion[],
): Promise<ConversionResult[]> {
  const now = ctx.clock()
  const fresh = new Map<string, NewConversion>()
  const verdicts = conversions.map((sent) => {
    const item = toNew(sent, hasher)
    const code = findClockFault(sent.occurredAt, now, maxAgeMs) ?? findFault(sent)
    if (code === null && !fresh.has(item.conversionId)) fresh.set(item.conversionId, item)
    return { item, code }
  })
  const { stored: parts, refused } = await storeSparing(tx, [...fresh.values()], (items) =>
    insertConversions(tx, ctx.tenantId, source, items),
  )
  const stored = new Map(parts.flatMap(({ result }) => [...result]))
  for (const { error } of refused)
    ctx.log.error({ err: error }, 'the database refuses an item that was judged to be good')
  const isRefused = new Set(refused.map(({ item }) => item.conversionId))
  const seen = new Set<string>()
  let isAnyNew = false
  const results = verdicts.map(({ item: { conversionId, itemSha256 }, code }): ConversionResult => {
    if (code !== null) return { conversionId, result: 'rejected', code }
    if (isRefused.has(conversionId)) return { conversionId, result: 'rejected', code: 'personal_data' }
    const row = stored.get(conversionId)
    const isFirst = row?.isNew === true && !seen.has(conversionId)
    seen.add(conversionId)
    if (row === undefined || !itemSha256.equals(row.itemSha256))
      return { conversionId, result: 'rejected', code: 'conflict' }
    if (!isFirst) return { conversionId, result: 'duplicate', code: null }
    isAnyNew = true
    return { conversionId, result: 'accepted', code: null }
  })
  if (isAnyNew) await requestPublication(tx, ctx)
  return results
}

function findFault({ total, tax, shipping, tip, discount }: SentConversion): ConversionResult['code'] {
  const parts = [tax, shipping, tip, discount].filter((part) => part !== null)
  if (!isCurrency(total.currency) || total.amountMinor <= 0n) return 'amount_invalid'
  if (parts.some(({ currency }) => currency !== total.currency)) return 'currency_mismatch'
  if (parts.some(({ amountMinor }) => amountMinor < 0n)) return 'amount_invalid'
  const included = [tax, shipping, tip].reduce((sum, part) => sum + (part?.amountMinor ?? 0n), 0n)
  if (included > total.amountMinor) return 'amount_invalid'
  return null
}

function toNew(sent: SentConversion, hasher: TouchHasher): NewConversion {
  const { conversionId, kind, orderId, occurredAt, total, tax, shipping, tip, discount, visitorId } = sent
  const identity = visitorId === null ? null : hasher.visitor(visitorId)
  const parts = [total, tax, shipping, tip, discount].map((part) => part?.amountMinor ?? 0n)
  const [totalMinor = 0n, taxMinor = 0n, shippingMinor = 0n, tipMinor = 0n, discountMinor = 0n] = parts
  const fields = [conversionId, kind, orderId, occurredAt.toISOString(), total.currency, ...parts.map(String)]
  const itemSha256 = createHash('sha256')
    .update(JSON.stringify([...fields, identity?.toString('hex') ?? null]))
    .digest()
  const orderKey = `own:${orderId}`
  const { currency } = total
  const amounts = { currency, totalMinor, taxMinor, shippingMinor, tipMinor, discountMinor }
  return { conversionId, kind, orderKey, occurredAt, ...amounts, identity, itemSha256 }
}
