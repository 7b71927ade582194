import { createHash } from 'node:crypto'
import type { Principal, RequestContext, Role } from '../context.ts'
import { ProblemError } from '../problem/problem.ts'
import { decoyHash, verifyPassword } from './password.ts'
import { findApiKey, findLogin } from './queries.ts'
import { issueAccessToken, readAccessToken } from './token.ts'

export interface Login {
  accessToken: string
  expiresInSeconds: number
  userId: string
  email: string
  role: Role
  tenantId: string
  tenantSlug: string
  tenantName: string
}

/**
 * Proves a person by password and gives an access token for one of their tenants. Unknown person, wrong password,
 * inactive user and foreign tenant are one and the same `unauthorized`, after the same work. Throws
 * `tenant_selection_required` when the person is proven but belongs to several tenants and named none.
 */
export async function login(
  ctx: RequestContext,
  { email, password, tenantSlug }: { email: string; password: string; tenantSlug: string | undefined },
): Promise<Login> {
  const rows = await findLogin(ctx.db.main.lookup, email)
  const person = rows[0]
  const proven = await verifyPassword(password, person?.passwordHash ?? (await decoyHash()))
  const memberships = rows.filter(
    (row) => row.tenantId !== null && (tenantSlug === undefined || row.slug === tenantSlug),
  )
  const [membership] = memberships
  if (!proven || person?.status !== 'active' || membership === undefined) throw unauthorized()
  if (memberships.length > 1) {
    const slugs = memberships.map(({ slug }) => slug).join(', ')
    throw new ProblemError(
      'tenant_selection_required',
      `You belong to several tenants: name one of ${slugs} in "tenant".`,
    )
  }
  const { userId, tenantId, slug, tenantName, role } = membership
  if (tenantId === null || slug === null || tenantName === null || role === null) throw unauthorized()
  const lifetime = ctx.config.accessTokenSeconds
  const { token } = await issueAccessToken(ctx.keys, { userId, tenantId, role }, ctx.clock(), lifetime)
  return {
    accessToken: token,
    expiresInSeconds: lifetime,
    userId,
    email: email.toLowerCase(),
    role,
    tenantId,
    tenantSlug: slug,
    tenantName,
  }
}

/** Security scheme `bearerAuth`: null when the header is not a valid access token of ours. */
export async function authenticateBearer(
  ctx: RequestContext,
  authorization: string | undefined,
): Promise<Principal | null> {
  const token = /^Bearer ([A-Za-z0-9._~+/-]{1,4096})$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) return null
  const claims = await readAccessToken(ctx.keys, token, ctx.clock())
  return claims === null ? null : { kind: 'user', ...claims }
}

/** Security scheme `tenantKey`: null when the key is unknown, expired or revoked. */
export async function authenticateKey(ctx: RequestContext, key: string | undefined): Promise<Principal | null> {
  if (key === undefined || !/^skd_[A-Za-z0-9_-]{43}$/.test(key)) return null
  const found = await findApiKey(ctx.db.main.lookup, hashApiKey(key))
  return found === undefined ? null : { kind: 'key', ...found }
}

/** API keys are 256 random bits, so a plain SHA-256 keeps them: there is nothing to guess. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function unauthorized(): ProblemError {
  return new ProblemError('unauthorized', 'The credentials are missing or not valid.')
}
