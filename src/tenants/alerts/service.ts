import { createHmac } from 'node:crypto'
import type { TenantContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import type { Outbound } from '../../outbound.ts'
import { alertSigningSecret, openAlertTargets, unwrapTenantKey } from '../../secrets/keyring.ts'
import { listTenantKeys } from '../queries.ts'
import type { AlertTargets } from '../settings/settings.ts'
import { findSealedTargets } from './queries.ts'

const TIMEOUT_MS = 10_000
/** What a receiver answers is of no interest. */
const MAX_BYTES = 65_536

export interface Alert {
  /** One of the contract's AlertKinds. */
  kind: string
  /** The same over repeated attempts: letters, digits, `_` and `-`. */
  id: string
  at: Date
  /** No personal data, no secrets. */
  data: Readonly<Record<string, string | number | null>>
}

export interface Told {
  /** Keyed hashes, in hex, of the addresses that took it, now or before. */
  targets: string[]
  /** Webhooks that have not taken it yet. */
  failed: number
}

/**
 * Tells whom the tenant named: its webhooks, but for those that were told before, signed as Standard Webhooks has it.
 * Without any the log alone is told; e-mail addresses are not written to. Never throws for what a receiver does. Do not call
 * it inside a transaction.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export async function tellOf(
  ctx: TenantContext,
  alert: Alert,
  send: Outbound,
  toldBefore: readonly string[] = [],
): Promise<Told> {
  const { targets, secret } = await openTargets(ctx)
  const urls = targets.webhooks.filter(({ alerts }) => alerts.includes(alert.kind)).map(({ url }) => url)
  const untold = urls.filter((url) => !toldBefore.includes(hashTarget(secret, url)))
  ctx.log.warn({ tenantId: ctx.tenantId, alert: alert.kind, ...alert.data }, 'a tenant is told of trouble')
  const outcomes = await Promise.all(untold.map((url) => post(ctx, url, alert, secret, send)))
  const took = untold.filter((_, index) => outcomes[index] === true)
  return {
    targets: [...toldBefore, ...took.map((url) => hashTarget(secret, url))],
    failed: untold.length - took.length,
  }
}

/** The address works for whoever knows it, so a hash with the tenant's key is what is remembered of it. */
function hashTarget(secret: Buffer, url: string): string {
  return createHmac('sha256', secret).update(`target\n${url}`).digest('hex')
}

/** As a receiver checks alerts with it: `whsec_` and base64. */
export async function getAlertSecret(ctx: TenantContext): Promise<string> {
  const { secret } = await openTargets(ctx)
  return `whsec_${secret.toString('base64')}`
}

async function openTargets(ctx: TenantContext): Promise<{ targets: AlertTargets; secret: Buffer }> {
  const { tenantId } = ctx
  return inTenant(ctx.db.ingest, ctx, async (tx) => {
    const stored = await findSealedTargets(tx, tenantId)
    const keys = (await listTenantKeys(tx, tenantId)).map((wrapped) => unwrapTenantKey(ctx.keys, wrapped))
    const [first] = keys
    if (first === undefined) throw new Error(`the tenant ${tenantId} has no data key`)
    const key = keys.find(({ version }) => version === stored?.keyVersion)
    const targets =
      stored === undefined || key === undefined
        ? { emails: [], webhooks: [] }
        : (JSON.parse(openAlertTargets(key, stored.sealed)) as AlertTargets)
    return { targets, secret: alertSigningSecret(first) }
  })
}

async function post(ctx: TenantContext, url: string, alert: Alert, secret: Buffer, send: Outbound): Promise<boolean> {
  const timestamp = String(Math.floor(ctx.clock().getTime() / 1000))
  const body = JSON.stringify({ type: alert.kind, timestamp: alert.at.toISOString(), data: alert.data })
  const signature = createHmac('sha256', secret).update(`${alert.id}.${timestamp}.${body}`).digest('base64')
  try {
    const { status } = await send({
      method: 'POST',
      url: new URL(url),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'skeldir',
        'webhook-id': alert.id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body: Buffer.from(body),
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
    })
    if (status >= 200 && status < 300) return true
    ctx.log.warn({ tenantId: ctx.tenantId, alert: alert.kind, status }, 'an alert was refused by its receiver')
  } catch (error) {
    // The address works for whoever knows it, so it is not logged; an error of a name would repeat it.
    const { name, code } = error as { name: string; code?: unknown }
    ctx.log.warn({ tenantId: ctx.tenantId, alert: alert.kind, error: name, code }, 'an alert could not be sent')
  }
  return false
}
