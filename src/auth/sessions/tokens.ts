import { createHash } from 'node:crypto'
import type { RequestContext, Role } from '../../context.ts'
import { ProblemError } from '../../problem/problem.ts'
import type { MemberRow } from '../queries.ts'
import { issueAccessToken } from '../token.ts'
import type { SessionRow } from './queries.ts'

export interface SessionTokens {
  accessToken: string
  expiresInSeconds: number
  refreshToken: string
  refreshExpiresAt: Date
  sessionId: string
  userId: string
  email: string
  role: Role
  tenantId: string
  tenantSlug: string
  tenantName: string
}

/** An access token of the session as of now, beside its refresh token. */
export async function toTokens(
  ctx: RequestContext,
  {
    tenantId,
    member,
    session,
    refreshToken,
  }: { tenantId: string; member: MemberRow; session: SessionRow; refreshToken: string },
): Promise<SessionTokens> {
  const { userId, email, role, slug, tenantName } = member
  const { accessTokenSeconds, tokenRealm } = ctx.config
  const { sessionId, createdAt, expiresAt } = session
  const claims = { userId, tenantId, role, sessionId, openedAt: createdAt }
  const { token } = await issueAccessToken(ctx.keys, claims, ctx.clock(), accessTokenSeconds, tokenRealm)
  return {
    accessToken: token,
    expiresInSeconds: accessTokenSeconds,
    refreshToken,
    refreshExpiresAt: expiresAt,
    sessionId,
    userId,
    email,
    role,
    tenantId,
    tenantSlug: slug,
    tenantName,
  }
}

/** 256 bits. The prefix lets scanners for leaked secrets recognise one. */
const REFRESH_TOKEN = /^skr_[A-Za-z0-9_-]{43}$/

export function isRefreshToken(text: string): boolean {
  return REFRESH_TOKEN.test(text)
}

export function toRefreshToken(bytes: Buffer): string {
  return `skr_${bytes.toString('base64url')}`
}

export function hashRefreshToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

export function unauthorized(): ProblemError {
  return new ProblemError('unauthorized', 'The credentials are missing or not valid.')
}
