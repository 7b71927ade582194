import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { DAY, givenApiKey, givenTouches, HOUR, MINUTE, ulid } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { countStored, listTablesHolding, untilIdle } from '../support/stored.ts'

const platform = usePlatform()
beforeAll(async () => {
  await platform.startWorker()
})

const eur = (amount_minor: number) => ({ amount_minor, currency: 'EUR' })

function purchase(change: Record<string, unknown> = {}) {
  const id = randomUUID()
  return {
    conversion_id: `pos-${id}`,
    kind: 'purchase',
    order_id: `berlin-${id}`,
    occurred_at: new Date(Date.now() - 5 * MINUTE).toISOString(),
    total: eur(11_900),
    tax: eur(1_900),
    ...change,
  }
}

function refundOf({ order_id }: { order_id: string }, amount: number, change: Record<string, unknown> = {}) {
  return purchase({ kind: 'refund', order_id, total: eur(amount), tax: undefined, ...change })
}

const send = (tenant: TestTenant, ...conversions: unknown[]) =>
  platform.call('ingestConversions', { tenant, body: { conversions } })

const revenueOf = async (tenant: TestTenant) =>
  (
    await platform.call('getRealtimeRevenueV1', {
      tenant,
      token: tenant.tokens.viewer,
      query: { since: sinceHours(48) },
    })
  ).body

const creditsOf = async (tenant: TestTenant, orderId: string) => {
  const params = { order_id: `own:${orderId}` }
  return platform.call('getOrderCredits', { tenant, token: tenant.tokens.viewer, params })
}

const sinceHours = (hours: number) => new Date(Date.now() - hours * HOUR).toISOString()

test('200: a purchase and its refund are in the ledger, unverified, and earn credit for the touches of their visitor', async () => {
  const tenant = await platform.createTenant({ currency: 'EUR' })
  const visitorId = ulid()
  await givenTouches(platform, tenant, [{ visitorId, at: new Date(Date.now() - HOUR), channel: 'email' }])
  const item = purchase({ visitor_id: visitorId, occurred_at: new Date(Date.now() - 10 * MINUTE).toISOString() })
  const refund = refundOf(item, 2_500)
  const { status, body } = await send(tenant, item, refund)
  expect(status).toBe(200)
  expect(body).toEqual({
    accepted: 2,
    duplicates: 0,
    rejected: 0,
    results: [item, refund].map(({ conversion_id }) => ({ conversion_id, result: 'accepted', code: null })),
  })
  await untilIdle(platform)
  expect(await revenueOf(tenant)).toMatchObject({
    captured: eur(11_900),
    refunded: eur(2_500),
    orders: 1,
    verified: false,
    sources: [{ vendor: 'own', entries: 2 }],
  })
  const credits = await creditsOf(tenant, item.order_id)
  expect(credits.body).toMatchObject({
    order_id: `own:${item.order_id}`,
    net_revenue: eur(9_400),
    identity_tier: 'visitor_id',
  })
  expect(credits.body.models[0].credits).toEqual([expect.objectContaining({ channel: 'email', revenue: eur(9_400) })])
})

test('200: a refund may come before its purchase, and ends in the same figures', async () => {
  const tenant = await platform.createTenant({ currency: 'EUR' })
  const item = purchase()
  expect((await send(tenant, refundOf(item, 11_900))).body.accepted).toBe(1)
  await untilIdle(platform)
  expect((await creditsOf(tenant, item.order_id)).status).toBe(404)
  expect((await send(tenant, item)).body.accepted).toBe(1)
  await untilIdle(platform)
  const { body } = await creditsOf(tenant, item.order_id)
  expect(body).toMatchObject({
    captured: eur(11_900),
    refunded: eur(11_900),
    net_revenue: eur(0),
    over_refunded: eur(0),
  })
})

test('200: a repeat is a duplicate for good and queues nothing; other content under its id is a conflict', async () => {
  const tenant = await platform.createTenant()
  const item = purchase({ shipping: eur(500), visitor_id: ulid() })
  await send(tenant, item)
  await untilIdle(platform)
  const before = await countStored(platform)
  expect((await send(tenant, item, item)).body).toMatchObject({ accepted: 0, duplicates: 2 })
  const changes = [
    { total: eur(11_901) },
    { tax: undefined },
    { shipping: eur(499) },
    { tip: eur(1) },
    { discount: eur(1) },
    { order_id: 'another' },
    { kind: 'refund' },
    { visitor_id: ulid() },
    { occurred_at: sinceHours(2) },
    { total: { amount_minor: 11_900, currency: 'USD' }, tax: undefined, shipping: undefined },
  ]
  const { body } = await send(tenant, ...changes.map((change) => ({ ...item, ...change })))
  expect(body.results).toEqual(
    changes.map(() => ({ conversion_id: item.conversion_id, result: 'rejected', code: 'conflict' })),
  )
  expect(await countStored(platform)).toEqual(before)
})

test('200: one batch holds one of each, answered in order', async () => {
  const tenant = await platform.createTenant()
  const [known, twice, changed] = [purchase(), purchase(), purchase()]
  await send(tenant, known)
  const odd: [string, Record<string, unknown>][] = [
    ['occurred_in_future', { occurred_at: new Date(Date.now() + 6 * MINUTE).toISOString() }],
    ['occurred_too_long_ago', { occurred_at: new Date(Date.now() - 731 * DAY).toISOString() }],
    ['amount_invalid', { total: eur(0), tax: undefined }],
    ['amount_invalid', { total: eur(-5), tax: undefined }],
    ['amount_invalid', { tax: eur(-1) }],
    ['amount_invalid', { tax: eur(10_000), shipping: eur(1_901) }],
    ['amount_invalid', { total: { amount_minor: 1, currency: 'ZZZ' }, tax: undefined }],
    ['currency_mismatch', { tip: { amount_minor: 1, currency: 'USD' } }],
  ]
  const oddItems = odd.map(([, change]) => purchase(change))
  const { body } = await send(tenant, ...oddItems, twice, known, twice, changed, { ...changed, total: eur(1_901) })
  expect(body.results).toEqual([
    ...oddItems.map(({ conversion_id }, at) => ({ conversion_id, result: 'rejected', code: odd[at]?.[0] })),
    { conversion_id: twice.conversion_id, result: 'accepted', code: null },
    { conversion_id: known.conversion_id, result: 'duplicate', code: null },
    { conversion_id: twice.conversion_id, result: 'duplicate', code: null },
    { conversion_id: changed.conversion_id, result: 'accepted', code: null },
    { conversion_id: changed.conversion_id, result: 'rejected', code: 'conflict' },
  ])
  expect(body).toMatchObject({ accepted: 2, duplicates: 2, rejected: odd.length + 1 })
})

test.each([
  { order_id: '555-123-4567' },
  { order_id: '0001-0001234' },
  { conversion_id: '2026.11.20.17' },
  { conversion_id: '20.11.26.17' },
])('200: a number of an order may look like something else: %j', async (ids) => {
  const tenant = await platform.createTenant()
  expect((await send(tenant, purchase(ids))).body.results[0]).toMatchObject({ result: 'accepted' })
})

test('200: what the database refuses, refuses no other conversion', async ({ onTestFinished }) => {
  await platform.query("alter table ledger_entries add constraint planted check (order_key <> 'own:refused')")
  onTestFinished(async () => void (await platform.query('alter table ledger_entries drop constraint planted')))
  const tenant = await platform.createTenant()
  const items = [purchase(), purchase({ order_id: 'refused' }), purchase()]
  const { body } = await send(tenant, ...items)
  expect(body.results.map(({ code, result }: { code: string; result: string }) => code ?? result)).toEqual([
    'accepted',
    'personal_data',
    'accepted',
  ])
})

test('200: the parts may make up the whole total, up to 2^53 − 1', async () => {
  const tenant = await platform.createTenant()
  const item = purchase({ total: eur(Number.MAX_SAFE_INTEGER), tax: eur(Number.MAX_SAFE_INTEGER) })
  expect((await send(tenant, item)).body.accepted).toBe(1)
})

test('200: the visitor is not stored in clear, and a tenant sees its own only', async () => {
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  const item = purchase({ visitor_id: ulid() })
  for (const tenant of [one, other]) expect((await send(tenant, item)).body.accepted).toBe(1)
  expect(await listTablesHolding(platform, item.conversion_id)).toEqual(['public.conversions', 'public.ledger_entries'])
  expect(await listTablesHolding(platform, (item as unknown as { visitor_id: string }).visitor_id)).toEqual([])
  const rows = await platform.query(`select distinct identity from conversions where conversion_id = $1`, [
    item.conversion_id,
  ])
  expect(rows).toHaveLength(2)
})

test('200: 500 at once; and the same from two senders, each in its own order, are stored once', async () => {
  const tenant = await platform.createTenant()
  const items = Array.from({ length: 500 }, () => purchase())
  const answers = await Promise.all([send(tenant, ...items), send(tenant, ...items.toReversed())])
  expect(answers.map(({ status }) => status)).toEqual([200, 200])
  expect(answers.reduce((sum, { body }) => sum + body.accepted, 0)).toBe(500)
  expect(answers.reduce((sum, { body }) => sum + body.duplicates, 0)).toBe(500)
  const sums = await platform.query(
    `select count(*)::integer as entries, sum(amount_minor)::text as sum, array_agg(distinct source) as sources
     from ledger_entries where tenant_id = $1`,
    [tenant.tenantId],
  )
  expect(sums).toEqual([{ entries: 500, sum: '5950000', sources: ['conversion'] }])
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await platform.call('ingestConversions', { body }), 'malformed_request')
})

test('401: no key, and an unknown one, are answered alike', async () => {
  const body = { conversions: [purchase()] }
  const expected = await platform.call('ingestConversions', { body, token: null })
  expectProblem(expected, 'unauthorized')
  const headers = { 'x-skeldir-tenant-key': `skd_${'A'.repeat(43)}` }
  expect(masked(await platform.call('ingestConversions', { body, headers }))).toBe(masked(expected))
})

test('403: a key without the scope', async () => {
  const key = await givenApiKey(platform, platform.tenant, { scopes: ['spend:write'] })
  const headers = { 'x-skeldir-tenant-key': key }
  expectProblem(await platform.call('ingestConversions', { body: { conversions: [purchase()] }, headers }), 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  const answer = await platform.call('ingestConversions', { body: { conversions: [purchase()] }, headers })
  expectProblem(answer, 'not_acceptable')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await platform.call('ingestConversions', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify({ conversions: [purchase()] }))
  expectProblem(await platform.call('ingestConversions', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['none', [], ['/body/conversions']],
  ['501', Array.from({ length: 501 }, () => purchase()), ['/body/conversions']],
  ['an e-mail address of the buyer', [purchase({ email: 'ada@example.com' })], ['/body/conversions/0/email']],
  ['an id with an @', [purchase({ order_id: 'ada@example.com' })], ['/body/conversions/0/order_id']],
  ['another kind', [purchase({ kind: 'chargeback' })], ['/body/conversions/0/kind']],
  ['a fraction of a cent', [purchase({ total: eur(0.5) })], ['/body/conversions/0/total/amount_minor']],
  [
    'an amount as text',
    [purchase({ total: { amount_minor: '5', currency: 'EUR' } })],
    ['/body/conversions/0/total/amount_minor'],
  ],
  ['a visitor that is no ULID', [purchase({ visitor_id: 'ada' })], ['/body/conversions/0/visitor_id']],
])('422: %s, of the whole batch', async (_, conversions, pointers) => {
  // A worker may still credit what tests before have sent.
  await untilIdle(platform)
  const before = await countStored(platform)
  expectProblem(await platform.call('ingestConversions', { body: { conversions } }), 'validation_failed', pointers)
  expect(await countStored(platform)).toEqual(before)
})

test('429: the quota of events is used up', async () => {
  await expectRateLimited(platform, 'ingestConversions', { tenant: await platform.createTenant(), body: '{' }, 'ingest')
})

test('503: the database is gone; sent again when it is back, it is accepted', async () => {
  const tenant = await platform.createTenant()
  const item = purchase()
  expectProblem(await platform.withoutDatabase(() => send(tenant, item)), 'service_unavailable')
  expect((await send(tenant, item)).body.accepted).toBe(1)
})
