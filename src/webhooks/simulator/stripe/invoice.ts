import { fullName } from '../person.ts'
import type { Line, Purchase } from '../purchase.ts'
import { addressOf, stripeMetadata, toSeconds } from './charge.ts'
import type { StripeStory } from './payment.ts'

const MONTH_S = 30 * 86_400

/**
 * The first invoice of a subscription. Since API version 2025-03-31 it has no `charge` and no `payment_intent`; they
 * stand in `payments`. Field names: https://docs.stripe.com/api/invoices/object
 */
export function stripeInvoice(story: StripeStory) {
  const { purchase, payment, marks, invoiceId, subscriptionId, units } = story
  const { person, times, taxMinor, totalMinor, discount } = purchase
  const discountMinor = discount?.amountMinor ?? 0n
  const finalizedAt = toSeconds(times.placed)
  return {
    id: invoiceId,
    object: 'invoice',
    account_country: 'NO',
    account_name: 'Example Shop',
    account_tax_ids: null,
    amount_due: payment.amount,
    amount_overpaid: 0,
    amount_paid: payment.amount,
    amount_remaining: 0,
    amount_shipping: 0,
    attempt_count: 1,
    attempted: true,
    auto_advance: false,
    billing_reason: 'subscription_create',
    collection_method: 'charge_automatically',
    created: finalizedAt,
    currency: payment.currency.toLowerCase(),
    customer: marks.customer,
    customer_address: addressOf(person),
    customer_email: person.email,
    customer_name: fullName(person),
    customer_phone: person.phone,
    customer_shipping: { address: addressOf(person), name: fullName(person), phone: person.phone },
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_tax_rates: [],
    description: null,
    discounts: [],
    due_date: null,
    effective_at: finalizedAt,
    hosted_invoice_url: `https://invoice.stripe.com/i/${invoiceId}`,
    invoice_pdf: `https://pay.stripe.com/invoice/${invoiceId}/pdf`,
    lines: {
      object: 'list',
      data: purchase.lines.map((line) => invoiceLine(story, line)),
      has_more: false,
      total_count: purchase.lines.length,
      url: `/v1/invoices/${invoiceId}/lines`,
    },
    livemode: true,
    metadata: stripeMetadata(payment),
    number: story.invoiceNumber,
    parent: {
      quote_details: null,
      subscription_details: { metadata: stripeMetadata(payment), subscription: subscriptionId },
      type: 'subscription_details',
    },
    payments: {
      object: 'list',
      data: [stripeInvoicePayment(story)],
      has_more: false,
      total_count: 1,
      url: '/v1/invoice_payments',
    },
    period_end: finalizedAt,
    period_start: finalizedAt,
    receipt_number: null,
    starting_balance: 0,
    status: 'paid',
    status_transitions: {
      finalized_at: finalizedAt,
      marked_uncollectible_at: null,
      paid_at: toSeconds(times.paid),
      voided_at: null,
    },
    subtotal: units(totalMinor - taxMinor + discountMinor),
    subtotal_excluding_tax: units(totalMinor - taxMinor + discountMinor),
    total: payment.amount,
    total_discount_amounts:
      discount === null ? [] : [{ amount: units(discountMinor), discount: `di_${discount.code}` }],
    total_excluding_tax: units(totalMinor - taxMinor),
    total_taxes: taxes(purchase, taxMinor, units),
  }
}

/** Field names: https://docs.stripe.com/api/invoice-payment/object */
export function stripeInvoicePayment({ purchase, payment, invoiceId, invoicePaymentId }: StripeStory) {
  return {
    id: invoicePaymentId,
    object: 'invoice_payment',
    amount_paid: payment.amount,
    amount_requested: payment.amount,
    created: toSeconds(purchase.times.placed),
    currency: payment.currency.toLowerCase(),
    invoice: invoiceId,
    is_default: true,
    livemode: true,
    payment: { payment_intent: payment.paymentIntentId, type: 'payment_intent' },
    status: 'paid',
    status_transitions: { canceled_at: null, paid_at: toSeconds(purchase.times.paid) },
  }
}

function invoiceLine({ purchase, invoiceId, subscriptionId, units }: StripeStory, line: Line) {
  const start = toSeconds(purchase.times.placed)
  // Subscriptions ship nothing of their own: what the purchase has of it goes with the first line.
  const shippingMinor = line.index === 0 ? purchase.shippingMinor : 0n
  return {
    id: `il_${line.index}${invoiceId.slice(3)}`,
    object: 'line_item',
    amount: units(line.grossMinor + shippingMinor),
    currency: purchase.currency.toLowerCase(),
    description: `${line.quantity} × ${line.title} (at ${units(line.unitMinor)} / month)`,
    discount_amounts: line.discountMinor === 0n ? [] : [{ amount: units(line.discountMinor), discount: 'di_1' }],
    discountable: true,
    invoice: invoiceId,
    livemode: true,
    metadata: {},
    parent: {
      invoice_item_details: null,
      subscription_item_details: { proration: false, subscription: subscriptionId },
      type: 'subscription_item_details',
    },
    period: { end: start + MONTH_S, start },
    quantity: line.quantity,
    taxes: taxes(purchase, line.taxMinor, units),
  }
}

function taxes({ taxRate }: Purchase, taxMinor: bigint, units: StripeStory['units']) {
  if (taxMinor === 0n) return []
  return [{ amount: units(taxMinor), tax_behavior: 'exclusive', tax_rate_details: { tax_rate: `txr_${taxRate}` } }]
}
