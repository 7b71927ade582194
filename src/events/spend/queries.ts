import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'

export interface NewSpend {
  /** YYYY-MM-DD in the time zone. */
  day: string
  channel: string
  source: string
  /** Empty: of no campaign. */
  campaign: string
  currency: string
  amountMinor: bigint
  impressions: bigint | null
  clicks: bigint | null
}

/**
 * Adds a version to each row whose figures differ from its newest one, and gives that version's number in the order of the
 * rows; null where nothing changed. No two rows may be of the same day, channel, source, campaign and currency. One at a
 * time per tenant, until the transaction ends: versions are counted.
 */
export async function insertSpendVersions(
  tx: Tx,
  tenantId: string,
  timeZone: string,
  rows: readonly NewSpend[],
): Promise<(number | null)[]> {
  await sql`select pg_advisory_xact_lock(hashtextextended('spend/' || ${tenantId}, 0))`.execute(tx)
  const items = rows.map((row, place) => ({
    place,
    day: row.day,
    channel: row.channel,
    source: row.source,
    campaign: row.campaign,
    currency: row.currency,
    amount_minor: String(row.amountMinor),
    impressions: row.impressions === null ? null : String(row.impressions),
    clicks: row.clicks === null ? null : String(row.clicks),
  }))
  const { rows: entered } = await sql<{ place: number; version: number }>`
    with sent as (
      select s.*, coalesce(newest.version, 0) + 1 as version
      from jsonb_to_recordset(${JSON.stringify(items)}::jsonb) as s (
        place integer, day date, channel text, source text, campaign text, currency text, amount_minor bigint,
        impressions bigint, clicks bigint)
      left join lateral (
        select v.version, v.amount_minor, v.impressions, v.clicks
        from spend_versions as v
        where v.tenant_id = ${tenantId} and v.day = s.day and v.time_zone = ${timeZone} and v.channel = s.channel
          and v.source = s.source and v.campaign = s.campaign and v.currency = s.currency
        order by v.version desc
        limit 1
      ) as newest on true
      where newest.version is null
         or (newest.amount_minor, newest.impressions, newest.clicks) is distinct from (s.amount_minor, s.impressions, s.clicks)
    ),
    entered as (
      insert into spend_versions (tenant_id, day, time_zone, channel, source, campaign, currency, version, amount_minor,
                                  impressions, clicks)
      select ${tenantId}, s.day, ${timeZone}, s.channel, s.source, s.campaign, s.currency, s.version, s.amount_minor,
             s.impressions, s.clicks
      from sent as s
    )
    select place, version
    from sent`.execute(tx)
  const versions = new Map(entered.map(({ place, version }) => [place, version]))
  return rows.map((_, place) => versions.get(place) ?? null)
}
