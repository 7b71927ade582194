import { expect, onTestFinished, test } from 'vitest'
import { startPlatform, type TestPlatform, until } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'

/** What counts the workers waits for as long as this is held, and nothing else does. */
async function holdCounts({ database }: TestPlatform): Promise<() => Promise<unknown>> {
  const admin = await connectAs(database, 'admin', onTestFinished)
  await admin.query('begin')
  await admin.query('lock table worker_heartbeats in access exclusive mode')
  return () => admin.query('rollback')
}

const isWaitedFor = (platform: TestPlatform) =>
  until(
    () => platform.query<{ waits: boolean }>(`select exists (select from pg_locks where not granted) as waits`),
    ([seen]) => seen?.waits === true,
  )

async function statusOfQueue(platform: TestPlatform): Promise<string> {
  const { body } = await platform.call('getHealthStatus')
  return body.components.find(({ name }: { name: string }) => name === 'queue').status
}

test('a count that takes long is no fault: the last one stands, and nobody counts beside it', async () => {
  const platform = await startPlatform(onTestFinished)
  await platform.startWorker()
  await until(
    () => statusOfQueue(platform),
    (status) => status === 'up',
  )
  const release = await holdCounts(platform)
  let isWaiting = false
  const asking = until(
    async () => (await platform.call('getDetailedHealth')).body,
    () => isWaiting,
  )
  await isWaitedFor(platform)
  isWaiting = true
  const during = await asking
  expect(during.components).toContainEqual({ name: 'queue', status: 'up' })
  expect(during.queues.length).toBeGreaterThan(0)
  const waiting = await platform.query(`select pid from pg_locks where not granted`)
  expect(waiting).toHaveLength(1)
  await release()
})

test('while none was made yet the queue is unknown, and known as soon as one ends', async () => {
  const platform = await startPlatform(onTestFinished)
  const release = await holdCounts(platform)
  await until(
    () => statusOfQueue(platform),
    (status) => status === 'unknown',
  )
  await release()
  await until(
    () => statusOfQueue(platform),
    (status) => status === 'up',
  )
})

test('of a hundred thousand jobs and more those are counted that come next', { timeout: 120_000 }, async () => {
  const platform = await startPlatform(onTestFinished)
  await platform.query(`
    insert into pgboss.job (name, data, state, start_after, created_on)
    select 'webhook', '{}', 'created', now() - interval '40 seconds', now() - make_interval(secs => n / 1000.0)
    from generate_series(1, 100001) as n`)
  const { body } = await until(
    () => platform.call('getDetailedHealth'),
    ({ body: { queues } }) => queues.some(({ ready }: { ready: number }) => ready > 0),
  )
  const webhook = body.queues.find(({ name }: { name: string }) => name === 'webhook')
  expect(webhook.ready).toBe(100_000)
  expect(webhook.oldest_ready_age_seconds).toBeGreaterThanOrEqual(40)
})
