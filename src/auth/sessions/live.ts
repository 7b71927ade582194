import type { RequestContext } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import type { MemberRow } from '../queries.ts'
import { findCutoff, type LiveSessions, type SessionRow } from './queries.ts'

const DAY_MS = 86_400_000
/** From the log-in on, however often it is used. ASVS 5.0, 7.3.2. */
export const ABSOLUTE_MS = 30 * DAY_MS
/** Without a refresh. ASVS 5.0, 7.3.1. */
const IDLE_MS = 14 * DAY_MS
/** Rows of sessions that have ended stay for as long. */
export const KEPT_MS = DAY_MS

/** Which sessions of the member run now. */
export async function liveSessionsOf(
  ctx: RequestContext,
  tx: Tx,
  { tenantId, userId }: { tenantId: string; userId: string },
  member: MemberRow | undefined,
): Promise<LiveSessions> {
  const memberCutoff = await findCutoff(tx, tenantId, userId)
  return toLiveSessions({ tenantId, userId, now: ctx.clock(), memberCutoff }, member)
}

export function toLiveSessions(
  about: Pick<LiveSessions, 'tenantId' | 'userId' | 'now' | 'memberCutoff'>,
  member: MemberRow | undefined,
): LiveSessions {
  return {
    ...about,
    usedSince: idleSince(about.now),
    accountCutoff: member?.accountNotBefore ?? null,
    kept: member?.keptSession ?? null,
  }
}

/** What the query `liveSessions` asks of the database. */
export function isLive({ createdAt, lastUsedAt, expiresAt, sessionId }: SessionRow, live: LiveSessions): boolean {
  if (live.now >= expiresAt || lastUsedAt <= live.usedSince) return false
  if (live.memberCutoff !== null && createdAt <= live.memberCutoff) return false
  return live.accountCutoff === null || createdAt > live.accountCutoff || sessionId === live.kept
}

/** When a session begins that is opened now: after every cutoff, though that came from a process whose clock is ahead. */
export function beginOf({ now, memberCutoff, accountCutoff }: LiveSessions): Date {
  const earliest = Math.max(memberCutoff?.getTime() ?? 0, accountCutoff?.getTime() ?? 0) + 1
  return new Date(Math.max(now.getTime(), earliest))
}

/** When a session ends that is not used again. */
export function endOf({ lastUsedAt, expiresAt }: SessionRow): Date {
  return new Date(Math.min(expiresAt.getTime(), lastUsedAt.getTime() + IDLE_MS))
}

/** A session that was last used until then has ended. */
export function idleSince(now: Date): Date {
  return new Date(now.getTime() - IDLE_MS)
}
