import type { TenantContext } from '../../context.ts'
import { decodeCursor, encodeCursor } from '../../cursor.ts'
import { inTenant } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import type { Page } from '../page.ts'
import { type AuditFilter, type AuditPosition, listAuditEntries, type StoredEntry } from './queries.ts'

/**
 * What was done in the tenant, the newest first. Throws `validation_failed` for a span that ends before it begins, and
 * for a cursor of another list.
 */
export function getAuditLog(
  ctx: TenantContext,
  filter: AuditFilter,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<StoredEntry>> {
  const { action, actorId, since, until } = filter
  if (since !== undefined && until !== undefined && until <= since) {
    throw new ProblemError('validation_failed', 'The span of time is not valid.', {
      errors: [{ pointer: '/query/until', code: 'span', detail: 'until must be later than since.' }],
    })
  }
  const filters = { action, actorId, since: since?.toISOString(), until: until?.toISOString() }
  const scope = { operationId: 'getAuditLog', tenantId: ctx.tenantId, filters }
  const after = decodeCursor<AuditPosition>(ctx.keys, scope, cursor)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listAuditEntries(tx, ctx.tenantId, filter, { after, limit: limit + 1 })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    const isMore = rows.length > limit && last !== undefined
    return { items, nextCursor: isMore ? encodeCursor(ctx.keys, scope, [last.occurredMicros, last.entryId]) : null }
  })
}
