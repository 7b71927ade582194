import type { RequestContext, TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { requireUser } from './principal.ts'
import * as service from './service.ts'

async function login(ctx: RequestContext, { body }: Request<'login'>): Promise<Reply<'login'>> {
  const { email, password, tenant } = body
  return { status: 200, body: toSessionTokens(await service.login(ctx, { email, password, tenantSlug: tenant })) }
}

async function refreshToken(ctx: RequestContext, { body }: Request<'refreshToken'>): Promise<Reply<'refreshToken'>> {
  return { status: 200, body: toSessionTokens(await service.refreshSession(ctx, body.refresh_token)) }
}

async function logout(ctx: TenantContext): Promise<Reply<'logout'>> {
  await service.logout(ctx)
  return { status: 204 }
}

async function verifyToken(ctx: TenantContext): Promise<Reply<'verifyToken'>> {
  const user = requireUser(ctx)
  return {
    status: 200,
    body: {
      valid: true,
      user_id: user.userId,
      tenant_id: user.tenantId,
      role: user.role,
      expires_at: user.expiresAt.toISOString(),
    },
  }
}

async function listSessions(ctx: TenantContext, { query }: Request<'listSessions'>): Promise<Reply<'listSessions'>> {
  const { items, nextCursor } = await service.listSessions(ctx, { limit: query.limit ?? 50, cursor: query.cursor })
  return {
    status: 200,
    body: {
      items: items.map((session) => ({
        session_id: session.sessionId,
        current: session.isCurrent,
        client: session.client,
        created_at: session.createdAt.toISOString(),
        last_used_at: session.lastUsedAt.toISOString(),
        expires_at: session.endsAt.toISOString(),
      })),
      next_cursor: nextCursor,
    },
  }
}

async function revokeSession(
  ctx: TenantContext,
  { params }: Request<'revokeSession'>,
): Promise<Reply<'revokeSession'>> {
  await service.revokeSession(ctx, params.session_id.toLowerCase())
  return { status: 204 }
}

async function changePassword(
  ctx: TenantContext,
  { body }: Request<'changePassword'>,
): Promise<Reply<'changePassword'>> {
  const change = { current: body.current_password, next: body.new_password }
  const { changedAt, revokedSessions } = await service.changePassword(ctx, change)
  return { status: 200, body: { changed_at: changedAt.toISOString(), revoked_sessions: revokedSessions } }
}

async function adminRevokeTokensBefore(
  ctx: TenantContext,
  { body }: Request<'adminRevokeTokensBefore'>,
): Promise<Reply<'adminRevokeTokensBefore'>> {
  const userId = body.user_id.toLowerCase()
  const before = body.tokens_invalid_before === undefined ? undefined : new Date(body.tokens_invalid_before)
  const { notBefore, sessions } = await service.revokeTokensBefore(ctx, { userId, before })
  return {
    status: 200,
    body: { user_id: userId, tokens_invalid_before: notBefore.toISOString(), revoked_sessions: sessions },
  }
}

async function adminRbacCheck(ctx: TenantContext): Promise<Reply<'adminRbacCheck'>> {
  const { tenantId, userId } = requireUser(ctx)
  return { status: 200, body: { tenant_id: tenantId, user_id: userId, role: await service.requireAdmin(ctx) } }
}

async function adminUpdateMembershipRole(
  ctx: TenantContext,
  { body: { user_id, role } }: Request<'adminUpdateMembershipRole'>,
): Promise<Reply<'adminUpdateMembershipRole'>> {
  const userId = user_id.toLowerCase()
  const previous = await service.updateMembershipRole(ctx, { userId, role })
  return {
    status: 200,
    body: { user_id: userId, role, previous_role: previous, tokens_revoked: previous !== role },
  }
}

/** A session as the contract's `SessionTokens`. */
export function toSessionTokens(session: service.SessionTokens): Extract<Reply<'login'>, { status: 200 }>['body'] {
  return {
    access_token: session.accessToken,
    token_type: 'Bearer',
    expires_in: session.expiresInSeconds,
    refresh_token: session.refreshToken,
    refresh_expires_at: session.refreshExpiresAt.toISOString(),
    session_id: session.sessionId,
    user: { user_id: session.userId, email: session.email, role: session.role },
    tenant: { tenant_id: session.tenantId, slug: session.tenantSlug, name: session.tenantName },
  }
}

export const authHandlers = {
  login,
  refreshToken,
  logout,
  verifyToken,
  listSessions,
  revokeSession,
  changePassword,
  adminRevokeTokensBefore,
  adminRbacCheck,
  adminUpdateMembershipRole,
} satisfies Partial<Handlers>
