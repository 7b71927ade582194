import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { givenFailedJob } from '../support/failed-jobs.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const get = (tenant: TestTenant, jobId: string) => platform.call('getFailedJob', { tenant, params: { job_id: jobId } })

test('200: its data, each failure with the newest first, and no resolution while it is open', async () => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant, { args: { jobId: 'x' } })
  const { status, body } = await get(tenant, jobId)
  expect(status).toBe(200)
  expect(body).toMatchObject({ job_id: jobId, status: 'pending', redrivable: true, resolution: null })
  expect(JSON.parse(body.payload)).toEqual({ jobId: 'x' })
  expect(body.failures).toEqual([
    {
      failed_at: expect.any(String),
      attempt: 2,
      failure_class: 'database',
      message: 'The connection to the database was lost.',
      worker_id: 'host/1',
    },
    expect.objectContaining({ attempt: 1, worker_id: null }),
  ])
})

test('200: of many failures the last hundred', async () => {
  const tenant = await platform.createTenant()
  const { body } = await get(tenant, await givenFailedJob(platform, tenant, { failures: 102 }))
  expect(body.failures).toHaveLength(100)
  expect(body.failures[0].attempt).toBe(102)
})

test('200: one that is closed says who closed it and why; without data it cannot be run again', async () => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant, { args: null })
  expect((await get(tenant, jobId)).body).toMatchObject({ payload: null, redrivable: false })
  const body = { status: 'abandoned', note: 'Not worth it.' }
  await platform.call('resolveFailedJob', { tenant, params: { job_id: jobId }, body })
  expect((await get(tenant, jobId)).body.resolution).toEqual({
    resolved_at: expect.any(String),
    resolved_by: tenant.userId,
    note: 'Not worth it.',
  })
})

test('401: no token', async () => {
  const params = { job_id: randomUUID() }
  expectProblem(await platform.call('getFailedJob', { params, token: null }), 'unauthorized')
})

test('403: a viewer', async () => {
  const params = { job_id: randomUUID() }
  expectProblem(await platform.call('getFailedJob', { params, token: platform.tenant.tokens.viewer }), 'forbidden')
})

test('404: one that is not there, and one of another tenant, alike', async () => {
  const foreignId = await givenFailedJob(platform, await platform.createTenant())
  const [missing, foreign] = [await get(platform.tenant, randomUUID()), await get(platform.tenant, foreignId)]
  expectProblem(missing, 'not_found')
  expectProblem(foreign, 'not_found')
  expect(foreign.body.detail).toBe(missing.body.detail)
})

test('406: an answer that is not JSON', async () => {
  const params = { job_id: randomUUID() }
  expectProblem(await platform.call('getFailedJob', { params, headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test('422: no id', async () => {
  expectProblem(await get(platform.tenant, 'first'), 'validation_failed', ['/path/job_id'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'getFailedJob', { params: { job_id: randomUUID() } })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => get(platform.tenant, randomUUID()))
  expectProblem(answer, 'service_unavailable')
})
