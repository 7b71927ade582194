import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto'
import { issueAccessToken } from '../../src/auth/token.ts'
import type { Role, Vendor } from '../../src/context.ts'
import { sealWebhookSecret, unwrapTenantKey } from '../../src/secrets/keyring.ts'
import { createUser } from '../../src/tenants/service.ts'
import { type Answer, signShopify, signStripe, type TestPlatform, type TestTenant } from './platform.ts'

export const MINUTE = 60_000
export const HOUR = 3_600_000
export const DAY = 86_400_000

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** A visitor or session id. */
export function ulid(): string {
  return Array.from({ length: 26 }, () => CROCKFORD[randomInt(CROCKFORD.length)]).join('')
}

/** 00:00 UTC, `days` before today. */
export function daysAgo(days: number): Date {
  return new Date(Math.floor(Date.now() / DAY - days) * DAY)
}

/** `YYYY-MM-DD` in UTC. */
export function toDay(time: Date): string {
  return time.toISOString().slice(0, 10)
}

/** Another person, or a known one, in a tenant. `password` is null for one who is known. */
export function givenMember(
  platform: TestPlatform,
  { tenant, email, role = 'viewer' }: { tenant: TestTenant; email: string; role?: Role },
): Promise<{ userId: string; email: string; password: string | null }> {
  return createUser(platform.admin, { tenantSlug: tenant.slug, email, role, isExisting: true })
}

/** An access token as of `now`, for tests that move the clock. */
export async function tokenAt(platform: TestPlatform, { tenantId, userId }: TestTenant, now: Date): Promise<string> {
  const claims = { userId, tenantId, role: 'viewer', sessionId: randomUUID(), openedAt: now } as const
  return (await issueAccessToken(platform.ctx.keys, claims, now, 900)).token
}

/** A key as no command makes it: with any scopes, expired or revoked. */
export async function givenApiKey(
  platform: TestPlatform,
  tenant: TestTenant,
  {
    scopes = ['events:write'],
    expiresAt = null,
    revokedAt = null,
    prefix = 'skd_',
  }: { scopes?: string[]; expiresAt?: Date | null; revokedAt?: Date | null; prefix?: 'skd_' | 'skp_' },
): Promise<string> {
  const key = `${prefix}${randomBytes(32).toString('base64url')}`
  await platform.query(
    `insert into api_keys (tenant_id, name, prefix, secret_hash, scopes, expires_at, revoked_at)
     values ($1, 'given', $2, $3, $4, $5, $6)`,
    [tenant.tenantId, key.slice(0, 12), createHash('sha256').update(key).digest(), scopes, expiresAt, revokedAt],
  )
  return key
}

export interface TestEndpoint {
  tenant: TestTenant
  vendor: Vendor
  endpointId: string
  endpointKey: string
  secret: string
}

/** An endpoint of a tenant of its own, unless one is given. */
export async function givenEndpoint(
  platform: TestPlatform,
  vendor: Vendor,
  options: { tenant?: TestTenant; mode?: 'live' | 'test'; shopDomain?: string; secret?: string } = {},
): Promise<TestEndpoint> {
  const tenant = options.tenant ?? (await platform.createTenant())
  const { secret = inventSecret(vendor) } = options
  const { status, body } = await platform.call('createWebhookEndpoint', {
    tenant,
    body: {
      vendor,
      name: `${vendor} for a test`,
      secret,
      ...(options.mode !== undefined && { mode: options.mode }),
      ...(options.shopDomain !== undefined && { shop_domain: options.shopDomain }),
    },
  })
  if (status !== 201) throw new Error(`no endpoint: ${JSON.stringify(body)}`)
  return { tenant, vendor, endpointId: body.endpoint_id, endpointKey: body.endpoint_key, secret }
}

/** As the vendor makes them: for PayPal the id of a webhook. */
export function inventSecret(vendor: Vendor): string {
  return vendor === 'paypal'
    ? randomBytes(9).toString('hex').toUpperCase().slice(0, 17)
    : `whsec_${randomBytes(24).toString('base64url')}`
}

/** One more secret of an endpoint, as while a vendor rolls it. */
export async function givenSecret(
  platform: TestPlatform,
  { tenant: { tenantId }, vendor, endpointId }: TestEndpoint,
  { notAfter = null }: { notAfter?: Date | null } = {},
): Promise<string> {
  const secret = inventSecret(vendor)
  const [row] = await platform.query<{ version: number; wrappingKid: string; wrappedKey: Buffer }>(
    `select key_version as version, wrapping_kid as "wrappingKid", wrapped_key as "wrappedKey"
     from tenant_keys where tenant_id = $1`,
    [tenantId],
  )
  if (row === undefined) throw new Error('the tenant has no key')
  const sealed = sealWebhookSecret(unwrapTenantKey(platform.ctx.keys, { tenantId, ...row }), endpointId, secret)
  await platform.query(
    'insert into webhook_secrets (tenant_id, endpoint_id, key_version, sealed, not_after) values ($1, $2, $3, $4, $5)',
    [tenantId, endpointId, row.version, sealed, notAfter],
  )
  return secret
}

/** Text and bytes are sent as they are, anything else as JSON. */
export type DeliveryBody = string | Buffer | object

/** Sends what Stripe would: `body` signed at `at` with the endpoint's secret. */
export function deliverStripe(
  platform: TestPlatform,
  endpoint: TestEndpoint,
  body: DeliveryBody,
  { at = platform.ctx.clock(), headers = {} }: { at?: Date; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const bytes = toBytes(body)
  return platform.call('receiveStripeWebhook', {
    params: { endpoint_key: endpoint.endpointKey },
    body: bytes,
    headers: { ...signStripe(bytes, endpoint.secret, at), ...headers },
  })
}

/** Sends what Shopify would. */
export function deliverShopify(
  platform: TestPlatform,
  endpoint: TestEndpoint,
  body: DeliveryBody,
  { topic, webhookId, headers = {} }: { topic: string; webhookId?: string; headers?: Record<string, string> },
): Promise<Answer> {
  const bytes = toBytes(body)
  return platform.call('receiveShopifyWebhook', {
    params: { endpoint_key: endpoint.endpointKey },
    body: bytes,
    headers: {
      ...signShopify(bytes, endpoint.secret, { topic, ...(webhookId !== undefined && { webhookId }) }),
      ...headers,
    },
  })
}

function toBytes(body: DeliveryBody): Buffer {
  if (Buffer.isBuffer(body)) return body
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}

let lastNumber = Date.now() * 1_000
/** An id of Shopify's kind: an integer that no other one of this process equals. */
export function nextNumber(): number {
  lastNumber += 1
  return lastNumber
}

/** The member of an order that says who the visitor was. */
function noteAttributes(visitorId: string | undefined) {
  return visitorId === undefined ? [] : [{ name: 'skeldir', value: `av1.${visitorId}.${ulid()}` }]
}

export interface OrderOptions {
  id?: number
  /** Major units. */
  total: string
  currency?: string
  at: Date
  visitorId?: string
}

/** Body of `orders/paid`. */
export function shopifyOrder({ id = nextNumber(), total, currency = 'USD', at, visitorId }: OrderOptions) {
  return {
    id,
    currency,
    total_price: total,
    financial_status: 'paid',
    created_at: at.toISOString(),
    processed_at: at.toISOString(),
    note_attributes: noteAttributes(visitorId),
  }
}

/** Body of `refunds/create`. */
export function shopifyRefund({
  id = nextNumber(),
  orderId,
  amount,
  currency = 'USD',
  at,
}: {
  id?: number
  orderId: number
  amount: string
  currency?: string
  at: Date
}) {
  return {
    id,
    order_id: orderId,
    processed_at: at.toISOString(),
    transactions: [{ kind: 'refund', status: 'success', amount, currency }],
  }
}

export interface ChargeOptions {
  /** Of the event, the charge and the payment intent, after their prefixes. */
  id?: string
  /** In Stripe's unit. */
  amount: number
  currency?: string
  at: Date
  visitorId?: string
  livemode?: boolean
}

/** Body of `charge.succeeded`. */
export function stripeCharge({
  id = randomUUID().replaceAll('-', ''),
  amount,
  currency = 'usd',
  at,
  visitorId,
  livemode = true,
}: ChargeOptions) {
  return {
    id: `evt_${id}`,
    object: 'event',
    type: 'charge.succeeded',
    created: toSeconds(at),
    livemode,
    data: {
      object: {
        id: `ch_${id}`,
        object: 'charge',
        payment_intent: `pi_${id}`,
        status: 'succeeded',
        captured: true,
        amount,
        amount_captured: amount,
        currency,
        created: toSeconds(at),
        metadata: visitorId === undefined ? {} : { skeldir: `av1.${visitorId}.${ulid()}` },
      },
    },
  }
}

function toSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000)
}

export interface TouchOptions {
  eventId?: string
  visitorId: string
  at: Date
  channel: string
}

/** Touchpoints of a tenant, sent over HTTP. Throws unless all are accepted. */
export async function givenTouches(
  platform: TestPlatform,
  tenant: TestTenant,
  touches: readonly TouchOptions[],
): Promise<void> {
  const touchpoints = touches.map(({ eventId = randomUUID(), visitorId, at, channel }) => ({
    event_id: eventId,
    visitor_id: visitorId,
    occurred_at: at.toISOString(),
    channel,
  }))
  const { body } = await platform.call('ingestTouchpoints', { tenant, body: { touchpoints } })
  if (body.accepted !== touches.length) throw new Error(`not all were accepted: ${JSON.stringify(body)}`)
}

/** Rows of `ingestSpend`, sent by a manager. Throws unless all are taken. */
export async function givenSpend(platform: TestPlatform, tenant: TestTenant, spend: readonly object[]): Promise<void> {
  const headers = { authorization: `Bearer ${tenant.tokens.manager}` }
  const { status, body } = await platform.call('ingestSpend', { tenant, token: null, headers, body: { spend } })
  if (status !== 200 || body.rejected > 0) throw new Error(`not all were taken: ${JSON.stringify(body)}`)
}
