import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { TenantContext } from '../../src/context.ts'
import { closeServer, createServer } from '../../src/http/bind.ts'
import { authenticators, createLimits, handlers } from '../../src/main/app.ts'
import { createRateLimiter, type TenantRateLimiter } from '../../src/tenants/limits/rate-limiter.ts'
import { setRateLimit } from '../../src/tenants/limits/service.ts'
import { givenEndpoint } from '../support/given.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

/** Another process on the same database. */
async function startOther(): Promise<string> {
  const server = createServer(platform.ctx, { handlers, authenticators, limits: createLimits() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => closeServer(server, 0))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function givenQuota(perMinute: number, policy = 'default'): Promise<TestTenant> {
  const tenant = await platform.createTenant()
  await setRateLimit(platform.admin, { tenantSlug: tenant.slug, policy, perMinute })
  return tenant
}

const verify = (tenant: TestTenant) => platform.call('verifyToken', { tenant })

test('each authenticated answer says what is left, whatever its status', async () => {
  const tenant = await platform.createTenant()
  const first = await verify(tenant)
  expect(first.status).toBe(200)
  expect(first.headers.get('ratelimit-policy')).toBe('"default";q=600;w=60')
  expect(first.headers.get('ratelimit')).toBe('"default";r=599;t=1')
  const missing = await platform.call('getRecomputeJob', { tenant, params: { job_id: crypto.randomUUID() } })
  const invalid = await platform.call('getRecomputeJob', { tenant, params: { job_id: 'x' } })
  expect([missing.status, invalid.status]).toEqual([404, 422])
  for (const { headers } of [missing, invalid])
    expect(headers.get('ratelimit')).toMatch(/^"default";r=(?:59\d|600);t=[01]$/)
})

test('what comes before says nothing: 401, 403, a public operation', async () => {
  const tenant = await platform.createTenant()
  const answers = await Promise.all([
    platform.call('verifyToken', { tenant, token: null }),
    platform.call('requestRecompute', { tenant, token: tenant.tokens.viewer, body: {} }),
    platform.call('getLiveness'),
  ])
  expect(answers.map(({ status }) => status)).toEqual([401, 403, 200])
  for (const { headers } of answers) {
    expect(headers.get('ratelimit')).toBeNull()
    expect(headers.get('ratelimit-policy')).toBeNull()
  }
})

test('deliveries and events have a quota of their own', async () => {
  const tenant = await platform.createTenant()
  const { endpointKey } = await givenEndpoint(platform, 'shopify', { tenant })
  const events = await platform.call('ingestTouchpoints', { tenant, body: '' })
  expect(events.status).toBe(400)
  expect(events.headers.get('ratelimit-policy')).toBe('"ingest";q=60000;w=60')
  expect(events.headers.get('ratelimit')).toBe('"ingest";r=59999;t=1')
  const forged = await platform.call('receiveShopifyWebhook', { params: { endpoint_key: endpointKey }, body: '{}' })
  expect(forged.status).toBe(401)
  expect(forged.headers.get('ratelimit')).toBeNull()
})

test('two processes give out the quota once, give or take a lease each', async () => {
  const tenant = await givenQuota(60)
  const other = await startOther()
  const started = performance.now()
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      if (index % 2 === 0) return (await verify(tenant)).status
      const headers = { authorization: `Bearer ${tenant.tokens.manager}` }
      return (await fetch(`${other}/api/auth/verify`, { headers })).status
    }),
  )
  const refilled = Math.ceil((performance.now() - started) / 1000)
  const allowed = answers.filter((status) => status === 200).length
  expect(answers.filter((status) => status !== 200 && status !== 429)).toEqual([])
  expect(allowed).toBeGreaterThanOrEqual(60)
  // A lease of 60 a minute is 2.
  expect(allowed).toBeLessThanOrEqual(60 + refilled + 2 * 2)
})

test('one tenant does not use up the quota of another', async () => {
  const [greedy, modest] = [await givenQuota(1), await givenQuota(1)]
  expect((await verify(greedy)).status).toBe(200)
  const refused = await verify(greedy)
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
  expect(refused.headers.get('ratelimit-policy')).toBe('"default";q=1;w=60')
  expect((await verify(modest)).status).toBe(200)
})

test('a quota that was raised holds within a second of the next refusal', async () => {
  const tenant = await givenQuota(1)
  await verify(tenant)
  expect((await verify(tenant)).status).toBe(429)
  await setRateLimit(platform.admin, { tenantSlug: tenant.slug, policy: 'default', perMinute: 10_000 })
  const answer = await until(
    () => verify(tenant),
    ({ status }) => status === 200,
    5_000,
  )
  expect(answer.headers.get('ratelimit-policy')).toBe('"default";q=10000;w=60')
})

test('the own number can be given back', async () => {
  const tenant = await givenQuota(7)
  const set = (perMinute: number | null) =>
    setRateLimit(platform.admin, { tenantSlug: tenant.slug, policy: 'default', perMinute })
  expect(await set(null)).toEqual({ policy: 'default', perMinute: 600 })
  expect((await verify(tenant)).headers.get('ratelimit-policy')).toBe('"default";q=600;w=60')
  const [entry] = await platform.query(
    `select actor_kind, action from audit_log where tenant_id = $1 order by occurred_at desc limit 1`,
    [tenant.tenantId],
  )
  expect(entry).toEqual({ actor_kind: 'operator', action: 'rate_limit.changed' })
})

test.each([
  ['another policy', { policy: 'gold', perMinute: 1 }, /default, ingest/],
  ['none at all', { policy: 'default', perMinute: 0 }, /from 1 to 10000000/],
  ['too many', { policy: 'default', perMinute: 10_000_001 }, /from 1 to 10000000/],
  ['half a request', { policy: 'default', perMinute: 1.5 }, /whole number/],
])('an operator cannot set %s', async (_, change, message) => {
  const { slug } = platform.tenant
  await expect(setRateLimit(platform.admin, { tenantSlug: slug, ...change })).rejects.toThrow(message)
})

/** The same unit of work, with every connection that it takes counted. */
function counting(ctx: TenantContext): { ctx: TenantContext; connections: () => number } {
  let count = 0
  const { pool } = ctx.db.main
  const main = Object.assign(Object.create(ctx.db.main), {
    pool: {
      connect: () => {
        count += 1
        return pool.connect()
      },
    },
  })
  return { ctx: { ...ctx, db: { ...ctx.db, main } }, connections: () => count }
}

const take = async (limiter: TenantRateLimiter, ctx: TenantContext) => limiter.take(ctx, ctx.tenantId, 'default')

test('the database is asked for a lease, not for a request', async () => {
  const tenant = await platform.createTenant()
  const { ctx, connections } = counting(tenant.ctx)
  const limiter = createRateLimiter()
  for (let i = 0; i < 300; i++) expect((await take(limiter, ctx)).retryAfterS).toBeNull()
  expect(connections()).toBeGreaterThan(0)
  // Half a lease of 20 at a time.
  expect(connections()).toBeLessThanOrEqual(300 / 10 + 1)
})

test('five hundred requests at once share their questions', async () => {
  const tenant = await platform.createTenant()
  const { ctx, connections } = counting(tenant.ctx)
  const limiter = createRateLimiter()
  const taken = await Promise.all(Array.from({ length: 500 }, () => take(limiter, ctx)))
  expect(taken.filter(({ retryAfterS }) => retryAfterS === null)).toHaveLength(500)
  expect(connections()).toBeLessThanOrEqual(4)
})

test('a flood without permits does not reach the database', async () => {
  const tenant = await givenQuota(1)
  const { ctx, connections } = counting(tenant.ctx)
  const limiter = createRateLimiter()
  const taken = await Promise.all(Array.from({ length: 2_000 }, () => take(limiter, ctx)))
  expect(taken.filter(({ retryAfterS }) => retryAfterS === null)).toHaveLength(1)
  expect(connections()).toBeLessThanOrEqual(4)
})

test('while the database is gone a process counts by itself: nothing is unlimited, and nothing fails', async () => {
  const tenant = await givenQuota(30)
  const { ctx } = tenant
  const limiter = createRateLimiter()
  expect((await take(limiter, ctx)).perMinute).toBe(30)
  await platform.withoutDatabase(async () => {
    const taken = []
    for (let i = 0; i < 100; i++) taken.push(await take(limiter, ctx))
    const allowed = taken.filter(({ retryAfterS }) => retryAfterS === null).length
    expect(allowed).toBeGreaterThanOrEqual(30)
    expect(allowed).toBeLessThanOrEqual(32)
    expect(taken.at(-1)).toMatchObject({ remaining: 0, retryAfterS: expect.any(Number) })
  })
  const answer = await until(
    () => take(limiter, ctx),
    ({ retryAfterS }) => retryAfterS === null,
  )
  expect(answer.perMinute).toBe(30)
})

test('a process keeps to the quota by which it leased when the clock of its requests moves', async () => {
  const tenant = await givenQuota(1)
  expect((await verify(tenant)).status).toBe(200)
  const token = tenant.tokens.manager
  platform.setNow(new Date(Date.now() + 300_000))
  onTestFinished(() => platform.setNow(null))
  expect((await platform.call('verifyToken', { tenant, token })).status).toBe(429)
})
