import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { finishReplay, givenDead, readMoney, toChanges } from '../support/dead-events.ts'
import { MINUTE } from '../support/given.ts'
import { describeIdempotency, expectInFlight, expectKeyReused, expectRateLimited } from '../support/limits.ts'
import { type CallOptions, type TestTenant, usePlatform } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'
import { countStored } from '../support/stored.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const SHOPIFY = { vendor: 'shopify' }
const RUN = { filter: SHOPIFY, dry_run: false }

const ask = (tenant: TestTenant, body: unknown, options: CallOptions = {}) =>
  platform.call('replayDeadEvents', { ...options, tenant, body })

const runsOf = ({ tenantId }: TestTenant) =>
  platform.query<{ id: string }>('select replay_id as id from dead_event_replays where tenant_id = $1', [tenantId])

/** Three of a shop: two that a replay mends, one that stays dead. */
async function givenThree() {
  const first = await givenDead(platform)
  const { endpoint } = first
  const second = await givenDead(platform, { endpoint, spoiled: 'a byte order mark' })
  const third = await givenDead(platform, { endpoint, spoiled: 'no currency' })
  return { ...first, ids: [first, second, third].map(({ deadEventId }) => deadEventId) as [string, string, string] }
}

test('200: a dry run says what would change, to the cent, and changes nothing', async ({ onTestFinished }) => {
  const { tenant } = await givenThree()
  const before = await countStored(platform)
  const dry = await ask(tenant, { filter: SHOPIFY, dry_run: true })
  expect(dry.status).toBe(200)
  expect(dry.body).toEqual({
    replay_id: null,
    dry_run: true,
    status: 'succeeded',
    matched: 3,
    recovered: 2,
    duplicates: 0,
    still_dead: 1,
    revenue_changes: [
      {
        currency: 'USD',
        captured: { amount_minor: expect.any(Number), currency: 'USD' },
        refunded: { amount_minor: 0, currency: 'USD' },
        disputed: { amount_minor: 0, currency: 'USD' },
        net_revenue: { amount_minor: expect.any(Number), currency: 'USD' },
      },
    ],
  })
  expect(await countStored(platform)).toEqual(before)
  expect(await runsOf(tenant)).toEqual([])
  expect(await readAudit(platform, tenant)).not.toContainEqual(
    expect.objectContaining({ action: 'dead_event.replayed' }),
  )

  const money = await readMoney(platform, tenant)
  const run = await ask(tenant, RUN)
  await finishReplay(platform, tenant, run.body.replay_id, onTestFinished)
  expect(toChanges(money, await readMoney(platform, tenant))).toEqual(dry.body.revenue_changes)
})

test('200: nothing fits', async () => {
  const { tenant } = await givenDead(platform)
  const nothing = { matched: 0, recovered: 0, duplicates: 0, still_dead: 0, revenue_changes: [] }
  const after = new Date(Date.now() + MINUTE).toISOString()
  for (const filter of [{ vendor: 'stripe' }, { dead_event_ids: [randomUUID()] }, { since: after }]) {
    expect((await ask(tenant, { filter, dry_run: true })).body).toMatchObject(nothing)
  }
})

test('202: the run takes what fits, and where to see how far it is', async ({ onTestFinished }) => {
  const { tenant, ids } = await givenThree()
  const { status, body, headers } = await ask(tenant, RUN)
  expect(status).toBe(202)
  expect(body).toEqual({
    replay_id: expect.any(String),
    dry_run: false,
    status: 'queued',
    matched: 3,
    recovered: null,
    duplicates: null,
    still_dead: null,
    revenue_changes: null,
  })
  expect(headers.get('location')).toBe(`/api/dead-events?replay_id=${body.replay_id}`)
  const progress = async () => {
    const answer = await fetch(`${platform.url}${headers.get('location')}`, {
      headers: { authorization: `Bearer ${tenant.tokens.manager}` },
    })
    const { items } = (await answer.json()) as { items: { dead_event_id: string; status: string }[] }
    return Object.fromEntries(items.map((item) => [item.dead_event_id, item.status]))
  }
  expect(await progress()).toEqual(Object.fromEntries(ids.map((id) => [id, 'in_progress'])))
  await finishReplay(platform, tenant, body.replay_id, onTestFinished)
  expect(await progress()).toEqual({ [ids[0]]: 'resolved', [ids[1]]: 'resolved', [ids[2]]: 'pending' })
  const { body: mended } = await platform.call('getDeadEvent', { tenant, params: { dead_event_id: ids[0] } })
  expect(mended).toMatchObject({
    replays: [{ outcome: 'recovered', code: null, event_id: expect.any(String), recipes: ['trim_blanks@1'] }],
    resolution: { resolved_by: null, note: null },
  })
  const entry = (await readAudit(platform, tenant)).find(({ action }) => action === 'dead_event.replayed')
  expect(entry).toMatchObject({ actorId: tenant.userId, targetKind: 'replay', targetId: body.replay_id })
  expect(entry?.changes).toContainEqual({ pointer: '/matched', before: null, after: '3' })
})

test('202: every member of the filter counts; those that are taken already are passed over', async () => {
  const { tenant, ids } = await givenThree()
  const take = async (filter: object) => (await ask(tenant, { filter, dry_run: false })).body.matched
  expect(await take({ code: 'bad_amount', class: 'malformed' })).toBe(0)
  expect(await take({ code: 'bad_amount', since: '2026-01-01T00:00:00Z', dead_event_ids: ids })).toBe(1)
  expect(await take({ dead_event_ids: ids, until: '2026-01-01T00:00:00Z' })).toBe(0)
  expect(await take({ dead_event_ids: [...ids, randomUUID()] })).toBe(2)
  expect(await take(SHOPIFY)).toBe(0)
})

test('202: of ten runs at once each dead event is taken by one', async () => {
  const { tenant } = await givenThree()
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(tenant, RUN)))
  expect(answers.map(({ status }) => status)).toEqual(new Array(10).fill(202))
  expect(answers.reduce((sum, { body }) => sum + body.matched, 0)).toBe(3)
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await ask(platform.tenant, body), 'malformed_request')
})

test('401: no token', async () => {
  expectProblem(await ask(platform.tenant, RUN, { token: null }), 'unauthorized')
})

test('403: a viewer, for whom nothing is taken', async () => {
  const { tenant } = await givenDead(platform)
  expectProblem(await ask(tenant, RUN, { token: tenant.tokens.viewer }), 'forbidden')
  expect(await runsOf(tenant)).toEqual([])
})

test('406: an answer that is not JSON', async () => {
  const answer = await ask(platform.tenant, RUN, { headers: { accept: 'text/csv' } })
  expectProblem(answer, 'not_acceptable')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await ask(platform.tenant, OVERSIZED), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify(RUN))
  expectProblem(await ask(platform.tenant, body, { headers }), 'unsupported_media_type')
})

test.each([
  ['everything', {}, ['/body/filter']],
  ['no ids', { dead_event_ids: [] }, ['/body/filter/dead_event_ids']],
  ['no id', { dead_event_ids: ['first'] }, ['/body/filter/dead_event_ids/0']],
  ['an unknown member', { ...SHOPIFY, status: 'resolved' }, ['/body/filter/status']],
  ['an unknown class', { class: 'odd' }, ['/body/filter/class']],
  [
    'a span that ends before it begins',
    { since: '2026-11-02T00:00:00Z', until: '2026-11-01T00:00:00Z' },
    ['/body/filter/until'],
  ],
])('422: %s', async (_, filter, pointers) => {
  for (const dry_run of [true, false]) {
    expectProblem(await ask(platform.tenant, { filter, dry_run }), 'validation_failed', pointers as string[])
  }
})

test('422: whether it is a dry run must be said', async () => {
  expectProblem(await ask(platform.tenant, { filter: SHOPIFY }), 'validation_failed', ['/body/dry_run'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'replayDeadEvents', { body: RUN })
})

test('429: another dry run of the tenant is at work; those of other tenants are not', async ({ onTestFinished }) => {
  const [{ tenant }, other] = [await givenDead(platform), await givenDead(platform)]
  const blocker = await connectAs(platform.database, 'admin', onTestFinished)
  await blocker.query("select pg_advisory_lock(hashtextextended('replay-preview/' || $1, 0))", [tenant.tenantId])
  const answer = await ask(tenant, { filter: SHOPIFY, dry_run: true })
  expectProblem(answer, 'rate_limited')
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect((await ask(other.tenant, { filter: SHOPIFY, dry_run: true })).status).toBe(200)
  await blocker.query('select pg_advisory_unlock_all()')
  expect((await ask(tenant, { filter: SHOPIFY, dry_run: true })).status).toBe(200)
})

let made = 0
const keyed = {
  makeBody: () => ({ filter: { code: `none_${made++}` }, dry_run: false }),
}
describeIdempotency(platform, 'replayDeadEvents', {
  ...keyed,
  count: async () => (await platform.query('select from dead_event_replays')).length,
})

test('409: a request with the same Idempotency-Key is at work', async () => {
  await expectInFlight(platform, 'replayDeadEvents', keyed)
})

test('422: the Idempotency-Key came with another request before', async () => {
  await expectKeyReused(platform, 'replayDeadEvents', keyed)
})

test('200: a dry run with an Idempotency-Key gives the stored answer again', async () => {
  const { tenant } = await givenDead(platform)
  const headers = { 'idempotency-key': randomUUID() }
  const first = await ask(tenant, { filter: SHOPIFY, dry_run: true }, { headers })
  expect(first.body).toMatchObject({ matched: 1, recovered: 1 })
  const again = await ask(tenant, { filter: SHOPIFY, dry_run: true }, { headers })
  expect(again.text).toBe(first.text)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
})

test('503: the database is gone, and nothing is taken', async () => {
  const { tenant } = await givenDead(platform)
  for (const dry_run of [true, false]) {
    const answer = await platform.withoutDatabase(() => ask(tenant, { filter: SHOPIFY, dry_run }))
    expectProblem(answer, 'service_unavailable')
  }
  expect(await runsOf(tenant)).toEqual([])
})
