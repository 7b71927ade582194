import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { MINUTE, ulid } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { startPlatform, type TestTenant, usePlatform } from '../support/platform.ts'
import { callAsAdmin } from '../support/tenants.ts'

const platform = usePlatform()

const create = (tenant: TestTenant, name: string) =>
  callAsAdmin(platform, 'createApiKey', { tenant, body: { name, scopes: ['events:collect'] } })
const namesOf = (body: { items: { name: string }[] }) => body.items.map(({ name }) => name)

test('200: the newest first, without the keys themselves', async () => {
  const tenant = await platform.createTenant()
  const { body: key } = await create(tenant, 'Shop front')
  const { status, body, text } = await callAsAdmin(platform, 'listApiKeys', { tenant })
  expect(status).toBe(200)
  expect(body).toEqual({
    items: [
      {
        key_id: key.key_id,
        name: 'Shop front',
        prefix: key.prefix,
        publishable: true,
        scopes: ['events:collect'],
        created_at: key.created_at,
        expires_at: null,
        last_used_at: null,
        revoked_at: null,
      },
      expect.objectContaining({ name: 'test', prefix: tenant.apiKey.slice(0, 12), publishable: false }),
    ],
    next_cursor: null,
  })
  expect(text).not.toContain(key.api_key)
  expect(text).not.toContain(tenant.apiKey)
})

test('200: page by page, each one once, those of the same microsecond too', async () => {
  const tenant = await platform.createTenant()
  for (const name of ['a', 'b', 'c', 'd', 'e']) await create(tenant, name)
  await platform.query(
    `update api_keys set created_at = '2026-11-01T00:00:00.123456Z' where tenant_id = $1 and name in ('b', 'c', 'd')`,
    [tenant.tenantId],
  )
  const seen: string[] = []
  let query: Record<string, string> = { limit: '2' }
  for (;;) {
    const { body, status } = await callAsAdmin(platform, 'listApiKeys', { tenant, query })
    expect(status).toBe(200)
    seen.push(...namesOf(body))
    if (body.next_cursor === null) break
    query = { limit: '2', cursor: body.next_cursor }
    // What comes meanwhile is newer and does not move the rest.
    await create(tenant, 'newer')
  }
  expect(seen.slice(0, 3)).toEqual(['e', 'a', 'test'])
  expect(seen.slice(3).sort()).toEqual(['b', 'c', 'd'])
})

test('200: none of another tenant', async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  await create(other, 'theirs')
  const { status, body } = await callAsAdmin(platform, 'listApiKeys', { tenant })
  expect(status).toBe(200)
  expect(namesOf(body)).toEqual(['test'])
})

test('200: when a key was last used, to the minute and some seconds late', async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const read = async () => (await callAsAdmin(own, 'listApiKeys')).body.items[0]
  expect((await read()).last_used_at).toBeNull()
  const touchpoints = [
    { event_id: ulid(), visitor_id: ulid(), occurred_at: new Date().toISOString(), channel: 'email' },
  ]
  const { status } = await own.call('ingestTouchpoints', { body: { touchpoints } })
  expect(status).toBe(200)
  await (own.ctx.keyUses as unknown as { flush(): Promise<void> }).flush()
  const usedAt = Date.parse((await read()).last_used_at)
  expect(usedAt % MINUTE).toBe(0)
  expect(Math.abs(usedAt - Date.now())).toBeLessThan(2 * MINUTE)
})

test('401: no token', async () => {
  expectProblem(await platform.call('listApiKeys', { token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s', async (role) => {
  expectProblem(await platform.call('listApiKeys', { token: platform.tenant.tokens[role] }), 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await callAsAdmin(platform, 'listApiKeys', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test.each([
  ['no items', { limit: '0' }, ['/query/limit']],
  ['too many', { limit: '101' }, ['/query/limit']],
  ['no number', { limit: 'ten' }, ['/query/limit']],
  ['no cursor of ours', { cursor: 'eyJhIjoiMjAyNiJ9' }, ['/query/cursor']],
  ['an unknown parameter', { revoked: 'true' }, ['/query/revoked']],
])('422: %s', async (_, query, pointers) => {
  const answer = await callAsAdmin(platform, 'listApiKeys', { query: query as Record<string, string> })
  expectProblem(answer, 'validation_failed', pointers)
})

test('429: a tenant whose quota is used up', async () => {
  const tenant = await platform.createTenant()
  await expectRateLimited(platform, 'listApiKeys', { tenant, token: tenant.tokens.admin })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => callAsAdmin(platform, 'listApiKeys'))
  expectProblem(answer, 'service_unavailable')
})
