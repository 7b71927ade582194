// Bodies of Shopify's webhooks, personal data included. Field names: https://shopify.dev/docs/api/admin-rest/latest/resources/order

import type { Person } from './people.ts'
import { CANARY } from './people.ts'
import type { Random } from './random.ts'
import { HEX } from './random.ts'
import { decimalAmount, rawNumber, shopTime } from './vendor-json.ts'

export const SHOP_DOMAIN = 'north-fjord.myshopify.com'

export interface ShopifyOrder {
  id: bigint
  number: number
  at: number
  amountMinor: bigint
  /** What the theme wrote into the cart for us; null where the visitor never ran our script. */
  token: string | null
  person: Person
  /** What the buyer saw, where that is another currency than the shop's: must not count. */
  presentment: { currency: string; amount: string } | null
}

export function shopifyOrder(random: Random, order: ShopifyOrder, financialStatus: 'pending' | 'paid', isTest = false) {
  const { person } = order
  const total = decimalAmount(order.amountMinor)
  const presentment = order.presentment ?? { currency: 'USD', amount: total }
  const time = shopTime(order.at)
  const address = {
    first_name: person.firstName,
    last_name: person.lastName,
    name: `${person.firstName} ${person.lastName}`,
    address1: person.street,
    address2: null,
    city: person.city,
    zip: person.postalCode,
    phone: person.phone,
    country: 'Norway',
    country_code: 'NO',
    latitude: 59.9139,
    longitude: 10.7522,
  }
  const attributes = [
    { name: 'gift_message', value: `Happy birthday from ${person.email}` },
    ...(order.token === null ? [] : [{ name: 'skeldir', value: order.token }]),
  ]
  return {
    id: rawNumber(order.id),
    admin_graphql_api_id: `gid://shopify/Order/${order.id}`,
    app_id: 580111,
    browser_ip: person.ip,
    buyer_accepts_marketing: random.chance(0.4),
    cancel_reason: null,
    cancelled_at: null,
    cart_token: random.text(32, HEX),
    checkout_id: rawNumber(order.id - 7n),
    checkout_token: random.text(32, HEX),
    client_details: {
      accept_language: 'nb-NO',
      browser_ip: person.ip,
      session_hash: random.text(32, HEX),
      user_agent: person.userAgent,
    },
    contact_email: person.email,
    created_at: time,
    currency: 'USD',
    current_total_price: total,
    customer: {
      id: rawNumber(order.id + 11n),
      email: person.email,
      first_name: person.firstName,
      last_name: person.lastName,
      phone: person.phone,
      note: `Calls often: ${person.phone}`,
      tags: CANARY,
      default_address: address,
    },
    billing_address: address,
    shipping_address: address,
    discount_codes: random.chance(0.2) ? [{ code: 'SPRING10', amount: '10.00', type: 'fixed_amount' }] : [],
    email: person.email,
    financial_status: financialStatus,
    fulfillment_status: null,
    landing_site: `/products/boots?utm_source=google&email=${encodeURIComponent(person.email)}`,
    line_items: [
      {
        id: rawNumber(order.id + 13n),
        name: 'Boots / 42',
        price: total,
        quantity: 1,
        sku: 'BOOT-42',
        properties: [{ name: 'engraving', value: person.firstName }],
      },
    ],
    name: `#${order.number}`,
    note: `Leave it with ${person.firstName}`,
    note_attributes: attributes,
    order_number: order.number,
    order_status_url: `https://${SHOP_DOMAIN}/orders/${random.text(32, HEX)}/authenticate?key=${CANARY}`,
    payment_gateway_names: ['shopify_payments'],
    phone: person.phone,
    presentment_currency: presentment.currency,
    processed_at: time,
    referring_site: 'https://www.google.com/',
    refunds: [],
    source_name: 'web',
    tags: '',
    test: isTest,
    token: random.text(32, HEX),
    total_price: total,
    total_price_set: {
      shop_money: { amount: total, currency_code: 'USD' },
      presentment_money: { amount: presentment.amount, currency_code: presentment.currency },
    },
    total_tax: '0.00',
    updated_at: time,
  }
}

export interface ShopifyRefund {
  id: bigint
  orderId: bigint
  at: number
  /** One entry per attempted transaction; only those of kind `refund` and status `success` moved money back. */
  transactions: { amountMinor: bigint; kind: 'refund' | 'void'; status: 'success' | 'failure' | 'pending' }[]
  person: Person
}

export function shopifyRefund(refund: ShopifyRefund) {
  const time = shopTime(refund.at)
  // Refund ids of one day lie within a million of each other.
  const transactionId = (index: number) => refund.id + 1_000_000n * BigInt(index + 1)
  const moved = refund.transactions.filter(({ kind, status }) => kind === 'refund' && status === 'success')
  const lines = moved.map(({ amountMinor }, index) => ({
    id: rawNumber(transactionId(index) + 500_000n),
    quantity: 1,
    restock_type: 'return',
    // Shopify really sends this one as a JSON number: a platform that reads it holds a float in its hands.
    subtotal: Number(amountMinor) / 100,
    subtotal_set: { shop_money: { amount: decimalAmount(amountMinor), currency_code: 'USD' } },
  }))
  return {
    id: rawNumber(refund.id),
    admin_graphql_api_id: `gid://shopify/Refund/${refund.id}`,
    order_id: rawNumber(refund.orderId),
    created_at: time,
    processed_at: time,
    note: `Wrote to ${refund.person.email}`,
    restock: true,
    user_id: null,
    order_adjustments: [],
    refund_line_items: lines,
    transactions: refund.transactions.map((transaction, index) => ({
      id: rawNumber(transactionId(index)),
      admin_graphql_api_id: `gid://shopify/OrderTransaction/${transactionId(index)}`,
      order_id: rawNumber(refund.orderId),
      amount: decimalAmount(transaction.amountMinor),
      currency: 'USD',
      created_at: time,
      processed_at: time,
      gateway: 'shopify_payments',
      kind: transaction.kind,
      status: transaction.status,
      message: null,
      parent_id: rawNumber(refund.orderId + 17n),
      receipt: { cardholder: `${refund.person.firstName} ${refund.person.lastName}` },
      test: false,
    })),
  }
}
