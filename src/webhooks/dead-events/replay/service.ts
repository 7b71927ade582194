import type { TenantContext } from '../../../context.ts'
import { inTenant } from '../../../db/tenant.ts'
import { ProblemError } from '../../../problem/problem.ts'
import { enqueue, type JobContext } from '../../../queue/job.ts'
import { comesFirst } from '../../../queue/once.ts'
import { recordAudit } from '../../../tenants/audit.ts'
import { replayDeadEvents } from '../../jobs.ts'
import { type Judged, judge, READ_AT_ONCE } from './kept.ts'
import {
  giveBack,
  holdTaken,
  insertOutcome,
  insertReplay,
  listUndone,
  type PendingFilter,
  takePending,
} from './queries.ts'
import { takeAgain } from './take-again.ts'

/** How many dead events one replay takes. */
export const MAX_MATCHED = 10_000
/** After which a job leaves the rest to another one, behind what came meanwhile: deliveries wait in the same queue. */
const SLICE_MS = 2_000
/** Faults of the database in one job, after which it is the database and not the dead event. */
const MAX_FAULTS = 3

/**
 * Gives the pending dead events that fit to a run of their own, oldest first, and queues it. Throws `validation_failed`
 * for a span of time that ends before it begins.
 */
export function requestReplay(
  ctx: TenantContext,
  filter: PendingFilter,
): Promise<{ replayId: string; matched: number }> {
  requireSpan(filter)
  const { tenantId, principal, correlationId } = ctx
  const { deadEventIds, since, until, ...rest } = filter
  const span = { since: since?.toISOString(), until: until?.toISOString() }
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const requestedBy = principal.kind === 'user' ? principal.userId : null
    const asked = { ...rest, ...span, deadEventIds }
    const { replayId } = await insertReplay(tx, { tenantId, filter: asked, requestedBy, correlationId })
    const matched = await takePending(tx, tenantId, replayId, filter, MAX_MATCHED)
    const chosen = deadEventIds === undefined ? {} : { dead_event_ids: deadEventIds.length }
    await recordAudit(tx, {
      actor: principal,
      action: 'dead_event.replayed',
      subject: `replay:${replayId}`,
      details: { matched, ...definedOf({ ...rest, ...span }), ...chosen },
    })
    await enqueue(tx, replayDeadEvents, ctx, { replayId })
    return { replayId, matched }
  })
}

export function requireSpan({ since, until }: PendingFilter): void {
  if (since === undefined || until === undefined || since < until) return
  throw new ProblemError('validation_failed', 'The span of time is not valid.', {
    errors: [{ pointer: '/body/filter/until', code: 'span', detail: 'until must be later than since.' }],
  })
}

/**
 * Carries a run out, some seconds of it: the rest is another job. Each dead event is a transaction of its own, which
 * writes the event and the outcome together, so a run that was cut off goes on where it was, and two workers on one run
 * have the effect of one.
 */
export async function runReplay(
  ctx: TenantContext & Partial<JobContext>,
  replayId: string,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + SLICE_MS
  let fault: unknown
  for (let faults = 0; ; ) {
    const ids = await inTenant(ctx.db.main, ctx, (tx) => listUndone(tx, ctx.tenantId, replayId, READ_AT_ONCE))
    if (ids.length === 0 || (fault !== undefined && ids.length <= faults)) break
    for (const judged of await judge(ctx, ids)) {
      signal.throwIfAborted()
      try {
        await finishOne(ctx, replayId, judged)
      } catch (error) {
        fault = error
        faults += 1
        if (faults >= MAX_FAULTS) throw error
      }
    }
    // After a fault the queue tries this job again, which goes on where it is: another one would do the same beside it.
    if (performance.now() > deadline) {
      if (fault === undefined) await leaveRest(ctx, replayId)
      break
    }
  }
  if (fault !== undefined) throw fault
}

function leaveRest(ctx: TenantContext & Partial<JobContext>, replayId: string): Promise<void> {
  return inTenant(ctx.db.main, ctx, async (tx) => {
    if (await comesFirst(tx, ctx, 'rest')) await enqueue(tx, replayDeadEvents, ctx, { replayId })
  })
}

/** What a run took and will not do is pending again: it is not tried any more, or whoever asked may not any more. */
export async function giveBackReplay(ctx: TenantContext, replayId: string): Promise<void> {
  await inTenant(ctx.db.ingest, ctx, (tx) => giveBack(tx, ctx.tenantId, replayId))
}

async function finishOne(ctx: TenantContext, replayId: string, { kept, judgement }: Judged): Promise<void> {
  const { tenantId } = ctx
  const { deadEventId } = kept
  await inTenant(ctx.db.ingest, ctx, async (tx) => {
    if (!(await holdTaken(tx, tenantId, replayId, deadEventId))) return
    const outcome = await takeAgain(tx, ctx, kept, judgement)
    await insertOutcome(tx, { tenantId, replayId, deadEventId }, { ...outcome, recipes: judgement.recipes })
  })
}

function definedOf(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
