import { exponentOf, formatMinor } from '../../../money.ts'
import type { Person } from '../person.ts'
import type { Purchase } from '../purchase.ts'
import { type Random, randomOf } from '../random.ts'

/** A purchase as PayPal knows it. */
export interface PaypalStory {
  purchase: Purchase
  /** Version of the resource: captures still come in version 1 to old webhooks. */
  version: 1 | 2
  orderId: string
  captureId: string
  saleId: string
  refundId: string
  /** What PayPal or a bank took back. */
  reversalId: string
  /** The payment that version 1 puts above captures and sales. */
  paymentId: string
  agreementId: string
  disputeId: string
  buyerTransactionId: string
  payerId: string
  feeMinor: bigint
}

/** The account of the made-up shop. */
export const MERCHANT = { email: 'merchant@example.com', id: 'EXAMPLE00SHOP' }

const DIGITS_AND_CAPITALS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'
/** PayPal takes no decimals in these, whatever ISO 4217 says. Source: https://developer.paypal.com/api/rest/reference/currency-codes/ */
const WITHOUT_DECIMALS: ReadonlySet<string> = new Set(['HUF', 'JPY', 'TWD'])

/** The smallest amount that PayPal takes, in ISO minor units. Throws MoneyError for a code that is no currency. */
export function paypalStep(currency: string): bigint {
  const exponent = exponentOf(currency)
  return WITHOUT_DECIMALS.has(currency) ? 10n ** BigInt(exponent) : 1n
}

export function paypalId(random: Random, length = 17): string {
  return random.text(length, DIGITS_AND_CAPITALS)
}

export function paypalStory(purchase: Purchase): PaypalStory {
  const random = randomOf(`skeldir webhooks ${purchase.seed} paypal`)
  const step = paypalStep(purchase.currency)
  // 3.49 % in whole steps, and never more than there is.
  const feeMinor = ((purchase.totalMinor * 349n) / 10_000n / step) * step
  return {
    purchase,
    version: random.chance(0.2) ? 1 : 2,
    orderId: paypalId(random),
    captureId: paypalId(random),
    saleId: paypalId(random),
    refundId: paypalId(random),
    reversalId: paypalId(random),
    paymentId: `PAY-${paypalId(random, 24)}`,
    agreementId: `I-${paypalId(random, 12)}`,
    disputeId: `PP-R-${random.text(3, DIGITS_AND_CAPITALS)}-${random.integer(10_000_000, 99_999_999)}`,
    buyerTransactionId: paypalId(random),
    payerId: paypalId(random, 13),
    feeMinor,
  }
}

/** `10.00`, and `1000` where PayPal has no decimals. */
export function paypalDecimal(amountMinor: bigint, currency: string): string {
  const text = formatMinor(amountMinor, currency)
  return WITHOUT_DECIMALS.has(currency) ? (text.split('.')[0] as string) : text
}

export function isoTime(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z')
}

export function money({ purchase: { currency } }: PaypalStory, amountMinor: bigint) {
  return { currency_code: currency, value: paypalDecimal(amountMinor, currency) }
}

export function payerOf({ payerId, purchase: { person } }: PaypalStory) {
  return {
    name: { given_name: person.firstName, surname: person.lastName },
    email_address: person.email,
    payer_id: payerId,
    phone: { phone_number: { national_number: person.phone.replace(/\D/g, '') } },
    address: addressOf(person),
  }
}

export function addressOf(person: Person) {
  return {
    address_line_1: person.street,
    admin_area_2: person.city,
    postal_code: person.postalCode,
    country_code: person.countryCode,
  }
}
