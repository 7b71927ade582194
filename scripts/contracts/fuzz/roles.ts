// Who calls: the roles that the contract knows, and what each of them may do.

import type { OperationRow } from '../../../generated/operations.ts'

/** `vendor` signs deliveries; `key` holds an API key with every scope. */
export const ROLES = ['anonymous', 'viewer', 'manager', 'admin', 'key', 'vendor'] as const
export type FuzzRole = (typeof ROLES)[number]

/** `refused401`: the role has nothing to show; `refused403`: it is known, and not allowed. */
export type Access = 'allowed' | 'refused401' | 'refused403'

const USERS: readonly FuzzRole[] = ['viewer', 'manager', 'admin']

/** Schemes of the contract that a run has no key for, so that no role satisfies them. Usually none. */
export type OutOfReach = ReadonlySet<string>
const NONE: OutOfReach = new Set()

/** The schemes of the contract that a role can satisfy. A delivery is signed with the tenant's key beside it. */
function schemesOf(role: FuzzRole, outOfReach: OutOfReach): (scheme: string) => boolean {
  if (USERS.includes(role)) return (scheme) => scheme === 'bearerAuth'
  if (role === 'key') return (scheme) => scheme === 'tenantKey'
  if (role === 'vendor') return (scheme) => scheme === 'tenantKey' || (isSignature(scheme) && !outOfReach.has(scheme))
  return () => false
}

export function accessOf(role: FuzzRole, { security, requiredRole }: OperationRow, outOfReach = NONE): Access {
  if (security.length === 0) return 'allowed'
  const satisfies = schemesOf(role, outOfReach)
  // A vendor that does not sign is only somebody with a key.
  const isFor = (schemes: readonly string[]) =>
    schemes.every(satisfies) && (role !== 'vendor' || schemes.some(isSignature))
  if (!security.some(isFor)) return 'refused401'
  if (!USERS.includes(role) || requiredRole === null) return 'allowed'
  return USERS.indexOf(role) >= USERS.indexOf(requiredRole as FuzzRole) ? 'allowed' : 'refused403'
}

/**
 * The least role that is allowed: there an operation is tried with everything that the fuzzer has. Where none is,
 * `anonymous`, who has to be refused.
 */
export function homeOf(row: OperationRow, outOfReach = NONE): FuzzRole {
  const isSigned = row.security.some((schemes) => schemes.some(isSignature))
  const order: readonly FuzzRole[] = isSigned ? ['vendor'] : ROLES
  return order.find((role) => accessOf(role, row, outOfReach) === 'allowed') ?? 'anonymous'
}

function isSignature(scheme: string): boolean {
  return scheme.endsWith('Signature')
}
