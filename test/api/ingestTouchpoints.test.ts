import { randomBytes, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { DAY, daysAgo, givenApiKey, MINUTE, toDay, ulid } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type Answer, startPlatform, usePlatform } from '../support/platform.ts'
import { countStored, listTablesHolding } from '../support/stored.ts'

const platform = usePlatform()

function touch(change: Record<string, unknown> = {}) {
  return {
    event_id: randomUUID(),
    visitor_id: ulid(),
    session_id: ulid(),
    occurred_at: new Date(Date.now() - 5 * MINUTE).toISOString(),
    channel: 'paid_search',
    source: 'google',
    medium: 'cpc',
    campaign: 'autumn-jackets',
    ...change,
  }
}

const send = (...touchpoints: unknown[]) => platform.call('ingestTouchpoints', { body: { touchpoints } })

test('200: a new one is accepted, and its publication queued in the same transaction', async () => {
  const tenant = await platform.createTenant()
  const item = touch()
  const { status, body } = await platform.call('ingestTouchpoints', { tenant, body: { touchpoints: [item] } })
  expect(status).toBe(200)
  expect(body).toEqual({
    accepted: 1,
    duplicates: 0,
    rejected: 0,
    results: [{ event_id: item.event_id, result: 'accepted', code: null }],
  })
  const jobs = await platform.query<{ data: object }>(`select data from pgboss.job where data ->> 'tenantId' = $1`, [
    tenant.tenantId,
  ])
  expect(jobs.map(({ data }) => data)).toEqual([
    expect.objectContaining({ job: 'attribution.recompute_touched', tenantId: tenant.tenantId }),
  ])
  const changes = await platform.query<{ from: Date; until: Date }>(
    'select from_at as "from", until_at as until from attribution_changes where tenant_id = $1',
    [tenant.tenantId],
  )
  expect(changes).toEqual([{ from: new Date(item.occurred_at), until: new Date(item.occurred_at) }])
})

test('200: a repeat is a duplicate, now and later, and queues nothing', async () => {
  const item = touch()
  await send(item)
  const before = await countStored(platform)
  for (const _ of [1, 2]) {
    const { body } = await send(item)
    expect(body).toMatchObject({ accepted: 0, duplicates: 1, results: [{ result: 'duplicate', code: null }] })
  }
  expect(await countStored(platform)).toEqual(before)
})

test.each([
  ['visitor_id', ulid()],
  ['session_id', ulid()],
  ['occurred_at', new Date(Date.now() - DAY).toISOString()],
  ['channel', 'email'],
  ['source', 'bing'],
  ['campaign', undefined],
])('200: other content under the same id is a conflict, also of %s; the first stands', async (member, value) => {
  const item = touch()
  await send(item)
  const { body } = await send({ ...item, [member]: value })
  expect(body).toMatchObject({
    rejected: 1,
    results: [{ event_id: item.event_id, result: 'rejected', code: 'conflict' }],
  })
  expect((await send(item)).body.results).toEqual([{ event_id: item.event_id, result: 'duplicate', code: null }])
})

test('200: the same time written otherwise is no conflict', async () => {
  const day = toDay(daysAgo(2))
  const item = touch({ occurred_at: `${day}T10:00:00Z` })
  await send(item)
  const { body } = await send({ ...item, occurred_at: `${day}T12:00:00.000+02:00` })
  expect(body.duplicates).toBe(1)
})

test('200: one batch holds one of each, answered in order', async () => {
  const [known, twice, changed] = [touch(), touch(), touch()]
  await send(known)
  const { body } = await send(
    touch({ event_id: 'future', occurred_at: new Date(Date.now() + 6 * MINUTE).toISOString() }),
    twice,
    known,
    twice,
    changed,
    { ...changed, channel: 'email' },
    touch({ event_id: 'old', occurred_at: new Date(Date.now() - 731 * DAY).toISOString() }),
    touch({ event_id: 'personal', campaign: 'for ada.buyer@example.com' }),
    touch({ event_id: 'unseen', campaign: 'a\ufeff@b.example' }),
  )
  const result = (event_id: string, name: string, code: string | null = null) => ({ event_id, result: name, code })
  expect(body).toEqual({
    accepted: 2,
    duplicates: 2,
    rejected: 5,
    results: [
      result('future', 'rejected', 'occurred_in_future'),
      result(twice.event_id, 'accepted'),
      result(known.event_id, 'duplicate'),
      result(twice.event_id, 'duplicate'),
      result(changed.event_id, 'accepted'),
      result(changed.event_id, 'rejected', 'conflict'),
      result('old', 'rejected', 'occurred_too_long_ago'),
      result('personal', 'rejected', 'personal_data'),
      result('unseen', 'rejected', 'personal_data'),
    ],
  })
})

test('200: no hash that is stored can be made without a key of the tenant', async () => {
  const item = touch()
  const stored = async () => {
    const tenant = await platform.createTenant()
    await platform.call('ingestTouchpoints', { tenant, body: { touchpoints: [item] } })
    const rows = await platform.query<Record<string, Buffer>>(
      'select identity, session, item_sha256 from touchpoints where tenant_id = $1',
      [tenant.tenantId],
    )
    return Object.values(rows[0] ?? {}).map((hash) => hash.toString('hex'))
  }
  const hashes = [...(await stored()), ...(await stored())]
  expect([hashes.length, new Set(hashes).size]).toEqual([6, 6])
})

test('200: times up to five minutes ahead and two years back are taken', async () => {
  const now = Date.now()
  const ahead = touch({ occurred_at: new Date(now + 4 * MINUTE).toISOString() })
  const back = touch({ occurred_at: new Date(now - 729 * DAY).toISOString() })
  expect((await send(ahead, back)).body.accepted).toBe(2)
})

test.each(['source', 'medium', 'campaign'])(
  '200: an e-mail address in %s is rejected and stored nowhere',
  async (member) => {
    const name = `canary-${randomUUID()}`
    const { body } = await send(touch({ [member]: `newsletter ${name}@example.com` }))
    expect(body.results[0]).toMatchObject({ result: 'rejected', code: 'personal_data' })
    expect(await listTablesHolding(platform, name)).toEqual([])
  },
)

test('200: an e-mail address as part of a URL is one too', async () => {
  const { body } = await send(touch({ source: 'https://news.example/?to=ada.buyer%40example.com' }))
  expect(body.results[0].code).toBe('personal_data')
})

test('200: a rejected one is not stored, and may come again when it is mended', async () => {
  const item = touch({ campaign: 'ada@example.com' })
  await send(item)
  expect((await send({ ...item, campaign: 'newsletter' })).body.accepted).toBe(1)
})

test('200: neither visitor nor session is stored in clear', async () => {
  const item = touch({ event_id: `seen-${randomUUID()}` })
  expect((await send(item)).body.accepted).toBe(1)
  expect(await listTablesHolding(platform, item.event_id)).toEqual(['public.touchpoints'])
  expect(await listTablesHolding(platform, item.visitor_id)).toEqual([])
  expect(await listTablesHolding(platform, item.session_id)).toEqual([])
})

test('200: one visitor of two tenants has two identities', async () => {
  const item = touch()
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  for (const tenant of [one, other]) {
    const { body } = await platform.call('ingestTouchpoints', { tenant, body: { touchpoints: [item] } })
    expect(body.accepted).toBe(1)
  }
  const rows = await platform.query<{ identity: string }>(
    `select distinct encode(identity, 'hex') as identity from touchpoints where tenant_id = any ($1)`,
    [[one.tenantId, other.tenantId]],
  )
  expect(rows).toHaveLength(2)
})

test('200: 500 at once; and the same from two senders, each in its own order, are stored once', async () => {
  const items = Array.from({ length: 500 }, () => touch())
  const answers = await Promise.all([send(...items), send(...items.toReversed()), send(...items)])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(answers.reduce((sum, { body }) => sum + body.accepted, 0)).toBe(500)
  expect(answers.reduce((sum, { body }) => sum + body.duplicates, 0)).toBe(1_000)
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await platform.call('ingestTouchpoints', { body }), 'malformed_request')
})

test.each(['\\u0000', '\\udc00'])('400: text that cannot be stored (%s), of the whole batch', async (escaped) => {
  const before = await countStored(platform)
  const [good, bad] = [JSON.stringify(touch()), JSON.stringify(touch({ campaign: 'BAD' })).replace('BAD', escaped)]
  expectProblem(
    await platform.call('ingestTouchpoints', { body: `{"touchpoints":[${good},${bad}]}` }),
    'malformed_request',
  )
  expect(await countStored(platform)).toEqual(before)
})

test('401: whatever is wrong with a key, the answer is one and the same', async () => {
  const { tenant } = platform
  const keys = {
    unknown: `skd_${'A'.repeat(43)}`,
    malformed: 'not-a-key',
    truncated: tenant.apiKey.slice(0, -1),
    'in another case': tenant.apiKey.toUpperCase(),
    revoked: await givenApiKey(platform, tenant, { revokedAt: new Date() }),
    expired: await givenApiKey(platform, tenant, { expiresAt: new Date(Date.now() - 1_000) }),
    "a person's token": tenant.tokens.admin,
  }
  const body = { touchpoints: [touch()] }
  const expected = await platform.call('ingestTouchpoints', { body, token: null })
  expectProblem(expected, 'unauthorized')
  for (const [name, key] of Object.entries(keys)) {
    const answer = await platform.call('ingestTouchpoints', { body, headers: { 'x-skeldir-tenant-key': key } })
    expect(masked(answer), name).toBe(masked(expected))
  }
  const bearer = await platform.call('ingestTouchpoints', {
    body,
    token: null,
    headers: { authorization: `Bearer ${tenant.tokens.admin}` },
  })
  expect(masked(bearer)).toBe(masked(expected))
})

test('403: a key without the scope', async () => {
  const key = await givenApiKey(platform, platform.tenant, { scopes: ['reports:read', 'events:write2'] })
  const headers = { 'x-skeldir-tenant-key': key }
  const answer = await platform.call('ingestTouchpoints', { body: { touchpoints: [touch()] }, headers })
  expectProblem(answer, 'forbidden')
})

test('200: a key with the scope among others, before it expires', async () => {
  const expiresAt = new Date(Date.now() + DAY)
  const key = await givenApiKey(platform, platform.tenant, { scopes: ['reports:read', 'events:write'], expiresAt })
  const headers = { 'x-skeldir-tenant-key': key }
  const { status } = await platform.call('ingestTouchpoints', { body: { touchpoints: [touch()] }, headers })
  expect(status).toBe(200)
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(
    await platform.call('ingestTouchpoints', { body: { touchpoints: [touch()] }, headers }),
    'not_acceptable',
  )
})

test('413: more than 1 MiB', async () => {
  expectProblem(await platform.call('ingestTouchpoints', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify({ touchpoints: [touch()] }))
  expectProblem(await platform.call('ingestTouchpoints', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['none', [], ['/body/touchpoints']],
  ['501', Array.from({ length: 501 }, () => touch()), ['/body/touchpoints']],
  ['an unknown channel', [touch({ channel: 'carrier_pigeon' })], ['/body/touchpoints/0/channel']],
  ['a channel that only credits have', [touch({ channel: '(unattributed)' })], ['/body/touchpoints/0/channel']],
  ['a visitor that is no ULID', [touch(), touch({ visitor_id: 'ada' })], ['/body/touchpoints/1/visitor_id']],
  ['a ULID in lower case', [touch({ visitor_id: ulid().toLowerCase() })], ['/body/touchpoints/0/visitor_id']],
  ['a time that is none', [touch({ occurred_at: 'yesterday' })], ['/body/touchpoints/0/occurred_at']],
  ['a day that is none', [touch({ occurred_at: '2026-02-30T00:00:00Z' })], ['/body/touchpoints/0/occurred_at']],
  ['a long text', [touch({ campaign: 'c'.repeat(256) })], ['/body/touchpoints/0/campaign']],
  ['an empty text', [touch({ source: '' })], ['/body/touchpoints/0/source']],
  ['an e-mail address as id', [touch({ event_id: 'ada@example.com' })], ['/body/touchpoints/0/event_id']],
  ['a surplus member', [touch({ ip: '203.0.113.7' })], ['/body/touchpoints/0/ip']],
])('422: %s, of the whole batch', async (_, touchpoints, pointers) => {
  const before = await countStored(platform)
  expectProblem(await platform.call('ingestTouchpoints', { body: { touchpoints } }), 'validation_failed', pointers)
  expect(await countStored(platform)).toEqual(before)
})

test('422: __proto__ is a member like any other, which is not asked for', async () => {
  const body = `{"touchpoints":[${JSON.stringify(touch()).replace('{', '{"__proto__":{"polluted":true},')}]}`
  const answer = await platform.call('ingestTouchpoints', { body })
  expectProblem(answer, 'validation_failed', ['/body/touchpoints/0/__proto__'])
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

test('422: a correlation id that is no uuid', async () => {
  const headers = { 'x-correlation-id': 'mine' }
  const answer = await platform.call('ingestTouchpoints', { body: { touchpoints: [touch()] }, headers })
  expectProblem(answer, 'validation_failed', ['/header/x-correlation-id'])
})

test('429: the quota of events is used up; that of everything else is not', async () => {
  const tenant = await platform.createTenant()
  await expectRateLimited(platform, 'ingestTouchpoints', { tenant, body: '{' }, 'ingest')
  expect((await platform.call('verifyToken', { tenant })).status).toBe(200)
})

test('429: an address that invents keys, while one that was seen before still passes', async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const ask = (headers: Record<string, string> = {}) =>
    own.call('ingestTouchpoints', { body: { touchpoints: [touch()] }, headers })
  const invent = () => ask({ 'x-skeldir-tenant-key': `skd_${randomBytes(32).toString('base64url')}` })
  expect((await ask()).status).toBe(200)
  const answers = await Promise.all(Array.from({ length: 250 }, invent))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]))
  const refused = answers.find(({ status }) => status === 429) as Answer
  expectProblem(refused, 'rate_limited')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await ask()).status).toBe(200)
})

test('503: the database is gone; sent again when it is back, it is accepted', async () => {
  const item = touch()
  expectProblem(await platform.withoutDatabase(() => send(item)), 'service_unavailable')
  expect((await send(item)).body.accepted).toBe(1)
})
