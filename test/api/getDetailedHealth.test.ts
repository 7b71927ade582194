import { expect, onTestFinished, test } from 'vitest'
import { queues } from '../../src/queue/queues.ts'
import { expectProblem } from '../support/answer.ts'
import { expectRateLimited } from '../support/limits.ts'
import { startPlatform, until, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const deadLetters = new Set(queues.map(({ deadLetter }) => deadLetter))
const WORK = queues.map(({ name }) => name).filter((name) => name !== 'probe' && !deadLetters.has(name))

test('200: queues by name, with what waits, what is at work, what failed for good, and for how long', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query(`
    insert into pgboss.job (name, data, state, start_after, group_id, started_on) values
      ('webhook', '{}', 'created', now() - interval '30 seconds', 'a', null),
      ('webhook', '{}', 'retry', now() - interval '1 second', 'a', null),
      ('webhook', '{}', 'retry', now() + interval '1 hour', 'a', null),
      ('webhook', '{}', 'active', now(), 'a', now()),
      ('webhook', '{}', 'completed', now(), 'a', now()),
      ('webhook_dead', '{}', 'created', now(), null, null),
      ('attribution', '{}', 'created', now() + interval '1 hour', 'a', null)`)
  const { status, body } = await own.call('getDetailedHealth', { token: own.tenant.tokens.viewer })
  expect(status).toBe(200)
  expect(body.queues.map(({ name }: { name: string }) => name)).toEqual([...WORK].sort())
  const [webhook, attribution] = ['webhook', 'attribution'].map((name) =>
    body.queues.find((queue: { name: string }) => queue.name === name),
  )
  expect(webhook).toEqual({
    name: 'webhook',
    ready: 2,
    active: 1,
    failed: 1,
    oldest_ready_age_seconds: expect.any(Number),
  })
  expect(webhook.oldest_ready_age_seconds).toBeGreaterThanOrEqual(30)
  expect(attribution).toEqual({
    name: 'attribution',
    ready: 0,
    active: 0,
    failed: 0,
    oldest_ready_age_seconds: null,
  })
})

test('200: workers that gave a sign of life in the last minute; one that ends in peace is gone at once', async () => {
  const own = await startPlatform(onTestFinished)
  const worker = await own.startWorker()
  await own.query(
    `insert into worker_heartbeats (worker_id, active_jobs, last_seen_at)
     values ('silent', 0, now() - interval '61 seconds'), ('with much to do', 7, now() - interval '5 seconds')`,
  )
  const both = await until(
    () => own.call('getDetailedHealth'),
    ({ body }) => body.workers.length === 2,
  )
  expect(both.body.workers).toEqual([
    // An id that says nothing about the machine, which is not the tenants' business.
    { worker_id: expect.stringMatching(/^[0-9a-f-]{36}$/), active_jobs: 0, last_seen_at: expect.any(String) },
    { worker_id: 'with much to do', active_jobs: 7, last_seen_at: expect.any(String) },
  ])
  worker.kill('SIGTERM')
  await until(
    () => own.call('getDetailedHealth'),
    ({ body }) => body.workers.length === 1,
  )
})

test('200: the database and the requests of this process, probes apart', async () => {
  const own = await startPlatform(onTestFinished)
  await own.call('verifyToken')
  await own.call('verifyToken', { token: null })
  for (let probe = 0; probe < 5; probe += 1) await own.call('getLiveness')
  const { body } = await own.call('getDetailedHealth')
  const [newest] = await own.query<{ name: string }>('select max(name) as name from schema_migrations')
  const { main, ingest } = own.ctx.db
  expect(body.database).toEqual({
    schema_version: newest?.name,
    round_trip_ms: expect.any(Number),
    connections_max: main.pool.options.max + ingest.pool.options.max,
    connections_open: expect.any(Number),
    connections_busy: 0,
    requests_waiting: 0,
  })
  expect(body.database.connections_open).toBeGreaterThan(0)
  expect(body.requests).toMatchObject({ per_minute: 2, error_ratio: 0 })
  expect(body.requests.duration_p99_ms).toBeGreaterThanOrEqual(body.requests.duration_p50_ms)
})

test('200: the event loop of this process, while it is held up again and again', async () => {
  const own = await startPlatform(onTestFinished)
  expect((await own.call('getDetailedHealth')).body.requests.event_loop_delay_p99_ms).toBeNull()
  const answer = await until(
    () => {
      const end = performance.now() + 300
      while (performance.now() < end);
      return own.call('getDetailedHealth')
    },
    ({ body }) => body.requests.event_loop_delay_p99_ms > 200,
  )
  expect(answer.body.components[0]).toEqual({ name: 'api', status: 'degraded' })
})

test('200: unhealthy, while who asks can still be told', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query('alter table touchpoints no force row level security')
  const { status, body } = await own.call('getDetailedHealth')
  expect(status).toBe(200)
  expect(body).toMatchObject({ status: 'unhealthy', queues: [], workers: [] })
  expect(body.components).toEqual([
    { name: 'api', status: expect.any(String) },
    { name: 'database', status: 'down' },
    { name: 'queue', status: 'unknown' },
    { name: 'worker', status: 'unknown' },
  ])
})

test('401: no token', async () => {
  expectProblem(await platform.call('getDetailedHealth', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/plain' }
  expectProblem(await platform.call('getDetailedHealth', { headers }), 'not_acceptable')
})

test('422: a correlation id that is none', async () => {
  const headers = { 'x-correlation-id': 'mine' }
  const answer = await platform.call('getDetailedHealth', { headers })
  expectProblem(answer, 'validation_failed', ['/header/x-correlation-id'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'getDetailedHealth')
})

test('503: the database is gone, and with it the word on who asks', async () => {
  const own = await startPlatform(onTestFinished)
  const answer = await own.withoutDatabase(() =>
    until(
      () => own.call('getDetailedHealth'),
      ({ status }) => status !== 200,
    ),
  )
  expectProblem(answer, 'service_unavailable')
})
