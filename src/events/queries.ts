import { sql } from 'kysely'
import type { Tx } from '../db/tenant.ts'

export interface NewTouchpoint {
  externalId: string
  identity: Buffer
  occurredAt: Date
  channel: string
  source: string | null
  medium: string | null
  campaign: string | null
  /** SHA-256 of the item as it was sent. */
  itemSha256: Buffer
}

/**
 * Inserts the touchpoints that are new, in one statement, and gives the hash that each id has now: equal to the item's
 * own for a new one and for a repeat, another one for a conflict. `isNew` tells the first two apart.
 */
export async function insertTouchpoints(
  tx: Tx,
  tenantId: string,
  touchpoints: readonly NewTouchpoint[],
): Promise<Map<string, { isNew: boolean; itemSha256: Buffer }>> {
  const rows = touchpoints.map((touch) => ({
    external_id: touch.externalId,
    identity: touch.identity.toString('hex'),
    occurred_at: touch.occurredAt.toISOString(),
    channel: touch.channel,
    source: touch.source,
    medium: touch.medium,
    campaign: touch.campaign,
    item_sha256: touch.itemSha256.toString('hex'),
  }))
  const inserted = await sql<{ externalId: string; itemSha256: Buffer }>`
    insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, source, medium, campaign, item_sha256)
    select ${tenantId}, 'server', t.external_id, decode(t.identity, 'hex'), t.occurred_at, t.channel, t.source, t.medium,
           t.campaign, decode(t.item_sha256, 'hex')
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as t (
      external_id text, identity text, occurred_at timestamptz, channel text, source text, medium text, campaign text,
      item_sha256 text)
    order by t.external_id collate "C"
    on conflict (tenant_id, origin, external_id) do nothing
    returning external_id as "externalId", item_sha256 as "itemSha256"`.execute(tx)
  const found = new Map(inserted.rows.map(({ externalId, itemSha256 }) => [externalId, { isNew: true, itemSha256 }]))
  const others = touchpoints.map(({ externalId }) => externalId).filter((id) => !found.has(id))
  if (others.length > 0) {
    const known = await tx
      .selectFrom('touchpoints')
      .select(['external_id as externalId', 'item_sha256 as itemSha256'])
      .where('tenant_id', '=', tenantId)
      .where('origin', '=', 'server')
      .where('external_id', 'in', others)
      .execute()
    for (const { externalId, itemSha256 } of known) found.set(externalId, { isNew: false, itemSha256 })
  }
  return found
}
