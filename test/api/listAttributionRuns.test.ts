import { expect, onTestFinished, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { DAY, givenEditions } from '../support/editions.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'

const platform = usePlatform()
const query = { date: DAY }
const list = (tenant: TestTenant, filters: Record<string, string> = {}) =>
  platform.call('listAttributionRuns', { tenant, token: tenant.tokens.viewer, query: { ...query, ...filters } })

interface Run {
  run_id: string
  model: string
  edition: number
  version: number
  cause: string
  previous_run_id: string | null
  changes: { channel: string; revenue: { amount_minor: number } }[]
}

test('200: every run of a day, in all editions, with what it moved and why', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  const { status, body } = await list(tenant, { model: 'position' })
  expect(status).toBe(200)
  const runs: Run[] = body.items
  expect(runs.map(({ edition, version, cause }) => [edition, version, cause])).toEqual([
    [3, 1, 'edition'],
    [2, 2, 'data'],
    [2, 1, 'edition'],
    [1, 1, 'edition'],
  ])
  expect(runs.map(({ previous_run_id: previous }) => previous)).toEqual([
    ...runs.slice(1).map(({ run_id }) => run_id),
    null,
  ])
  expect(runs[1]?.changes).toMatchObject([{ channel: 'sms', revenue: { amount_minor: 500 } }])
  expect(body.next_cursor).toBeNull()
})

test('200: page by page, all models', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  const all: Run[] = (await list(tenant, { limit: '100' })).body.items
  const seen: Run[] = []
  let filters: Record<string, string> = { limit: '7' }
  for (;;) {
    const { body } = await list(tenant, filters)
    seen.push(...body.items)
    if (body.next_cursor === null) break
    filters = { limit: '7', cursor: body.next_cursor }
  }
  expect(seen).toEqual(all)
  expect(new Set(all.map(({ run_id }) => run_id)).size).toBe(all.length)
  expect(all.filter(({ edition, version }) => edition === 2 && version === 2)).toHaveLength(all.length / 4)
})

test('200: a day without orders has none', async () => {
  const { status, body } = await list(platform.tenant)
  expect(status).toBe(200)
  expect(body).toEqual({ items: [], next_cursor: null })
})

test('401: no token', async () => {
  expectProblem(await platform.call('listAttributionRuns', { query, token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('listAttributionRuns', { query, headers }), 'not_acceptable')
})

test.each([
  ['no day', { date: '' }, '/query/date'],
  ['a day before the year 1', { date: '0000-12-31' }, '/query/date'],
  ['a model that there is not', { model: 'magic' }, '/query/model'],
  ['a limit of 101', { limit: '101' }, '/query/limit'],
  ['a cursor of ours for nothing', { cursor: 'abc' }, '/query/cursor'],
])('422: %s', async (_, filters, pointer) => {
  expectProblem(await list(platform.tenant, filters), 'validation_failed', [pointer])
})

test('429: the quota is used up', async () => {
  await expectRateLimited(platform, 'listAttributionRuns', { query })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('listAttributionRuns', { query }))
  expectProblem(answer, 'service_unavailable')
})
