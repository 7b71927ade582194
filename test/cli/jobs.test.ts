import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { schedules } from '../../src/queue/schedules.ts'
import { givenFailedJob } from '../support/failed-jobs.ts'
import { usePlatform } from '../support/platform.ts'
import { runSkeldir } from '../support/skeldir.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const jobs = (...args: string[]) =>
  runSkeldir(['jobs', ...args], {
    DATABASE_URL: platform.database.urlOf('app_user'),
    SKELDIR_MASTER_KEY: platform.config.masterKeys.map((key) => key.toString('base64')).join(','),
  })

async function json(...args: string[]) {
  const { status, stdout, stderr } = await jobs(...args, '--json')
  expect([status, stderr]).toEqual([0, ''])
  return JSON.parse(stdout)
}

async function refusal(...args: string[]) {
  const { status, stdout, stderr } = await jobs(...args)
  expect(stdout).toBe('')
  expect(status).not.toBe(0)
  return stderr
}

test('lists every queue with what waits and failed, and every schedule with its last run', async () => {
  const tenant = await platform.createTenant()
  const before = await json()
  await givenFailedJob(platform, tenant, { queue: 'maintenance' })
  await platform.query(`
    insert into schedule_runs (run_id, schedule, started_at, finished_at, outcome, message, worker_id)
    values (gen_random_uuid(), 'jobs.tidy', now() - interval '2 hours', now() - interval '1 hour', 'failed', 'planted', 'a/1'),
           (gen_random_uuid(), 'jobs.tidy', now() - interval '3 hours', now() - interval '3 hours', 'succeeded', null, 'a/1')`)
  const after = await json()
  const failedIn = ({ queues }: { queues: { queue: string; failed: number }[] }) =>
    queues.find(({ queue }) => queue === 'maintenance')?.failed ?? 0
  expect(failedIn(after)).toBe(failedIn(before) + 1)
  expect(after.schedules.map(({ schedule }: { schedule: string }) => schedule).toSorted()).toEqual(
    Object.keys(schedules).toSorted(),
  )
  const tidy = after.schedules.find(({ schedule }: { schedule: string }) => schedule === 'jobs.tidy')
  expect(tidy).toMatchObject({
    outcome: 'failed',
    message: 'planted',
    seconds: 3600,
    cron: schedules['jobs.tidy'].cron,
  })
  expect((await jobs()).stdout).toMatch(/webhooks\.start_polls +\*\/10 \* \* \* \*/)
})

test('shows what failed of a tenant, and of no other one', async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  const jobId = await givenFailedJob(platform, tenant, { queue: 'webhook' })
  const closed = await givenFailedJob(platform, tenant, { status: 'resolved' })
  await givenFailedJob(platform, other)
  const ids = async (...args: string[]) =>
    (await json('failed', '--tenant', tenant.slug, ...args)).items.map((row: { job_id: string }) => row.job_id)
  expect((await ids()).toSorted()).toEqual([jobId, closed].toSorted())
  expect(await ids('--status', 'pending')).toEqual([jobId])
  expect(await ids('--queue', 'webhook')).toEqual([jobId])
  const shown = await json('show', '--tenant', tenant.slug, '--job', jobId)
  expect(shown).toMatchObject({ job_id: jobId, status: 'pending', queue: 'webhook' })
  expect(shown.failures).toHaveLength(2)
  expect(await refusal('show', '--tenant', other.slug, '--job', jobId)).not.toContain(tenant.tenantId)
})

test('runs one once more, and closes another; both stand in the audit log as done by an operator', async () => {
  const tenant = await platform.createTenant()
  const [first, second] = [await givenFailedJob(platform, tenant), await givenFailedJob(platform, tenant)]
  const of = (jobId: string) => ['--tenant', tenant.slug, '--job', jobId]
  expect(await json('redrive', ...of(first))).toEqual({ job_id: first, status: 'in_progress', redrives: 1 })
  const [queued] = await platform.query<{ n: number }>(
    `select count(*)::integer as n from pgboss.job where data ->> 'originId' = $1`,
    [first],
  )
  expect(queued?.n).toBe(1)
  await refusal('redrive', ...of(first))
  expect(await json('resolve', ...of(second), '--note', 'mended by hand', '--status', 'abandoned')).toEqual({
    job_id: second,
    status: 'abandoned',
  })
  const acts = (await readAudit(platform, tenant)).slice(-2)
  expect(acts.map(({ action, targetId }) => [action, targetId])).toEqual([
    ['failed_job.redriven', first],
    ['failed_job.closed', second],
  ])
})

test.each([
  [['redo'], 'there is no "jobs redo"'],
  [['failed'], 'jobs failed needs --tenant'],
  [['show', '--tenant', 'x'], 'jobs show needs --job'],
  [['show', '--tenant', 'x', '--job', 'seven'], '--job is an id, and not "seven"'],
  [['failed', '--tenant', 'x', '--status', 'lost'], '--status is one of'],
  [['failed', '--tenant', 'x', '--queue', 'lost'], '--queue is one of'],
  [['failed', '--tenant', 'x', '--limit', '0'], '--limit'],
])('refuses %j', async (args, sentence) => {
  expect(await refusal(...args)).toContain(sentence)
})

test('says that there is no such job', async () => {
  const { slug } = await platform.createTenant()
  expect(await refusal('show', '--tenant', slug, '--job', randomUUID())).not.toBe('')
})
