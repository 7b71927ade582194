import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { expectProblem, masked } from '../support/answer.ts'
import { CANARY, plantCanaries } from '../support/canary.ts'
import {
  type DeliveryBody,
  deliverShopify,
  givenEndpoint,
  givenSecret,
  MINUTE,
  nextNumber,
  shopifyOrder,
  shopifyRefund,
  type TestEndpoint,
  ulid,
} from '../support/given.ts'
import { exhaustPermits, expectQuotaUsedUp } from '../support/limits.ts'
import { type Answer, signShopify, signStripe, startPlatform, usePlatform } from '../support/platform.ts'
import { countStored, listTablesHolding, untilIdle } from '../support/stored.ts'

const platform = usePlatform()

const PAID = { topic: 'orders/paid' }

function order(change: object = {}) {
  return { ...shopifyOrder({ total: '199.65', at: new Date() }), ...change }
}

function storedEvents({ tenant }: TestEndpoint) {
  return platform.query<{ topic: string; payload: Record<string, unknown>; test: boolean; handled: boolean }>(
    'select topic, payload, is_test as test, is_handled as handled from webhook_events where tenant_id = $1',
    [tenant.tenantId],
  )
}

function deadEvents({ tenant }: TestEndpoint) {
  return platform.query<{ id: string; class: string; code: string; payload: unknown }>(
    'select dead_event_id as id, class, code, payload from dead_events where tenant_id = $1',
    [tenant.tenantId],
  )
}

function queuedJobs({ tenant }: TestEndpoint) {
  return platform.query(`select data from pgboss.job where data ->> 'tenantId' = $1`, [tenant.tenantId])
}

test('200: accepted: stored with its job, before the answer', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { status, body } = await deliverShopify(platform, endpoint, order(), PAID)
  expect(status).toBe(200)
  expect(body).toEqual({ result: 'accepted', receipt_id: expect.any(String), code: null })
  expect(await storedEvents(endpoint)).toMatchObject([{ topic: 'orders/paid', test: false, handled: true }])
  expect(await queuedJobs(endpoint)).toEqual([
    { data: expect.objectContaining({ job: 'webhooks.normalize_event', eventId: body.receipt_id }) },
  ])
})

test('200: accepted whatever Accept, Content-Type and query say', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const headers = { accept: 'text/html', 'content-type': 'text/plain', 'x-correlation-id': 'mine' }
  expect((await deliverShopify(platform, endpoint, order(), { ...PAID, headers })).body.result).toBe('accepted')
  const body = JSON.stringify(order())
  const response = await fetch(`${platform.url}/api/webhooks/shopify/in/${endpoint.endpointKey}?retry=%zz`, {
    method: 'POST',
    body,
    headers: signShopify(body, endpoint.secret, PAID),
  })
  expect(await response.json()).toMatchObject({ result: 'accepted' })
})

test('200: accepted: an id beyond 2^53 keeps all its digits', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const body = JSON.stringify(order({ id: 1 })).replace('"id":1', '"id":820982911946154508')
  expect((await deliverShopify(platform, endpoint, body, PAID)).body.result).toBe('accepted')
  expect(await storedEvents(endpoint)).toMatchObject([{ payload: { body: { id: '820982911946154508' } } }])
})

test('200: duplicate: the receipt of the first, and nothing stored', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const [body, webhookId] = [order(), randomUUID()]
  const first = await deliverShopify(platform, endpoint, body, { ...PAID, webhookId })
  const before = await countStored(platform)
  const again = await deliverShopify(platform, endpoint, body, { ...PAID, webhookId })
  expect(again.body).toEqual({ result: 'duplicate', receipt_id: first.body.receipt_id, code: null })
  expect(await countStored(platform)).toEqual(before)
})

test('200: of 20 at once exactly one is accepted', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const [body, webhookId] = [order(), randomUUID()]
  const send = () => deliverShopify(platform, endpoint, body, { ...PAID, webhookId })
  const answers = await Promise.all(Array.from({ length: 20 }, send))
  const results = answers.map((answer) => answer.body.result).sort()
  expect(results).toEqual(['accepted', ...new Array(19).fill('duplicate')])
  expect(new Set(answers.map((answer) => answer.body.receipt_id)).size).toBe(1)
  expect(await queuedJobs(endpoint)).toHaveLength(1)
})

test.each<[string, 'live' | 'test', string, object, Record<string, string>]>([
  ['a topic without revenue', 'live', 'products/update', { id: 1, title: 'Lamp' }, {}],
  ['a test order', 'live', 'orders/paid', order({ test: true }), {}],
  ['a test delivery', 'live', 'orders/paid', order(), { 'x-shopify-test': 'true' }],
  ['an endpoint for tests', 'test', 'orders/paid', order(), {}],
])('200: ignored: %s is kept and never becomes money', async (_, mode, topic, body, headers) => {
  const endpoint = await givenEndpoint(platform, 'shopify', { mode })
  const webhookId = randomUUID()
  const send = () => deliverShopify(platform, endpoint, body, { topic, webhookId, headers })
  expect((await send()).body).toEqual({ result: 'ignored', receipt_id: expect.any(String), code: null })
  expect(await storedEvents(endpoint)).toHaveLength(1)
  expect(await queuedJobs(endpoint)).toEqual([])
  expect((await send()).body.result).toBe('duplicate')
})

const DEPTH = 20_000

/** The order as text, with `text` in place of its currency: between quotes, or with them. */
function withCurrency(text: string, quoted = true): string {
  return JSON.stringify(order({ currency: 'CURRENCY' })).replace(quoted ? 'CURRENCY' : '"CURRENCY"', text)
}

test.each<[string, DeliveryBody, string, string]>([
  ['not JSON', '{"id":', 'malformed', 'syntax'],
  ['no bytes at all', '', 'malformed', 'empty'],
  ['not UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), 'malformed', 'invalid_utf8'],
  ['a NUL escape', withCurrency('\\u0000'), 'poison', 'nul_character'],
  ['a lone surrogate', withCurrency('\\ud800'), 'poison', 'lone_surrogate'],
  [`${DEPTH} levels of arrays`, withCurrency('['.repeat(DEPTH) + ']'.repeat(DEPTH), false), 'poison', 'too_deep'],
  [
    `${DEPTH} levels of objects`,
    withCurrency(`${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`, false),
    'poison',
    'too_deep',
  ],
  ['another type of JSON', '[]', 'schema', 'wrong_type'],
  ['no amount', order({ total_price: undefined }), 'schema', 'missing_field'],
  ['an amount as a number', order({ total_price: 199.65 }), 'schema', 'wrong_type'],
  ['an amount that is none', order({ total_price: '1e3' }), 'schema', 'bad_amount'],
  ['parts of a cent', order({ total_price: '1.999' }), 'schema', 'bad_amount'],
  ['a negative amount', order({ total_price: '-1.00' }), 'schema', 'bad_amount'],
  ['an amount beyond 2^53', order({ total_price: '90071992547409.92' }), 'schema', 'bad_amount'],
  ['an unknown currency', order({ currency: 'ZZZ' }), 'schema', 'unknown_currency'],
  ['no id', order({ id: undefined }), 'schema', 'missing_field'],
  ['a time that is none', order({ processed_at: '2026-02-30T10:00:00Z' }), 'schema', 'bad_time'],
  ['an order that is not paid', order({ financial_status: 'pending' }), 'schema', 'topic_body_mismatch'],
])('200: dead: %s', async (_, body, faultClass, code) => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const webhookId = randomUUID()
  const answer = await deliverShopify(platform, endpoint, body, { ...PAID, webhookId })
  expect(answer.body).toEqual({ result: 'dead', receipt_id: expect.any(String), code: faultClass })
  // What could be read is kept without what is not read, and what could not be read is kept sealed.
  const isRead = faultClass === 'schema' || faultClass === 'unsupported'
  const payload = isRead ? expect.objectContaining({ body: expect.any(Object) }) : null
  const dead = [{ id: answer.body.receipt_id, class: faultClass, code, payload }]
  expect(await deadEvents(endpoint)).toEqual(dead)
  expect((await deliverShopify(platform, endpoint, body, { ...PAID, webhookId })).body).toEqual(answer.body)
  expect(await deadEvents(endpoint)).toEqual(dead)
  expect(await storedEvents(endpoint)).toEqual([])
  expect(await queuedJobs(endpoint)).toEqual([])
})

test.each([
  ['no id of the delivery', 'x-shopify-webhook-id', '', 'bad_header'],
  ['no topic', 'x-shopify-topic', '', 'bad_header'],
  ['another shop', 'x-shopify-shop-domain', 'other-shop.myshopify.com', 'shop_mismatch'],
  ['no shop', 'x-shopify-shop-domain', '', 'shop_mismatch'],
])('200: dead: %s, where the endpoint is bound to a shop', async (_, header, value, code) => {
  const endpoint = await givenEndpoint(platform, 'shopify', { shopDomain: 'test-shop.myshopify.com' })
  expect((await deliverShopify(platform, endpoint, order(), PAID)).body.result).toBe('accepted')
  const answer = await deliverShopify(platform, endpoint, order(), { ...PAID, headers: { [header]: value } })
  expect(answer.body).toMatchObject({ result: 'dead', code: 'schema' })
  expect(await deadEvents(endpoint)).toMatchObject([{ code }])
})

test('200: dead: the headers of a delivery are missing altogether', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const body = JSON.stringify(order())
  const { 'x-shopify-hmac-sha256': signature = '' } = signShopify(body, endpoint.secret, PAID)
  const headers = { 'x-shopify-hmac-sha256': signature }
  const params = { endpoint_key: endpoint.endpointKey }
  const answer = await platform.call('receiveShopifyWebhook', { params, body, headers })
  expect(answer.body).toMatchObject({ result: 'dead', code: 'schema' })
  expect(await deadEvents(endpoint)).toMatchObject([{ code: 'missing_header' }])
})

test('200: dead: an order sent again under the topic of a refund, which is not signed', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const id = nextNumber()
  const body = order({ id, admin_graphql_api_id: `gid://shopify/Order/${id}` })
  expect((await deliverShopify(platform, endpoint, body, PAID)).body.result).toBe('accepted')
  const answer = await deliverShopify(platform, endpoint, body, { topic: 'refunds/create' })
  expect(answer.body).toMatchObject({ result: 'dead', code: 'schema' })
  expect(await deadEvents(endpoint)).toMatchObject([{ code: 'topic_body_mismatch' }])
})

test('200: dead: the same id with another body; the first one stands', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const delivery = { ...PAID, webhookId: randomUUID() }
  const first = order({ total_price: '1.00' })
  expect((await deliverShopify(platform, endpoint, first, delivery)).body.result).toBe('accepted')
  const other = await deliverShopify(platform, endpoint, { ...first, total_price: '9999.00' }, delivery)
  expect(other.body).toMatchObject({ result: 'dead', code: 'conflict' })
  expect(await deadEvents(endpoint)).toMatchObject([{ class: 'conflict', code: 'same_id_other_body' }])
  expect(await storedEvents(endpoint)).toMatchObject([{ payload: { body: { total_price: '1.00' } } }])
  expect((await deliverShopify(platform, endpoint, first, delivery)).body.result).toBe('duplicate')
})

test('200: accepted: __proto__ is a member like any other, and not kept', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const polluting = '"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}},'
  const order = JSON.stringify(shopifyOrder({ total: '1.00', at: new Date(), visitorId: ulid() }))
  const body = order.replaceAll('{', `{${polluting}`)
  expect((await deliverShopify(platform, endpoint, body, PAID)).body.result).toBe('accepted')
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  const [stored] = await storedEvents(endpoint)
  expect(JSON.stringify(stored?.payload)).not.toMatch(/polluted|__proto__|constructor/)
})

/** What the platform reads of a delivery, and therefore may keep; of a transaction it keeps amount and currency. */
const READ = [
  ...[
    'admin_graphql_api_id',
    'created_at',
    'processed_at',
    'currency',
    'financial_status',
    'total_price',
    'source_name',
  ],
  ...['note_attributes/*/name', ...['kind', 'status', 'amount', 'currency'].map((name) => `transactions/*/${name}`)],
].map((path) => `/${path}`)

test('200: nothing personal is stored of what Shopify sends', async () => {
  const own = await startPlatform(onTestFinished)
  const endpoint = await givenEndpoint(own, 'shopify', { tenant: own.tenant })
  await own.startWorker()
  const visitorId = ulid()
  const planted = (name: string) => {
    // The ids of the fixtures are beyond 2^53, which this JSON.parse would round.
    const fixture = readFileSync(new URL(`../fixtures/shopify/${name}.json`, import.meta.url), 'utf8')
    return plantCanaries(JSON.parse(fixture.replaceAll('72057594037927', '')), READ, visitorId)
  }
  for (const [topic, name] of [
    ['orders/create', 'orders.paid'],
    ['orders/paid', 'orders.paid'],
    ['refunds/create', 'refunds.create'],
    ['customers/update', 'orders.paid'],
  ] as const) {
    const { body } = await deliverShopify(own, endpoint, planted(name), { topic })
    expect(body).toMatchObject({ result: topic === 'customers/update' ? 'ignored' : 'accepted' })
  }
  // One that dies keeps nothing of its body either.
  const broken = { ...planted('orders.paid'), currency: `${CANARY}` }
  expect((await deliverShopify(own, endpoint, broken, PAID)).body).toMatchObject({ result: 'dead' })

  await untilIdle(own)
  const counts = await countStored(own)
  expect(counts).toMatchObject({ webhook_events: 4, dead_events: 1, order_facts: 2, ledger_entries: 2 })
  expect(await listTablesHolding(own, CANARY)).toEqual([])
  expect(await listTablesHolding(own, visitorId)).toEqual([])
  // The search finds what is there.
  expect(await listTablesHolding(own, 'shopify:94001')).toContain('public.order_facts')
})

test('200: accepted: a label that looks like an e-mail address is dropped, and the order is not', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const body = order({ source_name: 'ada.buyer@example.com' })
  expect((await deliverShopify(platform, endpoint, body, PAID)).body.result).toBe('accepted')
  const [stored] = await storedEvents(endpoint)
  expect(stored?.payload).toMatchObject({ body: { total_price: '199.65' } })
  expect(JSON.stringify(stored?.payload)).not.toMatch(/source_name|ada/)
})

test('200: the signature is over the bytes as they came', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const body = ` ${JSON.stringify(order(), null, 3).replaceAll('/', '\\/')}\r\n\t`
  expect((await deliverShopify(platform, endpoint, body, PAID)).body.result).toBe('accepted')
})

test('200: both secrets verify while one is rolled; one that has run out does not', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const [next, last] = [
    await givenSecret(platform, endpoint, { notAfter: new Date(Date.now() + MINUTE) }),
    await givenSecret(platform, endpoint, { notAfter: new Date(Date.now() - 1_000) }),
  ]
  for (const secret of [endpoint.secret, next]) {
    expect((await deliverShopify(platform, { ...endpoint, secret }, order(), PAID)).body.result).toBe('accepted')
  }
  expectProblem(await deliverShopify(platform, { ...endpoint, secret: last }, order(), PAID), 'unauthorized')
})

test('401: whatever is wrong, the answer is one and the same, and nothing is stored', async () => {
  const [endpoint, other, account] = [
    await givenEndpoint(platform, 'shopify'),
    await givenEndpoint(platform, 'shopify'),
    await givenEndpoint(platform, 'stripe'),
  ]
  const body = JSON.stringify(order())
  const good = signShopify(body, endpoint.secret, PAID)['x-shopify-hmac-sha256'] ?? ''
  const signed = (header: string) =>
    deliverShopify(platform, endpoint, body, { ...PAID, headers: { 'x-shopify-hmac-sha256': header } })
  const to = (endpointKey: string, secret = endpoint.secret) =>
    deliverShopify(platform, { ...endpoint, endpointKey, secret }, body, PAID)
  const attempts: Record<string, () => Promise<Answer>> = {
    "another endpoint's secret": () => to(endpoint.endpointKey, other.secret),
    'one byte changed after it was signed': () =>
      deliverShopify(platform, endpoint, `${body} `, { ...PAID, headers: { 'x-shopify-hmac-sha256': good } }),
    'an empty header': () => signed(''),
    'hex instead of base64': () => signed(Buffer.from(good, 'base64').toString('hex')),
    'without its padding': () => signed(good.replace('=', '')),
    'another spelling of the same bytes': () => signed(respell(good)),
    'the signature twice': () => signed(`${good}, ${good}`),
    truncated: () => signed(good.slice(4)),
    "Stripe's signature": () =>
      platform.call('receiveShopifyWebhook', {
        params: { endpoint_key: endpoint.endpointKey },
        body,
        headers: signStripe(body, endpoint.secret),
      }),
    'an unknown endpoint': () => to('A'.repeat(43)),
    'no key of an endpoint': () => to('short'),
    'a key with other characters': () => to(`${endpoint.endpointKey.slice(0, -1)}!`),
    "Stripe's endpoint": () => to(account.endpointKey, account.secret),
    "another tenant's endpoint": () => to(other.endpointKey),
  }

  const before = await countStored(platform)
  const expected = await platform.call('receiveShopifyWebhook', {
    params: { endpoint_key: endpoint.endpointKey },
    body,
  })
  expectProblem(expected, 'unauthorized')
  for (const [name, attempt] of Object.entries(attempts)) {
    expect(masked(await attempt()), name).toBe(masked(expected))
  }
  expect(await countStored(platform)).toEqual(before)
  expect((await deliverShopify(platform, endpoint, body, PAID)).body.result).toBe('accepted')
})

/** Of the last character before the padding only four bits count: another one that means the same bytes. */
function respell(base64: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const last = alphabet.indexOf(base64.charAt(42))
  const respelled = `${base64.slice(0, 42)}${alphabet[last ^ 1]}=`
  if (!Buffer.from(respelled, 'base64').equals(Buffer.from(base64, 'base64'))) throw new Error('not the same bytes')
  return respelled
}

test('413: more than 1 MiB, signed or not, and nothing is stored', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const before = await countStored(platform)
  const limit = 1_048_576
  const json = JSON.stringify(order())
  const tooLong = json + ' '.repeat(limit + 1 - json.length)
  expectProblem(await deliverShopify(platform, endpoint, tooLong, PAID), 'payload_too_large')
  const headers = { 'x-shopify-hmac-sha256': '' }
  expectProblem(await deliverShopify(platform, endpoint, tooLong, { ...PAID, headers }), 'payload_too_large')
  expect(await countStored(platform)).toEqual(before)
  expect((await deliverShopify(platform, endpoint, tooLong.slice(0, limit), PAID)).body.result).toBe('accepted')
})

test('415: compressed, though its bytes are signed, and nothing is stored', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const before = await countStored(platform)
  const headers = { 'content-encoding': 'gzip' }
  const answer = await deliverShopify(platform, endpoint, gzipSync(JSON.stringify(order())), { ...PAID, headers })
  expectProblem(answer, 'unsupported_media_type')
  expect(await countStored(platform)).toEqual(before)
})

test('429: the quota of deliveries is used up, and nothing is stored', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  await exhaustPermits(platform, endpoint.tenant, 'ingest')
  const before = await countStored(platform)
  expectQuotaUsedUp(await deliverShopify(platform, endpoint, '{}', PAID), 'ingest')
  expect(await countStored(platform)).toEqual(before)
})

test('503: the database is gone: Shopify sends it again, and it is accepted', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const refund = shopifyRefund({ orderId: nextNumber(), amount: '5.00', at: new Date() })
  const delivery = { topic: 'refunds/create', webhookId: randomUUID() }
  const gone = await platform.withoutDatabase(() => deliverShopify(platform, endpoint, refund, delivery))
  expectProblem(gone, 'service_unavailable')
  expect((await deliverShopify(platform, endpoint, refund, delivery)).body.result).toBe('accepted')
})
