import { randomUUID } from 'node:crypto'
import type { TestPlatform, TestTenant } from './platform.ts'

/** An order of the tenant's own, in minor units. Of parts that are not given there are none. */
export interface GivenOrder {
  orderKey: string
  orderedAt: Date
  currency: string
  /** What the buyer paid for it; each capture is one of its payments. */
  parts?: { totalMinor: bigint; taxMinor?: bigint; shippingMinor?: bigint; tipMinor?: bigint; discountMinor?: bigint }
  entries: readonly GivenEntry[]
}

export interface GivenEntry {
  entryKey: string
  kind: 'capture' | 'refund' | 'dispute' | 'dispute_reversal'
  /** Above 0. */
  amountMinor: bigint
  at: Date
  /** Of a reversal: the dispute that was won. */
  reverses?: string
  /** The entry that this one adds to. */
  corrects?: string
}

/** Orders as ingestion leaves them, all in one statement each: for tests that need many, or disputes without a vendor. */
export async function givenOwnOrders(
  platform: TestPlatform,
  { tenantId }: TestTenant,
  orders: readonly GivenOrder[],
): Promise<void> {
  const stated = orders.map((order) => {
    const { totalMinor = 1n, taxMinor = 0n, shippingMinor = 0n, tipMinor = 0n, discountMinor = 0n } = order.parts ?? {}
    return {
      id: randomUUID(),
      order_key: order.orderKey,
      at: order.orderedAt.toISOString(),
      currency: order.currency,
      total: String(totalMinor),
      tax: String(taxMinor),
      shipping: String(shippingMinor),
      tip: String(tipMinor),
      discount: String(discountMinor),
      has_parts: order.parts !== undefined,
    }
  })
  const columns = `(id uuid, order_key text, at timestamptz, currency text, total bigint, tax bigint, shipping bigint, tip bigint,
                    discount bigint, has_parts boolean)`
  const values = [tenantId, JSON.stringify(stated)]
  await platform.query(
    `insert into conversions (tenant_id, event_id, conversion_id, source, kind, order_key, occurred_at, currency, total_minor,
                              tax_minor, shipping_minor, tip_minor, discount_minor, item_sha256)
     select $1, r.id, r.id::text, 'conversion', 'purchase', r.order_key, r.at, r.currency, r.total, r.tax, r.shipping, r.tip,
            r.discount, sha256(r.id::text::bytea)
     from jsonb_to_recordset($2::jsonb) as r ${columns}`,
    values,
  )
  await platform.query(
    `insert into order_parts (tenant_id, order_key, conversion_id, currency, total_minor, tax_minor, shipping_minor, tip_minor,
                              discount_minor)
     select $1, r.order_key, r.id, r.currency, r.total, r.tax, r.shipping, r.tip, r.discount
     from jsonb_to_recordset($2::jsonb) as r ${columns} where r.has_parts`,
    values,
  )
  await platform.query(
    `insert into order_facts (tenant_id, order_key, conversion_id, currency, ordered_at)
     select $1, r.order_key, r.id, r.currency, r.at from jsonb_to_recordset($2::jsonb) as r ${columns}`,
    values,
  )
  const entries = orders.flatMap(({ orderKey, currency, entries }) =>
    entries.map(({ entryKey, kind, amountMinor, at, reverses = null, corrects = null }) => ({
      entry_key: entryKey,
      order_key: orderKey,
      kind,
      amount: String(kind === 'capture' || kind === 'dispute_reversal' ? amountMinor : -amountMinor),
      currency,
      at: at.toISOString(),
      reverses,
      corrects,
    })),
  )
  await platform.query(
    `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at,
                                 reverses_entry_key, corrects_entry_key)
     select $1, r.entry_key, r.order_key, r.kind, r.amount, r.currency, 'own', 'import', r.at, r.reverses, r.corrects
     from jsonb_to_recordset($2::jsonb)
       as r (entry_key text, order_key text, kind text, amount bigint, currency text, at timestamptz, reverses text, corrects text)`,
    [tenantId, JSON.stringify(entries)],
  )
}
