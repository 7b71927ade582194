import { fullName } from '../person.ts'
import type { Line } from '../purchase.ts'
import { captureV2 } from './payment.ts'
import { addressOf, isoTime, MERCHANT, money, type PaypalStory, payerOf } from './story.ts'

/** Field names: https://developer.paypal.com/docs/api/orders/v2/ */
export function paypalOrder(story: PaypalStory, status: 'APPROVED' | 'COMPLETED') {
  const { purchase, orderId } = story
  const { times } = purchase
  const isCaptured = status === 'COMPLETED'
  return {
    id: orderId,
    intent: 'CAPTURE',
    status,
    payer: payerOf(story),
    purchase_units: [{ ...purchaseUnit(story), ...(isCaptured ? { payments: paymentsOf(story) } : {}) }],
    create_time: isoTime(times.checkout),
    update_time: isoTime(isCaptured ? times.paid : times.placed),
    links: [
      { href: `https://api.paypal.com/v2/checkout/orders/${orderId}`, rel: 'self', method: 'GET' },
      ...(isCaptured
        ? []
        : [{ href: `https://api.paypal.com/v2/checkout/orders/${orderId}/capture`, rel: 'capture', method: 'POST' }]),
    ],
  }
}

function purchaseUnit(story: PaypalStory) {
  const { purchase } = story
  const { person, totalMinor, shippingMinor, taxMinor, discount } = purchase
  const discountMinor = discount?.amountMinor ?? 0n
  return {
    reference_id: 'default',
    amount: {
      ...money(story, totalMinor),
      breakdown: {
        item_total: money(story, totalMinor - shippingMinor - taxMinor + discountMinor),
        shipping: money(story, shippingMinor),
        tax_total: money(story, taxMinor),
        discount: money(story, discountMinor),
      },
    },
    payee: { email_address: MERCHANT.email, merchant_id: MERCHANT.id },
    custom_id: purchase.token,
    invoice_id: String(purchase.number),
    items: purchase.lines.map((line) => item(story, line)),
    shipping: { name: { full_name: fullName(person) }, address: addressOf(person) },
  }
}

function item(story: PaypalStory, line: Line) {
  return {
    name: line.title,
    sku: line.sku,
    quantity: String(line.quantity),
    unit_amount: money(story, line.unitMinor),
  }
}

function paymentsOf(story: PaypalStory) {
  return { captures: [captureV2(story, 'COMPLETED')] }
}

export type DisputeStage = 'created' | 'updated' | 'resolved'

/** Field names: https://developer.paypal.com/docs/api/customer-disputes/v1/ */
export function paypalDispute(story: PaypalStory, stage: DisputeStage) {
  const { purchase, disputeId, captureId, buyerTransactionId } = story
  const { dispute, times, person } = purchase
  const amount = money(story, dispute.amountMinor)
  return {
    dispute_id: disputeId,
    create_time: isoTime(times.disputed),
    update_time: isoTime(
      { created: times.disputed, updated: times.disputeAnswered, resolved: times.disputeClosed }[stage],
    ),
    disputed_transactions: [
      {
        buyer_transaction_id: buyerTransactionId,
        seller_transaction_id: captureId,
        create_time: isoTime(times.paid),
        transaction_status: 'COMPLETED',
        gross_amount: money(story, purchase.totalMinor),
        invoice_number: String(purchase.number),
        custom: purchase.token,
        buyer: { name: fullName(person), email: person.email },
        seller: { email: MERCHANT.email, merchant_id: MERCHANT.id, name: 'Example Shop' },
        seller_protection_eligible: true,
      },
    ],
    reason: 'MERCHANDISE_OR_SERVICE_NOT_RECEIVED',
    status: { created: 'OPEN', updated: 'UNDER_REVIEW', resolved: 'RESOLVED' }[stage],
    dispute_amount: amount,
    ...(stage === 'resolved' ? { dispute_outcome: outcomeOf(story) } : {}),
    dispute_life_cycle_stage: 'CHARGEBACK',
    dispute_channel: 'INTERNAL',
    messages: [{ posted_by: 'BUYER', time_posted: isoTime(times.disputed), content: `Regards, ${person.firstName}` }],
    links: [{ href: `https://api.paypal.com/v1/customer/disputes/${disputeId}`, rel: 'self', method: 'GET' }],
  }
}

function outcomeOf(story: PaypalStory) {
  const { amountMinor, isWon } = story.purchase.dispute
  return isWon
    ? { outcome_code: 'RESOLVED_SELLER_FAVOUR' }
    : { outcome_code: 'RESOLVED_BUYER_FAVOUR', amount_refunded: money(story, amountMinor) }
}
