// Bodies of Stripe's webhooks, personal data included. Field names: https://docs.stripe.com/api/charges/object and /payment_intents/object

import type { Person } from './people.ts'
import type { Random } from './random.ts'
import { ALPHANUMERIC } from './random.ts'

export interface StripePayment {
  chargeId: string
  /** Null on a charge made without the PaymentIntents API. */
  paymentIntentId: string | null
  /** Stripe counts whole seconds. */
  at: number
  /** Minor units as Stripe counts them: whole yen for JPY. */
  amount: number
  currency: string
  token: string | null
  person: Person
}

export function stripeId(random: Random, prefix: string): string {
  return `${prefix}_3${random.text(23, ALPHANUMERIC)}`
}

export function stripeEvent(
  random: Random,
  event: { id: string; type: string; at: number; object: object; previous?: object; livemode?: boolean },
) {
  return {
    id: event.id,
    object: 'event',
    api_version: '2025-03-31.basil',
    created: Math.floor(event.at / 1000),
    data: {
      object: event.object,
      ...(event.previous === undefined ? {} : { previous_attributes: event.previous }),
    },
    livemode: event.livemode ?? true,
    pending_webhooks: 1,
    request: { id: `req_${random.text(14, ALPHANUMERIC)}`, idempotency_key: null },
    type: event.type,
  }
}

export function stripeCharge(random: Random, payment: StripePayment, amountRefunded = 0, livemode = true) {
  const { person } = payment
  return {
    id: payment.chargeId,
    object: 'charge',
    amount: payment.amount,
    amount_captured: payment.amount,
    amount_refunded: amountRefunded,
    application: null,
    balance_transaction: `txn_3${random.text(23, ALPHANUMERIC)}`,
    billing_details: {
      address: {
        city: person.city,
        country: 'NO',
        line1: person.street,
        line2: null,
        postal_code: person.postalCode,
        state: null,
      },
      email: person.email,
      name: `${person.firstName} ${person.lastName}`,
      phone: person.phone,
      tax_id: null,
    },
    captured: true,
    created: Math.floor(payment.at / 1000),
    currency: payment.currency.toLowerCase(),
    customer: `cus_${random.text(14, ALPHANUMERIC)}`,
    description: `Boots for ${person.email}`,
    disputed: false,
    failure_code: null,
    fraud_details: {},
    invoice: null,
    livemode,
    metadata: metadata(payment),
    outcome: { network_status: 'approved_by_network', risk_level: 'normal', type: 'authorized' },
    paid: true,
    payment_intent: payment.paymentIntentId,
    payment_method: `pm_1${random.text(23, ALPHANUMERIC)}`,
    payment_method_details: {
      card: {
        brand: 'visa',
        country: 'NO',
        exp_month: 3,
        exp_year: 2031,
        fingerprint: random.text(16, ALPHANUMERIC),
        last4: '4242',
        wallet: null,
      },
      type: 'card',
    },
    receipt_email: person.email,
    receipt_url: `https://pay.stripe.com/receipts/payment/${random.text(40, ALPHANUMERIC)}`,
    refunded: amountRefunded > 0 && amountRefunded === payment.amount,
    shipping: {
      address: { city: person.city, line1: person.street, postal_code: person.postalCode },
      name: `${person.firstName} ${person.lastName}`,
      phone: person.phone,
    },
    status: 'succeeded',
  }
}

export function stripePaymentIntent(random: Random, payment: StripePayment) {
  return {
    id: payment.paymentIntentId,
    object: 'payment_intent',
    amount: payment.amount,
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: payment.amount,
    capture_method: 'automatic_async',
    client_secret: `${payment.paymentIntentId}_secret_${random.text(25, ALPHANUMERIC)}`,
    confirmation_method: 'automatic',
    created: Math.floor(payment.at / 1000),
    currency: payment.currency.toLowerCase(),
    customer: null,
    description: null,
    last_payment_error: null,
    latest_charge: payment.chargeId,
    livemode: true,
    metadata: metadata(payment),
    payment_method_types: ['card'],
    receipt_email: payment.person.email,
    shipping: null,
    status: 'succeeded',
  }
}

function metadata({ token, person }: StripePayment) {
  return { cashier: person.firstName, ...(token === null ? {} : { skeldir: token }) }
}
