import { exponentOf, formatMinor } from '../../money.ts'

export interface Money {
  amount_minor: number
  currency: string
}

/**
 * `{1999, USD}` → `$19.99`, exactly, in the reader's own way of writing. The decimals are those of ISO 4217: browsers
 * give some currencies others (none to IQD, which has three). A currency that is not known keeps its minor units.
 */
export function formatMoney({ amount_minor, currency }: Money, locale?: string): string {
  const decimals = decimalsOf(currency)
  if (decimals === null) return `${formatCount(amount_minor, locale)} minor units of ${currency}`
  const format = new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  })
  // As text: a double would not hold the largest amounts together with their decimals.
  return format.format(formatMinor(BigInt(amount_minor), currency) as `${number}`)
}

/** `{-400, USD}` → `−$4.00`, `{400, USD}` → `+$4.00`: for what would change. */
export function formatMoneyChange(money: Money, locale?: string): string {
  return money.amount_minor > 0 ? `+${formatMoney(money, locale)}` : formatMoney(money, locale)
}

/** For the ends of an axis: `$1.2M`. Rounded, so never for a figure. */
export function formatMoneyShort({ amount_minor, currency }: Money, locale?: string): string {
  const decimals = decimalsOf(currency)
  const value = amount_minor / 10 ** (decimals ?? 0)
  if (decimals === null) return new Intl.NumberFormat(locale, { notation: 'compact' }).format(value)
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    notation: 'compact',
    minimumFractionDigits: 0,
    maximumFractionDigits: Math.abs(value) < 10 ? decimals : 1,
  }).format(value)
}

/** Millionths of a US dollar: `18450000` → `$18.45`, `1250` → `$0.00125`. */
export function formatMicroUsd(microUsd: number, locale?: string): string {
  const digits = String(Math.abs(microUsd)).padStart(7, '0')
  const text = `${microUsd < 0 ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`
  return new Intl.NumberFormat(locale, { style: 'currency', currency: 'USD', maximumFractionDigits: 6 }).format(
    text as `${number}`,
  )
}

export function formatCount(count: number, locale?: string): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 6 }).format(count)
}

/** `0.4` → `40%`, to one decimal. */
export function formatShare(share: number, locale?: string): string {
  return new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 }).format(share)
}

/** null: not a currency of ISO 4217. */
function decimalsOf(currency: string): number | null {
  try {
    return exponentOf(currency)
  } catch {
    return null
  }
}
