import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { expectProblem } from '../support/answer.ts'
import { type Answer, startPlatform, type TestPlatform, until, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const componentsOf = ({ body }: Answer): Record<string, string> =>
  Object.fromEntries(body.components.map(({ name, status }: { name: string; status: string }) => [name, status]))
const untilStatus = (of: TestPlatform, status: string) =>
  until(
    () => of.call('getHealthStatus'),
    ({ body }) => body.status === status,
  )

test('200: every part is up, and a worker that goes is missed', async () => {
  const own = await startPlatform(onTestFinished)
  const worker = await own.startWorker()
  const healthy = await untilStatus(own, 'healthy')
  expect(healthy.status).toBe(200)
  expect(componentsOf(healthy)).toEqual({ api: 'up', database: 'up', queue: 'up', worker: 'up' })
  expect(healthy.body.version).toBe(packageJson.version)
  expect(Math.abs(Date.parse(healthy.body.checked_at) - Date.now())).toBeLessThan(30_000)
  worker.kill('SIGKILL')
  await once(worker, 'exit')
  const degraded = await untilStatus(own, 'degraded')
  expect(componentsOf(degraded)).toMatchObject({ database: 'up', queue: 'up', worker: 'down' })
})

test('200: jobs that have waited for long', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query(
    `insert into pgboss.job (name, data, start_after) values ('webhook', '{}', now() - interval '61 seconds')`,
  )
  const answer = await own.call('getHealthStatus')
  expect(answer.body.status).toBe('degraded')
  expect(componentsOf(answer)).toMatchObject({ database: 'up', queue: 'degraded', worker: 'down' })
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('getHealthStatus', { headers: { accept: 'text/plain' } }), 'not_acceptable')
})

test('503: the database is gone', async () => {
  const own = await startPlatform(onTestFinished)
  const answer = await own.withoutDatabase(() => own.call('getHealthStatus'))
  expectProblem(answer, 'not_ready', ['/components/database'])
})

test('503: a check of readiness fails, and says why', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query('alter table touchpoints no force row level security')
  const answer = await own.call('getHealthStatus')
  expectProblem(answer, 'not_ready', ['/components/database'])
  expect(answer.body.errors[0].detail).toContain('touchpoints')
})
