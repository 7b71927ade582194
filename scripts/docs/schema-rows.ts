import { isObject, type JsonObject } from '../generate/json.ts'
import { resolve } from './model.ts'

/** One field of a body, for a table. */
export interface Row {
  /** `channels[].revenue.amount_minor`; empty for the body itself. */
  path: string
  type: string
  required: boolean
  text: string
}

/** Levels below the body. A reader who needs more has the reference, which unfolds all. */
const MAX_DEPTH = 4

/** The fields of a schema, parents before children. Shared schemas that explain themselves (Money) stay one row. */
export function schemaRows(document: JsonObject, schema: JsonObject): Row[] {
  const rows: Row[] = []
  addFields(document, flatten(document, schema), '', 0, new Set(), rows)
  return rows
}

/** One line per schema: `string, uuid`, `integer, 1 to 100`, `array of Channel`. */
export function typeText(document: JsonObject, written: JsonObject): string {
  if (isMoney(written.$ref)) return MONEY_LINK
  const schema = flatten(document, written)
  const types = [schema.type].flat().filter((type) => typeof type === 'string')
  const isNullable = types.includes('null')
  const [type] = types.filter((each) => each !== 'null')
  const parts: string[] = []
  if (type === 'array') {
    const items = isObject(schema.items) ? typeText(document, schema.items) : 'anything'
    parts.push(`array of ${items.split(',')[0]}`)
  } else parts.push(schema.const === undefined ? (type ?? 'any') : '')
  if (typeof schema.format === 'string') parts.push(schema.format)
  if (Array.isArray(schema.enum)) parts.push(`one of ${schema.enum.map(code).join(' ')}`)
  if (schema.const !== undefined) parts.push(`always ${code(schema.const)}`)
  parts.push(...boundsText(schema))
  if (isNullable) parts.push('or null')
  return parts.filter((part) => part !== '').join(', ')
}

function boundsText(schema: JsonObject): string[] {
  const { minimum, maximum, minLength, maxLength, maxItems, minItems } = schema
  const parts: string[] = []
  const isWhole = minimum === -Number.MAX_SAFE_INTEGER && maximum === Number.MAX_SAFE_INTEGER
  if (isWhole) parts.push('±(2^53 − 1)')
  else if (typeof minimum === 'number' && typeof maximum === 'number')
    parts.push(maximum === Number.MAX_SAFE_INTEGER ? `${minimum} or more` : `${minimum} to ${maximum}`)
  if (typeof maxLength === 'number' && schema.format === undefined)
    parts.push(`${rangeText(minLength, maxLength)} characters`)
  if (typeof maxItems === 'number') parts.push(rangeText(minItems, maxItems))
  return parts
}

function rangeText(minimum: unknown, maximum: number): string {
  if (typeof minimum !== 'number') return `≤ ${maximum}`
  return minimum === maximum ? String(maximum) : `${minimum} to ${maximum}`
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

function addFields(
  document: JsonObject,
  schema: JsonObject,
  path: string,
  depth: number,
  above: ReadonlySet<string>,
  rows: Row[],
): void {
  const required = new Set(Array.isArray(schema.required) ? schema.required.map(String) : [])
  for (const [name, written] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
    if (!isObject(written)) continue
    const own = path === '' ? name : `${path}.${name}`
    const reference = typeof written.$ref === 'string' ? written.$ref : ''
    const property = flatten(document, written)
    rows.push({
      path: own,
      type: typeText(document, written),
      required: required.has(name),
      text: String(written.description ?? (isMoney(reference) ? '' : property.description) ?? ''),
    })
    addInner(document, { property, reference, path: own, depth, above }, rows)
  }
}

interface Inner {
  property: JsonObject
  reference: string
  path: string
  depth: number
  above: ReadonlySet<string>
}

function addInner(document: JsonObject, { property, reference, path, depth, above }: Inner, rows: Row[]): void {
  if (depth >= MAX_DEPTH || isMoney(reference) || above.has(reference)) return
  const items = isObject(property.items) ? property.items : undefined
  const itemReference = typeof items?.$ref === 'string' ? items.$ref : ''
  if (items !== undefined && (above.has(itemReference) || isMoney(itemReference))) return
  const inner = items === undefined ? property : flatten(document, items)
  const seen = new Set([...above, reference, itemReference].filter((each) => each !== ''))
  addFields(document, inner, items === undefined ? path : `${path}[]`, depth + 1, seen, rows)
}

/** A guide explains it; its fields on every page would hide the others. */
const MONEY_LINK = '[Money](/docs/guides/money)'

function isMoney(reference: unknown): boolean {
  return reference === '#/components/schemas/Money'
}

/** The schema with its reference followed and `allOf` joined; alternatives are left to the reference pages. */
function flatten(document: JsonObject, written: JsonObject): JsonObject {
  const schema = resolve(document, written)
  if (!Array.isArray(schema.allOf)) return schema
  const { allOf, ...own } = schema
  let joined: JsonObject = {}
  for (const part of [...allOf.filter(isObject).map((each) => flatten(document, each)), own]) {
    joined = {
      ...joined,
      ...part,
      properties: { ...(joined.properties as JsonObject), ...(part.properties as JsonObject) },
      required: [...new Set([...asList(joined.required), ...asList(part.required)])],
    }
  }
  return joined
}

function asList(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}
