// A tenant for each role, with somebody to log in, a key, doors for vendors, and data whose ids exist.

import { randomBytes } from 'node:crypto'
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

/** What hooks.py needs to act as a role. Nothing of it outlives the run, unless it was a platform of the user's own. */
export interface Actor {
  role: FuzzRole
  tenant: string
  email: string
  password: string
  api_key: string
  /** By vendor. */
  endpoints: Record<string, { key: string; secret: string }>
  /** Values that exist, by the name of the path parameter. */
  ids: Record<string, string>
}

/** Through the services that `skeldir admin` calls, and then over HTTP. One role cannot see what another one does. */
export async function provisionActors(
  url: string,
  config: Readonly<Config>,
  roles: readonly FuzzRole[],
  signal: AbortSignal,
): Promise<Map<FuzzRole, Actor>> {
  const admin = createContext({ ...config, logLevel: 'silent' }, 'app_rw', 'fuzz')
  const run = randomBytes(4).toString('hex')
  try {
    const actors = await Promise.all(
      roles.map(async (role): Promise<[FuzzRole, Actor]> => {
        const slug = `fuzz-${role}-${run}`
        await createTenant(admin, { slug, name: `Fuzzing as ${role}`, reportingCurrency: 'USD', timeZone: 'UTC' })
        // A fuzzer asks more often than anybody may.
        for (const policy of ['default', 'ingest'])
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
        const data = await makeData(createCaller(url, signal), founder, slug, signal)
        const { email, password } = user
        return [role, { role, tenant: slug, email, password: password ?? '', api_key: key.apiKey, ...data }]
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
  founder: { email: string; password: string | null },
  tenant: string,
  signal: AbortSignal,
): Promise<Pick<Actor, 'endpoints' | 'ids'>> {
  const { email, password } = founder
  const login = await call<{ access_token: string }>('POST', '/api/auth/login', { email, password, tenant })
  const bearer = { authorization: `Bearer ${login.access_token}` }
  const endpoints: Actor['endpoints'] = {}
  const ids: Record<string, string> = {}
  for (const vendor of ['stripe', 'shopify']) {
    const secret = `fuzz_${randomBytes(24).toString('hex')}`
    // Without a shop's domain: the header that names it is one of those that vary.
    const request = { vendor, name: `Fuzz ${vendor}`, secret }
    const endpoint = await call<{ endpoint_id: string; endpoint_key: string }>(
      'POST',
      '/api/webhook-endpoints',
      request,
      bearer,
    )
    endpoints[vendor] = { key: endpoint.endpoint_key, secret }
    ids.endpoint_id = endpoint.endpoint_id
  }

  const event = JSON.stringify(paymentEvent())
  const signature = signStripe(Buffer.from(event), [endpoints.stripe?.secret ?? ''], Math.floor(Date.now() / 1000))
  await call('POST', `/api/webhooks/stripe/in/${endpoints.stripe?.key}`, event, { 'stripe-signature': signature })
  ids.order_id = 'stripe:pi_fuzz1'
  const credits = `/api/attribution/orders/${encodeURIComponent(ids.order_id)}/credits`
  await becomesFound(() => call('GET', credits, undefined, bearer), signal)

  const today = new Date().toISOString().slice(0, 10)
  const span = { start_date: today, end_date: today }
  const job = await call<{ job_id: string }>('POST', '/api/attribution/recompute', span, bearer)
  ids.job_id = job.job_id
  return { endpoints, ids }
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
