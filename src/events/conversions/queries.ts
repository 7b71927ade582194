import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'

export interface NewConversion {
  conversionId: string
  kind: 'purchase' | 'refund'
  orderKey: string
  occurredAt: Date
  currency: string
  totalMinor: bigint
  taxMinor: bigint
  shippingMinor: bigint
  tipMinor: bigint
  discountMinor: bigint
  identity: Buffer | null
  itemSha256: Buffer
}

/**
 * Enters the conversions that are new, each with its movement of money, and a purchase as a fact about its order and with
 * the parts of its total, in one statement. Gives the hash that each id has now, as `insertTouchpoints` does.
 */
export async function insertConversions(
  tx: Tx,
  tenantId: string,
  source: 'conversion' | 'import',
  conversions: readonly NewConversion[],
): Promise<Map<string, { isNew: boolean; itemSha256: Buffer }>> {
  const rows = conversions.map((item) => ({
    conversion_id: item.conversionId,
    kind: item.kind,
    order_key: item.orderKey,
    occurred_at: item.occurredAt.toISOString(),
    currency: item.currency,
    total_minor: String(item.totalMinor),
    tax_minor: String(item.taxMinor),
    shipping_minor: String(item.shippingMinor),
    tip_minor: String(item.tipMinor),
    discount_minor: String(item.discountMinor),
    identity: item.identity?.toString('hex') ?? null,
    item_sha256: item.itemSha256.toString('hex'),
  }))
  // The entry has the conversion's id for its key, so the two are as new as each other.
  const inserted = await sql<{ conversionId: string; itemSha256: Buffer }>`
    with sent as (
      select c.conversion_id, c.kind, c.order_key, c.occurred_at, c.currency, c.total_minor, c.tax_minor, c.shipping_minor,
             c.tip_minor, c.discount_minor, decode(c.identity, 'hex') as identity, decode(c.item_sha256, 'hex') as item_sha256
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (
        conversion_id text, kind text, order_key text, occurred_at timestamptz, currency text, total_minor bigint,
        tax_minor bigint, shipping_minor bigint, tip_minor bigint, discount_minor bigint, identity text, item_sha256 text)
    ),
    entered as (
      insert into conversions (tenant_id, source, conversion_id, kind, order_key, occurred_at, currency, total_minor,
                               tax_minor, shipping_minor, tip_minor, discount_minor, identity, item_sha256)
      select ${tenantId}, ${source}, s.conversion_id, s.kind, s.order_key, s.occurred_at, s.currency, s.total_minor,
             s.tax_minor, s.shipping_minor, s.tip_minor, s.discount_minor, s.identity, s.item_sha256
      from sent as s
      order by s.conversion_id collate "C"
      on conflict (tenant_id, conversion_id) do nothing
      returning event_id, conversion_id, item_sha256
    ),
    facts as (
      insert into order_facts (tenant_id, order_key, conversion_id, currency, ordered_at, identity)
      select ${tenantId}, s.order_key, e.event_id, s.currency, s.occurred_at, s.identity
      from entered as e
      join sent as s on s.conversion_id = e.conversion_id
      where s.kind = 'purchase'
    ),
    parts as (
      insert into order_parts (tenant_id, order_key, conversion_id, currency, total_minor, tax_minor, shipping_minor, tip_minor,
                               discount_minor)
      select ${tenantId}, s.order_key, e.event_id, s.currency, s.total_minor, s.tax_minor, s.shipping_minor, s.tip_minor,
             s.discount_minor
      from entered as e
      join sent as s on s.conversion_id = e.conversion_id
      where s.kind = 'purchase'
    ),
    entries as (
      insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at)
      select ${tenantId}, 'own:' || s.conversion_id, s.order_key,
             case s.kind when 'purchase' then 'capture' else 'refund' end,
             case s.kind when 'purchase' then s.total_minor else -s.total_minor end,
             s.currency, 'own', ${source}, s.occurred_at
      from entered as e
      join sent as s on s.conversion_id = e.conversion_id
    )
    select conversion_id as "conversionId", item_sha256 as "itemSha256"
    from entered`.execute(tx)
  const found = new Map(
    inserted.rows.map(({ conversionId, itemSha256 }) => [conversionId, { isNew: true, itemSha256 }]),
  )
  const others = conversions.map(({ conversionId }) => conversionId).filter((id) => !found.has(id))
  if (others.length > 0) {
    const known = await sql<{ conversionId: string; itemSha256: Buffer }>`
      select conversion_id as "conversionId", item_sha256 as "itemSha256"
      from conversions
      where tenant_id = ${tenantId} and conversion_id = any (${others}::text[])`.execute(tx)
    for (const { conversionId, itemSha256 } of known.rows) found.set(conversionId, { isNew: false, itemSha256 })
  }
  return found
}
