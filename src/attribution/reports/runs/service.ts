import type { TenantContext } from '../../../context.ts'
import { decodeCursor, encodeCursor } from '../../../cursor.ts'
import { inTenant } from '../../../db/tenant.ts'
import { ProblemError } from '../../../problem/problem.ts'
import type { Page } from '../../../tenants/page.ts'
import { listRunHistory, type RunRow } from './queries.ts'

export interface RunFilters {
  /** YYYY-MM-DD, UTC. */
  date: string
  /** Default: every model. */
  model: string | undefined
}

/**
 * All runs over the orders of a day, the newest first. Throws `validation_failed` for a cursor of another list, and for a day before
 * the year 1.
 */
export function listRuns(
  ctx: TenantContext,
  filters: RunFilters,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<RunRow>> {
  const { tenantId } = ctx
  const { date, model } = filters
  if (date < '0001-01-01') throw noDate()
  const scope = { operationId: 'listAttributionRuns', tenantId, filters: { ...filters } }
  const position = decodeCursor<[number, number, string]>(ctx.keys, scope, cursor)
  const after = position && { edition: position[0], version: position[1], model: position[2] }
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listRunHistory(tx, tenantId, { date, model, after, limit: limit + 1 })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    const isMore = rows.length > limit && last !== undefined
    return {
      items,
      nextCursor: isMore ? encodeCursor(ctx.keys, scope, [last.edition, last.version, last.model]) : null,
    }
  })
}

/** RFC 3339 has no dates before the year 1. */
function noDate(): ProblemError {
  return new ProblemError('validation_failed', 'The day is not valid.', {
    errors: [{ pointer: '/query/date', code: 'date', detail: 'It lies before the year 1.' }],
  })
}
