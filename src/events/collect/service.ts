import { createHash } from 'node:crypto'
import type { RequestContext, TenantContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { authenticateKey } from '../../tenants/api-keys/authenticate.ts'
import { limitByAddress } from '../../tenants/limits/address.ts'
import { classify } from '../channels/classify.ts'
import { findClickIdKind } from '../channels/click-ids.ts'
import { getSite, type Site } from '../channels/queries.ts'
import { hostOf } from '../channels/referrer.ts'
import { type Arrival, readArrival, toVisit } from '../channels/visit.ts'
import {
  loadTouchHasher,
  storeTouchpoints,
  type Touch,
  type TouchHasher,
  type TouchpointResult,
} from '../touchpoints.ts'
import { findBrowserClockFault, toServerTime } from './clock.ts'

/** What a page saw of one visitor. */
export interface CollectedBatch {
  /** The publishable key. */
  key: string
  visitorId: string
  sessionId: string | null
  /** By the clock of the browser; null: not told. */
  sentAt: Date | null
  touchpoints: readonly CollectedTouchpoint[]
}

export interface CollectedTouchpoint {
  eventId: string
  occurredAt: Date
  pageUrl: string
  referrer: string | null
}

export interface CollectResult {
  eventId: string
  result: TouchpointResult['result']
  code: TouchpointResult['code'] | 'not_a_touch'
}

/** Of one address, on which a whole office or a mobile network may be. */
const ADDRESS_LIMIT = { purpose: 'collect', perMinute: 600, burst: 200 }
const SCOPE = 'events:collect'

/**
 * Stores what a page saw, for the tenant whose publishable key it names; one result per item, in order. `origin` is that
 * of the page; with `isUnlinked` the browser has said that the visitor does not want to be followed; `bytes` is the
 * size of the body. Throws `rate_limited`, `unauthorized`, `service_unavailable` where too much waits to be stored, and
 * `forbidden` where the tenant does not allow the origin.
 */
export async function collectTouchpoints(
  ctx: RequestContext,
  batch: CollectedBatch,
  { origin, isUnlinked, bytes }: { origin: string | undefined; isUnlinked: boolean; bytes: number },
): Promise<CollectResult[]> {
  // First, because it also bounds how often somebody may guess keys.
  await limitByAddress(ctx, ADDRESS_LIMIT)
  const work = await actForKey(ctx, batch.key)
  await limitByTenant(work)
  // Here and not by the server: strangers shall hold no place.
  const leave = ctx.admission?.enter(bytes)
  try {
    return await storeBatch(work, batch, { origin, isUnlinked })
  } finally {
    leave?.()
  }
}

function storeBatch(
  work: TenantContext,
  batch: CollectedBatch,
  { origin, isUnlinked }: { origin: string | undefined; isUnlinked: boolean },
): Promise<CollectResult[]> {
  return inTenant(work.db.ingest, work, async (tx) => {
    const site = await getSite(tx, work.tenantId)
    if (origin === undefined || !site.allowedOrigins.includes(origin))
      throw new ProblemError('forbidden', "This origin is not one of the tenant's allowed origins.")
    const hasher = await loadTouchHasher(tx, work)
    const now = work.clock()
    const judged = batch.touchpoints.map((item) => judge(item, { batch, site, hasher, isUnlinked, now }))
    const touches = judged.flatMap(({ touch }) => touch ?? [])
    const stored = (await storeTouchpoints(tx, work, 'browser', touches)).values()
    return judged.map(({ eventId, touch, code }): CollectResult => {
      if (touch === null) return { eventId, result: 'rejected', code }
      return stored.next().value as TouchpointResult
    })
  })
}

async function actForKey(ctx: RequestContext, key: string): Promise<TenantContext> {
  const principal = await authenticateKey(ctx, key)
  const mayCollect = principal?.kind === 'key' && principal.scopes.includes(SCOPE)
  if (principal === null || !mayCollect)
    throw new ProblemError('unauthorized', 'The request carries no valid credentials.')
  return { ...ctx, tenantId: principal.tenantId, principal }
}

async function limitByTenant(ctx: TenantContext): Promise<void> {
  const answer = await ctx.permits?.take(ctx, ctx.tenantId, 'collect')
  const seconds = answer?.retryAfterS ?? null
  if (seconds === null) return
  throw new ProblemError(
    'rate_limited',
    `Too many requests came with keys of this tenant. Try again in ${seconds} s.`,
    {
      headers: { 'Retry-After': String(seconds) },
    },
  )
}

interface Bench {
  batch: CollectedBatch
  site: Site
  hasher: TouchHasher
  isUnlinked: boolean
  now: Date
}

interface Judged {
  eventId: string
  /** Null: refused, for the reason that `code` is. */
  touch: Touch | null
  code: CollectResult['code']
}

function judge(item: CollectedTouchpoint, bench: Bench): Judged {
  const { eventId } = item
  const occurredAt = toServerTime({ occurredAt: item.occurredAt, sentAt: bench.batch.sentAt, now: bench.now })
  const code = findBrowserClockFault(occurredAt, bench.now)
  if (code !== null) return { eventId, touch: null, code }
  const ownHosts = bench.site.allowedOrigins.flatMap((origin) => hostOf(origin) ?? [])
  const arrival = readArrival(item, ownHosts)
  const touch = arrival === null ? null : toTouch(item, arrival, occurredAt, bench)
  return { eventId, touch, code: touch === null ? 'not_a_touch' : null }
}

/**
 * Neither the page nor the referrer is in it. Where the visitor does not want to be followed, it names nobody: the identity
 * is one that no other touch and no order ever has.
 */
function toTouch(item: CollectedTouchpoint, arrival: Arrival, occurredAt: Date, bench: Bench): Touch | null {
  const { site, hasher, isUnlinked } = bench
  const visit = toVisit(arrival)
  if (visit === null) return null
  const { channel, ruleVersion } = classify(site.rules, visit)
  const { visitorId, sessionId } = bench.batch
  const identity = hasher.visitor(isUnlinked ? `unlinked ${visitorId} ${item.eventId}` : visitorId)
  const session = sessionId === null || isUnlinked ? null : hasher.session(sessionId)
  return {
    eventId: item.eventId,
    occurredAt,
    channel,
    source: visit.source,
    medium: visit.medium,
    campaign: visit.campaign,
    identity,
    session,
    tier: 'visitor_id',
    orderKey: null,
    click: clickOf(arrival, hasher, isUnlinked),
    landingPath: null,
    referrerHost: null,
    channelRules: ruleVersion,
    itemSha256: hashItem(item, { identity, session }),
  }
}

/** One that belongs to a single click before one that only names the network. */
function clickOf({ clickIds }: Arrival, hasher: TouchHasher, isUnlinked: boolean): Touch['click'] {
  const unique = clickIds.find(({ name }) => findClickIdKind(name)?.isUnique === true)
  const shown = unique ?? clickIds[0]
  if (shown === undefined) return null
  const { name, value } = shown
  return { kind: name, hash: shown === unique && !isUnlinked ? hasher.click(name, value) : null }
}

/**
 * Over the item as it was sent: the time that is stored depends on when it arrived, the channel on the rules. Who it is of is
 * in it by the keyed hashes, or whoever knows an id could find it here without the key.
 */
function hashItem(
  { eventId, occurredAt, pageUrl, referrer }: CollectedTouchpoint,
  { identity, session }: { identity: Buffer; session: Buffer | null },
): Buffer {
  const who = [identity.toString('hex'), session?.toString('hex') ?? null]
  return createHash('sha256')
    .update(JSON.stringify([eventId, occurredAt.toISOString(), pageUrl, referrer, ...who]))
    .digest()
}
