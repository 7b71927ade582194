import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, masked } from '../support/answer.ts'
import { ulid } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type Answer, type TestTenant, usePlatform } from '../support/platform.ts'
import { callAsAdmin, readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const revoke = (tenant: TestTenant, keyId: string) =>
  callAsAdmin(platform, 'revokeApiKey', { tenant, params: { key_id: keyId } })

async function givenKey(tenant: TestTenant): Promise<{ key_id: string; api_key: string }> {
  const body = { name: 'k', scopes: ['events:write'] }
  return (await callAsAdmin(platform, 'createApiKey', { tenant, body })).body
}

const touch = (apiKey: string): Promise<Answer> =>
  platform.call('ingestTouchpoints', {
    headers: { 'x-skeldir-tenant-key': apiKey },
    body: {
      touchpoints: [{ event_id: ulid(), visitor_id: ulid(), occurred_at: new Date().toISOString(), channel: 'email' }],
    },
  })

test('204: the key stops working here at once, however warm it was; others go on', async () => {
  const tenant = await platform.createTenant()
  const [key, other] = [await givenKey(tenant), await givenKey(tenant)]
  for (const { api_key } of [key, other]) expect((await touch(api_key)).status).toBe(200)
  const { status, text } = await revoke(tenant, key.key_id.toUpperCase())
  expect([status, text]).toEqual([204, ''])
  expectProblem(await touch(key.api_key), 'unauthorized')
  expect((await touch(other.api_key)).status).toBe(200)
})

test('204: it stays in the list, and the log says who did it', async () => {
  const tenant = await platform.createTenant()
  const key = await givenKey(tenant)
  expect((await revoke(tenant, key.key_id)).status).toBe(204)
  const { body } = await callAsAdmin(platform, 'listApiKeys', { tenant })
  const listed = body.items.find(({ key_id }: { key_id: string }) => key_id === key.key_id)
  expect(Math.abs(Date.parse(listed.revoked_at) - Date.now())).toBeLessThan(60_000)
  const log = await readAudit(platform, tenant)
  expect(log.at(-1)).toMatchObject({
    action: 'api_key.revoked',
    actorId: tenant.userId,
    targetKind: 'api_key',
    targetId: key.key_id,
    changes: [],
  })
})

test('401: no token', async () => {
  const params = { key_id: randomUUID() }
  expectProblem(await platform.call('revokeApiKey', { params, token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s; the key goes on', async (role) => {
  const { tenant } = platform
  const key = await givenKey(tenant)
  const params = { key_id: key.key_id }
  expectProblem(await platform.call('revokeApiKey', { params, token: tenant.tokens[role] }), 'forbidden')
  expect((await touch(key.api_key)).status).toBe(200)
})

test("404: no key, another tenant's, and one that was revoked before are all the same", async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  const [theirs, revoked] = [await givenKey(other), await givenKey(tenant)]
  expect((await revoke(tenant, revoked.key_id)).status).toBe(204)
  const answers = await Promise.all([randomUUID(), theirs.key_id, revoked.key_id].map((id) => revoke(tenant, id)))
  for (const answer of answers) expectProblem(answer, 'not_found')
  expect(new Set(answers.map(masked)).size).toBe(1)
  expect((await touch(theirs.api_key)).status).toBe(200)
})

test('404: of ten revocations at once, all but one', async () => {
  const tenant = await platform.createTenant()
  const { key_id } = await givenKey(tenant)
  const answers = await Promise.all(Array.from({ length: 10 }, () => revoke(tenant, key_id)))
  expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(9).fill(404)])
  const log = await readAudit(platform, tenant)
  expect(log.filter(({ action }) => action === 'api_key.revoked')).toHaveLength(1)
})

test('422: the key itself is not its id', async () => {
  expectProblem(await revoke(platform.tenant, platform.tenant.apiKey), 'validation_failed', ['/path/key_id'])
})

test('429: a tenant whose quota is used up; the key is not revoked', async () => {
  const tenant = await platform.createTenant()
  const { key_id } = await givenKey(tenant)
  const call = { tenant, token: tenant.tokens.admin, params: { key_id } }
  await expectRateLimited(platform, 'revokeApiKey', call)
  const rows = await platform.query('select revoked_at from api_keys where key_id = $1', [key_id])
  expect(rows).toEqual([{ revoked_at: null }])
})

test('503: the database is gone, and the key goes on', async () => {
  const { tenant } = platform
  const key = await givenKey(tenant)
  expectProblem(await platform.withoutDatabase(() => revoke(tenant, key.key_id)), 'service_unavailable')
  expect((await touch(key.api_key)).status).toBe(200)
})
