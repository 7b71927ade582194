import type { Vendor } from '../../../context.ts'
import type { JsonObject, JsonValue } from '../../lossless-json.ts'

interface RecipeBase {
  /** Stands in the outcome as `<id>@<version>`. */
  id: string
  /** Grows when `apply` changes: what a former version did stays told. */
  version: number
  /** Null: of every vendor. */
  vendors: readonly Vendor[] | null
  /** Null: about anything. */
  topics: readonly string[] | null
  /** The faults that it may mend. */
  codes: readonly string[]
  meaning: string
}

/** Mends the bytes of a body that could not be read. */
export interface BodyRecipe extends RecipeBase {
  of: 'body'
  apply: (rawBody: Buffer) => Buffer
}

/** Mends the kept parts of a body. */
export interface PayloadRecipe extends RecipeBase {
  of: 'payload'
  apply: (payload: JsonObject) => JsonObject
}

export type Recipe = BodyRecipe | PayloadRecipe

/**
 * The repairs of a replay, in the order in which they are tried. Each changes only how a thing is written, never what it
 * says: a currency that is missing stays missing, and a time without a zone stays unusable. Each is pure, and leaves alone
 * what it does not know. What better field maps can read needs no recipe.
 */
export const recipes: readonly Recipe[] = [
  {
    of: 'body',
    id: 'drop_byte_order_mark',
    version: 1,
    vendors: null,
    topics: null,
    codes: ['syntax'],
    meaning: 'Takes the byte order mark off a body in UTF-8. RFC 8259, section 8.1, lets a reader ignore it.',
    apply: (rawBody) => (startsWith(rawBody, [0xef, 0xbb, 0xbf]) ? rawBody.subarray(3) : rawBody),
  },
  {
    of: 'body',
    id: 'utf16_to_utf8',
    version: 1,
    vendors: null,
    topics: null,
    codes: ['invalid_utf8', 'nul_character', 'syntax'],
    meaning: 'Writes a body in UTF-16, which its byte order mark proves, in UTF-8.',
    apply: (rawBody) => {
      const isLittle = startsWith(rawBody, [0xff, 0xfe])
      if (!isLittle && !startsWith(rawBody, [0xfe, 0xff])) return rawBody
      return Buffer.from(new TextDecoder(isLittle ? 'utf-16le' : 'utf-16be').decode(rawBody))
    },
  },
  {
    of: 'body',
    id: 'windows_1252_to_utf8',
    version: 1,
    vendors: null,
    topics: null,
    codes: ['invalid_utf8'],
    meaning:
      'Reads a body that is no UTF-8 as Windows-1252. Ids, times and amounts are ASCII, which is the same in both; texts, which could come out wrong, are not kept.',
    apply: (rawBody) => Buffer.from(new TextDecoder('windows-1252').decode(rawBody)),
  },
  {
    of: 'payload',
    id: 'trim_blanks',
    version: 1,
    vendors: null,
    topics: null,
    codes: ['bad_amount', 'bad_id', 'bad_time', 'bad_value', 'unknown_currency'],
    meaning: 'Takes blanks off both ends of texts, such as " 12.00".',
    apply: inBody(trimBlanks),
  },
  {
    of: 'payload',
    id: 'date_time_to_rfc3339',
    version: 1,
    vendors: null,
    topics: null,
    codes: ['bad_time'],
    meaning: 'Writes a time such as "2026-11-20 09:01:28 +0200" as RFC 3339 does. A time that names no zone gets none.',
    apply: inBody(toRfc3339),
  },
  {
    of: 'payload',
    id: 'gmt_without_zone',
    version: 1,
    vendors: ['woocommerce'],
    topics: null,
    codes: ['bad_time'],
    meaning: 'Takes the "Z" or "+00:00" off times whose name ends in _gmt, where WooCommerce itself writes none.',
    apply: inBody((text, name) =>
      name.endsWith('_gmt') ? text.replace(/^(\d{4}-\d\d-\d\dT[\d:.]+)(?:Z|\+00:?00)$/, '$1') : text,
    ),
  },
  {
    of: 'payload',
    id: 'currency_to_upper_case',
    version: 1,
    vendors: ['shopify', 'paypal', 'woocommerce'],
    topics: null,
    codes: ['bad_value', 'unknown_currency'],
    meaning: 'Writes the code of a currency, such as "eur", in capitals.',
    apply: inBody((text, name) =>
      /(?:^|_)currency(?:_code)?$/.test(name) && /^[A-Za-z]{3}$/.test(text) ? text.toUpperCase() : text,
    ),
  },
]

/** As it stands in an outcome. */
export function nameOf({ id, version }: Recipe): string {
  return `${id}@${version}`
}

export function mends(recipe: Recipe, { vendor, topic, code }: { vendor: Vendor; topic: string | null; code: string }) {
  const isOfVendor = recipe.vendors === null || recipe.vendors.includes(vendor)
  const isOfTopic = recipe.topics === null || (topic !== null && recipe.topics.includes(topic))
  return isOfVendor && isOfTopic && recipe.codes.includes(code)
}

const DATE_TIME = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,9})?) ?(?:(Z|UTC|GMT)|([+-]\d\d):?(\d\d))?$/

function toRfc3339(text: string): string {
  const [, day, time, zone, hours, minutes] = DATE_TIME.exec(text) ?? []
  if (day === undefined || time === undefined) return text
  const offset = hours !== undefined ? `${hours}:${minutes}` : zone !== undefined ? 'Z' : ''
  return `${day}T${time}${offset}`
}

/** Changes the texts of a stored payload's body; `name` is that of the member, of a list that of the list. */
function inBody(change: (text: string, name: string) => string): (payload: JsonObject) => JsonObject {
  const walk = (value: JsonValue, name: string): JsonValue => {
    if (typeof value === 'string') return change(value, name)
    if (Array.isArray(value)) return value.map((item) => walk(item, name))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, walk(child, key)]))
  }
  return (payload) => ({ ...payload, body: walk(payload.body ?? {}, '') })
}

function startsWith(bytes: Buffer, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte)
}

/** Not `trim()`, which takes line breaks as well. */
function trimBlanks(text: string): string {
  let end = text.length
  while (text[end - 1] === ' ') end -= 1
  return text.slice(0, end).replace(/^ +/, '')
}
