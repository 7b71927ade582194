import type { TenantContext } from '../../context.ts'
import { decodeCursor, encodeCursor } from '../../cursor.ts'
import { inTenant } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import type { Page } from '../../tenants/page.ts'
import { type LedgerFilter, type LedgerPosition, type LedgerRow, listEntries } from './queries.ts'

/**
 * The ledger in order of recording. Throws `validation_failed` for a span that ends before it begins, and for a cursor
 * of another list.
 */
export function listLedger(
  ctx: TenantContext,
  filter: LedgerFilter,
  { limit, cursor, isAscending }: { limit: number; cursor: string | undefined; isAscending: boolean },
): Promise<Page<LedgerRow>> {
  const { occurredSince, occurredBefore, recordedSince, ...exact } = filter
  if (occurredSince !== undefined && occurredBefore !== undefined && occurredBefore < occurredSince) {
    throw new ProblemError('validation_failed', 'The span of time is not valid.', {
      errors: [
        { pointer: '/query/occurred_before', code: 'span', detail: 'occurred_before is earlier than occurred_since.' },
      ],
    })
  }
  const filters = {
    ...exact,
    occurredSince: occurredSince?.toISOString(),
    occurredBefore: occurredBefore?.toISOString(),
    recordedSince: recordedSince?.toISOString(),
    sort: isAscending ? 'recorded' : '-recorded',
  }
  const scope = { operationId: 'listLedgerEntries', tenantId: ctx.tenantId, filters }
  const after = decodeCursor<LedgerPosition>(ctx.keys, scope, cursor)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listEntries(tx, ctx.tenantId, filter, { after, limit: limit + 1, isAscending })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    const isMore = rows.length > limit && last !== undefined
    return { items, nextCursor: isMore ? encodeCursor(ctx.keys, scope, [last.recordedMicros, last.entryKey]) : null }
  })
}
