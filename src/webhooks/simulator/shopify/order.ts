// Orders with personal data, as Shopify sends them. Field names: https://shopify.dev/docs/api/admin-rest/latest/resources/order

import { formatMinor } from '../../../money.ts'
import { fullName, type Person } from '../person.ts'
import type { Line, Visit } from '../purchase.ts'
import { rawNumber } from '../vendor-json.ts'
import { decimal, moneySet, type ShopMoney, shopTime } from './money.ts'

export interface ShopifyOrder extends ShopMoney {
  id: bigint
  number: number
  /** Milliseconds since 1970; Shopify writes whole seconds. */
  at: number
  lines: readonly Line[]
  discount: { code: string; amountMinor: bigint } | null
  shippingMinor: bigint
  taxMinor: bigint
  /** Percent. */
  taxRate: number
  /** What the theme wrote into the cart for us; null where the visitor never ran our script. */
  token: string | null
  person: Person
  shopDomain: string
  visit: Pick<Visit, 'landingPath' | 'referrer'>
  marks: ShopifyMarks
}

/** What belongs to one cart: most of it opens something to whoever holds it. */
export interface ShopifyMarks {
  acceptsMarketing: boolean
  cartToken: string
  checkoutToken: string
  sessionHash: string
  statusKey: string
  token: string
}

export interface OrderState {
  financialStatus: 'pending' | 'paid' | 'partially_refunded' | 'refunded' | 'voided'
  isTest?: boolean
  /** Default: `at`. */
  updatedAt?: number
  cancelled?: { at: number; reason: string }
  refundedMinor?: bigint
  refunds?: readonly object[]
}

/** Ids of what belongs to an order, below 200 apart: neighbours among such numbers are one to a parser with doubles. */
export const idsOf = (orderId: bigint) => ({
  checkout: orderId - 7n,
  customer: orderId + 11n,
  line: (index: number) => orderId + 13n + BigInt(index) * 2n,
  transaction: orderId + 47n,
  product: (index: number) => orderId + 101n + BigInt(index) * 2n,
  variant: (index: number) => orderId + 121n + BigInt(index) * 2n,
})

export function shopifyOrder(order: ShopifyOrder, state: OrderState) {
  const { person, marks, discount } = order
  const ids = idsOf(order.id)
  const { refundedMinor = 0n, updatedAt = order.at, cancelled } = state
  const time = shopTime(order.at)
  const address = addressOf(person)
  const subtotalMinor = order.totalMinor - order.shippingMinor - order.taxMinor
  const discountMinor = discount?.amountMinor ?? 0n
  const currentMinor = order.totalMinor - refundedMinor
  const isGone = currentMinor === 0n
  const money = (amountMinor: bigint) => decimal(order, amountMinor)
  const set = (amountMinor: bigint) => moneySet(order, amountMinor)
  return {
    id: rawNumber(order.id),
    admin_graphql_api_id: `gid://shopify/Order/${order.id}`,
    app_id: 580111,
    browser_ip: person.ip,
    buyer_accepts_marketing: marks.acceptsMarketing,
    cancel_reason: cancelled?.reason ?? null,
    cancelled_at: cancelled === undefined ? null : shopTime(cancelled.at),
    cart_token: marks.cartToken,
    checkout_id: rawNumber(ids.checkout),
    checkout_token: marks.checkoutToken,
    client_details: {
      accept_language: 'en',
      browser_height: null,
      browser_ip: person.ip,
      browser_width: null,
      session_hash: marks.sessionHash,
      user_agent: person.userAgent,
    },
    closed_at: null,
    confirmed: true,
    contact_email: person.email,
    created_at: time,
    currency: order.currency,
    current_subtotal_price: money(isGone ? 0n : subtotalMinor),
    current_total_discounts: money(isGone ? 0n : discountMinor),
    current_total_price: money(currentMinor),
    current_total_price_set: set(currentMinor),
    current_total_tax: money(isGone ? 0n : order.taxMinor),
    customer: customerOf(order),
    billing_address: address,
    shipping_address: address,
    discount_codes:
      discount === null ? [] : [{ code: discount.code, amount: money(discountMinor), type: 'fixed_amount' }],
    email: person.email,
    estimated_taxes: false,
    financial_status: state.financialStatus,
    fulfillment_status: null,
    landing_site: landingSite(order),
    landing_site_ref: null,
    line_items: order.lines.map((line) => lineItem(order, line)),
    name: `#${order.number}`,
    note: `Leave it with ${person.firstName}`,
    note_attributes: noteAttributes(order),
    order_number: order.number,
    order_status_url: `https://${order.shopDomain}/orders/${marks.statusKey}/authenticate?key=${marks.token}`,
    payment_gateway_names: ['shopify_payments'],
    phone: person.phone,
    presentment_currency: order.presentment?.currency ?? order.currency,
    processed_at: time,
    referring_site: order.visit.referrer,
    refunds: state.refunds ?? [],
    shipping_lines: shippingLines(order),
    source_identifier: null,
    source_name: 'web',
    source_url: null,
    subtotal_price: money(subtotalMinor),
    subtotal_price_set: set(subtotalMinor),
    tags: '',
    tax_lines: taxLines(order, order.taxMinor),
    taxes_included: false,
    test: state.isTest ?? false,
    token: marks.token,
    total_discounts: money(discountMinor),
    total_discounts_set: set(discountMinor),
    total_line_items_price: money(subtotalMinor + discountMinor),
    total_outstanding: money(state.financialStatus === 'pending' ? order.totalMinor : 0n),
    total_price: money(order.totalMinor),
    total_price_set: set(order.totalMinor),
    total_shipping_price_set: set(order.shippingMinor),
    total_tax: money(order.taxMinor),
    total_tax_set: set(order.taxMinor),
    total_tip_received: money(0n),
    updated_at: shopTime(updatedAt),
  }
}

/** The shop's page adds whatever it likes; ours adds the token. */
export function noteAttributes({ token, person }: Pick<ShopifyOrder, 'token' | 'person'>) {
  return [
    { name: 'gift_message', value: `Happy birthday from ${person.email}` },
    ...(token === null ? [] : [{ name: 'skeldir', value: token }]),
  ]
}

/** Merchants' mails link with the address in the query. */
export function landingSite({ visit, person }: Pick<ShopifyOrder, 'visit' | 'person'>): string {
  return `${visit.landingPath}&email=${encodeURIComponent(person.email)}`
}

export function addressOf(person: Person) {
  return {
    first_name: person.firstName,
    last_name: person.lastName,
    name: fullName(person),
    address1: person.street,
    address2: null,
    city: person.city,
    company: null,
    zip: person.postalCode,
    phone: person.phone,
    country: person.country,
    country_code: person.countryCode,
    latitude: 59.9139,
    longitude: 10.7522,
    province: null,
    province_code: null,
  }
}

export function customerOf({ id, person, currency }: Pick<ShopifyOrder, 'id' | 'person' | 'currency'>) {
  const customerId = idsOf(id).customer
  return {
    id: rawNumber(customerId),
    admin_graphql_api_id: `gid://shopify/Customer/${customerId}`,
    currency,
    email: person.email,
    first_name: person.firstName,
    last_name: person.lastName,
    phone: person.phone,
    note: `Calls often: ${person.phone}`,
    tags: person.lastName,
    default_address: addressOf(person),
  }
}

export function lineItem(order: ShopifyOrder, line: Line) {
  const ids = idsOf(order.id)
  return {
    id: rawNumber(ids.line(line.index)),
    admin_graphql_api_id: `gid://shopify/LineItem/${ids.line(line.index)}`,
    current_quantity: line.quantity,
    discount_allocations:
      line.discountMinor === 0n
        ? []
        : [
            {
              amount: decimal(order, line.discountMinor),
              amount_set: moneySet(order, line.discountMinor),
              discount_application_index: 0,
            },
          ],
    fulfillable_quantity: line.quantity,
    fulfillment_status: null,
    gift_card: line.sku.startsWith('GIFT'),
    grams: 567,
    name: line.title,
    price: decimal(order, line.unitMinor),
    price_set: moneySet(order, line.unitMinor),
    product_id: rawNumber(ids.product(line.index)),
    properties: [{ name: 'engraving', value: order.person.firstName }],
    quantity: line.quantity,
    requires_shipping: true,
    sku: line.sku,
    tax_lines: taxLines(order, line.taxMinor),
    taxable: true,
    title: line.title,
    // Shopify leaves this at 0 where a code gave the discount; the allocations tell it.
    total_discount: decimal(order, 0n),
    total_discount_set: moneySet(order, 0n),
    variant_id: rawNumber(ids.variant(line.index)),
    vendor: 'Example',
  }
}

export function shippingLines(order: ShopifyOrder) {
  if (order.shippingMinor === 0n) return []
  return [
    {
      id: rawNumber(order.id + 31n),
      code: 'Standard',
      discounted_price: formatMinor(order.shippingMinor, order.currency),
      discounted_price_set: moneySet(order, order.shippingMinor),
      price: formatMinor(order.shippingMinor, order.currency),
      price_set: moneySet(order, order.shippingMinor),
      tax_lines: [],
      title: 'Standard',
    },
  ]
}

function taxLines(order: ShopifyOrder, taxMinor: bigint) {
  if (taxMinor === 0n) return []
  return [
    {
      channel_liable: false,
      price: decimal(order, taxMinor),
      price_set: moneySet(order, taxMinor),
      rate: order.taxRate / 100,
      title: 'VAT',
    },
  ]
}
