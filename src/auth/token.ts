import { randomUUID } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import type { Role } from '../context.ts'
import type { KeyRing } from '../secrets/keyring.ts'

const ISSUER = 'skeldir'
const AUDIENCE = 'skeldir-api'
/** RFC 9068: an access token is not any other JWT that the same key might sign one day. */
const TYPE = 'at+jwt'
const ALGORITHM = 'EdDSA'

export interface AccessTokenClaims {
  userId: string
  tenantId: string
  role: Role
  expiresAt: Date
}

const ROLES: readonly string[] = ['viewer', 'manager', 'admin']

/** A signed access token (EdDSA, `kid` of the newest key). */
export async function issueAccessToken(
  keys: KeyRing,
  claims: Omit<AccessTokenClaims, 'expiresAt'>,
  now: Date,
  lifetimeSeconds: number,
): Promise<{ token: string; expiresAt: Date }> {
  const [signing] = keys.signingKeys
  const issuedAt = Math.floor(now.getTime() / 1000)
  const token = await new SignJWT({ tenant_id: claims.tenantId, role: claims.role })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: signing.kid })
    .setSubject(claims.userId)
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(issuedAt + lifetimeSeconds)
    .sign(signing.privateKey)
  return { token, expiresAt: new Date((issuedAt + lifetimeSeconds) * 1000) }
}

/**
 * What the token says, or null when it is not one of ours: unknown key, any other algorithm, another type, issuer or
 * audience, expired, not yet valid, a claim missing. The algorithm is fixed; the header never chooses it (RFC 8725).
 */
export async function readAccessToken(keys: KeyRing, token: string, now: Date): Promise<AccessTokenClaims | null> {
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
        issuer: ISSUER,
        audience: AUDIENCE,
        currentDate: now,
        requiredClaims: ['sub', 'jti', 'iat', 'nbf', 'exp', 'tenant_id', 'role'],
      },
    )
    const { sub, tenant_id: tenantId, role, exp } = payload
    if (typeof sub !== 'string' || typeof tenantId !== 'string' || typeof role !== 'string' || exp === undefined)
      return null
    if (!ROLES.includes(role)) return null
    return { userId: sub, tenantId, role: role as Role, expiresAt: new Date(exp * 1000) }
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return null
    throw error
  }
}
