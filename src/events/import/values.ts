import { MoneyError, parseDecimalToMinor } from '../../money.ts'

/** RFC 3339, with its offset: a time without one could be any of two dozen. */
const TIME = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/i
const MAX_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER)

/** Thrown for a cell that is not what its column holds; the message names the column and quotes nothing. */
export class CellError extends Error {
  override name = 'CellError'
  readonly code: 'invalid_row' | 'amount_invalid'

  constructor(message: string, code: CellError['code'] = 'invalid_row') {
    super(message)
    this.code = code
  }
}

export type Read = (name: string) => string | null

/** Throws CellError. */
export function requireCell(read: Read, name: string): string {
  const text = read(name)
  if (text === null) throw new CellError(`${name} is empty`)
  return text
}

/** Throws CellError for a text that does not match. */
export function readMatch(read: Read, name: string, pattern: RegExp, expected: string): string | null {
  const text = read(name)
  if (text === null || pattern.test(text)) return text
  throw new CellError(`${name} is not ${expected}`)
}

/** Throws CellError for what is no time; a day that the month does not have is none. */
export function requireTime(read: Read, name: string): Date {
  const text = requireCell(read, name)
  const [, year, month, day] = TIME.exec(text) ?? []
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  const time = Number(day) <= daysInMonth ? new Date(text) : null
  if (time === null || Number.isNaN(time.getTime()))
    throw new CellError(`${name} is not a time such as 2026-11-20T08:30:00+01:00`)
  return time
}

/**
 * An amount from one of two columns: `<name>_minor`, a whole number of minor units, or `<name>`, a decimal in major units.
 * Null where both are empty. Throws CellError.
 */
export function readAmount(read: Read, name: string, currency: string): bigint | null {
  const [minor, decimal] = [read(`${name}_minor`), read(name)]
  if (minor !== null && decimal !== null) throw new CellError(`${name} and ${name}_minor are both given`)
  if (minor !== null) {
    if (!/^-?\d{1,16}$/.test(minor)) throw new CellError(`${name}_minor is not a whole number`)
    return requireBound(BigInt(minor), `${name}_minor`)
  }
  if (decimal === null) return null
  try {
    return requireBound(parseDecimalToMinor(decimal, currency), name)
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error
    throw new CellError(`${name} is not an amount: ${error.message}`, 'amount_invalid')
  }
}

function requireBound(amount: bigint, name: string): bigint {
  if (amount > MAX_AMOUNT || amount < -MAX_AMOUNT) throw new CellError(`${name} is too large`, 'amount_invalid')
  return amount
}
