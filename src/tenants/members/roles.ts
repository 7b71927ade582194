import type { Role } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { findMemberRole, hasOtherAdmin, lockMembers, setMemberRole } from './queries.ts'

/**
 * Gives a member another role and returns the one before. Two changes of one tenant's members come one after the other,
 * so that they cannot each leave it to the other to keep an admin. Throws `not_found` and `last_admin`.
 */
export async function changeMemberRole(
  tx: Tx,
  { tenantId, userId, role }: { tenantId: string; userId: string; role: Role },
): Promise<Role> {
  await lockMembers(tx, tenantId)
  const previous = await findMemberRole(tx, tenantId, userId)
  if (previous === undefined) throw noSuchMember()
  if (previous === role) return previous
  if (previous === 'admin') await requireOtherAdmin(tx, tenantId, userId)
  await setMemberRole(tx, tenantId, userId, role)
  return previous
}

/** Under `lockMembers`. Throws `last_admin` when nobody else could administer the tenant. */
export async function requireOtherAdmin(tx: Tx, tenantId: string, userId: string): Promise<void> {
  if (await hasOtherAdmin(tx, tenantId, userId)) return
  throw new ProblemError(
    'last_admin',
    'This member is the only admin of the tenant. Make another member an admin first.',
  )
}

export function noSuchMember(): ProblemError {
  return new ProblemError('not_found', 'The tenant has no member with this id.')
}
