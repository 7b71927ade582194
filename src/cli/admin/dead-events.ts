import type { TenantContext, Vendor } from '../../context.ts'
import { formatMinor } from '../../money.ts'
import { operatorIn, requireTenant } from '../../tenants/operator.ts'
import type { DeadEventStatus } from '../../webhooks/dead-events/queries.ts'
import { previewReplay } from '../../webhooks/dead-events/replay/preview.ts'
import { requestReplay } from '../../webhooks/dead-events/replay/service.ts'
import { getDeadEvent, listDeadEvents, resolveDeadEvent } from '../../webhooks/dead-events/service.ts'
import type { DeadClass } from '../../webhooks/normalize/dead-delivery.ts'
import { UsageError } from '../environment.ts'
import { type AdminCommand, type AdminInput, type OptionName, readId, readTime, readWhole } from './command.ts'

const DEFAULT_LIMIT = 50
const VENDORS = ['shopify', 'stripe', 'paypal', 'woocommerce'] as const satisfies readonly Vendor[]
const CLASSES = ['malformed', 'schema', 'poison', 'unsupported', 'conflict'] as const satisfies readonly DeadClass[]
const STATUSES = ['pending', 'in_progress', 'resolved', 'abandoned'] as const satisfies readonly DeadEventStatus[]
const CLOSED = ['resolved', 'abandoned'] as const
const MAX_IDS = 500

export const deadEventCommands: Record<string, AdminCommand> = {
  'list-dead-events': {
    usage: '--tenant S [--vendor V] [--class C] [--code C] [--status S] [--since T] [--limit 50]',
    summary: 'deliveries that could not be used, the newest first',
    options: ['tenant', 'vendor', 'class', 'code', 'status', 'since', 'limit'],
    run: async (input) => {
      const { get } = input
      const limit = readWhole('limit', get('limit') ?? String(DEFAULT_LIMIT), { min: 1, max: 100_000 })
      const { until: _, ...filter } = readFilter(input)
      const status = oneOf('status', get('status'), STATUSES)
      const operator = await asApi(input)
      const items = []
      for (let cursor: string | undefined; items.length < limit; ) {
        const page = await listDeadEvents(
          operator,
          { ...filter, status },
          { limit: Math.min(100, limit - items.length), cursor },
        )
        for (const event of page.items) {
          items.push({
            dead_event_id: event.deadEventId,
            last_seen_at: event.lastSeenAt.toISOString(),
            vendor: event.vendor,
            topic: event.topic,
            class: event.class,
            code: event.code,
            status: event.status,
            seen: event.seen,
            replays: event.replays,
            first_seen_at: event.firstSeenAt.toISOString(),
            correlation_id: event.correlationId,
            detail: event.detail,
          })
        }
        if (page.nextCursor === null) break
        cursor = page.nextCursor
      }
      return {
        columns: ['dead_event_id', 'last_seen_at', 'vendor', 'topic', 'class', 'code', 'status', 'seen'],
        items,
      }
    },
  },
  'show-dead-event': {
    usage: '--tenant S --dead-event ID',
    summary: 'what is wrong with one, what was kept of it, and what its replays came to',
    options: ['tenant', 'dead-event'],
    run: async (input) => {
      const deadEventId = oneId(input)
      const event = await getDeadEvent(await asApi(input), deadEventId)
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
        seen: event.seen,
        first_seen_at: event.firstSeenAt.toISOString(),
        last_seen_at: event.lastSeenAt.toISOString(),
        correlation_id: event.correlationId,
        conflicts_with_event_id: event.conflictsWithEventId,
        body_sha256: event.bodySha256.toString('hex'),
        payload: event.payload,
        replays: event.replayedBy.map(
          ({ requestedAt, outcome, code, recipes }) =>
            `${requestedAt.toISOString()} ${outcome ?? 'at work'} ${[code, ...recipes].filter(Boolean).join(' ')}`,
        ),
        note: event.note,
      }
    },
  },
  'replay-dead-events': {
    usage: '--tenant S [--dead-event ID…] [--vendor V] [--class C] [--code C] [--since T] [--until T] [--dry-run]',
    summary: 'reads pending ones again; --dry-run prints what would change, by currency, and changes nothing',
    options: ['tenant', 'dead-event', 'vendor', 'class', 'code', 'since', 'until', 'dry-run'],
    run: async (input) => {
      const ids = readIds(input)
      const filter = { ...readFilter(input), ...(ids.length > 0 && { deadEventIds: ids }) }
      if (Object.values(filter).every((value) => value === undefined))
        throw new UsageError('admin replay-dead-events needs a filter, so that all are never taken by mistake')
      const operator = await asApi(input)
      if (!input.is('dry-run')) {
        const { replayId, matched } = await requestReplay(operator, filter)
        return { replay_id: replayId, matched, status: 'queued' }
      }
      const { matched, recovered, duplicates, stillDead, changes } = await previewReplay(operator, filter)
      return {
        matched,
        recovered,
        duplicates,
        still_dead: stillDead,
        revenue_changes: changes.map(({ currency, capturedMinor, refundedMinor, disputedMinor }) => {
          const net = capturedMinor - refundedMinor - disputedMinor
          const [captured, refunded, disputed, netRevenue] = [capturedMinor, refundedMinor, disputedMinor, net].map(
            (minor) => formatMinor(minor, currency),
          )
          return `${currency} captured ${captured}, refunded ${refunded}, disputed ${disputed}, net revenue ${netRevenue}`
        }),
      }
    },
  },
  'resolve-dead-event': {
    usage: '--tenant S --dead-event ID --status resolved|abandoned --note N',
    summary: 'closes one by hand, with the reason',
    options: ['tenant', 'dead-event', 'status', 'note'],
    run: async (input) => {
      const deadEventId = oneId(input)
      const status = oneOf('status', input.need('status'), CLOSED)
      const note = input.need('note')
      if (status === undefined || note.length > 500) throw new UsageError('--note has at most 500 characters')
      await resolveDeadEvent(await asApi(input), deadEventId, { status, note })
      return { dead_event_id: deadEventId, status }
    },
  },
}

/** Acts with the rights of the API, which are all that this needs; only the slug is another role's to look up. */
async function asApi({ ctx, api, need }: AdminInput): Promise<TenantContext> {
  return operatorIn(api(), await requireTenant(ctx(), need('tenant')))
}

function readFilter({ get }: AdminInput) {
  const code = get('code')
  if (code !== undefined && !/^[a-z0-9_]{1,64}$/.test(code)) throw new UsageError('--code is a word such as bad_amount')
  return {
    vendor: oneOf('vendor', get('vendor'), VENDORS),
    class: oneOf('class', get('class'), CLASSES),
    code,
    since: readTime('since', get('since')),
    until: readTime('until', get('until')),
  }
}

function readIds({ all }: AdminInput): string[] {
  const ids = all('dead-event').map((id) => readId('dead-event', id))
  if (ids.length > MAX_IDS) throw new UsageError(`at most ${MAX_IDS} --dead-event`)
  return ids
}

function oneId(input: AdminInput): string {
  const [id, ...others] = readIds(input)
  if (id === undefined || others.length > 0) throw new UsageError('one --dead-event is meant')
  return id
}

function oneOf<T extends string>(name: OptionName, text: string | undefined, values: readonly T[]): T | undefined {
  if (text === undefined) return undefined
  const found = values.find((value) => value === text)
  if (found === undefined) throw new UsageError(`--${name} is one of ${values.join(', ')}`)
  return found
}
