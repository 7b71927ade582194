import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { TenantContext } from '../../src/context.ts'
import { operatorIn } from '../../src/tenants/operator.ts'
import { applyRetentionOf, type RetentionLine, runRetention } from '../../src/tenants/retention/service.ts'
import { rotateTenantKey } from '../../src/tenants/rotate-keys.ts'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import { adminOf } from '../support/admin.ts'
import { givenFailedJob } from '../support/failed-jobs.ts'
import {
  DAY,
  deliverShopify,
  givenMember,
  givenSecret,
  givenTouches,
  shopifyOrder,
  type TestEndpoint,
  ulid,
} from '../support/given.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'
import { connectAs, tryIn } from '../support/rows.ts'
import { spawnSkeldir } from '../support/skeldir.ts'
import { callAsAdmin, readAudit } from '../support/tenants.ts'
import { countTies, givenBuyer, givenShopifyShop, readBooks } from '../support/traces.ts'
import { killHard, workerContext } from '../support/worker.ts'

const platform = usePlatform()
const admin = adminOf(platform, spawnSkeldir)

/** An operator's work at some other time. */
function inDays(tenant: TestTenant, days: number): TenantContext {
  return { ...operatorIn(platform.admin, tenant.tenantId), clock: () => new Date(Date.now() + days * DAY) }
}

const setRetention = ({ tenantId }: TestTenant, days: number) =>
  platform.query('update tenants set retention_days = $2 where tenant_id = $1', [tenantId, days])

/** Enters what was delivered, as the worker does. */
async function enterAll({ tenant }: TestEndpoint): Promise<void> {
  const ids = await platform.query<{ id: string }>('select event_id as id from webhook_events where tenant_id = $1', [
    tenant.tenantId,
  ])
  await normalizeEvents(
    workerContext(platform, tenant, onTestFinished),
    ids.map(({ id }) => id),
  )
}

const removedOf = (lines: readonly RetentionLine[]) =>
  Object.fromEntries(lines.map(({ item, removed }) => [item, removed]))

/** A tenant with a row of each kind. */
async function givenEverything(): Promise<TestEndpoint> {
  const endpoint = await givenShopifyShop(platform)
  const { tenant } = endpoint
  await setRetention(tenant, 60)
  await givenBuyer(platform, endpoint)
  await deliverShopify(platform, endpoint, '{"email":', { topic: 'orders/paid' })
  await deliverShopify(platform, endpoint, { id: 7, currency: 'USD', total_price: 'much' }, { topic: 'orders/paid' })
  await enterAll(endpoint)
  const order = { conversion_id: randomUUID(), kind: 'purchase', order_id: '77', occurred_at: new Date().toISOString() }
  const conversions = [{ ...order, total: { amount_minor: 100, currency: 'USD' }, visitor_id: ulid() }]
  const converted = await platform.call('ingestConversions', { tenant, body: { conversions } })
  expect(converted.body.accepted, converted.text).toBe(1)
  const headers = { 'idempotency-key': randomUUID() }
  const body = { name: 'kept', scopes: ['events:write'] }
  expect((await callAsAdmin(platform, 'createApiKey', { tenant, headers, body })).status).toBe(201)
  const { email, password, slug } = tenant
  expect((await platform.call('login', { token: null, body: { email, password, tenant: slug } })).status).toBe(200)
  const invited = { email: `${randomUUID()}@example.test`, role: 'viewer' }
  expect((await callAsAdmin(platform, 'inviteMember', { tenant, body: invited })).status).toBe(201)
  const report = { message: 'Script error.', occurred_at: new Date().toISOString() }
  expect((await platform.call('logError', { tenant, body: report })).status).toBe(200)
  await givenSecret(platform, endpoint, { notAfter: new Date(Date.now() + DAY) })
  return endpoint
}

describe('the retention of a tenant', () => {
  test('leaves what is young, counts it in a dry run, removes what is old, and then finds nothing more', async () => {
    const { tenant } = await givenEverything()
    const before = { ties: await countTies(platform, tenant), books: await readBooks(platform, tenant) }
    expect(before.ties.identities).toBeGreaterThan(1)
    const today = await applyRetentionOf(inDays(tenant, 0))
    expect(Object.values(removedOf(today)).every((removed) => removed === 0)).toBe(true)

    const dry = await applyRetentionOf(inDays(tenant, 61), { isDry: true })
    expect(await countTies(platform, tenant)).toEqual(before.ties)
    const done = await applyRetentionOf(inDays(tenant, 61))
    expect(removedOf(done)).toEqual(removedOf(dry))
    expect(removedOf(done)).toEqual({
      touchpoints: before.ties.touchpoints,
      order_facts: 2,
      conversions: 1,
      webhook_events: 1,
      dead_events: 1,
      dead_event_bodies: 1,
      idempotency_keys: 1,
      sessions: 1,
      member_invitations: 1,
      webhook_secrets: 1,
      data_requests: 0,
      browser_errors: 1,
      worker_failed_jobs: 0,
      worker_job_failures: 0,
      job_effects: 0,
      attribution_orders: 0,
      attribution_entry_credits: 0,
      attribution_touch_credits: 0,
      published_windows: 0,
      attribution_window_runs: 0,
    })
    for (const { lookedAt, removed, kept } of done) expect(removed + kept).toBe(lookedAt)
    expect(await countTies(platform, tenant)).toEqual({ touchpoints: 0, identities: 0, payloads: 0 })
    expect(await readBooks(platform, tenant)).toEqual(before.books)

    const runs = await platform.query(
      `select item, removed::integer as removed from retention_runs
       where tenant_id = $1 and finished_at is not null and removed > 0 order by item`,
      [tenant.tenantId],
    )
    const expected = Object.entries(removedOf(done)).filter(([, removed]) => removed > 0)
    expect(runs).toEqual(
      expected.map(([item, removed]) => ({ item, removed })).sort((a, b) => (a.item < b.item ? -1 : 1)),
    )
    const applied = (await readAudit(platform, tenant)).filter(({ action }) => action === 'retention.applied')
    expect(applied).toHaveLength(1)
    const again = await applyRetentionOf(inDays(tenant, 61))
    expect(Object.values(removedOf(again)).every((removed) => removed === 0)).toBe(true)
  })

  test('tells of each failed job that goes before somebody saw to it', async () => {
    const tenant = await platform.createTenant()
    await setRetention(tenant, 30)
    const unseen = [await givenFailedJob(platform, tenant), await givenFailedJob(platform, tenant)]
    await givenFailedJob(platform, tenant, { status: 'resolved' })
    await givenFailedJob(platform, tenant, { status: 'in_progress' })
    const lines = await applyRetentionOf(
      { ...inDays(tenant, 31), principal: { kind: 'worker', ...tenant } },
      { batchRows: 2 },
    )
    expect(removedOf(lines).worker_failed_jobs).toBe(3)
    const closed = (await readAudit(platform, tenant)).filter(({ action }) => action === 'failed_job.closed')
    expect(closed.map(({ targetId }) => targetId).toSorted()).toEqual(unseen.toSorted())
    expect(closed[0]).toMatchObject({
      actorKind: 'system',
      changes: [
        { pointer: '/status', before: '"pending"', after: '"abandoned"' },
        { pointer: '/task', before: null, after: '"attribution.run_recompute"' },
      ],
    })
  })

  test('goes on in batches where it was stopped, and never counts a row twice', async () => {
    const tenant = await platform.createTenant()
    await setRetention(tenant, 30)
    const touches = Array.from({ length: 25 }, () => ({ visitorId: ulid(), at: new Date(), channel: 'email' }))
    await givenTouches(platform, tenant, touches)
    let checks = 0
    const signal = {
      throwIfAborted() {
        checks += 1
        if (checks > 2) throw new Error('stopped')
      },
    } as AbortSignal
    await expect(applyRetentionOf(inDays(tenant, 31), { signal, batchRows: 10 })).rejects.toThrow('stopped')
    const counts = () =>
      platform.query(
        `select removed::integer as removed, finished_at is not null as finished from retention_runs
         where tenant_id = $1 and item = 'touchpoints' order by started_at`,
        [tenant.tenantId],
      )
    expect(await counts()).toEqual([{ removed: 20, finished: false }])
    await applyRetentionOf(inDays(tenant, 31), { batchRows: 10 })
    expect(await counts()).toEqual([
      { removed: 20, finished: false },
      { removed: 5, finished: true },
    ])
    expect(await countTies(platform, tenant)).toMatchObject({ touchpoints: 0 })
  })

  test('goes through the deliveries once, batch after batch, whether they name a visitor or not', async () => {
    const endpoint = await givenShopifyShop(platform)
    const { tenant } = endpoint
    await setRetention(tenant, 30)
    const at = new Date()
    for (let count = 0; count < 7; count += 1) {
      const named = count % 3 === 0 ? {} : { visitorId: ulid() }
      await deliverShopify(platform, endpoint, shopifyOrder({ total: '1.00', at, ...named }), { topic: 'orders/paid' })
    }
    // All at one time: only their ids tell where a batch ended.
    await platform.query('alter table webhook_events disable trigger append_only')
    await platform.query(`update webhook_events set received_at = '2026-01-01T00:00:00.123456Z' where tenant_id = $1`, [
      tenant.tenantId,
    ])
    await platform.query('alter table webhook_events enable trigger append_only')
    const lines = await applyRetentionOf(inDays(tenant, 31), { batchRows: 2 })
    expect(lines.find(({ item }) => item === 'webhook_events')).toMatchObject({ lookedAt: 7, removed: 4, kept: 3 })
    expect((await countTies(platform, tenant)).payloads).toBe(0)
  })

  test('of one kind of rows that fails is told, and holds up no other kind', async () => {
    const { tenant } = await givenEverything()
    await platform.query('revoke update (payload) on webhook_events from app_retention')
    onTestFinished(async () => void (await platform.query('grant update (payload) on webhook_events to app_retention')))
    await expect(applyRetentionOf(inDays(tenant, 61))).rejects.toThrow('the retention of webhook_events')
    const left = await platform.query<{ bodies: number; secrets: number }>(
      `select (select count(*)::int from dead_event_bodies where tenant_id = $1) as bodies,
              (select count(*)::int from webhook_secrets where tenant_id = $1 and not_after is not null) as secrets`,
      [tenant.tenantId],
    )
    expect(left).toEqual([{ bodies: 0, secrets: 0 }])
    expect(await countTies(platform, tenant)).toMatchObject({ touchpoints: 0, identities: 0, payloads: 1 })
  })

  test('of one that fails is told, and holds up no other', async () => {
    const [failing, fine] = [await platform.createTenant(), await platform.createTenant()]
    for (const tenant of [failing, fine]) {
      await setRetention(tenant, 30)
      await givenTouches(platform, tenant, [
        { visitorId: ulid(), at: new Date(Date.now() - 2 * DAY), channel: 'email' },
      ])
      await platform.query('update tenants set retention_days = 30 where tenant_id = $1', [tenant.tenantId])
    }
    await platform.query(
      `create function refuse_one() returns trigger language plpgsql as
       $$ begin if old.tenant_id = '${failing.tenantId}' then raise 'planted'; end if; return old; end $$`,
    )
    await platform.query('grant execute on function refuse_one() to app_retention')
    await platform.query(
      'create trigger refuse_one before delete on touchpoints for each row execute function refuse_one()',
    )
    const later = { ...platform.admin, clock: () => new Date(Date.now() + 31 * DAY) }
    const report = await runRetention(later, { tenantSlug: undefined, isDry: false })
    await platform.query('drop trigger refuse_one on touchpoints')
    expect(report.failed).toEqual([{ tenant: failing.slug, message: 'touchpoints: planted' }])
    expect(await countTies(platform, fine)).toMatchObject({ touchpoints: 0 })
    expect(await countTies(platform, failing)).toMatchObject({ touchpoints: 1 })
    expect(report.lines.filter(({ tenant }) => tenant === null).map(({ item }) => item)).toEqual([
      'login_attempts',
      'address_limits',
      'token_revocations',
    ])
  })

  test('runs by the clock of the workers, one job for each tenant', async () => {
    const tenant = await platform.createTenant()
    const worker = await platform.startWorker()
    // It would go on, and book in the middle of what other tests retain.
    onTestFinished(() => killHard(worker))
    // Whoever leads writes them, soon after the start.
    const scheduled = await until(
      () => platform.query("select name, cron from pgboss.schedule where key = 'tenants.start_retention'"),
      (rows) => rows.length > 0,
    )
    expect(scheduled).toEqual([{ name: 'maintenance', cron: '17 3 * * *' }])
    await platform.query(
      `insert into pgboss.job (name, data) values ('maintenance', '{"job":"tenants.start_retention"}')`,
    )
    const runs = await until(
      () =>
        platform.query<{ item: string }>(
          'select item from retention_runs where tenant_id = $1 and finished_at is not null',
          [tenant.tenantId],
        ),
      (rows) => rows.length >= 11,
    )
    expect(runs.map(({ item }) => item)).toContain('touchpoints')
  })
})

describe('what app_retention may do beyond its functions', () => {
  test('is less than it seems: an event loses what names the buyer and nothing else, and the books nothing', async () => {
    const { tenant } = await givenEverything()
    const retention = await connectAs(platform.database, 'app_retention', onTestFinished)
    const attempt = (statement: string) => tryIn(retention, tenant.tenantId, statement)
    const refused = { code: '42501' }
    expect(await attempt(`update webhook_events set payload = '{}'`)).toMatchObject(refused)
    expect(await attempt(`update webhook_events set topic = 'x'`)).toMatchObject(refused)
    expect(
      await attempt('update order_facts set identity = sha256(identity) where identity is not null'),
    ).toMatchObject(refused)
    expect(await attempt(`update dead_events set payload = '{}'`)).toMatchObject(refused)
    expect(await attempt('delete from order_facts')).toMatchObject(refused)
    expect(await attempt('delete from ledger_entries')).toMatchObject(refused)
    expect(await attempt('update ledger_entries set amount_minor = 1')).toMatchObject(refused)
    expect(await attempt('delete from audit_log')).toMatchObject(refused)
    expect(await attempt('update order_facts set identity = null where identity is not null')).toMatchObject({
      rowCount: 2,
    })
    expect(await tryIn(retention, null, 'delete from touchpoints')).toMatchObject({ rowCount: 0 })
  })

  test('nobody else may', async () => {
    const { tenant } = await givenEverything()
    for (const role of ['app_user', 'app_worker', 'app_ingest', 'app_rw'] as const) {
      const other = await connectAs(platform.database, role, onTestFinished)
      for (const statement of [
        'delete from touchpoints',
        'update order_facts set identity = null',
        `select internal.erase_orders('${tenant.tenantId}', '{}', '{}', '{}', 'a.b', 'tenant', 'x', false)`,
        `select internal.offboard_tenant('${tenant.tenantId}')`,
      ])
        expect(await tryIn(other, tenant.tenantId, statement), `${role}: ${statement}`).toMatchObject({ code: '42501' })
    }
  })
})

describe('offboarding', () => {
  test('wants the slug twice', async () => {
    const { slug } = await platform.createTenant()
    const refused = await admin.refusal('offboard-tenant', '--tenant', slug, '--confirm', `${slug}x`)
    expect(refused).toMatchObject({ status: 1, sentence: expect.stringContaining('must repeat the slug') })
    expect((await admin.refusal('offboard-tenant', '--tenant', slug)).status).toBe(2)
  })

  test('destroys the keys, lets nobody in, keeps the books, and can be repeated', async () => {
    const endpoint = await givenEverything()
    const { tenant } = endpoint
    const elsewhere = await platform.createTenant()
    const both = await givenMember(platform, { tenant, email: `${randomUUID()}@example.test` })
    await givenMember(platform, { tenant: elsewhere, email: both.email })
    const books = await readBooks(platform, tenant)
    const told = await admin.json('offboard-tenant', '--tenant', tenant.slug, '--confirm', tenant.slug)
    expect(told).toMatchObject({ tenant_id: tenant.tenantId, tenant_keys: 1, webhook_secrets: 2, accounts: 1 })

    const left = await platform.query<Record<string, number>>(
      `select (select count(*)::int from tenant_keys where tenant_id = $1) as keys,
              (select count(*)::int from webhook_secrets where tenant_id = $1) as secrets,
              (select count(*)::int from dead_event_bodies where tenant_id = $1) as bodies,
              (select count(*)::int from idempotency_keys where tenant_id = $1) as answers,
              (select count(*)::int from memberships where tenant_id = $1) as members,
              (select count(*)::int from member_invitations where tenant_id = $1) as invitations`,
      [tenant.tenantId],
    )
    expect(left).toEqual([{ keys: 0, secrets: 0, bodies: 0, answers: 0, members: 0, invitations: 0 }])
    expect(await countTies(platform, tenant)).toEqual({ touchpoints: 0, identities: 0, payloads: 0 })
    expect(await readBooks(platform, tenant)).toEqual(books)
    const people = await platform.query('select user_id from users where user_id = any ($1)', [
      [tenant.userId, both.userId],
    ])
    expect(people).toEqual([{ user_id: both.userId }])

    await until(
      () => deliverShopify(platform, endpoint, { id: 8 }, { topic: 'orders/paid' }),
      ({ status }) => status === 401,
    )
    await until(
      () => platform.call('ingestTouchpoints', { tenant, body: { touchpoints: [] } }),
      ({ status }) => status === 401,
    )
    const { email, password } = tenant
    expect((await platform.call('login', { token: null, body: { email, password } })).status).toBe(401)
    await until(
      () => platform.call('getTenant', { tenant, token: tenant.tokens.manager }),
      ({ status }) => status === 401,
    )
    expect((await readAudit(platform, tenant)).at(-2)?.action).toBe('tenant.offboarded')

    const again = await admin.json('offboard-tenant', '--tenant', tenant.slug, '--confirm', tenant.slug)
    expect(again).toEqual({ tenant_id: tenant.tenantId })
    await expect(givenMember(platform, { tenant, email: `${randomUUID()}@example.test` })).rejects.toThrow(
      'it takes no new memberships',
    )
    await expect(rotateTenantKey(platform.admin, tenant.slug)).rejects.toThrow('it takes no new tenant_keys')
  })
})

test('run-retention prints a table of what it did, or would do', async () => {
  const tenant = await platform.createTenant()
  const { stdout, status } = await admin.run('run-retention', '--tenant', tenant.slug, '--dry-run')
  expect(status).toBe(0)
  expect(stdout.split('\n')[0]).toMatch(/^tenant +table +looked_at +does +rows +kept +why$/)
  expect(stdout).toMatch(new RegExp(`${tenant.slug} +touchpoints +0 +removed +0 +0 +younger than the retention`))
  const runs = await platform.query('select 1 from retention_runs where tenant_id = $1', [tenant.tenantId])
  expect(runs).toEqual([])
})
