import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { expect, type onTestFinished as OnTestFinished, test } from 'vitest'
import type { Failure } from '../../src/queue/failure.ts'
import { defineJob, type JobContext, runs } from '../../src/queue/job.ts'
import { startWorker } from '../../src/queue/worker.ts'
import { startPlatform, until } from '../support/platform.ts'
import { workerContext } from '../support/worker.ts'

interface Told {
  jobId: string
  number: number
  args: Record<string, string>
  failure: Failure
}

/** A worker that reads dead letters only, what its tasks and its log were told, and what puts a letter there. */
async function givenLetters(onTestFinished: typeof OnTestFinished) {
  const platform = await startPlatform(onTestFinished)
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) })
  const ctx = { ...workerContext(platform, platform.tenant, onTestFinished), log }
  const told: Told[] = []
  let failsLeft = 0
  const onGivenUp = async (scope: JobContext, args: Record<string, string>, failure: Failure) => {
    const [{ jobId, number }] = scope.attempts
    expect(scope.tenantId).toBe(platform.tenant.tenantId)
    told.push({ jobId, number, args, failure })
    failsLeft -= 1
    if (failsLeft >= 0) throw new Error('planted')
  }
  const job = defineJob<Record<string, string>>({ name: 'test.work', queue: 'webhook' })
  const start = async () => {
    const worker = await startWorker(ctx, {
      tasks: [runs(job, async () => {}, onGivenUp)],
      databaseUrl: platform.config.databaseUrls.app_worker,
      workerId: 'test/1',
      pools: {},
    })
    onTestFinished(() => worker.stop(1_000))
  }
  const add = async (data: Record<string, string>, output: object = { error: 'x', class: 'external' }) => {
    const sourceId = randomUUID()
    await platform.query(
      `insert into pgboss.job (name, data, retry_limit, retry_delay, source_name, source_id, source_retry_count, source_output, source_created_on)
       values ('webhook_dead', $1, 1000, 1, 'webhook', $2, 3, $3, now() - interval '1 minute')`,
      [{ job: 'test.work', ...data }, sourceId, output],
    )
    return sourceId
  }
  const ofTenant = { tenantId: platform.tenant.tenantId, correlationId: platform.tenant.tenantId }
  const letters = () =>
    platform.query<{ state: string }>(`select state from pgboss.job where name = 'webhook_dead' order by state`)
  const failNext = (times: number) => {
    failsLeft = times
  }
  return { platform, lines, told, start, add, ofTenant, letters, failNext }
}

test.concurrent('the task of a job that is given up is told, and the job is listed', async ({ onTestFinished }) => {
  const { platform, told, start, add, ofTenant, letters } = await givenLetters(onTestFinished)
  const jobId = await add({ ...ofTenant, n: '1' })
  await start()
  await until(letters, (rows) => rows[0]?.state === 'completed')
  expect(told).toEqual([
    { jobId, number: 4, args: { n: '1' }, failure: { class: 'external', message: 'x', traceback: null } },
  ])
  expect(await platform.query('select job_id as id, attempts from worker_failed_jobs')).toEqual([
    { id: jobId, attempts: 4 },
  ])
})

test.concurrent('a task that cannot be told is told again, and the job is listed all the same', async ({
  onTestFinished,
}) => {
  const { platform, told, start, add, ofTenant, letters, failNext } = await givenLetters(onTestFinished)
  failNext(2)
  await add(ofTenant)
  await start()
  await until(
    async () => told.length,
    (count) => count > 0,
  )
  expect(
    await until(
      () => platform.query('select status from worker_failed_jobs'),
      (rows) => rows.length > 0,
      1_500,
    ),
  ).toEqual([{ status: 'pending' }])
  await until(letters, (rows) => rows[0]?.state === 'completed')
  expect(told).toHaveLength(3)
})

test.concurrent('a letter that no row can hold is logged, and holds up no other', async ({ onTestFinished }) => {
  const { platform, lines, start, add, ofTenant, letters } = await givenLetters(onTestFinished)
  const nobodys = await add({ tenantId: randomUUID(), correlationId: randomUUID() })
  const unnamed = await add({ ...ofTenant, job: 'Not a name' })
  const good = await add(ofTenant)
  const clock = await add({ job: 'jobs.tidy' })
  await start()
  const states = await until(letters, (rows) => rows.every(({ state }) => state === 'completed' || state === 'failed'))
  expect(states.map(({ state }) => state).toSorted()).toEqual(['completed', 'completed', 'failed', 'failed'])
  expect(await platform.query('select job_id as id from worker_failed_jobs')).toEqual([{ id: good }])
  const said = (id: string) => lines.filter(({ jobId, level }) => jobId === id && level === 50).map(({ msg }) => msg)
  expect([nobodys, unnamed].map(said)).toEqual([
    ['a job failed for good, and cannot be written down'],
    ['a job failed for good, and cannot be written down'],
  ])
  expect([good, clock].map(said)).toEqual([['a job failed for good'], ['a job failed for good']])
})
