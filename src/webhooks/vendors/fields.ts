import { exponentOf, MoneyError } from '../../money.ts'
import { looksLikeEmail } from '../personal-data.ts'
import { DeadDelivery, type JsonObject, type JsonValue } from './vendor.ts'

/**
 * Narrow reads of a JSON object that somebody else made. A `require…` throws DeadDelivery when the field is absent,
 * null or not what it names; a `find…` returns null when it is absent or null, and throws when it is something else.
 */
export interface Fields {
  object: JsonObject
  /** JSON Pointer of `object`, for the detail of a fault. */
  pointer: string
}

/** 2100-01-01T00:00:00Z in milliseconds: no order is from later, and every date up to it fits everywhere. */
const LATEST_MS = Date.UTC(2100, 0, 1)
const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/
const DECIMAL = /^-?\d{1,40}(?:\.\d{1,20})?$/
const NUMBER_TEXT = /^-?\d[\d.eE+-]*$/
const MAX_AMOUNT_MINOR = BigInt(Number.MAX_SAFE_INTEGER)
const MAX_TEXT_LENGTH = 100

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/

export function fault(code: string, detail: string): DeadDelivery {
  return new DeadDelivery({ class: 'schema', code, detail })
}

export function toFields(value: JsonValue | undefined, pointer = ''): Fields {
  if (value === undefined || value === null) throw missing(pointer)
  if (!isObject(value)) throw wrongType(pointer, 'an object')
  return { object: value, pointer }
}

export function requireFields(from: Fields, key: string): Fields {
  return toFields(from.object[key], at(from, key))
}

export function findFields(from: Fields, key: string): Fields | null {
  return isAbsent(from, key) ? null : requireFields(from, key)
}

/** The objects of an array; none when it is absent. */
export function listFields(from: Fields, key: string): Fields[] {
  if (isAbsent(from, key)) return []
  const value = from.object[key]
  if (!Array.isArray(value)) throw wrongType(at(from, key), 'an array')
  return value.map((item, index) => toFields(item, `${at(from, key)}/${index}`))
}

export function requireBoolean(from: Fields, key: string): boolean {
  const value = from.object[key]
  if (value === undefined || value === null) throw missing(at(from, key))
  if (typeof value !== 'boolean') throw wrongType(at(from, key), 'a boolean')
  return value
}

export function findBoolean(from: Fields, key: string): boolean | null {
  return isAbsent(from, key) ? null : requireBoolean(from, key)
}

/** A text out of a closed alphabet; another one is `bad_value`. */
export function requireMatch(from: Fields, key: string, pattern: RegExp): string {
  const value = from.object[key]
  if (value === undefined || value === null) throw missing(at(from, key))
  if (typeof value !== 'string') throw wrongType(at(from, key), 'a text')
  if (!pattern.test(value))
    throw fault('bad_value', `The field ${at(from, key)} does not have the form it should have.`)
  return value
}

export function findMatch(from: Fields, key: string, pattern: RegExp): string | null {
  return isAbsent(from, key) ? null : requireMatch(from, key, pattern)
}

/** An integer id, as its digits: a vendor's ids may exceed 2^53 (they are kept as text) or be sent as text. */
export function requireIntegerId(from: Fields, key: string): string {
  const value = from.object[key]
  if (value === undefined || value === null) throw missing(at(from, key))
  if (typeof value !== 'number' && typeof value !== 'string') throw wrongType(at(from, key), 'an integer')
  const digits = String(value)
  if (!/^[1-9]\d{0,19}$/.test(digits)) throw fault('bad_id', `The field ${at(from, key)} is not a positive integer id.`)
  return digits
}

/** A count of a currency's units, 0 or more. */
export function requireUnits(from: Fields, key: string): bigint {
  const value = from.object[key]
  if (value === undefined || value === null) throw missing(at(from, key))
  const isNumber = typeof value === 'number' || (typeof value === 'string' && NUMBER_TEXT.test(value))
  if (!isNumber) throw wrongType(at(from, key), 'an integer')
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw fault('bad_amount', `The field ${at(from, key)} is not an integer from 0 to 2^53 - 1.`)
  }
  return BigInt(value)
}

export function findUnits(from: Fields, key: string): bigint | null {
  return isAbsent(from, key) ? null : requireUnits(from, key)
}

/** An amount in major units as a decimal text, such as `199.65`. */
export function requireDecimal(from: Fields, key: string): string {
  const value = from.object[key]
  if (value === undefined || value === null) throw missing(at(from, key))
  if (typeof value !== 'string') throw wrongType(at(from, key), 'a text')
  if (!DECIMAL.test(value)) throw fault('bad_amount', `The field ${at(from, key)} is not a decimal number.`)
  return value
}

/** Unix seconds. */
export function requireSeconds(from: Fields, key: string): Date {
  const value = from.object[key]
  if (value === undefined || value === null) throw missing(at(from, key))
  if (typeof value !== 'number') throw wrongType(at(from, key), 'a number of seconds')
  if (!Number.isSafeInteger(value)) throw badTime(from, key)
  return inRange(value * 1000, from, key)
}

/**
 * RFC 3339 with an offset; fractions beyond milliseconds are cut off. A day that the month does not have is refused:
 * Date.parse would take 31 April for 1 May.
 */
export function requireTime(from: Fields, key: string): Date {
  const value = from.object[key]
  if (value === undefined || value === null) throw missing(at(from, key))
  if (typeof value !== 'string') throw wrongType(at(from, key), 'a text')
  const [, year, month, day] = RFC_3339.exec(value) ?? []
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (!(Number(day) <= daysInMonth)) throw badTime(from, key)
  return inRange(Date.parse(value), from, key)
}

function inRange(timeMs: number, from: Fields, key: string): Date {
  if (!(timeMs >= 0 && timeMs < LATEST_MS)) throw badTime(from, key)
  return new Date(timeMs)
}

/** A label that helps to read an event but decides nothing: dropped when it is not one, or looks like an e-mail address. */
export function findLabel(from: Fields, key: string): string | null {
  const value = from.object[key]
  const isLabel = typeof value === 'string' && value !== '' && value.length <= MAX_TEXT_LENGTH
  return isLabel && !CONTROL.test(value) && !looksLikeEmail(value) ? value : null
}

/** An upper-case ISO 4217 code that is in use. */
export function requireCurrency(from: Fields, key: string): string {
  const currency = requireMatch(from, key, /^[A-Z]{3}$/)
  toAmount(() => BigInt(exponentOf(currency)))
  return currency
}

/** Runs a calculation in minor units; its MoneyError, an amount below 0 or one beyond 2^53 − 1 become a DeadDelivery. */
export function toAmount(calculate: () => bigint): bigint {
  try {
    const amountMinor = calculate()
    if (amountMinor >= 0n && amountMinor <= MAX_AMOUNT_MINOR) return amountMinor
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error
    if (error.code === 'unknown_currency') throw fault('unknown_currency', 'The currency is not one that we know.')
    throw fault('bad_amount', `The amount cannot be read: ${error.message}.`)
  }
  throw fault('bad_amount', 'The amount is not between 0 and 2^53 - 1 minor units.')
}

const TOKEN = /^av1\.([0-9A-HJKMNP-TV-Z]{26})\.[0-9A-HJKMNP-TV-Z]{26}$/

/**
 * The visitor id in our token `av1.<visitor ulid>.<session ulid>`; null for anything else: the merchant's page wrote
 * it, and an order without it is an order all the same.
 */
export function visitorOf(token: JsonValue | undefined): string | null {
  return typeof token === 'string' ? (TOKEN.exec(token)?.[1] ?? null) : null
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isAbsent(from: Fields, key: string): boolean {
  return from.object[key] === undefined || from.object[key] === null
}

function at(from: Fields, key: string): string {
  return `${from.pointer}/${key}`
}

function missing(pointer: string): DeadDelivery {
  return fault('missing_field', `The field ${pointer || '/'} is missing.`)
}

function wrongType(pointer: string, expected: string): DeadDelivery {
  return fault('wrong_type', `The field ${pointer || '/'} is not ${expected}.`)
}

function badTime(from: Fields, key: string): DeadDelivery {
  return fault('bad_time', `The field ${at(from, key)} is not a time from 1970 to 2099.`)
}
