// Who buys what, when, and gets how much of it back.

import { stripeId } from '../../src/webhooks/simulator/stripe/charge.ts'
import { type Order, SECOND, type Vendor } from './day.ts'
import { createRandom, type Random, ulid } from './random.ts'

const ODD_AMOUNTS = [3333n, 9999n, 1999n, 10_001n, 777n, 6667n, 14_285n, 101n, 4_999n, 25_037n]

/** What an order shall be like, before it has an id and a time. */
interface Draft {
  vendor: Vendor
  currency: string
  amountMinor: bigint
  refunds: bigint[]
  visitor: 'known' | 'known_without_touches' | 'anonymous' | 'foreign_token'
  /** Of a known visitor, before the order. */
  touches: number
  /** An order of the same visitor, placed after this one. */
  repeat?: Draft
}

/** Amounts and journeys whose shares do not divide evenly; the figures of `expected.ts` hang on how the rest is given out. */
const CRAFTED: Draft[] = [
  known('shopify', 'USD', 1000n, 3, [333n, 333n, 334n]),
  known('stripe', 'USD', 10_000n, 3, []),
  known('stripe', 'JPY', 1000n, 7, []),
  known('shopify', 'USD', 1n, 3, []),
  known('shopify', 'USD', 9999n, 8, [4999n, 1n]),
  known('stripe', 'USD', 14_000n, 3, [3333n, 1n, 6666n]),
  known('stripe', 'EUR', 3333n, 4, [1111n]),
  known('stripe', 'JPY', 5001n, 2, [1000n, 1n]),
  // Refunded beyond what was paid: 5.00 has nothing left to be taken from.
  known('shopify', 'USD', 2000n, 2, [1500n, 1000n]),
  known('shopify', 'USD', 3333n, 6, [3333n]),
]

function known(vendor: Vendor, currency: string, amountMinor: bigint, touches: number, refunds: bigint[]): Draft {
  return { vendor, currency, amountMinor, refunds, visitor: 'known', touches }
}
export interface Journey {
  visitorId: string | null
  sessionId: string
  drafts: Draft[]
  orders: PlacedOrder[]
}

/** An order with what its deliveries need. */
export interface PlacedOrder extends Order {
  token: string | null
  shopifyId: bigint | null
  /** Null also on Stripe orders made without a PaymentIntent. */
  paymentIntentId: string | null
  chargeId: string | null
  capturedMinor: bigint
}

/** 330 paid orders: 36 visitors buy twice, 218 once; 15 never had a touch; 25 cannot be told. */
export function placeOrders(seed: number, start: number): Journey[] {
  const random = createRandom(seed, 'orders')
  const drafts: Draft[] = [...CRAFTED]
  const draft = (visitor: Draft['visitor'], touches: number): Draft => {
    const vendor = random.chance(0.5) ? 'shopify' : 'stripe'
    return { vendor, currency: 'USD', amountMinor: drawAmount(random), refunds: [], visitor, touches }
  }
  while (drafts.length < 36 + 218) {
    const made = draft('known', random.integer(1, 8))
    if (drafts.length >= 218) made.repeat = draft('known', random.integer(0, 4))
    drafts.push(made)
  }
  for (let i = 0; i < 15; i++) drafts.push(draft('known_without_touches', 0))
  for (let i = 0; i < 23; i++) drafts.push(draft('anonymous', 0))
  for (let i = 0; i < 2; i++) drafts.push(draft('foreign_token', 0))

  const drawn = drafts.slice(CRAFTED.length)
  // Enough that other currencies have channels of their own; the totals stay in USD.
  const abroad = drawn.filter(({ vendor }) => vendor === 'stripe').slice(0, 14)
  for (const [index, order] of abroad.entries()) order.currency = index % 2 === 0 ? 'EUR' : 'JPY'
  const refundable = random.shuffle(drawn.filter(({ amountMinor }) => amountMinor >= 500n))
  for (const [index, order] of refundable.slice(0, 60).entries()) {
    order.refunds = drawRefunds(random, order.amountMinor, index % 3)
  }

  const ids = createIds(random)
  return drafts.map((first) => placeJourney(random, ids, start, first))
}

export function drawAmount(random: Random): bigint {
  return random.chance(0.3) ? random.pick(ODD_AMOUNTS) : BigInt(random.integer(500, 25_000))
}

/** `kind` 0: everything; 1: a part; 2: parts, one after the other. */
function drawRefunds(random: Random, amountMinor: bigint, kind: number): bigint[] {
  if (kind === 0) return [amountMinor]
  const part = () => (amountMinor * BigInt(random.integer(5, 30))) / 100n + 1n
  return kind === 1 ? [part()] : Array.from({ length: random.integer(2, 3) }, part)
}

function placeJourney(random: Random, ids: ReturnType<typeof createIds>, start: number, first: Draft): Journey {
  const isKnown = first.visitor === 'known' || first.visitor === 'known_without_touches'
  const visitorId = isKnown ? ulid(random) : null
  const sessionId = ulid(random)
  const drafts = first.repeat === undefined ? [first] : [first, first.repeat]
  // Whole seconds, since neither vendor sends finer ones. Early enough that refunds still fall on the same day.
  let at = start + random.integer(3_600, 18 * 3_600) * SECOND
  const orders = drafts.map((draft) => {
    const order = ids.makeOrder(draft, at, visitorId, sessionId)
    let refundAt = at
    order.refunds = draft.refunds.map((amountMinor) => {
      refundAt += random.integer(300, 3_000) * SECOND
      return { amountMinor, at: refundAt }
    })
    at += random.integer(1_800, 7_200) * SECOND
    return order
  })
  return { visitorId, sessionId, drafts, orders }
}

function createIds(random: Random) {
  // Neighbours among such numbers are one and the same to a parser that reads them into a double.
  let shopifyId = 820_982_911_946_000_001n + BigInt(random.integer(0, 1_000_000)) * 2n
  return {
    makeOrder(draft: Draft, at: number, visitorId: string | null, sessionId: string): PlacedOrder {
      const token =
        visitorId !== null
          ? `av1.${visitorId}.${sessionId}`
          : draft.visitor === 'foreign_token'
            ? 'GA1.1.1234567890.1700000000'
            : null
      const common = {
        vendor: draft.vendor,
        at,
        currency: draft.currency,
        visitorId,
        token,
        capturedMinor: draft.amountMinor,
        refunds: [],
      }
      if (draft.vendor === 'shopify') {
        shopifyId += BigInt(random.integer(1, 9)) * 2n
        const ids = { shopifyId, paymentIntentId: null, chargeId: null }
        return { ...common, ...ids, id: `shopify:${shopifyId}` }
      }
      const chargeId = stripeId(random, 'ch')
      const paymentIntentId = random.chance(0.9) ? stripeId(random, 'pi') : null
      return { ...common, shopifyId: null, paymentIntentId, chargeId, id: `stripe:${paymentIntentId ?? chargeId}` }
    },
  }
}
