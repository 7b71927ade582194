import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Vendor } from '../../src/context.ts'
import { formatMinor, minorToStripe, parseDecimalToMinor } from '../../src/money.ts'
import { parseJson } from '../../src/webhooks/lossless-json.ts'
import { SIMULATED_VENDORS } from '../../src/webhooks/simulator/contract-topics.ts'
import type { OrderStage, SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { inventPurchase } from '../../src/webhooks/simulator/purchase.ts'
import { makeDelivery, simulators } from '../../src/webhooks/simulator/simulators.ts'
import * as sent from '../support/readings.ts'

const SHOP = 'north-fjord.myshopify.com'

// biome-ignore lint/suspicious/noExplicitAny: bodies of vendors, looked into here and there
type Body = any

const seeds = (check: (seed: number) => void) =>
  fc.assert(
    fc.property(fc.nat(), (seed) => check(seed)),
    { numRuns: 60 },
  )

/** Ids beyond 2^53 come as text. */
function tell(
  vendor: SimulatedVendor,
  topic: string,
  seed: number,
  options: { currency?: string; stage?: OrderStage } = {},
): Body {
  return parseJson(makeDelivery(vendor, topic, seed, { currency: 'USD', shopDomain: SHOP, ...options }).body)
}

const cents = (text: string) => parseDecimalToMinor(text, 'USD')
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n)

describe('Stripe: all events of one seed are about one payment', () => {
  const object = (topic: string, seed: number, currency = 'USD') =>
    tell('stripe', topic, seed, { currency }).data.object

  test('charge, intent, session and invoice payment name each other and the same money', () => {
    seeds((seed) => {
      const charge = object('charge.succeeded', seed)
      const intent = object('payment_intent.succeeded', seed)
      const session = object('checkout.session.completed', seed)
      const invoice = object('invoice.paid', seed)
      const paid = object('invoice_payment.paid', seed)
      expect(intent.latest_charge).toBe(charge.id)
      for (const id of [charge.payment_intent, session.payment_intent, paid.payment.payment_intent])
        expect(id).toBe(intent.id)
      expect(invoice.payments.data[0]).toEqual(paid)
      expect(paid.invoice).toBe(invoice.id)
      const { amount } = charge
      expect([charge.amount_captured, intent.amount, intent.amount_received, session.amount_total]).toEqual(
        Array(4).fill(amount),
      )
      expect([invoice.total, invoice.amount_paid, paid.amount_paid]).toEqual(Array(3).fill(amount))
      expect(new Set([charge, intent, session, invoice].map(({ customer }) => customer)).size).toBe(1)
      expect(charge.metadata.skeldir).toBe(session.client_reference_id)
    })
  })

  test('lines, discounts and taxes of an invoice and of a session add up', () => {
    seeds((seed) => {
      const invoice = object('invoice.paid', seed)
      const add = (items: { amount: number }[]) => items.reduce((total, { amount }) => total + amount, 0)
      expect(add(invoice.lines.data)).toBe(invoice.subtotal)
      expect(invoice.subtotal - add(invoice.total_discount_amounts) + add(invoice.total_taxes)).toBe(invoice.total)
      const {
        amount_subtotal: subtotal,
        amount_total: total,
        total_details: parts,
      } = object('checkout.session.completed', seed)
      expect(subtotal - parts.amount_discount + parts.amount_shipping + parts.amount_tax).toBe(total)
    })
  })

  test('refunds and disputes are about the charge, and give back no more than it took', () => {
    seeds((seed) => {
      const charge = object('charge.succeeded', seed)
      const { data } = tell('stripe', 'charge.refunded', seed)
      const refund = object('refund.created', seed)
      expect(data.object.id).toBe(charge.id)
      expect(refund).toMatchObject({ charge: charge.id, payment_intent: charge.payment_intent })
      expect(data.object.amount_refunded - data.previous_attributes.amount_refunded).toBe(refund.amount)
      expect(refund.amount).toBeLessThanOrEqual(charge.amount)
      expect(data.object.refunded).toBe(refund.amount === charge.amount)
      expect(object('refund.updated', seed).id).toBe(refund.id)
      const dispute = object('charge.dispute.created', seed)
      expect(dispute).toMatchObject({ charge: charge.id, status: 'needs_response' })
      expect(dispute.amount).toBeLessThanOrEqual(charge.amount)
      const closed = object('charge.dispute.closed', seed)
      expect(closed.id).toBe(dispute.id)
      const moved = closed.balance_transactions.reduce((total: number, { amount }: Body) => total + amount, 0)
      expect(moved).toBe(closed.status === 'won' ? 0 : -dispute.amount)
    })
  })

  test.each(['USD', 'JPY', 'KWD', 'MGA', 'UGX', 'ISK', 'HUF'])(
    'amounts of %s are in the unit of Stripe',
    (currency) => {
      seeds((seed) => {
        const { totalMinor } = inventPurchase(seed, { currency, stepMinor: simulators.stripe.stepOf(currency) })
        const charge = object('charge.succeeded', seed, currency)
        expect(BigInt(charge.amount)).toBe(minorToStripe(totalMinor, currency))
        // Three decimals: the last is 0. Multiplied by 100: so are the last two.
        if (currency === 'KWD') expect(charge.amount % 10).toBe(0)
        if (currency === 'UGX' || currency === 'ISK') expect(charge.amount % 100).toBe(0)
      })
    },
  )
})

describe('Shopify: all topics of one seed are about one order', () => {
  test('lines, discounts, shipping and taxes add up', () => {
    seeds((seed) => {
      const order = tell('shopify', 'orders/paid', seed)
      const gross = order.line_items.map(({ price, quantity }: Body) => cents(price) * BigInt(quantity))
      expect(sum(gross)).toBe(cents(order.total_line_items_price))
      expect(cents(order.total_line_items_price) - cents(order.total_discounts)).toBe(cents(order.subtotal_price))
      const shipping = order.total_shipping_price_set.shop_money.amount
      expect(cents(order.subtotal_price) + cents(shipping) + cents(order.total_tax)).toBe(cents(order.total_price))
      expect(sum(order.discount_codes.map(({ amount }: Body) => cents(amount)))).toBe(cents(order.total_discounts))
      const allocated = order.line_items.flatMap(({ discount_allocations: parts }: Body) => parts)
      expect(sum(allocated.map(({ amount }: Body) => cents(amount)))).toBe(cents(order.total_discounts))
    })
  })

  test('a refund refers to its order, and its lines and adjustments add up to its money', () => {
    seeds((seed) => {
      const order = tell('shopify', 'orders/paid', seed)
      const sale = tell('shopify', 'order_transactions/create', seed)
      const refund = tell('shopify', 'refunds/create', seed)
      expect(order.admin_graphql_api_id).toBe(`gid://shopify/Order/${order.id}`)
      expect([refund.order_id, sale.order_id]).toEqual([order.id, order.id])
      expect(sale.amount).toBe(order.total_price)
      const [transaction] = refund.transactions
      expect(transaction.parent_id).toBe(sale.id)
      const money = cents(transaction.amount)
      expect(money).toBeLessThanOrEqual(cents(order.total_price))
      const lines = refund.refund_line_items.flatMap(({ subtotal_set: subtotal, total_tax_set: tax }: Body) => [
        cents(subtotal.shop_money.amount),
        cents(tax.shop_money.amount),
      ])
      const adjustments = refund.order_adjustments.map(({ amount }: Body) => -cents(amount))
      expect(sum([...lines, ...adjustments])).toBe(money)
      for (const line of refund.refund_line_items) {
        expect(line.subtotal).toBe(Number(line.subtotal_set.shop_money.amount))
        expect(order.line_items.map(({ id }: Body) => id)).toContain(line.line_item_id)
      }
      const updated = tell('shopify', 'orders/updated', seed)
      expect(updated.refunds).toEqual([refund])
      expect(cents(updated.total_price) - cents(updated.current_total_price)).toBe(money)
    })
  })

  test('checkout, dispute and compliance topics name the order and its buyer', () => {
    seeds((seed) => {
      const order = tell('shopify', 'orders/create', seed)
      const checkout = tell('shopify', 'checkouts/update', seed)
      expect(order.financial_status).toBe('pending')
      expect([checkout.id, checkout.cart_token]).toEqual([order.checkout_id, order.cart_token])
      expect(checkout.total_price).toBe(order.total_price)
      expect(checkout.completed_at).toBeNull()
      const dispute = tell('shopify', 'disputes/create', seed)
      expect(dispute.order_id).toBe(order.id)
      expect(cents(dispute.amount)).toBeLessThanOrEqual(cents(order.total_price))
      expect(tell('shopify', 'disputes/update', seed)).toMatchObject({ id: dispute.id, amount: dispute.amount })
      const redact = tell('shopify', 'customers/redact', seed)
      expect(redact).toMatchObject({ orders_to_redact: [order.id], customer: { id: order.customer.id } })
    })
  })

  test('ids are beyond what a double holds, and no two orders share one', () => {
    const ids = Array.from({ length: 500 }, (_, seed) => tell('shopify', 'orders/paid', seed).id)
    for (const id of ids) expect(BigInt(id)).toBeGreaterThan(2n ** 53n)
    expect(new Set(ids).size).toBe(500)
  })

  test('some buyers saw another currency, which the shop does not count', () => {
    const orders = Array.from({ length: 40 }, (_, seed) => tell('shopify', 'orders/paid', seed))
    const abroad = orders.filter(({ presentment_currency: currency }) => currency !== 'USD')
    expect(abroad.length).toBeGreaterThan(0)
    expect(abroad.length).toBeLessThan(20)
    for (const order of abroad) {
      const { shop_money: own, presentment_money: shown } = order.total_price_set
      expect(own).toEqual({ amount: order.total_price, currency_code: 'USD' })
      expect(shown.currency_code).toBe(order.presentment_currency)
      expect(Number(shown.amount)).toBeCloseTo(Number(own.amount) * 10, 0)
    }
  })
})

describe('PayPal: all events of one seed are about one order', () => {
  const resource = (topic: string, seed: number) => tell('paypal', topic, seed).resource
  const amountOf = ({ amount }: Body) => cents(amount.value ?? amount.total)

  test('order, capture, refund and dispute name each other', () => {
    seeds((seed) => {
      const order = resource('CHECKOUT.ORDER.COMPLETED', seed)
      const [unit] = order.purchase_units
      const [captured] = unit.payments.captures
      const capture = resource('PAYMENT.CAPTURE.COMPLETED', seed)
      expect(captured.id).toBe(capture.id)
      expect(captured.supplementary_data.related_ids.order_id).toBe(order.id)
      expect(amountOf(unit)).toBe(amountOf(capture))
      const { item_total: items, shipping, tax_total: tax, discount } = unit.amount.breakdown
      expect(cents(items.value) + cents(shipping.value) + cents(tax.value) - cents(discount.value)).toBe(amountOf(unit))
      const priced = unit.items.map(({ unit_amount: price, quantity }: Body) => cents(price.value) * BigInt(quantity))
      expect(sum(priced)).toBe(cents(items.value))
      const { gross_amount: gross, paypal_fee: fee, net_amount: net } = captured.seller_receivable_breakdown
      expect(cents(gross.value) - cents(fee.value)).toBe(cents(net.value))

      const refund = resource('PAYMENT.CAPTURE.REFUNDED', seed)
      const up = refund.links
        .find(({ rel }: Body) => rel === 'up')
        ?.href.split('/')
        .at(-1)
      expect(refund.capture_id ?? up).toBe(capture.id)
      const refunded = amountOf(refund) < 0n ? -amountOf(refund) : amountOf(refund)
      expect(refunded).toBeLessThanOrEqual(amountOf(capture))
      expect(resource('PAYMENT.SALE.REFUNDED', seed).sale_id).toBe(resource('PAYMENT.SALE.COMPLETED', seed).id)
      const dispute = resource('CUSTOMER.DISPUTE.CREATED', seed)
      expect(dispute.disputed_transactions[0].seller_transaction_id).toBe(capture.id)
      expect(resource('CUSTOMER.DISPUTE.RESOLVED', seed).dispute_id).toBe(dispute.dispute_id)
    })
  })

  test('captures come in both versions, each in its own shape, and refunds with either sign', () => {
    const events = Array.from({ length: 60 }, (_, seed) => tell('paypal', 'PAYMENT.CAPTURE.COMPLETED', seed))
    const [v2, v1] = [
      events.filter((event) => event.resource_version),
      events.filter((event) => !event.resource_version),
    ]
    expect(v1.length).toBeGreaterThan(2)
    for (const { resource: each } of v2)
      expect(each).toMatchObject({ status: 'COMPLETED', custom_id: expect.any(String) })
    for (const { resource: each } of v1) expect(each).toMatchObject({ state: 'completed', custom: expect.any(String) })
    const signs = Array.from({ length: 60 }, (_, seed) => amountOf(resource('PAYMENT.CAPTURE.REFUNDED', seed)) < 0n)
    expect(new Set(signs).size).toBe(2)
  })
})

describe('WooCommerce: all topics of one seed are about one order', () => {
  test('lines, coupons, shipping and taxes add up', () => {
    seeds((seed) => {
      const order = tell('woocommerce', 'order.updated', seed)
      const totals = order.line_items.map(({ total }: Body) => cents(total))
      expect(sum(totals) + cents(order.shipping_total) + cents(order.total_tax)).toBe(cents(order.total))
      const subtotals = order.line_items.map(({ subtotal }: Body) => cents(subtotal))
      expect(sum(subtotals) - sum(totals)).toBe(cents(order.discount_total))
      expect(sum(order.coupon_lines.map(({ discount }: Body) => cents(discount)))).toBe(cents(order.discount_total))
    })
  })

  test('created, paid, completed, refunded, restored and deleted are the same order, ever later', () => {
    seeds((seed) => {
      const topics = ['created', 'updated', 'completed', 'refunded', 'restored', 'deleted']
      const orders = topics.map((event) => tell('woocommerce', `order.${event}`, seed))
      expect(new Set(orders.map(({ id }) => id)).size).toBe(1)
      const [created, updated, completed, refunded, , deleted] = orders
      expect([created.status, updated.status, completed.status]).toEqual(['pending', 'processing', 'completed'])
      expect(created.date_paid_gmt).toBeNull()
      expect(updated.date_paid_gmt).toBe(completed.date_paid_gmt)
      const modified = [created, updated, completed, refunded].map((order) => order.date_modified_gmt)
      expect(modified).toEqual(modified.toSorted())
      const back = -cents(refunded.refunds[0].total)
      expect(back).toBeGreaterThan(0n)
      expect(refunded.status).toBe(back === cents(refunded.total) ? 'refunded' : 'processing')
      expect(deleted).toEqual({ id: created.id })
    })
  })

  test('whatever the topic says, the body is the order as it is by then', () => {
    const stages: [OrderStage, string][] = [
      ['placed', 'pending'],
      ['paid', 'processing'],
      ['completed', 'completed'],
      ['cancelled', 'cancelled'],
    ]
    for (const [stage, status] of stages) {
      expect(tell('woocommerce', 'order.created', 4, { stage }).status).toBe(status)
    }
    expect(tell('woocommerce', 'order.updated', 4, { stage: 'refunded' }).refunds.length).toBe(1)
  })

  test('prices are JSON numbers with the errors of one', () => {
    const prices = Array.from({ length: 200 }, (_, seed) =>
      tell('woocommerce', 'order.updated', seed).line_items.map(({ price }: Body) => String(price)),
    ).flat()
    expect(prices.some((price) => price.length > 10)).toBe(true)
  })
})

describe('what the platform makes of it', () => {
  const factsOf = (vendor: Vendor, topic: string, seed: number, currency = 'USD') => {
    const delivery = makeDelivery(vendor, topic, seed, { currency, shopDomain: SHOP })
    const headers = Object.fromEntries(
      Object.entries(delivery.headers).map(([name, value]) => [name.toLowerCase(), value]),
    )
    return sent.factsOf(vendor, delivery.body, { headers, shopDomain: vendor === 'shopify' ? SHOP : null })
  }

  test.each(SIMULATED_VENDORS)('every topic of %s is read, none is dead', (vendor) => {
    seeds((seed) => {
      for (const topic of simulators[vendor].topics.filter((each) => each !== 'ping')) {
        expect(() => factsOf(vendor, topic, seed), topic).not.toThrow()
      }
    })
  })

  const TOPICS: Record<Vendor, [paid: string, refunded: string]> = {
    stripe: ['charge.succeeded', 'charge.refunded'],
    shopify: ['orders/paid', 'refunds/create'],
    paypal: ['PAYMENT.CAPTURE.COMPLETED', 'PAYMENT.CAPTURE.REFUNDED'],
    woocommerce: ['order.updated', 'order.refunded'],
  }
  const CURRENCIES = SIMULATED_VENDORS.flatMap((vendor) =>
    (vendor === 'paypal' ? ['USD', 'JPY', 'HUF', 'TWD'] : ['USD', 'JPY', 'KWD', 'UGX', 'MGA', 'ISK', 'HUF']).map(
      (currency) => [vendor, currency] as const,
    ),
  )

  test.each(CURRENCIES)('of %s the money in %s is that of the purchase', (vendor, currency) => {
    seeds((seed) => {
      const purchase = inventPurchase(seed, { currency, stepMinor: simulators[vendor].stepOf(currency) })
      const [paid, refunded] = TOPICS[vendor]
      const told = formatMinor(purchase.totalMinor, currency)
      expect(factsOf(vendor, paid, seed, currency), told).toContainEqual(
        expect.objectContaining({ kind: 'capture', amountMinor: purchase.totalMinor, currency }),
      )
      expect(factsOf(vendor, refunded, seed, currency), told).toContainEqual(
        expect.objectContaining({ kind: 'refund', amountMinor: purchase.refund.amountMinor, currency }),
      )
    })
  })

  test('a charge and its intent are one entry', () => {
    seeds((seed) => {
      const keyOf = (topic: string) =>
        factsOf('stripe', topic, seed).flatMap((fact) => (fact.kind === 'capture' ? [fact.entryKey] : []))
      expect(keyOf('charge.succeeded')).toEqual(keyOf('payment_intent.succeeded'))
      expect(keyOf('charge.succeeded').length).toBe(1)
    })
  })
})
