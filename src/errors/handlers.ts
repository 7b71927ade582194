import { requireUser } from '../auth/principal.ts'
import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { listErrors as list, reportError } from './service.ts'

const DEFAULT_LIMIT = 20

async function logError(ctx: TenantContext, { body }: Request<'logError'>): Promise<Reply<'logError'>> {
  const { userId } = requireUser(ctx)
  const { name, message, stack, url, release, occurred_at: occurredAt } = body
  const report = { userId, name, message, stack, url, release, occurredAt: new Date(occurredAt) }
  const { errorId, occurrences } = await reportError(ctx, report)
  return { status: 200, body: { error_id: errorId, occurrences: Number(occurrences) } }
}

async function listErrors(ctx: TenantContext, { query }: Request<'listErrors'>): Promise<Reply<'listErrors'>> {
  const filter = { release: query.release, since: query.since === undefined ? undefined : new Date(query.since) }
  const page = { limit: query.limit ?? DEFAULT_LIMIT, cursor: query.cursor }
  const { items, nextCursor } = await list(ctx, filter, page)
  return {
    status: 200,
    body: {
      items: items.map((error) => ({
        error_id: error.errorId,
        name: error.name,
        message: error.message,
        stack: error.stack,
        url: error.url,
        release: error.release,
        client: error.client,
        occurrences: Number(error.occurrences),
        first_seen_at: error.firstSeenAt.toISOString(),
        last_seen_at: error.lastSeenAt.toISOString(),
      })),
      next_cursor: nextCursor,
    },
  }
}

export const errorHandlers = { listErrors, logError } satisfies Partial<Handlers>
