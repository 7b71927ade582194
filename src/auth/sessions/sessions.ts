import { randomBytes, randomUUID } from 'node:crypto'
import { describeClient } from '../../client-name.ts'
import type { RequestContext } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import { confirmPassword, findMember, publishRevocation } from '../queries.ts'
import { ABSOLUTE_MS, beginOf, KEPT_MS, liveSessionsOf, toLiveSessions } from './live.ts'
import {
  deleteEndedSessions,
  endSessionsAbove,
  endSessionsUntil,
  findCutoff,
  findNewestSession,
  insertRefreshToken,
  insertSession,
  raiseCutoff,
  type SessionRow,
  setSessionEnded,
} from './queries.ts'
import { hashRefreshToken, type SessionTokens, toRefreshToken, toTokens, unauthorized } from './tokens.ts'

/** Of one member in one tenant: the one unused for longest makes room. ASVS 5.0, 7.1.2. */
const MAX_SESSIONS = 100

/**
 * Opens a session of somebody who has proven to be this user by the password of this hash. Throws `unauthorized` unless
 * that is still theirs and they are an active member of the tenant of the transaction.
 */
export async function openSession(
  ctx: RequestContext,
  tx: Tx,
  { tenantId, userId, passwordHash }: { tenantId: string; userId: string; passwordHash: string },
): Promise<SessionTokens> {
  // First of all: a new password waits for this transaction, or this one sees it.
  const isConfirmed = await confirmPassword(tx, userId, passwordHash)
  const member = await findMember(tx, userId)
  if (!isConfirmed || member?.status !== 'active') throw unauthorized()
  const live = await liveSessionsOf(ctx, tx, { tenantId, userId }, member)
  await deleteEndedSessions(tx, live, KEPT_MS)
  for (const surplus of await endSessionsAbove(tx, live, MAX_SESSIONS - 1)) await publishEnd(tx, tenantId, surplus)

  const createdAt = beginOf(live)
  const session: SessionRow = {
    sessionId: randomUUID(),
    userId,
    client: describeClient(ctx.userAgent),
    createdAt,
    lastUsedAt: createdAt,
    expiresAt: new Date(createdAt.getTime() + ABSOLUTE_MS),
    endedAt: null,
  }
  const { sessionId } = session
  const refreshToken = toRefreshToken(randomBytes(32))
  const tokenHash = hashRefreshToken(refreshToken)
  await insertSession(tx, { tenantId, ...session })
  await insertRefreshToken(tx, { tenantId, sessionId, tokenHash, issuedAt: createdAt })
  return toTokens(ctx, { tenantId, member, session, refreshToken })
}

/** Ends a session with all its tokens, access tokens included. */
export async function endSession(
  tx: Tx,
  { tenantId, sessionId, at }: { tenantId: string; sessionId: string; at: Date },
): Promise<void> {
  await setSessionEnded(tx, tenantId, sessionId, at)
  await publishEnd(tx, tenantId, sessionId)
}

/** Now; or later, where a process whose clock is ahead has opened a session. */
async function endOfSessions(
  tx: Tx,
  { tenantId, userId, now }: { tenantId: string; userId: string; now: Date },
): Promise<Date> {
  const newest = await findNewestSession(tx, tenantId, userId)
  return newest !== null && newest > now ? newest : now
}

function publishEnd(tx: Tx, tenantId: string, sessionId: string): Promise<void> {
  return publishRevocation(tx, { tenantId, kind: 'session', id: sessionId, standing: 'none', notBefore: null })
}

/**
 * Makes every token invalid that the user got in the tenant of the transaction until `before`, and ends the sessions
 * opened until then; all that there are, where `before` is undefined. Access tokens are refused by every process within
 * a second of the commit. Returns the cutoff that holds, which is a later one if there was one, and how many sessions
 * ended.
 */
export async function revokeTokensOf(
  tx: Tx,
  { tenantId, userId, before, now }: { tenantId: string; userId: string; before?: Date | undefined; now: Date },
): Promise<{ notBefore: Date; sessions: number }> {
  const earlier = await findCutoff(tx, tenantId, userId)
  const until = before ?? (await endOfSessions(tx, { tenantId, userId, now }))
  const notBefore = await raiseCutoff(tx, tenantId, userId, until, now)
  const member = await findMember(tx, userId)
  const live = toLiveSessions({ tenantId, userId, now, memberCutoff: earlier }, member)
  const ended = await endSessionsUntil(tx, live, until)
  for (const sessionId of ended) await publishEnd(tx, tenantId, sessionId)
  await publishRevocation(tx, { tenantId, kind: 'member', id: userId, standing: null, notBefore })
  return { notBefore, sessions: ended.length }
}
