import { sql } from 'kysely'
import type { Tx } from '../db/tenant.ts'

export interface NewTouchpoint {
  eventId: string
  identity: Buffer | null
  session: Buffer | null
  tier: string
  orderKey: string | null
  occurredAt: Date
  channel: string
  channelRules: string | null
  source: string | null
  medium: string | null
  campaign: string | null
  click: { kind: string; hash: Buffer | null } | null
  landingPath: string | null
  referrerHost: string | null
  itemSha256: Buffer
}

/**
 * Inserts the touchpoints that are new, in one statement, and gives the hash that each id has now: equal to the item's
 * own for a new one and for a repeat, another one for a conflict. `isNew` tells the first two apart.
 */
export async function insertTouchpoints(
  tx: Tx,
  tenantId: string,
  origin: string,
  touchpoints: readonly NewTouchpoint[],
): Promise<Map<string, { isNew: boolean; itemSha256: Buffer }>> {
  const hex = (hash: Buffer | null | undefined) => hash?.toString('hex') ?? null
  const rows = touchpoints.map((touch) => ({
    external_id: touch.eventId,
    identity: hex(touch.identity),
    session: hex(touch.session),
    tier: touch.tier,
    order_key: touch.orderKey,
    occurred_at: touch.occurredAt.toISOString(),
    channel: touch.channel,
    channel_rules: touch.channelRules,
    source: touch.source,
    medium: touch.medium,
    campaign: touch.campaign,
    click_kind: touch.click?.kind ?? null,
    click_hash: hex(touch.click?.hash),
    landing_path: touch.landingPath,
    referrer_host: touch.referrerHost,
    item_sha256: hex(touch.itemSha256),
  }))
  // In order of the ids, so that two senders of the same ids do not wait for each other in a circle.
  const inserted = await sql<{ eventId: string; itemSha256: Buffer }>`
    insert into touchpoints (tenant_id, origin, external_id, identity, session, tier, order_key, occurred_at, channel,
                             channel_rules, source, medium, campaign, click_kind, click_hash, landing_path, referrer_host,
                             item_sha256)
    select ${tenantId}, ${origin}, t.external_id, decode(t.identity, 'hex'), decode(t.session, 'hex'), t.tier, t.order_key,
           t.occurred_at, t.channel, t.channel_rules, t.source, t.medium, t.campaign, t.click_kind,
           decode(t.click_hash, 'hex'), t.landing_path, t.referrer_host, decode(t.item_sha256, 'hex')
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as t (
      external_id text, identity text, session text, tier text, order_key text, occurred_at timestamptz, channel text,
      channel_rules text, source text, medium text, campaign text, click_kind text, click_hash text, landing_path text,
      referrer_host text, item_sha256 text)
    order by t.external_id collate "C"
    on conflict (tenant_id, origin, external_id) do nothing
    returning external_id as "eventId", item_sha256 as "itemSha256"`.execute(tx)
  const found = new Map(inserted.rows.map(({ eventId, itemSha256 }) => [eventId, { isNew: true, itemSha256 }]))
  const others = touchpoints.map(({ eventId }) => eventId).filter((id) => !found.has(id))
  if (others.length > 0) {
    const known = await sql<{ eventId: string; itemSha256: Buffer }>`
      select external_id as "eventId", item_sha256 as "itemSha256"
      from touchpoints
      where tenant_id = ${tenantId} and origin = ${origin} and external_id = any (${others}::text[])`.execute(tx)
    for (const { eventId, itemSha256 } of known.rows) found.set(eventId, { isNew: false, itemSha256 })
  }
  return found
}
