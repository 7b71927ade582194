import { compare } from '../compare.ts'
import type { RevenueParts } from '../tenants/settings/settings.ts'
import { roundHalfAway } from './rounding.ts'

/**
 * What of an order's money is revenue, by the tenant's definition. Tax, shipping and tips are parts of the total; a discount
 * has been taken off it already. Minor units throughout.
 */

export interface OrderParts {
  /** ISO 4217 */
  currency: string
  /** What the buyer pays, above 0, all of the next three included. */
  totalMinor: bigint
  taxMinor: bigint
  /** Without the tax on it. */
  shippingMinor: bigint
  tipMinor: bigint
  /** By how much discounts lowered the total. */
  discountMinor: bigint
}

/** One row of order_parts. */
export interface StatedParts extends OrderParts {
  orderKey: string
  /** Of the delivery or the conversion that says it. */
  factId: string
  /** `order`: all of the order as of its version, so that the newest holds; `payment`: one of its purchases, which add up. */
  covers: 'order' | 'payment'
  versionAt: Date | null
}

/** Of each unit of an order's money `countedMinor / totalMinor` is revenue: at least 0, and above 1 where discounts count. */
export interface RevenueShare {
  countedMinor: bigint
  totalMinor: bigint
  /** `unknown`: nothing tells the parts, and the money counts whole. */
  parts: 'known' | 'unknown'
}

const WHOLE: RevenueShare = { countedMinor: 1n, totalMinor: 1n, parts: 'unknown' }

/**
 * The parts that hold of an order, out of all that was stated of its keys; null where nothing was. Its own key goes before the
 * other ones, then the newest version, the larger total and the first id, whatever the order of arrival. Purchases are
 * added up in `currency`; those in another one say nothing of it.
 */
export function partsOfOrder(
  stated: readonly StatedParts[],
  { groupKey, currency }: { groupKey: string; currency: string },
): OrderParts | null {
  const [snapshot] = stated.filter(({ covers }) => covers === 'order').toSorted(byStanding(groupKey))
  if (snapshot !== undefined) return snapshot
  const payments = stated.filter((one) => one.covers === 'payment' && one.currency === currency)
  return payments.length === 0 ? null : payments.reduce(add, emptyParts(currency))
}

/** Which share of the order's money the definition counts. */
export function revenueShareOf(parts: OrderParts | null, definition: RevenueParts): RevenueShare {
  if (parts === null) return WHOLE
  const { totalMinor, taxMinor, shippingMinor, tipMinor, discountMinor } = parts
  const countedMinor =
    totalMinor -
    (definition.includesTax ? 0n : taxMinor) -
    (definition.includesShipping ? 0n : shippingMinor) -
    (definition.includesTips ? 0n : tipMinor) +
    (definition.subtractsDiscounts ? 0n : discountMinor)
  if (totalMinor <= 0n || countedMinor < 0n) throw new RangeError('the parts of an order are more than its total')
  return { countedMinor, totalMinor, parts: 'known' }
}

/**
 * The counted part of each entry of an order, given with their signs, in one currency, in order of time and key. All are cut by
 * one share: after each entry the sum of the parts is the share of the sum so far, rounded half away from zero. So the parts
 * sum to the share of the net exactly, what was taken back whole leaves 0, and no part has another sign than its entry.
 */
export function countEntries(amountsMinor: readonly bigint[], { countedMinor, totalMinor }: RevenueShare): bigint[] {
  if (countedMinor === totalMinor) return [...amountsMinor]
  let sum = 0n
  let counted = 0n
  return amountsMinor.map((amountMinor) => {
    sum += amountMinor
    const before = counted
    counted = roundHalfAway(sum * countedMinor, totalMinor)
    return counted - before
  })
}

function byStanding(groupKey: string): (a: StatedParts, b: StatedParts) => number {
  return (a, b) =>
    Number(b.orderKey === groupKey) - Number(a.orderKey === groupKey) ||
    compare(a.orderKey, b.orderKey) ||
    compare(versionOf(b), versionOf(a)) ||
    compare(b.totalMinor, a.totalMinor) ||
    compare(a.factId, b.factId)
}

function versionOf({ versionAt }: StatedParts): number {
  return versionAt?.getTime() ?? Number.NEGATIVE_INFINITY
}

function add(sum: OrderParts, part: OrderParts): OrderParts {
  return {
    currency: sum.currency,
    totalMinor: sum.totalMinor + part.totalMinor,
    taxMinor: sum.taxMinor + part.taxMinor,
    shippingMinor: sum.shippingMinor + part.shippingMinor,
    tipMinor: sum.tipMinor + part.tipMinor,
    discountMinor: sum.discountMinor + part.discountMinor,
  }
}

function emptyParts(currency: string): OrderParts {
  return { currency, totalMinor: 0n, taxMinor: 0n, shippingMinor: 0n, tipMinor: 0n, discountMinor: 0n }
}
