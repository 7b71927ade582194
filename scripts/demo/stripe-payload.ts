// The demo's payments as the webhook simulator tells them, personal data included.

import {
  inventStripeMarks,
  type StripePayment,
  stripeCharge,
  stripePaymentIntent,
} from '../../src/webhooks/simulator/stripe/charge.ts'
import { ALPHANUMERIC, type Random } from './random.ts'

export function charge(random: Random, payment: StripePayment, amountRefunded = 0, livemode = true) {
  return stripeCharge(payment, inventStripeMarks(random), { amountRefunded, livemode })
}

/** Authorised; nothing was taken. */
export function uncapturedCharge(random: Random, payment: StripePayment) {
  return stripeCharge(payment, inventStripeMarks(random), { amountCaptured: 0 })
}

export function paymentIntent(random: Random, payment: StripePayment) {
  const clientSecret = random.text(25, ALPHANUMERIC)
  return stripePaymentIntent(payment, { clientSecret, customer: null, paymentMethod: null })
}
