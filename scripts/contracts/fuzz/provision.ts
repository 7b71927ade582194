// A tenant for each role, with somebody to log in, a key, doors for vendors, and data whose ids exist.

import { type KeyObject, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../../src/config.ts'
import { createContext } from '../../../src/main/context.ts'
import { setRateLimit } from '../../../src/tenants/limits/service.ts'
import { createApiKey, createTenant, createUser } from '../../../src/tenants/service.ts'
import { signStripe } from '../../../src/webhooks/simulator/signature.ts'
import { ToolError } from '../finding.ts'
import type { FuzzRole } from './roles.ts'

const WORK_TIMEOUT_MS = 60_000
const POLL_MS = 100
const PER_MINUTE = 10_000_000
/** Some are resolved by the run, and then closed for good. */
const DEAD_EVENTS = 12
/** Of which pages may send what they see. */
const ORIGIN = 'https://shop.fuzz.example'

/** What hooks.py needs to act as a role. Nothing of it outlives the run, unless it was a platform of the user's own. */
export interface Actor {
  role: FuzzRole
  tenant: string
  email: string
  password: string
  api_key: string
  /** For web pages of `origin`. */
  publishable_key: string
  origin: string
  /** By vendor; PayPal's only where somebody can sign for it. */
  endpoints: Record<string, { key: string; secret: string; rsa?: { n: string; d: string } }>
  /** Values that exist, by the name of the path parameter. */
  ids: Record<string, string | string[]>
}

export interface Provision {
  url: string
  config: Readonly<Config>
  roles: readonly FuzzRole[]
  /** What PayPal endpoints in test mode take signatures of; null when nobody here has it. */
  paypalKey: KeyObject | null
  signal: AbortSignal
}

/** Through the services that `skeldir admin` calls, and then over HTTP. One role cannot see what another one does. */
export async function provisionActors({
  url,
  config,
  roles,
  paypalKey,
  signal,
}: Provision): Promise<Map<FuzzRole, Actor>> {
  const admin = createContext({ ...config, logLevel: 'silent' }, 'app_rw', 'fuzz')
  const run = randomBytes(4).toString('hex')
  try {
    const actors = await Promise.all(
      roles.map(async (role): Promise<[FuzzRole, Actor]> => {
        const slug = `fuzz-${role}-${run}`
        const name = `Fuzzing as ${role}`
        await createTenant(admin, { slug, name, reportingCurrency: 'USD', timeZone: 'UTC', allowedOrigins: [ORIGIN] })
        // A fuzzer asks more often than anybody may.
        for (const policy of ['default', 'ingest', 'collect'])
          await setRateLimit(admin, { tenantSlug: slug, policy, perMinute: PER_MINUTE })
        const own = role === 'viewer' || role === 'manager' ? role : 'admin'
        const user = await createUser(admin, { tenantSlug: slug, email: `${role}@${slug}.example.com`, role: own })
        const founder = await createUser(admin, {
          tenantSlug: slug,
          email: `founder@${slug}.example.com`,
          role: 'admin',
        })
        const key = await createApiKey(admin, {
          tenantSlug: slug,
          name: 'fuzz',
          scopes: ['events:write', 'spend:write'],
        })
        const publishable = await createApiKey(admin, {
          tenantSlug: slug,
          name: 'fuzz pages',
          scopes: ['events:collect'],
        })
        const data = await makeData(createCaller(url, signal), { founder, tenant: slug, paypalKey, signal })
        const keys = { api_key: key.apiKey, publishable_key: publishable.apiKey, origin: ORIGIN }
        return [role, { role, tenant: slug, email: user.email, password: user.password ?? '', ...keys, ...data }]
      }),
    )
    return new Map(actors)
  } finally {
    await admin.close()
  }
}

type Caller = <T>(method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<T>

function createCaller(url: string, signal: AbortSignal): Caller {
  return async (method, path, body, headers = {}) => {
    const payload = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: payload,
      signal,
    })
    const text = await response.text()
    if (!response.ok) throw new RefusedError(`${method} ${path} answered ${response.status}: ${text}`, response.status)
    return JSON.parse(text)
  }
}

class RefusedError extends ToolError {
  readonly status: number
  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

async function makeData(
  call: Caller,
  {
    founder,
    tenant,
    paypalKey,
    signal,
  }: { founder: { email: string; password: string | null }; tenant: string } & Pick<Provision, 'paypalKey' | 'signal'>,
): Promise<Pick<Actor, 'endpoints' | 'ids'>> {
  const { email, password } = founder
  const login = await call<{ access_token: string }>('POST', '/api/auth/login', { email, password, tenant })
  const bearer = { authorization: `Bearer ${login.access_token}` }
  const endpoints: Actor['endpoints'] = {}
  const ids: Actor['ids'] = {}
  const rsa = paypalKey?.export({ format: 'jwk' })
  for (const vendor of ['stripe', 'shopify', 'woocommerce', ...(rsa === undefined ? [] : ['paypal'])]) {
    const secret = `fuzz-${randomBytes(24).toString('hex')}`
    // Without a shop's domain: the header that names it is one of those that vary. An endpoint of PayPal in live mode
    // takes nobody's signature but PayPal's.
    const request = { vendor, name: `Fuzz ${vendor}`, secret, mode: vendor === 'paypal' ? 'test' : 'live' }
    const endpoint = await call<{ endpoint_id: string; endpoint_key: string }>(
      'POST',
      '/api/webhook-endpoints',
      request,
      bearer,
    )
    endpoints[vendor] = { key: endpoint.endpoint_key, secret }
    if (vendor === 'paypal') endpoints.paypal = { key: endpoint.endpoint_key, secret, rsa: toNumbers(rsa) }
    else ids.endpoint_id = endpoint.endpoint_id
  }

  const deliver = (event: object) => {
    const body = JSON.stringify(event)
    const signature = signStripe(Buffer.from(body), [endpoints.stripe?.secret ?? ''], Math.floor(Date.now() / 1000))
    const path = `/api/webhooks/stripe/in/${endpoints.stripe?.key}`
    return call<{ result: string; receipt_id: string }>('POST', path, body, { 'stripe-signature': signature })
  }
  await deliver(paymentEvent())
  const dead: string[] = []
  for (let n = 0; n < DEAD_EVENTS; n += 1) {
    const { result, receipt_id: id } = await deliver({ ...paymentEvent(), id: `evt_fuzzdead${n}`, data: {} })
    if (result !== 'dead') throw new ToolError(`A payment without its object was answered ${result}, not dead.`)
    dead.push(id)
  }
  ids.dead_event_id = dead
  const order = 'stripe:pi_fuzz1'
  ids.order_id = order
  const credits = `/api/attribution/orders/${encodeURIComponent(order)}/credits`
  await becomesFound(() => call('GET', credits, undefined, bearer), signal)

  const today = new Date().toISOString().slice(0, 10)
  const span = { start_date: today, end_date: today }
  const job = await call<{ job_id: string }>('POST', '/api/attribution/recompute', span, bearer)
  ids.job_id = job.job_id
  return { endpoints, ids }
}

/** Modulus and private exponent in hex: Python signs with no more. */
function toNumbers(key: { n?: string; d?: string } | undefined): { n: string; d: string } {
  const toHex = (text = '') => Buffer.from(text, 'base64url').toString('hex')
  return { n: toHex(key?.n), d: toHex(key?.d) }
}

function paymentEvent(): object {
  const created = Math.floor(Date.now() / 1000) - 60
  const object = {
    id: 'pi_fuzz1',
    object: 'payment_intent',
    amount_received: 12_345,
    currency: 'usd',
    created,
    status: 'succeeded',
    metadata: {},
  }
  return {
    id: 'evt_fuzz1',
    object: 'event',
    type: 'payment_intent.succeeded',
    created,
    livemode: true,
    data: { object },
  }
}

async function becomesFound(ask: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + WORK_TIMEOUT_MS
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      if (!(error instanceof RefusedError) || error.status !== 404) throw error
      if (performance.now() > deadline) throw new ToolError('The worker did not enter an order within a minute.')
    }
    await sleep(POLL_MS, undefined, { signal })
  }
}
