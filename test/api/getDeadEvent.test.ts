import { createHash, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { CANARY } from '../support/canary.ts'
import { finishReplay, givenDead, send } from '../support/dead-events.ts'
import { givenEndpoint } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { simulate } from '../support/signed-deliveries.ts'

const platform = usePlatform()

const get = (tenant: TestTenant, deadEventId: string) =>
  platform.call('getDeadEvent', { tenant, params: { dead_event_id: deadEventId } })

test('200: the fault, the hash of what was signed, and the fields that were kept', async () => {
  const { tenant, deadEventId, delivery } = await givenDead(platform)
  const { status, body } = await get(tenant, deadEventId)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    dead_event_id: deadEventId,
    class: 'schema',
    code: 'bad_amount',
    status: 'pending',
    seen: 1,
    conflicts_with_event_id: null,
    body_sha256: createHash('sha256').update(delivery.body).digest('hex'),
    replays: [],
    resolution: null,
  })
  const payload = JSON.parse(body.payload)
  const sent = JSON.parse(delivery.body.toString())
  expect(payload.body.total_price).toBe(sent.total_price)
  expect(payload.body).not.toHaveProperty('customer')
  expect(body.payload).not.toContain('@')
})

test('200: of a body that could not be read nothing is shown, and nothing lies in clear', async () => {
  const { tenant, deadEventId, delivery } = await givenDead(platform, { spoiled: 'no end' })
  const { body, text } = await get(tenant, deadEventId)
  expect(body).toMatchObject({ class: 'malformed', code: 'syntax', payload: null, topic: 'orders/paid' })
  const [row] = await platform.query<{ sealed: Buffer }>(
    'select sealed_body as sealed from dead_event_bodies where dead_event_id = $1',
    [deadEventId],
  )
  expect(row?.sealed.length).toBeGreaterThan(delivery.body.length)
  expect(row?.sealed.includes('financial_status')).toBe(false)
  expect(text).not.toContain(CANARY)
})

test('200: a conflict names the event that has its id, before and after that is closed', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const { tenant } = endpoint
  const delivery = simulate('stripe', 'charge.succeeded')
  const first = await send(platform, endpoint, delivery)
  const other = {
    ...delivery,
    body: Buffer.from(delivery.body.toString().replace('"currency": "usd"', '"currency": "eur"')),
  }
  const { body: dead } = await send(platform, endpoint, other)
  expect(dead).toMatchObject({ result: 'dead', code: 'conflict' })
  const { body } = await get(tenant, dead.receipt_id)
  expect(body).toMatchObject({
    class: 'conflict',
    code: 'same_id_other_body',
    conflicts_with_event_id: first.body.receipt_id,
    status: 'pending',
  })
  const params = { dead_event_id: dead.receipt_id }
  await platform.call('resolveDeadEvent', { tenant, params, body: { status: 'resolved', note: 'A slip of the shop.' } })
  const closed = await get(tenant, dead.receipt_id)
  expect(closed.body).toMatchObject({
    status: 'resolved',
    conflicts_with_event_id: first.body.receipt_id,
    resolution: { resolved_by: tenant.userId, note: 'A slip of the shop.' },
  })
})

test('200: its replays, the newest first, at work and done', async ({ onTestFinished }) => {
  const { tenant, deadEventId } = await givenDead(platform, { spoiled: 'no currency' })
  const filter = { dead_event_ids: [deadEventId] }
  const replay = async () =>
    (await platform.call('replayDeadEvents', { tenant, body: { filter, dry_run: false } })).body.replay_id
  const first = await replay()
  const working = await get(tenant, deadEventId)
  const open = { outcome: null, code: null, event_id: null, finished_at: null, recipes: [] }
  expect(working.body).toMatchObject({ status: 'in_progress', replays: [{ replay_id: first, ...open }] })
  await finishReplay(platform, tenant, first, onTestFinished)
  const second = await replay()
  const { body } = await get(tenant, deadEventId)
  const done = { outcome: 'still_dead', code: 'missing_field', event_id: null, finished_at: expect.any(String) }
  expect(body).toMatchObject({
    status: 'in_progress',
    replays: [
      { replay_id: second, ...open },
      { replay_id: first, ...done },
    ],
  })
})

test('401: no token', async () => {
  const params = { dead_event_id: randomUUID() }
  expectProblem(await platform.call('getDeadEvent', { params, token: null }), 'unauthorized')
})

test('403: a viewer', async () => {
  const { tenant, deadEventId } = await givenDead(platform)
  const params = { dead_event_id: deadEventId }
  const answer = await platform.call('getDeadEvent', { tenant, params, token: tenant.tokens.viewer })
  expectProblem(answer, 'forbidden')
})

test('404: one that is not there, and one of another tenant, alike', async () => {
  const { deadEventId } = await givenDead(platform)
  const [missing, foreign] = [await get(platform.tenant, randomUUID()), await get(platform.tenant, deadEventId)]
  expectProblem(missing, 'not_found')
  expectProblem(foreign, 'not_found')
  expect(foreign.body.detail).toBe(missing.body.detail)
})

test('406: an answer that is not JSON', async () => {
  const params = { dead_event_id: randomUUID() }
  const answer = await platform.call('getDeadEvent', { params, headers: { accept: 'text/csv' } })
  expectProblem(answer, 'not_acceptable')
})

test('422: no id', async () => {
  expectProblem(await get(platform.tenant, 'first'), 'validation_failed', ['/path/dead_event_id'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'getDeadEvent', { params: { dead_event_id: randomUUID() } })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => get(platform.tenant, randomUUID()))
  expectProblem(answer, 'service_unavailable')
})
