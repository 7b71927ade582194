export type Json = string | number | boolean | null | Json[] | JsonObject
export interface JsonObject {
  [key: string]: Json
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** By code unit, so that no locale changes the output. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export function sortKeys<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => compareText(a, b)))
}

/** Equal for equal values whatever the order of their keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) => (isObject(inner) ? sortKeys(inner) : inner))
}

/** Resolves a reference inside one document (`#/components/…`); undefined where nothing is there. */
export function atPointer(document: unknown, pointer: string): unknown {
  let node = document
  for (const token of pointerTokens(pointer)) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, token)) return undefined
    node = (node as Record<string, unknown>)[token]
  }
  return node
}

export function pointerTokens(pointer: string): string[] {
  const path = pointer.replace(/^#?\/?/, '')
  if (path === '') return []
  return path.split('/').map((token) => decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~'))
}

export function pointerOf(...tokens: (string | number)[]): string {
  return `#/${tokens.map((token) => String(token).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`
}

const IDENTIFIER = /^[A-Za-z_$][\w$]*$|^(?:0|[1-9]\d*)$/
const LINE_WIDTH = 120

/** A TypeScript literal in the style of this repository: single quotes, and one line where it fits. */
export function toLiteral(value: unknown, indent = ''): string {
  const line = inline(value)
  if (typeof value !== 'object' || value === null || line.length + indent.length <= LINE_WIDTH - 20) return line
  const deeper = `${indent}  `
  const lines = Array.isArray(value)
    ? value.map((item) => toLiteral(item, deeper))
    : Object.entries(value).map(([key, item]) => `${toKey(key)}: ${toLiteral(item, deeper)}`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return `${open}\n${lines.map((item) => `${deeper}${item},\n`).join('')}${indent}${close}`
}

function inline(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`
  const members = Object.entries(value).map(([key, item]) => `${toKey(key)}: ${inline(item)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

export function toKey(key: string): string {
  return IDENTIFIER.test(key) ? key : quote(key)
}

function quote(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}
