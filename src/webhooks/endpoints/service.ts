import { randomBytes } from 'node:crypto'
import { publishRevocation } from '../../auth/queries.ts'
import type { TenantContext, Vendor } from '../../context.ts'
import { decodeCursor, encodeCursor } from '../../cursor.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { openWebhookSecret, sealWebhookSecret, type TenantKey, unwrapTenantKey } from '../../secrets/keyring.ts'
import { recordAudit } from '../../tenants/audit.ts'
import type { Page } from '../../tenants/page.ts'
import { getTenantKey } from '../../tenants/queries.ts'
import {
  deleteSecrets,
  type EndpointPosition,
  findEndpoint,
  hasNamelessShop,
  insertEndpoint,
  insertSecret,
  type ListedEndpoint,
  listEndpoints as listRows,
  listSecretsBefore,
  listSecretTimes,
  lockEndpoint,
  lockShops,
  setEndpointState,
  setSealedSecret,
  setSecretEnd,
} from './queries.ts'

export interface Endpoint extends ListedEndpoint {
  /** Where the vendor delivers. */
  deliveryUrl: string
}

/** How long the former secret goes on by default, in seconds; as long as Stripe's may. */
export const DEFAULT_OVERLAP_S = 86_400

/** PayPal's ids of webhooks. Its simulator's, `WEBHOOK_ID`, is none: anybody can have deliveries signed with that. */
const PAYPAL_WEBHOOK_ID = /^[A-Za-z0-9-]+$/

/**
 * Opens a door for a vendor's deliveries. The secret is sealed under the tenant's key and never given back. Throws
 * `validation_failed` for a secret that the vendor cannot have, and for a second WooCommerce shop without a name.
 */
export async function createEndpoint(
  ctx: TenantContext,
  request: { vendor: Vendor; name: string; secret: string; mode: 'live' | 'test'; shopDomain: string | null },
): Promise<Endpoint> {
  const { vendor, name, mode, shopDomain, secret } = request
  requireUsable(vendor, secret)
  const endpointKey = randomBytes(32).toString('base64url')
  const { endpointId, createdAt } = await inTenant(ctx.db.main, ctx, async (tx) => {
    if (vendor === 'woocommerce' && mode === 'live' && shopDomain === null) await requireOnlyShop(tx, ctx.tenantId)
    const row = await insertEndpoint(tx, { tenantId: ctx.tenantId, vendor, name, mode, shopDomain, endpointKey })
    await addSecret(ctx, tx, row.endpointId, secret)
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'webhook_endpoint.created',
      subject: `webhook_endpoint:${row.endpointId}`,
      details: { vendor, mode, shop_domain: shopDomain },
    })
    return row
  })
  const times = { createdAt, lastDeliveryAt: null, previousSecretEndsAt: null }
  return withUrl(ctx, { endpointId, vendor, name, mode, shopDomain, endpointKey, ...times })
}

/** All endpoints, the newest first. Throws `validation_failed` for a cursor of another list. */
export function listEndpoints(
  ctx: TenantContext,
  { vendor, limit, cursor }: { vendor: Vendor | undefined; limit: number; cursor: string | undefined },
): Promise<Page<Endpoint>> {
  const scope = { operationId: 'listWebhookEndpoints', tenantId: ctx.tenantId, filters: { vendor } }
  const after = decodeCursor<EndpointPosition>(ctx.keys, scope, cursor)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listRows(tx, ctx.tenantId, { vendor, now: ctx.clock(), after, limit: limit + 1 })
    const items = rows.slice(0, limit).map((row) => withUrl(ctx, row))
    const last = rows[limit - 1]
    const isMore = rows.length > limit && last !== undefined
    return { items, nextCursor: isMore ? encodeCursor(ctx.keys, scope, [last.createdMicros, last.endpointId]) : null }
  })
}

export interface SecretRotation {
  endpointId: string
  /** Since when the current secret is taken. */
  rotatedAt: Date
  /** Until when the former one is. */
  previousSecretEndsAt: Date | null
}

/**
 * The new secret is taken at once: here when this resolves, on the other processes within a second. The former one goes
 * on for `overlapS` seconds; all older ones are destroyed. The current secret again changes nothing. Throws `not_found`
 * and `validation_failed`.
 */
export async function rotateSecret(
  ctx: TenantContext,
  endpointId: string,
  { secret, overlapS }: { secret: string; overlapS: number },
): Promise<SecretRotation> {
  const { tenantId } = ctx
  const rotation = await inTenant(ctx.db.main, ctx, async (tx) => {
    const endpoint = await requireEndpoint(tx, tenantId, endpointId)
    requireUsable(endpoint.vendor, secret)
    const [current, previous] = await listSecretTimes(tx, tenantId, endpointId)
    if (current !== undefined && (await isCurrent(ctx, tx, endpoint, current.secretId, secret))) {
      const end = previous?.notAfter ?? null
      return {
        endpointId,
        rotatedAt: current.createdAt,
        previousSecretEndsAt: end !== null && end > ctx.clock() ? end : null,
      }
    }
    const end = new Date(ctx.clock().getTime() + overlapS * 1000)
    const isKept = overlapS > 0 && current !== undefined
    await deleteSecrets(tx, tenantId, endpointId, isKept ? [current.secretId] : [])
    if (isKept) await setSecretEnd(tx, { tenantId, endpointId, secretId: current.secretId, notAfter: end })
    const added = await addSecret(ctx, tx, endpointId, secret)
    const version = endpoint.version + 1
    await setEndpointState(tx, { tenantId, endpointId, version, deletedAt: null })
    await publish(tx, tenantId, endpointId, String(version))
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'webhook_secret.rotated',
      subject: `webhook_endpoint:${endpointId}`,
      details: { vendor: endpoint.vendor, overlap_seconds: overlapS },
    })
    return { endpointId, rotatedAt: added.createdAt, previousSecretEndsAt: isKept ? end : null }
  })
  await ctx.revocations.catchUp()
  return rotation
}

/**
 * The address stops working: here when this resolves, on the other processes within a second. The secrets are destroyed;
 * what was received stays. Throws `not_found`, for one that was deleted before too.
 */
export async function deleteEndpoint(ctx: TenantContext, endpointId: string): Promise<void> {
  const { tenantId } = ctx
  await inTenant(ctx.db.main, ctx, async (tx) => {
    const { vendor, version } = await requireEndpoint(tx, tenantId, endpointId)
    await deleteSecrets(tx, tenantId, endpointId)
    await setEndpointState(tx, { tenantId, endpointId, version: version + 1, deletedAt: ctx.clock() })
    await publish(tx, tenantId, endpointId, 'none')
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'webhook_endpoint.deleted',
      subject: `webhook_endpoint:${endpointId}`,
      details: { vendor },
    })
  })
  await ctx.revocations.catchUp()
}

/** Seals every secret of the tenant under the newest data key; how many there were. For `skeldir admin` (app_rw). */
export async function sealAllAgain(tx: Tx, tenantKeys: readonly TenantKey[]): Promise<number> {
  const newest = tenantKeys.at(-1) as TenantKey
  const { tenantId } = newest
  const old = await listSecretsBefore(tx, tenantId, newest.version)
  for (const { endpointId, secretId, keyVersion, sealed } of old) {
    const key = tenantKeys.find(({ version }) => version === keyVersion) as TenantKey
    const again = sealWebhookSecret(newest, endpointId, openWebhookSecret(key, endpointId, sealed))
    await setSealedSecret(tx, { tenantId, endpointId, secretId, keyVersion: newest.version, sealed: again }, keyVersion)
  }
  return old.length
}

async function requireEndpoint(tx: Tx, tenantId: string, endpointId: string) {
  const endpoint = await lockEndpoint(tx, tenantId, endpointId)
  if (endpoint === undefined) throw new ProblemError('not_found', 'The tenant has no endpoint with this id.')
  return endpoint
}

function requireUsable(vendor: Vendor, secret: string): void {
  if (vendor !== 'paypal' || PAYPAL_WEBHOOK_ID.test(secret)) return
  const detail = "This is no id of a webhook: letters, digits and hyphens, as PayPal's dashboard shows it."
  throw new ProblemError('validation_failed', 'The request does not match the contract.', {
    errors: [{ pointer: '/body/secret', code: 'webhook_id', detail }],
  })
}

/** The numbers of WooCommerce's orders begin anew in each shop: of two shops without a name, orders of one number would be one. */
async function requireOnlyShop(tx: Tx, tenantId: string): Promise<void> {
  await lockShops(tx, tenantId)
  if (!(await hasNamelessShop(tx, tenantId))) return
  const detail =
    'Another live WooCommerce endpoint has no shop_domain. Name the host of this shop, to keep their orders apart.'
  throw new ProblemError('validation_failed', 'The request does not match the contract.', {
    errors: [{ pointer: '/body/shop_domain', code: 'required', detail }],
  })
}

/** Whether `secret` is what is sealed under `secretId`. */
async function isCurrent(
  ctx: TenantContext,
  tx: Tx,
  { vendor, endpointKey }: { vendor: Vendor; endpointKey: string },
  secretId: string,
  secret: string,
): Promise<boolean> {
  const found = await findEndpoint(tx, vendor, endpointKey)
  const current = found?.secrets.find((one) => one.secretId === secretId)
  const wrapped = found?.keys.find(({ version }) => version === current?.keyVersion)
  if (found === undefined || current === undefined || wrapped === undefined) return false
  return openWebhookSecret(unwrapTenantKey(ctx.keys, wrapped), found.endpointId, current.sealed) === secret
}

async function addSecret(ctx: TenantContext, tx: Tx, endpointId: string, secret: string): Promise<{ createdAt: Date }> {
  const tenantKey = unwrapTenantKey(ctx.keys, await getTenantKey(tx, ctx.tenantId))
  const sealed = sealWebhookSecret(tenantKey, endpointId, secret)
  return insertSecret(tx, { tenantId: ctx.tenantId, endpointId, keyVersion: tenantKey.version, sealed })
}

/** Whatever a process remembers of the endpoint is stale unless it has this standing. */
function publish(tx: Tx, tenantId: string, endpointId: string, standing: string): Promise<void> {
  return publishRevocation(tx, { tenantId, kind: 'webhook_endpoint', id: endpointId, standing, notBefore: null })
}

function withUrl(ctx: TenantContext, endpoint: ListedEndpoint): Endpoint {
  const { vendor, endpointKey } = endpoint
  return { ...endpoint, deliveryUrl: `${ctx.config.publicUrl}/api/webhooks/${vendor}/in/${endpointKey}` }
}
