import { sql } from 'kysely'
import type { Tx } from '../db/tenant.ts'

export interface Watermark {
  /** Entries and order facts recorded since: every new one adds to it. */
  recorded: bigint
  newest: Date | null
}

/**
 * Moves with whatever is recorded from now on, so it never calls a changed total unchanged. Both tables are
 * append-only, and what is recorded later is recorded after `since`: a count over an index is enough.
 */
export async function getWatermark(tx: Tx, tenantId: string, since: Date): Promise<Watermark> {
  const { rows } = await sql<Watermark>`
    select entries.count + facts.count as recorded, entries.newest
    from (select count(*), max(recorded_at) as newest
          from ledger_entries
          where tenant_id = ${tenantId} and recorded_at >= ${since}) as entries,
         (select count(*) from order_facts where tenant_id = ${tenantId} and recorded_at >= ${since}) as facts`.execute(
    tx,
  )
  return rows[0] as Watermark
}

export interface VendorRevenue {
  currency: string
  vendor: string
  capturedMinor: bigint
  refundedMinor: bigint
  orders: number
  entries: number
  /** Entries whose signed delivery is on record. */
  verified: number
  newest: Date
}

/**
 * Money that moved since then, by currency and vendor. A capture counts at the time of its order, the earliest that
 * any delivery states, and a refund at its own: neither depends on which delivery came first.
 */
export async function sumRevenue(tx: Tx, tenantId: string, since: Date): Promise<VendorRevenue[]> {
  const { rows } = await sql<VendorRevenue>`
    with moved as (
      select l.currency, l.vendor, l.kind, l.order_key, l.amount_minor, l.event_id, l.recorded_at
      from ledger_entries as l
      where l.tenant_id = ${tenantId}
        and l.kind = 'capture'
        and l.order_key in (select f.order_key from order_facts as f
                            where f.tenant_id = ${tenantId} and f.ordered_at >= ${since})
        and not exists (select from order_facts as f
                        where f.tenant_id = ${tenantId} and f.order_key = l.order_key and f.ordered_at < ${since})
      union all
      select l.currency, l.vendor, l.kind, l.order_key, l.amount_minor, l.event_id, l.recorded_at
      from ledger_entries as l
      where l.tenant_id = ${tenantId} and l.kind = 'refund' and l.occurred_at >= ${since}
    )
    select m.currency,
           m.vendor,
           coalesce(sum(m.amount_minor) filter (where m.kind = 'capture'), 0)::bigint as "capturedMinor",
           coalesce(-sum(m.amount_minor) filter (where m.kind = 'refund'), 0)::bigint as "refundedMinor",
           count(distinct m.order_key) filter (where m.kind = 'capture')::integer     as "orders",
           count(*)::integer                                                          as "entries",
           count(e.event_id)::integer                                                 as "verified",
           max(m.recorded_at)                                                         as "newest"
    from moved as m
    left join webhook_events as e on e.tenant_id = ${tenantId} and e.event_id = m.event_id and not e.is_test
    group by m.currency, m.vendor
    order by m.currency, m.vendor`.execute(tx)
  return rows
}

/** 00:00 of the current day in a time zone, as an instant. Postgres knows the zone's history. */
export async function getStartOfDay(tx: Tx, timeZone: string, now: Date): Promise<Date> {
  const { rows } = await sql<{ start: Date }>`
    select date_trunc('day', ${now}::timestamptz at time zone ${timeZone}) at time zone ${timeZone} as start`.execute(
    tx,
  )
  return (rows[0] as { start: Date }).start
}
