// What the vendors' own libraries say about deliveries as they arrive over HTTP.

import { createVerify, X509Certificate } from 'node:crypto'
import { crc32 } from 'node:zlib'
import '@shopify/shopify-api/adapters/node'
import { ApiVersion, LogSeverity, shopifyApi } from '@shopify/shopify-api'
import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { type Signing, TAMPERINGS } from '../../src/webhooks/simulator/attempt.ts'
import { serveCertificate } from '../../src/webhooks/simulator/certificate-server.ts'
import type { SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { send } from '../../src/webhooks/simulator/send.ts'
import { listTopics, makeDelivery } from '../../src/webhooks/simulator/simulators.ts'
import { type Received, startReceiver } from './receiver.ts'

const SHOP = 'north-fjord.myshopify.com'
const GOOD: Signing = { scheme: 'vendor', secret: 'a secret of the test', certificate: null, tamper: null, ageS: 0 }

/** Sends every topic of a vendor to a receiver that checks it; what the checks said, by topic. */
async function verdicts(
  vendor: SimulatedVendor,
  signing: Signing,
  isGood: (received: Received, topic: string) => boolean | Promise<boolean>,
): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>()
  const topics = listTopics(vendor)
    .map(({ topic }) => topic.replace('<hook>', 'my_hook'))
    .filter((topic) => topic !== 'ping')
  const queue = topics.values()
  let current = ''
  const receiver = await startReceiver(async (received) => {
    const accepted = await isGood(received, current)
    found.set(current, accepted)
    return { status: accepted ? 200 : 401 }
  })
  function* planned() {
    for (const topic of queue) {
      current = topic
      const delivery = makeDelivery(vendor, topic, 11, { currency: 'USD', shopDomain: SHOP })
      yield { delivery, isRepeat: false }
    }
  }
  const options = { url: receiver.url, signing, concurrency: 1, ratePerS: null, retrySpeed: null }
  const tally = await send(planned(), options)
  expect(tally.deliveries).toBe(topics.length)
  // What this library thinks is what the simulator expects.
  expect(tally.examples).toEqual([])
  return found
}

const all = (found: Map<string, boolean>) => [...new Set(found.values())]

describe('Stripe', () => {
  const { webhooks } = new Stripe('sk_test_never_used')
  const constructed = ({ headers, body }: Received, topic: string) => {
    try {
      return webhooks.constructEvent(body, headers['Stripe-Signature'] ?? '', GOOD.secret).type === topic
    } catch {
      return false
    }
  }

  test('its library constructs every event', async () => {
    expect(all(await verdicts('stripe', GOOD, constructed))).toEqual([true])
  })

  test.each([...TAMPERINGS.map((tamper) => ({ tamper })), { ageS: 301 }])('and none that has %o', async (change) => {
    expect(all(await verdicts('stripe', { ...GOOD, ...change }, constructed))).toEqual([false])
  })

  test('one that is old, but not too old, is still good', async () => {
    expect(all(await verdicts('stripe', { ...GOOD, ageS: 200 }, constructed))).toEqual([true])
  })
})

describe('Shopify', () => {
  const shopify = shopifyApi({
    apiKey: 'key',
    apiSecretKey: GOOD.secret,
    hostName: 'app.example.com',
    apiVersion: ApiVersion.October26,
    isEmbeddedApp: false,
    logger: { level: LogSeverity.Error, log: () => {} },
  })
  const validated = async ({ request, response, body }: Received, topic: string) => {
    const found = await shopify.webhooks.validate({
      rawBody: body.toString(),
      rawRequest: request,
      rawResponse: response,
    })
    return found.valid && found.topic === topic.toUpperCase().replace('/', '_') && found.domain === SHOP
  }

  test('its library validates every topic', async () => {
    expect(all(await verdicts('shopify', GOOD, validated))).toEqual([true])
  })

  test.each(TAMPERINGS)('and none with another %s', async (tamper) => {
    expect(all(await verdicts('shopify', { ...GOOD, tamper }, validated))).toEqual([false])
  })

  test('an old one is good for ever, since no time is signed', async () => {
    expect(all(await verdicts('shopify', { ...GOOD, ageS: 1_000_000 }, validated))).toEqual([true])
  })
})

describe('Standard Webhooks', () => {
  const secret = `whsec_${Buffer.from('thirty-two bytes that a test made').toString('base64')}`
  const standard: Signing = { ...GOOD, scheme: 'standard-webhooks', secret }
  const verified = ({ headers, body }: Received) => {
    try {
      new Webhook(secret).verify(body.toString(), headers, { jsonParse: false })
      return true
    } catch {
      return false
    }
  }

  test.each(['stripe', 'shopify', 'paypal', 'woocommerce'] as const)(
    'its library verifies those of %s',
    async (vendor) => {
      expect(all(await verdicts(vendor, standard, verified))).toEqual([true])
    },
  )

  test.each([...TAMPERINGS.map((tamper) => ({ tamper })), { ageS: 301 }])('and none that has %o', async (change) => {
    expect(all(await verdicts('shopify', { ...standard, ...change }, verified))).toEqual([false])
  })
})

describe('PayPal', () => {
  const WEBHOOK_ID = 'WH-OF-THE-TEST'
  /** As PayPal says a receiver has to do it, with nothing of ours but the certificate's address. */
  const verified = async ({ headers, body }: Received) => {
    const [id, time] = [headers['PAYPAL-TRANSMISSION-ID'], headers['PAYPAL-TRANSMISSION-TIME'] ?? '']
    if (headers['PAYPAL-AUTH-ALGO'] !== 'SHA256withRSA') return false
    if (Date.now() - Date.parse(time) > 4 * 86_400_000) return false
    const answer = await fetch(headers['PAYPAL-CERT-URL'] ?? '')
    const certificate = new X509Certificate(await answer.text())
    if (!certificate.subject.includes('CN=messageverificationcerts.')) return false
    return createVerify('RSA-SHA256')
      .update(`${id}|${time}|${WEBHOOK_ID}|${crc32(body)}`)
      .verify(certificate.publicKey, headers['PAYPAL-TRANSMISSION-SIG'] ?? '', 'base64')
  }

  test('the certificate that is served verifies every event', async ({ onTestFinished }) => {
    const certificate = await serveCertificate(0)
    onTestFinished(certificate.close)
    const signing = { ...GOOD, secret: WEBHOOK_ID, certificate }
    expect(all(await verdicts('paypal', signing, verified))).toEqual([true])
    for (const change of [...TAMPERINGS.map((tamper) => ({ tamper })), { ageS: 5 * 86_400 }]) {
      expect(all(await verdicts('paypal', { ...signing, ...change }, verified)), JSON.stringify(change)).toEqual([
        false,
      ])
    }
  })

  test('and none that is signed for another webhook', async ({ onTestFinished }) => {
    const certificate = await serveCertificate(0)
    onTestFinished(certificate.close)
    const receiver = await startReceiver(async (received) => ({ status: (await verified(received)) ? 200 : 401 }))
    const delivery = makeDelivery('paypal', 'PAYMENT.SALE.COMPLETED', 1, { currency: 'USD', shopDomain: SHOP })
    const signing = { ...GOOD, secret: 'WEBHOOK_ID', certificate }
    const options = { url: receiver.url, signing, concurrency: 1, ratePerS: null, retrySpeed: null }
    const tally = await send([{ delivery, isRepeat: false }], options)
    expect(tally.statuses).toEqual({ 401: 1 })
    expect(tally.unexpected).toBe(1)
  })
})
