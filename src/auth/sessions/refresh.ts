import type { RequestContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { deriveSuccessor, unwrapTenantKey } from '../../secrets/keyring.ts'
import { recordAudit } from '../../tenants/audit.ts'
import { getTenantKey, listTenantKeys } from '../../tenants/queries.ts'
import { findMember } from '../queries.ts'
import { countFailure } from '../throttle.ts'
import { isLive, liveSessionsOf } from './live.ts'
import {
  findRefreshToken,
  getRefreshToken,
  lockSession,
  type RefreshTokenRow,
  rotateRefreshToken,
  type SessionRow,
} from './queries.ts'
import { endSession } from './sessions.ts'
import {
  hashRefreshToken,
  isRefreshToken,
  type SessionTokens,
  toRefreshToken,
  toTokens,
  unauthorized,
} from './tokens.ts'

/** So long does the token used last give its successor again, for callers that lost the answer. */
const GRACE_MS = 10_000

interface Exchange {
  tenantId: string
  sessionId: string
  refreshToken: string
  tokenHash: Buffer
}

/**
 * Exchanges a refresh token. The one that was used last gives the same successor for 10 s more, so that two requests at
 * once, or one whose answer was lost, end up with the same token; any older one ends the session, since somebody else
 * has a copy. Whatever is wrong, it is `unauthorized`; `rate_limited` for an address that fails often.
 */
export async function refreshSession(ctx: RequestContext, refreshToken: string): Promise<SessionTokens> {
  const tokenHash = hashRefreshToken(refreshToken)
  const found = isRefreshToken(refreshToken) ? await findRefreshToken(ctx.db.main.lookup, tokenHash) : undefined
  if (found !== undefined) {
    const { correlationId, db } = ctx
    const tokens = await inTenant(db.main, { tenantId: found.tenantId, correlationId }, (tx) =>
      exchange(ctx, tx, { ...found, refreshToken, tokenHash }),
    )
    if (tokens !== null) return tokens
    await ctx.revocations.catchUp()
  }
  await countFailure(ctx, 'refresh')
  throw unauthorized()
}

/** Null when the token is good for nothing; the session has then ended, and that is committed. */
async function exchange(ctx: RequestContext, tx: Tx, given: Exchange): Promise<SessionTokens | null> {
  const { tenantId, sessionId, tokenHash } = given
  const session = await lockSession(tx, tenantId, sessionId)
  if (session === undefined || session.endedAt !== null) return null
  const { userId } = session
  const now = ctx.clock()
  const token = await getRefreshToken(tx, tenantId, tokenHash)
  if (token.rotatedAt !== null && !isInGrace(token, now)) {
    await endReused(tx, { tenantId, session, at: now })
    return null
  }
  const member = await findMember(tx, userId)
  const live = await liveSessionsOf(ctx, tx, { tenantId, userId }, member)
  if (member?.status !== 'active' || !isLive(session, live)) {
    await endSession(tx, { tenantId, sessionId, at: now })
    return null
  }
  const successor = token.keyVersion === null ? await succeed(ctx, tx, given, now) : await repeat(ctx, tx, given, token)
  return toTokens(ctx, { tenantId, member, session, refreshToken: successor })
}

/** Only the token used last: one whose successor was used as well is an ancestor, and never good again. */
function isInGrace({ rotatedAt, isSuccessorRotated }: RefreshTokenRow, now: Date): boolean {
  return rotatedAt !== null && !isSuccessorRotated && now.getTime() - rotatedAt.getTime() <= GRACE_MS
}

async function endReused(
  tx: Tx,
  { tenantId, session, at }: { tenantId: string; session: SessionRow; at: Date },
): Promise<void> {
  const { sessionId, userId } = session
  await endSession(tx, { tenantId, sessionId, at })
  await recordAudit(tx, {
    actor: { kind: 'worker', tenantId },
    action: 'session.revoked',
    subject: `session:${sessionId}`,
    details: { reason: 'refresh_token_reused', user_id: userId },
  })
}

/** Uses the token up. */
async function succeed(
  ctx: RequestContext,
  tx: Tx,
  { tenantId, sessionId, refreshToken, tokenHash }: Exchange,
  at: Date,
): Promise<string> {
  const key = unwrapTenantKey(ctx.keys, await getTenantKey(tx, tenantId))
  const successor = toRefreshToken(deriveSuccessor(key, refreshToken))
  const successorHash = hashRefreshToken(successor)
  const keyVersion = key.version
  await rotateRefreshToken(tx, { tenantId, sessionId, tokenHash, successorHash, keyVersion, at })
  return successor
}

/** The successor that was given before. */
async function repeat(
  ctx: RequestContext,
  tx: Tx,
  { tenantId, refreshToken }: Exchange,
  { keyVersion }: RefreshTokenRow,
): Promise<string> {
  const wrapped = (await listTenantKeys(tx, tenantId)).find(({ version }) => version === keyVersion)
  if (wrapped === undefined) throw new Error('the key that a refresh token was derived by is gone')
  return toRefreshToken(deriveSuccessor(unwrapTenantKey(ctx.keys, wrapped), refreshToken))
}
