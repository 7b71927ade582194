import { exponentOf, MoneyError, parseDecimalToMinor, stripeToMinor } from '../../money.ts'
import type { FieldRule } from './field-map.ts'
import { visitorOf } from './token.ts'

export type MapFaultCode =
  | 'bad_amount'
  | 'bad_id'
  | 'bad_time'
  | 'bad_value'
  | 'missing_field'
  | 'mixed_values'
  | 'other_currency'
  | 'too_many_items'
  | 'topic_body_mismatch'
  | 'unknown_currency'
  | 'unknown_event'
  | 'wrong_type'

/** A delivery that the map cannot use: it becomes a dead event. No value of the delivery is in it. */
export class MapFault extends Error {
  override name = 'MapFault'
  readonly code: MapFaultCode
  /** The paths of the field that it is about, as the map has them; null where it is about none. */
  readonly at: string | null
  constructor(code: MapFaultCode, message: string, at: string | null = null) {
    // It is thrown and caught for each candidate that is passed over, and its stack tells nothing: 10 us each (measured).
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.at = at
  }
}

export interface TransformInput {
  /** All that was found; at least one, but where the transform takes none. */
  values: unknown[]
  vendor: string
  /** Stands before the ids of a shop that shares its vendor with others of the tenant; null where there is one shop. */
  shop: string | null
  rule: FieldRule
  /** All values at a path of the rule. */
  at: (path: string) => unknown[]
  /** The value of another field of the same event. */
  field: (name: string) => unknown
  /** `rule.template`, filled in. */
  filled: () => string
}

/** Undefined: there is no such value. Throws MapFault. */
type Transform = (input: TransformInput) => unknown

const ID = /^[A-Za-z0-9_-]{1,128}$/
const DIGITS = /^[1-9]\d{0,19}$/
const ENTRY_KEY = /^[!-~]{1,255}$/
const NAMED_ORDER = /^(?:shopify|woocommerce):[A-Za-z0-9_-]{1,128}$/
/** Charges and payment intents of Stripe; captures and sales of PayPal. */
const STRIPE_PAYMENT = /^(?:pi|ch|py)_[A-Za-z0-9]{8,100}$/
const PAYPAL_PAYMENT = /^(?=.*[A-Z])(?=.*[0-9])[0-9A-Z]{17}$/
const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?$/
const OFFSET = /(?:Z|[+-]\d{2}:\d{2})$/
/** 2100-01-01T00:00:00Z in milliseconds. */
const LATEST_MS = Date.UTC(2100, 0, 1)
const MAX_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER)

/** One for each entry of transforms.yaml, which says what they take and give. */
export const transforms: Record<string, Transform> = {
  text_id: (input) => matching(text(input), ID, 'bad_id'),
  integer_id({ values: [value] }) {
    if (typeof value !== 'string' && typeof value !== 'number') throw new MapFault('wrong_type', 'not an integer')
    return matching(String(value), DIGITS, 'bad_id')
  },
  last_segment: (input) => text(input).split('/').at(-1),
  order_key: (input) => `${input.vendor}:${input.shop === null ? '' : `${input.shop}-`}${text(input)}`,
  linked_order: (input) => linkedOrder(text(input)),
  entry_key: ({ filled }) => matching(filled(), ENTRY_KEY, 'bad_id'),
  less_released(input) {
    const { released } = input.rule
    if (released === undefined) throw new Error('`less_released` needs `released`')
    const [authorised, captured] = [released.authorised, released.captured].map((path) => input.at(path)[0])
    if (authorised === undefined || captured === undefined) return input.values[0]
    const rest = units(input.values[0]) - (units(authorised) - units(captured))
    return Number(rest > 0n ? rest : 0n)
  },
  stripe_minor: (input) => amount(() => stripeToMinor(units(input.values[0]), currencyOf(input))),
  decimal_major: (input) => amount(() => parseDecimalToMinor(text(input), currencyOf(input))),
  abs_decimal_major: (input) =>
    amount(() => {
      const signed = parseDecimalToMinor(text(input), currencyOf(input))
      return signed < 0n ? -signed : signed
    }),
  decimal_sum: (input) => amount(() => decimalSum(input.values, input)),
  decimal_rest: (input) => amount(() => decimalSum(input.values, input) - decimalSum(lessOf(input), input)),
  stripe_sum: (input) => amount(() => stripeSum(input.values, input)),
  stripe_rest: (input) => amount(() => stripeSum(input.values, input) - stripeSum(lessOf(input), input)),
  returned: (input) => returnedBy(input.values, input),
  received(input) {
    const { balance } = input.rule
    if (balance === undefined) throw new Error('`received` needs `balance`')
    const [total, owed, refunds] = [balance.total, balance.owed, balance.refunds].map((path) => input.at(path)[0])
    if (total === undefined || owed === undefined || refunds === undefined) return transforms.decimal_major?.(input)
    const [totalMinor, owedMinor] = [total, owed].map((value) => decimal(value, currencyOf(input))) as [bigint, bigint]
    const returned = returnedBy(input.at(balance.returned), input)
    return amount(() => totalMinor - owedMinor + returned)
  },
  upper: (input) => text(input).toUpperCase(),
  currency_code: (input) => currencyCode(text(input)),
  unix_seconds({ values: [value] }) {
    if (typeof value !== 'number') throw new MapFault('wrong_type', 'not Unix seconds')
    if (!Number.isSafeInteger(value)) throw new MapFault('bad_time', 'not Unix seconds')
    return inRange(value * 1000)
  },
  rfc3339: (input) => readTime(text(input), OFFSET),
  gmt_without_z: (input) => readTime(`${text(input)}Z`, /Z$/),
  identity_token: ({ values }) => values.map(visitorOf).find((visitor) => visitor !== null),
  lookup(input) {
    const value = Object.hasOwn(input.rule.table ?? {}, text(input)) ? input.rule.table?.[text(input)] : undefined
    if (value === undefined) throw new MapFault('bad_value', 'a value that the map does not know')
    return value
  },
  constant: ({ rule }) => rule.value,
}

function decimalSum(values: readonly unknown[], input: TransformInput): bigint {
  return sum(values.map((value) => decimal(value, currencyOf(input))))
}

function stripeSum(values: readonly unknown[], input: TransformInput): bigint {
  return sum(values.map((value) => money(() => stripeToMinor(units(value), currencyOf(input)))))
}

function lessOf({ rule: { less }, at }: TransformInput): unknown[] {
  if (less === undefined) throw new Error('what is taken off needs `less`')
  return less.flatMap(at)
}

/**
 * What transactions gave back, in the order's currency. One may be in the buyer's instead: then the sums that explain it,
 * which are in both, say how much that is in the order's, where they are about as much in the buyer's. Throws MapFault.
 */
function returnedBy(transactions: readonly unknown[], input: TransformInput): bigint {
  const currency = currencyOf(input)
  const real = transactions.filter((transaction) => memberOf(transaction, 'test') !== true)
  const paidIn = new Set(real.map((transaction) => memberOf(transaction, 'currency')))
  const sumIn = (code: string) =>
    sum(real.map((transaction) => amount(() => decimal(memberOf(transaction, 'amount'), code))))
  const [buyers] = paidIn
  if (buyers === undefined) return real.length === 0 ? 0n : amount(() => sumIn(currency))
  if (paidIn.size > 1) throw new MapFault('mixed_values', 'the currencies differ')
  const code = currencyCode(buyers)
  if (code === currency) return amount(() => sumIn(currency))
  const { plus = [], less = [] } = input.rule.explained_by ?? {}
  const explained = (side: string, wanted: string) => {
    const total = (paths: readonly string[]) =>
      sum(paths.flatMap(input.at).map((set) => moneyIn(memberOf(set, side), wanted)))
    return total(plus) - total(less)
  }
  if (explained('presentment_money', code) !== sumIn(code))
    throw new MapFault('other_currency', "in another currency than the order's, and nothing says how much that is")
  return amount(() => explained('shop_money', currency))
}

function moneyIn(money: unknown, currency: string): bigint {
  if (memberOf(money, 'currency_code') !== currency) throw new MapFault('mixed_values', 'the currencies differ')
  return decimal(memberOf(money, 'amount'), currency)
}

function memberOf(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null && Object.hasOwn(object, name)
    ? (object as Record<string, unknown>)[name]
    : undefined
}

function sum(parts: readonly bigint[]): bigint {
  return parts.reduce((total, part) => total + part, 0n)
}

/** With its sign. Throws MapFault. */
function decimal(value: unknown, currency: string): bigint {
  if (value === undefined || value === null) throw new MapFault('missing_field', 'an amount is missing')
  return money(() => parseDecimalToMinor(text({ values: [value] }), currency))
}

/** The key of the order that a text names: one of ours, or the payment behind an id of Stripe or PayPal. Throws MapFault. */
function linkedOrder(value: string): string {
  if (NAMED_ORDER.test(value)) return value
  if (STRIPE_PAYMENT.test(value)) return `stripe:${value}`
  if (PAYPAL_PAYMENT.test(value)) return `paypal:${value}`
  throw new MapFault('bad_id', 'names no order')
}

/** Whether `linked_order` takes the text. */
export function namesOrder(value: string): boolean {
  return [NAMED_ORDER, STRIPE_PAYMENT, PAYPAL_PAYMENT].some((pattern) => pattern.test(value))
}

function text({ values: [value] }: { values: unknown[] }): string {
  if (typeof value !== 'string') throw new MapFault('wrong_type', 'not a text')
  return value
}

function matching(value: string, pattern: RegExp, code: MapFaultCode): string {
  if (!pattern.test(value)) throw new MapFault(code, 'not in the form that it should have')
  return value
}

function units(value: unknown): bigint {
  // Numbers that a double would change come as text.
  if (typeof value !== 'number' && !/^-?\d[\d.eE+-]*$/.test(String(value)))
    throw new MapFault('wrong_type', 'not an integer')
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MapFault('bad_amount', 'not an integer from 0 to 2^53 - 1')
  }
  return BigInt(value)
}

function currencyCode(value: unknown): string {
  const code = matching(text({ values: [value] }), /^[A-Z]{3}$/, 'bad_value')
  money(() => BigInt(exponentOf(code)))
  return code
}

function currencyOf({ field }: TransformInput): string {
  const currency = field('currency')
  if (typeof currency !== 'string') throw new MapFault('missing_field', 'the currency is missing')
  return currency
}

function amount(calculate: () => bigint): bigint {
  const amountMinor = money(calculate)
  if (amountMinor >= 0n && amountMinor <= MAX_AMOUNT) return amountMinor
  throw new MapFault('bad_amount', 'not between 0 and 2^53 - 1 minor units')
}

/** A MoneyError out of it becomes a MapFault. */
function money(calculate: () => bigint): bigint {
  try {
    return calculate()
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error
    throw new MapFault(error.code === 'unknown_currency' ? 'unknown_currency' : 'bad_amount', error.message)
  }
}

/** A day that the month does not have is refused: Date.parse would take 31 April for 1 May. */
function readTime(value: string, ending: RegExp): Date {
  const offset = ending.exec(value)
  const [, year, month, day] = (offset && DATE_TIME.exec(value.slice(0, offset.index))) ?? []
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (!(Number(day) <= daysInMonth)) throw new MapFault('bad_time', 'not a time')
  return inRange(Date.parse(value))
}

function inRange(timeMs: number): Date {
  if (!(timeMs >= 0 && timeMs < LATEST_MS)) throw new MapFault('bad_time', 'not a time from 1970 to 2099')
  return new Date(timeMs)
}
