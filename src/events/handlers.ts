import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { ingestTouchpoints as ingest } from './service.ts'

async function ingestTouchpoints(
  ctx: TenantContext,
  { body }: Request<'ingestTouchpoints'>,
): Promise<Reply<'ingestTouchpoints'>> {
  const results = await ingest(
    ctx,
    body.touchpoints.map((item) => ({
      eventId: item.event_id,
      visitorId: item.visitor_id,
      sessionId: item.session_id ?? null,
      occurredAt: new Date(item.occurred_at),
      channel: item.channel,
      source: item.source ?? null,
      medium: item.medium ?? null,
      campaign: item.campaign ?? null,
    })),
  )
  const count = (result: string) => results.filter((item) => item.result === result).length
  return {
    status: 200,
    body: {
      accepted: count('accepted'),
      duplicates: count('duplicate'),
      rejected: count('rejected'),
      results: results.map(({ eventId, result, code }) => ({ event_id: eventId, result, code })),
    },
  }
}

export const eventHandlers = { ingestTouchpoints } satisfies Partial<Handlers>
