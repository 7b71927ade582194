import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { decodeEntities, signShopify, signStandard, signStripe, signWoocommerce } from './signature.ts'

const BODY = Buffer.from('{"foo": "bar"}')

test("Shopify's published vector", () => {
  expect(signShopify(BODY, 'test_secret_key')).toBe('B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=')
})

test('while a secret of Stripe is rolled there is one v1 for each', () => {
  const header = signStripe(BODY, ['next', 'old'], 1_700_000_000)
  const hex = (secret: string) => createHmac('sha256', secret).update('1700000000.').update(BODY).digest('hex')
  expect(header).toBe(`t=1700000000,v1=${hex('next')},v1=${hex('old')},v0=${'0'.repeat(64)}`)
})

test.each([
  ['plain', 'plain'],
  ['a&amp;b', 'a&b'],
  ['&#38;&#038;&#x26;&#X026;', '&&&&'],
  ['&lt;&gt;&#60;&#0062;', '<><>'],
  ['&quot;&#34;&#x22;&#039;&#X27;', `"""''`],
  ['&amp;lt;', '&lt;'],
  ['&apos;&#x3c;&#x3E;&AMP;&lt', '&apos;&#x3c;&#x3E;&AMP;&lt'],
])('WordPress makes %s into %s', (secret, decoded) => {
  expect(decodeEntities(secret)).toBe(decoded)
  expect(signWoocommerce(BODY, secret)).toBe(createHmac('sha256', decoded).update(BODY).digest('base64'))
})

test("the standard's own example", () => {
  // Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
  const body = Buffer.from('{"test": 2432232314}')
  const secret = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  expect(signStandard(body, `whsec_${secret}`, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330)).toBe(
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  )
  expect(signStandard(body, secret, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330)).toBe(
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  )
})
