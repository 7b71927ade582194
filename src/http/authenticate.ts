import type { IncomingHttpHeaders } from 'node:http'
import type { OperationRow } from '../../generated/operations.ts'
import type { Principal, RequestContext, Role } from '../context.ts'
import { ProblemError } from '../problem/problem.ts'

/** What an authenticator may look at. */
export interface IncomingRequest {
  /** Lower case, as in the contract; HEAD has become `get`. */
  method: string
  /** Raw, without the query. */
  path: string
  /** Percent-decoded. */
  params: Record<string, string>
  headers: IncomingHttpHeaders
  /** The raw bytes, read once and kept. Throws `payload_too_large`. */
  readBody(): Promise<Buffer>
}

/**
 * Proves one security scheme of the contract. Null means 401. A thrown ProblemError other than `unauthorized` (413, 503)
 * reaches the caller, a lost database becomes 503, and anything else fails closed as the same 401.
 */
export type Authenticator = (ctx: RequestContext, request: IncomingRequest) => Promise<Principal | null>

const RANK: Record<Role, number> = { viewer: 1, manager: 2, admin: 3 }

/** Throws `forbidden` unless the principal has the role or scope that the operation asks of its kind. */
export function requireAccess(row: OperationRow, principal: Principal): void {
  // A signature and the metrics token each open their own operations, and nothing else.
  if (principal.kind === 'webhook' || principal.kind === 'scraper') return
  if (principal.kind === 'key') {
    if (row.requiredScope !== null && principal.scopes.includes(row.requiredScope)) return
    const detail =
      row.requiredScope === null ? 'Keys cannot use this operation.' : `The key lacks the scope ${row.requiredScope}.`
    throw new ProblemError('forbidden', detail)
  }
  // The worker's own principal comes from no security scheme.
  if (principal.kind !== 'user') throw new ProblemError('forbidden', 'This operation is for users.')
  // Every member is at least a viewer.
  if (row.requiredRole === null || RANK[principal.role] >= RANK[row.requiredRole]) return
  throw new ProblemError('forbidden', `This operation needs the role ${row.requiredRole} or a higher one.`)
}

/** The principal of the first alternative that holds. All schemes of one alternative must speak for the same tenant. */
export function principalOf(row: OperationRow, results: Record<string, unknown>): Principal | null {
  for (const schemes of row.security) {
    const principals = schemes.map((scheme) => results[scheme])
    if (!principals.every(isPrincipal)) continue
    const [first] = principals
    if (first !== undefined && principals.every((other) => other.tenantId === first.tenantId)) return first
  }
  return null
}

function isPrincipal(value: unknown): value is Principal {
  return typeof value === 'object' && value !== null && 'kind' in value && 'tenantId' in value
}
