import { exponentOf, formatMinor } from '../../../money.ts'

/** What the buyer saw, where that is another currency than the shop's: must not count. */
export interface Presentment {
  currency: string
  /** Of the order; everything else of it is converted at the same rate. */
  totalMinor: bigint
}

export interface ShopMoney {
  currency: string
  totalMinor: bigint
  presentment: Presentment | null
}

export function decimal({ currency }: ShopMoney, amountMinor: bigint): string {
  return formatMinor(amountMinor, currency)
}

/** One amount in the shop's currency and in the buyer's. */
export function moneySet({ currency, totalMinor, presentment }: ShopMoney, amountMinor: bigint) {
  const shown =
    presentment === null
      ? { amountMinor, currency }
      : { amountMinor: (amountMinor * presentment.totalMinor) / totalMinor, currency: presentment.currency }
  return {
    shop_money: { amount: formatMinor(amountMinor, currency), currency_code: currency },
    presentment_money: { amount: formatMinor(shown.amountMinor, shown.currency), currency_code: shown.currency },
  }
}

/** A round 10 units of the buyer's currency for one of the shop's: a rate that nobody takes for the real one. */
export function present(currency: string, shop: Omit<ShopMoney, 'presentment'>): Presentment {
  const shift = exponentOf(currency) - exponentOf(shop.currency) + 1
  const scaled = shift >= 0 ? shop.totalMinor * 10n ** BigInt(shift) : shop.totalMinor / 10n ** BigInt(-shift)
  return { currency, totalMinor: scaled === 0n ? 1n : scaled }
}

/** Shopify writes times in the shop's own offset; this shop stands at UTC-5 all year. */
export function shopTime(at: number): string {
  return `${new Date(at - 5 * 3_600_000).toISOString().slice(0, 19)}-05:00`
}
