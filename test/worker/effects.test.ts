import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { inTenant } from '../../src/db/tenant.ts'
import { defineJob, enqueue, enterEffect, enterEffects, runs } from '../../src/queue/job.ts'
import { pools } from '../../src/queue/queues.ts'
import { startWorker } from '../../src/queue/worker.ts'
import { startPlatform, until, usePlatform } from '../support/platform.ts'
import { workerContext } from '../support/worker.ts'

const shared = usePlatform()

test('an effect is entered once for each job and name, and what was rolled back was not', async () => {
  const ctx = workerContext(shared, shared.tenant, onTestFinished)
  const enter = (attempt: { jobId: string; number: number }, effect?: string) =>
    inTenant(ctx.db.main, ctx, (tx) => enterEffect(tx, attempt, effect))
  const jobId = randomUUID()
  const lost = inTenant(ctx.db.main, ctx, async (tx) => {
    expect(await enterEffect(tx, { jobId, number: 1 })).toBe(true)
    throw new Error('planted')
  })
  await expect(lost).rejects.toThrow('planted')
  expect(await enter({ jobId, number: 2 })).toBe(true)
  expect(await enter({ jobId, number: 3 })).toBe(false)
  expect(await enter({ jobId, number: 3 }, 'mail')).toBe(true)
  expect(await enter({ jobId: randomUUID(), number: 1 })).toBe(true)
  const other = workerContext(shared, await shared.createTenant(), onTestFinished)
  expect(await inTenant(other.db.main, other, (tx) => enterEffect(tx, { jobId, number: 1 }))).toBe(true)
})

test('whoever comes second waits for whoever came first, and has the effect only if that one fails', async () => {
  const ctx = workerContext(shared, shared.tenant, onTestFinished)
  for (const fails of [false, true]) {
    const attempt = { jobId: randomUUID(), number: 1 }
    const held = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const first = inTenant(ctx.db.main, ctx, async (tx) => {
      expect(await enterEffect(tx, attempt)).toBe(true)
      entered.resolve()
      await held.promise
      if (fails) throw new Error('planted')
    })
    await entered.promise
    const second = inTenant(ctx.db.main, ctx, (tx) => enterEffect(tx, { ...attempt, number: 2 }))
    await until(
      () =>
        shared.query<{ n: number }>(
          `select count(*)::integer as n from pg_stat_activity where datname = current_database() and usename = 'app_worker' and wait_event_type = 'Lock'`,
        ),
      ([row]) => row?.n === 1,
    )
    held.resolve()
    await first.catch(() => {})
    expect(await second).toBe(fails)
  }
})

test('of jobs that are one piece of work, those whose effect is new are named', async () => {
  const ctx = workerContext(shared, shared.tenant, onTestFinished)
  const attempts = [1, 2, 3].map((number) => ({ jobId: randomUUID(), number }))
  const enter = (some: typeof attempts) => inTenant(ctx.db.main, ctx, (tx) => enterEffects(tx, some))
  expect(await enter(attempts.slice(0, 2))).toEqual(attempts.slice(0, 2))
  expect(await enter(attempts)).toEqual(attempts.slice(2))
  expect(await enter([])).toEqual([])
})

test('a job that fails for good after its effect is run once more by hand: it is resolved, and its effect was had once', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant } = platform
  const ctx = workerContext(platform, tenant, onTestFinished)
  await platform.query(`
    create table paid (tenant_id uuid not null, job_id uuid not null);
    call internal.isolate_by_tenant('paid', array['app_worker']);
    grant insert on paid to app_worker`)
  const job = defineJob<{ order: string }>({ name: 'test.pay', queue: 'webhook' })
  let isBroken = true
  let began = 0
  const task = runs(job, async (scope) => {
    began += 1
    const [attempt] = scope.attempts
    await inTenant(scope.db.main, scope, async (tx) => {
      if (!(await enterEffect(tx, attempt))) return
      await sql`insert into paid (tenant_id, job_id) values (${scope.tenantId}::uuid, ${attempt.jobId}::uuid)`.execute(
        tx,
      )
    })
    if (isBroken) throw new Error('planted, after the effect')
  })
  await platform.query(`update pgboss.queue set retry_limit = 0 where name = 'webhook'`)
  await inTenant(ctx.db.main, ctx, (tx) => enqueue(tx, job, ctx, { order: 'one' }))
  const worker = await startWorker(ctx, {
    tasks: [task],
    databaseUrl: platform.config.databaseUrls.app_worker,
    workerId: 'test/1',
    pools: { webhook: pools.webhook },
  })
  onTestFinished(() => worker.stop(1_000))
  const statusOf = () =>
    platform.query<{ jobId: string; status: string; redrives: number }>(
      'select job_id as "jobId", status, redrives from worker_failed_jobs',
    )
  const [failed] = await until(statusOf, ([row]) => row?.status === 'pending')
  isBroken = false
  const redrive = () => platform.call('redriveFailedJob', { params: { job_id: failed?.jobId ?? '' } })
  // At once: one is taken.
  const answers = await Promise.all([redrive(), redrive()])
  expect(answers.map(({ status }) => status).toSorted()).toEqual([202, 409])
  await until(statusOf, ([row]) => row?.status === 'resolved')
  expect((await redrive()).status).toBe(409)
  expect(await statusOf()).toEqual([{ jobId: failed?.jobId, status: 'resolved', redrives: 1 }])
  expect(began).toBe(2)
  expect(await platform.query('select job_id as "jobId" from paid')).toEqual([{ jobId: failed?.jobId }])
})
