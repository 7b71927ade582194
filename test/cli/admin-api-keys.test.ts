import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { adminOf } from '../support/admin.ts'
import { expectProblem } from '../support/answer.ts'
import { HOUR, ulid } from '../support/given.ts'
import { type Answer, until, usePlatform } from '../support/platform.ts'
import { spawnSkeldir } from '../support/skeldir.ts'
import { listTablesHolding } from '../support/stored.ts'
import { callAsAdmin } from '../support/tenants.ts'

const platform = usePlatform()
const admin = adminOf(platform)
/** In a process of its own: what it changes must come through to this one. */
const operator = adminOf(platform, spawnSkeldir)

const touch = (apiKey: string): Promise<Answer> =>
  platform.call('ingestTouchpoints', {
    headers: { 'x-skeldir-tenant-key': apiKey },
    body: {
      touchpoints: [{ event_id: ulid(), visitor_id: ulid(), occurred_at: new Date().toISOString(), channel: 'email' }],
    },
  })

test('create-api-key prints a key once; revoke-api-key ends it on a running process within a second', async () => {
  const { slug } = await platform.createTenant()
  const key = await operator.json(
    'create-api-key',
    '--tenant',
    slug,
    '--name',
    'Shop',
    '--scope',
    'events:write',
    '--scope',
    'spend:write',
  )
  expect(key).toEqual({ key_id: expect.any(String), api_key: expect.stringMatching(/^skd_/) })
  expect(await listTablesHolding(platform, key.api_key)).toEqual([])
  expect((await touch(key.api_key)).status).toBe(200)
  const revoke = ['revoke-api-key', '--tenant', slug, '--key-id', key.key_id]
  expect(await operator.json(...revoke)).toEqual({ key_id: key.key_id, revoked: true })
  const refused = await until(
    () => touch(key.api_key),
    ({ status }) => status === 401,
    1_000,
  )
  expectProblem(refused, 'unauthorized')
  expect(await operator.refusal(...revoke)).toEqual({
    status: 1,
    sentence: 'skeldir: The tenant has no key with this id that could be revoked.',
  })
})

test('list-api-keys prints all of them, what they are and whether they work, and none of them itself', async () => {
  const { slug, apiKey } = await platform.createTenant()
  const expiresAt = new Date(Date.now() + HOUR).toISOString()
  const front = await admin.json(
    'create-api-key',
    '--tenant',
    slug,
    '--name',
    'Shop front',
    '--scope',
    'events:collect',
    '--expires-at',
    expiresAt,
  )
  const { items } = await admin.json('list-api-keys', '--tenant', slug)
  expect(items).toEqual([
    {
      key_id: front.key_id,
      prefix: front.api_key.slice(0, 12),
      state: 'works',
      scopes: ['events:collect'],
      publishable: true,
      created_at: expect.any(String),
      expires_at: expiresAt,
      last_used_at: null,
      revoked_at: null,
      name: 'Shop front',
    },
    expect.objectContaining({ name: 'test', publishable: false }),
  ])
  await admin.json('revoke-api-key', '--tenant', slug, '--key-id', front.key_id)
  const { stdout } = await admin.run('list-api-keys', '--tenant', slug)
  expect(stdout).toMatch(/^key_id +prefix +state +scopes +last_used_at +expires_at +name$/m)
  expect(stdout).toMatch(new RegExp(`^${front.key_id} .* revoked +events:collect .* Shop front$`, 'm'))
  expect(stdout).not.toContain(front.api_key)
  expect(stdout).not.toContain(apiKey)
})

test('--replaces lets the old key go on until the overlap ends', async () => {
  const { slug } = await platform.createTenant()
  const create = (...options: string[]) =>
    admin.json('create-api-key', '--tenant', slug, '--name', 'k', '--scope', 'events:write', ...options)
  const old = await create()
  await create('--replaces', old.key_id, '--overlap-hours', '2')
  const { items } = await admin.json('list-api-keys', '--tenant', slug)
  const { expires_at } = items.find(({ key_id }: { key_id: string }) => key_id === old.key_id)
  expect(Math.abs(Date.parse(expires_at) - Date.now() - 2 * HOUR)).toBeLessThan(60_000)
  expect((await touch(old.api_key)).status).toBe(200)
})

test.each([
  [
    ['--scope', 'events:collect', '--scope', 'events:write'],
    1,
    'scopes: A key with events:collect has no other scope.',
  ],
  [['--scope', 'reports:read'], 1, 'a key needs scopes out of: events:write, spend:write, events:collect'],
  [[], 1, 'a key needs scopes out of'],
  [['--scope', 'events:write', '--expires-at', 'tomorrow'], 2, '--expires-at is a time'],
  [['--scope', 'events:write', '--expires-at', '2020-01-01T00:00:00Z'], 1, 'expires_at: The key would have expired'],
  [['--scope', 'events:write', '--replaces', 'old'], 2, '--replaces is an id'],
  [['--scope', 'events:write', '--replaces', randomUUID()], 1, 'no key with this id that works'],
  [['--scope', 'events:write', '--replaces', randomUUID(), '--overlap-hours', '9999'], 2, '--overlap-hours is a whole'],
  [['--scope', 'events:write', '--role', 'admin'], 2, 'takes no --role'],
])('create-api-key %j is refused in a sentence, and makes none', async (options, status, sentence) => {
  const { slug, tenantId } = await platform.createTenant()
  const told = await admin.refusal('create-api-key', '--tenant', slug, '--name', 'k', ...options)
  expect(told).toEqual({ status, sentence: expect.stringContaining(sentence) })
  expect(await platform.query('select from api_keys where tenant_id = $1', [tenantId])).toHaveLength(1)
})

test('list-tenants prints all of them, by slug', async () => {
  const tenants = [await platform.createTenant({ currency: 'EUR' }), await platform.createTenant()]
  const { items } = await admin.json('list-tenants')
  const slugs = items.map(({ slug }: { slug: string }) => slug)
  expect(slugs).toEqual([...slugs].sort())
  for (const { slug, tenantId } of tenants)
    expect(items).toContainEqual(expect.objectContaining({ slug, tenant_id: tenantId, name: 'Test shop' }))
  const { stdout } = await admin.run('list-tenants')
  expect(stdout).toMatch(new RegExp(`^${tenants[0]?.slug} +${tenants[0]?.tenantId} +EUR +UTC +Test shop$`, 'm'))
})

test('audit-log prints who did what, the newest first, operators as such; filtered and bounded', async () => {
  const tenant = await platform.createTenant()
  const body = { name: 'k', scopes: ['events:write'] }
  const { body: key } = await callAsAdmin(platform, 'createApiKey', { tenant, body })
  await admin.json('revoke-api-key', '--tenant', tenant.slug, '--key-id', key.key_id)
  await admin.json('set-allowed-origins', '--tenant', tenant.slug, 'https://a.example')
  const read = async (...options: string[]) =>
    (await admin.json('audit-log', '--tenant', tenant.slug, ...options)).items as Record<string, unknown>[]
  const all = await read()
  expect(all.map(({ action, actor }) => [action, actor])).toEqual([
    ['settings.updated', 'operator'],
    ['api_key.revoked', 'operator'],
    ['api_key.created', `user:${tenant.userId}`],
    ['api_key.created', 'operator'],
    ['member.added', 'operator'],
    ['tenant.created', 'operator'],
  ])
  expect(all[0]).toMatchObject({
    target: `tenant:${tenant.tenantId}`,
    changes: [
      { pointer: '/version', before: '1', after: '2' },
      { pointer: '/settings/allowed_origins', before: '[]', after: '["https://a.example"]' },
    ],
  })
  expect(await read('--limit', '2')).toEqual(all.slice(0, 2))
  expect(await read('--actor', tenant.userId)).toEqual(all.slice(2, 3))
  expect(await read('--action', 'member.added')).toEqual(all.slice(4, 5))
  expect(await read('--since', '2099-01-01T00:00:00Z')).toEqual([])
  const { stdout } = await admin.run('audit-log', '--tenant', tenant.slug, '--limit', '1')
  expect(stdout).toMatch(/^occurred_at +action +actor +target\n\S+ +settings\.updated +operator +tenant:\S+\n$/)
})

test('origins that an operator sets are a change of the settings: an older tag does not hold', async () => {
  const tenant = await platform.createTenant()
  const tag = (await callAsAdmin(platform, 'getTenant', { tenant })).headers.get('etag') as string
  await admin.json('set-allowed-origins', '--tenant', tenant.slug, 'https://a.example')
  const call = { tenant, body: { lookback_days: 9 }, headers: { 'if-match': tag } }
  expectProblem(await callAsAdmin(platform, 'updateTenantSettings', call), 'precondition_failed')
  await admin.json('set-allowed-origins', '--tenant', tenant.slug, 'https://a.example')
  expect((await callAsAdmin(platform, 'getTenant', { tenant })).body.version).toBe(2)
})
