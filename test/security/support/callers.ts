import { randomBytes, randomUUID } from 'node:crypto'
import type { OperationRow } from '../../../generated/operations.ts'
import type { Role, Vendor } from '../../../src/context.ts'
import { API_KEY_SCOPES } from '../../../src/tenants/service.ts'
import {
  signShopify as shopifySignature,
  signPaypal,
  signWoocommerce,
} from '../../../src/webhooks/simulator/signature.ts'
import { givenApiKey, givenEndpoint, HOUR, type TestEndpoint } from '../../support/given.ts'
import { paypalCertificate } from '../../support/paypal.ts'
import { METRICS_TOKEN, signStripe } from '../../support/platform.ts'
import { type Natural, type Reply, type Sent, sendTo, toSent } from './request.ts'
import { bearer, ROLES, type Site, strangeKeys, tokenFor } from './site.ts'

/** Where a caller acts: `own` is the tenant that the operation is asked for, `other` one that has nothing to do with it. */
export interface Scene {
  own: Site
  other: Site
}

export interface Caller {
  name: string
  /** Security schemes of the contract that the credentials satisfy. */
  proves: readonly string[]
  /** Of a user's token. */
  role?: Role
  /** Of a key: whether it has the scope that the operation asks for. */
  hasScope?: boolean
  /** Whose data an answer may show. */
  actsIn: keyof Scene
  /** Credentials for this very request: a signature depends on the body. */
  headers: (scene: Scene, row: OperationRow, sent: Sent) => Promise<Record<string, string>>
}

export const KEY_HEADER = 'x-skeldir-tenant-key'

/** Of keys that web pages show, alone in them. */
const PUBLISHABLE_SCOPE = 'events:collect'

const user = (role: Role): Caller => ({
  name: role,
  proves: ['bearerAuth'],
  role,
  actsIn: 'own',
  headers: async ({ own }) => bearer(await tokenFor(own, role)),
})

/** Of a server's key: the publishable scope stands alone in a key of another kind. */
const scopesFor = ({ requiredScope }: OperationRow, isMeant: boolean): string[] =>
  isMeant
    ? [requiredScope ?? 'events:write']
    : API_KEY_SCOPES.filter((scope) => scope !== requiredScope && scope !== PUBLISHABLE_SCOPE)

const key = (
  name: string,
  { works, hasScope = true, actsIn = 'own', dates = {} }: KeyOptions & { works: boolean },
): Caller => ({
  name,
  proves: works ? ['tenantKey'] : [],
  hasScope,
  actsIn,
  headers: async (scene, row) => {
    const { platform, tenant } = scene[actsIn]
    return { [KEY_HEADER]: await givenApiKey(platform, tenant, { scopes: scopesFor(row, hasScope), ...dates }) }
  },
})
interface KeyOptions {
  hasScope?: boolean
  actsIn?: keyof Scene
  dates?: { expiresAt?: Date; revokedAt?: Date }
}

const anHourAgo = () => new Date(Date.now() - HOUR)

/** Who may come, and with what. Vendors are apart: they sign. */
const people: readonly Caller[] = [
  { name: 'nobody', proves: [], actsIn: 'own', headers: async () => ({}) },
  {
    name: 'malformed credentials',
    proves: [],
    actsIn: 'own',
    headers: async () => ({ authorization: 'Bearer made-up', [KEY_HEADER]: 'skd_made-up' }),
  },
  {
    name: 'expired token',
    proves: [],
    actsIn: 'own',
    headers: async ({ own }) => bearer(await tokenFor(own, 'admin', { at: anHourAgo() })),
  },
  {
    name: 'token of another deployment',
    proves: [],
    actsIn: 'own',
    headers: async ({ own }) => bearer(await tokenFor(own, 'admin', { keys: strangeKeys() })),
  },
  {
    name: 'revoked session',
    proves: [],
    actsIn: 'own',
    headers: async ({ own }) => {
      const headers = bearer(await tokenFor(own, 'admin'))
      const logout = { method: 'POST', target: '/api/auth/logout', headers, body: null }
      const { status } = await sendTo(own.platform.url, logout)
      if (status !== 204) throw new Error(`logout answered ${status}`)
      return headers
    },
  },
  ...ROLES.map(user),
  {
    name: 'admin of another tenant',
    proves: ['bearerAuth'],
    role: 'admin',
    actsIn: 'other',
    headers: async ({ other }) => bearer(await tokenFor(other, 'admin')),
  },
  {
    name: 'operator',
    proves: ['metricsToken'],
    actsIn: 'own',
    headers: async () => bearer(METRICS_TOKEN),
  },
  key('key without the scope', { works: true, hasScope: false }),
  key('key with the scope', { works: true }),
  key('key of another tenant', { works: true, actsIn: 'other' }),
  key('revoked key', { works: false, dates: { revokedAt: anHourAgo() } }),
  key('expired key', { works: false, dates: { expiresAt: anHourAgo() } }),
  {
    name: 'key that nobody has made',
    proves: [],
    actsIn: 'own',
    headers: async () => ({ [KEY_HEADER]: `skd_${randomBytes(32).toString('base64url')}` }),
  },
]

interface Signer {
  vendor: Vendor
  sign: (body: Buffer, secret: string) => Record<string, string>
}

/** By security scheme: the vendor, and how it signs. A scheme that an implemented operation uses must stand here. */
export const signers: Readonly<Record<string, Signer>> = {
  stripeSignature: { vendor: 'stripe', sign: (body, secret) => signStripe(body, secret) },
  shopifySignature: {
    vendor: 'shopify',
    sign: (body, secret) => ({ 'x-shopify-hmac-sha256': shopifySignature(body, secret) }),
  },
  woocommerceSignature: {
    vendor: 'woocommerce',
    sign: (body, secret) => ({ 'x-wc-webhook-signature': signWoocommerce(body, secret) }),
  },
  paypalSignature: { vendor: 'paypal', sign: paypalHeaders },
}

function paypalHeaders(body: Buffer, webhookId: string): Record<string, string> {
  const { privateKey, url } = paypalCertificate()
  const transmissionId = randomUUID()
  const time = new Date().toISOString()
  return {
    'paypal-transmission-id': transmissionId,
    'paypal-transmission-time': time,
    'paypal-transmission-sig': signPaypal(body, { transmissionId, time, webhookId }, privateKey),
    'paypal-cert-url': url,
    'paypal-auth-algo': 'SHA256withRSA',
  }
}

/** Signed with the secret of the site's own endpoint; where the operation asks for a key too, with one of the same tenant. */
export async function signFor(site: Site, scheme: string, sent: Sent): Promise<Record<string, string>> {
  const signer = signers[scheme]
  if (signer === undefined) throw new Error(`nobody signs for ${scheme}`)
  const endpoint =
    site.endpoints.get(signer.vendor) ?? (await givenEndpoint(site.platform, signer.vendor, { tenant: site.tenant }))
  site.endpoints.set(signer.vendor, endpoint)
  const signature = signer.sign(Buffer.from(sent.body ?? ''), endpoint.secret)
  return { ...signature, [KEY_HEADER]: site.tenant.apiKey }
}

const vendors = (scheme: string): Caller[] => [
  {
    name: `${scheme} of the endpoint`,
    proves: [scheme, 'tenantKey'],
    actsIn: 'own',
    headers: ({ own }, _, sent) => signFor(own, scheme, sent),
  },
  {
    name: `${scheme} of another tenant's endpoint`,
    proves: ['tenantKey'],
    actsIn: 'own',
    headers: async ({ own, other }, _, sent) => ({
      ...(await signFor(other, scheme, sent)),
      [KEY_HEADER]: own.tenant.apiKey,
    }),
  },
]

export const schemesOf = ({ security }: OperationRow): string[] => [...new Set(security.flat())]

/** Everybody who comes to the operation. */
export function callersOf(row: OperationRow): Caller[] {
  return [...people, ...schemesOf(row).flatMap((scheme) => (Object.hasOwn(signers, scheme) ? vendors(scheme) : []))]
}

/** Of somebody who may do everything that the operation allows. Empty for a public one. */
export async function credentialsFor(site: Site, row: OperationRow, sent: Sent): Promise<Record<string, string>> {
  const schemes = schemesOf(row)
  const signature = schemes.find((scheme) => Object.hasOwn(signers, scheme))
  if (signature !== undefined) return signFor(site, signature, sent)
  if (schemes.includes('bearerAuth')) return bearer(await tokenFor(site, 'admin'))
  if (schemes.includes('metricsToken')) return bearer(METRICS_TOKEN)
  return schemes.includes('tenantKey') ? { [KEY_HEADER]: site.tenant.apiKey } : {}
}

/** Sends a delivery to the endpoint of the site, whose secret signs it; everything else as it is. */
export async function atEndpointOf(site: Site, natural: Natural): Promise<Natural> {
  const scheme = schemesOf(natural.row).find((one) => Object.hasOwn(signers, one))
  if (scheme === undefined || !('endpoint_key' in natural.params)) return natural
  await signFor(site, scheme, toSent(natural))
  const endpoint = site.endpoints.get((signers[scheme] as Signer).vendor) as TestEndpoint
  return { ...natural, params: { ...natural.params, endpoint_key: endpoint.endpointKey } }
}

/** Failures of an account and of an address are counted, which would stop whatever comes after. */
export async function forgetFailures({ platform }: Site, { row }: Natural): Promise<void> {
  if (row.domain === 'auth') await platform.query('delete from internal.login_attempts')
}

/** Sends the request as somebody who may, with more headers or others. */
export async function sendAsAllowed(
  site: Site,
  natural: Natural,
  headers: Record<string, string | string[]> = {},
): Promise<Reply> {
  await forgetFailures(site, natural)
  const sent = toSent(natural)
  const credentials = await credentialsFor(site, natural.row, sent)
  return sendTo(site.platform.url, { ...sent, headers: { ...sent.headers, ...credentials, ...headers } })
}
