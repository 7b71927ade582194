import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { inTenant } from '../../src/db/tenant.ts'
import { recordAudit } from '../../src/tenants/audit.ts'
import { expectProblem } from '../support/answer.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { callAsAdmin, givenPerson } from '../support/tenants.ts'

const platform = usePlatform()

interface Entry {
  action: string
  occurred_at: string
  entry_id: string
}
const actionsOf = (body: { items: Entry[] }) => body.items.map(({ action }) => action)
const read = (tenant: TestTenant, query: Record<string, string> = {}) =>
  callAsAdmin(platform, 'getAuditLog', { tenant, query })

/** Several acts of one transaction. */
async function givenActs(tenant: TestTenant, count: number): Promise<void> {
  await inTenant(platform.ctx.db.main, tenant.ctx, async (tx) => {
    for (let version = 1; version <= count; version += 1) {
      const subject = `tenant:${tenant.tenantId}` as const
      await recordAudit(tx, { actor: tenant.ctx.principal, action: 'settings.updated', subject, details: { version } })
    }
  })
}

test('200: who did what to what and when, the newest first; operators at the command line too', async () => {
  const tenant = await platform.createTenant()
  const email = `${randomUUID()}@example.test`
  const id = randomUUID()
  const { body: invited } = await callAsAdmin(platform, 'inviteMember', {
    tenant,
    body: { email, role: 'viewer' },
    headers: { 'x-correlation-id': id },
  })
  const { status, body, text } = await read(tenant)
  expect(status).toBe(200)
  expect(actionsOf(body)).toEqual(['member.invited', 'api_key.created', 'member.added', 'tenant.created'])
  expect(body.items[0]).toEqual({
    entry_id: expect.any(String),
    occurred_at: expect.any(String),
    action: 'member.invited',
    actor: { kind: 'user', id: tenant.userId },
    target: { kind: 'user', id: invited.user_id },
    correlation_id: id,
    changes: [
      { pointer: '/role', before: null, after: '"viewer"' },
      { pointer: '/invite_expires_at', before: null, after: expect.any(String) },
    ],
  })
  expect(body.items[3]).toMatchObject({
    actor: { kind: 'operator', id: null },
    target: { kind: 'tenant', id: tenant.tenantId },
  })
  expect(body.next_cursor).toBeNull()
  expect(text).not.toContain('@')
})

test('200: page by page, each entry once and in order, those of one transaction too', async () => {
  const tenant = await platform.createTenant()
  await givenActs(tenant, 7)
  const seen: Entry[] = []
  let query: Record<string, string> = { limit: '3' }
  for (;;) {
    const { body, status } = await read(tenant, query)
    expect(status).toBe(200)
    seen.push(...body.items)
    if (body.next_cursor === null) break
    query = { limit: '3', cursor: body.next_cursor }
    // What happens meanwhile is newer and does not move the rest.
    await givenActs(tenant, 1)
  }
  expect(new Set(seen.map(({ entry_id }) => entry_id)).size).toBe(10)
  expect(seen.map(({ action }) => action)).toEqual([
    ...Array(7).fill('settings.updated'),
    'api_key.created',
    'member.added',
    'tenant.created',
  ])
  const versions = seen
    .slice(0, 7)
    .map((entry) => (entry as Entry & { changes: { after: string }[] }).changes[0]?.after)
  expect(versions).toEqual(['7', '6', '5', '4', '3', '2', '1'])
})

test('200: only one action, one actor, one span; all of them together', async () => {
  const tenant = await platform.createTenant()
  const admin = await givenPerson(platform, tenant, 'admin')
  await givenActs(tenant, 1)
  const body = { name: 'k', scopes: ['events:write'] }
  await platform.call('createApiKey', { tenant, body, token: admin.token })
  const entries: Entry[] = (await read(tenant)).body.items
  const newest = entries[0]?.occurred_at as string
  const cases: [Record<string, string>, string[]][] = [
    [{ action: 'api_key.created' }, ['api_key.created', 'api_key.created']],
    [{ actor_id: admin.userId.toUpperCase() }, ['api_key.created']],
    [{ actor_id: randomUUID() }, []],
    [{ action: 'no.such_thing' }, []],
    [{ since: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z' }, []],
    [{ since: '2099-01-01T00:00:00Z' }, []],
    [{ action: 'api_key.created', actor_id: admin.userId, until: '2099-01-01T00:00:00Z' }, ['api_key.created']],
  ]
  for (const [query, expected] of cases) {
    const answer = await read(tenant, query)
    expect(answer.status).toBe(200)
    expect(actionsOf(answer.body), JSON.stringify(query)).toEqual(expected)
  }
  const later = new Date(Date.parse(newest) + 1).toISOString()
  expect(actionsOf((await read(tenant, { since: newest, until: later })).body)).toContain('api_key.created')
  const before: Entry[] = (await read(tenant, { until: newest })).body.items
  expect(before.map(({ entry_id }) => entry_id)).toEqual(entries.slice(1).map(({ entry_id }) => entry_id))
  expect((await read(tenant, { since: later })).body.items).toEqual([])
})

test('200: nothing of another tenant', async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  await givenActs(other, 3)
  const { status, body } = await read(tenant)
  expect(status).toBe(200)
  expect(actionsOf(body)).not.toContain('settings.updated')
  expect(JSON.stringify(body)).not.toContain(other.tenantId)
})

test('200: nothing that a key, a job or a vendor did is anybody else’s act', async () => {
  const tenant = await platform.createTenant()
  const keyId = randomUUID()
  await inTenant(platform.ctx.db.main, tenant.ctx, async (tx) => {
    const { tenantId } = tenant
    const subject = null
    await recordAudit(tx, { actor: { kind: 'worker', tenantId }, action: 'session.revoked', subject })
    await recordAudit(tx, { actor: { kind: 'key', tenantId, keyId, scopes: [] }, action: 'session.revoked', subject })
  })
  const { status, body } = await read(tenant, { action: 'session.revoked' })
  expect(status).toBe(200)
  expect(body.items.map(({ actor, target }: { actor: object; target: null }) => [actor, target])).toEqual([
    [{ kind: 'key', id: keyId }, null],
    [{ kind: 'system', id: null }, null],
  ])
})

test('401: no token', async () => {
  expectProblem(await platform.call('getAuditLog', { token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s', async (role) => {
  expectProblem(await platform.call('getAuditLog', { token: platform.tenant.tokens[role] }), 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await callAsAdmin(platform, 'getAuditLog', { headers }), 'not_acceptable')
})

test.each([
  ['no items', { limit: '0' }, ['/query/limit']],
  ['no action', { action: 'Settings' }, ['/query/action']],
  ['no id', { actor_id: 'mira' }, ['/query/actor_id']],
  ['no time', { since: 'yesterday' }, ['/query/since']],
  ['a span without length', { since: '2026-11-01T00:00:00Z', until: '2026-11-01T00:00:00Z' }, ['/query/until']],
  [
    'a span that ends before it begins',
    { since: '2026-11-02T00:00:00Z', until: '2026-11-01T00:00:00Z' },
    ['/query/until'],
  ],
  ['no cursor of ours', { cursor: 'eyJhIjoiMjAyNiJ9' }, ['/query/cursor']],
  ['an unknown parameter', { target: 'x' }, ['/query/target']],
])('422: %s', async (_, query, pointers) => {
  const answer = await read(platform.tenant, query as Record<string, string>)
  expectProblem(answer, 'validation_failed', pointers)
})

test('422: a cursor with other filters, of another tenant, or changed by a bit', async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  const filtered = { limit: '1', since: '2020-01-01T00:00:00Z' }
  const { body } = await read(tenant, filtered)
  const cursor = body.next_cursor as string
  expect((await read(tenant, { ...filtered, limit: '50', cursor })).status).toBe(200)
  const bent = `${cursor.slice(0, -2)}${cursor.at(-2) === 'A' ? 'B' : 'A'}${cursor.at(-1)}`
  const attempts: [TestTenant, Record<string, string>][] = [
    [tenant, { cursor }],
    [tenant, { ...filtered, since: '2020-01-02T00:00:00Z', cursor }],
    [tenant, { ...filtered, action: 'member.added', cursor }],
    [other, { ...filtered, cursor }],
    [tenant, { ...filtered, cursor: bent }],
  ]
  for (const [who, query] of attempts) expectProblem(await read(who, query), 'validation_failed', ['/query/cursor'])
})

test('429: a tenant whose quota is used up', async () => {
  const tenant = await platform.createTenant()
  await expectRateLimited(platform, 'getAuditLog', { tenant, token: tenant.tokens.admin })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => read(platform.tenant))
  expectProblem(answer, 'service_unavailable')
})
