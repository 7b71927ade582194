// What a platform must not count: repeats, kinds it does not use, test mode, broken bodies, forged signatures.

import { type StripePayment, stripeId } from '../../src/webhooks/simulator/stripe/charge.ts'
import { type Delivery, SECOND, type Sending, type Signing } from './day.ts'
import { type Placed, shopify, stripe } from './deliveries.ts'
import { drawAmount } from './orders.ts'
import { CANARY, inventPerson } from './people.ts'
import { ALPHANUMERIC, createRandom, type Random, ulid } from './random.ts'
import { type DemoOrder, order as shopifyOrder } from './shopify-payload.ts'
import { charge as stripeCharge } from './stripe-payload.ts'

export function addRepeats(seed: number, genuine: readonly Placed[], phases: Sending[][]): void {
  const random = createRandom(seed, 'repeats')
  for (const { delivery, phase } of random.shuffle(genuine).slice(0, 60)) {
    const copies = random.chance(0.2) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      phases[random.integer(phase, 2)]?.push({ ...delivery, expect: 'duplicate' })
    }
  }
}

export function addIgnored(seed: number, start: number, phases: Sending[][]): void {
  const random = createRandom(seed, 'ignored')
  const at = () => start + random.integer(3_600, 20 * 3_600) * SECOND
  const ignore = (delivery: Delivery) => phases[random.integer(0, 1)]?.push({ ...delivery, expect: 'ignored' })
  for (let i = 0; i < 12; i++) {
    ignore(shopify(random, 'checkouts/update', at(), shopifyOrder(random, inventShopifyOrder(random, at()), 'paid')))
  }
  for (let i = 0; i < 10; i++) {
    const person = inventPerson(random)
    const customer = {
      id: `cus_${random.text(14, ALPHANUMERIC)}`,
      object: 'customer',
      email: person.email,
      name: person.firstName,
      phone: person.phone,
    }
    ignore(stripe(random, 'customer.created', at(), customer))
  }
  // Money on its way to the merchant's bank: it was counted when the buyers paid.
  for (let i = 0; i < 6; i++) {
    const payout = {
      id: stripeId(random, 'po'),
      object: 'payout',
      amount: 1000,
      currency: 'usd',
      destination: stripeId(random, 'ba'),
      status: 'paid',
    }
    ignore(stripe(random, 'payout.paid', at(), payout))
  }
  // Test mode on an endpoint for live traffic.
  for (let i = 0; i < 3; i++) {
    const order = inventShopifyOrder(random, at())
    ignore(shopify(random, 'orders/paid', order.at, shopifyOrder(random, order, 'paid', true), { isTest: true }))
    const payment = inventPayment(random, at())
    ignore(stripe(random, 'charge.succeeded', payment.at, stripeCharge(random, payment, 0, false), { livemode: false }))
  }
}

/** Correctly signed and of no use: a retry could not mend them, so each one is acknowledged and kept as dead. */
export function addBroken(seed: number, start: number, phases: Sending[][]): void {
  const random = createRandom(seed, 'broken')
  const at = () => start + random.integer(3_600, 20 * 3_600) * SECOND
  const broken = (delivery: Delivery, edit: (text: string) => string | Buffer) => {
    const body = Buffer.from(edit(delivery.body.toString()))
    phases[random.integer(0, 1)]?.push({ ...delivery, body, expect: 'dead' })
  }
  const charge = (change: object = {}) => {
    const payment = inventPayment(random, at())
    return stripe(random, 'charge.succeeded', payment.at, { ...stripeCharge(random, payment), ...change })
  }
  const paid = (change: object = {}) => {
    const order = inventShopifyOrder(random, at())
    return shopify(random, 'orders/paid', order.at, { ...shopifyOrder(random, order, 'paid'), ...change })
  }
  const same = (text: string) => text
  const nested = (text: string) => text.replace(/\}\s*$/, `,"deep":${'['.repeat(5_000)}${']'.repeat(5_000)}}`)
  const withNul = (text: string) => text.replace(/"skeldir": ?"av1/, (start) => `${start}\\u0000`)
  const withSurrogate = (text: string) => text.replace(/"skeldir": ?"av1/, (start) => `${start}\\ud800`)
  // The Shopify token stands in `value`, after its name.
  const inValue = (escaped: string) => (text: string) => text.replace('"value":"av1', `"value":"av1${escaped}`)

  for (const sent of [charge(), paid()]) {
    broken(sent, () => `<html>${CANARY}: 502 Bad Gateway</html>`)
    broken(sent, (text) => text.slice(0, text.length / 2))
    broken(sent, (text) => Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xfe])]))
  }
  const html = charge()
  for (let i = 0; i < 2; i++)
    phases[i]?.push({ ...html, body: Buffer.from(`not json, sent twice ${CANARY}`), expect: 'dead' })
  broken(charge({ amount: undefined, amount_captured: undefined }), same)
  broken(charge({ amount: '12.00', amount_captured: '12.00' }), same)
  broken(charge({ currency: 'zzq' }), same)
  broken(charge(), nested)
  broken(charge(), withNul)
  broken(charge(), withSurrogate)
  broken(paid({ total_price: undefined, total_price_set: undefined, current_total_price: undefined }), same)
  broken(paid({ total_price: 'twelve' }), same)
  broken(paid({ currency: 'ZZQ' }), same)
  broken(paid(), nested)
  broken(paid(), inValue('\\u0000'))
  broken(paid(), inValue('\\udfff'))
  // One id, first with this body and then with one that says something else: the first one stands.
  const customer = stripe(random, 'customer.created', at(), { id: 'cus_Twice', object: 'customer', name: CANARY })
  const order = inventShopifyOrder(random, at())
  for (const told of [customer, shopify(random, 'checkouts/update', order.at, shopifyOrder(random, order, 'paid'))]) {
    phases[0]?.push({ ...told, expect: 'ignored' })
    const text = told.body.toString()
    const other = text.replace('customer.created', 'customer.updated').replace(/("total_price": ?")/, '$19')
    phases[2]?.push({ ...told, body: Buffer.from(other), expect: 'dead' })
  }
}

/** Not from the vendor: answered 401, all alike, and nothing is stored. */
export function addForged(seed: number, start: number, phases: Sending[][]): void {
  const random = createRandom(seed, 'forged')
  const at = () => start + random.integer(3_600, 20 * 3_600) * SECOND
  const forge = (delivery: Delivery, signing: Signing) => {
    phases[random.integer(0, 2)]?.push({ ...delivery, signing, expect: 'unauthorized' })
  }
  const charge = () => {
    const payment = inventPayment(random, at())
    return stripe(random, 'charge.succeeded', payment.at, stripeCharge(random, payment))
  }
  const paid = () => {
    const order = inventShopifyOrder(random, at())
    return shopify(random, 'orders/paid', order.at, shopifyOrder(random, order, 'paid'))
  }
  for (const make of [charge, paid]) {
    for (const signing of [
      'wrong_secret',
      'wrong_secret',
      'missing',
      'altered_body',
      'wrong_encoding',
      'unknown_endpoint',
    ] as const) {
      forge(make(), signing)
    }
  }
  // Only Stripe signs a time.
  for (let i = 0; i < 2; i++) forge(charge(), 'expired')
}

function inventShopifyOrder(random: Random, at: number): DemoOrder {
  const id = 700_000_000_000_000_001n + BigInt(random.uint32()) * 1_000n + BigInt(random.integer(0, 999))
  const token = `av1.${ulid(random)}.${ulid(random)}`
  return {
    id,
    number: random.integer(6001, 9999),
    at,
    amountMinor: drawAmount(random),
    token,
    person: inventPerson(random),
    presentment: null,
  }
}

function inventPayment(random: Random, at: number): StripePayment {
  return {
    chargeId: stripeId(random, 'ch'),
    paymentIntentId: stripeId(random, 'pi'),
    at,
    amount: Number(drawAmount(random)),
    currency: 'USD',
    token: `av1.${ulid(random)}.${ulid(random)}`,
    person: inventPerson(random),
  }
}
