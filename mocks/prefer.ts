import { ProblemError } from '../src/problem/problem.ts'

export const FAULTS = ['reset', 'timeout', 'truncate', 'malformed', 'unavailable', 'rate-limit'] as const
export type Fault = (typeof FAULTS)[number]

/** What a request may wish for in its `Prefer` header. */
export interface Preferences {
  /** Status. */
  code?: number
  /** Name of an example. */
  example?: string
  /** Made from the schema instead of taken from an example. */
  dynamic?: boolean
  /** Of `dynamic`: the same seed gives the same body. */
  seed?: string
  /** Milliseconds before anything else happens. */
  delay?: number
  fault?: Fault
}

/** Milliseconds: longer than any client waits, short enough that a forgotten delay frees its socket. */
export const MAX_DELAY_MS = 30_000

/**
 * Reads a `Prefer` header. Preferences that are not ours are ignored (RFC 7240 section 2), and of one that is given twice
 * the first holds. Throws `malformed_request` for a value of ours that cannot be meant: a wish that is silently dropped
 * would look like a fault of the mock.
 */
export function readPreferences(header: string | string[] | undefined): Preferences {
  const preferences: Preferences = {}
  if (header === undefined) return preferences
  for (const [name, value] of parsePrefer(String(header))) {
    if (name === 'code') preferences.code ??= readNumber(name, value, 100, 599)
    else if (name === 'delay') preferences.delay ??= readNumber(name, value, 0, MAX_DELAY_MS)
    else if (name === 'example') preferences.example ??= readText(name, value)
    else if (name === 'seed') preferences.seed ??= readText(name, value)
    else if (name === 'dynamic') preferences.dynamic ??= readOneOf(name, value, ['true', 'false', '']) !== 'false'
    else if (name === 'fault') preferences.fault ??= readOneOf(name, value, FAULTS)
  }
  return preferences
}

/** Value of `Preference-Applied`; undefined when nothing was wished for. */
export function toApplied(preferences: Preferences): string | undefined {
  const parts = Object.entries(preferences).map(([name, value]) => {
    const text = String(value)
    return `${name}=${/^[\w!#$%&'*+.^`|~-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`}`
  })
  return parts.length === 0 ? undefined : parts.join(', ')
}

/** `token [= word] *(; parameter)`, separated by commas; a word is a token or a quoted string. */
function* parsePrefer(header: string): Iterable<[name: string, value: string]> {
  const preference =
    /\s*([^\s,;="]+)\s*(?:=\s*(?:("(?:[^"\\]|\\.)*"|[^\s,;"]+)\s*)?)?(?:;(?:"(?:[^"\\]|\\.)*"|[^,"])*)?(?:,|$)/y
  while (preference.lastIndex < header.length) {
    const found = preference.exec(header)
    if (found === null) throw refuse(`The header Prefer cannot be read: ${header.slice(0, 200)}`, 'syntax')
    const [, name = '', word = ''] = found
    yield [name.toLowerCase(), word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, '$1') : word]
  }
}

function readNumber(name: string, value: string, min: number, max: number): number {
  const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw refuse(`Prefer: ${name} takes a whole number from ${min} to ${max}.`, name)
}

function readText(name: string, value: string): string {
  if (value !== '') return value
  throw refuse(`Prefer: ${name} takes a value.`, name)
}

function readOneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value)
  if (found !== undefined) return found
  throw refuse(`Prefer: ${name} takes one of ${allowed.filter((one) => one !== '').join(', ')}.`, name)
}

/** Of a preference that cannot be met. */
export function refuse(detail: string, code: string): ProblemError {
  return new ProblemError('malformed_request', detail, { errors: [{ pointer: '/header/prefer', code, detail }] })
}
