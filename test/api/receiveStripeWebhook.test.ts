import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import { expectProblem, masked } from '../support/answer.ts'
import { CANARY, plantCanaries } from '../support/canary.ts'
import {
  type DeliveryBody,
  deliverStripe,
  givenEndpoint,
  givenSecret,
  MINUTE,
  stripeCharge,
  type TestEndpoint,
  ulid,
} from '../support/given.ts'
import { exhaustPermits, expectQuotaUsedUp } from '../support/limits.ts'
import { type Answer, signShopify, signStripe, startPlatform, usePlatform } from '../support/platform.ts'
import { countStored, listTablesHolding, untilIdle } from '../support/stored.ts'
import { workerContext } from '../support/worker.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

const charge = (change: object = {}) => stripeCharge({ amount: 4850, at: new Date(), ...change })

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
  const endpoint = await givenEndpoint(platform, 'stripe')
  const { status, body } = await deliverStripe(platform, endpoint, charge())
  expect(status).toBe(200)
  expect(body).toEqual({ result: 'accepted', receipt_id: expect.any(String), code: null })
  expect(await storedEvents(endpoint)).toMatchObject([{ topic: 'charge.succeeded', test: false, handled: true }])
  expect(await queuedJobs(endpoint)).toEqual([
    { data: expect.objectContaining({ job: 'webhooks.normalize_event', eventId: body.receipt_id }) },
  ])
})

test('200: accepted whatever Accept, Content-Type and query say', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const headers = { accept: 'text/html', 'content-type': 'text/plain', 'x-correlation-id': 'mine' }
  expect((await deliverStripe(platform, endpoint, charge(), { headers })).body.result).toBe('accepted')
  const body = JSON.stringify(charge())
  const response = await fetch(`${platform.url}/api/webhooks/stripe/in/${endpoint.endpointKey}?retry=%zz`, {
    method: 'POST',
    body,
    headers: signStripe(body, endpoint.secret),
  })
  expect(await response.json()).toMatchObject({ result: 'accepted' })
})

test('200: duplicate: the receipt of the first, and nothing stored', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const body = charge()
  const first = await deliverStripe(platform, endpoint, body)
  const before = await countStored(platform)
  const again = await deliverStripe(platform, endpoint, body)
  expect(again.body).toEqual({ result: 'duplicate', receipt_id: first.body.receipt_id, code: null })
  expect(await countStored(platform)).toEqual(before)
})

test('200: of 20 at once exactly one is accepted', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const body = charge()
  const answers = await Promise.all(Array.from({ length: 20 }, () => deliverStripe(platform, endpoint, body)))
  const results = answers.map((answer) => answer.body.result).sort()
  expect(results).toEqual(['accepted', ...new Array(19).fill('duplicate')])
  expect(new Set(answers.map((answer) => answer.body.receipt_id)).size).toBe(1)
  expect(await queuedJobs(endpoint)).toHaveLength(1)
})

test('200: the same delivery to two tenants is accepted by both', async () => {
  const body = charge()
  for (const endpoint of [await givenEndpoint(platform, 'stripe'), await givenEndpoint(platform, 'stripe')]) {
    expect((await deliverStripe(platform, endpoint, body)).body.result).toBe('accepted')
  }
})

test.each<[string, 'live' | 'test', object]>([
  ['a topic without revenue', 'live', { ...charge(), type: 'customer.created' }],
  ["Stripe's test mode", 'live', charge({ livemode: false })],
  ['an endpoint for tests', 'test', charge()],
])('200: ignored: %s is kept and never becomes money', async (_, mode, body) => {
  const endpoint = await givenEndpoint(platform, 'stripe', { mode })
  const answer = await deliverStripe(platform, endpoint, body)
  expect(answer.body).toEqual({ result: 'ignored', receipt_id: expect.any(String), code: null })
  expect(await storedEvents(endpoint)).toHaveLength(1)
  expect(await queuedJobs(endpoint)).toEqual([])
  expect((await deliverStripe(platform, endpoint, body)).body.result).toBe('duplicate')
})

const DEPTH = 20_000

/** The charge as text, with `text` in place of its currency: between quotes, or with them. */
function withCurrency(text: string, quoted = true): string {
  return JSON.stringify(charge({ currency: 'CURRENCY' })).replace(quoted ? 'CURRENCY' : '"CURRENCY"', text)
}

test.each<[string, DeliveryBody, string, string]>([
  ['not JSON', '{"id":', 'malformed', 'syntax'],
  ['no bytes at all', '', 'malformed', 'empty'],
  ['not UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), 'malformed', 'invalid_utf8'],
  ['a NUL escape', withCurrency('\\u0000'), 'poison', 'nul_character'],
  ['a NUL escape in a name', '{"\\u0000":1}', 'poison', 'nul_character'],
  ['a lone surrogate', withCurrency('\\ud800'), 'poison', 'lone_surrogate'],
  [`${DEPTH} levels of arrays`, withCurrency('['.repeat(DEPTH) + ']'.repeat(DEPTH), false), 'poison', 'too_deep'],
  [
    `${DEPTH} levels of objects`,
    withCurrency(`${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`, false),
    'poison',
    'too_deep',
  ],
  [`${DEPTH} levels, none closed`, '['.repeat(DEPTH), 'poison', 'too_deep'],
  ['half a million values', `[${'0,'.repeat(500_000)}0]`, 'poison', 'too_many_nodes'],
  ['another type of JSON', '[]', 'schema', 'wrong_type'],
  ['null', 'null', 'schema', 'missing_field'],
  ['no amount', charge({ amount: undefined }), 'schema', 'missing_field'],
  ['a negative amount', charge({ amount: -1 }), 'schema', 'bad_amount'],
  ['an amount with a fraction', charge({ amount: 10.5 }), 'schema', 'bad_amount'],
  ['an amount beyond 2^53', withCurrency('usd').replaceAll('4850', '9007199254740993'), 'schema', 'bad_amount'],
  ['an unknown currency', charge({ currency: 'zzz' }), 'schema', 'unknown_currency'],
  ['a thin event', { ...charge(), object: 'v2.core.event' }, 'unsupported', 'unsupported_envelope'],
])('200: dead: %s', async (_, body, faultClass, code) => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const answer = await deliverStripe(platform, endpoint, body)
  expect(answer.body).toEqual({ result: 'dead', receipt_id: expect.any(String), code: faultClass })
  // What could be read is kept without what is not read, and what could not be read is kept sealed.
  const payload = faultClass === 'schema' || faultClass === 'unsupported' ? { body: expect.any(Object) } : null
  const dead = [{ id: answer.body.receipt_id, class: faultClass, code, payload }]
  expect(await deadEvents(endpoint)).toEqual(dead)
  expect((await deliverStripe(platform, endpoint, body)).body).toEqual(answer.body)
  expect(await deadEvents(endpoint)).toEqual(dead)
  expect(await storedEvents(endpoint)).toEqual([])
  expect(await queuedJobs(endpoint)).toEqual([])
})

test('200: dead: the same id with another body; the first one stands', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const id = randomUUID().replaceAll('-', '')
  const first = charge({ id, amount: 100 })
  expect((await deliverStripe(platform, endpoint, first)).body.result).toBe('accepted')
  const other = await deliverStripe(platform, endpoint, charge({ id, amount: 999_999 }))
  expect(other.body).toMatchObject({ result: 'dead', code: 'conflict' })
  expect(await deadEvents(endpoint)).toMatchObject([{ class: 'conflict', code: 'same_id_other_body' }])
  expect(await storedEvents(endpoint)).toMatchObject([
    { payload: { body: { data: { object: { amount_captured: 100 } } } } },
  ])
  expect((await deliverStripe(platform, endpoint, first)).body.result).toBe('duplicate')
})

test('200: duplicate: sent again by hand, with another count of attempts', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const event = charge()
  const first = await deliverStripe(platform, endpoint, { ...event, pending_webhooks: 2 })
  const again = await deliverStripe(platform, endpoint, { ...event, pending_webhooks: 1 })
  expect(again.body).toEqual({ result: 'duplicate', receipt_id: first.body.receipt_id, code: null })
  expect(await deadEvents(endpoint)).toEqual([])
})

/** What a worker makes of a delivery that was accepted. */
async function enter({ tenant }: TestEndpoint, { body }: Answer): Promise<void> {
  expect(body.result).toBe('accepted')
  await normalizeEvents(workerContext(platform, tenant, onTestFinished), [body.receipt_id])
}

test('200: accepted: shillings of Uganda, of which Stripe sends hundredths, are reported as shillings', async () => {
  const tenant = await platform.createTenant({ currency: 'UGX' })
  const endpoint = await givenEndpoint(platform, 'stripe', { tenant })
  await enter(endpoint, await deliverStripe(platform, endpoint, charge({ amount: 5_000_000, currency: 'ugx' })))
  const { body } = await platform.call('getRealtimeRevenueV1', { tenant, token: tenant.tokens.viewer })
  expect(body.revenue).toEqual({ amount_minor: 50_000, currency: 'UGX' })
  const parts = charge({ amount: 5_000_050, currency: 'ugx' })
  expect((await deliverStripe(platform, endpoint, parts)).body).toMatchObject({ result: 'dead', code: 'schema' })
})

test.each<[string, object]>([
  ['of a trial', {}],
  ['that the merchant marked as paid', { paid_out_of_band: true }],
])('200: accepted: an invoice of nothing, %s, is no money', async (_, change) => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const { tenantId } = endpoint.tenant
  const invoice = {
    ...{ id: 'in_1Trial', object: 'invoice', amount_paid: 0, amount_due: 0, currency: 'usd', status: 'paid' },
    ...{ charge: null, payment_intent: null, paid_out_of_band: false, created: Math.floor(Date.now() / 1_000) },
    ...change,
  }
  const body = { ...charge(), type: 'invoice.paid', data: { object: invoice } }
  await enter(endpoint, await deliverStripe(platform, endpoint, body))
  expect(await deadEvents(endpoint)).toEqual([])
  expect(await platform.query('select from ledger_entries where tenant_id = $1', [tenantId])).toEqual([])
})

test('200: accepted: __proto__ is a member like any other, and not kept', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const polluting = '"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}},'
  const body = JSON.stringify(charge({ visitorId: ulid() })).replaceAll('{', `{${polluting}`)
  expect((await deliverStripe(platform, endpoint, body)).body.result).toBe('accepted')
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  const [stored] = await storedEvents(endpoint)
  expect(JSON.stringify(stored?.payload)).not.toMatch(/polluted|__proto__|constructor/)
})

test('200: dead: __proto__ does not stand in for what is missing', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const body = JSON.stringify({ ...charge(), livemode: undefined }).replace('{', '{"__proto__":{"livemode":true},')
  expect((await deliverStripe(platform, endpoint, body)).body).toMatchObject({ result: 'dead', code: 'schema' })
})

/** What the platform reads of an event, and therefore may keep. */
const READ = [
  'id',
  'object',
  'type',
  ...['id', 'object', 'currency', 'status', 'payment_intent'].map((name) => `data/object/${name}`),
].map((path) => `/${path}`)

test('200: nothing personal is stored of what Stripe sends', async () => {
  const own = await startPlatform(onTestFinished)
  const endpoint = await givenEndpoint(own, 'stripe', { tenant: own.tenant })
  await own.startWorker()
  const visitorId = ulid()
  for (const name of ['charge.succeeded', 'payment_intent.succeeded', 'charge.refunded']) {
    const fixture = readFileSync(new URL(`../fixtures/stripe/${name}.json`, import.meta.url), 'utf8')
    const { body } = await deliverStripe(own, endpoint, plantCanaries(JSON.parse(fixture), READ, visitorId))
    expect(body).toMatchObject({ result: 'accepted' })
  }
  // One that dies keeps nothing of its body either.
  const fixture = readFileSync(new URL('../fixtures/stripe/charge.succeeded.json', import.meta.url), 'utf8')
  const broken = plantCanaries({ ...JSON.parse(fixture), id: 'evt_broken' }, READ, visitorId)
  broken.data.object.amount_captured = -1
  expect((await deliverStripe(own, endpoint, broken)).body).toMatchObject({ result: 'dead' })

  await untilIdle(own)
  const counts = await countStored(own)
  expect(counts).toMatchObject({ webhook_events: 3, dead_events: 1, order_facts: 2, ledger_entries: 2 })
  expect(await listTablesHolding(own, CANARY)).toEqual([])
  expect(await listTablesHolding(own, visitorId)).toEqual([])
  // The search finds what is there.
  expect(await listTablesHolding(own, 'pi_3QLookAlike')).toContain('public.webhook_events')
})

test('200: the signature is over the bytes as they came', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const body = ` ${JSON.stringify(charge({ visitorId: ulid() }), null, 3)}\r\n\t`
  expect((await deliverStripe(platform, endpoint, body)).body.result).toBe('accepted')
})

test('200: both secrets verify while one is rolled; one that has run out does not', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const [next, last] = [
    await givenSecret(platform, endpoint, { notAfter: new Date(Date.now() + MINUTE) }),
    await givenSecret(platform, endpoint, { notAfter: new Date(Date.now() - 1_000) }),
  ]
  for (const secret of [endpoint.secret, next]) {
    expect((await deliverStripe(platform, { ...endpoint, secret }, charge())).body.result).toBe('accepted')
  }
  expectProblem(await deliverStripe(platform, { ...endpoint, secret: last }, charge()), 'unauthorized')
})

test('200: one good signature among several is enough', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const body = JSON.stringify(charge())
  const good = signStripe(body, endpoint.secret)['stripe-signature'] ?? ''
  const headers = { 'stripe-signature': good.replace(',', `,v1=${'0'.repeat(64)},v0=${'1'.repeat(64)},`) }
  expect((await deliverStripe(platform, endpoint, body, { headers })).body.result).toBe('accepted')
})

test.each([
  ['300 s old, the limit', -300, 200],
  ['301 s old', -301, 401],
  ['300 s ahead, the limit', 300, 200],
  ['301 s ahead', 301, 401],
])('401: a signature is good for 300 s either way: %s', async (_, seconds, status) => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const now = new Date(Math.floor(Date.now() / 1_000) * 1_000)
  platform.setNow(now)
  const at = new Date(now.getTime() + seconds * 1_000)
  expect((await deliverStripe(platform, endpoint, charge(), { at })).status).toBe(status)
})

test('401: whatever is wrong, the answer is one and the same, and nothing is stored', async () => {
  const [endpoint, other, shop] = [
    await givenEndpoint(platform, 'stripe'),
    await givenEndpoint(platform, 'stripe'),
    await givenEndpoint(platform, 'shopify'),
  ]
  const body = JSON.stringify(charge())
  const good = signStripe(body, endpoint.secret)['stripe-signature'] ?? ''
  const signed = (header: string) =>
    deliverStripe(platform, endpoint, body, { headers: { 'stripe-signature': header } })
  const to = (endpointKey: string, secret = endpoint.secret) =>
    deliverStripe(platform, { ...endpoint, endpointKey, secret }, body)
  const attempts: Record<string, () => Promise<Answer>> = {
    "another endpoint's secret": () => to(endpoint.endpointKey, other.secret),
    'one byte changed after it was signed': () =>
      deliverStripe(platform, endpoint, `${body} `, { headers: signStripe(body, endpoint.secret) }),
    'an empty header': () => signed(''),
    'no time': () => signed(good.replace(/t=\d+,/, '')),
    'two times': () => signed(`t=1,${good}`),
    'another time than was signed': () => signed(good.replace(/t=(\d+)/, (_, t) => `t=${Number(t) + 1}`)),
    'another scheme': () => signed(good.replace('v1=', 'v0=')),
    'upper case': () => signed(good.replace(/v1=.*/, (text) => `v1=${text.slice(3).toUpperCase()}`)),
    'not hex': () => signed(good.slice(0, -1).concat('g')),
    truncated: () => signed(good.slice(0, -2)),
    old: () => deliverStripe(platform, endpoint, body, { at: new Date(Date.now() - 6 * MINUTE) }),
    'from the future': () => deliverStripe(platform, endpoint, body, { at: new Date(Date.now() + 6 * MINUTE) }),
    "Shopify's signature": () => signedAsShopify(),
    'an unknown endpoint': () => to('A'.repeat(43)),
    'no key of an endpoint': () => to('short'),
    'a key with other characters': () => to(`${endpoint.endpointKey.slice(0, -1)}!`),
    'a very long key': () => to('A'.repeat(3_000)),
    'a key in another case': () => to(swapCase(endpoint.endpointKey)),
    "Shopify's endpoint": () => to(shop.endpointKey, shop.secret),
    "another tenant's endpoint": () => to(other.endpointKey),
  }
  function signedAsShopify() {
    const headers = signShopify(body, endpoint.secret, { topic: 'orders/paid' })
    return platform.call('receiveStripeWebhook', { params: { endpoint_key: endpoint.endpointKey }, body, headers })
  }

  const before = await countStored(platform)
  const expected = await platform.call('receiveStripeWebhook', { params: { endpoint_key: endpoint.endpointKey }, body })
  expectProblem(expected, 'unauthorized')
  for (const [name, attempt] of Object.entries(attempts)) {
    expect(masked(await attempt()), name).toBe(masked(expected))
  }
  expect(await countStored(platform)).toEqual(before)
  expect((await deliverStripe(platform, endpoint, body)).body.result).toBe('accepted')
})

test.each<[string, (good: string) => string[]]>([
  ['the same twice', (good) => [good, good]],
  ['a good one before another', (good) => [good, `t=1,v1=${'0'.repeat(64)}`]],
  ['a good one behind another', (good) => [`t=1,v1=${'0'.repeat(64)}`, good]],
  ['its parts', (good) => good.split(',', 2)],
])('401: the header with the signature comes in two lines: %s', async (_, linesOf) => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const body = JSON.stringify(charge())
  const good = signStripe(body, endpoint.secret)['stripe-signature'] ?? ''
  const send = (lines: readonly string[]) =>
    sendRaw(`/api/webhooks/stripe/in/${endpoint.endpointKey}`, [
      ...lines.map((line) => `Stripe-Signature: ${line}`),
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ])
  expect(await send(linesOf(good))).toMatch(/^HTTP\/1\.1 401 /)
  expect(await storedEvents(endpoint)).toEqual([])
  expect(await send([good])).toMatch(/^HTTP\/1\.1 200 /)
})

/** As a client might that joins no headers. */
async function sendRaw(path: string, lines: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(platform.url)
  const socket = connectSocket(Number(port), hostname)
  socket.write([`POST ${path} HTTP/1.1`, `Host: ${hostname}:${port}`, 'Connection: close', ...lines].join('\r\n'))
  return text(socket)
}

function swapCase(text: string): string {
  return text.replace(/[a-z]/gi, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  )
}

test('413: more than 1 MiB, signed or not, and nothing is stored', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const before = await countStored(platform)
  const limit = 1_048_576
  const json = JSON.stringify(charge())
  const tooLong = json + ' '.repeat(limit + 1 - json.length)
  expectProblem(await deliverStripe(platform, endpoint, tooLong), 'payload_too_large')
  const headers = { 'stripe-signature': '' }
  expectProblem(await deliverStripe(platform, endpoint, tooLong, { headers }), 'payload_too_large')
  expect(await countStored(platform)).toEqual(before)
  expect((await deliverStripe(platform, endpoint, tooLong.slice(0, limit))).body.result).toBe('accepted')
})

test('415: compressed, though its bytes are signed, and nothing is stored', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const before = await countStored(platform)
  const headers = { 'content-encoding': 'gzip' }
  const answer = await deliverStripe(platform, endpoint, gzipSync(JSON.stringify(charge())), { headers })
  expectProblem(answer, 'unsupported_media_type')
  expect(await countStored(platform)).toEqual(before)
})

test('429: the quota of deliveries is used up, and nothing is stored', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  await exhaustPermits(platform, endpoint.tenant, 'ingest')
  const before = await countStored(platform)
  expectQuotaUsedUp(await deliverStripe(platform, endpoint, charge()), 'ingest')
  expect(await countStored(platform)).toEqual(before)
})

test('503: the database is gone: Stripe sends it again, and it is accepted', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const body = charge()
  const gone = await platform.withoutDatabase(() => deliverStripe(platform, endpoint, body))
  expectProblem(gone, 'service_unavailable')
  expect((await deliverStripe(platform, endpoint, body)).body.result).toBe('accepted')
})
