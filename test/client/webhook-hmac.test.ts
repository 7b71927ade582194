import { createHmac } from 'node:crypto'
import '@shopify/shopify-api/adapters/node'
import { ApiVersion, LogSeverity, shopifyApi } from '@shopify/shopify-api'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import {
  signShopify,
  signStandard,
  signWoocommerce,
  verifyShopify,
  verifyStandard,
  verifyWebhook,
  verifyWoocommerce,
} from '../../generated/client/webhooks.js'

const hmac = (secret: string, body: string | Buffer) => createHmac('sha256', secret).update(body).digest('base64')
const reasonOf = async (result: Promise<{ ok: true } | { ok: false; reason: string }>) => {
  const verified = await result
  return verified.ok ? null : verified.reason
}

describe('Shopify', () => {
  const SECRET = 'test_secret_key'
  const body = '{"id":5678901234567,"total_price":"132.00","note":"Zo\\u00eb \\/"}'
  const library = shopifyApi({
    apiKey: 'key',
    apiSecretKey: SECRET,
    apiVersion: ApiVersion.October25,
    hostName: 'shop.example.com',
    isEmbeddedApp: false,
    logger: { level: LogSeverity.Error },
  })
  const headersOf = (signature: string) => ({
    'X-Shopify-Hmac-Sha256': signature,
    'X-Shopify-Topic': 'orders/paid',
    'X-Shopify-Shop-Domain': 'example.myshopify.com',
    'X-Shopify-API-Version': '2025-10',
    'X-Shopify-Webhook-Id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
    'X-Shopify-Triggered-At': '2026-11-19T16:42:15.000000000Z',
  })
  const libraryTakes = async (rawBody: string, headers: Record<string, string>) => {
    const rawRequest = { method: 'POST', url: '/webhooks', headers }
    const { valid } = await library.webhooks.validate({ rawBody, rawRequest, rawResponse: {} } as never)
    return valid
  }
  const verify = (given: string, headers: Record<string, string>, secrets: string | string[] = SECRET) =>
    verifyShopify({ body: given, headers, secrets })

  test("Shopify's published vector", async () => {
    const signed = await signShopify('{"foo": "bar"}', SECRET)
    expect(signed['x-shopify-hmac-sha256']).toBe('B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=')
  })

  test('what is signed here is taken by both, and told with the facts of the headers', async () => {
    const signature = (await signShopify(body, SECRET))['x-shopify-hmac-sha256'] ?? ''
    expect(await libraryTakes(body, headersOf(signature))).toBe(true)
    expect(await verify(body, headersOf(signature))).toEqual({
      ok: true,
      event: {
        vendor: 'shopify',
        topic: 'orders/paid',
        name: 'orders/paid',
        payload: JSON.parse(body),
        webhookId: 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
        eventId: null,
        shopDomain: 'example.myshopify.com',
        apiVersion: '2025-10',
        triggeredAt: '2026-11-19T16:42:15.000000000Z',
        isTest: false,
      },
    })
  })

  test.each<[string, string, string, boolean]>([
    ['signed', body, hmac(SECRET, body), true],
    ['of another secret', body, hmac('other', body), false],
    ['of another body', `${body} `, hmac(SECRET, body), false],
    ['re-serialised', JSON.stringify(JSON.parse(body)), hmac(SECRET, body), false],
    ['cut off', body, hmac(SECRET, body).slice(0, -1), false],
    ['in hex', body, Buffer.from(hmac(SECRET, body), 'base64').toString('hex'), false],
  ])('agrees with the library: %s', async (_name, given, signature, isTaken) => {
    expect(await libraryTakes(given, headersOf(signature))).toBe(isTaken)
    expect((await verify(given, headersOf(signature))).ok).toBe(isTaken)
  })

  test('another spelling of the same base64 is refused', async () => {
    const signature = hmac(SECRET, body)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    const twin = `${signature.slice(0, -2)}${alphabet[alphabet.indexOf(signature.at(-2) ?? '') ^ 1]}=`
    expect(Buffer.from(twin, 'base64')).toEqual(Buffer.from(signature, 'base64'))
    expect(await reasonOf(verify(body, headersOf(twin)))).toBe('signature_mismatch')
  })

  test('old and new secret hold during a rotation; a topic that is not described is told by its name', async () => {
    const headers = { ...headersOf(hmac('old', body)), 'X-Shopify-Topic': 'customers/redact', 'X-Shopify-Test': 'true' }
    expect(await verify(body, headers, ['new', 'old'])).toMatchObject({
      ok: true,
      event: { topic: null, name: 'customers/redact', isTest: true },
    })
  })

  test.each([
    ['without a signature', { 'x-shopify-topic': 'orders/paid' }, SECRET, body, 'missing_header'],
    ['without a topic', { 'x-shopify-hmac-sha256': hmac(SECRET, body) }, SECRET, body, 'missing_header'],
    ['with a signature that is none', headersOf('x'), SECRET, body, 'malformed_header'],
    ['with a blank secret', headersOf(hmac('', body)), '', body, 'unusable_secret'],
    ['with a body that is no object', headersOf(hmac(SECRET, '[]')), SECRET, '[]', 'malformed_body'],
  ])('%s', async (_name, headers, secrets, given, reason) => {
    expect(await reasonOf(verify(given, headers as Record<string, string>, secrets))).toBe(reason)
  })
})

describe('WooCommerce', () => {
  const SECRET = 'a"b&c'
  const body = '{"id":727,"status":"processing","_links":"https:\\/\\/shop.example.com"}'
  const headersOf = (signature: string, topic = 'order.updated') => ({
    'X-WC-Webhook-Source': 'https://shop.example.com/',
    'X-WC-Webhook-Topic': topic,
    'X-WC-Webhook-ID': '3',
    'X-WC-Webhook-Delivery-ID': '9d2c',
    'X-WC-Webhook-Signature': signature,
  })

  test('what the shop signs is taken, and told by its topic', async () => {
    const headers = headersOf(hmac(SECRET, body))
    expect(await verifyWoocommerce({ body, headers, secrets: SECRET })).toEqual({
      ok: true,
      event: {
        vendor: 'woocommerce',
        topic: 'order.updated',
        name: 'order.updated',
        payload: JSON.parse(body),
        source: 'https://shop.example.com/',
        webhookId: '3',
        deliveryId: '9d2c',
      },
    })
    const action = headersOf(hmac(SECRET, body), 'action.my_hook')
    expect(await verifyWoocommerce({ body, headers: action, secrets: SECRET })).toMatchObject({
      event: { topic: null, name: 'action.my_hook' },
    })
    expect((await signWoocommerce(body, SECRET))['x-wc-webhook-signature']).toBe(hmac(SECRET, body))
  })

  // What WordPress' wp_specialchars_decode(…, ENT_QUOTES) makes of each.
  test.each([
    ['a&amp;b', 'a&b'],
    ['a&#038;b&#x26;c&#X026;', 'a&b&c&'],
    ['&lt;&#060;&gt;&#62;', '<<>>'],
    ['&quot;&#34;&#x22;', '"""'],
    ['&#039;&#x27;', "''"],
    ['&amp;lt;', '&lt;'],
    ['&apos;&#x3C;&#x3e;&AMP;&#38', '&apos;&#x3C;&#x3e;&AMP;&#38'],
  ])('the secret %s signs as %s', async (written, decoded) => {
    const headers = headersOf(hmac(decoded, body))
    expect(await reasonOf(verifyWoocommerce({ body, headers, secrets: written }))).toBeNull()
    expect((await signWoocommerce(body, written))['x-wc-webhook-signature']).toBe(hmac(decoded, body))
  })

  test.each<[string, string, Record<string, string>, string, string]>([
    ['of another secret', body, headersOf(hmac('x', body)), SECRET, 'signature_mismatch'],
    ['of another body', `${body} `, headersOf(hmac(SECRET, body)), SECRET, 'signature_mismatch'],
    ['with a blank secret', body, headersOf(hmac('', body)), '', 'unusable_secret'],
    ['with a signature that is none', body, headersOf('x'), SECRET, 'malformed_header'],
    ['without a signature', body, { 'x-wc-webhook-topic': 'order.updated' }, SECRET, 'missing_header'],
    ['without a topic', body, { 'x-wc-webhook-signature': hmac(SECRET, body) }, SECRET, 'missing_header'],
    ['a ping', 'webhook_id=12', { 'content-type': 'application/x-www-form-urlencoded' }, SECRET, 'ping'],
    ['no ping', 'webhook_id=12&a=b', {}, SECRET, 'missing_header'],
    ['a ping with a topic', 'webhook_id=12', { 'x-wc-webhook-topic': 'order.updated' }, SECRET, 'missing_header'],
  ])('%s', async (_name, given, headers, secrets, reason) => {
    expect(await reasonOf(verifyWoocommerce({ body: given, headers, secrets }))).toBe(reason)
  })
})

describe('Standard Webhooks', () => {
  const SECRET = `whsec_${Buffer.from('a secret of the test, 32 bytes..').toString('base64')}`
  const OTHER = Buffer.from('another').toString('base64')
  const NOW = new Date('2026-11-20T10:00:00.900Z')
  const body = '{"hello":"Zoë"}'
  const library = new Webhook(SECRET)
  const headersOf = (signature: string, at = NOW, prefix = 'webhook') => ({
    [`${prefix}-id`]: 'msg_1',
    [`${prefix}-timestamp`]: String(Math.floor(at.getTime() / 1_000)),
    [`${prefix}-signature`]: signature,
  })
  const verify = (headers: Record<string, string>, given = body, secrets: string | string[] = SECRET) =>
    verifyStandard({ body: given, headers, secrets, now: NOW })

  test('what the library signs is taken, and what is signed here the library takes', async () => {
    const signature = library.sign('msg_1', NOW, body)
    const event = { id: 'msg_1', signedAt: new Date('2026-11-20T10:00:00Z'), payload: { hello: 'Zoë' } }
    expect(await verify(headersOf(signature))).toEqual({ ok: true, event })
    expect(await verify(headersOf(signature, NOW, 'svix'))).toEqual({ ok: true, event })
    expect(await verify(headersOf(signature), body, SECRET.slice('whsec_'.length))).toEqual({ ok: true, event })
    const own = await signStandard(body, SECRET, { id: 'msg_2' })
    expect(library.verify(body, own)).toEqual({ hello: 'Zoë' })
    expect(() => library.verify(`${body} `, own)).toThrow()
    await expect(signStandard(body, 'not base64', { id: 'x' })).rejects.toThrow(TypeError)
  })

  test('a list of signatures, of versions and of secrets', async () => {
    const signature = library.sign('msg_1', NOW, body)
    const other = new Webhook(OTHER).sign('msg_1', NOW, body)
    expect(await reasonOf(verify(headersOf(`${other} v1a,xyz ${signature}`)))).toBeNull()
    expect(await reasonOf(verify(headersOf(other), body, [SECRET, OTHER]))).toBeNull()
    expect(await reasonOf(verify(headersOf(signature.replace('v1,', 'v1a,'))))).toBe('signature_mismatch')
    expect(await reasonOf(verify(headersOf(`${other},${signature}`)))).toBe('signature_mismatch')
  })

  test.each([
    [-300, null],
    [300, null],
    [-301, 'timestamp_out_of_tolerance'],
    [301, 'timestamp_out_of_tolerance'],
  ])('%d s off: %s', async (seconds, reason) => {
    const at = new Date(Math.floor(NOW.getTime() / 1_000) * 1_000 + seconds * 1_000)
    expect(await reasonOf(verify(headersOf(library.sign('msg_1', at, body), at)))).toBe(reason)
  })

  test.each<[string, Record<string, string>, string, string, string]>([
    ['of another body', headersOf(library.sign('msg_1', NOW, body)), `${body} `, SECRET, 'signature_mismatch'],
    ['of another id', headersOf(library.sign('msg_2', NOW, body)), body, SECRET, 'signature_mismatch'],
    ['without an id', { 'webhook-timestamp': '1', 'webhook-signature': 'v1,x' }, body, SECRET, 'missing_header'],
    ['with an empty id', { ...headersOf('v1,x'), 'webhook-id': '' }, body, SECRET, 'malformed_header'],
    [
      'with a time that is none',
      { ...headersOf('v1,x'), 'webhook-timestamp': 'now' },
      body,
      SECRET,
      'malformed_header',
    ],
    [
      'with a secret that is no base64',
      headersOf(library.sign('msg_1', NOW, body)),
      body,
      'whsec_?',
      'unusable_secret',
    ],
    ['with an empty secret', headersOf(library.sign('msg_1', NOW, body)), body, 'whsec_', 'unusable_secret'],
    ['with a body that is no JSON', headersOf(library.sign('msg_1', NOW, '{')), '{', SECRET, 'malformed_body'],
  ])('%s', async (_name, headers, given, secret, reason) => {
    expect(await reasonOf(verify(headers, given, secret))).toBe(reason)
  })
})

test('verifyWebhook chooses by name', async () => {
  const body = '{"id":1}'
  const headers = { ...(await signShopify(body, 's')), 'x-shopify-topic': 'orders/create' }
  expect(await verifyWebhook('shopify', { body, headers, secrets: 's' })).toMatchObject({ ok: true })
  expect(await verifyWebhook('woocommerce', { body, headers, secrets: 's' })).toMatchObject({
    reason: 'missing_header',
  })
})
