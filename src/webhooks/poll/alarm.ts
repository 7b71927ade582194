import { createHash, randomUUID } from 'node:crypto'
import type { RequestContext, TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import type { Outbound } from '../../outbound.ts'
import { enqueue } from '../../queue/job.ts'
import { tellOf } from '../../tenants/alerts/service.ts'
import { recordAudit } from '../../tenants/audit.ts'
import { watchEndpoints } from '../jobs.ts'
import {
  findSilence,
  insertSilence,
  learnGap,
  listPolledEndpoints,
  listQuietTenants,
  listUntold,
  setTold,
  type UntoldSilence,
} from './queries.ts'
import { LEAST_SILENCE_MS, silenceLimit } from './silence.ts'

/** Of one silence; then it stands in the audit log only. */
const MAX_ATTEMPTS = 5

export interface SilenceReport {
  endpointId: string
  vendor: string
  lastDeliveryAt: Date | null
  /** Null: the last delivery is not six hours old, or too little is known of the endpoint. */
  limitMs: number | null
  isSilent: boolean
}

/** Queues a look at each tenant one of whose endpoints may have fallen silent; at the others nobody needs to look. */
export async function requestSilenceWatch(ctx: RequestContext, signal: AbortSignal): Promise<void> {
  const quietSince = new Date(ctx.clock().getTime() - LEAST_SILENCE_MS)
  for (const tenantId of await listQuietTenants(ctx.db.main.lookup, quietSince)) {
    signal.throwIfAborted()
    const scope = { tenantId, correlationId: randomUUID() }
    await inTenant(ctx.db.main, scope, (tx) => enqueue(tx, watchEndpoints, scope, {}))
  }
}

/**
 * Looks for endpoints at which nothing has arrived for longer than their history explains, and tells whom the tenant
 * named: each target once for each silence, again only who did not take it. Live endpoints only.
 */
export async function watchSilence(ctx: TenantContext, { send }: { send: Outbound }): Promise<SilenceReport[]> {
  const reports = await inTenant(ctx.db.ingest, ctx, (tx) => lookAround(tx, ctx))
  const untold = await inTenant(ctx.db.ingest, ctx, (tx) => listUntold(tx, ctx.tenantId, MAX_ATTEMPTS))
  for (const silence of untold) await tell(ctx, silence, send)
  return reports
}

async function lookAround(tx: Tx, ctx: TenantContext): Promise<SilenceReport[]> {
  const { tenantId } = ctx
  const now = ctx.clock()
  const reports: SilenceReport[] = []
  for (const { endpointId, vendor, mode, lastDeliveryAt } of await listPolledEndpoints(tx, tenantId, undefined)) {
    if (mode !== 'live') continue
    const silentMs = lastDeliveryAt === null ? 0 : now.getTime() - lastDeliveryAt.getTime()
    // History is long and asked for often, so not of those that cannot be silent yet.
    const limitMs =
      lastDeliveryAt === null || silentMs < LEAST_SILENCE_MS ? null : await limitOf(tx, ctx, endpointId, lastDeliveryAt)
    const isSilent = lastDeliveryAt !== null && limitMs !== null && silentMs > limitMs
    reports.push({ endpointId, vendor, lastDeliveryAt, limitMs, isSilent })
    if (!isSilent) continue
    const silence = {
      tenantId,
      endpointId,
      silentSince: lastDeliveryAt,
      noticedAt: now,
      limitSeconds: Math.ceil(limitMs / 1000),
    }
    if (!(await insertSilence(tx, silence))) continue
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'webhook_endpoint.silent',
      subject: `webhook_endpoint:${endpointId}`,
      details: { vendor, silent_since: lastDeliveryAt.toISOString(), limit_seconds: silence.limitSeconds },
    })
  }
  return reports
}

async function limitOf(tx: Tx, { tenantId }: TenantContext, endpointId: string, since: Date): Promise<number | null> {
  const known = await findSilence(tx, tenantId, endpointId, since)
  return known === undefined ? silenceLimit(await learnGap(tx, tenantId, endpointId, since)) : known * 1000
}

async function tell(ctx: TenantContext, silence: UntoldSilence, send: Outbound): Promise<void> {
  const { endpointId, vendor, silentSince, limitSeconds } = silence
  const id = createHash('sha256').update(`${ctx.tenantId}/${endpointId}/${silentSince.toISOString()}`).digest('hex')
  const at = ctx.clock()
  const data = { endpoint_id: endpointId, vendor, silent_since: silentSince.toISOString(), limit_seconds: limitSeconds }
  const alert = { kind: 'webhook_silence', id: `msg_${id.slice(0, 32)}`, at, data }
  const { targets: toldTargets, failed } = await tellOf(ctx, alert, send, silence.toldTargets)
  const told = { tenantId: ctx.tenantId, endpointId, silentSince, toldTargets, toldAt: failed === 0 ? at : null }
  await inTenant(ctx.db.ingest, ctx, (tx) => setTold(tx, told))
}
