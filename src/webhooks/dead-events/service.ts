import type { TenantContext } from '../../context.ts'
import { decodeCursor, encodeCursor } from '../../cursor.ts'
import { inTenant } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { recordAudit } from '../../tenants/audit.ts'
import type { Page } from '../../tenants/page.ts'
import { findPersonalData } from '../personal-data.ts'
import {
  closeDeadEvent,
  type DeadEventDetailRow,
  type DeadEventFilter,
  type DeadEventPosition,
  type DeadEventRow,
  findDeadEvent,
  listReplaysOf,
  listDeadEvents as listRows,
  type ReplayOfEventRow,
} from './queries.ts'

/** Of many replays the last are shown. */
const MAX_REPLAYS_SHOWN = 100

/** The newest first. Throws `validation_failed` for a cursor of another list. */
export function listDeadEvents(
  ctx: TenantContext,
  filter: Omit<DeadEventFilter, 'until' | 'deadEventIds'>,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<DeadEventRow>> {
  const { vendor, class: deadClass, code, status, since, replayId } = filter
  const filters = { vendor, class: deadClass, code, status, since: since?.toISOString(), replay_id: replayId }
  const scope = { operationId: 'listDeadEvents', tenantId: ctx.tenantId, filters }
  const after = decodeCursor<DeadEventPosition>(ctx.keys, scope, cursor)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listRows(tx, ctx.tenantId, filter, { after, limit: limit + 1 })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    const isMore = rows.length > limit && last !== undefined
    return { items, nextCursor: isMore ? encodeCursor(ctx.keys, scope, [last.receivedMicros, last.deadEventId]) : null }
  })
}

export interface DeadEventDetail extends DeadEventDetailRow {
  /** The newest first. */
  replayedBy: ReplayOfEventRow[]
}

/** Throws `not_found`. */
export function getDeadEvent(ctx: TenantContext, deadEventId: string): Promise<DeadEventDetail> {
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const event = await findDeadEvent(tx, ctx.tenantId, deadEventId)
    if (event === undefined) throw notFound()
    const replayedBy = await listReplaysOf(tx, ctx.tenantId, deadEventId, MAX_REPLAYS_SHOWN)
    return { ...event, replayedBy }
  })
}

/**
 * Closes a pending dead event by hand: no replay takes it any more. Throws `not_found`, `conflict` for one that is not
 * pending, and `validation_failed` for a note that looks like personal data.
 */
export function resolveDeadEvent(
  ctx: TenantContext,
  deadEventId: string,
  { status, note }: { status: 'resolved' | 'abandoned'; note: string },
): Promise<DeadEventRow> {
  if (findPersonalData(note) !== null) throw personalNote()
  const { principal, tenantId } = ctx
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const event = await findDeadEvent(tx, tenantId, deadEventId)
    if (event === undefined) throw notFound()
    const resolvedBy = principal.kind === 'user' ? principal.userId : null
    const isClosed = await closeDeadEvent(tx, tenantId, deadEventId, { status, note, resolvedBy, at: ctx.clock() })
    if (!isClosed) throw await notPending(() => findDeadEvent(tx, tenantId, deadEventId))
    await recordAudit(tx, {
      actor: principal,
      action: 'dead_event.closed',
      subject: `dead_event:${deadEventId}`,
      details: { status, code: event.code },
    })
    return { ...event, status }
  })
}

function notFound(): ProblemError {
  return new ProblemError('not_found', 'The tenant has no dead event with this id.')
}

async function notPending(read: () => Promise<DeadEventRow | undefined>): Promise<ProblemError> {
  const isAtWork = (await read())?.status === 'in_progress'
  const detail = isAtWork ? 'A replay is at work on this dead event.' : 'This dead event is closed already.'
  return new ProblemError('conflict', detail)
}

function personalNote(): ProblemError {
  return new ProblemError('validation_failed', 'The request does not match the contract.', {
    errors: [
      { pointer: '/body/note', code: 'personal_data', detail: 'This looks like personal data: say it without.' },
    ],
  })
}
