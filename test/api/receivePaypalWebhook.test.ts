import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { expectProblem, masked } from '../support/answer.ts'
import { DAY, givenEndpoint, givenSecret, inventSecret, MINUTE, type TestEndpoint } from '../support/given.ts'
import { exhaustPermits, expectQuotaUsedUp } from '../support/limits.ts'
import { paypalCertificate, UNREACHABLE_URL } from '../support/paypal.ts'
import { type Answer, usePlatform } from '../support/platform.ts'
import { deadOf, type SignedDelivery, signed, simulate, storedOf } from '../support/signed-deliveries.ts'
import { countStored } from '../support/stored.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

const CAPTURE = 'PAYMENT.CAPTURE.COMPLETED'

const send = ({ endpointKey }: TestEndpoint, { headers, body }: SignedDelivery): Promise<Answer> =>
  platform.call('receivePaypalWebhook', { params: { endpoint_key: endpointKey }, headers, body })
const deliver = (endpoint: TestEndpoint, topic = CAPTURE, options: Parameters<typeof signed>[2] = {}) =>
  send(endpoint, signed(simulate('paypal', topic), endpoint.secret, options))

test('200: accepted, with its job; two deliveries, one fetch of the certificate', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const { body } = await deliver(endpoint)
  expect(body).toEqual({ result: 'accepted', receipt_id: expect.any(String), code: null })
  expect((await deliver(endpoint)).body.result).toBe('accepted')
  expect(await storedOf(platform, endpoint.tenant)).toMatchObject([{ topic: CAPTURE }, { topic: CAPTURE }])
  const jobs = await platform.query(`select from pgboss.job where data ->> 'eventId' = $1`, [body.receipt_id])
  expect(jobs).toHaveLength(1)
  const { url } = paypalCertificate('live')
  expect(platform.paypal.downloads.filter((download) => download === url)).toEqual([url])
})

test('200: duplicate, though it was signed anew, as when PayPal tries again', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const delivery = simulate('paypal', CAPTURE)
  const first = await send(endpoint, signed(delivery, endpoint.secret, { ageS: 3 * 86_400 }))
  expect(first.body.result).toBe('accepted')
  const again = await send(endpoint, signed(delivery, endpoint.secret))
  expect(again.body).toMatchObject({ result: 'duplicate', receipt_id: first.body.receipt_id })
})

test("200: an endpoint in test mode takes the sandbox's certificate, and a live one does not", async () => {
  const [sandbox, live] = [
    await givenEndpoint(platform, 'paypal', { mode: 'test' }),
    await givenEndpoint(platform, 'paypal'),
  ]
  // Acknowledged and kept apart: never money.
  expect((await deliver(sandbox, CAPTURE, { mode: 'test' })).body.result).toBe('ignored')
  expectProblem(await deliver(sandbox, CAPTURE, { mode: 'live' }), 'unauthorized')
  expectProblem(await deliver(live, CAPTURE, { mode: 'test' }), 'unauthorized')
})

test('200: each of the ids of an endpoint is tried, until one runs out', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const secret = await givenSecret(platform, endpoint, { notAfter: new Date(Date.now() + MINUTE) })
  for (const each of [endpoint.secret, secret]) {
    expect((await deliver({ ...endpoint, secret: each })).body.result).toBe('accepted')
  }
  const later = new Date(Date.now() + 2 * MINUTE)
  platform.setNow(later)
  expectProblem(await deliver({ ...endpoint, secret }, CAPTURE, { at: later }), 'unauthorized')
  expect((await deliver(endpoint, CAPTURE, { at: later })).body.result).toBe('accepted')
})

test('200: ignored: a type that carries no revenue', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  expect((await deliver(endpoint, 'BILLING.SUBSCRIPTION.ACTIVATED')).body.result).toBe('ignored')
})

test.each<[string, string, string]>([
  ['not JSON', '{"id":', 'malformed'],
  ['no bytes at all', '', 'malformed'],
  ['a NUL escape', '{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"\\u0000"}}', 'poison'],
  ['no type', '{"id":"WH-1"}', 'schema'],
])('200: dead: %s, rightly signed', async (_, text, faultClass) => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const delivery = { ...simulate('paypal', CAPTURE), body: Buffer.from(text) }
  const { body } = await send(endpoint, signed(delivery, endpoint.secret))
  expect(body).toMatchObject({ result: 'dead', code: faultClass })
  expect(await deadOf(platform, endpoint.tenant)).toMatchObject([{ id: body.receipt_id, class: faultClass }])
})

test('401: whatever is wrong, the answer is one and the same, and nothing is fetched or stored', async () => {
  const [endpoint, other] = [await givenEndpoint(platform, 'paypal'), await givenEndpoint(platform, 'paypal')]
  const delivery = simulate('paypal', CAPTURE)
  expect((await send(endpoint, signed(delivery, endpoint.secret))).status).toBe(200)
  const good = signed(delivery, endpoint.secret)
  const url = good.headers['paypal-cert-url'] ?? ''
  const changed = (headers: Record<string, string>) =>
    send(endpoint, { ...good, headers: { ...good.headers, ...headers } })
  const attempts: Record<string, () => Promise<Answer>> = {
    'an unknown endpoint': () => send({ ...endpoint, endpointKey: 'A'.repeat(43) }, good),
    'an unknown endpoint, with an unknown certificate': () =>
      send(
        { ...endpoint, endpointKey: 'A'.repeat(43) },
        { ...good, headers: { ...good.headers, 'paypal-cert-url': `${url}0` } },
      ),
    "another endpoint's id": () => send(endpoint, signed(delivery, other.secret)),
    "the simulator's id": () => send(endpoint, signed(delivery, 'WEBHOOK_ID')),
    'another body': () => send(endpoint, signed(delivery, endpoint.secret, { tamper: 'body' })),
    'another signature': () => send(endpoint, signed(delivery, endpoint.secret, { tamper: 'signature' })),
    'another transmission': () => send(endpoint, signed(delivery, endpoint.secret, { tamper: 'header' })),
    'too old': () => send(endpoint, signed(delivery, endpoint.secret, { ageS: 5 * 86_400 })),
    'another algorithm': () => changed({ 'paypal-auth-algo': 'SHA1withRSA' }),
    ...Object.fromEntries(
      [
        'http://169.254.169.254/latest/meta-data/',
        'file:///etc/passwd',
        url.replace('https:', 'http:'),
        url.replace('api.paypal.com', 'api.paypal.com.evil.example'),
        url.replace('api.paypal.com', 'evil.example'),
        url.replace('api.paypal.com', 'api.sandbox.paypal.com'),
        url.replace('api.paypal.com', 'api.paypal.com:8443'),
        url.replace('api.paypal.com', 'user@api.paypal.com'),
        url.replace('/certs/', '/certs/../certs/'),
        `${url}?a=b`,
        `${url}#a`,
        `${url}, ${url}`,
        `http://127.0.0.1:${new URL(platform.url).port}/health/live`,
      ].map((text) => [text, () => changed({ 'paypal-cert-url': text })]),
    ),
  }
  const [before, downloads] = [await countStored(platform), [...platform.paypal.downloads]]
  const expected = await send(endpoint, { headers: {}, body: good.body })
  expectProblem(expected, 'unauthorized')
  for (const [name, attempt] of Object.entries(attempts)) {
    expect(masked(await attempt()), name).toBe(masked(expected))
  }
  expect(await countStored(platform)).toEqual(before)
  expect(platform.paypal.downloads).toEqual(downloads)
  expect((await send(endpoint, good)).body.result).toBe('duplicate')
})

test('401: the certificate is out of date when the delivery comes', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const at = new Date(Date.now() + 400 * DAY)
  platform.setNow(at)
  expectProblem(await deliver(endpoint, CAPTURE, { at }), 'unauthorized')
})

test('401: PayPal has no such certificate', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const { headers, body } = signed(simulate('paypal', CAPTURE), endpoint.secret)
  const url = `${headers['paypal-cert-url']?.slice(0, -8)}00000404`
  expectProblem(await send(endpoint, { headers: { ...headers, 'paypal-cert-url': url }, body }), 'unauthorized')
  expect(platform.paypal.downloads).toContain(url)
})

test('413: more than 1 MiB, signed or not', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const delivery = simulate('paypal', CAPTURE)
  const body = Buffer.concat([delivery.body, Buffer.alloc(1_048_577 - delivery.body.length, ' ')])
  expectProblem(await send(endpoint, signed({ ...delivery, body }, endpoint.secret)), 'payload_too_large')
  expectProblem(await send(endpoint, { headers: {}, body }), 'payload_too_large')
  expect(await storedOf(platform, endpoint.tenant)).toEqual([])
})

test('415: compressed, though its bytes are signed', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const delivery = simulate('paypal', CAPTURE)
  const { headers, body } = signed({ ...delivery, body: gzipSync(delivery.body) }, endpoint.secret)
  const answer = await send(endpoint, { headers: { ...headers, 'content-encoding': 'gzip' }, body })
  expectProblem(answer, 'unsupported_media_type')
  expect(await storedOf(platform, endpoint.tenant)).toEqual([])
})

test('429: the quota of deliveries is used up', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  await exhaustPermits(platform, endpoint.tenant, 'ingest')
  expectQuotaUsedUp(await deliver(endpoint), 'ingest')
})

test('503: the database is gone; sent again, it is taken', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal')
  const delivery = simulate('paypal', CAPTURE)
  const gone = await platform.withoutDatabase(() => send(endpoint, signed(delivery, endpoint.secret)))
  expectProblem(gone, 'service_unavailable')
  expect((await send(endpoint, signed(delivery, endpoint.secret))).body.result).toBe('accepted')
})

test('503: the certificate cannot be fetched, so nobody knows whether it is signed', async () => {
  const endpoint = await givenEndpoint(platform, 'paypal', { tenant: platform.tenant })
  const { headers, body } = signed(simulate('paypal', CAPTURE), inventSecret('paypal'))
  const answer = await send(endpoint, { headers: { ...headers, 'paypal-cert-url': UNREACHABLE_URL }, body })
  expectProblem(answer, 'service_unavailable')
})
