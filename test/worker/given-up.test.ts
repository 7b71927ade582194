import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { giveUpRecompute, runRecomputeJob } from '../../src/attribution/recompute/service.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { tidy } from '../../src/jobs/service.ts'
import { addJob, enqueue, type JobContext } from '../../src/queue/job.ts'
import { runReplay } from '../../src/webhooks/dead-events/replay/service.ts'
import { replayDeadEvents } from '../../src/webhooks/jobs.ts'
import { givenDead } from '../support/dead-events.ts'
import { givenFailedJob } from '../support/failed-jobs.ts'
import { startPlatform, type TestPlatform, type TestTenant, until } from '../support/platform.ts'
import { givenPerson, logIn } from '../support/sessions.ts'
import { readAudit } from '../support/tenants.ts'
import { workerContext } from '../support/worker.ts'

const signal = new AbortController().signal
const ALL = { since: '2026-01-01T00:00:00Z' }
const DAY = { start_date: '2026-11-01', end_date: '2026-11-01' }

function attemptAt(platform: TestPlatform, tenant: TestTenant, number = 1, jobId: string = randomUUID()): JobContext {
  return { ...workerContext(platform, tenant, onTestFinished), attempts: [{ jobId, number }] }
}

/** A replay that a member asked for who is logged in, and that no worker has begun. */
async function givenReplay(platform: TestPlatform) {
  const { tenant, deadEventId } = await givenDead(platform)
  const person = await givenPerson(platform, { tenant, role: 'manager' })
  const { accessToken: token } = await logIn(platform, person)
  const ask = () => platform.call('replayDeadEvents', { token, tenant, body: { filter: ALL, dry_run: false } })
  const { status, body } = await ask()
  expect(status).toBe(202)
  return { tenant, deadEventId, replayId: body.replay_id as string, userId: person.userId }
}

const stateOf = async (platform: TestPlatform, deadEventId: string) =>
  (await platform.query('select status from dead_event_states where dead_event_id = $1', [deadEventId]))[0]?.status

const recomputeOf = async (platform: TestPlatform, jobId: string) =>
  (
    await platform.query('select status, run_count as runs from attribution_recompute_jobs where job_id = $1', [jobId])
  )[0]

test('a replay of a member whose session was ended is not begun, and what it took is pending again', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant, deadEventId, userId } = await givenReplay(platform)
  expect(await stateOf(platform, deadEventId)).toBe('in_progress')
  await platform.query('update sessions set ended_at = now() where user_id = $1', [userId])
  await platform.startWorker()
  const [failed] = await until(
    () =>
      platform.query<{ class: string; user: string }>(
        'select failure_class as class, user_id as user from worker_failed_jobs',
      ),
    (rows) => rows.length > 0,
  )
  expect(failed).toEqual({ class: 'rejected', user: userId })
  expect(await stateOf(platform, deadEventId)).toBe('pending')
  expect(await platform.query('select from webhook_events where tenant_id = $1', [tenant.tenantId])).toEqual([])
  const again = await platform.call('replayDeadEvents', { tenant, body: { filter: ALL, dry_run: false } })
  expect(again.body.matched).toBe(1)
})

test('the replay of a member who is still there is done, and its rest is theirs too', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant, deadEventId, replayId, userId } = await givenReplay(platform)
  const asked = `select data ->> 'userId' as user, data ->> 'sessionId' as session from pgboss.job where data ->> 'replayId' = $1 order by created_on`
  const [first] = await platform.query<{ user: string; session: string }>(asked, [replayId])
  expect(first).toEqual({ user: userId, session: expect.any(String) })
  // As the worker has it that leaves the rest of a run to another job.
  const ctx = { ...attemptAt(platform, tenant), authority: { userId, sessionId: first?.session ?? '' } }
  await inTenant(ctx.db.main, ctx, (tx) => enqueue(tx, replayDeadEvents, ctx, { replayId }))
  expect(await platform.query(asked, [replayId])).toEqual([first, first])
  await platform.startWorker()
  await until(
    () => stateOf(platform, deadEventId),
    (status) => status === 'resolved',
  )
})

test('what was given back is nothing to do for its run any more', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant, deadEventId, replayId } = await givenReplay(platform)
  await platform.query(`update dead_event_states set status = 'pending' where dead_event_id = $1`, [deadEventId])
  await runReplay(attemptAt(platform, tenant), replayId, signal)
  expect(await stateOf(platform, deadEventId)).toBe('pending')
})

test('a recompute is at work until its job is given up, and what an attempt says that is over does not count', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant } = platform
  const { body } = await platform.call('requestRecompute', { body: DAY })
  const recomputeId: string = body.job_id
  const first = attemptAt(platform, tenant)
  const [{ jobId }] = first.attempts
  const second = attemptAt(platform, tenant, 2, jobId)
  await platform.query('alter table attribution_recompute_jobs add constraint planted check (run_count = 0)')
  await expect(runRecomputeJob(first, recomputeId, signal)).rejects.toThrow('planted')
  expect(await recomputeOf(platform, recomputeId)).toEqual({ status: 'running', runs: 0 })
  await giveUpRecompute(attemptAt(platform, tenant), recomputeId)
  expect(await recomputeOf(platform, recomputeId)).toEqual({ status: 'running', runs: 0 })
  await giveUpRecompute(second, recomputeId)
  expect(await recomputeOf(platform, recomputeId)).toEqual({ status: 'failed', runs: 0 })
  await platform.query('alter table attribution_recompute_jobs drop constraint planted')
  await runRecomputeJob(second, recomputeId, signal)
  // The first, which nobody waits for any more, comes to its end now.
  await runRecomputeJob(first, recomputeId, signal)
  expect(await recomputeOf(platform, recomputeId)).toEqual({ status: 'succeeded', runs: 1 })
  await giveUpRecompute(second, recomputeId)
  expect(await recomputeOf(platform, recomputeId)).toEqual({ status: 'succeeded', runs: 1 })
})

test('a recompute whose worker hung in its last attempt ends as failed', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant } = platform
  const ctx = attemptAt(platform, tenant)
  const { body } = await platform.call('requestRecompute', { body: DAY })
  await platform.query(`delete from pgboss.job where name = 'attribution'`)
  const job = {
    job: 'attribution.run_recompute',
    jobId: body.job_id,
    tenantId: tenant.tenantId,
    correlationId: randomUUID(),
  }
  await inTenant(ctx.db.main, ctx, (tx) => addJob(tx, 'attribution', job))
  const [run] = await platform.query<{ id: string }>(`select id from pgboss.job where name = 'attribution'`)
  await runRecomputeJob(attemptAt(platform, tenant, 1, run?.id), body.job_id, signal).catch(() => {})
  await platform.query(`update attribution_recompute_jobs set status = 'running', finished_at = null`)
  // As a worker leaves it that was killed: taken, in its last attempt, and without a heartbeat.
  await platform.query(
    `update pgboss.job set state = 'active', started_on = now() - interval '1 hour', retry_limit = 0, heartbeat_on = now() - interval '1 hour'
     where name = 'attribution'`,
  )
  await platform.startWorker()
  await until(
    () => recomputeOf(platform, body.job_id),
    (row) => row?.status === 'failed',
    30_000,
  )
})

test('what is closed by hand ends what still says that it will be done', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant, deadEventId, replayId } = await givenReplay(platform)
  const { body } = await platform.call('requestRecompute', { tenant, body: DAY })
  const close = (jobId: string) =>
    platform.call('resolveFailedJob', {
      tenant,
      params: { job_id: jobId },
      body: { status: 'abandoned', note: 'Nobody needs it.' },
    })
  const [replay, recompute, poison] = [
    await givenFailedJob(platform, tenant, {
      queue: 'webhook',
      task: 'webhooks.replay_dead_events',
      args: { replayId },
    }),
    await givenFailedJob(platform, tenant, { args: { jobId: body.job_id } }),
    await givenFailedJob(platform, tenant, { args: { jobId: 'not a uuid' } }),
  ]
  for (const jobId of [replay, recompute, poison]) expect((await close(jobId)).status).toBe(200)
  expect(await stateOf(platform, deadEventId)).toBe('pending')
  expect(await recomputeOf(platform, body.job_id)).toEqual({ status: 'failed', runs: 0 })
})

test('a failed job that runs again and has no run any more waits for somebody again', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant } = platform
  const ctx = workerContext(platform, tenant, onTestFinished)
  const [lost, running] = [await givenFailedJob(platform, tenant), await givenFailedJob(platform, tenant)]
  for (const jobId of [lost, running])
    expect((await platform.call('redriveFailedJob', { params: { job_id: jobId } })).status).toBe(202)
  const states = () =>
    platform.query<{ id: string; status: string }>('select job_id as id, status from worker_failed_jobs')
  await tidy(ctx, signal)
  expect((await states()).map(({ status }) => status)).toEqual(['in_progress', 'in_progress'])
  await platform.query(`update pgboss.job set state = 'completed' where data ->> 'originId' = $1`, [lost])
  await tidy(ctx, signal)
  const after = new Map((await states()).map(({ id, status }) => [id, status]))
  expect([after.get(lost), after.get(running)]).toEqual(['pending', 'in_progress'])
  expect((await platform.call('redriveFailedJob', { params: { job_id: lost } })).status).toBe(202)
})

test('a failed job that nobody cares for is closed, and the audit log says so', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant } = platform
  const old = await givenFailedJob(platform, tenant, { failedAgo: 91 * 24 * 60 })
  await givenFailedJob(platform, tenant, { failedAgo: 89 * 24 * 60 })
  await tidy(workerContext(platform, tenant, onTestFinished), signal)
  const closed = (await readAudit(platform, tenant)).filter(({ action }) => action === 'failed_job.closed')
  expect(closed).toMatchObject([
    {
      actorKind: 'system',
      targetId: old,
      changes: [
        { pointer: '/status', before: null, after: '"abandoned"' },
        { pointer: '/task', before: null, after: '"attribution.run_recompute"' },
      ],
    },
  ])
})
