import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { isForged, type Signing, TAMPERINGS, toRequest } from './attempt.ts'
import { SIMULATED_VENDORS } from './contract-topics.ts'
import { makeDelivery } from './simulators.ts'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const now = new Date('2026-11-21T12:00:00.400Z')
const signing: Signing = {
  scheme: 'vendor',
  secret: 'a secret',
  certificate: { privateKey, url: 'http://127.0.0.1/cert' },
  tamper: null,
  ageS: 0,
}
const TOPICS = {
  stripe: 'charge.succeeded',
  shopify: 'orders/paid',
  paypal: 'CHECKOUT.ORDER.APPROVED',
  woocommerce: 'order.updated',
}
const deliveries = SIMULATED_VENDORS.map((vendor) =>
  makeDelivery(vendor, TOPICS[vendor], 1, { currency: 'USD', shopDomain: 'a.myshopify.com' }),
)

describe.each(deliveries)('$vendor', (delivery) => {
  const good = toRequest(delivery, signing, now)

  test('signs the body that it sends, and nothing of it changes', () => {
    expect(good.body).toBe(delivery.body)
    expect(good.headers).toMatchObject(delivery.headers)
    expect(Object.keys(good.headers).length).toBeGreaterThan(Object.keys(delivery.headers).length)
  })

  test('one second gives one request', () => {
    expect(toRequest(delivery, signing, new Date('2026-11-21T12:00:00.900Z'))).toEqual(good)
  })

  test.each(TAMPERINGS)('tampered with, %s: that differs, and nothing else', (tamper) => {
    const forged = toRequest(delivery, { ...signing, tamper }, now)
    const headers = Object.keys(good.headers).filter((name) => good.headers[name] !== forged.headers[name])
    if (tamper === 'body') {
      expect(headers).toEqual([])
      expect(forged.body.length).toBe(good.body.length)
      expect(forged.body.equals(good.body)).toBe(false)
      expect(() => JSON.parse(forged.body.toString())).not.toThrow()
    } else {
      expect(headers.length).toBe(1)
      expect(forged.body.equals(good.body)).toBe(true)
    }
    expect(isForged(delivery, { ...signing, tamper })).toBe(true)
  })

  test('the body of the delivery itself is never touched', () => {
    const before = Buffer.from(delivery.body)
    toRequest(delivery, { ...signing, tamper: 'body' }, now)
    expect(delivery.body.equals(before)).toBe(true)
  })
})

test.each([
  ['stripe', 300, false],
  ['stripe', 301, true],
  ['paypal', 300_000, false],
  ['paypal', 400_000, true],
  ['shopify', 10_000_000, false],
  ['woocommerce', 10_000_000, false],
] as const)('%s, %i seconds old: forged is %s', (vendor, ageS, forged) => {
  const delivery = { vendor, topic: TOPICS[vendor] }
  expect(isForged(delivery, { ...signing, ageS })).toBe(forged)
  expect(isForged(delivery, { ...signing, scheme: 'standard-webhooks', ageS })).toBe(ageS > 300)
})

test('the ping is not signed, so nothing of it can be forged', () => {
  const ping = makeDelivery('woocommerce', 'ping', 1, { currency: 'USD', shopDomain: 'a.myshopify.com' })
  expect(toRequest(ping, { ...signing, tamper: 'body' }, now)).toEqual({ headers: ping.headers, body: ping.body })
  expect(ping.body.toString()).toMatch(/^webhook_id=\d+$/)
  expect(isForged(ping, { ...signing, tamper: 'body' })).toBe(false)
})

test('only what is sent anew has another time', () => {
  const [stripe, , paypal] = deliveries.map((delivery) => {
    const later = toRequest(delivery, signing, new Date(now.getTime() + 5_000))
    const first = toRequest(delivery, signing, now)
    return Object.keys(first.headers).filter((name) => first.headers[name] !== later.headers[name])
  })
  expect(stripe).toEqual(['Stripe-Signature'])
  expect(paypal).toEqual(['PAYPAL-TRANSMISSION-SIG', 'PAYPAL-TRANSMISSION-TIME'])
})
