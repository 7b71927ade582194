import { randomBytes, randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KeyLookUps, RequestContext } from '../../src/context.ts'
import { connect } from '../../src/db/connect.ts'
import { createAuthentication } from '../../src/main/context.ts'
import { authenticateKey } from '../../src/tenants/api-keys/authenticate.ts'
import { createKeyUses } from '../../src/tenants/api-keys/last-used.ts'
import { createKeyLookUps } from '../../src/tenants/api-keys/unknown-keys.ts'
import { givenApiKey, HOUR, MINUTE } from '../support/given.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'
import { callAsAdmin } from '../support/tenants.ts'

const platform = usePlatform()
const log = pino({ level: 'silent' })

/** Another process of the API: its own pool, its own memory, its own feed. `statements` are those of its pool. */
function startProcess({ clock = () => new Date() }: { clock?: () => Date } = {}) {
  const { config } = platform
  const main = connect({ url: config.databaseUrls.app_user, applicationName: 'test other', log, max: 2 })
  const { start, stop, ...authentication } = createAuthentication(config, { name: 'other', lookup: main.lookup, log })
  onTestFinished(async () => {
    await stop()
    await main.close()
  })
  let statements = 0
  main.pool.on('acquire', () => {
    statements += 1
  })
  start()
  const ctx: RequestContext = {
    ...platform.ctx,
    ...authentication,
    clock,
    db: { ...platform.ctx.db, main },
    correlationId: randomUUID(),
    clientAddress: null,
  }
  return { ctx, countStatements: () => statements }
}

async function givenKey(tenant: TestTenant): Promise<{ key_id: string; api_key: string }> {
  const body = { name: 'k', scopes: ['events:write'] }
  return (await callAsAdmin(platform, 'createApiKey', { tenant, body })).body
}

test('a key is looked up once, and a request costs no statement after that', async () => {
  const { ctx, countStatements } = startProcess()
  const key = platform.tenant.apiKey
  const first = await authenticateKey(ctx, key)
  expect(first).toEqual({
    kind: 'key',
    tenantId: platform.tenant.tenantId,
    keyId: expect.any(String),
    scopes: ['events:write'],
  })
  const before = countStatements()
  for (let request = 0; request < 200; request += 1) expect(await authenticateKey(ctx, key)).toEqual(first)
  expect(countStatements()).toBe(before)
})

test('a key that is revoked is refused by every other process within a second, however warm', async () => {
  const tenant = await platform.createTenant()
  const { key_id, api_key } = await givenKey(tenant)
  const processes = [startProcess(), startProcess(), startProcess()]
  for (const { ctx } of processes) expect(await authenticateKey(ctx, api_key)).toMatchObject({ keyId: key_id })
  await callAsAdmin(platform, 'revokeApiKey', { tenant, params: { key_id } })
  const revokedAt = performance.now()
  await Promise.all(
    processes.map(({ ctx }) =>
      until(
        () => authenticateKey(ctx, api_key),
        (principal) => principal === null,
        1_000,
      ),
    ),
  )
  expect(performance.now() - revokedAt).toBeLessThan(1_000)
})

test('another expiry is known to every process within a second', async () => {
  const tenant = await platform.createTenant()
  const { key_id, api_key } = await givenKey(tenant)
  let now = new Date()
  const { ctx } = startProcess({ clock: () => now })
  expect(await authenticateKey(ctx, api_key)).not.toBeNull()
  const body = { name: 'next', scopes: ['events:write'], replaces: { key_id, overlap_hours: 1 } }
  expect((await callAsAdmin(platform, 'createApiKey', { tenant, body })).status).toBe(201)
  expect(await authenticateKey(ctx, api_key)).not.toBeNull()
  now = new Date(Date.now() + HOUR + MINUTE)
  await until(
    () => authenticateKey(ctx, api_key),
    (principal) => principal === null,
    1_000,
  )
})

test.each([
  undefined,
  '',
  'skd_',
  `skd_${'a'.repeat(43)}`,
  `skx_${'a'.repeat(43)}`,
  `skd_${'a'.repeat(44)}`,
  `skd_${"'; drop table api_keys; --".padEnd(43, 'a')}`,
])('%j is nobody', async (key) => {
  expect(await authenticateKey(startProcess().ctx, key)).toBeNull()
})

test('a key whose prefix was exchanged, or whose last character was, is nobody', async () => {
  const { ctx } = startProcess()
  const key = platform.tenant.apiKey
  expect(await authenticateKey(ctx, `skp${key.slice(3)}`)).toBeNull()
  expect(await authenticateKey(ctx, `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`)).toBeNull()
})

const inventKey = () => `skd_${randomBytes(32).toString('base64url')}`
const tryKey = (ctx: RequestContext, key: string) =>
  authenticateKey(ctx, key).then(
    (principal) => (principal === null ? 'nobody' : 'known'),
    ({ code, headers }) => `${code} ${headers['Retry-After']}`,
  )

describe('whoever invents keys has to wait, and costs nothing meanwhile', () => {
  const [address, elsewhere] = ['203.0.113.9', '203.0.113.10']

  test('after 120 within a minute, whether they come one by one or at once', async () => {
    for (const isAtOnce of [false, true]) {
      const { ctx, countStatements } = startProcess()
      const from = { ...ctx, clientAddress: address }
      await tryKey({ ...ctx, clientAddress: elsewhere }, inventKey())
      const before = countStatements()
      const outcomes = []
      if (isAtOnce) outcomes.push(...(await Promise.all(Array.from({ length: 400 }, () => tryKey(from, inventKey())))))
      else for (let i = 0; i < 400; i++) outcomes.push(await tryKey(from, inventKey()))
      const missed = outcomes.filter((outcome) => outcome === 'nobody').length
      // On a slow machine some of the allowance comes back meanwhile.
      expect(missed).toBeGreaterThanOrEqual(120)
      expect(missed).toBeLessThan(200)
      expect(countStatements() - before).toBe(missed)
      expect(new Set(outcomes)).toEqual(new Set(['nobody', 'rate_limited 1']))
    }
  })

  test('a key that was seen before passes, and so does any from another address', async () => {
    const { ctx } = startProcess()
    const from = { ...ctx, clientAddress: address }
    expect(await tryKey(from, platform.tenant.apiKey)).toBe('known')
    while ((await tryKey(from, inventKey())) === 'nobody');
    expect(await tryKey(from, platform.tenant.apiKey)).toBe('known')
    const next = await givenApiKey(platform, platform.tenant, {})
    expect(await tryKey(from, next)).toMatch(/^rate_limited /)
    expect(await tryKey({ ...ctx, clientAddress: elsewhere }, inventKey())).toBe('nobody')
    expect(await tryKey({ ...ctx, clientAddress: elsewhere }, next)).toBe('known')
    expect(await tryKey(from, next)).toBe('known')
  })

  test('a revoked key counts like an invented one', async () => {
    const tenant = await platform.createTenant()
    const { key_id, api_key } = await givenKey(tenant)
    await callAsAdmin(platform, 'revokeApiKey', { tenant, params: { key_id } })
    const { ctx } = startProcess()
    const outcomes = await Promise.all(Array.from({ length: 300 }, () => tryKey(ctx, api_key)))
    expect(outcomes).toContain('rate_limited 1')
  })

  test('keys that exist count for nothing, however many come at once', async () => {
    const tenant = await platform.createTenant()
    const keys = Array.from({ length: 300 }, inventKey)
    await platform.query(
      `insert into api_keys (tenant_id, name, prefix, secret_hash, scopes)
       select $1, 'one of many', left(key, 12), sha256(convert_to(key, 'UTF8')), array['events:write']
       from unnest($2::text[]) as key`,
      [tenant.tenantId, keys],
    )
    const { ctx, countStatements } = startProcess()
    const from = { ...ctx, clientAddress: address }
    expect(new Set(await Promise.all(keys.map((key) => tryKey(from, key))))).toEqual(new Set(['known']))
    const before = countStatements()
    expect(await tryKey(from, inventKey())).toBe('nobody')
    expect(countStatements() - before).toBe(1)
  })

  test('a key that comes often at once is looked up by a few', async () => {
    const { ctx, countStatements } = startProcess()
    const from = { ...ctx, clientAddress: address }
    const outcomes = await Promise.all(Array.from({ length: 300 }, () => tryKey(from, platform.tenant.apiKey)))
    expect(new Set(outcomes)).toEqual(new Set(['known']))
    // The feed of revocations is read with them.
    expect(countStatements()).toBeLessThan(20)
  })

  test('without the database nothing is counted', async () => {
    const { ctx } = startProcess()
    const lookUps = createKeyLookUps()
    for (let i = 0; i < 200; i++) {
      await expect(lookUps.run('a', () => Promise.reject(new Error('gone')))).rejects.toThrow('gone')
    }
    expect(await tryKey({ ...ctx, keyLookUps: lookUps }, inventKey())).toBe('nobody')
  })
})

describe('the allowance', () => {
  const miss = (lookUps: KeyLookUps, network = 'a') =>
    lookUps
      .run(network, async () => undefined)
      .then(
        () => 0,
        ({ headers }) => Number(headers['Retry-After']),
      )

  test('comes back by one each half second, up to 120', async () => {
    let now = 5_000
    const lookUps = createKeyLookUps(() => now)
    for (let i = 0; i < 120; i++) expect(await miss(lookUps)).toBe(0)
    expect(await miss(lookUps)).toBe(1)
    now += 499
    expect(await miss(lookUps)).toBe(1)
    now += 1
    expect(await miss(lookUps)).toBe(0)
    expect(await miss(lookUps)).toBe(1)
    now += 3_600_000
    for (let i = 0; i < 120; i++) expect(await miss(lookUps)).toBe(0)
    expect(await miss(lookUps)).toBe(1)
  })

  test('is kept for ten thousand networks, those heard of last', async () => {
    const lookUps = createKeyLookUps(() => 0)
    for (let i = 0; i < 120; i++) await miss(lookUps)
    for (let i = 1; i < 10_000; i++) await miss(lookUps, `n${i}`)
    expect(await miss(lookUps)).toBe(1)
    for (let i = 1; i <= 10_000; i++) await miss(lookUps, `m${i}`)
    expect(await miss(lookUps)).toBe(0)
  })
})

test('nothing is accepted while it cannot be known what is revoked', async () => {
  const { ctx } = startProcess()
  const key = await givenApiKey(platform, platform.tenant, {})
  expect(await authenticateKey(ctx, key)).not.toBeNull()
  await platform.withoutDatabase(async () => {
    // What was read a moment ago is good for a second.
    const refused = await until(
      () => authenticateKey(ctx, key).catch((error: { code?: string }) => error.code),
      (code) => typeof code === 'string',
      5_000,
    )
    expect(refused).toBe('service_unavailable')
  })
})

interface Use {
  keyId: string
  at: Date | null
}
const readUses = (tenant: TestTenant) =>
  platform.query<Use>('select key_id as "keyId", last_used_at as at from api_keys where tenant_id = $1', [
    tenant.tenantId,
  ])

test('when keys were used is written in one statement for all of them, to the minute, and never moves back', async () => {
  const tenants = [await platform.createTenant(), await platform.createTenant()]
  const keys = await Promise.all(
    tenants.flatMap((tenant) => [1, 2].map(async () => ({ tenant, keyId: (await givenKey(tenant)).key_id }))),
  )
  const { ctx, countStatements } = startProcess()
  const uses = createKeyUses({ lookup: ctx.db.main.lookup, log })
  const at = new Date('2026-11-20T09:11:58.123Z')
  for (const { tenant, keyId } of keys) {
    for (let request = 0; request < 50; request += 1) uses.note(tenant.tenantId, keyId, at)
  }
  const before = countStatements()
  await uses.flush()
  await uses.flush()
  expect(countStatements() - before).toBe(1)
  const minute = new Date('2026-11-20T09:11:00Z')
  const written = async () =>
    (await Promise.all(tenants.map(readUses))).flat().filter(({ keyId }) => keys.some((key) => key.keyId === keyId))
  expect((await written()).map((use) => use.at)).toEqual(Array(4).fill(minute))

  for (const { tenant, keyId } of keys) uses.note(tenant.tenantId, keyId, new Date('2026-11-20T09:10:00Z'))
  await uses.flush()
  expect((await written()).map((use) => use.at)).toEqual(Array(4).fill(minute))
})

test("a note about another tenant's key changes nothing there", async () => {
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  const { key_id } = await givenKey(other)
  const uses = createKeyUses({ lookup: platform.ctx.db.main.lookup, log })
  uses.note(one.tenantId, key_id, new Date())
  await uses.flush()
  expect((await readUses(other)).map(({ at }) => at)).toEqual([null, null])
  const rows = await platform.ctx.db.main.pool.query("select current_setting('app.current_tenant_id', true) as tenant")
  expect(rows.rows[0]?.tenant ?? '').toBe('')
})

test('what cannot be written is written later, and stop writes what is left', async () => {
  const tenant = await platform.createTenant()
  const { key_id } = await givenKey(tenant)
  const uses = createKeyUses({ lookup: platform.ctx.db.main.lookup, log })
  uses.start()
  uses.note(tenant.tenantId, key_id, new Date('2026-11-20T09:11:58Z'))
  await platform.withoutDatabase(() => uses.flush())
  const lastUse = async () => (await readUses(tenant)).find(({ keyId }) => keyId === key_id)?.at ?? null
  expect(await lastUse()).toBeNull()
  await uses.stop()
  expect(await lastUse()).toEqual(new Date('2026-11-20T09:11:00Z'))
})
