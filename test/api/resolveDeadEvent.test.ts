import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { finishReplay, givenDead, send } from '../support/dead-events.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type CallOptions, type TestTenant, usePlatform } from '../support/platform.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const BODY = { status: 'resolved', note: 'The shop sent it again.' }

const resolve = (tenant: TestTenant, deadEventId: string, body: unknown = BODY, options: CallOptions = {}) =>
  platform.call('resolveDeadEvent', { ...options, tenant, params: { dead_event_id: deadEventId }, body })

const statesOf = ({ tenantId }: TestTenant) =>
  platform.query<{ status: string; note: string | null }>(
    'select status, note from dead_event_states where tenant_id = $1',
    [tenantId],
  )

test.each(['resolved', 'abandoned'])('200: %s, with who closed it, when and why, in the audit log too', async (how) => {
  const { tenant, deadEventId } = await givenDead(platform)
  const { status, body } = await resolve(tenant, deadEventId, { ...BODY, status: how })
  expect(status).toBe(200)
  expect(body).toMatchObject({ dead_event_id: deadEventId, status: how, replays: 0, replay_id: null })
  const { body: read } = await platform.call('getDeadEvent', { tenant, params: { dead_event_id: deadEventId } })
  expect(read.status).toBe(how)
  expect(read.resolution).toEqual({ resolved_at: expect.any(String), resolved_by: tenant.userId, note: BODY.note })
  expect(Math.abs(Date.parse(read.resolution.resolved_at) - Date.now())).toBeLessThan(60_000)
  const entry = (await readAudit(platform, tenant)).at(-1)
  expect(entry).toMatchObject({ action: 'dead_event.closed', actorId: tenant.userId, targetId: deadEventId })
})

test('200: it stays closed: no replay takes it, and a repeat of the delivery is only counted', async () => {
  const { tenant, endpoint, deadEventId, delivery } = await givenDead(platform)
  await resolve(tenant, deadEventId)
  const filter = { dead_event_ids: [deadEventId] }
  for (const dry_run of [true, false]) {
    const { body } = await platform.call('replayDeadEvents', { tenant, body: { filter, dry_run } })
    expect(body.matched).toBe(0)
  }
  expect((await send(platform, endpoint, delivery)).body.receipt_id).toBe(deadEventId)
  const { body } = await platform.call('listDeadEvents', { tenant })
  expect(body.items).toMatchObject([{ status: 'resolved', seen: 2 }])
})

test('200: after a replay in vain', async ({ onTestFinished }) => {
  const { tenant, deadEventId } = await givenDead(platform, { spoiled: 'no currency' })
  const request = { filter: { code: 'missing_field' }, dry_run: false }
  const { body: replay } = await platform.call('replayDeadEvents', { tenant, body: request })
  await finishReplay(platform, tenant, replay.replay_id, onTestFinished)
  const { status, body } = await resolve(tenant, deadEventId)
  expect(status).toBe(200)
  expect(body).toMatchObject({ status: 'resolved', replays: 1, replay_id: replay.replay_id })
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await resolve(platform.tenant, randomUUID(), body), 'malformed_request')
})

test('401: no token', async () => {
  expectProblem(await resolve(platform.tenant, randomUUID(), BODY, { token: null }), 'unauthorized')
})

test('403: a viewer, for whom nothing is closed', async () => {
  const { tenant, deadEventId } = await givenDead(platform)
  expectProblem(await resolve(tenant, deadEventId, BODY, { token: tenant.tokens.viewer }), 'forbidden')
  expect(await statesOf(tenant)).toEqual([])
})

test('404: one that is not there, and one of another tenant, which stays as it is', async () => {
  const { tenant, deadEventId } = await givenDead(platform)
  const [missing, foreign] = [await resolve(platform.tenant, randomUUID()), await resolve(platform.tenant, deadEventId)]
  expectProblem(missing, 'not_found')
  expectProblem(foreign, 'not_found')
  expect(foreign.body.detail).toBe(missing.body.detail)
  expect(await statesOf(tenant)).toEqual([])
})

test('406: an answer that is not JSON', async () => {
  const { tenant, deadEventId } = await givenDead(platform)
  expectProblem(await resolve(tenant, deadEventId, BODY, { headers: { accept: 'text/csv' } }), 'not_acceptable')
  expect(await statesOf(tenant)).toEqual([])
})

test('409: it is closed already: of ten at once one closes it, and the first word stands', async () => {
  const { tenant, deadEventId } = await givenDead(platform)
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => resolve(tenant, deadEventId, { ...BODY, note: `Note ${n}.` })),
  )
  const done = answers.findIndex(({ status }) => status === 200)
  for (const [n, answer] of answers.entries()) if (n !== done) expectProblem(answer, 'conflict')
  expect(await statesOf(tenant)).toEqual([{ status: 'resolved', note: `Note ${done}.` }])
  const closings = (await readAudit(platform, tenant)).filter(({ action }) => action === 'dead_event.closed')
  expect(closings).toHaveLength(1)
})

test('409: a replay is at work on it', async () => {
  const { tenant, deadEventId } = await givenDead(platform)
  await platform.call('replayDeadEvents', { tenant, body: { filter: { vendor: 'shopify' }, dry_run: false } })
  const answer = await resolve(tenant, deadEventId)
  expectProblem(answer, 'conflict')
  expect(answer.body.detail).toContain('replay')
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
  const { tenant, deadEventId } = await givenDead(platform)
  expectProblem(await resolve(tenant, deadEventId, body), 'validation_failed', pointers)
  expect(await statesOf(tenant)).toEqual([])
})

test('422: no id', async () => {
  expectProblem(await resolve(platform.tenant, 'first'), 'validation_failed', ['/path/dead_event_id'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'resolveDeadEvent', { params: { dead_event_id: randomUUID() }, body: BODY })
})

test('503: the database is gone, and nothing is closed', async () => {
  const { tenant, deadEventId } = await givenDead(platform)
  const answer = await platform.withoutDatabase(() => resolve(tenant, deadEventId))
  expectProblem(answer, 'service_unavailable')
  expect(await statesOf(tenant)).toEqual([])
})
