import type { OperationRow } from '../../../generated/operations.ts'
import type { Role } from '../../../src/context.ts'
import type { Caller } from './callers.ts'

/**
 * `admitted`: credentials and rights are in order, and what the answer is depends on the data. `open`: nothing is asked
 * for, so whatever credentials come along change nothing.
 */
export type Expected = 401 | 403 | 501 | 'admitted' | 'open'

const RANK: Record<Role, number> = { viewer: 1, manager: 2, admin: 3 }

/** What the contract says that a caller gets. Says it again in its own words: it shares nothing with the server. */
export function expectedOf(row: OperationRow, isImplemented: boolean, caller: Caller): Expected {
  if (!isImplemented) return 501
  if (row.security.length === 0) return 'open'
  const alternative = row.security.find((schemes) => schemes.every((scheme) => caller.proves.includes(scheme)))
  if (alternative === undefined) return 401
  if (caller.role !== undefined) return RANK[caller.role] >= RANK[row.requiredRole ?? 'viewer'] ? 'admitted' : 403
  // Who signs, and who runs the platform, has no rights beyond being that.
  if (alternative.some((scheme) => scheme.endsWith('Signature') || scheme === 'metricsToken')) return 'admitted'
  return row.requiredScope !== null && caller.hasScope === true ? 'admitted' : 403
}

/** Decided before an operation looks at its data, or by the server's own state. */
const NOT_BY_DATA = new Set([400, 401, 403, 405, 406, 413, 415, 429, 503])

/** Whether somebody who is admitted may get this to a request that fits the contract. */
export function isOfTheOperation({ replies }: OperationRow, status: number): boolean {
  return replies[status] !== undefined && !NOT_BY_DATA.has(status)
}
