import type { IncomingHttpHeaders } from 'node:http'
import type { OperationRow } from '../../generated/operations.ts'
import { ProblemError, type ProblemItem } from '../problem/problem.ts'
import { escapePointer, malformed } from './json.ts'

export type ParameterRow = OperationRow['parameters'][number]
export type ParameterValue = string | number | boolean | (string | number | boolean)[]

/** What the generated parameter validators take; header names in lower case. */
export interface Parameters {
  path: Record<string, ParameterValue>
  query: Record<string, ParameterValue>
  header: Record<string, ParameterValue>
}

/** The parameters of one operation, looked up by place and name. Built once at boot. */
export interface ParameterPlan {
  path: readonly ParameterRow[]
  query: ReadonlyMap<string, ParameterRow>
  header: readonly (readonly [lowerName: string, row: ParameterRow])[]
}

export function planParameters(rows: readonly ParameterRow[]): ParameterPlan {
  const header = rows.filter((row) => row.in === 'header')
  return {
    path: rows.filter((row) => row.in === 'path'),
    query: new Map(rows.filter((row) => row.in === 'query').map((row) => [row.name, row])),
    header: header.map((row) => [row.name.toLowerCase(), row] as const),
  }
}

/**
 * Decodes the parameters by their declared type. Text that does not read as its type stays text, so that the
 * validator says what is wrong with it. Throws `malformed_request` for broken percent-encoding and NUL, and
 * `validation_failed` for a name that the operation does not declare or a single-valued one given twice.
 */
export function readParameters(
  plan: ParameterPlan,
  request: { params: Record<string, string>; query: string; headers: IncomingHttpHeaders },
): Parameters {
  const path: Parameters['path'] = {}
  for (const row of plan.path) {
    const text = request.params[row.name]
    if (text === undefined) continue
    if (text.includes('\0')) throw malformed('nul_character', 'The path holds a NUL character.', `/path/${row.name}`)
    path[row.name] = decodeParameter(row, text)
  }
  const header: Parameters['header'] = {}
  for (const [lowerName, row] of plan.header) {
    const text = request.headers[lowerName]
    if (text !== undefined) header[lowerName] = decodeParameter(row, Array.isArray(text) ? text.join(', ') : text)
  }
  return { path, query: request.query === '' ? {} : readQuery(plan.query, request.query), header }
}

function readQuery(rows: ParameterPlan['query'], query: string): Parameters['query'] {
  const values: Parameters['query'] = {}
  const faults: ProblemItem[] = []
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeQueryText(equals === -1 ? pair : pair.slice(0, equals))
    const text = equals === -1 ? '' : decodeQueryText(pair.slice(equals + 1))
    const pointer = `/query/${escapePointer(name.slice(0, 100))}`
    const row = rows.get(name)
    if (row === undefined) {
      faults.push({ pointer, code: 'unknown_parameter', detail: 'The operation has no such query parameter.' })
    } else if (!Object.hasOwn(values, name)) {
      values[name] = decodeParameter(row, text)
    } else if (row.type === 'array' && row.explode) {
      const items = values[name] as (string | number | boolean)[]
      items.push(decodeScalar(row.items ?? 'string', text))
    } else {
      faults.push({ pointer, code: 'duplicate_parameter', detail: 'The query parameter may be given once only.' })
    }
  }
  if (faults.length > 0) {
    throw new ProblemError('validation_failed', 'The query does not match the contract.', {
      errors: faults.slice(0, 100),
    })
  }
  return values
}

/** `application/x-www-form-urlencoded`: a plus is a space, as every browser's URLSearchParams writes it. */
function decodeQueryText(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  const decoded = spaced.includes('%') ? decodePercent(spaced, '/query') : spaced
  if (decoded.includes('\0')) throw malformed('nul_character', 'The query holds a NUL character.', '/query')
  return decoded
}

/** Throws `malformed_request` for `%zz`, `%8`, and escapes that are not UTF-8 (which includes lone surrogates). */
export function decodePercent(text: string, pointer: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw malformed('percent_encoding', 'The request target holds malformed percent-encoding.', pointer)
  }
}

function decodeParameter(row: ParameterRow, text: string): ParameterValue {
  if (row.type !== 'array') return decodeScalar(row.type, text)
  const items = row.items ?? 'string'
  // `form` exploded gives one value per occurrence; everything else (`simple`, `form` unexploded) parts by commas.
  if (row.in === 'query' && row.explode) return [decodeScalar(items, text)]
  return text === '' ? [] : text.split(',').map((item) => decodeScalar(items, row.in === 'header' ? item.trim() : item))
}

const INTEGER = /^-?(?:0|[1-9][0-9]*)$/
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

function decodeScalar(type: string, text: string): string | number | boolean {
  if (type === 'string') return text
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (!(type === 'integer' ? INTEGER : NUMBER).test(text)) return text
  const value = Number(text)
  // An integer that a double cannot hold would be validated, and stored, as another number than was sent.
  if (type === 'integer' && !Number.isSafeInteger(value)) return text
  return Number.isFinite(value) ? value : text
}
