import { exponentOf, minorToStripe } from '../../../money.ts'
import type { Purchase } from '../purchase.ts'
import { ALPHANUMERIC, HEX, randomOf } from '../random.ts'
import { inventStripeMarks, type StripeMarks, type StripePayment, stripeId } from './charge.ts'

/** A purchase as Stripe knows it: every id that its events share. */
export interface StripeStory {
  purchase: Purchase
  payment: StripePayment
  marks: StripeMarks
  clientSecret: string
  sessionId: string
  invoiceId: string
  invoiceNumber: string
  invoicePaymentId: string
  subscriptionId: string
  refundId: string
  refundTransaction: string
  disputeId: string
  disputeTransactions: [withdrawn: string, reinstated: string]
  /** In Stripe's unit. */
  units: (amountMinor: bigint) => number
}

/**
 * The smallest amount that Stripe takes, in ISO minor units: of three decimals the last is 0, and MGA is whole ariary.
 * Throws MoneyError for a currency that Stripe does not have. Source: https://docs.stripe.com/currencies#special-cases
 */
export function stripeStep(currency: string): bigint {
  minorToStripe(0n, currency)
  if (currency === 'MGA') return 100n
  return exponentOf(currency) === 3 ? 10n : 1n
}

export function stripeStory(purchase: Purchase): StripeStory {
  const random = randomOf(`skeldir webhooks ${purchase.seed} stripe`)
  const { currency, person, token } = purchase
  const units = (amountMinor: bigint) => Number(minorToStripe(amountMinor, currency))
  const chargeId = stripeId(random, 'ch')
  const paymentIntentId = stripeId(random, 'pi')
  const own = (prefix: string) => `${prefix}_1${random.text(23, ALPHANUMERIC)}`
  return {
    purchase,
    payment: {
      chargeId,
      paymentIntentId,
      at: purchase.times.paid,
      amount: units(purchase.totalMinor),
      currency,
      token,
      person,
    },
    marks: inventStripeMarks(random),
    clientSecret: random.text(25, ALPHANUMERIC),
    sessionId: `cs_live_${random.text(58, ALPHANUMERIC)}`,
    invoiceId: own('in'),
    invoiceNumber: `${random.text(8, HEX).toUpperCase()}-0001`,
    invoicePaymentId: own('inpay'),
    subscriptionId: own('sub'),
    refundId: stripeId(random, 're'),
    refundTransaction: stripeId(random, 'txn'),
    disputeId: own('du'),
    disputeTransactions: [own('txn'), own('txn')],
    units,
  }
}
