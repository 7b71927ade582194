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
 * Money that moved since then, by currency and vendor. A capture counts at the time of its order, and a refund or a dispute
 * at its own, each the earliest that any delivery states: neither depends on which delivery came first. Refunded is what
 * went away for whatever reason, less what won disputes brought back. What two vendors report counts once.
 */
export async function sumRevenue(tx: Tx, tenantId: string, since: Date): Promise<VendorRevenue[]> {
  const { rows } = await sql<VendorRevenue>`
    with recent as (  -- orders of which a fact is recent, by the key that they go by
      select distinct coalesce(g.group_key, f.order_key) as order_key
      from order_facts as f
      left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = f.order_key
      where f.tenant_id = ${tenantId} and f.ordered_at >= ${since}
    ),
    members as (
      select order_key, order_key as member from recent
      union
      select g.group_key, g.order_key from order_groups as g
      where g.tenant_id = ${tenantId} and g.group_key in (select order_key from recent)
    ),
    moved as (
      select l.currency, l.vendor, l.kind, m.order_key, l.entry_key, l.corrects_entry_key, l.amount_minor, l.event_id, l.recorded_at
      from members as m
      join ledger_entries as l on l.tenant_id = ${tenantId} and l.order_key = m.member and l.kind = 'capture'
      where not exists (select from members as n
                        join order_facts as f on f.tenant_id = ${tenantId} and f.order_key = n.member and f.ordered_at < ${since}
                        where n.order_key = m.order_key)
      union all
      select l.currency, l.vendor, l.kind, l.order_key, l.entry_key, l.corrects_entry_key, l.amount_minor, l.event_id, l.recorded_at
      from ledger_entries as l
      where l.tenant_id = ${tenantId}
        and l.kind <> 'capture'
        and l.occurred_at >= ${since}
        and not exists (select from canonical_events as c
                        where c.tenant_id = ${tenantId}
                          and c.entry_key = coalesce(l.corrects_entry_key, l.entry_key)
                          and c.counts
                          and c.amount_minor is distinct from 0
                          and c.occurred_at < ${since})
    ),
    counted as (
      select m.*,
             sum(m.amount_minor) filter (where m.kind = 'capture') over (partition by m.currency, m.order_key) as of_order
      from moved as m
      where not exists (select from uncounted_entries as u
                        where u.tenant_id = ${tenantId} and u.entry_key = coalesce(m.corrects_entry_key, m.entry_key))
    )
    select m.currency,
           m.vendor,
           coalesce(sum(m.amount_minor) filter (where m.kind = 'capture'), 0)::bigint as "capturedMinor",
           coalesce(-sum(m.amount_minor) filter (where m.kind <> 'capture'), 0)::bigint as "refundedMinor",
           count(distinct m.order_key) filter (where m.kind = 'capture' and m.of_order <> 0)::integer as "orders",
           count(*)::integer                                                          as "entries",
           count(e.event_id)::integer                                                 as "verified",
           max(m.recorded_at)                                                         as "newest"
    from counted as m
    left join webhook_events as e on e.tenant_id = ${tenantId} and e.event_id = m.event_id and not e.is_test
    group by m.currency, m.vendor
    -- What was all corrected away, such as to another currency, is nothing that moved.
    having coalesce(sum(m.amount_minor) filter (where m.kind = 'capture'), 0) <> 0
        or coalesce(sum(m.amount_minor) filter (where m.kind <> 'capture'), 0) <> 0
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
