import { expect, onTestFinished, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { givenEditions } from '../support/editions.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'

const platform = usePlatform()
const list = (tenant: TestTenant, query: Record<string, string> = {}) =>
  platform.call('listAttributionEditions', { tenant, token: tenant.tokens.viewer, query })

test('200: the editions that figures were calculated by, and how each differs from the one before', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  // Given up before it was whole.
  await platform.query(
    `insert into attribution_editions (tenant_id, number, config, config_sha256, models)
     select tenant_id, 4, config, sha256('another'), models from attribution_editions where tenant_id = $1 and number = 3`,
    [tenant.tenantId],
  )
  await platform.query("update attribution_editions set status = 'superseded' where tenant_id = $1 and number = 4", [
    tenant.tenantId,
  ])
  const { status, body } = await list(tenant)
  expect(status).toBe(200)
  expect(body.next_cursor).toBeNull()
  const [fourth, third, second, first] = body.items
  expect(fourth).toMatchObject({ edition: 4, status: 'given_up', published_at: null, previous: 3, differences: [] })
  expect(fourth.superseded_at).not.toBeNull()
  expect(third).toMatchObject({ edition: 3, status: 'published', previous: 2, superseded_at: null })
  expect(third.differences).toEqual([
    { setting: 'lookback_days', before: '30', after: '7', text: 'lookback_days is 7; it was 30.' },
  ])
  expect(second).toMatchObject({ edition: 2, status: 'superseded', previous: 1 })
  expect(second.superseded_at).toBe(third.published_at)
  expect(second.differences.map(({ text }: { text: string }) => text)).toEqual([
    'attribution_settings_version is 2; it was 1.',
    'models.position.first is 1; it was 40.',
    'models.position.last is 3; it was 40.',
    'models.position.middle is 0; it was 20.',
  ])
  expect(first).toMatchObject({ edition: 1, status: 'superseded', previous: null, differences: [] })
  expect(first.superseded_at).toBe(second.published_at)

  const page = await list(tenant, { limit: '3' })
  expect(page.body.items).toEqual([fourth, third, second])
  const rest = await list(tenant, { limit: '3', cursor: page.body.next_cursor })
  expect(rest.body).toEqual({ items: [first], next_cursor: null })
})

test('200: a tenant without figures has none', async () => {
  const { status, body } = await list(await platform.createTenant())
  expect(status).toBe(200)
  expect(body).toEqual({ items: [], next_cursor: null })
})

test('401: no token', async () => {
  expectProblem(await platform.call('listAttributionEditions', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('listAttributionEditions', { headers }), 'not_acceptable')
})

test.each([
  ['a limit of 101', { limit: '101' }, '/query/limit'],
  ['a cursor of ours for nothing', { cursor: 'abc' }, '/query/cursor'],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await list(platform.tenant, query), 'validation_failed', [pointer])
})

test('429: the quota is used up', async () => {
  await expectRateLimited(platform, 'listAttributionEditions')
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('listAttributionEditions'))
  expectProblem(answer, 'service_unavailable')
})
