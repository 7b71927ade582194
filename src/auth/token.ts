import { randomUUID } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import type { Role } from '../context.ts'
import type { KeyRing } from '../secrets/keyring.ts'

/** RFC 9068: an access token is not any other JWT that the same key might sign one day. */
const TYPE = 'at+jwt'
const ALGORITHM = 'EdDSA'
/** Clocks of two processes may differ by as much: a token is valid so long before it was issued. Its expiry is exact. */
const SKEW_S = 5
/** The longest that an access token may live, whatever was configured when it was issued. */
export const MAX_ACCESS_TOKEN_SECONDS = 900

/** What binds a token to one deployment, beside its key. */
export interface TokenRealm {
  issuer: string
  audience: string
}

export const DEFAULT_REALM: TokenRealm = { issuer: 'skeldir', audience: 'skeldir-api' }

export interface AccessTokenClaims {
  userId: string
  tenantId: string
  role: Role
  sessionId: string
  /** When the session was opened, to the millisecond: what cutoffs are compared with. */
  openedAt: Date
  notBefore: Date
  expiresAt: Date
}

const ROLES: readonly string[] = ['viewer', 'manager', 'admin']
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** A signed access token (EdDSA, `kid` of the newest key). Claims as RFC 9068 names them; `auth_time` has a fraction. */
export async function issueAccessToken(
  keys: KeyRing,
  claims: Pick<AccessTokenClaims, 'userId' | 'tenantId' | 'role' | 'sessionId' | 'openedAt'>,
  now: Date,
  lifetimeSeconds: number,
  realm: TokenRealm = DEFAULT_REALM,
): Promise<{ token: string; expiresAt: Date }> {
  const [signing] = keys.signingKeys
  const second = Math.floor(now.getTime() / 1000)
  const expiry = second + Math.min(lifetimeSeconds, MAX_ACCESS_TOKEN_SECONDS)
  const token = await new SignJWT({
    tenant_id: claims.tenantId,
    role: claims.role,
    sid: claims.sessionId,
    auth_time: claims.openedAt.getTime() / 1000,
  })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: signing.kid })
    .setSubject(claims.userId)
    .setIssuer(realm.issuer)
    .setAudience(realm.audience)
    .setJti(randomUUID())
    .setIssuedAt(second)
    .setNotBefore(second - SKEW_S)
    .setExpirationTime(expiry)
    .sign(signing.privateKey)
  return { token, expiresAt: new Date(expiry * 1000) }
}

/**
 * What the token says, or null when it is not one of ours: unknown key, any other algorithm, another type, issuer or
 * audience, expired, not yet valid, longer-lived than any of ours, a claim missing or of another form. The algorithm is
 * fixed, and of the header only `kid` is read, as a name to compare: it is never looked up anywhere (RFC 8725).
 */
export async function readAccessToken(
  keys: KeyRing,
  token: string,
  now: Date,
  realm: TokenRealm = DEFAULT_REALM,
): Promise<AccessTokenClaims | null> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const key = keys.signingKeys.find((candidate) => candidate.kid === kid)
        if (key === undefined) throw new errors.JWKSNoMatchingKey()
        return key.publicKey
      },
      {
        algorithms: [ALGORITHM],
        typ: TYPE,
        issuer: realm.issuer,
        audience: realm.audience,
        currentDate: now,
        requiredClaims: ['sub', 'jti', 'iat', 'nbf', 'exp', 'tenant_id', 'role', 'sid', 'auth_time'],
      },
    )
    const { sub: userId, tenant_id: tenantId, sid: sessionId, jti, role, auth_time: openedAt, iat, nbf, exp } = payload
    if (iat === undefined || nbf === undefined || exp === undefined || !Number.isFinite(openedAt)) return null
    if (![userId, tenantId, sessionId, jti].every(isUuid) || typeof role !== 'string' || !ROLES.includes(role))
      return null
    if (iat * 1000 > now.getTime() + SKEW_S * 1000 || exp - iat > MAX_ACCESS_TOKEN_SECONDS) return null
    return {
      userId: userId as string,
      tenantId: tenantId as string,
      sessionId: sessionId as string,
      role: role as Role,
      openedAt: new Date(Math.round((openedAt as number) * 1000)),
      notBefore: new Date(nbf * 1000),
      expiresAt: new Date(exp * 1000),
    }
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return null
    throw error
  }
}

function isUuid(value: unknown): boolean {
  return typeof value === 'string' && UUID.test(value)
}
