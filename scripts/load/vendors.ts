import { createHash, randomBytes } from 'node:crypto'
import { type SignedRequest, type Signing, toRequest } from '../../src/webhooks/simulator/attempt.ts'
import type { Delivery, SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { makeDelivery } from '../../src/webhooks/simulator/simulators.ts'

export const VENDORS: readonly SimulatedVendor[] = ['stripe', 'shopify', 'paypal', 'woocommerce']

/** An endpoint of a tenant, as its vendor knows it. */
export interface Door {
  vendor: SimulatedVendor
  tenantId: string
  endpointId: string
  path: string
  signing: Signing
}

/** One delivery on its way to one door. */
export interface Shot {
  /** For people: `stripe charge.succeeded, seed 7`. */
  name: string
  delivery: Delivery
  door: Door
  /** Of the body, in hex: what was stored is found by it, whatever became of the delivery's ids. */
  sha256: string
  /** Signed anew, as each attempt of a vendor is. */
  sign: (now: Date) => SignedRequest
}

/** What brings money or tells of an order; of each vendor, one story each. */
export const TOPICS: Record<SimulatedVendor, readonly string[]> = {
  stripe: ['charge.succeeded', 'payment_intent.succeeded', 'charge.refunded'],
  shopify: ['orders/create', 'orders/paid', 'refunds/create'],
  paypal: ['PAYMENT.CAPTURE.COMPLETED', 'PAYMENT.CAPTURE.REFUNDED', 'CHECKOUT.ORDER.APPROVED'],
  woocommerce: ['order.created', 'order.updated'],
}

const HOUR_MS = 3_600_000
const SHOP = 'load.myshopify.com'

/** The delivery of a seed: the vendors take turns, and so do the topics of each. */
export function inventDelivery(seed: number, vendor = VENDORS[seed % VENDORS.length] as SimulatedVendor): Delivery {
  const topics = TOPICS[vendor]
  const topic = topics[Math.floor(seed / VENDORS.length) % topics.length] as string
  return makeDelivery(vendor, topic, seed, { currency: 'USD', shopDomain: SHOP, startedAt: Date.now() - HOUR_MS })
}

export function aim(delivery: Delivery, door: Door): Shot {
  return {
    name: `${delivery.vendor} ${delivery.topic}, seed ${delivery.seed}`,
    delivery,
    door,
    sha256: createHash('sha256').update(delivery.body).digest('hex'),
    sign: (now) => toRequest(delivery, door.signing, now),
  }
}

/** As the vendor makes them: for PayPal the id of a webhook. */
export function inventSecret(vendor: SimulatedVendor): string {
  if (vendor === 'paypal') return randomBytes(9).toString('hex').toUpperCase().slice(0, 17)
  return `whsec_${randomBytes(24).toString('base64url')}`
}
