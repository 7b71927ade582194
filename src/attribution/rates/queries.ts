import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'
import type { StoredRate } from '../exchange.ts'

/** One load at a time, until the transaction ends: two would give one rate the same version. */
export async function lockRates(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('fx_rates', 0))`.execute(tx)
}

/** Stores those that are not known, or are known otherwise, as the newest version of their pair, day and source. As app_rw. */
export async function insertRates(tx: Tx, rates: readonly StoredRate[]): Promise<{ added: number; corrected: number }> {
  const { rows } = await sql<{ added: number; corrected: number }>`
    with sent as (
      select r."asOf" as as_of, r.base, r.quote, r.source, r.rate
      from jsonb_to_recordset(${JSON.stringify(rates)}::jsonb) as r (
        "asOf" date, base text, quote text, source text, rate numeric)
    ),
    stored as (
      insert into fx_rates (as_of, base, quote, source, version, rate)
      select s.as_of, s.base, s.quote, s.source, coalesce(k.version, 0) + 1, s.rate
      from sent as s
      left join lateral (
        select f.version, f.rate
        from fx_rates as f
        where f.as_of = s.as_of and f.base = s.base and f.quote = s.quote and f.source = s.source
        order by f.version desc
        limit 1
      ) as k on true
      where k.rate is distinct from s.rate
      returning version
    )
    select count(*) filter (where version = 1)::integer as "added", count(*) filter (where version > 1)::integer as "corrected"
    from stored`.execute(tx)
  return rows[0] as { added: number; corrected: number }
}

/**
 * Those of these UTC days, both included, each pair, day and source by its newest version. No load is committed between this and
 * the end of the transaction: it looks for figures that its rates can change (note_fx_rates), and has to find these.
 */
export async function listRates(tx: Tx, { from, to }: { from: string; to: string }): Promise<StoredRate[]> {
  // A statement of its own: the one after it sees what the load that was waited for has stored.
  await sql`select pg_advisory_xact_lock_shared(hashtextextended('fx_rates/published', 0))`.execute(tx)
  const { rows } = await sql<StoredRate>`
    select distinct on (f.as_of, f.base, f.quote, f.source)
           f.base, f.quote, to_char(f.as_of, 'YYYY-MM-DD') as "asOf", f.source, trim_scale(f.rate)::text as "rate"
    from fx_rates as f
    where f.as_of between ${from}::date and ${to}::date
    order by f.as_of, f.base, f.quote, f.source, f.version desc`.execute(tx)
  return rows
}
