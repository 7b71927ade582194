import type { OperationRow } from '../generated/operations.ts'
import type { Principal } from '../src/context.ts'
import type { Authenticator, IncomingRequest } from '../src/http/authenticate.ts'

/** Every caller of a mock belongs to this one. */
const TENANT_ID = '00000000-0000-4000-8000-000000000000'

interface SecurityScheme {
  type?: string
  scheme?: string
  name?: string
}

/** Of a signature, by scheme: what the vendor sends, whatever it was made with. */
const SIGNATURES: Record<string, RegExp> = {
  stripeSignature: /^(?=.*(?:^|,)\s*t=\d{1,15}(?:,|$))(?=.*(?:^|,)\s*v1=[0-9a-f]{64}(?:,|$)).{1,4096}$/i,
  shopifySignature: /^[A-Za-z0-9+/]{43}=$/,
  woocommerceSignature: /^[A-Za-z0-9+/]{43}=$/,
  paypalSignature: /^[A-Za-z0-9+/]{16,4094}={0,2}$/,
}
/** What WooCommerce sends unsigned before it activates a webhook, to the address of the webhook only. */
const WOOCOMMERCE_PING = /^webhook_id=\d{1,20}$/
const FORM = /^application\/x-www-form-urlencoded(?:$|\s*;)/i
/** RFC 6750 section 2.1, and the bound that the server sets. */
const BEARER = /^Bearer [A-Za-z0-9._~+/-]{1,4096}$/i
const KEY = /^[\x21-\x7e]{1,512}$/

/**
 * One for each scheme that `operations` use. A mock knows no tokens, keys and secrets: it refuses a credential that is
 * missing or malformed, and takes every other for one that may do everything.
 */
export function createAuthenticators(
  operations: Readonly<Record<string, OperationRow>>,
  document: object,
): Record<string, Authenticator> {
  const { components } = document as { components?: { securitySchemes?: Record<string, SecurityScheme> } }
  const rows = Object.values(operations)
  const scopes = rows.flatMap(({ requiredScope }) => (requiredScope === null ? [] : [requiredScope]))
  const schemes = new Set(rows.flatMap(({ security }) => security.flat()))
  return Object.fromEntries(
    [...schemes].map((name) => [name, createAuthenticator(name, components?.securitySchemes?.[name] ?? {}, scopes)]),
  )
}

function createAuthenticator(name: string, scheme: SecurityScheme, scopes: string[]): Authenticator {
  const signature = SIGNATURES[name]
  if (signature !== undefined) {
    return async (_ctx, request) => {
      // A signature is over the bytes, so one that is too large is 413 before anything is known of it.
      const body = await request.readBody()
      if (signature.test(read(request, scheme))) return delivery
      const mayPing = name === 'woocommerceSignature' && request.path.includes('/in/')
      const isForm = FORM.test(request.headers['content-type'] ?? '')
      return mayPing && isForm && WOOCOMMERCE_PING.test(body.toString('latin1')) ? delivery : null
    }
  }
  if (scheme.type === 'http')
    return async (_ctx, { headers }) => (BEARER.test(headers.authorization ?? '') ? user() : null)
  const key: Principal = { kind: 'key', tenantId: TENANT_ID, keyId: TENANT_ID, scopes }
  return async (_ctx, request) => (KEY.test(read(request, scheme)) ? key : null)
}

function read({ headers }: IncomingRequest, { name = '' }: SecurityScheme): string {
  const value = headers[name.toLowerCase()]
  return typeof value === 'string' ? value : ''
}

const delivery: Principal = {
  kind: 'webhook',
  tenantId: TENANT_ID,
  endpointId: TENANT_ID,
  vendor: 'stripe',
  mode: 'test',
  shopDomain: null,
}

function user(): Principal {
  const expiresAt = new Date(Date.now() + 3_600_000)
  return { kind: 'user', tenantId: TENANT_ID, userId: TENANT_ID, role: 'admin', sessionId: TENANT_ID, expiresAt }
}
