import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { startPlatform, until, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

test('200: a worker answers, and another one when it has ended and come back', async () => {
  const own = await startPlatform(onTestFinished)
  const worker = await own.startWorker()
  const { body } = await until(
    () => own.call('getWorkerHealth'),
    (answer) => answer.status === 200,
  )
  // Everybody may ask: nothing about the machine.
  expect(body).toMatchObject({ status: 'ok', worker_id: expect.stringMatching(UUID) })
  expect(body.round_trip_ms).toBeGreaterThan(0)
  expect(Math.abs(Date.parse(body.checked_at) - Date.now())).toBeLessThan(30_000)

  worker.kill('SIGKILL')
  await once(worker, 'exit')
  // An answer is good for a second.
  const gone = await until(
    () => own.call('getWorkerHealth'),
    ({ body: { errors } }) => errors?.some(({ pointer }: { pointer: string }) => pointer === '/worker') === true,
  )
  expectProblem(gone, 'worker_unavailable', ['/worker'])
  expect((await own.call('getReadiness')).status).toBe(200)

  await own.startWorker()
  const back = await until(
    () => own.call('getWorkerHealth'),
    (answer) => answer.status === 200,
  )
  expect(back.body.worker_id).toMatch(UUID)
  expect(back.body.worker_id).not.toBe(body.worker_id)
})

test('200: the worker finds its way back to a database that was gone', async () => {
  const own = await startPlatform(onTestFinished)
  await own.startWorker({ losesDatabase: true })
  const gone = await own.withoutDatabase(() => own.call('getWorkerHealth'))
  expectProblem(gone, 'worker_unavailable', ['/database'])
  await until(
    () => own.call('getWorkerHealth'),
    (answer) => answer.status === 200,
  )
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('getWorkerHealth', { headers: { accept: 'text/plain' } }), 'not_acceptable')
})

test('503: there is no worker; those who ask together wait for one answer', async () => {
  const answers = await Promise.all([1, 2, 3].map(() => platform.call('getWorkerHealth')))
  for (const answer of answers) expectProblem(answer, 'worker_unavailable', ['/worker'])
  const probes = await platform.query("select from pgboss.job where name = 'probe'")
  expect(probes.length).toBeLessThanOrEqual(1)
})

test('503: the database is gone', async () => {
  const own = await startPlatform(onTestFinished)
  const answer = await own.withoutDatabase(() => own.call('getWorkerHealth'))
  expectProblem(answer, 'worker_unavailable', ['/database'])
})

test('503: the queue takes no job', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query('revoke execute on function internal.enqueue_job(text, jsonb, integer) from app_user')
  expectProblem(await own.call('getWorkerHealth'), 'worker_unavailable', ['/queue'])
})
