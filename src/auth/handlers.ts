import type { RequestContext, TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { requireUser } from './principal.ts'
import { login as proveAndIssue } from './service.ts'

async function login(ctx: RequestContext, { body }: Request<'login'>): Promise<Reply<'login'>> {
  const session = await proveAndIssue(ctx, { email: body.email, password: body.password, tenantSlug: body.tenant })
  return {
    status: 200,
    body: {
      access_token: session.accessToken,
      token_type: 'Bearer',
      expires_in: session.expiresInSeconds,
      user: { user_id: session.userId, email: session.email, role: session.role },
      tenant: { tenant_id: session.tenantId, slug: session.tenantSlug, name: session.tenantName },
    },
  }
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

export const authHandlers = { login, verifyToken } satisfies Partial<Handlers>
