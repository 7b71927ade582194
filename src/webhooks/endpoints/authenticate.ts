import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isRevoked, revocationSubject } from '../../auth/revocations.ts'
import { hashCredential } from '../../auth/verified-cache.ts'
import type { Principal, RequestContext, TenantContext, Vendor, VerifiedEndpoint } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import {
  clickIdHasher,
  identityHasher,
  openWebhookSecret,
  sealWebhookSecret,
  type TenantKey,
  unwrapTenantKey,
} from '../../secrets/keyring.ts'
import { API_KEY, hashApiKey } from '../../tenants/api-keys/authenticate.ts'
import { namedShop } from '../named-shop.ts'
import { verifiers } from '../signatures/index.ts'
import { isPing, requireFewPings } from './pings.ts'
import { type EndpointRow, findEndpoint, findEndpointsOfKey, setSealedSecret } from './queries.ts'

/** What a correctly signed delivery proves; carried from the authenticator to the handler. */
export interface WebhookPrincipal extends Extract<Principal, { kind: 'webhook' }> {
  identityOf: (visitorId: string) => string
  hashClickId: (name: string, value: string) => Buffer
  /** Not a delivery: WooCommerce asks whether somebody is there. Not signed. */
  isPing: boolean
}

/** Where a delivery was sent: to an endpoint, or to a topic of the tenant that a key names. */
export interface Address {
  endpointKey: string | undefined
  tenantKey: string | string[] | undefined
}

const ENDPOINT_KEY = /^[A-Za-z0-9_-]{43}$/
/** Checked in place of the real one when the endpoint is unknown, so that the answer takes as long. */
const DECOY_SECRET = randomBytes(32).toString('hex')
/** Milliseconds for which an endpoint that was looked up is taken for good. The feed of revocations reaches further back. */
const LIFETIME_MS = 10 * 60_000

/**
 * The security schemes of the vendors' signatures: null when there is no such endpoint or none of its live secrets
 * signed these bytes. Nothing about which of the two it was leaves this function. All endpoints that the address may mean
 * are checked, so that what is refused costs the same whatever is wrong with it; of several with one secret the first is
 * taken, in the order of `findEndpointsOfKey`. Throws `service_unavailable` while it cannot be known what holds, and
 * `rate_limited` for a ping too many.
 */
export async function authenticateDelivery(
  ctx: RequestContext,
  vendor: Vendor,
  address: Address,
  { headers, rawBody }: { headers: IncomingHttpHeaders; rawBody: Buffer },
): Promise<WebhookPrincipal | null> {
  const endpoints = await findEndpoints(ctx, vendor, address, headers)
  const [known] = endpoints
  if (
    vendor === 'woocommerce' &&
    known !== undefined &&
    address.endpointKey !== undefined &&
    isPing(headers, rawBody)
  ) {
    requireFewPings(known.endpointId)
    return toPrincipal(vendor, known, { isPing: true })
  }
  const now = ctx.clock()
  const verify = async (endpoint: VerifiedEndpoint | null) => {
    const secrets = endpoint === null ? [DECOY_SECRET] : liveSecrets(endpoint, now)
    return verifiers[vendor]({ rawBody, headers, secrets, now, endpoint }, ctx)
  }
  const checks = await Promise.allSettled((endpoints.length === 0 ? [null] : endpoints).map(verify))
  const endpoint = endpoints.find((_, index) => isTrue(checks[index]))
  if (endpoint === undefined) {
    const failed = checks.find((check) => check.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return null
  }
  ctx.deliveryTimes.note(endpoint.tenantId, endpoint.endpointId, now)
  await waitingToBeSealed.get(endpoint)?.(ctx)
  return toPrincipal(vendor, endpoint, { isPing: false })
}

function liveSecrets({ secrets }: VerifiedEndpoint, now: Date): string[] {
  return secrets.flatMap(({ secret, notAfter }) => (notAfter === null || notAfter > now ? [secret] : []))
}

function isTrue(check: PromiseSettledResult<boolean> | undefined): boolean {
  return check?.status === 'fulfilled' && check.value
}

function findEndpoints(
  ctx: RequestContext,
  vendor: Vendor,
  { endpointKey, tenantKey }: Address,
  headers: IncomingHttpHeaders,
): Promise<readonly VerifiedEndpoint[]> {
  return endpointKey === undefined
    ? ofTenant(ctx, vendor, tenantKey, namedShop(vendor, headers))
    : byKey(ctx, vendor, endpointKey)
}

/** Costs no round trip for an endpoint that was looked up in the last ten minutes and not changed since. */
async function byKey(ctx: RequestContext, vendor: Vendor, endpointKey: string): Promise<VerifiedEndpoint[]> {
  if (!ENDPOINT_KEY.test(endpointKey)) return []
  const wait = ctx.revocations.ensureCurrent()
  if (wait !== undefined) await wait
  const name = `${vendor}/${hashCredential(endpointKey)}`
  const remembered = ctx.verifiedEndpoints.get(name)
  if (remembered !== undefined && !isStale(ctx, remembered)) return [remembered]
  const verifiedMs = performance.now()
  const row = await findEndpoint(ctx.db.main.lookup, vendor, endpointKey)
  if (row === undefined) {
    ctx.verifiedEndpoints.delete(name)
    return []
  }
  const endpoint = open(ctx, row, verifiedMs)
  ctx.verifiedEndpoints.set(name, endpoint)
  return [endpoint]
}

async function ofTenant(
  ctx: RequestContext,
  vendor: Vendor,
  tenantKey: string | string[] | undefined,
  shop: string | null,
): Promise<VerifiedEndpoint[]> {
  if (typeof tenantKey !== 'string' || !API_KEY.test(tenantKey)) return []
  const verifiedMs = performance.now()
  const rows = await findEndpointsOfKey(ctx.db.main.lookup, vendor, { keyHash: hashApiKey(tenantKey), shop })
  return rows.map((row) => open(ctx, row, verifiedMs))
}

function isStale(ctx: RequestContext, { subject, version, verifiedMs }: VerifiedEndpoint): boolean {
  if (performance.now() - verifiedMs > LIFETIME_MS) return true
  return isRevoked(ctx.revocations.find(subject), { standing: String(version) })
}

function open(ctx: RequestContext, row: EndpointRow, verifiedMs: number): VerifiedEndpoint {
  const { tenantId, endpointId, mode, shopDomain, version } = row
  const tenantKeys = row.keys.map((wrapped) => unwrapTenantKey(ctx.keys, wrapped))
  const keyOf = (keyVersion: number) => tenantKeys.find((key) => key.version === keyVersion) as TenantKey
  const secrets = row.secrets.map((sealed) => ({
    ...sealed,
    secret: openWebhookSecret(keyOf(sealed.keyVersion), endpointId, sealed.sealed),
  }))
  const identity = identityHasher(tenantKeys[0] as TenantKey)
  const endpoint: VerifiedEndpoint = {
    tenantId,
    endpointId,
    mode,
    shopDomain,
    secrets: secrets.map(({ secret, notAfter }) => ({ secret, notAfter })),
    identityOf: (visitorId) => identity(visitorId).toString('hex'),
    hashClickId: clickIdHasher(tenantKeys[0] as TenantKey),
    version,
    verifiedMs,
    subject: revocationSubject('webhook_endpoint', tenantId, endpointId),
  }
  const newestKey = tenantKeys.at(-1) as TenantKey
  const old = secrets.filter(({ keyVersion }) => keyVersion < newestKey.version)
  if (old.length > 0) {
    waitingToBeSealed.set(endpoint, (request) => {
      waitingToBeSealed.delete(endpoint)
      return sealAgain(request, row, old, newestKey)
    })
  }
  return endpoint
}

/** Endpoints with secrets under an older data key: the first delivery that is proven seals them again. */
const waitingToBeSealed = new WeakMap<VerifiedEndpoint, (ctx: RequestContext) => Promise<void>>()

/** The newest data key seals what an older one had. A failure waits for the next look-up. */
async function sealAgain(
  ctx: RequestContext,
  { tenantId, endpointId }: EndpointRow,
  old: readonly { secretId: string; keyVersion: number; secret: string }[],
  newestKey: TenantKey,
): Promise<void> {
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

function toPrincipal(
  vendor: Vendor,
  { tenantId, endpointId, mode, shopDomain, identityOf, hashClickId }: VerifiedEndpoint,
  { isPing }: { isPing: boolean },
): WebhookPrincipal {
  return { kind: 'webhook', tenantId, endpointId, vendor, mode, shopDomain, identityOf, hashClickId, isPing }
}

/** What `authenticateDelivery` proved about this request. The contract admits nothing else here. */
export function requireDelivery(ctx: TenantContext): WebhookPrincipal {
  if (ctx.principal.kind !== 'webhook') throw new TypeError(`a delivery was expected, not a ${ctx.principal.kind}`)
  return ctx.principal as WebhookPrincipal
}
