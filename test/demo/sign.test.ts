import { isUtf8 } from 'node:buffer'
import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import type { Delivery } from '../../scripts/demo/day.ts'
import { sign } from '../../scripts/demo/send.ts'
import { generateDay } from '../../scripts/demo/traffic.ts'
import { signShopify } from '../../src/webhooks/simulator/signature.ts'

const SECRET = 'whsec_demo'
const { webhooks } = new Stripe('sk_test_never_used')
const deliveries = generateDay(1, '2026-01-15')
  .phases.flat()
  .filter((sending): sending is Delivery => sending.kind === 'delivery')

describe('each delivery of the day', () => {
  const stripe = deliveries.filter(({ vendor, body }) => vendor === 'stripe' && isUtf8(body))
  // verifyHeader and not constructEvent, which would parse the body too. The library signs text, so it has no opinion on
  // bytes that are none.
  const isTakenByStripe = (delivery: Delivery) => {
    const { headers, body } = sign({ secret: SECRET }, delivery)
    try {
      return webhooks.signature?.verifyHeader(body, headers['Stripe-Signature'] ?? '', SECRET, 300)
    } catch {
      return false
    }
  }

  test('from Stripe is signed unless it is meant to be forged', () => {
    for (const delivery of stripe.filter(({ signing }) => signing !== 'unknown_endpoint')) {
      expect(isTakenByStripe(delivery), `${delivery.signing} ${delivery.topic}`).toBe(
        delivery.expect !== 'unauthorized',
      )
    }
  })

  test('from Shopify is signed unless it is meant to be forged', () => {
    for (const delivery of deliveries.filter(
      ({ vendor, signing }) => vendor === 'shopify' && signing !== 'unknown_endpoint',
    )) {
      const { headers, body } = sign({ secret: SECRET }, delivery)
      const isSigned = headers['X-Shopify-Hmac-Sha256'] === signShopify(body, SECRET)
      expect(isSigned, `${delivery.signing} ${delivery.topic}`).toBe(delivery.expect !== 'unauthorized')
    }
  })
})
