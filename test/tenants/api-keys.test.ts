import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { RequestContext } from '../../src/context.ts'
import { connect } from '../../src/db/connect.ts'
import { createAuthentication } from '../../src/main/context.ts'
import { authenticateKey } from '../../src/tenants/api-keys/authenticate.ts'
import { createKeyUses } from '../../src/tenants/api-keys/last-used.ts'
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
