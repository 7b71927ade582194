import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { DAY, HOUR, ulid } from '../support/given.ts'
import { describeIdempotency, expectInFlight, expectKeyReused, expectRateLimited } from '../support/limits.ts'
import {
  type Answer,
  startPlatform,
  type TestPlatform,
  type TestTenant,
  until,
  usePlatform,
} from '../support/platform.ts'
import { listTablesHolding } from '../support/stored.ts'
import { callAsAdmin, readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const REQUEST = { name: 'Order system', scopes: ['events:write', 'spend:write'] }
const create = (tenant: TestTenant, body: unknown = REQUEST) => callAsAdmin(platform, 'createApiKey', { tenant, body })

const touch = (own: TestPlatform, apiKey: string): Promise<Answer> =>
  own.call('ingestTouchpoints', {
    headers: { 'x-skeldir-tenant-key': apiKey },
    body: {
      touchpoints: [
        { event_id: ulid(), visitor_id: ulid(), occurred_at: own.ctx.clock().toISOString(), channel: 'email' },
      ],
    },
  })

test('201: a key that works at once, for its own tenant', async () => {
  const tenant = await platform.createTenant()
  const { status, body, headers } = await create(tenant)
  expect(status).toBe(201)
  expect(body).toEqual({
    key_id: expect.any(String),
    ...REQUEST,
    prefix: body.api_key.slice(0, 12),
    publishable: false,
    created_at: expect.any(String),
    expires_at: null,
    api_key: expect.stringMatching(/^skd_[A-Za-z0-9_-]{43}$/),
  })
  expect(headers.get('location')).toBe(`/api/tenant/api-keys/${body.key_id}`)
  const answer = await touch(platform, body.api_key)
  expect(answer.body.accepted).toBe(1)
  const stored = await platform.query('select from touchpoints where tenant_id = $1', [tenant.tenantId])
  expect(stored).toHaveLength(1)
})

test('201: a publishable key is recognised by its prefix, and may not do what other keys may', async () => {
  const { status, body } = await create(platform.tenant, { name: 'Shop front', scopes: ['events:collect'] })
  expect(status).toBe(201)
  expect(body).toMatchObject({ publishable: true, scopes: ['events:collect'] })
  expect(body.api_key).toMatch(/^skp_[A-Za-z0-9_-]{43}$/)
  expectProblem(await touch(platform, body.api_key), 'forbidden')
})

test('201: the key lies nowhere, its hash does, and the log has neither', async () => {
  const tenant = await platform.createTenant()
  const { status, body } = await create(tenant, { ...REQUEST, expires_at: '2099-01-01T00:00:00+01:00' })
  expect(status).toBe(201)
  expect(body.expires_at).toBe('2098-12-31T23:00:00.000Z')
  expect(await listTablesHolding(platform, body.api_key)).toEqual([])
  expect(await readAudit(platform, tenant)).toEqual([
    {
      action: 'api_key.created',
      actorKind: 'user',
      actorId: tenant.userId,
      targetKind: 'api_key',
      targetId: body.key_id,
      correlationId: expect.any(String),
      changes: [
        { pointer: '/prefix', before: null, after: JSON.stringify(body.prefix) },
        { pointer: '/scopes', before: null, after: '"events:write spend:write"' },
        { pointer: '/expires_at', before: null, after: '"2098-12-31T23:00:00.000Z"' },
        { pointer: '/replaces', before: null, after: null },
      ],
    },
  ])
})

test('201: two keys are two, whatever is alike', async () => {
  const [one, other] = await Promise.all([create(platform.tenant), create(platform.tenant)])
  expect([one.status, other.status]).toEqual([201, 201])
  expect(one.body.key_id).not.toBe(other.body.key_id)
  expect(one.body.api_key).not.toBe(other.body.api_key)
})

test('201: a key ends when it expires', async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const expiresAt = new Date(Date.now() + HOUR)
  const body = { ...REQUEST, expires_at: expiresAt.toISOString() }
  const { status, body: key } = await callAsAdmin(own, 'createApiKey', { body })
  expect(status).toBe(201)
  expect((await touch(own, key.api_key)).status).toBe(200)
  own.setNow(new Date(expiresAt.getTime() - 1))
  expect((await touch(own, key.api_key)).status).toBe(200)
  own.setNow(expiresAt)
  expectProblem(await touch(own, key.api_key), 'unauthorized')
})

test('201: in place of another key: both work, until the overlap ends', async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const call = (body: unknown) => callAsAdmin(own, 'createApiKey', { body })
  const { body: old } = await call(REQUEST)
  expect((await touch(own, old.api_key)).status).toBe(200)
  const now = new Date()
  own.setNow(now)
  const { status, body: key } = await call({
    ...REQUEST,
    replaces: { key_id: old.key_id.toUpperCase(), overlap_hours: 2 },
  })
  expect(status).toBe(201)
  for (const { api_key } of [old, key]) expect((await touch(own, api_key)).status).toBe(200)
  const { body: list } = await callAsAdmin(own, 'listApiKeys', {})
  const listed = list.items.find(({ key_id }: { key_id: string }) => key_id === old.key_id)
  expect(listed.expires_at).toBe(new Date(now.getTime() + 2 * HOUR).toISOString())

  own.setNow(new Date(now.getTime() + 2 * HOUR))
  // The feed tells this process of the other expiry within a second: until then it remembers the old one.
  const answer = await until(
    () => touch(own, old.api_key),
    ({ status }) => status === 401,
    1_000,
  )
  expectProblem(answer, 'unauthorized')
  expect((await touch(own, key.api_key)).status).toBe(200)
})

test('201: a replaced key never lives longer for it; without a word it has a day', async () => {
  const tenant = await platform.createTenant()
  const expiryOf = async (keyId: string) => {
    const [row] = await platform.query<{ at: Date | null }>('select expires_at as at from api_keys where key_id = $1', [
      keyId,
    ])
    return row?.at?.getTime() ?? null
  }
  const soon = new Date(Date.now() + HOUR)
  const { body: short } = await create(tenant, { ...REQUEST, expires_at: soon.toISOString() })
  const { status } = await create(tenant, { ...REQUEST, replaces: { key_id: short.key_id, overlap_hours: 48 } })
  expect(status).toBe(201)
  expect(await expiryOf(short.key_id)).toBe(soon.getTime())
  const { body: long } = await create(tenant)
  const { body: next } = await create(tenant, { ...REQUEST, replaces: { key_id: long.key_id } })
  expect(Math.abs(((await expiryOf(long.key_id)) ?? 0) - Date.now() - DAY)).toBeLessThan(60_000)
  expect(await expiryOf(next.key_id)).toBeNull()
  const actions = (await readAudit(platform, tenant)).map(({ action, targetId }) => [action, targetId])
  expect(actions).toContainEqual(['api_key.expiry_changed', long.key_id])
  expect(actions).not.toContainEqual(['api_key.expiry_changed', short.key_id])
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await create(platform.tenant, body), 'malformed_request')
})

test('401: no token; a key is none', async () => {
  const headers = { 'x-skeldir-tenant-key': platform.tenant.apiKey }
  expectProblem(await platform.call('createApiKey', { body: REQUEST, token: null, headers }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s, who makes no key', async (role) => {
  const tenant = await platform.createTenant()
  const answer = await platform.call('createApiKey', { tenant, body: REQUEST, token: tenant.tokens[role] })
  expectProblem(answer, 'forbidden')
  expect(await platform.query('select from api_keys where tenant_id = $1', [tenant.tenantId])).toHaveLength(1)
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await callAsAdmin(platform, 'createApiKey', { body: REQUEST, headers }), 'not_acceptable')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await create(platform.tenant, OVERSIZED), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify(REQUEST))
  expectProblem(await callAsAdmin(platform, 'createApiKey', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['no member', {}, ['/body/name', '/body/scopes']],
  ['no name', { ...REQUEST, name: '' }, ['/body/name']],
  ['an address as a name', { ...REQUEST, name: 'for mira@shop.example' }, ['/body/name']],
  ['no scope', { ...REQUEST, scopes: [] }, ['/body/scopes']],
  ['an unknown scope', { ...REQUEST, scopes: ['reports:read'] }, ['/body/scopes/0']],
  ['a scope twice', { ...REQUEST, scopes: ['events:write', 'events:write'] }, ['/body/scopes']],
  ['a publishable key that writes', { ...REQUEST, scopes: ['events:collect', 'events:write'] }, ['/body/scopes']],
  ['an expiry in the past', { ...REQUEST, expires_at: '2020-01-01T00:00:00Z' }, ['/body/expires_at']],
  ['no time', { ...REQUEST, expires_at: 'tomorrow' }, ['/body/expires_at']],
  ['a key of the own choice', { ...REQUEST, api_key: 'skd_mine' }, ['/body/api_key']],
  [
    'a long overlap',
    { ...REQUEST, replaces: { key_id: randomUUID(), overlap_hours: 721 } },
    ['/body/replaces/overlap_hours'],
  ],
  ['in place of nothing', { ...REQUEST, replaces: { key_id: randomUUID() } }, ['/body/replaces/key_id']],
])('422: %s', async (_, body, pointers) => {
  const answer = await create(platform.tenant, body)
  expectProblem(answer, 'validation_failed', pointers as string[])
})

test("422: in place of another tenant's key, of a revoked and of an expired one; nothing is made", async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  const { body: theirs } = await create(other)
  const { body: revoked } = await create(tenant)
  await callAsAdmin(platform, 'revokeApiKey', { tenant, params: { key_id: revoked.key_id } })
  const { body: expired } = await create(tenant)
  await platform.query(`update api_keys set expires_at = now() where key_id = $1`, [expired.key_id])
  const before = await platform.query('select from api_keys')
  for (const { key_id } of [theirs, revoked, expired]) {
    const answer = await create(tenant, { ...REQUEST, replaces: { key_id } })
    expectProblem(answer, 'validation_failed', ['/body/replaces/key_id'])
  }
  expect(await platform.query('select from api_keys')).toHaveLength(before.length)
})

test('429: a tenant whose quota is used up, which gets no key', async () => {
  const tenant = await platform.createTenant()
  await expectRateLimited(platform, 'createApiKey', { tenant, token: tenant.tokens.admin, body: REQUEST })
  expect(await platform.query('select from api_keys where tenant_id = $1', [tenant.tenantId])).toHaveLength(1)
})

const keyed = {
  makeBody: () => ({ ...REQUEST, name: randomUUID() }),
  prepare: ({ tokens }: TestTenant) => ({ token: tokens.admin }),
}
describeIdempotency(platform, 'createApiKey', {
  ...keyed,
  count: async () => (await platform.query(`select from api_keys where name <> 'test'`)).length,
})

test('409: a request with the same Idempotency-Key is at work', async () => {
  await expectInFlight(platform, 'createApiKey', keyed)
})

test('422: the Idempotency-Key came with another request before', async () => {
  await expectKeyReused(platform, 'createApiKey', keyed)
})

test('201: the stored answer shows the key again, and lies nowhere in clear', async () => {
  const tenant = await platform.createTenant()
  const options = { tenant, body: REQUEST, headers: { 'idempotency-key': randomUUID() } }
  const [first, again] = [
    await callAsAdmin(platform, 'createApiKey', options),
    await callAsAdmin(platform, 'createApiKey', options),
  ]
  expect(again.status).toBe(201)
  expect(again.body).toEqual(first.body)
  expect(await listTablesHolding(platform, first.body.api_key)).toEqual([])
})

test('503: the database is gone, and no key was made', async () => {
  const before = await platform.query('select from api_keys')
  const answer = await platform.withoutDatabase(() => create(platform.tenant))
  expectProblem(answer, 'service_unavailable')
  expect(await platform.query('select from api_keys')).toHaveLength(before.length)
})
