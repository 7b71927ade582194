import { createHash } from 'node:crypto'
import { requestRecomputeOf } from '../attribution/service.ts'
import type { TenantContext } from '../context.ts'
import { inTenant } from '../db/tenant.ts'
import { identityHasher, unwrapTenantKey } from '../secrets/keyring.ts'
import { getIdentityKey } from '../tenants/queries.ts'
import { findPersonalData } from '../webhooks/personal-data.ts'
import { insertTouchpoints, type NewTouchpoint } from './queries.ts'

export interface Touchpoint {
  eventId: string
  visitorId: string
  sessionId: string | null
  occurredAt: Date
  channel: string
  source: string | null
  medium: string | null
  campaign: string | null
}

export interface TouchpointResult {
  eventId: string
  result: 'accepted' | 'duplicate' | 'rejected'
  code: 'occurred_in_future' | 'occurred_too_long_ago' | 'personal_data' | 'conflict' | null
}

/** A sender's clock may be ahead by this much. */
const FUTURE_TOLERANCE_MS = 5 * 60_000
/** Older touches cannot count for any report that can be asked for. */
const MAX_AGE_MS = 2 * 365 * 86_400_000

/**
 * Stores touches, each once for good, and queues the recompute of what they touch, in one transaction. The answer has
 * one result per item, in order. An id that was sent before with other content is `rejected` as `conflict`: the first
 * one stands.
 */
export async function ingestTouchpoints(
  ctx: TenantContext,
  touchpoints: readonly Touchpoint[],
): Promise<TouchpointResult[]> {
  const now = ctx.clock().getTime()
  return inTenant(ctx.db.ingest, ctx, async (tx) => {
    const hashIdentity = identityHasher(unwrapTenantKey(ctx.keys, await getIdentityKey(tx, ctx.tenantId)))
    const verdicts = touchpoints.map((touch) => ({ touch, code: findFault(touch, now), hash: hashItem(touch) }))
    const fresh = new Map<string, NewTouchpoint>()
    for (const { touch, code, hash } of verdicts) {
      if (code !== null || fresh.has(touch.eventId)) continue
      const { eventId, visitorId, occurredAt, channel, source, medium, campaign } = touch
      fresh.set(eventId, {
        externalId: eventId,
        identity: hashIdentity(visitorId),
        occurredAt,
        channel,
        source,
        medium,
        campaign,
        itemSha256: hash,
      })
    }
    const stored = fresh.size === 0 ? new Map() : await insertTouchpoints(tx, ctx.tenantId, [...fresh.values()])
    const seen = new Set<string>()
    const accepted: Date[] = []
    const results = verdicts.map(({ touch: { eventId, occurredAt }, code, hash }): TouchpointResult => {
      if (code !== null) return { eventId, result: 'rejected', code }
      const row = stored.get(eventId)
      const isFirst = row?.isNew === true && !seen.has(eventId)
      seen.add(eventId)
      if (row === undefined || !hash.equals(row.itemSha256)) return { eventId, result: 'rejected', code: 'conflict' }
      if (!isFirst) return { eventId, result: 'duplicate', code: null }
      accepted.push(occurredAt)
      return { eventId, result: 'accepted', code: null }
    })
    await requestRecomputeOf(tx, ctx, { orderKeys: [], times: accepted })
    return results
  })
}

function findFault(touch: Touchpoint, now: number): TouchpointResult['code'] {
  const at = touch.occurredAt.getTime()
  if (at > now + FUTURE_TOLERANCE_MS) return 'occurred_in_future'
  if (at < now - MAX_AGE_MS) return 'occurred_too_long_ago'
  const { source, medium, campaign } = touch
  return findPersonalData([source, medium, campaign]) === null ? null : 'personal_data'
}

/** Over every field of the item, so that a changed one is told from a repeat. Holds the visitor id only as a hash. */
function hashItem(touch: Touchpoint): Buffer {
  const { eventId, visitorId, sessionId, occurredAt, channel, source, medium, campaign } = touch
  const fields = [eventId, visitorId, sessionId, occurredAt.toISOString(), channel, source, medium, campaign]
  return createHash('sha256').update(JSON.stringify(fields)).digest()
}
