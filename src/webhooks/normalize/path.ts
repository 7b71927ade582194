import { isObject, type JsonObject, type JsonValue } from '../lossless-json.ts'

/**
 * A place in a vendor's delivery: `header:X-Topic`, or a JSON Pointer with two tokens more than RFC 6901 has. `*` is each
 * item of an array, and `[key=value,…]` each item, or the object itself, that has these values.
 */
export type VendorPath = { header: string } | { tokens: readonly Token[] }

export type Token = { name: string } | { each: true } | { where: [key: string, value: string][] }

export type Headers = Readonly<Record<string, string | string[] | undefined>>

export interface SourceValues {
  payload: JsonObject
  /** Names in lower case. */
  headers: Headers
}

const parsed = new Map<string, VendorPath>()
/** The maps hold some 300 paths; those with the index of an item come on top. */
const MAX_PARSED = 10_000

export function parsePath(path: string): VendorPath {
  const known = parsed.get(path)
  if (known !== undefined) return known
  if (parsed.size >= MAX_PARSED) parsed.clear()
  const made: VendorPath = path.startsWith('header:')
    ? { header: path.slice('header:'.length).toLowerCase() }
    : { tokens: path.slice(1).split('/').map(parseToken) }
  parsed.set(path, made)
  return made
}

function parseToken(token: string): Token {
  if (token === '*') return { each: true }
  if (!token.startsWith('[')) return { name: token }
  const where = token.slice(1, -1).split(',')
  return { where: where.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]) }
}

/** The values at a path in order; null counts as absent. */
export function valuesAt({ payload, headers }: SourceValues, path: string): JsonValue[] {
  const place = parsePath(path)
  if ('header' in place) {
    const value = headers[place.header]
    return typeof value === 'string' ? [value] : []
  }
  return walk(payload, place.tokens, 0)
}

/** Names lead to one value at most; only a list branches. */
function walk(from: JsonValue, tokens: readonly Token[], start: number): JsonValue[] {
  let value = from
  for (let index = start; index < tokens.length; index += 1) {
    const token = tokens[index] as Token
    if (!('name' in token)) return childrenAt(value, token).flatMap((child) => walk(child, tokens, index + 1))
    const [child] = childrenAt(value, token)
    if (child === undefined || child === null) return []
    value = child
  }
  return value === null ? [] : [value]
}

function childrenAt(value: JsonValue, token: Token): JsonValue[] {
  if (typeof value !== 'object' || value === null) return []
  if ('name' in token) {
    const child = Array.isArray(value) ? value[Number(token.name)] : memberNamed(value, token.name)
    return child === undefined ? [] : [child]
  }
  if ('each' in token) return Array.isArray(value) ? value : []
  return (Array.isArray(value) ? value : [value]).filter((item) => isWhere(item, token.where))
}

/** Stored under another name: the database refuses the vendor's, since a body that was not stripped has it. */
const STORED_NAMES: Readonly<Record<string, string>> = {
  note_attributes: 'cart_attributes',
  // Of an address, elsewhere; what the maps read is an amount.
  shipping: 'shipping_amount',
}

export function storedName(name: string): string {
  return STORED_NAMES[name] ?? name
}

function memberNamed(object: JsonObject, name: string): JsonValue | undefined {
  if (Object.hasOwn(object, name)) return object[name]
  const stored = storedName(name)
  return stored !== name && Object.hasOwn(object, stored) ? object[stored] : undefined
}

/** Whether it is an object with all of these values. */
export function isWhere(item: JsonValue, where: readonly (readonly [key: string, value: string])[]): boolean {
  return where.every(([key, wanted]) => memberOf(item, key) === wanted)
}

function memberOf(item: JsonValue, key: string): string | undefined {
  if (!isObject(item)) return undefined
  const value = Object.hasOwn(item, key) ? item[key] : undefined
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined
}

/** `*` right after `forEach` becomes the index of the item that is being read. */
export function bindPath(path: string, forEach: string | undefined, index: number): string {
  if (forEach === undefined) return path
  const prefix = `${forEach}/*`
  return path === prefix || path.startsWith(`${prefix}/`) ? `${forEach}/${index}${path.slice(prefix.length)}` : path
}

/** `{order_key}:{/data/id}` has the fields `order_key` and the paths `/data/id`. */
export function placeholdersOf(template: string): { fields: string[]; paths: string[] } {
  const names = [...template.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name)
  return {
    fields: names.filter((name) => !name.startsWith('/')),
    paths: names.filter((name) => name.startsWith('/')),
  }
}
