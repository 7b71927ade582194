import { expect, test } from 'vitest'
import { packBody, unpackBody } from './kept-body.ts'

const BODY = Buffer.from([0xff, 0x0a, 0x00, 0x7b, 0x0a])

test('the bytes come back as they were, with the headers that say what they are about', () => {
  const headers = {
    'x-shopify-topic': 'orders/paid',
    'x-shopify-webhook-id': 'a\nb"c',
    'x-shopify-test': 'true',
    'x-shopify-hmac-sha256': 'secret',
    cookie: 'secret',
  }
  const packed = packBody('shopify', headers, BODY)
  expect(packed.includes('secret')).toBe(false)
  const { 'x-shopify-hmac-sha256': _, cookie: _cookie, ...kept } = headers
  expect(unpackBody(packed)).toEqual({ headers: kept, rawBody: BODY })
})

test.each(['stripe', 'paypal', 'woocommerce'] as const)('%s: an empty body, no headers', (vendor) => {
  expect(unpackBody(packBody(vendor, {}, Buffer.alloc(0)))).toEqual({ headers: {}, rawBody: Buffer.alloc(0) })
})

test('a header that nobody would send is left out', () => {
  const headers = { 'x-shopify-topic': 'a'.repeat(501) }
  expect(unpackBody(packBody('shopify', headers, BODY)).headers).toEqual({})
})

test('bytes that it did not make are refused', () => {
  expect(() => unpackBody(Buffer.from('{}'))).toThrow(TypeError)
})
