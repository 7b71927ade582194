import { addHashes, createHashSums, type HashSums } from './hash-sum.ts'

/** What stands of an order in the runs of its day. */
export interface CountedOrder {
  /** That it credits. */
  touches: number
  money: readonly CountedMoney[]
  inputSha256: Buffer
  /** One after the other, as many as the edition has models. */
  outputSha256: Buffer
}

/** Minor units. */
export interface CountedMoney {
  currency: string
  capturedMinor: bigint
  refundedMinor: bigint
  overRefundedMinor: bigint
}

/** What orders of one currency come to, minor units; as a difference each may be negative. */
export interface DayMoney {
  orders: number
  /** With at least one touch. */
  attributedOrders: number
  capturedMinor: bigint
  /** Applied to credits. */
  refundedMinor: bigint
  /** Beyond what the orders had left. */
  overRefundedMinor: bigint
  /** Net revenue of attributed orders. */
  attributedMinor: bigint
}

/** What the orders of a UTC day come to, or what has changed of that: all of it sums, to which the one and the other add up. */
export interface DaySums {
  orders: number
  /** Orders that came, went or have other credits. */
  changed: number
  money: Map<string, DayMoney>
  /** Of the inputs, then of the outputs of each model. */
  hashes: HashSums
}

export function createDaySums(models: number): DaySums {
  return { orders: 0, changed: 0, money: new Map(), hashes: createHashSums(1 + models) }
}

/** Adds an order, or takes it away. */
export function addOrder(sums: DaySums, order: CountedOrder, sign: 1 | -1): void {
  sums.orders += sign
  addHashes(sums.hashes, order.inputSha256, { first: 0, sign })
  addHashes(sums.hashes, order.outputSha256, { first: 1, sign })
  const isAttributed = order.touches > 0
  const factor = BigInt(sign)
  for (const { currency, capturedMinor, refundedMinor, overRefundedMinor } of order.money) {
    // What was only ever given back beyond what there was is no order of this currency.
    const isOrder = capturedMinor > 0n || overRefundedMinor === 0n
    addMoney(sums.money, currency, {
      orders: isOrder ? sign : 0,
      attributedOrders: isOrder && isAttributed ? sign : 0,
      capturedMinor: capturedMinor * factor,
      refundedMinor: refundedMinor * factor,
      overRefundedMinor: overRefundedMinor * factor,
      attributedMinor: isAttributed ? (capturedMinor - refundedMinor) * factor : 0n,
    })
  }
}

export function addMoney(sums: Map<string, DayMoney>, currency: string, money: DayMoney): void {
  const sum = sums.get(currency)
  if (sum === undefined) {
    sums.set(currency, { ...money })
    return
  }
  sum.orders += money.orders
  sum.attributedOrders += money.attributedOrders
  sum.capturedMinor += money.capturedMinor
  sum.refundedMinor += money.refundedMinor
  sum.overRefundedMinor += money.overRefundedMinor
  sum.attributedMinor += money.attributedMinor
}

/** Whether there is any order of a currency. */
export function isAnything({ orders, overRefundedMinor }: DayMoney): boolean {
  return orders !== 0 || overRefundedMinor !== 0n
}
