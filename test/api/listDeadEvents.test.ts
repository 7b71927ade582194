import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { givenDead, send } from '../support/dead-events.ts'
import { givenEndpoint, MINUTE } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const list = (tenant: TestTenant, query: Record<string, string> = {}) =>
  platform.call('listDeadEvents', { tenant, query })
const idsOf = (body: { items: { dead_event_id: string }[] }) => body.items.map((item) => item.dead_event_id)

test('200: what is wrong with a delivery and how often it came, without anything of its body', async () => {
  const { tenant, endpoint, deadEventId, delivery } = await givenDead(platform)
  const again = await send(platform, endpoint, delivery)
  expect(again.body.receipt_id).toBe(deadEventId)
  const { status, body, text } = await list(tenant)
  expect(status).toBe(200)
  expect(body.next_cursor).toBeNull()
  expect(body.items).toEqual([
    {
      dead_event_id: deadEventId,
      vendor: 'shopify',
      endpoint_id: endpoint.endpointId,
      external_id: delivery.headers['X-Shopify-Webhook-Id'],
      topic: 'orders/paid',
      class: 'schema',
      code: 'bad_amount',
      detail: expect.stringContaining('The field /'),
      status: 'pending',
      replays: 0,
      replay_id: null,
      received_at: expect.any(String),
      first_seen_at: expect.any(String),
      last_seen_at: expect.any(String),
      seen: 2,
      correlation_id: expect.any(String),
    },
  ])
  const [item] = body.items
  expect(item.first_seen_at).toBe(item.received_at)
  expect(Date.parse(item.last_seen_at)).toBeGreaterThan(Date.parse(item.first_seen_at))
  expect(item.correlation_id).not.toBe(again.headers.get('x-correlation-id'))
  expect(text).not.toContain('financial_status')
})

test('200: the newest first, page by page, those of the same microsecond too; none of another tenant', async () => {
  const { tenant, endpoint, deadEventId } = await givenDead(platform)
  const made = [deadEventId]
  for (let n = 0; n < 4; n += 1) made.push((await givenDead(platform, { endpoint })).deadEventId)
  await givenDead(platform)
  await platform.query('alter table dead_events disable trigger user')
  await platform.query(
    `update dead_events set received_at = '2026-11-01T00:00:00.123456Z' where dead_event_id = any ($1)`,
    [made.slice(0, 3)],
  )
  await platform.query('alter table dead_events enable trigger user')
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const { body } = await list(tenant, { limit: '2', ...(cursor !== undefined && { cursor }) })
    seen.push(...idsOf(body))
    cursor = body.next_cursor ?? undefined
  } while (cursor !== undefined)
  expect(seen.slice(0, 2)).toEqual([made[4], made[3]])
  expect(seen.toSorted()).toEqual(made.toSorted())
})

test('200: those that fit every filter', async () => {
  const bad = await givenDead(platform)
  const { tenant, endpoint } = bad
  const cut = await givenDead(platform, { endpoint, spoiled: 'no end' })
  const closed = await givenDead(platform, { endpoint, spoiled: 'no currency' })
  const params = { dead_event_id: closed.deadEventId }
  await platform.call('resolveDeadEvent', { tenant, params, body: { status: 'abandoned', note: 'A test.' } })
  const filter = { dead_event_ids: [cut.deadEventId] }
  const replay = await platform.call('replayDeadEvents', { tenant, body: { filter, dry_run: false } })
  const find = async (query: Record<string, string>) => idsOf((await list(tenant, query)).body).toSorted()
  const all = [bad, cut, closed].map(({ deadEventId }) => deadEventId).toSorted()
  const after = new Date(Date.now() + MINUTE).toISOString()
  expect(await find({ vendor: 'shopify' })).toEqual(all)
  expect(await find({ vendor: 'stripe' })).toEqual([])
  expect(await find({ class: 'malformed' })).toEqual([cut.deadEventId])
  expect(await find({ code: 'bad_amount' })).toEqual([bad.deadEventId])
  expect(await find({ code: 'bad_amount', class: 'malformed' })).toEqual([])
  expect(await find({ status: 'pending' })).toEqual([bad.deadEventId])
  expect(await find({ status: 'abandoned' })).toEqual([closed.deadEventId])
  expect(await find({ status: 'in_progress' })).toEqual([cut.deadEventId])
  expect(await find({ replay_id: replay.body.replay_id })).toEqual([cut.deadEventId])
  expect(await find({ replay_id: randomUUID() })).toEqual([])
  expect(await find({ since: '2026-01-01T00:00:00Z' })).toEqual(all)
  expect(await find({ since: after })).toEqual([])
})

test('401: no token', async () => {
  expectProblem(await platform.call('listDeadEvents', { token: null }), 'unauthorized')
})

test('403: a viewer', async () => {
  const { viewer } = platform.tenant.tokens
  expectProblem(await platform.call('listDeadEvents', { token: viewer }), 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('listDeadEvents', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test.each([
  ['no items', { limit: '0' }, ['/query/limit']],
  ['no cursor of ours', { cursor: 'eyJhIjoiMjAyNiJ9' }, ['/query/cursor']],
  ['an unknown class', { class: 'odd' }, ['/query/class']],
  ['no code', { code: 'Bad Amount' }, ['/query/code']],
  ['no time', { since: 'yesterday' }, ['/query/since']],
  ['no replay', { replay_id: '1' }, ['/query/replay_id']],
])('422: %s', async (_, query, pointers) => {
  expectProblem(await list(platform.tenant, query as Record<string, string>), 'validation_failed', pointers)
})

test('422: the cursor of other filters', async () => {
  const { tenant, endpoint } = await givenDead(platform)
  await givenDead(platform, { endpoint })
  const { body } = await list(tenant, { limit: '1' })
  const answer = await list(tenant, { limit: '1', code: 'bad_amount', cursor: body.next_cursor })
  expectProblem(answer, 'validation_failed', ['/query/cursor'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'listDeadEvents')
})

test('503: the database is gone', async () => {
  await givenEndpoint(platform, 'shopify')
  const answer = await platform.withoutDatabase(() => platform.call('listDeadEvents'))
  expectProblem(answer, 'service_unavailable')
})
