import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { givenFailedJob } from '../support/failed-jobs.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type CallOptions, startPlatform, type TestTenant, until, usePlatform } from '../support/platform.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const redrive = (tenant: TestTenant, jobId: string, options: CallOptions = {}) =>
  platform.call('redriveFailedJob', { ...options, tenant, params: { job_id: jobId } })

const queued = (jobId: string) =>
  platform.query<{ name: string; data: Record<string, unknown> }>(
    `select name, data from pgboss.job where data ->> 'originId' = $1`,
    [jobId],
  )

test('202: queued with the same data, under its own name, for its own tenant; in the audit log too', async () => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant, { args: { jobId: 'x' } })
  const { status, headers, body } = await redrive(tenant, jobId)
  expect(status).toBe(202)
  expect(headers.get('location')).toBe(`/api/failed-jobs/${jobId}`)
  expect(body).toMatchObject({ job_id: jobId, status: 'in_progress', redrives: 1, redrivable: false, attempts: 2 })
  expect(await queued(jobId)).toEqual([
    {
      name: 'attribution',
      data: {
        job: 'attribution.run_recompute',
        jobId: 'x',
        tenantId: tenant.tenantId,
        correlationId: body.correlation_id,
        originId: jobId,
        earlierAttempts: 2,
      },
    },
  ])
  const entry = (await readAudit(platform, tenant)).at(-1)
  expect(entry).toMatchObject({ action: 'failed_job.redriven', actorId: tenant.userId, targetId: jobId })
})

test('202: the same key again gives the same answer, and one job', async () => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant)
  const headers = { 'idempotency-key': randomUUID() }
  const first = await redrive(tenant, jobId, { headers })
  const second = await redrive(tenant, jobId, { headers })
  expect(second.status).toBe(202)
  expect(second.headers.get('idempotent-replayed')).toBe('true')
  expect(second.text).toBe(first.text)
  expect(await queued(jobId)).toHaveLength(1)
})

test('202: it is pending again when it fails again, with every attempt, and can be run once more', {
  timeout: 40_000,
}, async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const { tenant } = own
  const jobId = await givenFailedJob(own, tenant, { args: { jobId: 'not a uuid' } })
  const find = async () => (await own.call('getFailedJob', { params: { job_id: jobId } })).body
  // As a job has it that is added from now on: its first attempt is its last.
  await own.query("update pgboss.queue set retry_limit = 0 where name = 'attribution'")
  await own.startWorker()
  for (const redrives of [1, 2]) {
    expect((await own.call('redriveFailedJob', { params: { job_id: jobId } })).status).toBe(202)
    const body = await until(find, ({ status, failures }) => status === 'pending' && failures.length >= 2 + redrives)
    expect(body).toMatchObject({ redrives, redrivable: true })
    expect(body.failures[0]).toMatchObject({ failure_class: 'validation' })
  }
})

test('401: no token', async () => {
  expectProblem(await redrive(platform.tenant, randomUUID(), { token: null }), 'unauthorized')
})

test('403: a viewer, for whom nothing runs', async () => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant)
  expectProblem(await redrive(tenant, jobId, { token: tenant.tokens.viewer }), 'forbidden')
  expect(await queued(jobId)).toEqual([])
})

test('404: one that is not there, and one of another tenant, which stays as it is', async () => {
  const jobId = await givenFailedJob(platform, await platform.createTenant())
  const [missing, foreign] = [await redrive(platform.tenant, randomUUID()), await redrive(platform.tenant, jobId)]
  expectProblem(missing, 'not_found')
  expectProblem(foreign, 'not_found')
  expect(foreign.body.detail).toBe(missing.body.detail)
  expect(await queued(jobId)).toEqual([])
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await redrive(platform.tenant, randomUUID(), { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test('409: of ten at once one queues it', async () => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant)
  const answers = await Promise.all(Array.from({ length: 10 }, () => redrive(tenant, jobId)))
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(1)
  for (const answer of answers) if (answer.status !== 202) expectProblem(answer, 'job_not_redrivable')
  expect(await queued(jobId)).toHaveLength(1)
})

test.each([
  ['closed', { status: 'resolved' }],
  ['without its data', { args: null }],
  ['whose data are not whole', { isRedacted: true }],
] as const)('409: one that is %s', async (_, options) => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant, options)
  expectProblem(await redrive(tenant, jobId), 'job_not_redrivable')
  expect(await queued(jobId)).toEqual([])
})

test('422: no id, and a key that was used for something else', async () => {
  expectProblem(await redrive(platform.tenant, 'first'), 'validation_failed', ['/path/job_id'])
  const tenant = await platform.createTenant()
  const headers = { 'idempotency-key': randomUUID() }
  await redrive(tenant, await givenFailedJob(platform, tenant), { headers })
  const answer = await redrive(tenant, await givenFailedJob(platform, tenant), { headers })
  expectProblem(answer, 'idempotency_key_reused')
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'redriveFailedJob', { params: { job_id: randomUUID() } })
})

test('503: the database is gone, and nothing is queued', async () => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant)
  expectProblem(await platform.withoutDatabase(() => redrive(tenant, jobId)), 'service_unavailable')
  expect(await queued(jobId)).toEqual([])
})
