import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { OperationId } from '../../src/contract.ts'
import { USUAL_PER_MINUTE } from '../../src/tenants/limits/policies.ts'
import { setRateLimit } from '../../src/tenants/limits/service.ts'
import { expectProblem } from './answer.ts'
import type { Answer, CallOptions, TestPlatform, TestTenant } from './platform.ts'

type Policy = keyof typeof USUAL_PER_MINUTE

/** Lets a tenant ask as often as it likes, for tests that ask often. */
export async function liftLimits(platform: TestPlatform, tenant: TestTenant = platform.tenant): Promise<void> {
  for (const policy of Object.keys(USUAL_PER_MINUTE))
    await setRateLimit(platform.admin, { tenantSlug: tenant.slug, policy, perMinute: 10_000_000 })
}

/**
 * Uses up the tenant's quota for an hour: from then on each of its calls is 429. Not of a tenant that other tests of the
 * file act for too. `ingest` is what counts deliveries and events; its tenant must not have called any of those before.
 */
export async function exhaustPermits(
  platform: TestPlatform,
  tenant: TestTenant,
  policy: Policy = 'default',
): Promise<void> {
  await platform.query(
    `insert into rate_limits (tenant_id, policy, full_at) values ($1, $2, now() + interval '1 hour')
     on conflict (tenant_id, policy) do update set full_at = excluded.full_at`,
    [tenant.tenantId, policy],
  )
  // The process may hold permits, of one lease at most.
  const ask =
    policy === 'default'
      ? () => platform.call('verifyToken', { tenant, token: tenant.tokens.viewer })
      : () => platform.call('ingestTouchpoints', { tenant, body: '' })
  let answer = await ask()
  for (let i = 0; i < USUAL_PER_MINUTE.default && answer.status !== 429; i++) answer = await ask()
  if (answer.status !== 429) throw new Error(`the quota ${policy} of ${tenant.slug} is not used up`)
}

/** The answer to a tenant whose quota is used up, whatever else is wrong with the call, has all that a 429 must have. */
export async function expectRateLimited(
  platform: TestPlatform,
  operationId: OperationId,
  options: CallOptions = {},
  policy: Policy = 'default',
): Promise<void> {
  const tenant = options.tenant ?? (await platform.createTenant())
  await exhaustPermits(platform, tenant, policy)
  const answer = await platform.call(operationId, { ...options, tenant })
  expectQuotaUsedUp(answer, policy)
}

export function expectQuotaUsedUp(answer: Answer, policy: Policy): void {
  expectProblem(answer, 'rate_limited')
  const after = Number(answer.headers.get('retry-after'))
  expect(after).toBeGreaterThanOrEqual(1)
  expect(after).toBeLessThanOrEqual(3_600)
  expect(answer.headers.get('ratelimit-policy')).toBe(`"${policy}";q=${USUAL_PER_MINUTE[policy]};w=60`)
  expect(answer.headers.get('ratelimit')).toMatch(new RegExp(`^"${policy}";r=0;t=[1-9]\\d*$`))
}

export interface IdempotencyCase {
  /** One body for each call; bodies of two calls differ. */
  makeBody: () => object
  /** What else a call needs; the tenant is one of the test's own. */
  prepare?: (tenant: TestTenant) => CallOptions | Promise<CallOptions>
  /** How many things there are, of all tenants: whether a call has had an effect. */
  count: () => Promise<number>
}

/**
 * What holds for every operation that takes an Idempotency-Key: replay, reuse, and one effect however many calls. The
 * titles do not begin with a status: a file claims its own 409 and 422 by `expectInFlight` and `expectKeyReused`.
 */
export function describeIdempotency(
  platform: TestPlatform,
  operationId: OperationId,
  { makeBody, prepare = () => ({}), count }: IdempotencyCase,
): void {
  const start = async () => {
    const tenant = await platform.createTenant()
    const options = await prepare(tenant)
    return (key: string, body: object) =>
      platform.call(operationId, { ...options, tenant, body, headers: { ...options.headers, 'idempotency-key': key } })
  }

  describe(`the Idempotency-Key of ${operationId}`, () => {
    test('gives the stored answer to the same request, and does nothing again', async () => {
      const [call, key, body] = [await start(), randomUUID(), makeBody()]
      const first = await call(key, body)
      expect(first.status).toBeLessThan(300)
      expect(first.headers.get('idempotent-replayed')).toBeNull()
      const before = await count()
      const again = await call(key, body)
      expect(again.status).toBe(first.status)
      expect(again.text).toBe(first.text)
      expect(again.headers.get('location')).toBe(first.headers.get('location'))
      expect(again.headers.get('idempotent-replayed')).toBe('true')
      expect(await count()).toBe(before)
    })

    test('belongs to its caller, so another tenant may use the same', async () => {
      const [call, other, key, body] = [await start(), await start(), randomUUID(), makeBody()]
      const first = await call(key, body)
      const foreign = await other(key, makeBody())
      expect(foreign.status).toBe(first.status)
      expect(foreign.headers.get('idempotent-replayed')).toBeNull()
      expect(foreign.text).not.toBe(first.text)
    })

    test('lets ten calls at once have one effect', async () => {
      const [call, key, body] = [await start(), randomUUID(), makeBody()]
      const before = await count()
      const answers = await Promise.all(Array.from({ length: 10 }, () => call(key, body)))
      const done = answers.filter(({ status }) => status < 300)
      expect(done.length).toBeGreaterThan(0)
      expect(new Set(done.map(({ text }) => text)).size).toBe(1)
      for (const answer of answers) if (!done.includes(answer)) expectProblem(answer, 'idempotency_in_flight')
      expect(await count()).toBe(before + 1)
    })
  })
}

/** 409: a call with the key is at work, as the database tells it. */
export async function expectInFlight(
  platform: TestPlatform,
  operationId: OperationId,
  { makeBody, prepare = () => ({}) }: Omit<IdempotencyCase, 'count'>,
): Promise<void> {
  const tenant = await platform.createTenant()
  const options = await prepare(tenant)
  const headers = { ...options.headers, 'idempotency-key': randomUUID() }
  const call = { ...options, tenant, body: makeBody(), headers }
  expect((await platform.call(operationId, call)).status).toBeLessThan(300)
  await platform.query('update idempotency_keys set sealed = null, key_version = null where tenant_id = $1', [
    tenant.tenantId,
  ])
  const answer = await platform.call(operationId, call)
  expectProblem(answer, 'idempotency_in_flight')
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
}

/** 422: the key came with another body before. */
export async function expectKeyReused(
  platform: TestPlatform,
  operationId: OperationId,
  { makeBody, prepare = () => ({}) }: Omit<IdempotencyCase, 'count'>,
): Promise<void> {
  const tenant = await platform.createTenant()
  const options = await prepare(tenant)
  const headers = { ...options.headers, 'idempotency-key': randomUUID() }
  const call = (body: object) => platform.call(operationId, { ...options, tenant, body, headers })
  expect((await call(makeBody())).status).toBeLessThan(300)
  expectProblem(await call(makeBody()), 'idempotency_key_reused')
}
