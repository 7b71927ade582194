// What the vendors send about orders, as it would arrive: some of it twice, some of it in the wrong order.

import { shopifyHeaders } from '../../src/webhooks/simulator/shopify/headers.ts'
import { type StripePayment, stripeId } from '../../src/webhooks/simulator/stripe/charge.ts'
import { STRIPE_HEADERS, stripeEvent } from '../../src/webhooks/simulator/stripe/event.ts'
import { shopifyJson, stripeJson } from '../../src/webhooks/simulator/vendor-json.ts'
import { type Delivery, HOUR, type Order, SECOND, type Sending, type Touch } from './day.ts'
import { drawAmount, type PlacedOrder } from './orders.ts'
import { inventPerson } from './people.ts'
import { ALPHANUMERIC, createRandom, type Random, ulid, uuid } from './random.ts'
import {
  type DemoOrder,
  type DemoRefund,
  SHOP_DOMAIN,
  order as shopifyOrder,
  refund as shopifyRefund,
} from './shopify-payload.ts'
import { paymentIntent, charge as stripeCharge, uncapturedCharge } from './stripe-payload.ts'

export interface Placed {
  delivery: Delivery
  phase: number
}

export function addVendorDeliveries(seed: number, orders: readonly PlacedOrder[], phases: Sending[][]): Placed[] {
  const random = createRandom(seed, 'deliveries')
  const placed: Placed[] = []
  let refundsFirst = 0
  for (const [index, order] of orders.entries()) {
    const made =
      order.vendor === 'shopify' ? shopifyDeliveries(random, order, 1001 + index) : stripeDeliveries(random, order)
    // The money comes back before the platform has heard that it came in.
    const isRefundFirst = made.refunds.length > 0 && refundsFirst < 14
    if (isRefundFirst) refundsFirst++
    for (const delivery of made.payment) placed.push({ delivery, phase: isRefundFirst || random.chance(0.25) ? 1 : 0 })
    for (const delivery of made.refunds) placed.push({ delivery, phase: isRefundFirst || random.chance(0.6) ? 0 : 1 })
  }
  for (const { delivery, phase } of placed) phases[phase]?.push(delivery)
  return placed
}

function shopifyDeliveries(random: Random, order: PlacedOrder, number: number) {
  const id = order.shopifyId as bigint
  const person = inventPerson(random)
  const presentment =
    order.refunds.length === 0 && random.chance(0.05) ? { currency: 'NOK', totalMinor: 98_760n } : null
  const facts: DemoOrder = {
    id,
    number,
    at: order.at,
    amountMinor: order.capturedMinor,
    token: order.token,
    person,
    presentment,
  }
  const payment: Delivery[] = []
  if (random.chance(0.8))
    payment.push(shopify(random, 'orders/create', order.at, shopifyOrder(random, facts, 'pending')))
  payment.push(shopify(random, 'orders/paid', order.at, shopifyOrder(random, facts, 'paid')))
  // A second subscription to the same topic: another delivery id, the same payment.
  if (random.chance(0.04)) payment.push(shopify(random, 'orders/paid', order.at, shopifyOrder(random, facts, 'paid')))
  // Ten for each order, so that no two orders share one.
  const firstRefundId = 890_088_186_047_892_001n + BigInt(number) * 10n
  const refunds = order.refunds.map(({ amountMinor, at }, index) => {
    const transactions: DemoRefund['transactions'][number][] = [{ amountMinor, kind: 'refund', status: 'success' }]
    // One refund may move money in several transactions, and some attempts fail.
    if (amountMinor > 10n && random.chance(0.4)) {
      transactions[0] = { amountMinor: amountMinor - 7n, kind: 'refund', status: 'success' }
      transactions.push({ amountMinor: 7n, kind: 'refund', status: 'success' })
    }
    if (random.chance(0.4)) transactions.push({ amountMinor, kind: 'refund', status: 'failure' })
    if (random.chance(0.2)) transactions.push({ amountMinor, kind: 'void', status: 'success' })
    const refundId = firstRefundId + BigInt(index)
    return shopify(random, 'refunds/create', at, shopifyRefund({ id: refundId, orderId: id, at, transactions, person }))
  })
  // Goods came back, money did not: legal, and worth nothing.
  if (order.refunds.length > 0 && random.chance(0.1)) {
    const at = order.at + 5 * HOUR
    const restock = { id: firstRefundId + 9n, orderId: id, at, transactions: [], person }
    refunds.push(shopify(random, 'refunds/create', at, shopifyRefund(restock)))
  }
  return { payment, refunds }
}

function stripeDeliveries(random: Random, order: PlacedOrder) {
  const facts: StripePayment = {
    chargeId: order.chargeId as string,
    paymentIntentId: order.paymentIntentId,
    at: order.at,
    amount: Number(order.capturedMinor),
    currency: order.currency,
    token: order.token,
    person: inventPerson(random),
  }
  const charge = () => stripe(random, 'charge.succeeded', order.at, stripeCharge(random, facts))
  const intent = () => stripe(random, 'payment_intent.succeeded', order.at, paymentIntent(random, facts))
  // Most shops subscribe to both and hear of one payment twice.
  const kind = facts.paymentIntentId === null ? 'charge' : random.pick(['both', 'both', 'charge', 'intent'])
  const payment = [...(kind === 'intent' ? [] : [charge()]), ...(kind === 'charge' ? [] : [intent()])]
  let refundedBefore = 0
  const refunds = order.refunds.flatMap(({ amountMinor, at }) => {
    const refunded = refundedBefore + Number(amountMinor)
    const object = stripeCharge(random, facts, refunded)
    const previous = { amount_refunded: refundedBefore, receipt_url: null, refunded: false }
    refundedBefore = refunded
    const event = () => stripe(random, 'charge.refunded', at, object, { previous })
    // Rarely Stripe makes two events of one change: other event ids, the same interval.
    return random.chance(0.1) ? [event(), event()] : [event()]
  })
  return { payment, refunds }
}

/** Ordered and never paid; authorised and never captured. Their visitors' touches have to stay without effect. */
export function addUnpaidOrders(
  seed: number,
  start: number,
  touches: readonly Touch[],
  orders: Order[],
  phases: Sending[][],
): void {
  const random = createRandom(seed, 'unpaid')
  for (let i = 0; i < 12; i++) {
    const { visitorId } = random.pick(touches)
    const at = start + random.integer(3_600, 20 * 3_600) * SECOND
    const common = { at, token: `av1.${visitorId}.${ulid(random)}`, person: inventPerson(random) }
    const amountMinor = drawAmount(random)
    let id: string
    if (i % 3 === 0) {
      const chargeId = stripeId(random, 'ch')
      const facts = { ...common, chargeId, paymentIntentId: null, amount: Number(amountMinor), currency: 'USD' }
      phases[i % 2]?.push(stripe(random, 'charge.succeeded', at, uncapturedCharge(random, facts)))
      id = `stripe:${chargeId}`
    } else {
      const shopifyId = 750_000_000_000_000_001n + BigInt(random.integer(0, 2 ** 31)) * 16n + BigInt(i)
      const facts = { ...common, id: shopifyId, number: 5001 + i, amountMinor, presentment: null }
      phases[i % 2]?.push(shopify(random, 'orders/create', at, shopifyOrder(random, facts, 'pending')))
      id = `shopify:${shopifyId}`
    }
    const vendor = i % 3 === 0 ? 'stripe' : 'shopify'
    orders.push({ id, vendor, at, currency: 'USD', visitorId, capturedMinor: null, refunds: [] })
  }
}

export function shopify(
  random: Random,
  topic: string,
  at: number,
  body: object,
  options: { isTest?: boolean } = {},
): Delivery {
  const webhookId = uuid(random)
  const named = { topic, shopDomain: SHOP_DOMAIN, webhookId, eventId: uuid(random), triggeredAt: at }
  const headers = shopifyHeaders(options.isTest === true ? { ...named, isTest: true } : named)
  return {
    kind: 'delivery',
    vendor: 'shopify',
    topic,
    externalId: webhookId,
    headers,
    body: shopifyJson(body),
    signing: 'valid',
    expect: 'accepted',
  }
}

export function stripe(
  random: Random,
  type: string,
  at: number,
  object: object,
  options: { previous?: object; livemode?: boolean } = {},
): Delivery {
  const id = `evt_1${random.text(23, ALPHANUMERIC)}`
  const requestId = `req_${random.text(14, ALPHANUMERIC)}`
  return {
    kind: 'delivery',
    vendor: 'stripe',
    topic: type,
    externalId: id,
    headers: STRIPE_HEADERS,
    body: stripeJson(stripeEvent({ id, type, at, object, requestId, ...options })),
    signing: random.chance(0.05) ? 'valid_while_rolling' : 'valid',
    expect: 'accepted',
  }
}
