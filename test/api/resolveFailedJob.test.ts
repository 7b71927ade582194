import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { givenFailedJob } from '../support/failed-jobs.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type CallOptions, type TestTenant, usePlatform } from '../support/platform.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const BODY = { status: 'resolved', note: 'The window was recomputed in two halves.' }

const resolve = (tenant: TestTenant, jobId: string, body: unknown = BODY, options: CallOptions = {}) =>
  platform.call('resolveFailedJob', { ...options, tenant, params: { job_id: jobId }, body })

const stateOf = async (jobId: string) =>
  (await platform.query('select status, note from worker_failed_jobs where job_id = $1', [jobId]))[0]

const given = async () => {
  const tenant = await platform.createTenant()
  return { tenant, jobId: await givenFailedJob(platform, tenant) }
}

test.each(['resolved', 'abandoned'])('200: %s, in the audit log too, and it is not run', async (how) => {
  const { tenant, jobId } = await given()
  const { status, body } = await resolve(tenant, jobId, { ...BODY, status: how })
  expect(status).toBe(200)
  expect(body).toMatchObject({ job_id: jobId, status: how, redrives: 0, redrivable: false })
  expect(await stateOf(jobId)).toEqual({ status: how, note: BODY.note })
  const entry = (await readAudit(platform, tenant)).at(-1)
  expect(entry).toMatchObject({ action: 'failed_job.closed', actorId: tenant.userId, targetId: jobId })
  const jobs = await platform.query(`select from pgboss.job where data ->> 'originId' = $1`, [jobId])
  expect(jobs).toHaveLength(0)
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await resolve(platform.tenant, randomUUID(), body), 'malformed_request')
})

test('401: no token', async () => {
  expectProblem(await resolve(platform.tenant, randomUUID(), BODY, { token: null }), 'unauthorized')
})

test('403: a viewer, for whom nothing is closed', async () => {
  const { tenant, jobId } = await given()
  expectProblem(await resolve(tenant, jobId, BODY, { token: tenant.tokens.viewer }), 'forbidden')
  expect(await stateOf(jobId)).toEqual({ status: 'pending', note: null })
})

test('404: one that is not there, and one of another tenant, which stays as it is', async () => {
  const { jobId } = await given()
  const [missing, foreign] = [await resolve(platform.tenant, randomUUID()), await resolve(platform.tenant, jobId)]
  expectProblem(missing, 'not_found')
  expectProblem(foreign, 'not_found')
  expect(foreign.body.detail).toBe(missing.body.detail)
  expect(await stateOf(jobId)).toEqual({ status: 'pending', note: null })
})

test('406: an answer that is not JSON', async () => {
  const { tenant, jobId } = await given()
  expectProblem(await resolve(tenant, jobId, BODY, { headers: { accept: 'text/csv' } }), 'not_acceptable')
  expect(await stateOf(jobId)).toEqual({ status: 'pending', note: null })
})

test('409: it is closed already: of ten at once one closes it, and the first word stands', async () => {
  const { tenant, jobId } = await given()
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => resolve(tenant, jobId, { ...BODY, note: `Note ${n}.` })),
  )
  const done = answers.findIndex(({ status }) => status === 200)
  for (const [n, answer] of answers.entries()) if (n !== done) expectProblem(answer, 'conflict')
  expect(await stateOf(jobId)).toEqual({ status: 'resolved', note: `Note ${done}.` })
})

test('409: it is being run again', async () => {
  const { tenant, jobId } = await given()
  await platform.call('redriveFailedJob', { tenant, params: { job_id: jobId } })
  expectProblem(await resolve(tenant, jobId), 'conflict')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await resolve(platform.tenant, randomUUID(), OVERSIZED), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify(BODY))
  expectProblem(await resolve(platform.tenant, randomUUID(), body, { headers }), 'unsupported_media_type')
})

test.each([
  ['no note', { status: 'resolved' }, ['/body/note']],
  ['an empty note', { ...BODY, note: '' }, ['/body/note']],
  ['a note that is too long', { ...BODY, note: 'a'.repeat(501) }, ['/body/note']],
  ['an address in the note', { ...BODY, note: 'Ask mira@shop.example.' }, ['/body/note']],
  ['open again', { ...BODY, status: 'pending' }, ['/body/status']],
])('422: %s', async (_, body, pointers) => {
  const { tenant, jobId } = await given()
  expectProblem(await resolve(tenant, jobId, body), 'validation_failed', pointers)
  expect(await stateOf(jobId)).toEqual({ status: 'pending', note: null })
})

test('422: no id', async () => {
  expectProblem(await resolve(platform.tenant, 'first'), 'validation_failed', ['/path/job_id'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'resolveFailedJob', { params: { job_id: randomUUID() }, body: BODY })
})

test('503: the database is gone, and nothing is closed', async () => {
  const { tenant, jobId } = await given()
  expectProblem(await platform.withoutDatabase(() => resolve(tenant, jobId)), 'service_unavailable')
  expect(await stateOf(jobId)).toEqual({ status: 'pending', note: null })
})
