import type { Principal, RequestContext, VerifiedToken } from '../context.ts'
import { isRevoked, revocationSubject } from './revocations.ts'
import { type AccessTokenClaims, readAccessToken } from './token.ts'
import { hashCredential } from './verified-cache.ts'

/**
 * Security scheme `bearerAuth`: null when the header is not a valid access token of ours, or it was revoked.
 *
 * No statement reaches the database: a token that was verified before is known by its hash (a signature check costs
 * some 100 us), and what is revoked is known from the feed. Throws `service_unavailable` while that cannot be read.
 */
export async function authenticateBearer(
  ctx: RequestContext,
  authorization: string | undefined,
): Promise<Principal | null> {
  const token = /^Bearer ([A-Za-z0-9._~+/-]{1,4096})$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) return null
  const hash = hashCredential(token)
  const verified = ctx.verifiedTokens.get(hash) ?? (await verify(ctx, token, hash))
  if (verified === null) return null
  const now = ctx.clock()
  const { principal } = verified
  if (now >= principal.expiresAt) {
    ctx.verifiedTokens.delete(hash)
    return null
  }
  if (now < verified.notBefore) return null
  const wait = ctx.revocations.ensureCurrent()
  if (wait !== undefined) await wait
  if (!isRefused(ctx, verified)) return principal
  ctx.verifiedTokens.delete(hash)
  return null
}

async function verify(ctx: RequestContext, token: string, hash: string): Promise<VerifiedToken | null> {
  const claims = await readAccessToken(ctx.keys, token, ctx.clock(), ctx.config.tokenRealm)
  if (claims === null) return null
  const verified = toVerifiedToken(claims)
  ctx.verifiedTokens.set(hash, verified)
  return verified
}

function toVerifiedToken(claims: AccessTokenClaims): VerifiedToken {
  const { userId, tenantId, role, sessionId, openedAt, notBefore, expiresAt } = claims
  return {
    principal: Object.freeze({ kind: 'user', userId, tenantId, role, sessionId, expiresAt }),
    openedAt,
    notBefore,
    session: revocationSubject('session', tenantId, sessionId),
    member: revocationSubject('member', tenantId, userId),
    account: revocationSubject('account', null, userId),
  }
}

function isRefused({ revocations }: RequestContext, token: VerifiedToken): boolean {
  const { session, member, account, openedAt, principal } = token
  return (
    isRevoked(revocations.find(session), { standing: 'active', openedAt }) ||
    isRevoked(revocations.find(member), { standing: principal.role, openedAt, session }) ||
    isRevoked(revocations.find(account), { standing: 'active', openedAt, session })
  )
}
