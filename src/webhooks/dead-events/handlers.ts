import type { TenantContext } from '../../context.ts'
import type { Handlers, Reply, Request } from '../../contract.ts'
import { toWireMoney } from '../../money.ts'
import type { DeadEventRow } from './queries.ts'
import { previewReplay } from './replay/preview.ts'
import { requestReplay } from './replay/service.ts'
import { listDeadEvents as list, getDeadEvent as read, resolveDeadEvent as resolve } from './service.ts'

const DEFAULT_LIMIT = 20

async function listDeadEvents(
  ctx: TenantContext,
  { query }: Request<'listDeadEvents'>,
): Promise<Reply<'listDeadEvents'>> {
  const { vendor, class: deadClass, code, status, since, replay_id: replayId, limit = DEFAULT_LIMIT, cursor } = query
  const filter = { vendor, class: deadClass, code, status, replayId, since: toDate(since) }
  const { items, nextCursor } = await list(ctx, filter, { limit, cursor })
  return { status: 200, body: { items: items.map(toItem), next_cursor: nextCursor } }
}

async function getDeadEvent(ctx: TenantContext, { params }: Request<'getDeadEvent'>): Promise<Reply<'getDeadEvent'>> {
  const event = await read(ctx, params.dead_event_id)
  const { replays: _replays, replay_id: _replayId, ...item } = toItem(event)
  return {
    status: 200,
    body: {
      ...item,
      conflicts_with_event_id: event.conflictsWithEventId,
      body_sha256: event.bodySha256.toString('hex'),
      payload: event.payload,
      replays: event.replayedBy.map((replay) => ({
        replay_id: replay.replayId,
        requested_at: replay.requestedAt.toISOString(),
        finished_at: replay.finishedAt?.toISOString() ?? null,
        outcome: replay.outcome,
        code: replay.code,
        event_id: replay.eventId,
        recipes: replay.recipes,
      })),
      resolution:
        event.resolvedAt === null
          ? null
          : { resolved_at: event.resolvedAt.toISOString(), resolved_by: event.resolvedBy, note: event.note },
    },
  }
}

async function resolveDeadEvent(
  ctx: TenantContext,
  { params, body }: Request<'resolveDeadEvent'>,
): Promise<Reply<'resolveDeadEvent'>> {
  const event = await resolve(ctx, params.dead_event_id, { status: body.status, note: body.note })
  return { status: 200, body: toItem(event) }
}

async function replayDeadEvents(
  ctx: TenantContext,
  { body: { filter: asked, dry_run: isDryRun } }: Request<'replayDeadEvents'>,
): Promise<Reply<'replayDeadEvents'>> {
  const { vendor, class: deadClass, code, since, until, dead_event_ids: deadEventIds } = asked
  const filter = { vendor, class: deadClass, code, since: toDate(since), until: toDate(until), deadEventIds }
  if (!isDryRun) {
    const { replayId, matched } = await requestReplay(ctx, filter)
    ctx.log.setBindings({ businessId: replayId })
    ctx.log.debug('a replay was asked for')
    const unknown = { recovered: null, duplicates: null, still_dead: null, revenue_changes: null }
    return {
      status: 202,
      headers: { Location: `/api/dead-events?replay_id=${replayId}` },
      body: { replay_id: replayId, dry_run: false, status: 'queued', matched, ...unknown },
    }
  }
  const { matched, recovered, duplicates, stillDead, changes } = await previewReplay(ctx, filter)
  return {
    status: 200,
    body: {
      replay_id: null,
      dry_run: true,
      status: 'succeeded',
      matched,
      recovered,
      duplicates,
      still_dead: stillDead,
      revenue_changes: changes.map(({ currency, capturedMinor, refundedMinor, disputedMinor }) => ({
        currency,
        captured: toWireMoney(capturedMinor, currency),
        refunded: toWireMoney(refundedMinor, currency),
        disputed: toWireMoney(disputedMinor, currency),
        net_revenue: toWireMoney(capturedMinor - refundedMinor - disputedMinor, currency),
      })),
    },
  }
}

function toItem(event: DeadEventRow) {
  return {
    dead_event_id: event.deadEventId,
    vendor: event.vendor,
    endpoint_id: event.endpointId,
    external_id: event.externalId,
    topic: event.topic,
    class: event.class,
    code: event.code,
    detail: event.detail,
    status: event.status,
    replays: event.replays,
    replay_id: event.replayId,
    received_at: event.receivedAt.toISOString(),
    first_seen_at: event.firstSeenAt.toISOString(),
    last_seen_at: event.lastSeenAt.toISOString(),
    seen: event.seen,
    correlation_id: event.correlationId,
  }
}

function toDate(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text)
}

export const deadEventHandlers = {
  listDeadEvents,
  getDeadEvent,
  resolveDeadEvent,
  replayDeadEvents,
} satisfies Partial<Handlers>
