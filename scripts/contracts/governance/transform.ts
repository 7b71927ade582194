import { exponentOf, MoneyError, parseDecimalToMinor, stripeToMinor } from '../../../src/money.ts'
import type { FieldRule } from './data.ts'

export type MapFaultCode =
  | 'bad_amount'
  | 'bad_id'
  | 'bad_time'
  | 'bad_value'
  | 'missing_field'
  | 'mixed_values'
  | 'topic_body_mismatch'
  | 'unknown_currency'
  | 'unknown_event'

/** A delivery that the map cannot use: in production it becomes a dead event. No value of the delivery is in it. */
export class MapFault extends Error {
  override name = 'MapFault'
  readonly code: MapFaultCode
  constructor(code: MapFaultCode, message: string) {
    super(message)
    this.code = code
  }
}

export interface TransformInput {
  /** All that was found; at least one, but where the transform takes none. */
  values: unknown[]
  vendor: string
  rule: FieldRule
  /** The first value at `rule.previous`. */
  previous: () => unknown
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
const TOKEN = /^av1\.([0-9A-HJKMNP-TV-Z]{26})\.[0-9A-HJKMNP-TV-Z]{26}$/
const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?$/
const OFFSET = /(?:Z|[+-]\d{2}:\d{2})$/
/** 2100-01-01T00:00:00Z in milliseconds. */
const LATEST_MS = Date.UTC(2100, 0, 1)
const MAX_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER)

/** One for each entry of transforms.yaml, which says what they take and give. */
export const transforms: Record<string, Transform> = {
  text_id: (input) => matching(text(input), ID, 'bad_id'),
  integer_id: ({ values: [value] }) => matching(String(value), DIGITS, 'bad_id'),
  last_segment: (input) => text(input).split('/').at(-1),
  order_key: (input) => `${input.vendor}:${text(input)}`,
  entry_key: ({ filled }) => matching(filled(), ENTRY_KEY, 'bad_id'),
  delta(input) {
    const from = input.previous()
    if (from === undefined) throw new MapFault('missing_field', 'the former value is missing')
    const [to, before] = [units(input.values[0]), units(from)]
    if (to <= before) throw new MapFault('bad_amount', 'the value did not grow')
    return Number(to - before)
  },
  stripe_minor: (input) => amount(() => stripeToMinor(units(input.values[0]), currencyOf(input))),
  decimal_major: (input) => amount(() => parseDecimalToMinor(text(input), currencyOf(input))),
  abs_decimal_major: (input) =>
    amount(() => {
      const signed = parseDecimalToMinor(text(input), currencyOf(input))
      return signed < 0n ? -signed : signed
    }),
  sum_decimal_major: (input) =>
    amount(() =>
      input.values
        .map((value) => amount(() => parseDecimalToMinor(text({ values: [value] }), currencyOf(input))))
        .reduce((sum, part) => sum + part, 0n),
    ),
  same(input) {
    const [value, ...others] = new Set(input.values)
    if (others.length > 0) throw new MapFault('mixed_values', 'the values differ')
    return text({ values: [value] })
  },
  upper: (input) => text(input).toUpperCase(),
  currency_code(input) {
    const code = matching(text(input), /^[A-Z]{3}$/, 'bad_value')
    amount(() => BigInt(exponentOf(code)))
    return code
  },
  unix_seconds({ values: [value] }) {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new MapFault('bad_time', 'not Unix seconds')
    return inRange(value * 1000)
  },
  rfc3339: (input) => readTime(text(input), OFFSET),
  gmt_without_z: (input) => readTime(`${text(input)}Z`, /Z$/),
  identity_token: ({ values }) =>
    values.map((value) => (typeof value === 'string' ? TOKEN.exec(value)?.[1] : undefined)).find(Boolean),
  lookup(input) {
    const value = Object.hasOwn(input.rule.table ?? {}, text(input)) ? input.rule.table?.[text(input)] : undefined
    if (value === undefined) throw new MapFault('bad_value', 'a value that the map does not know')
    return value
  },
  constant: ({ rule }) => rule.value,
}

function text({ values: [value] }: { values: unknown[] }): string {
  if (typeof value !== 'string') throw new MapFault('bad_value', 'not a text')
  return value
}

function matching(value: string, pattern: RegExp, code: MapFaultCode): string {
  if (!pattern.test(value)) throw new MapFault(code, 'not in the form that it should have')
  return value
}

function units(value: unknown): bigint {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MapFault('bad_amount', 'not an integer from 0 to 2^53 - 1')
  }
  return BigInt(value)
}

function currencyOf({ field }: TransformInput): string {
  const currency = field('currency')
  if (typeof currency !== 'string') throw new MapFault('missing_field', 'the currency is missing')
  return currency
}

function amount(calculate: () => bigint): bigint {
  try {
    const amountMinor = calculate()
    if (amountMinor >= 0n && amountMinor <= MAX_AMOUNT) return amountMinor
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error
    throw new MapFault(error.code === 'unknown_currency' ? 'unknown_currency' : 'bad_amount', error.message)
  }
  throw new MapFault('bad_amount', 'not between 0 and 2^53 - 1 minor units')
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
