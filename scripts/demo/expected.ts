// What a platform has to answer about a day, from the day alone. Written against the rules, not against the platform:
// exact rational arithmetic all the way, rounded once at the end of each share-out, and nothing imported from src/.

import { type Day, type DeliveryResult, LOOKBACK, type Order, type Touch, type Vendor } from './day.ts'

export const MODELS = ['first_touch', 'last_touch', 'linear'] as const
export type Model = (typeof MODELS)[number]

export const UNATTRIBUTED = '(unattributed)'

/** Credits count millionths of an order, so that thirds of an order still add up to one. */
export const MICRO = 1_000_000n

export interface Credit {
  /** Null on the one credit of an order without a touch. */
  touchId: string | null
  channel: string
  conversionMicro: bigint
  revenueMinor: bigint
}

export interface ExpectedOrder {
  id: string
  currency: string
  capturedMinor: bigint
  /** What was given back, as the vendor says; may exceed what was captured. */
  refundedMinor: bigint
  overRefundedMinor: bigint
  netMinor: bigint
  /** Of the touches that earn a part of the order; its money may be 0 (refunded, or too little to divide). */
  credits: Record<Model, Credit[]>
}

export interface ChannelTotal {
  conversionMicro: bigint
  revenueMinor: bigint
}

export interface CurrencyTotal {
  conversions: number
  capturedMinor: bigint
  refundedMinor: bigint
  overRefundedMinor: bigint
  netMinor: bigint
  channels: Record<Model, Map<string, ChannelTotal>>
}

export interface Expected {
  deliveries: Record<Vendor, Record<DeliveryResult, number>>
  touchpoints: { accepted: number; duplicates: number; rejected: number }
  /** Orders that were paid, by id. */
  orders: Map<string, ExpectedOrder>
  /** In order of their codes. */
  currencies: Map<string, CurrencyTotal>
}

export function computeExpected(day: Day): Expected {
  const orders = new Map<string, ExpectedOrder>()
  const currencies = new Map<string, CurrencyTotal>()
  const paid = day.orders.filter(({ capturedMinor }) => capturedMinor !== null)
  for (const order of paid) {
    const journey = findJourney(order, paid, day.touches)
    const expected = creditOrder(order, journey.length > 0 ? journey : toldByOrder(order))
    orders.set(order.id, expected)
    addTo(currencies, expected)
  }
  const sorted = new Map([...currencies].sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...countAnswers(day), orders, currencies: sorted }
}

/** The touches that may earn something of an order, oldest first. Of two at one instant the smaller id comes first. */
export function findJourney(order: Order, paid: readonly Order[], touches: readonly Touch[]): Touch[] {
  if (order.visitorId === null) return []
  // An earlier purchase used up all that led to it.
  const usedUpTo = Math.max(
    ...paid.filter((other) => other.visitorId === order.visitorId && other.at < order.at).map(({ at }) => at),
    Number.NEGATIVE_INFINITY,
  )
  return touches
    .filter((touch) => touch.visitorId === order.visitorId)
    .filter(({ at }) => at <= order.at && at >= order.at - LOOKBACK && at > usedUpTo)
    .sort((a, b) => a.at - b.at || Buffer.compare(Buffer.from(a.eventId), Buffer.from(b.eventId)))
}

/**
 * How the buyer came by what the order itself tells, which counts where no touch does: every order of the shop says that
 * it began on a page which Google led to, without a medium.
 */
export function toldByOrder({ id, visitorId, at }: Order): Touch[] {
  if (!id.startsWith('shopify:')) return []
  const said = { channel: 'organic_search', source: 'google', medium: null, campaign: null }
  return [{ eventId: `${id}:touch0`, visitorId: visitorId ?? '', sessionId: null, at, ...said }]
}

export function creditOrder(order: Order, journey: readonly Touch[]): ExpectedOrder {
  const captured = order.capturedMinor ?? 0n
  const credits = {} as Record<Model, Credit[]>
  let overRefunded = 0n
  for (const model of MODELS) {
    const weights = weigh(model, Math.max(1, journey.length))
    const conversions = shareOut(MICRO, weights)
    const balances = shareOut(captured, weights)
    overRefunded = 0n
    for (const { amountMinor } of order.refunds) {
      const left = sum(balances)
      const taken = amountMinor < left ? amountMinor : left
      overRefunded += amountMinor - taken
      if (taken === 0n) continue
      const shares = shareOut(taken, balances.map(whole))
      for (const [index, share] of shares.entries()) balances[index] = (balances[index] as bigint) - share
    }
    const all = balances.map((revenueMinor, index) => ({
      touchId: journey[index]?.eventId ?? null,
      channel: journey[index]?.channel ?? UNATTRIBUTED,
      conversionMicro: conversions[index] as bigint,
      revenueMinor,
    }))
    credits[model] = all.filter(({ conversionMicro }) => conversionMicro > 0n)
  }
  const refunded = sum(order.refunds.map(({ amountMinor }) => amountMinor))
  return {
    id: order.id,
    currency: order.currency,
    capturedMinor: captured,
    refundedMinor: refunded,
    overRefundedMinor: overRefunded,
    netMinor: captured - refunded + overRefunded,
    credits,
  }
}

function weigh(model: Model, touches: number): Fraction[] {
  return Array.from({ length: touches }, (_, index) => {
    if (model === 'linear') return fraction(1n, BigInt(touches))
    return whole(index === (model === 'first_touch' ? 0 : touches - 1) ? 1n : 0n)
  })
}

/**
 * Divides a whole amount in proportion to weights by largest remainder (Hamilton): everybody gets the whole part of the
 * exact share, and what is left goes out one by one by the size of the remainder, then of the weight, then by position.
 */
export function shareOut(total: bigint, weights: readonly Fraction[]): bigint[] {
  const all = weights.reduce(add, whole(0n))
  if (all.over === 0n) throw new RangeError('nothing to divide by: all weights are zero')
  const exact = weights.map((weight) => divide(multiply(whole(total), weight), all))
  const shares = exact.map(floor)
  const ranking = exact
    .map((share, position) => ({
      position,
      remainder: subtract(share, whole(floor(share))),
      weight: weights[position] as Fraction,
    }))
    .sort((a, b) => compare(b.remainder, a.remainder) || compare(b.weight, a.weight) || a.position - b.position)
  const left = total - sum(shares)
  for (const { position } of ranking.slice(0, Number(left))) shares[position] = (shares[position] as bigint) + 1n
  return shares
}

// ---- fractions of integers of any size; `under` is positive ---------------------------------------------------------

export interface Fraction {
  over: bigint
  under: bigint
}

export function whole(value: bigint): Fraction {
  return { over: value, under: 1n }
}

export function fraction(over: bigint, under: bigint): Fraction {
  return { over, under }
}

function add(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.under + b.over * a.under, under: a.under * b.under }
}

function subtract(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.under - b.over * a.under, under: a.under * b.under }
}

function multiply(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.over, under: a.under * b.under }
}

/** Of amounts and weights that are not negative. */
function divide(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.under, under: a.under * b.over }
}

function floor({ over, under }: Fraction): bigint {
  return over / under
}

function compare(a: Fraction, b: Fraction): number {
  const difference = a.over * b.under - b.over * a.under
  return difference === 0n ? 0 : difference > 0n ? 1 : -1
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n)
}

// ---- totals -------------------------------------------------------------------------------------------------------

function addTo(currencies: Map<string, CurrencyTotal>, order: ExpectedOrder): void {
  const total = currencies.get(order.currency) ?? {
    conversions: 0,
    capturedMinor: 0n,
    refundedMinor: 0n,
    overRefundedMinor: 0n,
    netMinor: 0n,
    channels: { first_touch: new Map(), last_touch: new Map(), linear: new Map() },
  }
  currencies.set(order.currency, total)
  total.conversions += 1
  total.capturedMinor += order.capturedMinor
  total.refundedMinor += order.refundedMinor
  total.overRefundedMinor += order.overRefundedMinor
  total.netMinor += order.netMinor
  for (const model of MODELS) {
    for (const credit of order.credits[model]) {
      const channel = total.channels[model].get(credit.channel) ?? { conversionMicro: 0n, revenueMinor: 0n }
      total.channels[model].set(credit.channel, channel)
      channel.conversionMicro += credit.conversionMicro
      channel.revenueMinor += credit.revenueMinor
    }
  }
}

function countAnswers(day: Day): Pick<Expected, 'deliveries' | 'touchpoints'> {
  const none = () => ({ accepted: 0, duplicate: 0, ignored: 0, dead: 0, unauthorized: 0 })
  const deliveries = { shopify: none(), stripe: none() }
  const touchpoints = { accepted: 0, duplicates: 0, rejected: 0 }
  for (const sending of day.phases.flat()) {
    if (sending.kind === 'delivery') {
      deliveries[sending.vendor][sending.expect] += 1
    } else {
      touchpoints.accepted += sending.expect.accepted
      touchpoints.duplicates += sending.expect.duplicates
      touchpoints.rejected += sending.expect.rejected
    }
  }
  return { deliveries, touchpoints }
}
