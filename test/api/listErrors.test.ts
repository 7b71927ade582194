import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { rotateTenantKey } from '../../src/tenants/rotate-keys.ts'
import { expectProblem } from '../support/answer.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { callAsAdmin } from '../support/tenants.ts'

const platform = usePlatform()

const list = (tenant: TestTenant, query: Record<string, string> = {}) =>
  callAsAdmin(platform, 'listErrors', { tenant, query })

/** Its message is unlike every other. */
async function givenError(
  tenant: TestTenant,
  { ageS = 0, release }: { ageS?: number; release?: string } = {},
): Promise<string> {
  const occurredAt = new Date(Date.now() - ageS * 1_000).toISOString()
  const body = { message: randomUUID(), occurred_at: occurredAt, ...(release && { release }) }
  const { status, text } = await platform.call('logError', { tenant, body })
  if (status !== 200) throw new Error(text)
  return body.message
}
const messagesOf = (body: { items: { message: string }[] }) => body.items.map(({ message }) => message)

test('200: the one seen last first, page by page, each once', async () => {
  const tenant = await platform.createTenant()
  const messages: string[] = []
  for (let ageS = 1; ageS <= 7; ageS += 1) messages.push(await givenError(tenant, { ageS }))
  const seen: string[] = []
  let query: Record<string, string> = { limit: '3' }
  for (;;) {
    const { status, body } = await list(tenant, query)
    expect(status).toBe(200)
    seen.push(...messagesOf(body))
    if (body.next_cursor === null) break
    query = { limit: '3', cursor: body.next_cursor }
  }
  expect(seen).toEqual(messages)
})

test('200: of one release, and since a time', async () => {
  const tenant = await platform.createTenant()
  const old = await givenError(tenant, { ageS: 7_200, release: '1.0.0' })
  const other = await givenError(tenant, { ageS: 10, release: '1.0.1' })
  const young = await givenError(tenant, { ageS: 5, release: '1.0.0' })
  const since = new Date(Date.now() - 3_600_000).toISOString()
  expect(messagesOf((await list(tenant, { release: '1.0.0' })).body)).toEqual([young, old])
  expect(messagesOf((await list(tenant, { since })).body)).toEqual([young, other])
  expect(messagesOf((await list(tenant, { since, release: '1.0.0' })).body)).toEqual([young])
  expect(messagesOf((await list(tenant, { release: '9.9.9' })).body)).toEqual([])
})

test('200: none of another tenant, and none beyond the retention', async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  const own = await givenError(tenant)
  await givenError(other)
  await givenError(tenant)
  await platform.query(
    `update browser_errors set first_seen_at = '2020-01-01', last_seen_at = '2020-01-01'
     where tenant_id = $1 and error_id <> (select error_id from browser_errors where tenant_id = $1
                                           order by last_seen_at limit 1)`,
    [tenant.tenantId],
  )
  expect(messagesOf((await list(tenant)).body)).toEqual([own])
})

test('200: those that were reported before the key of the tenant was rotated', async () => {
  const tenant = await platform.createTenant()
  const before = await givenError(tenant, { ageS: 10 })
  await rotateTenantKey(platform.admin, tenant.slug)
  const after = await givenError(tenant)
  expect(messagesOf((await list(tenant)).body)).toEqual([after, before])
})

test('401: no token', async () => {
  expectProblem(await platform.call('listErrors', { token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s', async (role) => {
  expectProblem(await platform.call('listErrors', { token: platform.tenant.tokens[role] }), 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await callAsAdmin(platform, 'listErrors', { headers: { accept: 'text/plain' } }), 'not_acceptable')
})

test.each([
  ['a limit of 0', { limit: '0' }, '/query/limit'],
  ['a limit of 101', { limit: '101' }, '/query/limit'],
  ['a time that is none', { since: 'yesterday' }, '/query/since'],
  ['a release with a space', { release: 'a b' }, '/query/release'],
  ['a cursor of nobody', { cursor: 'AAAA' }, '/query/cursor'],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await list(platform.tenant, query), 'validation_failed', [pointer])
})

test('422: a cursor of the list with other filters, or of another tenant', async () => {
  const tenant = await platform.createTenant()
  await givenError(tenant)
  await givenError(tenant)
  const { next_cursor: cursor } = (await list(tenant, { limit: '1' })).body
  expectProblem(await list(tenant, { cursor, release: '1.0.0' }), 'validation_failed', ['/query/cursor'])
  expectProblem(await list(await platform.createTenant(), { cursor }), 'validation_failed', ['/query/cursor'])
})

test('429: a tenant whose quota is used up', async () => {
  const tenant = await platform.createTenant()
  await expectRateLimited(platform, 'listErrors', { tenant, token: tenant.tokens.admin })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => callAsAdmin(platform, 'listErrors'))
  expectProblem(answer, 'service_unavailable')
})
