import { randomBytes, randomUUID } from 'node:crypto'
import { hashPassword } from '../../../src/auth/password.ts'
import { issueAccessToken } from '../../../src/auth/token.ts'
import type { Role } from '../../../src/context.ts'
import { deriveKeyRing, type KeyRing } from '../../../src/secrets/keyring.ts'
import type { TestEndpoint } from '../../support/given.ts'
import type { TestPlatform, TestTenant } from '../../support/platform.ts'

export const ROLES: readonly Role[] = ['viewer', 'manager', 'admin']

/** A tenant with somebody in each role, whose membership the database confirms. */
export interface Site {
  platform: TestPlatform
  tenant: TestTenant
  /** By role. */
  userIds: Record<Role, string>
  /** Endpoints of this site that a caller signs deliveries for, by vendor. */
  endpoints: Map<string, TestEndpoint>
}

let hash: Promise<string> | undefined
/** Of a password that nobody knows, made once: it is slow on purpose. */
const nobodysHash = () => {
  hash ??= hashPassword(randomUUID())
  return hash
}

export async function givenSite(platform: TestPlatform): Promise<Site> {
  const tenant = await platform.createTenant()
  const userIds = { viewer: randomUUID(), manager: randomUUID(), admin: randomUUID() }
  for (const role of ROLES) {
    await platform.query(`insert into users (user_id, email, password_hash) values ($1, $2, $3)`, [
      userIds[role],
      `${role}@${tenant.slug}.example.test`,
      await nobodysHash(),
    ])
    await platform.query('insert into memberships (tenant_id, user_id, role) values ($1, $2, $3)', [
      tenant.tenantId,
      userIds[role],
      role,
    ])
  }
  return { platform, tenant, userIds, endpoints: new Map() }
}

/** An access token of a session of its own, so that ending one ends no other. */
export async function tokenFor(
  { platform, tenant, userIds }: Site,
  role: Role,
  { at = new Date(), keys = platform.ctx.keys }: { at?: Date; keys?: KeyRing } = {},
): Promise<string> {
  const claims = { tenantId: tenant.tenantId, userId: userIds[role], role, sessionId: randomUUID(), openedAt: at }
  return (await issueAccessToken(keys, claims, at, 900)).token
}

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

/** What another deployment signs with. */
export const strangeKeys = (): KeyRing => deriveKeyRing([randomBytes(32)])
