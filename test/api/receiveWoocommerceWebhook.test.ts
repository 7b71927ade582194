import { randomInt } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import { expectProblem, masked } from '../support/answer.ts'
import { givenEndpoint, givenSecret, MINUTE, type TestEndpoint } from '../support/given.ts'
import { exhaustPermits, expectQuotaUsedUp } from '../support/limits.ts'
import { type Answer, signShopify, usePlatform } from '../support/platform.ts'
import { deadOf, type SignedDelivery, signed, simulate, storedOf } from '../support/signed-deliveries.ts'
import { countStored } from '../support/stored.ts'
import { workerContext } from '../support/worker.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

const UPDATED = 'order.updated'

const send = ({ endpointKey }: TestEndpoint, { headers, body }: SignedDelivery): Promise<Answer> =>
  platform.call('receiveWoocommerceWebhook', { params: { endpoint_key: endpointKey }, headers, body })
const deliver = (endpoint: TestEndpoint, topic = UPDATED) =>
  send(endpoint, signed(simulate('woocommerce', topic), endpoint.secret))

/** An endpoint whose secret is this one. */
async function givenSecretText(secret: string): Promise<TestEndpoint> {
  const tenant = await platform.createTenant()
  const body = { vendor: 'woocommerce', name: 'Shop', secret }
  const made = await platform.call('createWebhookEndpoint', { tenant, body })
  const { endpoint_id: endpointId, endpoint_key: endpointKey } = made.body
  return { tenant, vendor: 'woocommerce', endpointId, endpointKey, secret }
}

test('200: accepted, with its job, and once', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  const delivery = signed(simulate('woocommerce', UPDATED), endpoint.secret)
  const { body } = await send(endpoint, delivery)
  expect(body).toEqual({ result: 'accepted', receipt_id: expect.any(String), code: null })
  expect((await send(endpoint, delivery)).body).toMatchObject({ result: 'duplicate', receipt_id: body.receipt_id })
  expect(await storedOf(platform, endpoint.tenant)).toMatchObject([{ topic: UPDATED }])
  const jobs = await platform.query(`select from pgboss.job where data ->> 'eventId' = $1`, [body.receipt_id])
  expect(jobs).toHaveLength(1)
})

test('200: accepted: two orders of one second, which share the id of the delivery', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  const [one, other] = [simulate('woocommerce', UPDATED), simulate('woocommerce', UPDATED)]
  const headers = { ...other.headers, 'X-WC-Webhook-Delivery-ID': one.headers['X-WC-Webhook-Delivery-ID'] ?? '' }
  expect((await send(endpoint, signed(one, endpoint.secret))).body.result).toBe('accepted')
  expect((await send(endpoint, signed({ ...other, headers }, endpoint.secret))).body.result).toBe('accepted')
})

/** The same order ten times, as it goes on: placed, edited, paid, edited again, refunded in parts, completed. */
function tenChanges(): object[] {
  const placed = {
    ...JSON.parse(simulate('woocommerce', 'order.created').body.toString()),
    ...{ id: 1042, currency: 'USD', status: 'pending', date_paid_gmt: null, date_completed_gmt: null, refunds: [] },
  }
  const refund = (id: number) => ({ id, reason: '', total: `-${id}.00` })
  const paid = { status: 'processing', date_paid_gmt: '2026-10-01T10:03:00', total: '45.00' }
  const changes: object[] = [
    ...[{ total: '40.00' }, { total: '43.00' }, { total: '45.00' }],
    ...[paid, { ...paid, total: '44.00' }, { ...paid, total: '46.00' }],
    ...[[1], [1, 2], [1, 2, 3]].map((ids) => ({ ...paid, total: '46.00', refunds: ids.map(refund) })),
    {
      ...{ ...paid, total: '46.00', refunds: [1, 2, 3].map(refund) },
      ...{ status: 'completed', date_completed_gmt: '2026-10-01T10:09:00' },
    },
  ]
  return changes.map((change, minute) => ({
    ...placed,
    date_modified_gmt: `2026-10-01T10:0${minute}:00`,
    ...change,
  }))
}

test('200: accepted: ten changes of an order that come as one say what all of them say, in any order', async () => {
  const changes = tenChanges()
  const last = changes.at(-1) as object
  const books: unknown[] = []
  for (const sent of [[last], changes, changes.toReversed(), [last, ...changes.slice(0, 9)]]) {
    const endpoint = await givenEndpoint(platform, 'woocommerce')
    const { tenant } = endpoint
    const ctx = workerContext(platform, tenant, onTestFinished)
    for (const change of sent) {
      const delivery = { ...simulate('woocommerce', UPDATED), body: Buffer.from(JSON.stringify(change)) }
      const { body } = await send(endpoint, signed(delivery, endpoint.secret))
      expect(body.result).toBe('accepted')
      await normalizeEvents(ctx, [body.receipt_id])
    }
    expect(await deadOf(platform, tenant)).toEqual([])
    books.push(
      await platform.query(
        `select coalesce(corrects_entry_key, entry_key) as entry, sum(amount_minor)::text as amount, min(currency) as currency
         from ledger_entries where tenant_id = $1 group by 1 order by 1`,
        [tenant.tenantId],
      ),
    )
  }
  expect(books[0]).toMatchObject([{ amount: '4600' }, { amount: '-100' }, { amount: '-200' }, { amount: '-300' }])
  for (const other of books) expect(other).toEqual(books[0])
})

test('200: accepted: a secret with entities signs as what they stand for', async () => {
  const endpoint = await givenSecretText('a&amp;b&lt;c&#039;d')
  expect((await deliver(endpoint)).body.result).toBe('accepted')
  const { body } = simulate('woocommerce', UPDATED)
  const literal = signShopify(body, endpoint.secret, { topic: '' })['x-shopify-hmac-sha256'] ?? ''
  const headers = { 'x-wc-webhook-topic': UPDATED, 'x-wc-webhook-signature': literal }
  expectProblem(await send(endpoint, { headers, body: Buffer.from(body) }), 'unauthorized')
})

test('200: both secrets are taken while one is changed; one that has run out is not', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  const next = await givenSecret(platform, endpoint, { notAfter: new Date(Date.now() + MINUTE) })
  for (const secret of [endpoint.secret, next]) {
    expect((await deliver({ ...endpoint, secret })).body.result).toBe('accepted')
  }
  platform.setNow(new Date(Date.now() + 2 * MINUTE))
  expectProblem(await deliver({ ...endpoint, secret: next }), 'unauthorized')
})

test.each(['product.updated', 'customer.created', 'order.deleted', 'action.woocommerce_add_to_cart'])(
  '200: ignored: %s',
  async (topic) => {
    const endpoint = await givenEndpoint(platform, 'woocommerce')
    expect((await deliver(endpoint, topic)).body.result).toBe('ignored')
  },
)

test('200: the ping, unsigned and form-encoded: exactly 200, and nothing is stored', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  const before = await countStored(platform)
  const ping = signed(simulate('woocommerce', 'ping'), '')
  expect(Object.keys(ping.headers)).not.toContain('x-wc-webhook-signature')
  const answer = await send(endpoint, ping)
  expect(answer.status).toBe(200)
  const receiptId = answer.headers.get('x-correlation-id')
  expect(answer.body).toEqual({ result: 'ignored', receipt_id: receiptId, code: null })
  expect(await countStored(platform)).toEqual(before)
})

test.each([
  ['not JSON', '{"id":', 'malformed'],
  ['a lone surrogate', '{"id":1,"status":"\\ud800"}', 'poison'],
  ['another type of JSON', '[]', 'schema'],
])('200: dead: %s, rightly signed', async (_, text, faultClass) => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  const delivery = { ...simulate('woocommerce', UPDATED), body: Buffer.from(text) }
  const { body } = await send(endpoint, signed(delivery, endpoint.secret))
  expect(body).toMatchObject({ result: 'dead', code: faultClass })
  expect(await deadOf(platform, endpoint.tenant)).toMatchObject([{ id: body.receipt_id, class: faultClass }])
})

test('401: whatever is wrong, the answer is one and the same, and nothing is stored', async () => {
  const [endpoint, other, shop] = [
    await givenEndpoint(platform, 'woocommerce'),
    await givenEndpoint(platform, 'woocommerce'),
    await givenEndpoint(platform, 'shopify'),
  ]
  const delivery = simulate('woocommerce', UPDATED)
  const good = signed(delivery, endpoint.secret)
  const signature = good.headers['x-wc-webhook-signature'] ?? ''
  const withSignature = (text: string) =>
    send(endpoint, { ...good, headers: { ...good.headers, 'x-wc-webhook-signature': text } })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const text = (body: string, headers: Record<string, string> = form) =>
    send(endpoint, { headers, body: Buffer.from(body) })
  const attempts: Record<string, () => Promise<Answer>> = {
    'an unknown endpoint': () => send({ ...endpoint, endpointKey: 'A'.repeat(43) }, good),
    "Shopify's endpoint": () => send(shop, signed(delivery, shop.secret)),
    "another endpoint's secret": () => send(endpoint, signed(delivery, other.secret)),
    'another body': () => send(endpoint, signed(delivery, endpoint.secret, { tamper: 'body' })),
    'the signature twice': () => withSignature(`${signature}, ${signature}`),
    'the signature in hex': () => withSignature(Buffer.from(signature, 'base64').toString('hex')),
    'an empty signature': () => withSignature(''),
    'a ping at an unknown endpoint': () =>
      send({ ...endpoint, endpointKey: 'A'.repeat(43) }, { headers: form, body: Buffer.from('webhook_id=7') }),
    'a ping at an endpoint of Shopify': () => send(shop, { headers: form, body: Buffer.from('webhook_id=7') }),
    'a ping that is JSON': () => text('webhook_id=7', { 'content-type': 'application/json' }),
    'a ping with more': () => text('webhook_id=7&id=1'),
    'a ping without a number': () => text('webhook_id='),
    'a form that is no ping': () => text('id=7'),
    'a ping with a wrong signature': () => text('webhook_id=7', { ...form, 'x-wc-webhook-signature': signature }),
  }
  const before = await countStored(platform)
  const expected = await send(endpoint, { headers: {}, body: good.body })
  expectProblem(expected, 'unauthorized')
  for (const [name, attempt] of Object.entries(attempts)) {
    expect(masked(await attempt()), name).toBe(masked(expected))
  }
  expect(await countStored(platform)).toEqual(before)
  expect((await send(endpoint, good)).body.result).toBe('accepted')
})

test('413: more than 1 MiB, signed or not', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  const delivery = simulate('woocommerce', UPDATED)
  const body = Buffer.concat([delivery.body, Buffer.alloc(1_048_577 - delivery.body.length, ' ')])
  expectProblem(await send(endpoint, signed({ ...delivery, body }, endpoint.secret)), 'payload_too_large')
  expectProblem(await send(endpoint, { headers: {}, body }), 'payload_too_large')
})

test('415: compressed, though its bytes are signed', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  const delivery = simulate('woocommerce', UPDATED)
  const { headers, body } = signed({ ...delivery, body: gzipSync(delivery.body) }, endpoint.secret)
  const answer = await send(endpoint, { headers: { ...headers, 'content-encoding': 'gzip' }, body })
  expectProblem(answer, 'unsupported_media_type')
})

test('429: the quota of deliveries is used up', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  await exhaustPermits(platform, endpoint.tenant, 'ingest')
  expectQuotaUsedUp(await deliver(endpoint), 'ingest')
})

test('429: pings beyond 20 a minute, before they take from the quota; deliveries go on', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  const ping = signed(simulate('woocommerce', 'ping', randomInt(1_000)), '')
  const answers = []
  for (let i = 0; i < 22; i++) answers.push(await send(endpoint, ping))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(20)
  const refused = answers.at(-1) as Answer
  expectProblem(refused, 'rate_limited')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect((await deliver(endpoint)).body.result).toBe('accepted')
})

test('503: the database is gone; when it is back, the next delivery is taken', async () => {
  const endpoint = await givenEndpoint(platform, 'woocommerce')
  expectProblem(await platform.withoutDatabase(() => deliver(endpoint)), 'service_unavailable')
  expect((await deliver(endpoint)).body.result).toBe('accepted')
})
