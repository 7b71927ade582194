import type { TenantContext } from '../../../context.ts'
import type { Handlers, Reply, Request } from '../../../contract.ts'
import { toWireRun } from '../wire.ts'
import { listRuns } from './service.ts'

const DEFAULT_LIMIT = 20

async function listAttributionRuns(
  ctx: TenantContext,
  { query }: Request<'listAttributionRuns'>,
): Promise<Reply<'listAttributionRuns'>> {
  const { date, model, limit = DEFAULT_LIMIT, cursor } = query
  const { items, nextCursor } = await listRuns(ctx, { date, model }, { limit, cursor })
  return { status: 200, body: { items: items.map(toWireRun), next_cursor: nextCursor } }
}

export const runHandlers = { listAttributionRuns } satisfies Partial<Handlers>
