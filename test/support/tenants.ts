import { randomUUID } from 'node:crypto'
import { issueAccessToken } from '../../src/auth/token.ts'
import type { Role } from '../../src/context.ts'
import type { OperationId } from '../../src/contract.ts'
import { givenMember } from './given.ts'
import type { Answer, CallOptions, TestPlatform, TestTenant } from './platform.ts'

/** Calls as the tenant's admin, of the platform's own tenant by default. */
export function callAsAdmin(
  platform: TestPlatform,
  operationId: OperationId,
  options: CallOptions = {},
): Promise<Answer> {
  return platform.call(operationId, { token: (options.tenant ?? platform.tenant).tokens.admin, ...options })
}

export interface Person {
  userId: string
  email: string
  /** Null for one who had an account before. */
  password: string | null
  /** An access token of a session that is nowhere written down. */
  token: string
}

/** Somebody who really has the role: another one than the tenant's manager. */
export async function givenPerson(
  platform: TestPlatform,
  tenant: TestTenant,
  role: Role,
  email = `${randomUUID()}@example.test`,
): Promise<Person> {
  const { tenantId } = tenant
  const { userId, password } = await givenMember(platform, { tenant, email, role })
  const claims = { userId, tenantId, role, sessionId: randomUUID(), openedAt: new Date() }
  const { token } = await issueAccessToken(platform.ctx.keys, claims, platform.ctx.clock(), 900)
  return { userId, email, password, token }
}

export interface AuditLine {
  action: string
  actorKind: string
  actorId: string | null
  targetKind: string | null
  targetId: string | null
  correlationId: string
  changes: { pointer: string; before: string | null; after: string | null }[]
}

/** The audit log of a tenant, the oldest first, without what making the tenant left in it. */
export async function readAudit(platform: TestPlatform, tenant: TestTenant): Promise<AuditLine[]> {
  const lines = await platform.query<AuditLine & { ours: boolean }>(
    `select action, actor_kind as "actorKind", actor_id as "actorId", target_kind as "targetKind", target_id as "targetId",
            correlation_id as "correlationId", changes,
            actor_kind <> 'operator' or action not in ('tenant.created', 'member.added', 'api_key.created') as ours
     from audit_log where tenant_id = $1 order by occurred_at, entry_id`,
    [tenant.tenantId],
  )
  return lines.filter(({ ours }) => ours).map(({ ours: _, ...line }) => line)
}
