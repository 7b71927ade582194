import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { NewDelivery, TenantContext } from '../../context.ts'
import { isConstraintError } from '../../db/errors.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { withoutAttribution } from '../../events/channels/order-touches.ts'
import { countDelivery } from '../../metrics/service.ts'
import { sealDeadBody, unwrapTenantKey } from '../../secrets/keyring.ts'
import { getTenantKey } from '../../tenants/queries.ts'
import type { WebhookPrincipal } from '../endpoints/authenticate.ts'
import { normalizeEvent } from '../jobs.ts'
import { DeadDelivery } from '../normalize/dead-delivery.ts'
import type { Delivery } from '../normalize/delivery.ts'
import { readDelivery } from '../normalize/read-delivery.ts'
import { packBody } from './kept-body.ts'
import { type NewDeadEvent, recordDeadEvent } from './queries.ts'

export interface DeliveryResult {
  result: 'accepted' | 'duplicate' | 'ignored' | 'dead'
  receiptId: string
  /** The class of a dead event. */
  faultClass: DeadDelivery['class'] | null
}

/**
 * Takes a delivery whose signature was checked: strips it to what is kept, stores it with its job, and answers only
 * after the commit. What cannot be used becomes a dead event with a typed reason; it is not an error to the vendor,
 * since sending it again could not mend it.
 */
export async function receiveDelivery(
  ctx: TenantContext,
  principal: WebhookPrincipal,
  sent: SentDelivery,
): Promise<DeliveryResult> {
  const { vendor } = principal
  const taken = await countDelivery(ctx, vendor, takeDelivery(ctx, principal, sent))
  // For whatever else is told of this request; the job has it as the id of its event.
  ctx.log.setBindings({ businessId: taken.receiptId })
  const { result, faultClass } = taken
  if (result === 'dead') ctx.log.info({ vendor, class: faultClass }, 'a delivery became a dead event')
  else ctx.log.debug({ vendor, result }, 'a delivery was taken')
  return taken
}

interface SentDelivery {
  headers: IncomingHttpHeaders
  rawBody: Buffer
  /** Null where the path says none. */
  topic: string | null
}

async function takeDelivery(
  ctx: TenantContext,
  principal: WebhookPrincipal,
  { headers, rawBody, topic: only }: SentDelivery,
): Promise<DeliveryResult> {
  const { vendor, endpointId } = principal
  const bodySha256 = hash('sha256', rawBody, 'buffer')
  const base = { tenantId: ctx.tenantId, vendor, endpointId, bodySha256, correlationId: ctx.correlationId }
  try {
    const delivery = readDelivery({ ...principal, rawBody, headers, endpoint: principal })
    refuseOtherTopic(delivery, only)
    const isTest = delivery.isTest || principal.mode === 'test'
    return await storeDelivery(ctx, delivery, { ...base, isTest, size: rawBody.length })
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    const receiptId = await keepDead(ctx, error, { ...base, headers, rawBody })
    return { result: 'dead', receiptId, faultClass: error.class }
  }
}

/** Keeps a delivery that cannot be used, with its typed reason; the id of the dead event. */
export function keepDead(
  ctx: TenantContext,
  { externalId, topic, class: faultClass, code, detail, payload }: DeadDelivery,
  {
    headers,
    rawBody,
    ...base
  }: Pick<NewDeadEvent, 'tenantId' | 'vendor' | 'endpointId' | 'bodySha256' | 'correlationId'> & {
    headers: IncomingHttpHeaders
    rawBody: Buffer
  },
): Promise<string> {
  return inTenant(ctx.db.ingest, ctx, async (tx) => {
    const packed = payload === null ? packBody(base.vendor, headers, rawBody) : null
    const sealedBody = packed === null ? null : await sealBody(tx, ctx, base.bodySha256, packed)
    return recordDeadEvent(tx, { ...base, externalId, topic, class: faultClass, code, detail, payload, sealedBody })
  })
}

/** Throws DeadDelivery where the database refuses what the delivery holds, and `service_unavailable` where it has no time. */
export async function storeDelivery(
  ctx: TenantContext,
  delivery: Delivery,
  base: Omit<NewDelivery, 'externalId' | 'topic' | 'payload' | 'isHandled'>,
): Promise<DeliveryResult> {
  const { externalId, topic, payload, handled: isHandled } = delivery
  try {
    const receipt = await ctx.deliveries.store({ ...base, externalId, topic, payload, isHandled })
    if (receipt.result === 'accepted') ctx.trace?.queued(normalizeEvent)
    return { ...receipt, faultClass: receipt.result === 'dead' ? 'conflict' : null }
  } catch (error) {
    if (!isConstraintError(error)) throw error
    // Reading lets nothing of that kind through, so this is a fault of ours.
    ctx.log.error({ err: error }, 'the database refuses a delivery')
    const rest = withoutAttribution(payload)
    // The words of a link that somebody followed are not worth the money of the order.
    if (rest !== null) return storeDelivery(ctx, { ...delivery, payload: rest }, base)
    const detail = 'A value of this delivery is outside of what can be stored.'
    throw new DeadDelivery({ class: 'poison', code: 'unstorable', detail }, { externalId, topic, payload: null })
  }
}

/** The topic of a path is no more signed than the one of a header: what the delivery itself says must agree. */
function refuseOtherTopic({ externalId, topic, payload }: Delivery, only: string | null): void {
  if (only === null || topic === only) return
  const detail = 'The delivery is about another topic than the path that it was sent to.'
  throw new DeadDelivery({ class: 'schema', code: 'topic_path_mismatch', detail }, { externalId, topic, payload })
}

/** What could not be read could not be stripped either, so it is kept under the tenant's key, and for a while only. */
async function sealBody(
  tx: Tx,
  ctx: TenantContext,
  bodySha256: Buffer,
  packed: Buffer,
): Promise<NewDeadEvent['sealedBody']> {
  const key = unwrapTenantKey(ctx.keys, await getTenantKey(tx, ctx.tenantId))
  return { keyVersion: key.version, sealed: sealDeadBody(key, bodySha256, packed) }
}
