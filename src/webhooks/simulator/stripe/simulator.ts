import type { VendorSimulator } from '../delivery.ts'
import { fullName } from '../person.ts'
import { ALPHANUMERIC, randomOf } from '../random.ts'
import { stripeJson } from '../vendor-json.ts'
import { addressOf, stripeCharge, stripePaymentIntent, toSeconds } from './charge.ts'
import { stripeCheckoutSession } from './checkout.ts'
import { STRIPE_HEADERS, stripeEvent } from './event.ts'
import { stripeInvoice, stripeInvoicePayment } from './invoice.ts'
import { type StripeStory, stripeStep, stripeStory } from './payment.ts'
import { stripeDispute, stripeRefund } from './refund.ts'

interface Happening {
  at: number
  object: object
  previous?: object
}

type Tell = (story: StripeStory) => Happening

const tellers: Record<string, Tell> = {
  'charge.succeeded': (story) => ({ at: timesOf(story).paid, object: stripeCharge(story.payment, story.marks) }),
  'charge.captured': (story) => ({
    at: timesOf(story).paid,
    object: stripeCharge(story.payment, story.marks),
    previous: { amount_captured: 0, captured: false },
  }),
  'charge.refunded': (story) => ({
    at: timesOf(story).refunded,
    object: stripeCharge(story.payment, story.marks, { amountRefunded: refunded(story) }),
    previous: { amount_refunded: 0, ...(story.purchase.refund.isFull ? { refunded: false } : {}) },
  }),
  'payment_intent.succeeded': (story) => ({
    at: timesOf(story).paid,
    object: stripePaymentIntent(
      { ...story.payment, at: timesOf(story).checkout },
      {
        clientSecret: story.clientSecret,
        customer: story.marks.customer,
        paymentMethod: story.marks.paymentMethod,
      },
    ),
  }),
  'checkout.session.completed': (story) => ({ at: timesOf(story).paid, object: stripeCheckoutSession(story, true) }),
  'checkout.session.async_payment_succeeded': (story) => ({
    at: timesOf(story).paid,
    object: stripeCheckoutSession(story, true),
  }),
  'checkout.session.async_payment_failed': (story) => ({
    at: timesOf(story).paid,
    object: stripeCheckoutSession(story, false),
  }),
  'invoice.paid': (story) => ({ at: timesOf(story).paid, object: stripeInvoice(story) }),
  'invoice.payment_succeeded': (story) => ({ at: timesOf(story).paid, object: stripeInvoice(story) }),
  'invoice_payment.paid': (story) => ({ at: timesOf(story).paid, object: stripeInvoicePayment(story) }),
  'refund.created': (story) => ({ at: timesOf(story).refunded, object: stripeRefund(story, 'pending') }),
  'refund.updated': refundSettled,
  'charge.refund.updated': refundSettled,
  'refund.failed': (story) => ({
    at: timesOf(story).refundSettled,
    object: stripeRefund(story, 'failed'),
    previous: { status: 'pending' },
  }),
  'charge.dispute.created': (story) => ({ at: timesOf(story).disputed, object: stripeDispute(story, 'open') }),
  'charge.dispute.funds_withdrawn': (story) => ({ at: timesOf(story).disputed, object: stripeDispute(story, 'open') }),
  'charge.dispute.updated': (story) => ({
    at: timesOf(story).disputeAnswered,
    object: stripeDispute(story, 'answered'),
    previous: { evidence_details: { has_evidence: false, submission_count: 0 }, status: 'needs_response' },
  }),
  'charge.dispute.closed': (story) => ({
    at: timesOf(story).disputeClosed,
    object: stripeDispute(story, 'closed', story.purchase.dispute.isWon),
    previous: { status: 'under_review' },
  }),
  'charge.dispute.funds_reinstated': (story) => ({
    at: timesOf(story).disputeClosed,
    object: stripeDispute(story, 'closed', true),
  }),
  // Of the many types that carry no revenue.
  'customer.created': (story) => ({ at: timesOf(story).checkout, object: customer(story) }),
}

const topics: ReadonlyMap<string, Tell> = new Map(Object.entries(tellers))

export const stripeSimulator: VendorSimulator = {
  vendor: 'stripe',
  topics: [...topics.keys()],
  stepOf: stripeStep,
  build(topic, purchase) {
    const tell = topics.get(topic)
    if (tell === undefined) return undefined
    const { seed } = purchase
    const random = randomOf(`skeldir webhooks ${seed} stripe event ${topic}`)
    const id = `evt_1${random.text(23, ALPHANUMERIC)}`
    const requestId = `req_${random.text(14, ALPHANUMERIC)}`
    const event = stripeEvent({ id, type: topic, requestId, ...tell(stripeStory(purchase)) })
    return { vendor: 'stripe', topic, seed, headers: STRIPE_HEADERS, body: stripeJson(event) }
  },
}

function timesOf({ purchase }: StripeStory) {
  return purchase.times
}

function refunded({ purchase, units }: StripeStory): number {
  return units(purchase.refund.amountMinor)
}

function refundSettled(story: StripeStory): Happening {
  return {
    at: timesOf(story).refundSettled,
    object: stripeRefund(story, 'succeeded'),
    previous: { status: 'pending' },
  }
}

/** Field names: https://docs.stripe.com/api/customers/object */
function customer({ purchase, payment, marks }: StripeStory) {
  const { person } = purchase
  return {
    id: marks.customer,
    object: 'customer',
    address: addressOf(person),
    balance: 0,
    created: toSeconds(purchase.times.checkout),
    currency: payment.currency.toLowerCase(),
    delinquent: false,
    description: null,
    email: person.email,
    livemode: true,
    metadata: {},
    name: fullName(person),
    phone: person.phone,
    shipping: null,
    tax_exempt: 'none',
  }
}
