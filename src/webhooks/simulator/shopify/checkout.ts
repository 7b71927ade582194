import type { Purchase } from '../purchase.ts'
import { rawNumber } from '../vendor-json.ts'
import { decimal, moneySet, shopTime } from './money.ts'
import {
  addressOf,
  customerOf,
  idsOf,
  landingSite,
  lineItem,
  noteAttributes,
  type ShopifyOrder,
  shippingLines,
} from './order.ts'

/** A cart that is not bought yet. Field names: https://shopify.dev/docs/api/admin-rest/latest/resources/checkout */
export function shopifyCheckout(order: ShopifyOrder, times: { began: number; updated: number }) {
  const { marks, person, discount } = order
  const discountMinor = discount?.amountMinor ?? 0n
  const subtotalMinor = order.totalMinor - order.shippingMinor - order.taxMinor
  const address = addressOf(person)
  const id = idsOf(order.id).checkout
  return {
    id: rawNumber(id),
    abandoned_checkout_url: `https://${order.shopDomain}/checkouts/${marks.checkoutToken}/recover?key=${marks.token}`,
    billing_address: address,
    buyer_accepts_marketing: marks.acceptsMarketing,
    cart_token: marks.cartToken,
    closed_at: null,
    completed_at: null,
    created_at: shopTime(times.began),
    currency: order.currency,
    customer: customerOf(order),
    customer_locale: 'en',
    device_id: null,
    discount_codes:
      discount === null ? [] : [{ amount: decimal(order, discountMinor), code: discount.code, type: 'fixed_amount' }],
    email: person.email,
    gateway: null,
    landing_site: landingSite(order),
    line_items: order.lines.map((line) => ({ ...lineItem(order, line), line_price: decimal(order, line.grossMinor) })),
    location_id: null,
    name: `#${id}`,
    note: null,
    note_attributes: noteAttributes(order),
    phone: person.phone,
    presentment_currency: order.presentment?.currency ?? order.currency,
    referring_site: order.visit.referrer,
    shipping_address: address,
    shipping_lines: shippingLines(order),
    source_identifier: null,
    source_name: 'web',
    source_url: null,
    subtotal_price: decimal(order, subtotalMinor),
    tax_lines: [],
    taxes_included: false,
    token: marks.checkoutToken,
    total_discounts: decimal(order, discountMinor),
    total_line_items_price: decimal(order, subtotalMinor + discountMinor),
    total_price: decimal(order, order.totalMinor),
    total_price_set: moneySet(order, order.totalMinor),
    total_tax: decimal(order, order.taxMinor),
    updated_at: shopTime(times.updated),
    user_id: null,
  }
}

/** Field names: https://shopify.dev/docs/api/admin-rest/latest/resources/dispute */
export function shopifyDispute(order: ShopifyOrder, id: bigint, { dispute, times }: Purchase, isClosed: boolean) {
  return {
    id: rawNumber(id),
    order_id: rawNumber(order.id),
    type: 'chargeback',
    amount: decimal(order, dispute.amountMinor),
    currency: order.currency,
    reason: 'product_not_received',
    network_reason_code: '13.1',
    status: isClosed ? (dispute.isWon ? 'won' : 'lost') : 'needs_response',
    evidence_due_by: shopTime(times.disputed + 7 * 86_400_000),
    evidence_sent_on: isClosed ? shopTime(times.disputeAnswered) : null,
    finalized_on: isClosed ? shopTime(times.disputeClosed) : null,
    initiated_at: shopTime(times.disputed),
  }
}

/** Field names: https://shopify.dev/docs/api/webhooks?accordionItem=webhooks-orders-edited */
export function shopifyOrderEdit(order: ShopifyOrder, id: bigint, at: number) {
  const change = (index: number, delta: number) => ({ id: rawNumber(idsOf(order.id).line(index)), delta })
  return {
    order_edit: {
      id: rawNumber(id),
      app_id: null,
      committed_at: shopTime(at),
      created_at: shopTime(at),
      discounts: { line_item: { additions: [], removals: [] } },
      line_items: { additions: [change(order.lines.length, 1)], removals: [change(0, -1)] },
      notify_customer: false,
      order_id: rawNumber(order.id),
      reason: 'Swapped for another size',
      shipping_lines: { additions: [], removals: [] },
      staff_note: `${order.person.firstName} called`,
      user_id: rawNumber(order.id + 201n),
    },
  }
}

/** The three that every app must serve. Source: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance */
export function shopifyCompliance(order: ShopifyOrder, topic: string): object {
  const { person, shopDomain } = order
  const shop = { shop_id: 10101, shop_domain: shopDomain }
  const customer = { id: rawNumber(idsOf(order.id).customer), email: person.email, phone: person.phone }
  const orders = [rawNumber(order.id)]
  if (topic === 'customers/data_request') {
    return { ...shop, orders_requested: orders, customer, data_request: { id: rawNumber(order.id + 203n) } }
  }
  return topic === 'customers/redact' ? { ...shop, customer, orders_to_redact: orders } : shop
}
