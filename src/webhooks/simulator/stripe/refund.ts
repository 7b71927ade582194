import { fullName } from '../person.ts'
import { addressOf, stripeMetadata, toSeconds } from './charge.ts'
import type { StripeStory } from './payment.ts'

/** Field names: https://docs.stripe.com/api/refunds/object */
export function stripeRefund(
  { purchase, payment, marks, refundId, refundTransaction, units }: StripeStory,
  status: 'pending' | 'succeeded' | 'failed',
) {
  return {
    id: refundId,
    object: 'refund',
    amount: units(purchase.refund.amountMinor),
    balance_transaction: refundTransaction,
    charge: payment.chargeId,
    created: toSeconds(purchase.times.refunded),
    currency: payment.currency.toLowerCase(),
    customer: marks.customer,
    destination_details: { card: { type: status === 'pending' ? 'pending' : 'refund' }, type: 'card' },
    ...(status === 'failed'
      ? { failure_balance_transaction: `${refundTransaction}f`, failure_reason: 'expired_or_canceled_card' }
      : {}),
    instructions_email: payment.person.email,
    metadata: stripeMetadata(payment),
    payment_intent: payment.paymentIntentId,
    reason: 'requested_by_customer',
    receipt_number: null,
    source_transfer_reversal: null,
    status,
    transfer_reversal: null,
  }
}

export type DisputeStage = 'open' | 'answered' | 'closed'

/** Field names: https://docs.stripe.com/api/disputes/object */
export function stripeDispute(story: StripeStory, stage: DisputeStage, isReinstated = false) {
  const { purchase, payment, disputeId, disputeTransactions, units } = story
  const { dispute, times, person } = purchase
  const amount = units(dispute.amountMinor)
  const transaction = (id: string, moved: number) => ({
    id,
    object: 'balance_transaction',
    amount: moved,
    currency: payment.currency.toLowerCase(),
    type: 'adjustment',
  })
  const status = { open: 'needs_response', answered: 'under_review', closed: dispute.isWon ? 'won' : 'lost' }[stage]
  return {
    id: disputeId,
    object: 'dispute',
    amount,
    balance_transactions: [
      transaction(disputeTransactions[0], -amount),
      ...(isReinstated ? [transaction(disputeTransactions[1], amount)] : []),
    ],
    charge: payment.chargeId,
    created: toSeconds(times.disputed),
    currency: payment.currency.toLowerCase(),
    enhanced_eligibility_types: [],
    evidence: {
      billing_address: `${person.street}, ${person.postalCode} ${person.city}, ${addressOf(person).country}`,
      customer_email_address: person.email,
      customer_name: fullName(person),
      customer_purchase_ip: person.ip,
      product_description: stage === 'open' ? null : purchase.lines.map(({ title }) => title).join(', '),
    },
    evidence_details: {
      due_by: toSeconds(times.disputed) + 7 * 86_400,
      has_evidence: stage !== 'open',
      past_due: false,
      submission_count: stage === 'open' ? 0 : 1,
    },
    is_charge_refundable: false,
    livemode: true,
    metadata: {},
    network_reason_code: '13.1',
    payment_intent: payment.paymentIntentId,
    payment_method_details: {
      card: { brand: 'visa', case_type: 'chargeback', network_reason_code: '13.1' },
      type: 'card',
    },
    reason: 'product_not_received',
    status,
  }
}
