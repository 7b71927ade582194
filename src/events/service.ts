import type { TenantContext } from '../context.ts'
import { inTenant } from '../db/tenant.ts'
import { findClockFault, MAX_EVENT_AGE_MS } from './clock.ts'
import {
  loadTouchHasher,
  storeTouchpoints,
  type Touch,
  type TouchHasher,
  type TouchpointResult,
} from './touchpoints.ts'

/** A touchpoint as a tenant's server sends it. */
export interface SentTouchpoint {
  eventId: string
  visitorId: string
  sessionId: string | null
  occurredAt: Date
  channel: string
  source: string | null
  medium: string | null
  campaign: string | null
}

/** Stores touches that a server of the tenant saw; one result per item, in order (see `storeTouchpoints`). */
export function ingestTouchpoints(
  ctx: TenantContext,
  touchpoints: readonly SentTouchpoint[],
): Promise<TouchpointResult[]> {
  const now = ctx.clock()
  return inTenant(ctx.db.ingest, ctx, async (tx) => {
    const hasher = await loadTouchHasher(tx, ctx)
    const verdicts = touchpoints.map((touch) => ({
      touch,
      code: findClockFault(touch.occurredAt, now, MAX_EVENT_AGE_MS),
    }))
    const good = verdicts.filter(({ code }) => code === null).map(({ touch }) => toTouch(touch, hasher))
    const stored = (await storeTouchpoints(tx, ctx, 'server', good)).values()
    return verdicts.map(({ touch: { eventId }, code }): TouchpointResult => {
      if (code !== null) return { eventId, result: 'rejected', code }
      return stored.next().value as TouchpointResult
    })
  })
}

function toTouch(sent: SentTouchpoint, hasher: TouchHasher): Touch {
  const { eventId, occurredAt, channel, source, medium, campaign, visitorId, sessionId } = sent
  return {
    eventId,
    occurredAt,
    channel,
    source,
    medium,
    campaign,
    identity: hasher.visitor(visitorId),
    session: sessionId === null ? null : hasher.session(sessionId),
    tier: 'visitor_id',
    orderKey: null,
    click: null,
    landingPath: null,
    referrerHost: null,
    channelRules: null,
  }
}
