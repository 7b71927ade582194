import { describe, expect, onTestFinished, test } from 'vitest'
import { type OperationRow, operations } from '../../generated/operations.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { createOriginLookup, setAllowedOrigins } from '../../src/tenants/allowed-origins.ts'
import { replaceTenantOrigins } from '../../src/tenants/service.ts'
import { startPlatform, type TestPlatform, type TestTenant, usePlatform } from '../support/platform.ts'

/*
 * The real API over a real database. What the headers say in each case is tested in cors-policy.test.ts; here it is who
 * decides, and when. Each test uses origins of its own: the server remembers them for some seconds.
 */
const platform = usePlatform()

let last = 0
function newOrigin(): string {
  last += 1
  return `https://page-${last}.example`
}

async function allow({ admin }: TestPlatform, tenant: TestTenant, ...origins: string[]): Promise<void> {
  await replaceTenantOrigins(admin, { tenantSlug: tenant.slug, origins })
}

/** Who may read, by the answer to `path`. */
async function ask(
  path: string,
  { at = platform, origin, token, ...init }: { at?: TestPlatform; origin: string; token?: string } & RequestInit,
): Promise<[status: number, reader: string | null]> {
  const headers = { ...init.headers, origin, ...(token !== undefined && { authorization: `Bearer ${token}` }) }
  const reply = await fetch(at.url + path, { ...init, headers: headers as Record<string, string> })
  expect(reply.headers.get('vary')).toBe('Origin')
  return [reply.status, reply.headers.get('access-control-allow-origin')]
}

const REVENUE = '/api/v1/revenue/realtime'

test("a tenant's own origins may read its answers, and another tenant's may not", async () => {
  const [ours, theirs] = [await platform.createTenant(), await platform.createTenant()]
  const [a, b, shared] = [newOrigin(), newOrigin(), newOrigin()]
  await allow(platform, ours, a, shared)
  await allow(platform, theirs, b, shared)
  for (const [tenant, origin, isReadable] of [
    [ours, a, true],
    [ours, b, false],
    [ours, shared, true],
    [theirs, a, false],
    [theirs, b, true],
    [theirs, shared, true],
  ] as const) {
    const answer = await ask('/api/auth/verify', { origin, token: tenant.tokens.viewer })
    expect(answer, `${tenant === ours ? 'ours' : 'theirs'} from ${origin}`).toEqual([200, isReadable ? origin : null])
  }
})

test('a key speaks for its tenant as a token does', async () => {
  const [ours, theirs] = [await platform.createTenant(), await platform.createTenant()]
  const [a, b] = [newOrigin(), newOrigin()]
  await allow(platform, ours, a)
  await allow(platform, theirs, b)
  const send = { method: 'POST', body: '{}', headers: { 'x-skeldir-tenant-key': ours.apiKey } }
  expect(await ask('/api/events/touchpoints', { ...send, origin: a })).toEqual([415, a])
  expect(await ask('/api/events/touchpoints', { ...send, origin: b })).toEqual([415, null])
})

test('what has no tenant yet may be read from the origins of any: public operations, 401, 404, 501, preflights', async () => {
  const tenant = await platform.createTenant()
  const origin = newOrigin()
  await allow(platform, tenant, origin)
  const login = { method: 'POST', headers: { 'content-type': 'application/json' } }
  const { email, password } = tenant
  expect(await ask('/api/auth/login', { ...login, body: JSON.stringify({ email, password }), origin })).toEqual([
    200,
    origin,
  ])
  const wrong = JSON.stringify({ email, password: 'not the password' })
  expect(await ask('/api/auth/login', { ...login, body: wrong, origin })).toEqual([401, origin])
  expect(await ask('/health/live', { origin })).toEqual([200, origin])
  expect(await ask(REVENUE, { origin })).toEqual([401, origin])
  expect(await ask(REVENUE, { origin, token: 'nobody' })).toEqual([401, origin])
  expect(await ask('/api/llm/usage', { origin })).toEqual([501, origin])
  expect(await ask('/api/nothing', { origin })).toEqual([404, origin])
  const preflight = { method: 'OPTIONS', headers: { 'access-control-request-method': 'GET' } }
  expect(await ask(REVENUE, { ...preflight, origin })).toEqual([204, origin])
  for (const path of ['/health/live', REVENUE, '/api/tenant']) {
    expect((await ask(path, { origin: newOrigin() }))[1]).toBeNull()
  }
})

test('the preflight of every operation of the contract allows its method and what it takes', async () => {
  const tenant = await platform.createTenant()
  const origin = newOrigin()
  await allow(platform, tenant, origin)
  for (const [operationId, row] of Object.entries<OperationRow>(operations)) {
    const path = row.path.replace(/\{[^}]+\}/g, 'x')
    const method = row.method.toUpperCase()
    const headers = { origin, 'access-control-request-method': method }
    const reply = await fetch(platform.url + path, { method: 'OPTIONS', headers })
    expect([reply.status, reply.headers.get('access-control-allow-methods')], operationId).toEqual([204, method])
    const allowed = reply.headers.get('access-control-allow-headers')?.split(', ') ?? []
    const taken = row.parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name)
    // The browser sets these by itself, and lets no script do so.
    const own = ['Origin', 'Sec-GPC', 'DNT']
    const named = taken.filter((name) => !own.includes(name))
    expect(allowed, operationId).toEqual(expect.arrayContaining(named))
    expect(
      allowed.filter((name) => own.includes(name)),
      operationId,
    ).toEqual([])
    expect(allowed.includes('Authorization'), operationId).toBe(row.security.flat().some(isBearer))
    expect(allowed.includes('X-Skeldir-Tenant-Key'), operationId).toBe(row.security.flat().includes('tenantKey'))
    expect(allowed.includes('Content-Type'), operationId).toBe(row.requestBody !== null)
    expect(allowed, operationId).not.toContain('Origin')
  }
})

function isBearer(scheme: string): boolean {
  return scheme === 'bearerAuth' || scheme === 'metricsToken'
}

test('scripts may read every header that the contract declares, but those that they can or cannot read anyway', async () => {
  const tenant = await platform.createTenant()
  const origin = newOrigin()
  await allow(platform, tenant, origin)
  const exposedBy = async (path: string, method = 'GET') => {
    const reply = await fetch(platform.url + path, { method, headers: { origin } })
    return reply.headers.get('access-control-expose-headers')
  }
  const exposed = (await exposedBy(REVENUE))?.split(', ')
  expect(exposed).toEqual(expect.arrayContaining(['ETag', 'Retry-After', 'WWW-Authenticate', 'X-Correlation-ID']))
  expect(exposed).not.toContain('Cache-Control')
  expect(await exposedBy('/api/tenant')).toContain('RateLimit, RateLimit-Policy')
  expect(await exposedBy('/api/attribution/recompute', 'POST')).toContain('Location')
  const sunset = Object.values<OperationRow>(operations).find(
    ({ deprecated, method }) => deprecated && method === 'get',
  )
  expect(await exposedBy(sunset?.path ?? '')).toMatch(/Deprecation.*Sunset/)
})

test.each([
  ['another port', 'https://{}:8443', 'https://{}'],
  ['no port', 'https://{}', 'https://{}:8443'],
  ['another scheme', 'https://{}', 'http://{}'],
  ['a part of the name', 'https://{}', 'https://sub.{}'],
  ['a longer name', 'https://{}', 'https://{}.evil.test'],
])('%s is another origin', async (_, allowed, asked) => {
  const tenant = await platform.createTenant()
  const { host } = new URL(newOrigin())
  await allow(platform, tenant, allowed.replace('{}', host))
  const own = allowed.replace('{}', host)
  expect(await ask('/health/live', { origin: own })).toEqual([200, own])
  expect(await ask('/health/live', { origin: asked.replace('{}', host) })).toEqual([200, null])
})

test('names beyond ASCII are allowed as people write them, and asked for as browsers do', async () => {
  const tenant = await platform.createTenant()
  await allow(platform, tenant, 'https://Bücher-9.example/')
  const origin = 'https://xn--bcher-9-n2a.example'
  expect(await ask('/health/live', { origin })).toEqual([200, origin])
})

describe('what is remembered', () => {
  test('a change is seen after five seconds', async () => {
    const own = await startPlatform(onTestFinished)
    const start = Date.now()
    const at = (ms: number) => own.setNow(new Date(start + ms))
    const read = async () => (await ask('/api/auth/verify', { at: own, origin: a, token: own.tenant.tokens.viewer }))[1]
    const a = newOrigin()
    at(0)
    expect(await read()).toBeNull()
    await allow(own, own.tenant, a)
    at(4_999)
    expect(await read()).toBeNull()
    at(5_000)
    expect(await read()).toBe(a)
    await allow(own, own.tenant)
    at(9_999)
    expect(await read()).toBe(a)
    at(10_000)
    expect(await read()).toBeNull()
    await allow(own, own.tenant, a)
    // A clock that was set back must not keep an answer for longer.
    at(0)
    expect(await read()).toBe(a)
  })

  test('of requests that come together one asks, and a lost database is asked once a second', async () => {
    const own = await startPlatform(onTestFinished)
    const a = newOrigin()
    await allow(own, own.tenant, a)
    const { isAllowed, isAllowedFor } = createOriginLookup()
    let queries = 0
    let now = 0
    const { lookup, pool } = own.ctx.db.main
    const counting = new Proxy(pool, {
      get: (target, name) => {
        if (name === 'connect') queries += 1
        const value = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const main = { ...own.ctx.db.main, pool: counting, lookup }
    const ctx = { ...own.tenant.ctx, clock: () => new Date(now), db: { ...own.ctx.db, main } }
    const many = () => Promise.all(Array.from({ length: 50 }, () => isAllowedFor(ctx, own.tenant.tenantId, a)))
    expect(new Set(await many())).toEqual(new Set([true]))
    expect(queries).toBe(1)
    await own.withoutDatabase(async () => {
      // Remembered still, and asked for again when that is over.
      expect(new Set(await many())).toEqual(new Set([true]))
      now = 5_000
      expect(new Set(await many())).toEqual(new Set([false]))
      now = 5_999
      await many()
      expect(queries).toBe(2)
      now = 6_000
      await many()
      expect(queries).toBe(3)
      expect(await isAllowed(ctx, newOrigin())).toBe(false)
    })
    now = 7_000
    expect(new Set(await many())).toEqual(new Set([true]))
  })

  test('what cannot be on a list is not looked up', async () => {
    const { isAllowed, isAllowedFor } = createOriginLookup()
    const ctx = { ...platform.tenant.ctx, db: undefined as never }
    for (const origin of [
      'null',
      '*',
      'http://shop.example',
      'https://[::1]',
      'https://a_b.example',
      'https://x'.repeat(99),
    ]) {
      expect(await isAllowed(ctx, origin)).toBe(false)
      expect(await isAllowedFor(ctx, platform.tenant.tenantId, origin)).toBe(false)
    }
  })

  test('a database that hangs is waited for a second, no longer', async () => {
    const { isAllowedFor } = createOriginLookup()
    const pool = { connect: () => new Promise(() => {}) } as never
    const { ctx, tenantId } = platform.tenant
    const hanging = { ...ctx, db: { ...ctx.db, main: { ...ctx.db.main, pool } } }
    const began = performance.now()
    expect(await isAllowedFor(hanging, tenantId, newOrigin())).toBe(false)
    expect(performance.now() - began).toBeLessThan(3_000)
  })
})

test('without the database the answer is what it would be, and no page may read it', async () => {
  const own = await startPlatform(onTestFinished)
  const a = newOrigin()
  await allow(own, own.tenant, a)
  await own.withoutDatabase(async () => {
    const token = own.tenant.tokens.viewer
    expect(await ask('/health/live', { at: own, origin: a })).toEqual([200, null])
    expect(await ask('/api/auth/verify', { at: own, origin: a, token })).toEqual([200, null])
    expect(await ask(REVENUE, { at: own, origin: a, token })).toEqual([503, null])
    const preflight = { method: 'OPTIONS', headers: { 'access-control-request-method': 'GET' } }
    expect(await ask(REVENUE, { ...preflight, at: own, origin: a })).toEqual([204, null])
  })
})

test('two lists that are set at once do not mix', async () => {
  const { tenantId, slug } = await platform.createTenant()
  const lists = Array.from({ length: 6 }, (_, list) =>
    Array.from({ length: 20 }, (_, i) => `https://list-${list}-${(i * 7) % 20}.example`),
  )
  await Promise.all(lists.map((origins) => replaceTenantOrigins(platform.admin, { tenantSlug: slug, origins })))
  const rows = await platform.query<{ origin: string }>(
    'select origin from tenant_allowed_origins where tenant_id = $1 order by position',
    [tenantId],
  )
  expect(lists).toContainEqual(rows.map(({ origin }) => origin))
})

test('the same origin twice is one, and a tenant cannot set the list of another', async () => {
  const [ours, theirs] = [await platform.createTenant(), await platform.createTenant()]
  const a = newOrigin()
  const list = await replaceTenantOrigins(platform.admin, { tenantSlug: ours.slug, origins: [a, `${a}:443`, `${a}/`] })
  expect(list).toEqual([a])
  const scope = { tenantId: ours.tenantId, correlationId: crypto.randomUUID() }
  const foreign = inTenant(platform.admin.db.main, scope, (tx) => setAllowedOrigins(tx, theirs.tenantId, [a]))
  await expect(foreign).rejects.toThrow('row-level security')
})
