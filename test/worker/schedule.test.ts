import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { RequestContext } from '../../src/context.ts'
import { requestSilenceWatch } from '../../src/webhooks/poll/alarm.ts'
import { requestPolls } from '../../src/webhooks/poll/service.ts'
import { requestScans, scanTenant } from '../../src/webhooks/privacy/scan.ts'
import { givenEndpoint } from '../support/given.ts'
import { startPlatform, type TestPlatform, until } from '../support/platform.ts'
import { givenPolledShop } from '../support/polled-shop.ts'
import { workerContext } from '../support/worker.ts'

const signal = new AbortController().signal

/** Of no tenant, as the clock has it. */
function clockContext(platform: TestPlatform): RequestContext {
  const { tenantId: _, principal: __, ...ctx } = workerContext(platform, platform.tenant, onTestFinished)
  return { ...ctx, correlationId: randomUUID() }
}

const jobsOf = (platform: TestPlatform, job: string) =>
  platform.query<{ tenant: string; delay: number }>(
    `select data ->> 'tenantId' as tenant, round(extract(epoch from start_after - created_on))::integer as delay
     from pgboss.job where name = 'poll' and data ->> 'job' = $1 order by created_on, tenant`,
    [job],
  )

test('a poll is asked for of whoever has a live endpoint with a credential, and of nobody twice at a time', async () => {
  const platform = await startPlatform(onTestFinished)
  const polled = await Promise.all(
    (['stripe', 'shopify', 'paypal'] as const).map((vendor) => givenPolledShop(platform, vendor, onTestFinished)),
  )
  const [deleted, inTest] = [
    await givenPolledShop(platform, 'stripe', onTestFinished),
    await givenPolledShop(platform, 'stripe', onTestFinished),
  ]
  await platform.query('update webhook_endpoints set deleted_at = now() where endpoint_id = $1', [
    deleted.endpoint.endpointId,
  ])
  await platform.query(`update webhook_endpoints set mode = 'test' where endpoint_id = $1`, [
    inTest.endpoint.endpointId,
  ])
  await givenEndpoint(platform, 'stripe')

  const ctx = clockContext(platform)
  await requestPolls(ctx, signal)
  const first = await jobsOf(platform, 'webhooks.poll_endpoints')
  expect(first.map(({ tenant }) => tenant).toSorted()).toEqual(
    polled.map(({ ctx: { tenantId } }) => tenantId).toSorted(),
  )
  for (const { delay } of first) expect(delay).toBeLessThan(540)
  expect(new Set(first.map(({ delay }) => delay)).size).toBeGreaterThan(1)

  await platform.query(`update pgboss.job set state = 'active' where name = 'poll' and data ->> 'tenantId' = $1`, [
    first[0]?.tenant,
  ])
  await requestPolls(ctx, signal)
  expect(await jobsOf(platform, 'webhooks.poll_endpoints')).toHaveLength(3)
  await platform.query(`update pgboss.job set state = 'completed' where name = 'poll' and data ->> 'tenantId' = $1`, [
    first[0]?.tenant,
  ])
  await requestPolls(ctx, signal)
  const again = await jobsOf(platform, 'webhooks.poll_endpoints')
  expect(again).toHaveLength(4)
  expect(again.filter(({ tenant }) => tenant === first[0]?.tenant).map(({ delay }) => delay)).toEqual([
    first[0]?.delay,
    first[0]?.delay,
  ])
})

test('a look for silence is asked for where the last delivery is six hours old', async () => {
  const platform = await startPlatform(onTestFinished)
  const [quiet, busy, unused] = [
    await givenEndpoint(platform, 'stripe'),
    await givenEndpoint(platform, 'stripe'),
    await givenEndpoint(platform, 'stripe'),
  ]
  for (const [{ endpointId }, hours] of [
    [quiet, 7],
    [busy, 5],
  ] as const)
    await platform.query(
      'update webhook_endpoints set last_delivery_at = now() - make_interval(hours => $2) where endpoint_id = $1',
      [endpointId, hours],
    )
  expect(unused.endpointId).not.toBe(quiet.endpointId)
  await requestSilenceWatch(clockContext(platform), signal)
  expect((await jobsOf(platform, 'webhooks.watch_endpoints')).map(({ tenant }) => tenant)).toEqual([
    quiet.tenant.tenantId,
  ])
})

test('the clock of the workers asks for both, and they are done', { timeout: 30_000 }, async () => {
  const platform = await startPlatform(onTestFinished)
  const { endpoint } = await givenPolledShop(platform, 'shopify', onTestFinished)
  await platform.query(`update webhook_endpoints set last_delivery_at = now() - interval '7 hours'`)
  await platform.startWorker()
  const scheduled = await until(
    () =>
      platform.query<{ key: string; cron: string }>(
        "select key, cron from pgboss.schedule where key in ('webhooks.start_polls', 'webhooks.start_silence_watch') order by key",
      ),
    (rows) => rows.length === 2,
  )
  expect(scheduled).toEqual([
    { key: 'webhooks.start_polls', cron: '*/10 * * * *' },
    { key: 'webhooks.start_silence_watch', cron: '7-59/15 * * * *' },
  ])
  for (const { key } of scheduled)
    await platform.query(
      `insert into pgboss.job (name, data) values ('maintenance', jsonb_build_object('job', $1::text))`,
      [key],
    )
  const done = (state: string, job: string) =>
    platform.query(
      `select from pgboss.job where name = 'poll' and state = $1::pgboss.job_state and data ->> 'job' = $2 and data ->> 'tenantId' = $3`,
      [state, job, endpoint.tenant.tenantId],
    )
  await until(
    () => done('completed', 'webhooks.watch_endpoints'),
    (rows) => rows.length > 0,
    15_000,
  )
  await until(
    () => done('created', 'webhooks.poll_endpoints'),
    (rows) => rows.length > 0,
    15_000,
  )
  // Its time has come. The shop is not on this machine: what a poll cannot reach is told, and is no failure of the job.
  await platform.query(`update poll_credentials set sealed = overlay(sealed placing '\\x0000' from 40)`)
  await platform.query(`update pgboss.job set start_after = now() where name = 'poll' and state = 'created'`)
  await until(
    () => done('completed', 'webhooks.poll_endpoints'),
    (rows) => rows.length > 0,
    15_000,
  )
})

test('the scan asks for a look at every tenant; what it finds is told by table and count, and in no other words', async () => {
  const platform = await startPlatform(onTestFinished)
  const [endpoint, clean] = [await givenEndpoint(platform, 'stripe'), await givenEndpoint(platform, 'stripe')]
  const { tenantId } = endpoint.tenant
  await platform.query('alter table dead_events disable trigger no_personal_data')
  await platform.query(
    `insert into dead_events (tenant_id, vendor, endpoint_id, class, code, detail, body_sha256, payload, correlation_id)
     select $1, 'stripe', $2, 'schema', 'planted', 'planted', sha256(n::text::bytea), '{"to":"somebody@example.com"}', gen_random_uuid()
     from generate_series(1, 2) as n`,
    [tenantId, endpoint.endpointId],
  )
  await platform.query('alter table dead_events enable trigger no_personal_data')
  await requestScans(clockContext(platform), signal)
  const asked = await platform.query<{ tenant: string }>(
    `select data ->> 'tenantId' as tenant from pgboss.job where data ->> 'job' = 'webhooks.scan_stored_data'`,
  )
  const tenants = await platform.query<{ tenant: string }>('select tenant_id as tenant from tenants')
  expect(asked.map(({ tenant }) => tenant).toSorted()).toEqual(tenants.map(({ tenant }) => tenant).toSorted())

  for (const { tenant } of [endpoint, clean]) await scanTenant(workerContext(platform, tenant, onTestFinished), signal)
  const told = await platform.query<{ tenant: string; table: string; changes: object }>(
    `select tenant_id as tenant, target_id as table, changes from audit_log where action = 'privacy.stored_data_found'`,
  )
  expect(told).toEqual([
    {
      tenant: tenantId,
      table: 'dead_events',
      changes: [
        { pointer: '/rows', before: null, after: '2' },
        { pointer: '/hits', before: null, after: '2' },
      ],
    },
  ])
})

test('a scan that is told to stop does', async () => {
  const platform = await startPlatform(onTestFinished)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  await expect(scanTenant(ctx, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
})
