// Captures, sales and refunds with personal data, as PayPal sends them.
// Field names: https://developer.paypal.com/docs/api/payments/v2/ and, for version 1, /docs/api/payments/v1/

import { isoTime, MERCHANT, money, type PaypalStory, paypalDecimal } from './story.ts'

type CaptureStatus = 'COMPLETED' | 'PENDING' | 'DENIED' | 'DECLINED'

export function capture(story: PaypalStory, status: CaptureStatus) {
  return story.version === 1 ? captureV1(story, status) : captureV2(story, status)
}

export function captureV2(story: PaypalStory, status: CaptureStatus) {
  const { purchase, captureId, orderId, feeMinor } = story
  const time = isoTime(purchase.times.paid)
  const isPaid = status === 'COMPLETED'
  return {
    id: captureId,
    amount: money(story, purchase.totalMinor),
    final_capture: true,
    seller_protection: {
      status: 'ELIGIBLE',
      dispute_categories: ['ITEM_NOT_RECEIVED', 'UNAUTHORIZED_TRANSACTION'],
    },
    ...(isPaid
      ? {
          seller_receivable_breakdown: {
            gross_amount: money(story, purchase.totalMinor),
            paypal_fee: money(story, feeMinor),
            net_amount: money(story, purchase.totalMinor - feeMinor),
          },
        }
      : { status_details: { reason: status === 'PENDING' ? 'ECHECK' : 'DECLINED_BY_RISK_FRAUD_FILTERS' } }),
    invoice_id: String(purchase.number),
    custom_id: purchase.token,
    status,
    supplementary_data: { related_ids: { order_id: orderId } },
    payee: { email_address: MERCHANT.email, merchant_id: MERCHANT.id },
    create_time: time,
    update_time: time,
    links: [
      link(`v2/payments/captures/${captureId}`, 'self'),
      link(`v2/payments/captures/${captureId}/refund`, 'refund', 'POST'),
      link(`v2/checkout/orders/${orderId}`, 'up'),
    ],
  }
}

const V1_STATES = { COMPLETED: 'completed', PENDING: 'pending', DENIED: 'denied', DECLINED: 'declined' } as const

function captureV1(story: PaypalStory, status: CaptureStatus) {
  const { purchase, captureId } = story
  return {
    id: captureId,
    amount: amountV1(story, purchase.totalMinor, true),
    is_final_capture: true,
    state: V1_STATES[status],
    transaction_fee: feeV1(story),
    parent_payment: story.paymentId,
    invoice_number: String(purchase.number),
    custom: purchase.token,
    create_time: isoTime(purchase.times.paid),
    update_time: isoTime(purchase.times.paid),
    links: linksV1(story, 'capture', captureId),
  }
}

/** Money that went back. */
export interface Return {
  id: string
  amountMinor: bigint
  /** Milliseconds since 1970. */
  at: number
}

/** A refund of a capture; a reversal has the same shape. */
export function captureRefund(story: PaypalStory, returned: Return) {
  return story.version === 1 ? captureRefundV1(story, returned) : captureRefundV2(story, returned)
}

function captureRefundV2(story: PaypalStory, { id, amountMinor, at }: Return) {
  const { purchase, captureId } = story
  return {
    id,
    amount: money(story, amountMinor),
    seller_payable_breakdown: {
      gross_amount: money(story, amountMinor),
      paypal_fee: money(story, 0n),
      net_amount: money(story, amountMinor),
      total_refunded_amount: money(story, amountMinor),
    },
    invoice_id: String(purchase.number),
    custom_id: purchase.token,
    note_to_payer: `${purchase.refund.reason}, ${purchase.person.firstName}`,
    status: 'COMPLETED',
    create_time: pacificTime(at),
    update_time: pacificTime(at),
    links: [
      link(`v2/payments/refunds/${id}`, 'self'),
      // The id of the capture stands nowhere else.
      link(`v2/payments/captures/${captureId}`, 'up'),
    ],
  }
}

function captureRefundV1(story: PaypalStory, { id, amountMinor, at }: Return) {
  const { purchase, captureId } = story
  return {
    id,
    capture_id: captureId,
    // The sign of a refund is not stable in version 1.
    amount: amountV1(story, -amountMinor, false),
    state: 'completed',
    parent_payment: story.paymentId,
    invoice_number: String(purchase.number),
    custom: purchase.token,
    create_time: isoTime(at),
    update_time: isoTime(at),
    links: linksV1(story, 'refund', id),
  }
}

/** A payment of a subscription. */
export function sale(story: PaypalStory) {
  const { purchase, saleId, agreementId } = story
  return {
    id: saleId,
    amount: amountV1(story, purchase.totalMinor, true),
    billing_agreement_id: agreementId,
    payment_mode: 'INSTANT_TRANSFER',
    protection_eligibility: 'ELIGIBLE',
    protection_eligibility_type: 'ITEM_NOT_RECEIVED_ELIGIBLE,UNAUTHORIZED_PAYMENT_ELIGIBLE',
    state: 'completed',
    transaction_fee: feeV1(story),
    invoice_number: String(purchase.number),
    custom: purchase.token,
    parent_payment: story.paymentId,
    create_time: isoTime(purchase.times.paid),
    update_time: isoTime(purchase.times.paid),
    links: linksV1(story, 'sale', saleId),
  }
}

/** A refund of a sale; a reversal has the same shape. */
export function saleRefund(story: PaypalStory, { id, amountMinor, at }: Return, reasonCode: string) {
  const { purchase, saleId, agreementId } = story
  return {
    id,
    sale_id: saleId,
    // Its sign is not stable either.
    amount: amountV1(story, story.version === 1 ? -amountMinor : amountMinor, false),
    total_refunded_amount: amountV1(story, amountMinor, false),
    billing_agreement_id: agreementId,
    refund_reason_code: reasonCode,
    state: 'completed',
    invoice_number: String(purchase.number),
    custom: purchase.token,
    parent_payment: story.paymentId,
    create_time: isoTime(at),
    update_time: isoTime(at),
    links: linksV1(story, 'refund', id),
  }
}

function amountV1({ purchase }: PaypalStory, amountMinor: bigint, withDetails: boolean) {
  const { currency, shippingMinor, taxMinor, totalMinor } = purchase
  const text = (minor: bigint) => paypalDecimal(minor, currency)
  return {
    total: text(amountMinor),
    currency,
    ...(withDetails
      ? {
          details: {
            subtotal: text(totalMinor - shippingMinor - taxMinor),
            shipping: text(shippingMinor),
            tax: text(taxMinor),
          },
        }
      : {}),
  }
}

function feeV1({ purchase: { currency }, feeMinor }: PaypalStory) {
  return { value: paypalDecimal(feeMinor, currency), currency }
}

function linksV1({ paymentId }: PaypalStory, kind: string, id: string) {
  return [link(`v1/payments/${kind}/${id}`, 'self'), link(`v1/payments/payment/${paymentId}`, 'parent_payment')]
}

/** Version 2 states some times in the offset of its own office. */
function pacificTime(at: number): string {
  return new Date(at - 7 * 3_600_000).toISOString().replace('.000Z', '-07:00')
}

function link(kind: string, rel: string, method = 'GET') {
  return { href: `https://api.paypal.com/${kind}`, rel, method }
}
