import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { signStripe, verifyStripe } from '../../generated/client/webhooks.js'

const SECRET = 'whsec_test'
const NOW = new Date('2026-11-20T10:00:00.900Z')
const now = Math.floor(NOW.getTime() / 1_000)
const { webhooks } = new Stripe('sk_test_never_used')
const body = JSON.stringify({
  id: 'evt_1',
  object: 'event',
  type: 'charge.succeeded',
  note: 'Zoë',
  data: { object: {} },
})

interface Signing {
  secret?: string
  timestamp?: number
}
const sign = (payload: string, { secret = SECRET, timestamp = now }: Signing = {}) =>
  webhooks.generateTestHeaderString({ payload, secret, timestamp })

const verify = (header: string | null, options: Partial<Parameters<typeof verifyStripe>[0]> = {}) => {
  const headers = header === null ? {} : { 'Stripe-Signature': header }
  return verifyStripe({ body, headers, secrets: SECRET, now: NOW, ...options })
}
const reasonOf = async (result: ReturnType<typeof verify>) => {
  const verified = await result
  return verified.ok ? null : verified.reason
}

/** What Stripe's own library says, by the clock of the test. */
function stripeTakes(payload: string, header: string, secret = SECRET): boolean {
  try {
    webhooks.constructEvent(payload, header, secret, 300, undefined, NOW.getTime())
    return true
  } catch {
    return false
  }
}

test("what Stripe's library signs is taken, and told by its topic", async () => {
  expect(await verify(sign(body))).toEqual({
    ok: true,
    event: {
      vendor: 'stripe',
      topic: 'charge.succeeded',
      name: 'charge.succeeded',
      payload: JSON.parse(body),
      id: 'evt_1',
      signedAt: new Date(now * 1_000),
    },
  })
  const other = JSON.stringify({ id: 'evt_2', type: 'price.created', data: {} })
  expect(await verify(sign(other), { body: other })).toMatchObject({
    ok: true,
    event: { topic: null, name: 'price.created' },
  })
})

test("what is signed here is taken by Stripe's library", async () => {
  const headers = await signStripe(body, SECRET, NOW)
  expect(stripeTakes(body, headers['stripe-signature'] ?? '')).toBe(true)
  expect(stripeTakes(`${body} `, headers['stripe-signature'] ?? '')).toBe(false)
  expect(await verifyStripe({ body, headers, secrets: SECRET, now: NOW })).toMatchObject({ ok: true })
})

test('the bytes count, in whatever they come', async () => {
  const bytes = new TextEncoder().encode(body)
  const padded = new Uint8Array([0, ...bytes, 0])
  for (const given of [body, bytes, bytes.buffer, Buffer.from(body), padded.subarray(1, -1)]) {
    expect(await verify(sign(body), { body: given })).toMatchObject({ ok: true })
  }
})

const other = sign(body, { secret: 'whsec_other' })
const both = `${sign(body)},${other.split(',')[1]}`
describe("agrees with Stripe's library", () => {
  test.each<[string, string, string, boolean]>([
    ['signed', body, sign(body), true],
    ['two signatures, the first of them ours', body, both, true],
    ['two signatures, the second of them ours', body, `${other},${sign(body).split(',')[1]}`, true],
    ['another scheme beside it', body, `${sign(body)},v0=${'0'.repeat(64)}`, true],
    ['as old as it may be', body, sign(body, { timestamp: now - 300 }), true],
    ['a second too old', body, sign(body, { timestamp: now - 301 }), false],
    ['of another secret', body, other, false],
    ['of another body', `${body} `, sign(body), false],
    ['re-serialised', JSON.stringify(JSON.parse(body), null, 2), sign(body), false],
    ['of another time', body, sign(body).replace(`t=${now}`, `t=${now - 1}`), false],
    ['in capitals', body, sign(body).replace(/v1=.*/, (v1) => `v1=${v1.slice(3).toUpperCase()}`), false],
    ['the test scheme only', body, sign(body).replace('v1=', 'v0='), false],
    ['without a time', body, sign(body).replace(/t=\d+,/, ''), false],
    ['cut off', body, sign(body).slice(0, -1), false],
    ['empty', body, '', false],
  ])('%s', async (_name, payload, header, isTaken) => {
    expect(stripeTakes(payload, header)).toBe(isTaken)
    expect((await verify(header, { body: payload })).ok).toBe(isTaken)
  })
})

test('unlike the library, a signature from the future is refused', async () => {
  const early = sign(body, { timestamp: now + 301 })
  expect(stripeTakes(body, early)).toBe(true)
  expect(await reasonOf(verify(early))).toBe('timestamp_out_of_tolerance')
  expect(await reasonOf(verify(sign(body, { timestamp: now + 300 })))).toBeNull()
})

test.each([
  [0, 0, null],
  [0, 1, 'timestamp_out_of_tolerance'],
  [10, 11, 'timestamp_out_of_tolerance'],
  [Number.NaN, 0, 'timestamp_out_of_tolerance'],
])('a tolerance of %d s and an age of %d s: %s', async (toleranceS, age, reason) => {
  expect(await reasonOf(verify(sign(body, { timestamp: now - age }), { toleranceS }))).toBe(reason)
})

test('one of several secrets is enough; blank ones never count', async () => {
  expect(await reasonOf(verify(sign(body), { secrets: ['whsec_new', SECRET] }))).toBeNull()
  expect(await reasonOf(verify(sign(body), { secrets: ['whsec_new', 'whsec_newer'] }))).toBe('signature_mismatch')
  expect(await reasonOf(verify(sign(body), { secrets: ['', ' '] }))).toBe('unusable_secret')
  expect(await reasonOf(verify(sign(body), { secrets: [] }))).toBe('unusable_secret')
  const blank = sign(body, { secret: ' ' })
  expect(await reasonOf(verify(blank, { secrets: [' ', SECRET] }))).toBe('signature_mismatch')
})

test.each<[string, string | null, string]>([
  ['absent', null, 'missing_header'],
  ['sent twice', `${sign(body)}, ${sign(body)}`, 'malformed_header'],
  ['with two times', `t=1,${sign(body)}`, 'malformed_header'],
  ['with a time that is no number', sign(body).replace(/t=\d+/, 't=now'), 'malformed_header'],
  ['too long', `${sign(body)},${'v1=0,'.repeat(1_000)}v1=0`, 'malformed_header'],
  ['of another secret and too old', sign(body, { secret: 'x', timestamp: 1 }), 'signature_mismatch'],
])('a header that is %s', async (_name, header, reason) => {
  expect(await reasonOf(verify(header))).toBe(reason)
})

test('headers may be of Node, of fetch, or repeated', async () => {
  const value = sign(body)
  for (const headers of [
    { 'stripe-signature': value },
    { 'STRIPE-SIGNATURE': [value] },
    new Headers({ 'stripe-signature': value }),
  ]) {
    expect(await verifyStripe({ body, headers, secrets: SECRET, now: NOW })).toMatchObject({ ok: true })
  }
  expect(
    await reasonOf(verifyStripe({ body, headers: { 'stripe-signature': [value, value] }, secrets: SECRET, now: NOW })),
  ).toBe('malformed_header')
})

test.each([
  ['no JSON', '{'],
  ['no object', '[]'],
  ['null', 'null'],
  ['no type', '{"id":"evt_1"}'],
  ['a type that is no text', '{"type":1}'],
])('a signed body that is %s', async (_name, payload) => {
  expect(await reasonOf(verify(sign(payload), { body: payload }))).toBe('malformed_body')
})

test('a signed body that is no UTF-8', async () => {
  const bytes = new Uint8Array([0x7b, 0xff, 0x7d])
  const headers = await signStripe(bytes, SECRET, NOW)
  expect(await reasonOf(verifyStripe({ body: bytes, headers, secrets: SECRET, now: NOW }))).toBe('malformed_body')
})

test('the body is read by the parser that is given', async () => {
  const payload = '{"type":"charge.succeeded","n":820982911946154508}'
  const parse = (text: string) => ({ ...JSON.parse(text), exact: text.includes('820982911946154508') })
  const result = await verify(sign(payload), { body: payload, parse })
  expect(result).toMatchObject({ ok: true, event: { payload: { exact: true } } })
})
