// The demo's orders as the webhook simulator tells them, personal data included.

import type { Person } from '../../src/webhooks/simulator/person.ts'
import type { Line } from '../../src/webhooks/simulator/purchase.ts'
import type { Presentment } from '../../src/webhooks/simulator/shopify/money.ts'
import { idsOf, shopifyOrder } from '../../src/webhooks/simulator/shopify/order.ts'
import { refundTransactionId, type ShopifyRefund, shopifyRefund } from '../../src/webhooks/simulator/shopify/refund.ts'
import { HEX, type Random } from './random.ts'

export const SHOP_DOMAIN = 'north-fjord.myshopify.com'

export interface DemoOrder {
  id: bigint
  number: number
  at: number
  /** US cents. */
  amountMinor: bigint
  token: string | null
  person: Person
  presentment: Presentment | null
}

/** What some orders were reduced by, US cents. */
const DISCOUNT_MINOR = 1_000n

export function order(random: Random, facts: DemoOrder, financialStatus: 'pending' | 'paid', isTest = false) {
  const { marks, isReduced } = drawMarks(random)
  const discountMinor = isReduced ? DISCOUNT_MINOR : 0n
  return shopifyOrder(
    {
      ...facts,
      currency: 'USD',
      totalMinor: facts.amountMinor,
      lines: [boots(facts.amountMinor, discountMinor)],
      discount: isReduced ? { code: 'SPRING10', amountMinor: discountMinor } : null,
      shippingMinor: 0n,
      taxMinor: 0n,
      taxRate: 0,
      shopDomain: SHOP_DOMAIN,
      visit: { landingPath: '/products/boots?utm_source=google', referrer: 'https://www.google.com/' },
      marks,
    },
    { financialStatus, isTest },
  )
}

/** In this order, on which the rest of the day hangs. */
function drawMarks(random: Random) {
  const acceptsMarketing = random.chance(0.4)
  const cartToken = random.text(32, HEX)
  const checkoutToken = random.text(32, HEX)
  const sessionHash = random.text(32, HEX)
  const isReduced = random.chance(0.2)
  const statusKey = random.text(32, HEX)
  const token = random.text(32, HEX)
  return { marks: { acceptsMarketing, cartToken, checkoutToken, sessionHash, statusKey, token }, isReduced }
}

/** The one thing that the shop sells, at whatever the order came to. */
function boots(netMinor: bigint, discountMinor: bigint): Line {
  const grossMinor = netMinor + discountMinor
  return {
    index: 0,
    title: 'Boots / 42',
    sku: 'BOOT-42',
    quantity: 1,
    unitMinor: grossMinor,
    grossMinor,
    discountMinor,
    netMinor,
    taxMinor: 0n,
  }
}

export interface DemoRefund {
  id: bigint
  orderId: bigint
  at: number
  transactions: ShopifyRefund['transactions']
  person: Person
}

export function refund(facts: DemoRefund) {
  const { id, orderId, person, transactions } = facts
  const moved = transactions.filter(({ kind, status }) => kind === 'refund' && status === 'success')
  const movedMinor = moved.reduce((sum, { amountMinor }) => sum + amountMinor, 0n)
  return shopifyRefund({
    ...facts,
    currency: 'USD',
    totalMinor: movedMinor,
    presentment: null,
    note: `Wrote to ${person.email}`,
    lines: moved.map(({ amountMinor }, index) => ({
      id: refundTransactionId(id, index) + 500_000n,
      lineItemId: idsOf(orderId).line(0),
      quantity: 1,
      subtotalMinor: amountMinor,
      taxMinor: 0n,
    })),
    adjustments: [],
    parentId: idsOf(orderId).transaction,
  })
}
