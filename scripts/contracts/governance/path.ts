import type { JsonObject, JsonValue } from '../../../src/webhooks/lossless-json.ts'

/**
 * A place in a vendor's delivery: `header:X-Topic`, or a JSON Pointer with two tokens more than RFC 6901 has. `*` is each
 * item of an array, and `[key=value,…]` each item that has these values.
 */
export type VendorPath = { header: string } | { tokens: Token[] }

export type Token = { name: string } | { each: true } | { where: [key: string, value: string][] }

export type Headers = Readonly<Record<string, string | string[] | undefined>>

export interface SourceValues {
  payload: JsonObject
  /** Names in lower case. */
  headers: Headers
}

export function parsePath(path: string): VendorPath {
  if (path.startsWith('header:')) return { header: path.slice('header:'.length) }
  return { tokens: path.slice(1).split('/').map(parseToken) }
}

function parseToken(token: string): Token {
  if (token === '*') return { each: true }
  if (!token.startsWith('[')) return { name: token }
  const where = token.slice(1, -1).split(',')
  return { where: where.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]) }
}

/** The values at a path in order; null counts as absent. */
export function valuesAt({ payload, headers }: SourceValues, path: string): JsonValue[] {
  const parsed = parsePath(path)
  if ('header' in parsed) {
    const value = headers[parsed.header.toLowerCase()]
    return typeof value === 'string' ? [value] : []
  }
  let values: JsonValue[] = [payload]
  for (const token of parsed.tokens) values = values.flatMap((value) => childrenAt(value, token))
  return values.filter((value) => value !== null)
}

function childrenAt(value: JsonValue, token: Token): JsonValue[] {
  if (typeof value !== 'object' || value === null) return []
  if ('name' in token) {
    const child = Array.isArray(value)
      ? value[Number(token.name)]
      : Object.hasOwn(value, token.name)
        ? value[token.name]
        : undefined
    return child === undefined ? [] : [child]
  }
  if (!Array.isArray(value)) return []
  if ('each' in token) return value
  return value.filter((item) => token.where.every(([key, wanted]) => memberOf(item, key) === wanted))
}

function memberOf(item: JsonValue, key: string): string | undefined {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return undefined
  const value = Object.hasOwn(item, key) ? item[key] : undefined
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined
}

/** `*` right after `forEach` becomes the index of the item that is being read. */
export function bindPath(path: string, forEach: string | undefined, index: number): string {
  const prefix = `${forEach}/*`
  return forEach !== undefined && (path === prefix || path.startsWith(`${prefix}/`))
    ? `${forEach}/${index}${path.slice(prefix.length)}`
    : path
}

/** `{order_key}:{/data/id}` has the fields `order_key` and the paths `/data/id`. */
export function placeholdersOf(template: string): { fields: string[]; paths: string[] } {
  const names = [...template.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name)
  return {
    fields: names.filter((name) => !name.startsWith('/')),
    paths: names.filter((name) => name.startsWith('/')),
  }
}
