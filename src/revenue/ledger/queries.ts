import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'

export type LedgerKind = 'capture' | 'refund' | 'dispute' | 'dispute_reversal'

export interface LedgerFilter {
  /** Inclusive. */
  recordedSince: Date | undefined
  /** Inclusive. */
  occurredSince: Date | undefined
  /** Exclusive. */
  occurredBefore: Date | undefined
  kind: LedgerKind | undefined
  vendor: string | undefined
  /** Any key of the order. */
  orderKey: string | undefined
  currency: string | undefined
}

export interface LedgerRow {
  entryKey: string
  orderKey: string
  kind: LedgerKind
  amountMinor: bigint
  currency: string
  vendor: string
  eventId: string | null
  reversesEntryKey: string | null
  correctsEntryKey: string | null
  isCounted: boolean
  isVerified: boolean
  occurredAt: Date
  recordedAt: Date
  /** Microseconds since 1970, as text: a `Date` would lose them, and with them the order. */
  recordedMicros: string
}

/** The order of the list. */
export type LedgerPosition = readonly [recordedMicros: string, entryKey: string]

/** Entries in order of recording, those after `after`. */
export async function listEntries(
  tx: Tx,
  tenantId: string,
  filter: LedgerFilter,
  { after, limit, isAscending }: { after: LedgerPosition | undefined; limit: number; isAscending: boolean },
): Promise<LedgerRow[]> {
  let query = tx
    .selectFrom('ledger_entries as l')
    .select([
      'l.entry_key as entryKey',
      'l.order_key as orderKey',
      sql<LedgerKind>`l.kind`.as('kind'),
      'l.amount_minor as amountMinor',
      'l.currency',
      'l.vendor',
      'l.event_id as eventId',
      'l.reverses_entry_key as reversesEntryKey',
      'l.corrects_entry_key as correctsEntryKey',
      sql<boolean>`not exists (select from uncounted_entries as u
                               where u.tenant_id = ${tenantId} and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))`.as(
        'isCounted',
      ),
      sql<boolean>`l.source = 'webhook'`.as('isVerified'),
      'l.occurred_at as occurredAt',
      'l.recorded_at as recordedAt',
      sql<string>`(extract(epoch from l.recorded_at) * 1000000)::bigint::text`.as('recordedMicros'),
    ])
    .where('l.tenant_id', '=', tenantId)
  const { recordedSince, occurredSince, occurredBefore, kind, vendor, orderKey, currency } = filter
  if (recordedSince !== undefined) query = query.where('l.recorded_at', '>=', recordedSince)
  if (occurredSince !== undefined) query = query.where('l.occurred_at', '>=', occurredSince)
  if (occurredBefore !== undefined) query = query.where('l.occurred_at', '<', occurredBefore)
  if (kind !== undefined) query = query.where('l.kind', '=', kind)
  if (vendor !== undefined) query = query.where('l.vendor', '=', vendor)
  if (currency !== undefined) query = query.where('l.currency', '=', currency)
  if (orderKey !== undefined) {
    query = query.where(
      sql<boolean>`l.order_key in (
        select ${orderKey}
        union
        select other.order_key from order_groups as g
        join order_groups as other on other.tenant_id = ${tenantId} and other.group_key = g.group_key
        where g.tenant_id = ${tenantId} and g.order_key = ${orderKey})`,
    )
  }
  if (after !== undefined) {
    const [micros, entryKey] = after
    const recordedAt = sql`'epoch'::timestamptz + ${micros}::bigint * interval '1 microsecond'`
    const place = sql`(${recordedAt}, ${entryKey}::text collate "C")`
    query = query.where(
      isAscending
        ? sql<boolean>`(l.recorded_at, l.entry_key collate "C") > ${place}`
        : sql<boolean>`(l.recorded_at, l.entry_key collate "C") < ${place}`,
    )
  }
  const direction = isAscending ? 'asc' : 'desc'
  return query
    .orderBy('l.recorded_at', direction)
    .orderBy(sql`l.entry_key collate "C"`, direction)
    .limit(limit)
    .execute()
}
