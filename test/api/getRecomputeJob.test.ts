import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { ATTRIBUTION_MODELS } from '../../src/attribution/models/registry.ts'
import { expectProblem, masked } from '../support/answer.ts'
import { DAY, daysAgo, deliverShopify, givenEndpoint, HOUR, shopifyOrder, toDay } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'
import { logIn } from '../support/sessions.ts'
import { untilIdle } from '../support/stored.ts'

const ORDER_LEVEL = ATTRIBUTION_MODELS.flatMap(({ name, level }) => (level === 'order' ? [name] : [])).sort()

const platform = usePlatform()
beforeAll(async () => {
  await platform.startWorker()
})

async function request(tenant: TestTenant, start: Date, end = start) {
  const body = { start_date: toDay(start), end_date: toDay(end) }
  // It is done while whoever asked for it is logged in.
  const { accessToken: token } = await logIn(platform, { email: tenant.email, password: tenant.password, tenant })
  const { status, body: job } = await platform.call('requestRecompute', { token, body })
  expect(status).toBe(202)
  return job
}

async function untilSucceeded(tenant: TestTenant, jobId: string) {
  const { body } = await until(
    () => platform.call('getRecomputeJob', { tenant, params: { job_id: jobId } }),
    (answer) => answer.body.status === 'succeeded',
  )
  return body
}

/** The hashes of a job's runs, by model. */
function hashesOf(job: { runs: { model: string; input_hash: string; output_hash: string }[] }) {
  return Object.fromEntries(job.runs.map(({ model, input_hash, output_hash }) => [model, [input_hash, output_hash]]))
}

test('200: the job is carried out, and shows a run of each model', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { tenant } = endpoint
  const day = daysAgo(3)
  const order = shopifyOrder({ total: '10.00', at: new Date(day.getTime() + HOUR) })
  await deliverShopify(platform, endpoint, order, { topic: 'orders/paid' })
  await untilIdle(platform)

  const { job_id } = await request(tenant, day)
  const job = await untilSucceeded(tenant, job_id)
  expect(job).toMatchObject({ job_id, run_count: 1, start_date: toDay(day), end_date: toDay(day) })
  expect(Date.parse(job.finished_at)).toBeGreaterThanOrEqual(Date.parse(job.requested_at))
  const window = { window_start: day.toISOString(), window_end: new Date(day.getTime() + DAY).toISOString() }
  const money = { orders: 1, net_revenue: [{ amount_minor: 1_000, currency: 'USD' }] }
  expect(job.runs.map(({ model }: { model: string }) => model).sort()).toEqual(ORDER_LEVEL)
  for (const run of job.runs) expect(run).toMatchObject({ ...window, ...money })

  // The same data give the same hashes, and a run that would say the same does not replace the one there is.
  const again = await request(tenant, day)
  expect(again.job_id).toBe(job_id)
  const repeated = await untilSucceeded(tenant, job_id)
  expect(repeated.run_count).toBe(2)
  expect(repeated.runs).toEqual(job.runs)

  const late = shopifyOrder({ total: '2.50', at: new Date(day.getTime() + 2 * HOUR) })
  await deliverShopify(platform, endpoint, late, { topic: 'orders/paid' })
  await untilIdle(platform)
  await request(tenant, day)
  const changed = await untilSucceeded(tenant, job_id)
  expect(changed.run_count).toBe(3)
  for (const run of changed.runs) {
    expect(run).toMatchObject({ ...window, orders: 2, net_revenue: [{ amount_minor: 1_250, currency: 'USD' }] })
    expect(hashesOf(job)[run.model]).not.toContain(run.input_hash)
    expect(hashesOf(job)[run.model]).not.toContain(run.output_hash)
  }
})

test('200: equal data of two tenants have equal hashes', async () => {
  const day = daysAgo(5)
  const order = shopifyOrder({ total: '10.00', at: day })
  const hashes = []
  for (const endpoint of [await givenEndpoint(platform, 'shopify'), await givenEndpoint(platform, 'shopify')]) {
    await deliverShopify(platform, endpoint, order, { topic: 'orders/paid' })
    await untilIdle(platform)
    const { job_id } = await request(endpoint.tenant, day)
    hashes.push(hashesOf(await untilSucceeded(endpoint.tenant, job_id)))
  }
  expect(Object.keys(hashes[0] ?? {})).toHaveLength(ORDER_LEVEL.length)
  expect(hashes[0]).toEqual(hashes[1])
})

test('200: days without orders have no runs', async () => {
  const tenant = await platform.createTenant()
  const { job_id } = await request(tenant, daysAgo(91), daysAgo(0))
  const job = await untilSucceeded(tenant, job_id)
  expect(job).toMatchObject({ run_count: 1, runs: [] })
})

test('200: the job id in any case', async () => {
  const tenant = await platform.createTenant()
  const { job_id } = await request(tenant, daysAgo(1))
  const { status, body } = await platform.call('getRecomputeJob', { tenant, params: { job_id: job_id.toUpperCase() } })
  expect(status).toBe(200)
  expect(body.job_id).toBe(job_id)
})

test('200: a viewer may look', async () => {
  const tenant = await platform.createTenant()
  const { job_id } = await request(tenant, daysAgo(1))
  const token = tenant.tokens.viewer
  expect((await platform.call('getRecomputeJob', { params: { job_id }, token })).status).toBe(200)
})

test('401: no token', async () => {
  const params = { job_id: randomUUID() }
  expectProblem(await platform.call('getRecomputeJob', { params, token: null }), 'unauthorized')
})

test("404: another tenant's job is answered like one that is not there", async () => {
  const [owner, stranger] = [await platform.createTenant(), await platform.createTenant()]
  const { job_id } = await request(owner, daysAgo(1))
  const foreign = await platform.call('getRecomputeJob', { tenant: stranger, params: { job_id } })
  const missing = await platform.call('getRecomputeJob', { tenant: stranger, params: { job_id: randomUUID() } })
  expectProblem(foreign, 'not_found')
  expect(masked(foreign)).toBe(masked(missing))
})

test('406: an answer that is not JSON', async () => {
  const answer = await platform.call('getRecomputeJob', {
    params: { job_id: randomUUID() },
    headers: { accept: 'text/csv' },
  })
  expectProblem(answer, 'not_acceptable')
})

test.each(['1', 'not-a-uuid', '00000000-0000-0000-0000-00000000000g', "' or true --", '\0', '%'])(
  '422: %j is no job id',
  async (job_id) => {
    const answer = await platform.call('getRecomputeJob', { params: { job_id } })
    expect(answer.status).toBe(422)
    expectProblem(answer, 'validation_failed')
  },
)

test('422: a query that nobody asked for', async () => {
  const answer = await platform.call('getRecomputeJob', { params: { job_id: randomUUID() }, query: { wait: '1' } })
  expectProblem(answer, 'validation_failed', ['/query/wait'])
})

test('429: the quota is used up, which comes before whatever is wrong with the request', async () => {
  await expectRateLimited(platform, 'getRecomputeJob', { params: { job_id: 'none' } })
})

test('503: the database is gone', async () => {
  const params = { job_id: randomUUID() }
  const answer = await platform.withoutDatabase(() => platform.call('getRecomputeJob', { params }))
  expectProblem(answer, 'service_unavailable')
})
