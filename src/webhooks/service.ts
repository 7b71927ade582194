import { createHash, randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { requestRecomputeOf } from '../attribution/service.ts'
import type { Principal, RequestContext, TenantContext, Vendor } from '../context.ts'
import { isConstraintError } from '../db/errors.ts'
import { inTenant, type Tx } from '../db/tenant.ts'
import {
  identityHasher,
  openWebhookSecret,
  sealWebhookSecret,
  type TenantKey,
  unwrapTenantKey,
} from '../secrets/keyring.ts'
import { recordAudit } from '../tenants/audit.ts'
import { getTenantKey } from '../tenants/queries.ts'
import { findPersonalData } from './personal-data.ts'
import {
  type EndpointRow,
  findEndpoint,
  getEvents,
  ingestEvent,
  insertEndpoint,
  insertLedgerEntry,
  insertOrderFact,
  insertSecret,
  listSecretsBefore,
  recordDeadEvent,
  type StoredEvent,
  setSealedSecret,
} from './queries.ts'
import { vendors } from './vendors/index.ts'
import { DeadDelivery, type Delivery, type Fact } from './vendors/vendor.ts'

export interface Endpoint {
  endpointId: string
  vendor: Vendor
  name: string
  mode: 'live' | 'test'
  shopDomain: string | null
  endpointKey: string
  deliveryUrl: string
  createdAt: Date
}

/** Opens a door for a vendor's deliveries. The secret is sealed under the tenant's key and never given back. */
export async function createEndpoint(
  ctx: TenantContext,
  request: { vendor: Vendor; name: string; secret: string; mode: 'live' | 'test'; shopDomain: string | null },
): Promise<Endpoint> {
  const { vendor, name, mode, shopDomain } = request
  const endpointKey = randomBytes(32).toString('base64url')
  const { endpointId, createdAt } = await inTenant(ctx.db.main, ctx, async (tx) => {
    const tenantKey = unwrapTenantKey(ctx.keys, await getTenantKey(tx, ctx.tenantId))
    const row = await insertEndpoint(tx, { tenantId: ctx.tenantId, vendor, name, mode, shopDomain, endpointKey })
    const sealed = sealWebhookSecret(tenantKey, row.endpointId, request.secret)
    await insertSecret(tx, {
      tenantId: ctx.tenantId,
      endpointId: row.endpointId,
      keyVersion: tenantKey.version,
      sealed,
    })
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'webhook_endpoint.created',
      subject: `webhook_endpoint:${row.endpointId}`,
      details: { vendor, mode, shop_domain: shopDomain },
    })
    return row
  })
  const deliveryUrl = `${ctx.config.publicUrl}/api/webhooks/${vendor}/in/${endpointKey}`
  return { endpointId, vendor, name, mode, shopDomain, endpointKey, deliveryUrl, createdAt }
}

/** What a correctly signed delivery proves; carried from the authenticator to the handler. */
export interface WebhookPrincipal extends Extract<Principal, { kind: 'webhook' }> {
  identityOf: (visitorId: string) => string
}

const ENDPOINT_KEY = /^[A-Za-z0-9_-]{43}$/
/** Checked in place of the real one when the endpoint is unknown, so that the answer takes as long. */
const DECOY_SECRET = randomBytes(32).toString('hex')

/**
 * Security schemes `stripeSignature` and `shopifySignature`: null when the endpoint is unknown or none of its live
 * secrets signs these bytes. Nothing about which of the two it was leaves this function.
 */
export async function authenticateDelivery(
  ctx: RequestContext,
  vendor: Vendor,
  endpointKey: string | undefined,
  headers: IncomingHttpHeaders,
  rawBody: Buffer,
): Promise<WebhookPrincipal | null> {
  const endpoint =
    endpointKey !== undefined && ENDPOINT_KEY.test(endpointKey)
      ? await findEndpoint(ctx.db.main.lookup, vendor, endpointKey)
      : undefined
  const opened = endpoint === undefined ? undefined : open(ctx, endpoint)
  const secrets = opened?.secrets.map(({ secret }) => secret) ?? [DECOY_SECRET]
  const isSigned = vendors[vendor].verify({ rawBody, headers, secrets, now: ctx.clock() })
  if (!isSigned || endpoint === undefined || opened === undefined) return null
  await sealAgain(ctx, endpoint, opened)
  const { tenantId, endpointId, mode, shopDomain } = endpoint
  return { kind: 'webhook', tenantId, endpointId, vendor, mode, shopDomain, identityOf: opened.identityOf }
}

interface OpenedEndpoint {
  secrets: { secretId: string; keyVersion: number; secret: string }[]
  newestKey: TenantKey
  identityOf: (visitorId: string) => string
}

function open(ctx: RequestContext, { endpointId, secrets, keys }: EndpointRow): OpenedEndpoint {
  const tenantKeys = keys.map((wrapped) => unwrapTenantKey(ctx.keys, wrapped))
  const keyOf = (version: number) => tenantKeys.find((key) => key.version === version) as TenantKey
  const identity = identityHasher(tenantKeys[0] as TenantKey)
  return {
    secrets: secrets.map(({ secretId, keyVersion, sealed }) => ({
      secretId,
      keyVersion,
      secret: openWebhookSecret(keyOf(keyVersion), endpointId, sealed),
    })),
    newestKey: tenantKeys.at(-1) as TenantKey,
    identityOf: (visitorId: string) => identity(visitorId).toString('hex'),
  }
}

/** After a rotation, once per secret: the newest data key seals what an older one had. A failure waits for the next delivery. */
async function sealAgain(
  ctx: RequestContext,
  { tenantId, endpointId }: EndpointRow,
  opened: OpenedEndpoint,
): Promise<void> {
  const { newestKey, secrets } = opened
  const old = secrets.filter(({ keyVersion }) => keyVersion < newestKey.version)
  if (old.length === 0) return
  try {
    await inTenant(ctx.db.main, { tenantId, correlationId: ctx.correlationId }, async (tx) => {
      for (const { secretId, keyVersion, secret } of old) {
        const sealed = sealWebhookSecret(newestKey, endpointId, secret)
        await setSealedSecret(tx, { tenantId, endpointId, secretId, keyVersion: newestKey.version, sealed }, keyVersion)
      }
    })
  } catch (error) {
    ctx.log.warn({ err: error, tenantId, endpointId }, 'a webhook secret could not be sealed under the newest key')
  }
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
  { headers, rawBody }: { headers: IncomingHttpHeaders; rawBody: Buffer },
): Promise<DeliveryResult> {
  const { vendor, endpointId, shopDomain, identityOf } = principal
  const bodySha256 = createHash('sha256').update(rawBody).digest()
  const base = { tenantId: ctx.tenantId, vendor, endpointId, bodySha256, correlationId: ctx.correlationId }
  let delivery: Delivery
  try {
    delivery = vendors[vendor].read({ rawBody, headers, shopDomain, identityOf })
    refusePersonalData(delivery)
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    const { externalId, topic, class: faultClass, code, detail } = error
    const receiptId = await inTenant(ctx.db.ingest, ctx, (tx) =>
      recordDeadEvent(tx, { ...base, externalId, topic, class: faultClass, code, detail, payload: null }),
    )
    return { result: 'dead', receiptId, faultClass }
  }
  const { externalId, topic, payload, isTest, handled } = delivery
  const receipt = await inTenant(ctx.db.ingest, ctx, (tx) =>
    ingestEvent(tx, {
      ...base,
      externalId,
      topic,
      payload,
      isTest: isTest || principal.mode === 'test',
      isHandled: handled,
    }),
  )
  return { ...receipt, faultClass: receipt.result === 'dead' ? 'conflict' : null }
}

function refusePersonalData(delivery: Delivery): void {
  const pointer = findPersonalData(delivery.payload)
  if (pointer === null) return
  throw new DeadDelivery({
    class: 'poison',
    code: 'personal_data',
    detail: `The field at ${pointer} holds what looks like personal data.`,
    externalId: delivery.externalId,
    topic: delivery.topic,
  })
}

/**
 * Reads the facts out of stored deliveries and enters them: what an order is, and what money moved. Entering twice has
 * the effect of once. A fact that contradicts what is known, or that cannot be entered, becomes a dead event.
 */
export async function normalizeEvents(ctx: TenantContext, eventIds: string[]): Promise<void> {
  const events = await inTenant(ctx.db.main, ctx, (tx) => getEvents(tx, ctx.tenantId, eventIds))
  for (const event of events) await normalizeOne(ctx, event)
}

async function normalizeOne(ctx: TenantContext, event: StoredEvent): Promise<void> {
  let facts: Fact[]
  try {
    facts = vendors[event.vendor].toFacts({ topic: event.topic, payload: event.payload })
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    await bury(ctx, event, error)
    return
  }
  if (facts.length === 0) return
  let contradiction: string | undefined
  try {
    contradiction = await enter(ctx, event, facts)
  } catch (error) {
    if (!isConstraintError(error)) throw error
    ctx.log.warn({ err: error, eventId: event.eventId }, 'a stored delivery cannot be entered')
    const detail = 'A value of this delivery is outside of what the ledger can hold.'
    await bury(ctx, event, { class: 'poison', code: 'out_of_bounds', detail })
    return
  }
  if (contradiction !== undefined) {
    const detail = `The entry ${contradiction} is in the ledger with another amount, currency or order.`
    await bury(ctx, event, { class: 'conflict', code: 'contradicts_ledger', detail })
  }
}

/** Enters all facts of an event in one transaction, with the recompute that they call for. The key of the first that contradicts the ledger. */
function enter(ctx: TenantContext, event: StoredEvent, facts: Fact[]): Promise<string | undefined> {
  return inTenant(ctx.db.ingest, ctx, async (tx) => {
    let contradiction: string | undefined
    for (const fact of facts) {
      if (fact.kind === 'order') await insertOrderFact(tx, ctx.tenantId, event.eventId, fact)
      else if ((await insertLedgerEntry(tx, ctx.tenantId, event, fact)) === 'conflict') contradiction ??= fact.entryKey
    }
    await requestRecomputeOf(tx, ctx, { orderKeys: facts.map(({ orderKey }) => orderKey), times: [] })
    return contradiction
  })
}

function bury(
  ctx: TenantContext,
  event: StoredEvent,
  reason: Pick<DeadDelivery, 'class' | 'code' | 'detail'>,
): Promise<string> {
  const { vendor, endpointId, externalId, topic, bodySha256, payload } = event
  return inTenant(ctx.db.ingest, ctx, (tx) =>
    recordDeadEvent(tx, {
      tenantId: ctx.tenantId,
      vendor,
      endpointId,
      externalId,
      topic,
      class: reason.class,
      code: reason.code,
      detail: reason.detail,
      bodySha256,
      payload,
      correlationId: ctx.correlationId,
    }),
  )
}

/** What `authenticateDelivery` proved about this request. The contract admits nothing else here. */
export function requireDelivery(ctx: TenantContext): WebhookPrincipal {
  if (ctx.principal.kind !== 'webhook') throw new TypeError(`a delivery was expected, not a ${ctx.principal.kind}`)
  return ctx.principal as WebhookPrincipal
}
