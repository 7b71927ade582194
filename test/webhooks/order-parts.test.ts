import { describe, expect, test } from 'vitest'
import type { Vendor } from '../../src/context.ts'
import { orderPartsOf } from '../../src/webhooks/normalize/order-parts.ts'
import { inventPurchase } from '../../src/webhooks/simulator/purchase.ts'
import { makeDelivery } from '../../src/webhooks/simulator/simulators.ts'
import { eventsOf, readSent } from '../support/readings.ts'

const partsOf = (vendor: Vendor, body: unknown, headers: Record<string, string> = {}) => {
  const { topic, payload } = readSent(vendor, JSON.stringify(body), { headers })
  return orderPartsOf({ vendor, topic, payload })
}

/** The value without one of its members, for each that it has, however deep. */
function* lacking(value: unknown): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value)) {
    if (!Array.isArray(value)) {
      const { [name]: _gone, ...rest } = value as Record<string, unknown>
      yield rest
    }
    for (const less of lacking(member))
      yield Array.isArray(value) ? value.with(Number(name), less) : { ...value, [name]: less }
  }
}

describe.each<[Vendor, string]>([
  ['shopify', 'orders/create'],
  ['shopify', 'orders/paid'],
  ['shopify', 'orders/updated'],
  ['woocommerce', 'order.created'],
  ['woocommerce', 'order.updated'],
  ['woocommerce', 'order.completed'],
  ['woocommerce', 'order.refunded'],
  ['stripe', 'checkout.session.completed'],
  ['paypal', 'PAYMENT.SALE.COMPLETED'],
  ['paypal', 'CHECKOUT.ORDER.COMPLETED'],
])('%s %s', (vendor, topic) => {
  test('tells the parts of what was bought, under the key of its order', () => {
    const seen = new Set<bigint>()
    for (let seed = 1; seed <= 40; seed += 1) {
      const purchase = inventPurchase(seed, { currency: 'USD', stepMinor: 1n })
      const { headers, body } = makeDelivery(vendor, topic, seed, {
        currency: 'USD',
        shopDomain: 'north-fjord.myshopify.com',
      })
      const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
      const { payload } = readSent(vendor, body, { headers: sent })
      const parts = orderPartsOf({ vendor, topic, payload })
      expect(parts).toMatchObject({
        currency: 'USD',
        totalMinor: purchase.totalMinor,
        taxMinor: purchase.taxMinor,
        shippingMinor: purchase.shippingMinor,
        tipMinor: 0n,
        // A sale of PayPal does not tell its discounts.
        discountMinor: topic === 'PAYMENT.SALE.COMPLETED' ? 0n : (purchase.discount?.amountMinor ?? 0n),
      })
      expect(parts?.versionAt).toBeInstanceOf(Date)
      const told = eventsOf(vendor, body, { headers: sent })
      if (told.length > 0) expect(told.map(({ orderKey }) => orderKey)).toContain(parts?.orderKey)
      seen.add(purchase.taxMinor)
    }
    expect(seen.size).toBeGreaterThan(5)
  })

  test('is told, or not, and never fails, whatever its body lacks', () => {
    const { headers, body } = makeDelivery(vendor, topic, 1, {
      currency: 'USD',
      shopDomain: 'north-fjord.myshopify.com',
    })
    const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
    const { payload } = readSent(vendor, body, { headers: sent })
    const told = [...lacking(payload.body)].map((less) =>
      orderPartsOf({ vendor, topic, payload: { ...payload, body: less } as typeof payload }),
    )
    expect(told.length).toBeGreaterThan(10)
    expect(told).toContain(null)
  })
})

test('an order of PayPal is known by its capture, and moves no money', () => {
  const { body } = makeDelivery('paypal', 'CHECKOUT.ORDER.COMPLETED', 7, {
    currency: 'USD',
    shopDomain: 'north-fjord.myshopify.com',
  })
  const capture = makeDelivery('paypal', 'PAYMENT.CAPTURE.COMPLETED', 7, {
    currency: 'USD',
    shopDomain: 'north-fjord.myshopify.com',
  })
  expect(eventsOf('paypal', body)).toEqual([])
  const { topic, payload } = readSent('paypal', body)
  expect(orderPartsOf({ vendor: 'paypal', topic, payload })?.orderKey).toBe(
    eventsOf('paypal', capture.body)[0]?.orderKey,
  )
})

describe('Shopify', () => {
  const order = {
    id: 1042,
    currency: 'EUR',
    total_price: '132.00',
    total_tax: '21.08',
    total_discounts: '10.00',
    total_tip_received: '5.00',
    taxes_included: true,
    shipping_lines: [
      {
        discounted_price: '11.90',
        price: '11.90',
        title: 'Jane, 2nd floor',
        tax_lines: [{ price: '1.90', title: 'VAT' }],
      },
    ],
    created_at: '2026-03-01T10:00:00Z',
    updated_at: '2026-03-01T10:00:01Z',
  }
  const read = (change: object = {}) =>
    partsOf('shopify', { ...order, ...change }, { 'x-shopify-topic': 'orders/create', 'x-shopify-webhook-id': 'a' })

  test('takes the tax out of shipping where prices include it', () => {
    expect(read()).toEqual({
      orderKey: 'shopify:1042',
      currency: 'EUR',
      totalMinor: 13_200n,
      taxMinor: 2_108n,
      shippingMinor: 1_000n,
      tipMinor: 500n,
      discountMinor: 1_000n,
      versionAt: new Date('2026-03-01T10:00:01Z'),
    })
    expect(read({ taxes_included: false })).toMatchObject({ shippingMinor: 1_190n })
  })

  test('reads the total of shipping where the lines are not sent', () => {
    const set = { shop_money: { amount: '7.50', currency_code: 'EUR' } }
    expect(read({ shipping_lines: undefined, taxes_included: false, total_shipping_price_set: set })).toMatchObject({
      shippingMinor: 750n,
    })
    expect(read({ shipping_lines: undefined, total_shipping_price_set: set })).toBeNull()
  })

  test.each([
    ['without the tax', { total_tax: undefined }],
    ['with lines of shipping that have no price after discounts', { shipping_lines: [{ price: '11.90' }] }],
    ['with a tax that is no amount', { total_tax: 'much' }],
    ['with parts of a cent', { total_tax: '21.085' }],
    ['with more parts than total', { total_tax: '125.00' }],
    ['for nothing', { total_price: '0.00', total_tax: '0.00', total_tip_received: '0.00', shipping_lines: [] }],
  ])('%s the parts are not known, and the order is one', (_name, change) => {
    expect(read(change)).toBeNull()
    const body = JSON.stringify({ ...order, ...change })
    const told = eventsOf('shopify', body, {
      headers: { 'x-shopify-topic': 'orders/create', 'x-shopify-webhook-id': 'a' },
    })
    expect(told.map(({ type }) => type)).toEqual(['order_created'])
  })

  test('keeps the amounts, and no word beside them', () => {
    const headers = { 'x-shopify-topic': 'orders/create', 'x-shopify-webhook-id': 'a' }
    const { payload } = readSent('shopify', JSON.stringify(order), { headers })
    expect((payload.body as { shipping_lines: unknown }).shipping_lines).toEqual([
      { discounted_price: '11.90', price: '11.90', tax_lines: [{ price: '1.90' }] },
    ])
    expect(JSON.stringify(payload)).not.toMatch(/Jane|VAT|title/)
  })
})

describe('WooCommerce', () => {
  const order = {
    id: 7,
    currency: 'EUR',
    status: 'processing',
    total: '119.00',
    total_tax: '19.00',
    shipping_total: '4.00',
    discount_total: '10.00',
    discount_tax: '1.90',
    date_created_gmt: '2026-03-01T10:00:00',
    date_modified_gmt: '2026-03-01T10:00:01',
    refunds: [],
  }
  const read = (change: object = {}) =>
    partsOf('woocommerce', { ...order, ...change }, { 'x-wc-webhook-topic': 'order.updated', 'x-wc-webhook-id': '12' })

  test('adds the tax that a discount saved', () => {
    expect(read()).toMatchObject({ taxMinor: 1_900n, shippingMinor: 400n, discountMinor: 1_190n, tipMinor: 0n })
    expect(read({ discount_tax: undefined })).toMatchObject({ discountMinor: 1_000n })
    expect(read({ shipping_total: undefined })).toBeNull()
  })
})

describe('Stripe', () => {
  const event = (type: string, object: object) => ({
    id: 'evt_1234567890',
    object: 'event',
    type,
    created: 1_772_000_000,
    livemode: true,
    data: { object: { currency: 'eur', created: 1_772_000_000, ...object } },
  })
  const session = {
    id: 'cs_1234567890',
    object: 'checkout.session',
    mode: 'payment',
    payment_intent: 'pi_1234567890',
    payment_status: 'paid',
    amount_total: 13_200,
    total_details: { amount_tax: 2_108, amount_shipping: 1_190, amount_discount: 300 },
  }

  test('a session tells what its total is made of, and takes the tax out of shipping where it says that', () => {
    const read = (change: object) => partsOf('stripe', event('checkout.session.completed', { ...session, ...change }))
    expect(read({})).toMatchObject({
      orderKey: 'stripe:pi_1234567890',
      totalMinor: 13_200n,
      taxMinor: 2_108n,
      shippingMinor: 1_190n,
      discountMinor: 300n,
    })
    expect(read({ shipping_cost: { amount_subtotal: 1_190, amount_total: 1_190, amount_tax: 190 } })).toMatchObject({
      shippingMinor: 1_000n,
    })
    expect(read({ total_details: { amount_tax: 2_108, amount_shipping: null } })).toMatchObject({ shippingMinor: 0n })
    expect(read({ total_details: null })).toBeNull()
    expect(read({ mode: 'subscription' })).toBeNull()
  })

  test('an intent tells them where it was given the tax; a tip alone does not do', () => {
    const intent = {
      id: 'pi_1234567890',
      object: 'payment_intent',
      amount: 13_200,
      amount_received: 13_200,
      status: 'succeeded',
    }
    const read = (details: object | null) =>
      partsOf('stripe', event('payment_intent.succeeded', { ...intent, amount_details: details }))
    expect(read({ tip: { amount: 500 } })).toBeNull()
    expect(read(null)).toBeNull()
    const all = {
      tip: { amount: 500 },
      tax: { total_tax_amount: 2_108 },
      shipping: { amount: 1_000, to_postal_code: '10115' },
      discount_amount: 7,
    }
    expect(read(all)).toMatchObject({
      orderKey: 'stripe:pi_1234567890',
      tipMinor: 500n,
      taxMinor: 2_108n,
      shippingMinor: 1_000n,
      discountMinor: 7n,
    })
    const { payload } = readSent(
      'stripe',
      JSON.stringify(event('payment_intent.succeeded', { ...intent, amount_details: all })),
    )
    expect(JSON.stringify(payload)).not.toContain('10115')
  })

  test.each([
    ['total_taxes', 'invoice.paid'],
    ['total_tax_amounts', 'invoice.payment_succeeded'],
  ])('an invoice adds up its %s', (name, type) => {
    const invoice = {
      id: 'in_1234567890',
      object: 'invoice',
      amount_paid: 13_200,
      total: 13_200,
      payment_intent: 'pi_1234567890',
    }
    const read = (change: object) => partsOf('stripe', event(type, { ...invoice, ...change }))
    expect(
      read({ [name]: [{ amount: 2_000 }, { amount: 108 }], total_discount_amounts: [{ amount: 5 }] }),
    ).toMatchObject({
      orderKey: 'stripe:pi_1234567890',
      taxMinor: 2_108n,
      shippingMinor: 0n,
      discountMinor: 5n,
    })
    expect(read({ [name]: [] })).toMatchObject({ taxMinor: 0n })
    expect(read({})).toBeNull()
  })

  test('a zero-decimal currency of its own table is read by that table', () => {
    const read = partsOf('stripe', event('checkout.session.completed', { ...session, currency: 'isk' }))
    expect(read).toBeNull()
    const whole = { amount_tax: 2_100, amount_shipping: 0, amount_discount: 0 }
    expect(
      partsOf('stripe', event('checkout.session.completed', { ...session, currency: 'isk', total_details: whole })),
    ).toMatchObject({ totalMinor: 132n, taxMinor: 21n })
  })
})

describe('PayPal', () => {
  const money = (value: string) => ({ currency_code: 'EUR', value })
  const unit = {
    amount: {
      ...money('132.00'),
      breakdown: {
        item_total: money('100.00'),
        tax_total: money('21.08'),
        shipping: money('8.00'),
        handling: money('4.00'),
        insurance: money('0.92'),
        shipping_discount: money('2.00'),
      },
    },
    shipping: { name: { full_name: 'Jane Doe' }, address: { postal_code: '10115' } },
    payments: { captures: [{ id: '3CA00000AA000001A', amount: money('132.00') }] },
  }
  const event = (units: object[]) => ({
    id: 'WH-1',
    event_type: 'CHECKOUT.ORDER.COMPLETED',
    create_time: '2026-03-01T10:00:00Z',
    resource_type: 'checkout-order',
    resource: { id: '5O190127TN364715T', status: 'COMPLETED', purchase_units: units },
  })

  test('handling and insurance are part of shipping, a discount on it is taken off, and no address is kept', () => {
    expect(partsOf('paypal', event([unit]))).toMatchObject({
      orderKey: 'paypal:3CA00000AA000001A',
      totalMinor: 13_200n,
      taxMinor: 2_108n,
      shippingMinor: 1_092n,
      discountMinor: 200n,
    })
    const { payload } = readSent('paypal', JSON.stringify(event([unit])))
    expect(JSON.stringify(payload)).not.toMatch(/Jane|10115|"shipping"/)
  })

  test('an order of several units or captures does not say what each is made of', () => {
    expect(partsOf('paypal', event([unit, unit]))).toBeNull()
    const two = {
      ...unit,
      payments: { captures: [...unit.payments.captures, { id: '3CA00000AA000002B', amount: money('1.00') }] },
    }
    expect(partsOf('paypal', event([two]))).toBeNull()
    expect(partsOf('paypal', event([{ ...unit, payments: {} }]))).toBeNull()
    expect(partsOf('paypal', event([{ ...unit, amount: money('132.00') }]))).toBeNull()
  })
})
