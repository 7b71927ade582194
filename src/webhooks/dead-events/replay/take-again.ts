import type { TenantContext } from '../../../context.ts'
import { isConstraintError, sqlState } from '../../../db/errors.ts'
import { inSavepoint } from '../../../db/savepoint.ts'
import type { Tx } from '../../../db/tenant.ts'
import { withoutAttribution } from '../../../events/channels/order-touches.ts'
import { ingestEvent } from '../../ingest/queries.ts'
import { enter } from '../../ledger/service.ts'
import type { CanonicalEvent } from '../../normalize/canonical-event.ts'
import type { Delivery } from '../../normalize/delivery.ts'
import { isEntered, type Outcome } from './queries.ts'
import type { Judgement, KeptEvent } from './read-again.ts'

const CONTRADICTION = 'contradicts_ledger'
/** A fault of ours: the dead event waits for a better release, and holds up no other. */
export const REPLAY_FAILED = 'replay_failed'

/** Of what can be read and still not be taken: undoes what was written of it. */
class StillDead extends Error {
  override name = 'StillDead'
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/**
 * Takes a delivery as if it had just arrived, with its own id, endpoint and hash, and enters what it says; in a
 * transaction of `ctx.db.ingest`. The preview runs the very same, and undoes it. Again it has the effect of once. Throws
 * errors of the database only.
 */
export async function takeAgain(tx: Tx, ctx: TenantContext, kept: KeptEvent, judgement: Judgement): Promise<Outcome> {
  if (judgement.delivery === null) return stillDead(judgement.code)
  const { delivery, canonical } = judgement
  try {
    return await inSavepoint(tx, () => take(tx, ctx, kept, delivery, canonical))
  } catch (error) {
    if (error instanceof StillDead) return stillDead(error.code)
    if (isConstraintError(error)) {
      const rest = withoutAttribution(delivery.payload)
      if (rest === null) return stillDead('out_of_bounds')
      return takeAgain(tx, ctx, kept, { ...judgement, delivery: { ...delivery, payload: rest } })
    }
    if (!isOurFault(error)) throw error
    ctx.log.error({ err: error, deadEventId: kept.deadEventId }, 'a dead event stops its replay')
    return stillDead(REPLAY_FAILED)
  }
}

async function take(
  tx: Tx,
  ctx: TenantContext,
  kept: KeptEvent,
  { externalId, topic, payload, handled, ...delivery }: Delivery,
  canonical: readonly CanonicalEvent[],
): Promise<Outcome> {
  const { tenantId } = ctx
  const { vendor, bodySha256, correlationId, endpoint } = kept
  const isTest = delivery.isTest || endpoint.mode === 'test'
  const known = { tenantId, vendor, endpointId: endpoint.endpointId, externalId, topic, payload, bodySha256 }
  const { result, receiptId: eventId } = await ingestEvent(tx, { ...known, isTest, isHandled: handled, correlationId })
  if (result === 'dead') throw new StillDead('same_id_other_body')
  const outcome = result === 'duplicate' ? 'duplicate' : 'recovered'
  const isMoney = handled && !isTest && canonical.length > 0
  if (!isMoney) return { outcome, eventId, code: null }
  // A dead event that was found while its delivery was entered: the event is known, and what it says is not.
  const isContradiction = kept.code === CONTRADICTION
  if (result === 'duplicate' && !isContradiction && (await isEntered(tx, tenantId, eventId)))
    return { outcome, eventId, code: null }
  const contradiction = await enter(tx, ctx, { ...known, eventId }, canonical)
  // Of one that just became an event, the job that reads it tells the contradiction as a dead event of its own.
  if (contradiction !== null && isContradiction) throw new StillDead(CONTRADICTION)
  return { outcome: 'recovered', eventId, code: null }
}

/** Neither the database nor the delivery: what no reader of a value may throw. */
export function isOurFault(error: unknown): boolean {
  return sqlState(error) === undefined && (error instanceof TypeError || error instanceof RangeError)
}

function stillDead(code: string): Outcome {
  return { outcome: 'still_dead', eventId: null, code }
}
