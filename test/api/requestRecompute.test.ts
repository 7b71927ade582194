import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { daysAgo, toDay } from '../support/given.ts'
import { describeIdempotency, expectInFlight, expectKeyReused, expectRateLimited } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { countStored } from '../support/stored.ts'

const platform = usePlatform()

const DAYS = { start_date: '2026-11-01', end_date: '2026-11-03' }

/** Another day each time. */
const makeBody = () => {
  made += 1
  const day = toDay(daysAgo(made))
  return { start_date: day, end_date: day }
}
let made = 0

test('202: a job, and where to ask for it', async () => {
  const tenant = await platform.createTenant()
  const { status, body, headers } = await platform.call('requestRecompute', { tenant, body: DAYS })
  expect(status).toBe(202)
  expect(headers.get('location')).toBe(`/api/attribution/recompute/${body.job_id}`)
  expect(body).toEqual({
    job_id: expect.any(String),
    status: 'queued',
    ...DAYS,
    run_count: 0,
    requested_at: expect.any(String),
    finished_at: null,
    runs: [],
  })
  const response = await fetch(`${platform.url}${headers.get('location')}`, {
    headers: { authorization: `Bearer ${tenant.tokens.viewer}` },
  })
  expect(await response.json()).toEqual(body)
  const jobs = await platform.query(`select data from pgboss.job where data ->> 'jobId' = $1`, [body.job_id])
  expect(jobs).toEqual([
    { data: expect.objectContaining({ job: 'attribution.run_recompute', tenantId: tenant.tenantId }) },
  ])
})

test('202: the same days again are the same job; other days, and those of another tenant, are others', async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  const ask = async (body: object, as = tenant) => (await platform.call('requestRecompute', { tenant: as, body })).body
  const first = await ask(DAYS)
  expect((await ask(DAYS)).job_id).toBe(first.job_id)
  expect((await ask({ ...DAYS, end_date: '2026-11-04' })).job_id).not.toBe(first.job_id)
  expect((await ask(DAYS, other)).job_id).not.toBe(first.job_id)
})

test('202: asked for ten times at once it is one job', async () => {
  const tenant = await platform.createTenant()
  const ask = () => platform.call('requestRecompute', { tenant, body: DAYS })
  const answers = await Promise.all(Array.from({ length: 10 }, ask))
  expect(answers.map(({ status }) => status)).toEqual(new Array(10).fill(202))
  expect(new Set(answers.map(({ body }) => body.job_id)).size).toBe(1)
})

test.each([
  ['one day', '2026-11-01', '2026-11-01'],
  ['92 days, the limit', '2026-08-01', '2026-10-31'],
  ['a leap day', '2028-02-29', '2028-02-29'],
])('202: %s', async (_, start_date, end_date) => {
  const { status, body } = await platform.call('requestRecompute', { body: { start_date, end_date } })
  expect(status).toBe(202)
  expect(body).toMatchObject({ start_date, end_date })
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await platform.call('requestRecompute', { body }), 'malformed_request')
})

test('401: no token', async () => {
  expectProblem(await platform.call('requestRecompute', { body: DAYS, token: null }), 'unauthorized')
})

test('403: a viewer, for whom nothing is queued', async () => {
  const before = await countStored(platform)
  const answer = await platform.call('requestRecompute', { body: DAYS, token: platform.tenant.tokens.viewer })
  expectProblem(answer, 'forbidden')
  expect(await countStored(platform)).toEqual(before)
})

test('406: an answer that is not JSON', async () => {
  const answer = await platform.call('requestRecompute', { body: DAYS, headers: { accept: 'text/csv' } })
  expectProblem(answer, 'not_acceptable')
})

test('409: a call with the same key is at work', async () => {
  await expectInFlight(platform, 'requestRecompute', { makeBody })
})

test('413: more than 1 MiB', async () => {
  expectProblem(await platform.call('requestRecompute', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify(DAYS))
  expectProblem(await platform.call('requestRecompute', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['the end before the start', { start_date: '2026-11-03', end_date: '2026-11-02' }, ['/body/end_date']],
  ['93 days', { start_date: '2026-08-01', end_date: '2026-11-01' }, ['/body/end_date']],
  ['a day that is none', { start_date: '2026-02-29', end_date: '2026-03-01' }, ['/body/start_date']],
  ['a time', { start_date: '2026-11-01T00:00:00Z', end_date: '2026-11-01' }, ['/body/start_date']],
  ['no end', { start_date: '2026-11-01' }, ['/body/end_date']],
  ['a number', { start_date: 20261101, end_date: '2026-11-01' }, ['/body/start_date']],
  ['a model, which nobody may choose', { ...DAYS, model: 'linear' }, ['/body/model']],
])('422: %s', async (_, body, pointers) => {
  const before = await countStored(platform)
  expectProblem(await platform.call('requestRecompute', { body }), 'validation_failed', pointers)
  expect(await countStored(platform)).toEqual(before)
})

test('422: a key that came with another request', async () => {
  await expectKeyReused(platform, 'requestRecompute', { makeBody })
})

test('429: the quota is used up, which comes before whatever is wrong with the request', async () => {
  await expectRateLimited(platform, 'requestRecompute', { body: '{' })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('requestRecompute', { body: DAYS }))
  expectProblem(answer, 'service_unavailable')
})

describeIdempotency(platform, 'requestRecompute', {
  makeBody,
  count: async () => (await platform.query('select from attribution_recompute_jobs')).length,
})
