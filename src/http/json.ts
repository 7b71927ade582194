import { isUtf8 } from 'node:buffer'
import { ProblemError, type ProblemItem } from '../problem/problem.ts'

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue }

/** Containers inside containers. The deepest body of the contract has 4; JSON.parse itself overflows the stack at about 10,000. */
export const MAX_JSON_DEPTH = 64

/** Object members in one body. The largest legitimate body (500 touchpoints of 9 fields) has about 4,500. */
export const MAX_JSON_KEYS = 20_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const LOWER_U = 0x75

export interface JsonShape {
  depth: number
  /** Object members as written, duplicates included. */
  keys: number
  /** Whether some string holds a `\u` escape: the only way to write NUL or a lone surrogate into valid UTF-8 JSON. */
  hasUnicodeEscape: boolean
}

/**
 * One linear pass over the bytes, before anything recursive sees them. UTF-8 continuation bytes are all >= 0x80, so
 * structural characters can be counted without decoding. Stops early once a bound is exceeded; says nothing about syntax.
 */
export function measureJson(bytes: Uint8Array): JsonShape {
  let depth = 0
  let deepest = 0
  let keys = 0
  let hasUnicodeEscape = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === QUOTE) {
      for (i++; i < bytes.length && bytes[i] !== QUOTE; i++) {
        if (bytes[i] !== BACKSLASH) continue
        i++
        if (bytes[i] === LOWER_U) hasUnicodeEscape = true
      }
    } else if (byte === COLON) {
      keys++
      if (keys > MAX_JSON_KEYS) break
    } else if (byte === 0x7b || byte === 0x5b) {
      depth++
      if (depth > deepest) deepest = depth
      if (deepest > MAX_JSON_DEPTH) break
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--
    }
  }
  return { depth: deepest, keys, hasUnicodeEscape }
}

/**
 * Parses a request body as JSON, or throws `malformed_request` (400). Stricter than `JSON.parse` where leniency would let
 * two readers of one body disagree (RFC 8259 section 8, RFC 7493): UTF-8 only, no byte order mark, no duplicate member,
 * no NUL (Postgres text cannot hold it), no lone surrogate, bounded depth and number of members.
 */
export function parseJson(bytes: Buffer): JsonValue {
  if (bytes.length === 0) throw malformed('empty_body', 'The body is empty.')
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw malformed('byte_order_mark', 'The body starts with a byte order mark.')
  }
  requireUtf8(bytes)
  if (bytes.includes(0)) throw malformed('nul_character', 'The body holds a NUL character.')
  const shape = measureJson(bytes)
  if (shape.depth > MAX_JSON_DEPTH) {
    throw malformed('too_deep', `The body nests deeper than ${MAX_JSON_DEPTH} levels.`)
  }
  if (shape.keys > MAX_JSON_KEYS) {
    throw malformed('too_many_keys', `The body has more than ${MAX_JSON_KEYS} object members.`)
  }
  const value = parseSyntax(bytes.toString('utf8'))
  // `JSON.parse` keeps the last of two equal names, so fewer members than colons means that a name came twice.
  if (shape.keys !== countKeys(value)) {
    throw malformed('duplicate_key', 'The body repeats a member name inside one object.')
  }
  if (shape.hasUnicodeEscape) requireStorableText(value, '/body')
  return value
}

function parseSyntax(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch (error) {
    // V8's sentence quotes the input; only the position is passed on.
    const position = /position (\d+)/.exec((error as Error).message)?.[1]
    throw malformed('syntax', `The body is not JSON${position === undefined ? '' : ` (at character ${position})`}.`)
  }
}

/** Recursion is safe here and below: `measureJson` has bounded the depth. */
function countKeys(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0
  let keys = 0
  if (Array.isArray(value)) {
    for (const item of value) keys += countKeys(item)
    return keys
  }
  // Own by construction: JSON.parse makes `__proto__` an own member too.
  for (const key in value) {
    keys += 1 + countKeys(value[key] as JsonValue)
  }
  return keys
}

function requireStorableText(value: JsonValue, pointer: string): void {
  if (typeof value === 'string') {
    requireStorable(value, pointer)
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => {
      requireStorableText(item, `${pointer}/${index}`)
    })
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      requireStorable(key, pointer)
      requireStorableText(member, `${pointer}/${escapePointer(key)}`)
    }
  }
}

function requireStorable(text: string, pointer: string): void {
  if (text.includes('\0')) throw malformed('nul_character', 'A string holds a NUL character.', pointer)
  if (!text.isWellFormed()) throw malformed('lone_surrogate', 'A string holds a lone surrogate.', pointer)
}

/** One reference token of a JSON Pointer. Source: RFC 6901 section 3. */
/** A body that is text and not JSON (CSV, say). Throws `malformed_request`. */
export function parseText(bytes: Buffer): string {
  requireUtf8(bytes)
  return bytes.toString('utf8')
}

function requireUtf8(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw malformed('invalid_utf8', 'The body is not valid UTF-8.')
}

export function escapePointer(token: string): string {
  return token.includes('~') || token.includes('/') ? token.replaceAll('~', '~0').replaceAll('/', '~1') : token
}

export function malformed(code: string, detail: string, pointer = '/body'): ProblemError {
  const item: ProblemItem = { pointer: pointer.slice(0, 200), code, detail }
  return new ProblemError('malformed_request', detail, { errors: [item] })
}
