import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { AppContext, TenantContext } from '../../src/context.ts'
import { connect } from '../../src/db/connect.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { closeServer, createServer } from '../../src/http/bind.ts'
import { authenticators, createLimits, handlers } from '../../src/main/app.ts'
import { deriveKeyRing } from '../../src/secrets/keyring.ts'
import { createIdempotencyStore, pruneExpiredAnswers } from '../../src/tenants/idempotency/service.ts'
import { expectProblem } from '../support/answer.ts'
import { daysAgo, givenMember, toDay } from '../support/given.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { listTablesHolding } from '../support/stored.ts'

const platform = usePlatform()

const body = () => ({ vendor: 'stripe', name: `Endpoint ${randomUUID()}`, secret: `whsec_${randomUUID()}` })

function create(tenant: TestTenant, key: string, of: object, headers: Record<string, string> = {}) {
  return platform.call('createWebhookEndpoint', { tenant, body: of, headers: { 'idempotency-key': key, ...headers } })
}

const countEndpoints = async (tenant: TestTenant) =>
  (await platform.query('select from webhook_endpoints where tenant_id = $1', [tenant.tenantId])).length

/** Another process: its own pools, its own memory, the same database. */
async function startOther(change: Partial<AppContext> = {}): Promise<string> {
  const open = (role: 'app_user' | 'app_ingest') => {
    const url = platform.config.databaseUrls[role]
    const db = connect({ url, applicationName: 'test other', log: platform.ctx.log, max: 4 })
    onTestFinished(db.close)
    return db
  }
  const main = open('app_user')
  const ctx = { ...platform.ctx, db: { main, ingest: open('app_ingest'), probe: main }, ...change }
  const server = createServer(ctx, { handlers, authenticators, limits: createLimits() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => closeServer(server, 0))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function createAt(url: string, tenant: TestTenant, key: string, of: object) {
  const reply = await fetch(`${url}/api/webhook-endpoints`, {
    method: 'POST',
    body: JSON.stringify(of),
    headers: {
      authorization: `Bearer ${tenant.tokens.manager}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
  })
  return { status: reply.status, headers: reply.headers, text: await reply.text() }
}

test('an answer is given again by another process', async () => {
  const [tenant, key, request, other] = [await platform.createTenant(), randomUUID(), body(), await startOther()]
  const first = await create(tenant, key, request)
  const again = await createAt(other, tenant, key, request)
  expect([again.status, again.text]).toEqual([first.status, first.text])
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(await countEndpoints(tenant)).toBe(1)
})

test('an answer is given again after the master key was rotated', async () => {
  const keys = deriveKeyRing([randomBytes(32), ...platform.config.masterKeys])
  const [tenant, key, request, other] = [
    await platform.createTenant(),
    randomUUID(),
    body(),
    await startOther({ keys }),
  ]
  const first = await create(tenant, key, request)
  // Access tokens too are signed by the old key.
  const again = await createAt(other, tenant, key, request)
  expect([again.status, again.text]).toEqual([first.status, first.text])
  const changed = await createAt(other, tenant, key, { ...request, name: 'another' })
  expect(changed.status).toBe(422)
  expect(await countEndpoints(tenant)).toBe(1)
})

test('after a rotation too, a request that died is taken over by the same one only', async () => {
  const tenant = await platform.createTenant()
  const key = randomUUID()
  const [old, next] = [hashOf('old'), hashOf('next')]
  const claimBy = (...requestHashes: [Buffer, ...Buffer[]]) =>
    codeOf(store.claim(tenant.ctx, { operationId: 'createWebhookEndpoint', key, requestHashes }))
  expect(await claimBy(old)).toBe('done')
  await runOut(tenant)
  expect(await claimBy(next)).toBe('idempotency_key_reused')
  expect(await claimBy(next, old)).toBe('done')
  await runOut(tenant)
  // From now on it is known by the new key.
  expect(await claimBy(old)).toBe('idempotency_key_reused')
  expect(await claimBy(next)).toBe('done')
})

test('what is kept of a request cannot be guessed at: the same one is another in another tenant', async () => {
  const [tenants, key, request] = [[await platform.createTenant(), await platform.createTenant()], randomUUID(), body()]
  for (const tenant of tenants) await create(tenant, key, request)
  const hashes = await Promise.all(
    tenants.map(({ tenantId }) =>
      platform.query('select request_hash from idempotency_keys where tenant_id = $1', [tenantId]),
    ),
  )
  expect(hashes[0]).not.toEqual(hashes[1])
})

test('twenty calls at once to two processes make one thing', async () => {
  const [tenant, key, request, other] = [await platform.createTenant(), randomUUID(), body(), await startOther()]
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0 ? createAt(other, tenant, key, request) : createAt(platform.url, tenant, key, request),
    ),
  )
  expect(await countEndpoints(tenant)).toBe(1)
  const made = new Set(answers.filter(({ status }) => status === 201).map(({ text }) => text))
  expect(made.size).toBe(1)
  for (const { status, headers } of answers) {
    expect([201, 409]).toContain(status)
    if (status === 409) expect(headers.get('retry-after')).toBe('1')
  }
})

test('a media type in capitals makes no other request, one more space does', async () => {
  const [tenant, key, request] = [await platform.createTenant(), randomUUID(), body()]
  const first = await create(tenant, key, request)
  const again = await create(tenant, key, request, { 'content-type': 'APPLICATION/JSON; charset=UTF-8' })
  expect(again.text).toBe(first.text)
  const spaced = await create(tenant, key, { ...request, name: `${request.name} ` })
  expectProblem(spaced, 'idempotency_key_reused')
  expect(await countEndpoints(tenant)).toBe(1)
})

test('another person, and another operation, may use the same key', async () => {
  const [tenant, key, request] = [await platform.createTenant(), randomUUID(), body()]
  const first = await create(tenant, key, request)
  const colleague = await givenMember(platform, { tenant, email: `${randomUUID()}@example.test`, role: 'manager' })
  const login = await platform.call('login', {
    tenant,
    body: { email: colleague.email, password: colleague.password, tenant: tenant.slug },
  })
  const token = login.body.access_token
  const second = await platform.call('createWebhookEndpoint', {
    tenant,
    token,
    body: request,
    headers: { 'idempotency-key': key },
  })
  expect(second.status).toBe(201)
  expect(second.text).not.toBe(first.text)
  const day = toDay(daysAgo(1))
  const recompute = await platform.call('requestRecompute', {
    tenant,
    body: { start_date: day, end_date: day },
    headers: { 'idempotency-key': key },
  })
  expect(recompute.status).toBe(202)
})

test('what breaks the contract claims no key', async () => {
  const [tenant, key, request] = [await platform.createTenant(), randomUUID(), body()]
  for (const broken of ['{', JSON.stringify({ ...request, name: '' })]) {
    const { status } = await platform.call('createWebhookEndpoint', {
      tenant,
      body: broken,
      headers: { 'idempotency-key': key },
    })
    expect([400, 422]).toContain(status)
  }
  expect((await create(tenant, key, request)).status).toBe(201)
})

test.each([
  ['empty', ''],
  ['too long', 'k'.repeat(256)],
  ['with a space', 'a b'],
  ['given twice', 'one, two'],
])('a key that is %s is 422', async (_, key) => {
  const tenant = await platform.createTenant()
  const answer = await create(tenant, key, body())
  expectProblem(answer, 'validation_failed', ['/header/idempotency-key'])
  expect(await countEndpoints(tenant)).toBe(0)
})

test('neither key nor answer lies anywhere in clear', async () => {
  const [tenant, key, request] = [await platform.createTenant(), `key-${randomUUID()}`, body()]
  const { body: made } = await create(tenant, key, request)
  expect(await listTablesHolding(platform, key)).toEqual([])
  expect(await listTablesHolding(platform, request.secret)).toEqual([])
  expect(await listTablesHolding(platform, made.endpoint_key)).toEqual(['public.webhook_endpoints'])
})

test('a stored answer does not open at another place', async () => {
  const tenant = await platform.createTenant()
  const [one, two, request] = [randomUUID(), randomUUID(), body()]
  await create(tenant, one, request)
  await create(tenant, two, request)
  await platform.query(
    `update idempotency_keys as a set sealed = b.sealed from idempotency_keys as b
     where a.tenant_id = $1 and b.tenant_id = a.tenant_id and a.key_hash <> b.key_hash`,
    [tenant.tenantId],
  )
  for (const key of [one, two]) {
    const reply = await createAt(platform.url, tenant, key, request)
    expect(reply.status).toBe(500)
  }
})

test('a day later the key is free', async () => {
  const [tenant, key, request] = [await platform.createTenant(), randomUUID(), body()]
  const first = await create(tenant, key, request)
  const [row] = await platform.query<{ hours: number }>(
    `select round(extract(epoch from expires_at - now()) / 3600)::integer as hours
     from idempotency_keys where tenant_id = $1`,
    [tenant.tenantId],
  )
  expect(row?.hours).toBe(24)
  await expire(tenant)
  const second = await create(tenant, key, { ...request, name: 'another' })
  expect(second.status).toBe(201)
  expect(second.text).not.toBe(first.text)
})

async function expire(tenant: TestTenant): Promise<void> {
  await platform.query(`update idempotency_keys set expires_at = now() - interval '1 second' where tenant_id = $1`, [
    tenant.tenantId,
  ])
}

const countKeys = async (tenant: TestTenant) =>
  (await platform.query('select from idempotency_keys where tenant_id = $1', [tenant.tenantId])).length

test('expired answers go with the next key of their tenant, or with a worker', async () => {
  const [busy, quiet] = [await platform.createTenant(), await platform.createTenant()]
  for (const tenant of [busy, quiet]) {
    for (let i = 0; i < 3; i++) await create(tenant, randomUUID(), body())
    await expire(tenant)
  }
  await create(busy, randomUUID(), body())
  expect([await countKeys(busy), await countKeys(quiet)]).toEqual([1, 3])
  const main = connect({ url: platform.config.databaseUrls.app_worker, applicationName: 'test', log: platform.ctx.log })
  onTestFinished(main.close)
  const worker: TenantContext = {
    ...quiet.ctx,
    db: { ...quiet.ctx.db, main },
    principal: { kind: 'worker', tenantId: quiet.tenantId },
  }
  expect(await pruneExpiredAnswers(worker)).toBe(3)
  expect([await countKeys(busy), await countKeys(quiet)]).toEqual([1, 0])
  expect(await pruneExpiredAnswers(worker)).toBe(0)
})

/** A claim as the server makes one, of a process that then dies or takes too long. */
const store = createIdempotencyStore<{ status: number }>()
const hashOf = (text: string) => createHash('sha256').update(text).digest()
const asked = (key: string, of = 'a') => ({
  operationId: 'createWebhookEndpoint',
  key,
  requestHashes: [hashOf(of)] as const,
})

async function claim(ctx: TenantContext, key: string) {
  const found = await store.claim(ctx, asked(key))
  if (!('claim' in found)) throw new Error('there is an answer already')
  return found.claim
}

async function runOut(tenant: TestTenant): Promise<void> {
  await platform.query(`update idempotency_keys set claimed_until = now() where tenant_id = $1`, [tenant.tenantId])
}

/** An effect of the request, in its transaction. */
function write(ctx: TenantContext, claimed: { beforeCommit: NonNullable<TenantContext['beforeCommit']> }) {
  return inTenant(ctx.db.main, { ...ctx, beforeCommit: claimed.beforeCommit }, (tx) =>
    tx
      .insertInto('webhook_endpoints')
      .values({
        tenant_id: ctx.tenantId,
        vendor: 'stripe',
        name: 'written',
        mode: 'live',
        endpoint_key: randomBytes(32).toString('base64url'),
      })
      .execute(),
  )
}

const codeOf = (work: Promise<unknown>) => work.then(() => 'done').catch(({ code }) => code)

test('a process that died without an effect blocks its key for a minute; another request never takes it', async () => {
  const tenant = await platform.createTenant()
  const key = randomUUID()
  await claim(tenant.ctx, key)
  const [row] = await platform.query<{ seconds: number }>(
    `select round(extract(epoch from claimed_until - now()))::integer as seconds
     from idempotency_keys where tenant_id = $1`,
    [tenant.tenantId],
  )
  expect(row?.seconds).toBeGreaterThan(50)
  expect(row?.seconds).toBeLessThanOrEqual(60)
  expect(await codeOf(claim(tenant.ctx, key))).toBe('idempotency_in_flight')
  await runOut(tenant)
  expect(await codeOf(store.claim(tenant.ctx, asked(key, 'b')))).toBe('idempotency_key_reused')
  const second = await claim(tenant.ctx, key)
  await second.settle({ status: 201 })
  expect(await store.claim(tenant.ctx, asked(key))).toEqual({ answer: { status: 201 } })
})

test('a process that was too slow cannot commit once another has its key', async () => {
  const tenant = await platform.createTenant()
  const key = randomUUID()
  const slow = await claim(tenant.ctx, key)
  await runOut(tenant)
  const quick = await claim(tenant.ctx, key)
  await write(tenant.ctx, quick)
  expect(await codeOf(write(tenant.ctx, slow))).toBe('idempotency_in_flight')
  expect(await countEndpoints(tenant)).toBe(1)
  await quick.settle({ status: 201 })
  await slow.settle({ status: 500 })
  expect(await store.claim(tenant.ctx, asked(key))).toEqual({ answer: { status: 201 } })
})

test('a process that was too slow, with nobody in its place, is not taken over after its effect', async () => {
  const tenant = await platform.createTenant()
  const key = randomUUID()
  const slow = await claim(tenant.ctx, key)
  await runOut(tenant)
  await write(tenant.ctx, slow)
  expect(await codeOf(claim(tenant.ctx, key))).toBe('conflict')
  await slow.settle({ status: 201 })
  expect(await store.claim(tenant.ctx, asked(key))).toEqual({ answer: { status: 201 } })
})

test('a process that died after its effect is not carried out again, and says so', async () => {
  const tenant = await platform.createTenant()
  const key = randomUUID()
  const died = await claim(tenant.ctx, key)
  await write(tenant.ctx, died)
  expect(await codeOf(claim(tenant.ctx, key))).toBe('idempotency_in_flight')
  await runOut(tenant)
  expect(await codeOf(claim(tenant.ctx, key))).toBe('conflict')
  // Nor does a failure after the effect give the key back.
  await died.settle(null)
  expect(await codeOf(claim(tenant.ctx, key))).toBe('conflict')
})

test('reading is no effect, nor is what was rolled back; a failure then gives the key back', async () => {
  const tenant = await platform.createTenant()
  const key = randomUUID()
  const first = await claim(tenant.ctx, key)
  const scope = { ...tenant.ctx, beforeCommit: first.beforeCommit }
  await inTenant(scope.db.main, scope, (tx) => tx.selectFrom('tenants').select('slug').execute())
  await expect(
    inTenant(scope.db.main, scope, async (tx) => {
      await tx.deleteFrom('tenant_allowed_origins').execute()
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  await first.settle(null)
  expect(await codeOf(claim(tenant.ctx, key))).toBe('done')
})

test('what app_ingest writes is an effect too', async () => {
  const tenant = await platform.createTenant()
  const key = randomUUID()
  const first = await claim(tenant.ctx, key)
  const scope = { ...tenant.ctx, beforeCommit: first.beforeCommit }
  await inTenant(scope.db.ingest, scope, (tx) =>
    tx
      .insertInto('audit_log')
      .values({ tenant_id: tenant.tenantId, actor_kind: 'system', action: 'test.done', correlation_id: randomUUID() })
      .execute(),
  )
  await runOut(tenant)
  expect(await codeOf(claim(tenant.ctx, key))).toBe('conflict')
})

test('without the database nothing is claimed and nothing made', async () => {
  const [tenant, key, request] = [await platform.createTenant(), randomUUID(), body()]
  const gone = await platform.withoutDatabase(() => create(tenant, key, request))
  expectProblem(gone, 'service_unavailable')
  expect((await create(tenant, key, request)).status).toBe(201)
  expect(await countEndpoints(tenant)).toBe(1)
})
