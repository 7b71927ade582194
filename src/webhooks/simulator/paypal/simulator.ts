import { formatMinor } from '../../../money.ts'
import type { VendorSimulator } from '../delivery.ts'
import { fullName } from '../person.ts'
import { randomOf } from '../random.ts'
import { paypalJson } from '../vendor-json.ts'
import { paypalDispute, paypalOrder } from './order.ts'
import { capture, captureRefund, sale, saleRefund } from './payment.ts'
import { isoTime, money, type PaypalStory, paypalId, paypalStep, paypalStory } from './story.ts'

interface Happening {
  at: number
  kind: 'capture' | 'refund' | 'sale' | 'checkout-order' | 'dispute' | 'subscription'
  /** Absent where the resource has the shape of version 1. */
  version?: '2.0'
  summary: string
  resource: object
}

type Tell = (story: PaypalStory) => Happening

const tellers: Record<string, Tell> = {
  'PAYMENT.CAPTURE.COMPLETED': (story) => ({
    ...captureOf(story),
    summary: `Payment completed for ${inWords(story)}`,
    resource: capture(story, 'COMPLETED'),
  }),
  'PAYMENT.CAPTURE.PENDING': (story) => ({
    ...captureOf(story),
    summary: `Payment pending for ${inWords(story)}`,
    resource: capture(story, 'PENDING'),
  }),
  'PAYMENT.CAPTURE.DENIED': (story) => ({
    ...captureOf(story),
    summary: `A ${inWords(story)} capture payment was denied`,
    resource: capture(story, 'DENIED'),
  }),
  'PAYMENT.CAPTURE.DECLINED': (story) => ({
    ...captureOf(story),
    summary: `A ${inWords(story)} capture payment was declined`,
    resource: capture(story, 'DECLINED'),
  }),
  'PAYMENT.CAPTURE.REFUNDED': (story) => {
    const { refund, times } = story.purchase
    return {
      at: times.refunded,
      ...kindOf(story, 'refund'),
      summary: `A ${inWords(story, refund.amountMinor)} capture payment was refunded`,
      resource: captureRefund(story, { id: story.refundId, amountMinor: refund.amountMinor, at: times.refunded }),
    }
  },
  'PAYMENT.CAPTURE.REVERSED': (story) => {
    const { dispute, times } = story.purchase
    return {
      at: times.disputed,
      ...kindOf(story, 'refund'),
      summary: `A ${inWords(story, dispute.amountMinor)} capture payment was reversed`,
      resource: captureRefund(story, { id: story.reversalId, amountMinor: dispute.amountMinor, at: times.disputed }),
    }
  },
  'PAYMENT.SALE.COMPLETED': (story) => ({
    at: story.purchase.times.paid,
    kind: 'sale',
    summary: `Payment completed for ${inWords(story)}`,
    resource: sale(story),
  }),
  'PAYMENT.SALE.REFUNDED': (story) => {
    const { refund, times } = story.purchase
    return {
      at: times.refunded,
      kind: 'refund',
      summary: `A ${inWords(story, refund.amountMinor)} sale payment was refunded`,
      resource: saleRefund(
        story,
        { id: story.refundId, amountMinor: refund.amountMinor, at: times.refunded },
        'REFUND',
      ),
    }
  },
  'PAYMENT.SALE.REVERSED': (story) => {
    const { dispute, times } = story.purchase
    return {
      at: times.disputed,
      kind: 'refund',
      summary: `A ${inWords(story, dispute.amountMinor)} sale payment was reversed`,
      resource: saleRefund(
        story,
        { id: story.reversalId, amountMinor: dispute.amountMinor, at: times.disputed },
        'CHARGEBACK',
      ),
    }
  },
  'CHECKOUT.ORDER.APPROVED': (story) => ({
    at: story.purchase.times.placed,
    kind: 'checkout-order',
    version: '2.0',
    summary: 'An order has been approved by buyer',
    resource: paypalOrder(story, 'APPROVED'),
  }),
  'CHECKOUT.ORDER.COMPLETED': (story) => ({
    at: story.purchase.times.paid,
    kind: 'checkout-order',
    version: '2.0',
    summary: 'Checkout Order Completed',
    resource: paypalOrder(story, 'COMPLETED'),
  }),
  'CUSTOMER.DISPUTE.CREATED': (story) => ({
    at: story.purchase.times.disputed,
    kind: 'dispute',
    summary: `A new dispute opened with Case # ${story.disputeId}`,
    resource: paypalDispute(story, 'created'),
  }),
  'CUSTOMER.DISPUTE.UPDATED': (story) => ({
    at: story.purchase.times.disputeAnswered,
    kind: 'dispute',
    summary: `A dispute was updated with Case # ${story.disputeId}`,
    resource: paypalDispute(story, 'updated'),
  }),
  'CUSTOMER.DISPUTE.RESOLVED': (story) => ({
    at: story.purchase.times.disputeClosed,
    kind: 'dispute',
    summary: `A dispute was resolved with case # ${story.disputeId}`,
    resource: paypalDispute(story, 'resolved'),
  }),
  // Of the many types that carry no revenue.
  'BILLING.SUBSCRIPTION.ACTIVATED': (story) => ({
    at: story.purchase.times.placed,
    kind: 'subscription',
    version: '2.0',
    summary: 'Subscription activated',
    resource: subscription(story),
  }),
}

const topics: ReadonlyMap<string, Tell> = new Map(Object.entries(tellers))

export const paypalSimulator: VendorSimulator = {
  vendor: 'paypal',
  topics: [...topics.keys()],
  stepOf: paypalStep,
  build(topic, purchase) {
    const tell = topics.get(topic)
    if (tell === undefined) return undefined
    const { seed } = purchase
    const random = randomOf(`skeldir webhooks ${seed} paypal event ${topic}`)
    const id = `WH-${paypalId(random)}-${paypalId(random)}`
    const { at, kind, version, summary, resource } = tell(paypalStory(purchase))
    const self = `https://api.paypal.com/v1/notifications/webhooks-events/${id}`
    const event = {
      id,
      event_version: '1.0',
      create_time: new Date(at + 112).toISOString(),
      resource_type: kind,
      ...(version === undefined ? {} : { resource_version: version }),
      event_type: topic,
      summary,
      resource,
      links: [
        { href: self, rel: 'self', method: 'GET' },
        { href: `${self}/resend`, rel: 'resend', method: 'POST' },
      ],
    }
    const headers = { 'Content-Type': 'application/json', 'User-Agent': 'PayPal/AUHD-1.0-1' }
    return { vendor: 'paypal', topic, seed, headers, body: paypalJson(event) }
  },
}

function kindOf({ version }: PaypalStory, kind: 'capture' | 'refund'): Pick<Happening, 'kind' | 'version'> {
  // In version 1 the refund of a capture is announced as a capture.
  return version === 1 ? { kind: 'capture' } : { kind, version: '2.0' }
}

function captureOf(story: PaypalStory) {
  return { at: story.purchase.times.paid, ...kindOf(story, 'capture') }
}

function inWords({ purchase }: PaypalStory, amountMinor = purchase.totalMinor): string {
  const { currency } = purchase
  return `${formatMinor(amountMinor, currency)} ${currency}`
}

/** Field names: https://developer.paypal.com/docs/api/subscriptions/v1/ */
function subscription(story: PaypalStory) {
  const { purchase, agreementId, payerId } = story
  const { person, times } = purchase
  return {
    id: agreementId,
    status: 'ACTIVE',
    custom_id: purchase.token,
    subscriber: {
      payer_id: payerId,
      email_address: person.email,
      name: { given_name: person.firstName, surname: person.lastName, full_name: fullName(person) },
    },
    billing_info: { last_payment: { amount: money(story, purchase.totalMinor), time: isoTime(times.paid) } },
    create_time: isoTime(times.placed),
    update_time: isoTime(times.paid),
    links: [],
  }
}
