/**
 * Money is a bigint count of ISO 4217 minor units (1999n of USD = 19.99; 1999n of JPY = 1999; 1999n of KWD = 1.999)
 * with an upper-case currency code beside it. No float ever holds an amount.
 */

export type MoneyFault = 'unknown_currency' | 'not_a_decimal' | 'sub_minor_digits' | 'out_of_range'

export class MoneyError extends Error {
  override name = 'MoneyError'
  readonly code: MoneyFault

  constructor(code: MoneyFault, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Decimals of each currency in ISO 4217 list one (funds codes included; metals, test codes and XDR are not money that
 * a shop takes). Codes that ended lately stay, because late refunds still name them: ANG, BGN, CUC, HRK, SLL, STD, ZWL.
 * Source: https://www.six-group.com/en/products-services/financial-information/data-standards.html
 */
const CURRENCIES_BY_EXPONENT: Record<number, string> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  2: `AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
      CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK
      HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
      MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP
      SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD
      XCG YER ZAR ZMW ZWG ZWL`,
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
}

const EXPONENTS: ReadonlyMap<string, number> = new Map(
  Object.entries(CURRENCIES_BY_EXPONENT).flatMap(([exponent, codes]) =>
    codes.split(/\s+/).map((code): [string, number] => [code, Number(exponent)]),
  ),
)

/**
 * Where Stripe's unit is not ISO's minor unit: MGA has 2 decimals in ISO and none at Stripe; ISK and UGX have none in
 * ISO and are sent multiplied by 100. The last five are not known to be offered by Stripe, so their unit would be a
 * guess by a factor of ten or more: refused.
 * Source: https://docs.stripe.com/currencies#zero-decimal and #special-cases
 */
const STRIPE_EXPONENTS: ReadonlyMap<string, number | null> = new Map([
  ['MGA', 0],
  ['ISK', 2],
  ['UGX', 2],
  ['CLF', null],
  ['IQD', null],
  ['LYD', null],
  ['UYI', null],
  ['UYW', null],
])

/** The largest amount that a JSON number carries exactly; a larger one is refused, never rounded. */
const MAX_WIRE_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER)

/** Far above any real amount; keeps BigInt() from spending quadratic time on a hostile text. */
const MAX_DECIMAL_LENGTH = 64
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/

/** Whether this is a code of ISO 4217 that we know. */
export function isCurrency(code: string): boolean {
  return EXPONENTS.has(code)
}

/** Decimals of the currency's minor unit, 0 to 4. Throws MoneyError `unknown_currency`. */
export function exponentOf(currency: string): number {
  const exponent = EXPONENTS.get(currency)
  if (exponent === undefined) throw new MoneyError('unknown_currency', 'not an active ISO 4217 currency code')
  return exponent
}

/**
 * `('199.65', 'USD')` -> 19965n. Digits below the minor unit must be zeros (`'403.0'` and `'10.00'` JPY pass).
 * Throws MoneyError; refuses signs other than a leading minus, exponents, spaces, NaN and the empty text.
 */
export function parseDecimalToMinor(text: string, currency: string): bigint {
  const exponent = exponentOf(currency)
  const parts = text.length <= MAX_DECIMAL_LENGTH ? DECIMAL.exec(text) : null
  if (parts === null) throw new MoneyError('not_a_decimal', 'not a plain decimal number')
  const [, sign = '', whole = '', fraction = ''] = parts
  if (/[1-9]/.test(fraction.slice(exponent))) {
    throw new MoneyError('sub_minor_digits', `more than ${exponent} decimals in ${currency}`)
  }
  const magnitude = BigInt(whole + fraction.slice(0, exponent).padEnd(exponent, '0'))
  return sign === '-' ? -magnitude : magnitude
}

/** Stripe's integer amount in ISO minor units: (500n, 'UGX') -> 5n; (500n, 'MGA') -> 50000n. Throws MoneyError. */
export function stripeToMinor(integer: bigint, currency: string): bigint {
  const isoExponent = exponentOf(currency)
  const special = STRIPE_EXPONENTS.get(currency)
  if (special === null) throw new MoneyError('unknown_currency', `Stripe's unit of ${currency} is not known`)
  const shift = isoExponent - (special ?? isoExponent)
  if (shift >= 0) return integer * 10n ** BigInt(shift)
  const divisor = 10n ** BigInt(-shift)
  if (integer % divisor !== 0n) {
    throw new MoneyError('sub_minor_digits', `an amount in ${currency} is a multiple of ${divisor}`)
  }
  return integer / divisor
}

/**
 * The inverse of `stripeToMinor`: (5n, 'UGX') -> 500n. Throws MoneyError `sub_minor_digits` for an amount that Stripe
 * cannot state, such as half an ariary (MGA).
 */
export function minorToStripe(amountMinor: bigint, currency: string): bigint {
  const unit = stripeToMinor(10_000n, currency)
  const scaled = amountMinor * 10_000n
  if (scaled % unit !== 0n) throw new MoneyError('sub_minor_digits', `Stripe has no such fraction of ${currency}`)
  return scaled / unit
}

/** (-5n, 'USD') -> '-0.05'; (1000n, 'JPY') -> '1000'. The inverse of `parseDecimalToMinor`. */
export function formatMinor(amountMinor: bigint, currency: string): string {
  const exponent = exponentOf(currency)
  const sign = amountMinor < 0n ? '-' : ''
  const digits = String(amountMinor < 0n ? -amountMinor : amountMinor).padStart(exponent + 1, '0')
  if (exponent === 0) return sign + digits
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`
}

/** The contract's Money. Throws MoneyError `out_of_range` beyond ±(2^53 − 1), which a JSON number cannot carry. */
export function toWireMoney(amountMinor: bigint, currency: string): { amount_minor: number; currency: string } {
  if (amountMinor > MAX_WIRE_AMOUNT || amountMinor < -MAX_WIRE_AMOUNT) {
    throw new MoneyError('out_of_range', 'the amount is beyond what a JSON number carries exactly')
  }
  return { amount_minor: Number(amountMinor), currency }
}

/**
 * Parts of `total` in proportion to `weights` that sum to it exactly: largest remainder (Hamilton). Each part is its
 * exact share rounded down or up; the units left over go to the largest remainders, then to the larger weight, then
 * to the lower index. A negative total is the mirror image. With the remaining balances as weights a refund never
 * makes a balance negative, and one of the whole remainder empties them.
 * Throws RangeError when a weight is negative or all are zero.
 */
export function allocate(total: bigint, weights: readonly bigint[]): bigint[] {
  if (weights.some((weight) => weight < 0n)) throw new RangeError('a weight is negative')
  const sum = weights.reduce((subtotal, weight) => subtotal + weight, 0n)
  if (sum === 0n) throw new RangeError('all weights are zero')

  const magnitude = total < 0n ? -total : total
  const parts = weights.map((weight, index) => {
    const scaled = magnitude * weight
    return { index, weight, share: scaled / sum, remainder: scaled % sum }
  })
  const leftover = magnitude - parts.reduce((subtotal, part) => subtotal + part.share, 0n)
  // All remainders have the same denominator, so comparing them as integers is exact.
  const ranked = parts.toSorted(
    (a, b) => compare(b.remainder, a.remainder) || compare(b.weight, a.weight) || a.index - b.index,
  )
  for (const part of ranked.slice(0, Number(leftover))) part.share += 1n
  return parts.map((part) => (total < 0n ? -part.share : part.share))
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
