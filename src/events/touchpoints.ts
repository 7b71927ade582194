import { createHash } from 'node:crypto'
import { requestPublication } from '../attribution/recompute/service.ts'
import type { TenantContext } from '../context.ts'
import { storeSparing } from '../db/savepoint.ts'
import type { Tx } from '../db/tenant.ts'
import { clickIdHasher, identityHasher, sessionHasher, unwrapTenantKey } from '../secrets/keyring.ts'
import { getIdentityKey } from '../tenants/queries.ts'
import { findPersonalData } from '../webhooks/personal-data.ts'
import { insertTouchpoints, type NewTouchpoint } from './queries.ts'

/** Who said that there was a touch: a tenant's server, a browser, the vendor's order, or a file of history. */
export type TouchOrigin = 'server' | 'browser' | 'order' | 'import'

/** How it is known whose touch it was, from the strongest to the weakest. */
export type IdentityTier = 'visitor_id' | 'click_id' | 'vendor_journey' | 'landing_page'

/** A visitor's contact with a channel, as it is stored: what could name a person is hashed or absent. */
export interface Touch {
  /** 1 to 128 of A-Z a-z 0-9 . _ : - and unique within tenant and origin. */
  eventId: string
  occurredAt: Date
  /** A channel of the contract. */
  channel: string
  /** Campaign fields: 1 to 255 characters. */
  source: string | null
  medium: string | null
  campaign: string | null
  /** Keyed hash of the visitor (32 bytes). Null: nobody is named, and the touch counts for `orderKey` alone. */
  identity: Buffer | null
  /** Keyed hash of the session (32 bytes). */
  session: Buffer | null
  tier: IdentityTier
  /** The order that brought the touch with it. */
  orderKey: string | null
  /** The parameter that a click id came in, such as `gclid`, and its keyed hash. */
  click: { kind: string; hash: Buffer | null } | null
  /** Without query and fragment. */
  landingPath: string | null
  /** In lower case. */
  referrerHost: string | null
  /** Version of the rules that gave the channel; null where the sender named it. */
  channelRules: string | null
  /**
   * SHA-256 that a repeat has again and other content has not. Without it, of all fields; but not of what the rules made
   * of them, since newer rules make no conflict.
   */
  itemSha256?: Buffer
}

export interface TouchpointResult {
  eventId: string
  result: 'accepted' | 'duplicate' | 'rejected'
  code: 'occurred_in_future' | 'occurred_too_long_ago' | 'personal_data' | 'conflict' | null
}

export interface TouchHasher {
  visitor(visitorId: string): Buffer
  session(sessionId: string): Buffer
  /** Values of click ids are case-sensitive: hashed as they came. */
  click(kind: string, value: string): Buffer
}

/** Keyed hashes (HMAC-SHA-256) of the tenant of the transaction. The same visitor has another one in every other tenant. */
export async function loadTouchHasher(tx: Tx, ctx: TenantContext): Promise<TouchHasher> {
  const key = unwrapTenantKey(ctx.keys, await getIdentityKey(tx, ctx.tenantId))
  return { visitor: identityHasher(key), session: sessionHasher(key), click: clickIdHasher(key) }
}

/**
 * The only writer of touches: stores each once for good and queues the publication of what follows from them, in the
 * transaction of the caller, which is one of `ctx.db.ingest`. One result per touch, in order. An id that this origin sent
 * before with other content is `rejected` as `conflict`: the first one stands. What the database refuses to hold is
 * `personal_data`, and refuses no other touch. Times are the caller's to judge.
 */
export async function storeTouchpoints(
  tx: Tx,
  ctx: TenantContext,
  origin: TouchOrigin,
  touches: readonly Touch[],
): Promise<TouchpointResult[]> {
  const fresh = new Map<string, NewTouchpoint>()
  const verdicts = touches.map((touch) => {
    const isPersonal = findPersonalData(textsOf(touch)) !== null
    const itemSha256 = touch.itemSha256 ?? hashTouch(touch)
    if (!isPersonal && !fresh.has(touch.eventId)) fresh.set(touch.eventId, { ...touch, itemSha256 })
    return { touch, isPersonal, itemSha256 }
  })
  const { stored: parts, refused } = await storeSparing(tx, [...fresh.values()], (items) =>
    insertTouchpoints(tx, ctx.tenantId, origin, items),
  )
  const stored = new Map(parts.flatMap(({ result }) => [...result]))
  for (const { error } of refused)
    ctx.log.error({ err: error }, 'the database refuses an item that was judged to be good')
  const isRefused = new Set(refused.map(({ item }) => item.eventId))
  const seen = new Set<string>()
  let isAnyNew = false
  const results = verdicts.map(({ touch: { eventId }, isPersonal, itemSha256 }): TouchpointResult => {
    if (isPersonal || isRefused.has(eventId)) return { eventId, result: 'rejected', code: 'personal_data' }
    const row = stored.get(eventId)
    const isFirst = row?.isNew === true && !seen.has(eventId)
    seen.add(eventId)
    if (row === undefined || !itemSha256.equals(row.itemSha256))
      return { eventId, result: 'rejected', code: 'conflict' }
    if (!isFirst) return { eventId, result: 'duplicate', code: null }
    isAnyNew = true
    return { eventId, result: 'accepted', code: null }
  })
  if (isAnyNew) await requestPublication(tx, ctx)
  return results
}

function textsOf({ eventId, source, medium, campaign, landingPath, referrerHost }: Touch): (string | null)[] {
  return [eventId, source, medium, campaign, landingPath, referrerHost]
}

function hashTouch(touch: Touch): Buffer {
  const { eventId, occurredAt, channel, channelRules, source, medium, campaign, orderKey, click } = touch
  const hex = (hash: Buffer | null | undefined) => hash?.toString('hex') ?? null
  const fields = [
    eventId,
    occurredAt.toISOString(),
    channelRules === null ? channel : null,
    source,
    medium,
    campaign,
    hex(touch.identity),
    hex(touch.session),
    touch.tier,
    orderKey,
    click?.kind ?? null,
    hex(click?.hash),
    touch.landingPath,
    touch.referrerHost,
  ]
  return createHash('sha256').update(JSON.stringify(fields)).digest()
}
