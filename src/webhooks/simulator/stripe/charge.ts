// Charges and payment intents with personal data, as Stripe sends them.
// Field names: https://docs.stripe.com/api/charges/object and /payment_intents/object

import { fullName, type Person } from '../person.ts'
import { ALPHANUMERIC, type Random } from '../random.ts'

export interface StripePayment {
  chargeId: string
  /** Null on a charge made without the PaymentIntents API. */
  paymentIntentId: string | null
  /** Milliseconds since 1970; Stripe counts whole seconds. */
  at: number
  /** Minor units as Stripe counts them: whole yen for JPY. */
  amount: number
  currency: string
  token: string | null
  person: Person
}

/** Ids that hang on the payment. */
export interface StripeMarks {
  balanceTransaction: string
  customer: string
  paymentMethod: string
  fingerprint: string
  receipt: string
}

export interface ChargeState {
  amountRefunded?: number
  /** What was taken of an authorised charge; by default all of it. */
  amountCaptured?: number
  disputed?: boolean
  livemode?: boolean
}

/** `ch_3…`; the kinds of things that belong to a payment have a 3 there. */
export function stripeId(random: Random, prefix: string): string {
  return `${prefix}_3${random.text(23, ALPHANUMERIC)}`
}

export function inventStripeMarks(random: Random): StripeMarks {
  return {
    balanceTransaction: stripeId(random, 'txn'),
    customer: `cus_${random.text(14, ALPHANUMERIC)}`,
    paymentMethod: `pm_1${random.text(23, ALPHANUMERIC)}`,
    fingerprint: random.text(16, ALPHANUMERIC),
    receipt: random.text(40, ALPHANUMERIC),
  }
}

export function stripeCharge(payment: StripePayment, marks: StripeMarks, state: ChargeState = {}) {
  const { person } = payment
  const { amountRefunded = 0, amountCaptured = payment.amount, disputed = false, livemode = true } = state
  return {
    id: payment.chargeId,
    object: 'charge',
    amount: payment.amount,
    amount_captured: amountCaptured,
    amount_refunded: amountRefunded,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: marks.balanceTransaction,
    billing_details: billingDetails(person),
    calculated_statement_descriptor: 'EXAMPLE SHOP',
    captured: amountCaptured > 0,
    created: toSeconds(payment.at),
    currency: payment.currency.toLowerCase(),
    customer: marks.customer,
    description: `Order of ${person.email}`,
    disputed,
    failure_balance_transaction: null,
    failure_code: null,
    failure_message: null,
    fraud_details: {},
    livemode,
    metadata: stripeMetadata(payment),
    on_behalf_of: null,
    outcome: {
      network_status: 'approved_by_network',
      reason: null,
      risk_level: 'normal',
      seller_message: 'Payment complete.',
      type: 'authorized',
    },
    paid: true,
    payment_intent: payment.paymentIntentId,
    payment_method: marks.paymentMethod,
    payment_method_details: { card: cardDetails(payment, marks), type: 'card' },
    receipt_email: person.email,
    receipt_number: null,
    receipt_url: `https://pay.stripe.com/receipts/payment/${marks.receipt}`,
    refunded: amountRefunded > 0 && amountRefunded === payment.amount,
    review: null,
    shipping: shippingOf(person),
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'succeeded',
    transfer_data: null,
    transfer_group: null,
  }
}

export interface IntentMarks {
  /** The part after `_secret_`. */
  clientSecret: string
  customer: string | null
  paymentMethod: string | null
}

export function stripePaymentIntent(payment: StripePayment, marks: IntentMarks) {
  return {
    id: payment.paymentIntentId,
    object: 'payment_intent',
    amount: payment.amount,
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: payment.amount,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic_async',
    client_secret: `${payment.paymentIntentId}_secret_${marks.clientSecret}`,
    confirmation_method: 'automatic',
    created: toSeconds(payment.at),
    currency: payment.currency.toLowerCase(),
    customer: marks.customer,
    description: null,
    last_payment_error: null,
    latest_charge: payment.chargeId,
    livemode: true,
    metadata: stripeMetadata(payment),
    next_action: null,
    on_behalf_of: null,
    payment_method: marks.paymentMethod,
    payment_method_options: { card: { request_three_d_secure: 'automatic' } },
    payment_method_types: ['card'],
    processing: null,
    receipt_email: payment.person.email,
    review: null,
    setup_future_usage: null,
    shipping: shippingOf(payment.person),
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'succeeded',
    transfer_data: null,
    transfer_group: null,
  }
}

/** Free text of the merchant: a shop puts anything there, and our token. */
export function stripeMetadata({ token, person }: Pick<StripePayment, 'token' | 'person'>) {
  return { cashier: person.firstName, ...(token === null ? {} : { skeldir: token }) }
}

export function addressOf(person: Person) {
  return {
    city: person.city,
    country: person.countryCode,
    line1: person.street,
    line2: null,
    postal_code: person.postalCode,
    state: null,
  }
}

export function toSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000)
}

function billingDetails(person: Person) {
  return {
    address: addressOf(person),
    email: person.email,
    name: fullName(person),
    phone: person.phone,
    tax_id: null,
  }
}

function shippingOf(person: Person) {
  return {
    address: addressOf(person),
    carrier: null,
    name: fullName(person),
    phone: person.phone,
    tracking_number: null,
  }
}

function cardDetails({ amount, person }: StripePayment, { fingerprint }: StripeMarks) {
  return {
    amount_authorized: amount,
    brand: 'visa',
    checks: { address_line1_check: 'pass', address_postal_code_check: 'pass', cvc_check: 'pass' },
    country: person.countryCode,
    exp_month: 3,
    exp_year: 2031,
    fingerprint,
    funding: 'credit',
    installments: null,
    last4: '4242',
    mandate: null,
    network: 'visa',
    three_d_secure: null,
    wallet: null,
  }
}
