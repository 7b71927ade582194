import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { givenFailedJob } from '../support/failed-jobs.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const list = (tenant: TestTenant, query: Record<string, string> = {}) =>
  platform.call('listFailedJobs', { tenant, query })
const idsOf = (body: { items: { job_id: string }[] }) => body.items.map((item) => item.job_id)

test('200: what failed, how often and why', async () => {
  const tenant = await platform.createTenant()
  const jobId = await givenFailedJob(platform, tenant)
  const { status, body } = await list(tenant)
  expect(status).toBe(200)
  expect(body).toEqual({
    items: [
      {
        job_id: jobId,
        queue: 'attribution',
        task: 'attribution.run_recompute',
        status: 'pending',
        failure_class: 'database',
        message: 'The connection to the database was lost.',
        attempts: 2,
        redrives: 0,
        redrivable: true,
        first_failed_at: expect.any(String),
        last_failed_at: expect.any(String),
        correlation_id: expect.any(String),
      },
    ],
    next_cursor: null,
  })
  const [item] = body.items
  expect(Date.parse(item.last_failed_at)).toBeGreaterThan(Date.parse(item.first_failed_at))
})

test('200: the newest first, page by page, those of the same microsecond too; none of another tenant', async () => {
  const tenant = await platform.createTenant()
  const made: string[] = []
  for (let n = 0; n < 5; n += 1) made.push(await givenFailedJob(platform, tenant, { failedAgo: n + 1 }))
  await givenFailedJob(platform, await platform.createTenant())
  await platform.query(
    `update worker_failed_jobs set first_failed_at = '2026-11-01', last_failed_at = '2026-11-01T00:00:00.123456Z' where job_id = any ($1)`,
    [made.slice(2)],
  )
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body }: Awaited<ReturnType<typeof list>> = await list(tenant, { limit: '2', ...(cursor && { cursor }) })
    seen.push(...idsOf(body))
    cursor = body.next_cursor
  }
  expect(seen).toEqual([...made.slice(0, 2), ...made.slice(2).sort().reverse()])
})

test('200: by state and queue; what cannot be run again says so', async () => {
  const tenant = await platform.createTenant()
  const old = await givenFailedJob(platform, tenant, { status: 'abandoned', failedAgo: 3 })
  const webhook = await givenFailedJob(platform, tenant, { queue: 'webhook', isRedacted: true, failedAgo: 2 })
  const find = async (query: Record<string, string>) => (await list(tenant, query)).body.items
  expect(await find({ status: 'abandoned' })).toMatchObject([{ job_id: old, redrivable: false }])
  expect(await find({ queue: 'webhook' })).toMatchObject([{ job_id: webhook, redrivable: false }])
  expect(await find({ queue: 'webhook', status: 'abandoned' })).toEqual([])
})

test('401: no token', async () => {
  expectProblem(await platform.call('listFailedJobs', { token: null }), 'unauthorized')
})

test('403: a viewer', async () => {
  expectProblem(await platform.call('listFailedJobs', { token: platform.tenant.tokens.viewer }), 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('listFailedJobs', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test.each([
  ['no items', { limit: '0' }, ['/query/limit']],
  ['no cursor of ours', { cursor: 'eyJhIjoiMjAyNiJ9' }, ['/query/cursor']],
  ['an unknown state', { status: 'open' }, ['/query/status']],
  ['no queue of ours', { queue: 'celery' }, ['/query/queue']],
])('422: %s', async (_, query, pointers) => {
  expectProblem(await list(platform.tenant, query as Record<string, string>), 'validation_failed', pointers)
})

test('422: the cursor of other filters', async () => {
  const tenant = await platform.createTenant()
  await givenFailedJob(platform, tenant)
  await givenFailedJob(platform, tenant)
  const { body } = await list(tenant, { limit: '1' })
  const answer = await list(tenant, { limit: '1', status: 'pending', cursor: body.next_cursor })
  expectProblem(answer, 'validation_failed', ['/query/cursor'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'listFailedJobs')
})

test('503: the database is gone', async () => {
  expectProblem(await platform.withoutDatabase(() => platform.call('listFailedJobs')), 'service_unavailable')
})
