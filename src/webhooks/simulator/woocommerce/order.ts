// Orders with personal data, as WooCommerce's REST API (version 3) shows them to the user of a webhook.
// Field names: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties

import { formatMinor } from '../../../money.ts'
import type { OrderStage } from '../delivery.ts'
import type { Person } from '../person.ts'
import type { Line, Purchase } from '../purchase.ts'
import { HEX, randomOf } from '../random.ts'

/** A purchase as one shop knows it. */
export interface WoocommerceStory {
  purchase: Purchase
  orderId: number
  customerId: number
  refundId: number
  productIds: readonly number[]
  couponId: number
  /** Opens the order to whoever holds it. */
  orderKey: string
  transactionId: string
}

export const SHOP_URL = 'https://shop.example.com/'
/** The shop stands at UTC-5 all year. */
const OFFSET_MS = -5 * 3_600_000

export function woocommerceStory(purchase: Purchase): WoocommerceStory {
  const random = randomOf(`skeldir webhooks ${purchase.seed} woocommerce`)
  // WordPress numbers posts of all kinds in one row; 20 apart, since an order takes the numbers after its own.
  const orderId = 1_000 + Number(BigInt(purchase.seed) % 2n ** 40n) * 20
  return {
    purchase,
    orderId,
    customerId: random.integer(1, 99_999),
    refundId: orderId + 7,
    productIds: purchase.lines.map(() => random.integer(10, 999)),
    couponId: random.integer(10, 999),
    orderKey: `wc_order_${random.text(13, HEX)}`,
    transactionId: `txn_${random.text(20, HEX)}`,
  }
}

export function woocommerceOrder(story: WoocommerceStory, stage: OrderStage) {
  const { purchase, orderId } = story
  const { currency, times, taxMinor, shippingMinor, person, refund, discount } = purchase
  const money = (minor: bigint) => formatMinor(minor, currency)
  const isPaid = stage !== 'placed' && stage !== 'cancelled'
  const modified = timeOf(purchase, stage)
  return {
    id: orderId,
    parent_id: 0,
    status: statusOf(stage, refund.isFull),
    currency,
    version: '10.3.0',
    prices_include_tax: false,
    ...bothZones('date_created', times.placed),
    ...bothZones('date_modified', modified),
    discount_total: money(discount?.amountMinor ?? 0n),
    discount_tax: money(0n),
    shipping_total: money(shippingMinor),
    shipping_tax: money(0n),
    cart_tax: money(taxMinor),
    total: money(purchase.totalMinor),
    total_tax: money(taxMinor),
    customer_id: story.customerId,
    order_key: story.orderKey,
    billing: { ...addressOf(person), email: person.email, phone: person.phone },
    shipping: { ...addressOf(person), phone: person.phone },
    payment_method: 'stripe',
    payment_method_title: 'Card',
    transaction_id: isPaid ? story.transactionId : '',
    customer_ip_address: person.ip,
    customer_user_agent: person.userAgent,
    created_via: 'checkout',
    customer_note: `Leave it with ${person.firstName}`,
    ...bothZones('date_completed', stage === 'completed' ? modified : null),
    ...bothZones('date_paid', isPaid ? times.paid : null),
    cart_hash: story.orderKey.slice(9).padEnd(32, '0'),
    number: String(orderId),
    meta_data: metaData(story),
    line_items: purchase.lines.map((line) => lineItem(story, line)),
    tax_lines:
      taxMinor === 0n
        ? []
        : [{ id: orderId + 5, label: 'VAT', rate_percent: purchase.taxRate, tax_total: money(taxMinor) }],
    shipping_lines: shippingLines(story),
    fee_lines: [],
    coupon_lines: couponLines(story),
    refunds:
      stage === 'refunded' ? [{ id: story.refundId, reason: refund.reason, total: money(-refund.amountMinor) }] : [],
    payment_url: `${SHOP_URL}checkout/order-pay/${orderId}/?pay_for_order=true&key=${story.orderKey}`,
    is_editable: stage === 'placed',
    needs_payment: stage === 'placed',
    needs_processing: true,
    currency_symbol: currency,
    _links: {
      self: [{ href: `${SHOP_URL}wp-json/wc/v3/orders/${orderId}` }],
      collection: [{ href: `${SHOP_URL}wp-json/wc/v3/orders` }],
    },
  }
}

/** Shop time and UTC, both without an offset; null where it has not happened. */
export function bothZones(name: string, at: number | null): Record<string, string | null> {
  const text = (time: number) => new Date(time).toISOString().slice(0, 19)
  return { [name]: at === null ? null : text(at + OFFSET_MS), [`${name}_gmt`]: at === null ? null : text(at) }
}

export function addressOf(person: Person) {
  return {
    first_name: person.firstName,
    last_name: person.lastName,
    company: '',
    address_1: person.street,
    address_2: '',
    city: person.city,
    state: '',
    postcode: person.postalCode,
    country: person.countryCode,
  }
}

/** When an order came as far as this; milliseconds since 1970. */
export function timeOf({ times }: Purchase, stage: OrderStage): number {
  return {
    placed: times.placed,
    paid: times.paid,
    completed: times.paid + 120_000,
    refunded: times.refunded,
    cancelled: times.refunded,
  }[stage]
}

/** A partial refund leaves the status as it was. */
function statusOf(stage: OrderStage, isFull: boolean): string {
  if (stage === 'refunded') return isFull ? 'refunded' : 'processing'
  return { placed: 'pending', paid: 'processing', completed: 'completed', cancelled: 'cancelled' }[stage]
}

/** What the shop's page and WooCommerce's own order attribution leave on an order, beside what plug-ins do. */
function metaData({ purchase, orderId, transactionId }: WoocommerceStory) {
  const { visit, token, person, times } = purchase
  const attribution = {
    source_type: 'utm',
    referrer: visit.referrer,
    utm_campaign: visit.campaign,
    utm_source: visit.source,
    utm_medium: visit.medium,
    session_entry: `${SHOP_URL.slice(0, -1)}${visit.landingPath}`,
    session_start_time: new Date(times.checkout).toISOString().slice(0, 19).replace('T', ' '),
    session_pages: '4',
    session_count: '1',
    user_agent: person.userAgent,
    device_type: 'Desktop',
  }
  const entries = [
    ['skeldir', token],
    ...Object.entries(attribution).map(([name, value]) => [`_wc_order_attribution_${name}`, value]),
    ['_stripe_customer_id', `cus_${transactionId.slice(4, 18)}`],
    ['_billing_email_copy', person.email],
    ['is_vat_exempt', 'no'],
  ]
  return entries.map(([key, value], index) => ({ id: orderId * 10 + index, key, value }))
}

function lineItem({ purchase, orderId, productIds }: WoocommerceStory, line: Line) {
  const money = (minor: bigint) => formatMinor(minor, purchase.currency)
  return {
    id: orderId + 10 + line.index,
    name: line.title,
    product_id: productIds[line.index],
    variation_id: 0,
    quantity: line.quantity,
    tax_class: '',
    subtotal: money(line.grossMinor),
    subtotal_tax: money(line.taxMinor),
    total: money(line.netMinor),
    total_tax: money(line.taxMinor),
    taxes: [],
    meta_data: [],
    sku: line.sku,
    // A JSON number with the errors of one, as PHP computes it: 10.799999999999999 instead of 10.8.
    price: Number(money(line.netMinor)) / line.quantity,
    image: { id: '', src: '' },
    parent_name: null,
  }
}

function shippingLines({ purchase, orderId }: WoocommerceStory) {
  const { shippingMinor, currency } = purchase
  if (shippingMinor === 0n) return []
  return [
    {
      id: orderId + 15,
      method_title: 'Flat rate',
      method_id: 'flat_rate',
      total: formatMinor(shippingMinor, currency),
      total_tax: formatMinor(0n, currency),
      taxes: [],
      meta_data: [],
    },
  ]
}

function couponLines({ purchase, orderId }: WoocommerceStory) {
  const { discount, currency } = purchase
  if (discount === null) return []
  return [
    {
      id: orderId + 16,
      code: discount.code.toLowerCase(),
      discount: formatMinor(discount.amountMinor, currency),
      discount_tax: formatMinor(0n, currency),
      meta_data: [],
    },
  ]
}
