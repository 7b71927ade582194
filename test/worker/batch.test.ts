import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, type onTestFinished as OnTestFinished, test } from 'vitest'
import type { TenantContext } from '../../src/context.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { defineJob, enqueue, runs, runsAt, type Task } from '../../src/queue/job.ts'
import { runPiece } from '../../src/queue/piece.ts'
import { type Pool, pools } from '../../src/queue/queues.ts'
import { giveBack, type TakenJob } from '../../src/queue/records.ts'
import { startWorker, type Worker } from '../../src/queue/worker.ts'
import { startPlatform, type TestPlatform, until } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'
import { workerContext } from '../support/worker.ts'

const job = (name: string) => defineJob<Record<string, string>>({ name: `test.${name}`, queue: 'webhook' })
const NAP = job('nap')
const HANG = job('hang')

/** A worker of this process with tasks of the test: how often each job began, and what ends the worker. */
async function givenWorkers(onTestFinished: typeof OnTestFinished) {
  const platform = await startPlatform(onTestFinished)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  const bodies: string[] = []
  const tasks: Task[] = [
    runs(NAP, async (scope, { ms = '0' }) => {
      bodies.push(scope.attempts[0].jobId)
      await delay(Number(ms))
    }),
    runs(HANG, async (scope) => {
      bodies.push(scope.attempts[0].jobId)
      await delay(3_600_000, undefined, { ref: false })
    }),
  ]
  const start = async (pool: Partial<Pool> = {}): Promise<Worker> => {
    const worker = await startWorker(ctx, {
      tasks,
      databaseUrl: platform.config.databaseUrls.app_worker,
      workerId: 'test/1',
      pools: { webhook: { ...pools.webhook, ...pool } },
    })
    onTestFinished(() => worker.stop(1_000))
    return worker
  }
  const add = async (of: TenantContext, definition: typeof NAP, count: number, args: Record<string, string> = {}) =>
    inTenant(of.db.main, of, async (tx) => {
      for (let n = 0; n < count; n += 1) await enqueue(tx, definition, of, args)
    })
  const jobsOf = (definition: typeof NAP) =>
    platform.query<{ id: string; state: string; retries: number }>(
      `select id, state, retry_count as retries from pgboss.job where name = 'webhook' and data ->> 'job' = $1`,
      [definition.name],
    )
  return { platform, ctx, bodies, start, add, jobsOf }
}

const failuresOf = (platform: TestPlatform) =>
  platform.query<{ class: string; message: string }>(
    'select failure_class as class, message from worker_job_failures order by failed_at',
  )
const isDone = (jobs: readonly { state: string }[]) => jobs.every(({ state }) => state === 'completed')

test.concurrent('a worker that is told to stop completes what is done, begins nothing more, and gives the rest back', async ({
  onTestFinished,
}) => {
  const { platform, ctx, bodies, start, add, jobsOf } = await givenWorkers(onTestFinished)
  await add(ctx, NAP, 20, { ms: '400' })
  const first = await start()
  await until(
    async () => bodies.length,
    (count) => count >= 5,
  )
  const begun = bodies.length
  await first.stop(5_000)
  expect(bodies.length).toBe(begun)
  const left = await jobsOf(NAP)
  expect(left.filter(({ state }) => state === 'completed')).toHaveLength(begun)
  expect(left.filter(({ state }) => state === 'created')).toHaveLength(20 - begun)
  await start({ jobsAtOnce: 10 })
  const ended = await until(() => jobsOf(NAP), isDone)
  expect(ended.every(({ retries }) => retries === 0)).toBe(true)
  expect(bodies.toSorted()).toEqual(ended.map(({ id }) => id).toSorted())
  expect(await failuresOf(platform)).toEqual([])
})

test.concurrent('what is cut off by a stop is tried again, and it is said why; what was done beside it is done', async ({
  onTestFinished,
}) => {
  const { platform, ctx, bodies, start, add, jobsOf } = await givenWorkers(onTestFinished)
  await add(ctx, HANG, 1)
  await add(ctx, NAP, 1)
  const first = await start()
  await until(
    async () => bodies.length,
    (count) => count === 2,
  )
  await first.stop(2_000)
  expect(await jobsOf(NAP)).toMatchObject([{ state: 'completed', retries: 0 }])
  expect(await jobsOf(HANG)).toMatchObject([{ state: 'retry' }])
  await start()
  expect(await until(() => failuresOf(platform), isNotEmpty)).toEqual([
    { class: 'worker_lost', message: 'The worker stopped before the job was done.' },
  ])
})

const isNotEmpty = (rows: readonly unknown[]) => rows.length > 0

test.concurrent('jobs that hang cost no other tenant an attempt, or much time', { timeout: 40_000 }, async ({
  onTestFinished,
}) => {
  const { platform, ctx, start, add, jobsOf } = await givenWorkers(onTestFinished)
  const other = workerContext(platform, await platform.createTenant(), onTestFinished)
  await add(ctx, HANG, 2)
  await add(other, NAP, 20, { ms: '5' })
  await start()
  const ended = await until(() => jobsOf(NAP), isDone, 12_000)
  expect(ended.every(({ retries }) => retries === 0)).toBe(true)
  // They are at work still.
  expect((await jobsOf(HANG)).map(({ state }) => state)).toEqual(['active', 'active'])
  expect(await failuresOf(platform)).toEqual([])
})

test.concurrent('jobs for which too little time is left are given back, and no attempt of theirs counts', async ({
  onTestFinished,
}) => {
  const { platform, ctx, bodies, start, add, jobsOf } = await givenWorkers(onTestFinished)
  await add(ctx, NAP, 12, { ms: '300' })
  // Of 60 seconds, which leaves one to begin in.
  await start({ jobSeconds: 58, jobsAtOnce: 1, batches: 1 })
  const ended = await until(() => jobsOf(NAP), isDone)
  expect(ended.every(({ retries }) => retries === 0)).toBe(true)
  expect(bodies).toHaveLength(12)
  expect(await failuresOf(platform)).toEqual([])
})

test.concurrent('what is given back is only what is this worker’s still', async ({ onTestFinished }) => {
  const platform = await startPlatform(onTestFinished)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  const add = async (state: string, retries: number) => {
    const [row] = await platform.query<{ id: string }>(
      `insert into pgboss.job (name, data, state, retry_count, started_on) values ('webhook', '{}', $1, $2, now()) returning id`,
      [state, retries],
    )
    return row?.id ?? ''
  }
  const [done, newer, own, again] = [
    await add('completed', 0),
    await add('active', 1),
    await add('active', 0),
    await add('active', 2),
  ]
  const { signal } = new AbortController()
  const taken = (id: string, retryCount: number) => ({ id, retryCount, data: {}, signal }) as TakenJob
  await giveBack(ctx, 'webhook', [taken(done, 0), taken(newer, 0), taken(own, 0), taken(again, 2)])
  const states = await platform.query<{ id: string; state: string; begun: boolean }>(
    `select id, state, started_on is not null as begun from pgboss.job where name = 'webhook'`,
  )
  expect(Object.fromEntries(states.map(({ id, state, begun }) => [id, [state, begun]]))).toEqual({
    [done]: ['completed', true],
    [newer]: ['active', true],
    [own]: ['created', false],
    [again]: ['retry', false],
  })
})

test.concurrent('what is left of a job whose worker died holds up nobody when it cannot be written down', async ({
  onTestFinished,
}) => {
  const { platform, ctx, bodies, start, add, jobsOf } = await givenWorkers(onTestFinished)
  await add(ctx, NAP, 3)
  await platform.query(
    `insert into pgboss.job (name, data, state, retry_count, started_on, start_after, priority)
     values ('webhook', jsonb_build_object('job', 'test.nap', 'tenantId', $1::text, 'correlationId', $1::text), 'retry', 1, now(), now(), 1)`,
    [randomUUID()],
  )
  await start()
  const ended = await until(() => jobsOf(NAP), isDone)
  expect(ended.filter(({ retries }) => retries > 0)).toHaveLength(1)
  expect(bodies).toHaveLength(4)
})

test.concurrent('a job that is taken away before it begins is not begun', async ({ onTestFinished }) => {
  const platform = await startPlatform(onTestFinished)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  const blocker = await connectAs(platform.database, 'admin', onTestFinished)
  await blocker.query('begin')
  await blocker.query('lock table schedule_runs')
  const taken = new AbortController()
  let began = 0
  const task = runsAt({ ...NAP, name: 'jobs.tidy', queue: 'housekeeping' } as never, async () => {
    began += 1
  })
  const first = { id: randomUUID(), data: { job: 'jobs.tidy' }, retryCount: 0, signal: taken.signal } as TakenJob
  const ended = runPiece(
    ctx,
    { queue: 'housekeeping', pool: pools.housekeeping, retryLimit: 5 },
    { task, jobs: [first] },
    { workerId: 'test/1' },
  )
  await until(
    () => platform.query(`select from pg_locks where not granted and relation = 'schedule_runs'::regclass`),
    isNotEmpty,
  )
  taken.abort(new Error('it is not ours any more'))
  await blocker.query('rollback')
  expect(await ended).toMatchObject([{ id: first.id, status: 'failed', output: { class: 'worker_lost' } }])
  expect(began).toBe(0)
})

test.concurrent('of occurrences of a schedule that are done as one each has its row', async ({ onTestFinished }) => {
  const platform = await startPlatform(onTestFinished)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  const task = runsAt({ ...NAP, name: 'jobs.tidy', queue: 'housekeeping' } as never, async () => {})
  const { signal } = new AbortController()
  const [one, two] = [randomUUID(), randomUUID()].map(
    (id) => ({ id, data: { job: 'jobs.tidy' }, retryCount: 0, signal }) as TakenJob,
  )
  await runPiece(
    ctx,
    { queue: 'housekeeping', pool: pools.housekeeping, retryLimit: 5 },
    { task, jobs: [one as TakenJob, two as TakenJob] },
    { workerId: 'test/1' },
  )
  const rows = await platform.query<{ id: string; outcome: string }>('select run_id as id, outcome from schedule_runs')
  expect(rows.toSorted((a, b) => a.id.localeCompare(b.id))).toEqual(
    [one?.id, two?.id].toSorted().map((id) => ({ id, outcome: 'succeeded' })),
  )
})

test.concurrent('a worker gives a sign of life every other second', { timeout: 20_000 }, async ({ onTestFinished }) => {
  const { platform, ctx, start, add } = await givenWorkers(onTestFinished)
  await add(ctx, HANG, 1)
  await start()
  const silence = async () =>
    (
      await platform.query<{ ms: number }>(
        `select (1000 * extract(epoch from clock_timestamp() - heartbeat_on))::float8 as ms from pgboss.job where state = 'active' and name = 'webhook'`,
      )
    )[0]?.ms ?? 0
  let longest = 0
  for (const end = performance.now() + 8_000; performance.now() < end; await delay(100))
    longest = Math.max(longest, await silence())
  expect(longest).toBeGreaterThan(1_000)
  expect(longest).toBeLessThan(4_500)
})
