import { exponentOf } from '../../../money.ts'
import type { Circumstances, VendorSimulator } from '../delivery.ts'
import type { Purchase } from '../purchase.ts'
import { HEX, randomOf, uuid } from '../random.ts'
import { shopifyJson } from '../vendor-json.ts'
import { shopifyCheckout, shopifyCompliance, shopifyDispute, shopifyOrderEdit } from './checkout.ts'
import { shopifyHeaders } from './headers.ts'
import { present } from './money.ts'
import { idsOf, type ShopifyOrder, shopifyOrder } from './order.ts'
import { type ShopifyRefund, shopifyRefund, shopifyTransaction } from './refund.ts'

/** A purchase as one shop knows it. */
interface ShopifyStory {
  purchase: Purchase
  order: ShopifyOrder
  refundId: bigint
  disputeId: bigint
}

interface Happening {
  at: number
  /** What the merchant or buyer did; all that it sets off shares an event id. */
  action: string
  body: object
}

type Tell = (story: ShopifyStory) => Happening

const tellers: Record<string, Tell> = {
  'orders/create': ({ order, purchase: { times } }) => ({
    at: times.placed,
    action: 'placed',
    body: shopifyOrder(order, { financialStatus: 'pending' }),
  }),
  'orders/paid': ({ order, purchase: { times } }) => ({
    at: times.paid,
    action: 'paid',
    body: shopifyOrder(order, { financialStatus: 'paid', updatedAt: times.paid }),
  }),
  'orders/updated': (story) => ({
    at: story.purchase.times.refunded,
    action: 'refunded',
    body: shopifyOrder(story.order, refundedState(story)),
  }),
  'orders/cancelled': (story) => ({
    at: story.purchase.times.refunded,
    action: 'refunded',
    body: shopifyOrder(story.order, {
      ...refundedState(story),
      cancelled: { at: story.purchase.times.refunded, reason: 'customer' },
    }),
  }),
  'orders/edited': ({ order, purchase: { times } }) => ({
    at: times.paid + 60_000,
    action: 'edited',
    body: shopifyOrderEdit(order, order.id + 205n, times.paid + 60_000),
  }),
  'refunds/create': (story) => ({
    at: story.purchase.times.refunded,
    action: 'refunded',
    body: shopifyRefund(refundOf(story)),
  }),
  'order_transactions/create': ({ order, purchase: { times } }) => ({
    at: times.paid,
    action: 'paid',
    body: shopifyTransaction({
      id: idsOf(order.id).transaction,
      orderId: order.id,
      amountMinor: order.totalMinor,
      currency: order.currency,
      at: times.paid,
      kind: 'sale',
      status: 'success',
      parentId: null,
      person: order.person,
    }),
  }),
  'checkouts/create': ({ order, purchase: { times } }) => ({
    at: times.checkout,
    action: 'checkout',
    body: shopifyCheckout(order, { began: times.checkout, updated: times.checkout }),
  }),
  'checkouts/update': ({ order, purchase: { times } }) => ({
    at: times.checkout + 30_000,
    action: 'checkout changed',
    body: shopifyCheckout(order, { began: times.checkout, updated: times.checkout + 30_000 }),
  }),
  'disputes/create': ({ order, disputeId, purchase }) => ({
    at: purchase.times.disputed,
    action: 'disputed',
    body: shopifyDispute(order, disputeId, purchase, false),
  }),
  'disputes/update': ({ order, disputeId, purchase }) => ({
    at: purchase.times.disputeClosed,
    action: 'dispute closed',
    body: shopifyDispute(order, disputeId, purchase, true),
  }),
  'customers/data_request': compliance('customers/data_request'),
  'customers/redact': compliance('customers/redact'),
  'shop/redact': compliance('shop/redact'),
}

const topics: ReadonlyMap<string, Tell> = new Map(Object.entries(tellers))

export const shopifySimulator: VendorSimulator = {
  vendor: 'shopify',
  topics: [...topics.keys()],
  stepOf(currency) {
    exponentOf(currency)
    return 1n
  },
  build(topic, purchase, circumstances) {
    const tell = topics.get(topic)
    if (tell === undefined) return undefined
    const { seed } = purchase
    const { at, action, body } = tell(storyOf(purchase, circumstances))
    const webhookId = uuid(randomOf(`skeldir webhooks ${seed} shopify ${topic}`))
    const eventId = uuid(randomOf(`skeldir webhooks ${seed} shopify event ${action}`))
    const headers = shopifyHeaders({ topic, shopDomain: circumstances.shopDomain, webhookId, eventId, triggeredAt: at })
    return { vendor: 'shopify', topic, seed, headers, body: shopifyJson(body) }
  },
}

function storyOf(purchase: Purchase, { shopDomain }: Circumstances): ShopifyStory {
  const random = randomOf(`skeldir webhooks ${purchase.seed} shopify`)
  // Beyond 2^53, like those of the vendor's own samples; 1,000 apart, since an order takes the ids beside its own.
  const id = 820_982_911_946_000_001n + (BigInt(purchase.seed) % 2n ** 46n) * 1_000n
  const { currency, totalMinor, person, token, visit, times } = purchase
  const shop = { currency, totalMinor }
  const shown = random.chance(0.2) ? random.pick(['NOK', 'EUR', 'JPY', 'KWD']) : currency
  const order: ShopifyOrder = {
    ...shop,
    id,
    number: purchase.number,
    at: times.placed,
    lines: purchase.lines,
    discount: purchase.discount,
    shippingMinor: purchase.shippingMinor,
    taxMinor: purchase.taxMinor,
    taxRate: purchase.taxRate,
    token,
    person,
    shopDomain,
    visit,
    presentment: shown === currency ? null : present(shown, shop),
    marks: {
      acceptsMarketing: random.chance(0.4),
      cartToken: random.text(32, HEX),
      checkoutToken: random.text(32, HEX),
      sessionHash: random.text(32, HEX),
      statusKey: random.text(32, HEX),
      token: random.text(32, HEX),
    },
  }
  return { purchase, order, refundId: id + 70_000_000_000_000_000n, disputeId: id + 1_000_000_000_000_000n }
}

function refundOf({ purchase, order, refundId }: ShopifyStory): ShopifyRefund {
  const { refund, times, shippingMinor } = purchase
  const { currency, totalMinor, presentment, person } = order
  return {
    currency,
    totalMinor,
    presentment,
    id: refundId,
    orderId: order.id,
    at: times.refunded,
    note: `${refund.reason}; wrote to ${person.email}`,
    transactions: [{ amountMinor: refund.amountMinor, kind: 'refund', status: 'success' }],
    // Part of the money back is a gesture: nothing came back. Lines and adjustments add up to the money.
    lines: refund.isFull
      ? order.lines.map((line) => ({
          id: refundId + 1n + BigInt(line.index),
          lineItemId: idsOf(order.id).line(line.index),
          quantity: line.quantity,
          subtotalMinor: line.netMinor,
          taxMinor: line.taxMinor,
        }))
      : [],
    adjustments: refund.isFull
      ? shippingMinor === 0n
        ? []
        : [{ kind: 'shipping_refund', amountMinor: shippingMinor }]
      : [{ kind: 'refund_discrepancy', amountMinor: refund.amountMinor }],
    parentId: idsOf(order.id).transaction,
    person,
  }
}

function refundedState(story: ShopifyStory) {
  const { refund, times } = story.purchase
  return {
    financialStatus: refund.isFull ? ('refunded' as const) : ('partially_refunded' as const),
    updatedAt: times.refunded,
    refundedMinor: refund.amountMinor,
    refunds: [shopifyRefund(refundOf(story))],
  }
}

function compliance(topic: string): Tell {
  return ({ order, purchase }) => ({
    at: purchase.times.disputeClosed,
    action: topic,
    body: shopifyCompliance(order, topic),
  })
}
