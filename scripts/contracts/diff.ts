import type { OpenApiDocument } from '../generate/contract.ts'
import { atPointer, canonical, isObject, type Json, type JsonObject, pointerOf } from '../generate/json.ts'
import { METHODS, type Method } from './source.ts'

export interface Change {
  kind: 'breaking' | 'compatible'
  what: 'added' | 'changed' | 'deprecated' | 'removed'
  /** operationId, of the newer document where it has one. */
  operation: string
  /** In the older document, or in the newer where it is new. */
  path: string
  message: string
  /** Into the newer document: what changed, or what the missing thing was part of. */
  pointer: string
  /** The operation was, and is, a draft: nobody may rely on it yet. */
  isDraft: boolean
}

interface Written {
  document: OpenApiDocument
  node: JsonObject
  pointer: string
}

interface OperationEntry extends Written {
  id: string
  method: Method
  path: string
}

/** Callers send requests and read replies, so the same change can break one and not the other. */
type Direction = 'request' | 'reply'

type Report = (kind: Change['kind'], what: Change['what'], message: string, pointer: string) => void

/** What changed from one contract to the next, operation by operation. Both are bundles. */
export function diffContracts(older: OpenApiDocument, newer: OpenApiDocument): Change[] {
  const before = listOperations(older)
  const after = listOperations(newer)
  const changes: Change[] = []
  for (const [key, old] of before) {
    const now = after.get(key)
    const isDraft = old.node['x-stability'] === 'draft' && (now === undefined || now.node['x-stability'] === 'draft')
    const report: Report = (kind, what, message, pointer) =>
      changes.push({ kind, what, operation: now?.id ?? old.id, path: old.path, message, pointer, isDraft })
    if (now === undefined) {
      const hasPath = newer.paths[old.path] !== undefined
      const message = `${old.method.toUpperCase()} ${old.path} is gone`
      report('breaking', 'removed', message, hasPath ? pointerOf('paths', old.path) : '#/paths')
    } else compareOperations(old, now, report)
  }
  for (const [key, now] of after) {
    if (before.has(key)) continue
    changes.push({
      kind: 'compatible',
      what: 'added',
      operation: now.id,
      path: now.path,
      message: `${now.method.toUpperCase()} ${now.path}`,
      pointer: now.pointer,
      isDraft: now.node['x-stability'] === 'draft',
    })
  }
  return distinct(changes)
}

/** A schema that many statuses share is compared for each of them, and reported once per operation. */
function distinct(changes: Change[]): Change[] {
  return [
    ...new Map(changes.map((change) => [`${change.operation} ${change.message} ${change.pointer}`, change])).values(),
  ]
}

/** By method and path, whatever the path's parameters are called. */
function listOperations(document: OpenApiDocument): Map<string, OperationEntry> {
  const found = new Map<string, OperationEntry>()
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const node = item[method]
      if (!isObject(node)) continue
      const id = String(node.operationId ?? `${method.toUpperCase()} ${path}`)
      const key = `${method} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`
      found.set(key, { document, node, pointer: pointerOf('paths', path, method), id, method, path })
    }
  }
  return found
}

function compareOperations(old: OperationEntry, now: OperationEntry, report: Report): void {
  if (old.id !== now.id) {
    report('breaking', 'changed', `the operationId ${old.id} is now ${now.id}`, `${now.pointer}/operationId`)
  }
  if (old.node.deprecated !== true && now.node.deprecated === true) {
    report(
      'compatible',
      'deprecated',
      `is deprecated, and may be gone after ${String(now.node['x-sunset'])}`,
      `${now.pointer}/deprecated`,
    )
  }
  compareSecurity(old, now, report)
  compareParameters(old, now, report)
  compareRequestBodies(old, now, report)
  compareReplies(old, now, report)
}

const ROLES = ['viewer', 'manager', 'admin']

function compareSecurity(old: OperationEntry, now: OperationEntry, report: Report): void {
  const at = `${now.pointer}/security`
  const alternatives = ({ node }: OperationEntry): string[][] =>
    (Array.isArray(node.security) ? node.security : []).map((row) => Object.keys(isObject(row) ? row : {}))
  const before = alternatives(old)
  const after = alternatives(now)
  const accepts = (held: string[]) =>
    after.length === 0 || after.some((wanted) => wanted.every((scheme) => held.includes(scheme)))
  if (before.length === 0 && after.length > 0) report('breaking', 'changed', 'credentials are needed now', at)
  for (const held of before) {
    if (!accepts(held)) report('breaking', 'changed', `${held.join(' with ')} is not enough any more`, at)
  }
  const rank = ({ node }: OperationEntry) => ROLES.indexOf(String(node['x-required-role'] ?? 'viewer'))
  if (rank(now) > rank(old)) {
    report(
      'breaking',
      'changed',
      `the role ${String(now.node['x-required-role'])} is needed now`,
      `${now.pointer}/x-required-role`,
    )
  }
  const scope = now.node['x-required-scope']
  if (scope !== undefined && scope !== old.node['x-required-scope']) {
    report('breaking', 'changed', `the scope ${String(scope)} is needed now`, `${now.pointer}/x-required-scope`)
  }
}

function parametersOf(entry: OperationEntry): Map<string, Written> {
  const found = new Map<string, Written>()
  const lists: [Json | undefined, string][] = [
    [entry.document.paths[entry.path]?.parameters, pointerOf('paths', entry.path, 'parameters')],
    [entry.node.parameters, `${entry.pointer}/parameters`],
  ]
  for (const [list, base] of lists) {
    for (const [index, written] of (Array.isArray(list) ? list : []).entries()) {
      if (!isObject(written)) continue
      const parameter = resolve({ document: entry.document, node: written, pointer: `${base}/${index}` })
      const { name } = parameter.node
      // The name of a path parameter is nothing that a caller sends.
      const key =
        parameter.node.in === 'path'
          ? `path ${entry.path.indexOf(`{${String(name)}}`)}`
          : `${String(parameter.node.in)} ${String(name)}`
      found.set(key, parameter)
    }
  }
  return found
}

function compareParameters(old: OperationEntry, now: OperationEntry, report: Report): void {
  const before = parametersOf(old)
  const after = parametersOf(now)
  const at = `${now.pointer}/parameters`
  for (const [key, was] of before) {
    const is = after.get(key)
    const label = `the ${String(was.node.in)} parameter ${String(was.node.name)}`
    if (is === undefined) {
      // An unknown header is ignored; an unknown query parameter is refused.
      if (was.node.in !== 'path')
        report(was.node.in === 'header' ? 'compatible' : 'breaking', 'removed', `${label} is gone`, at)
      continue
    }
    if (was.node.required !== true && is.node.required === true) {
      report('breaking', 'changed', `${label} is required now`, `${is.pointer}/required`)
    }
    compareSchemas(child(was, 'schema'), child(is, 'schema'), 'request', label, report)
  }
  for (const [key, is] of after) {
    if (before.has(key) || is.node.in === 'path') continue
    const label = `the ${String(is.node.in)} parameter ${String(is.node.name)}`
    const isRequired = is.node.required === true
    report(
      isRequired ? 'breaking' : 'compatible',
      'added',
      isRequired ? `${label} is new and required` : label,
      is.pointer,
    )
  }
}

function compareRequestBodies(old: OperationEntry, now: OperationEntry, report: Report): void {
  const was = child(old, 'requestBody')
  const is = child(now, 'requestBody')
  if (was === undefined && is !== undefined) {
    const isRequired = resolve(is).node.required === true
    report(isRequired ? 'breaking' : 'compatible', 'added', 'a request body', is.pointer)
  }
  if (was === undefined || is === undefined) {
    if (was !== undefined) report('breaking', 'removed', 'the request body is gone', now.pointer)
    return
  }
  const [before, after] = [resolve(was), resolve(is)]
  if (before.node.required !== true && after.node.required === true) {
    report('breaking', 'changed', 'the request body is required now', `${after.pointer}/required`)
  }
  // What a vendor sends is the vendor's; our schema of it only describes.
  const isVendor = now.node['x-raw-body'] === true
  compareContent(before, after, 'request', 'the request', isVendor ? softened(report) : report)
}

function softened(report: Report): Report {
  return (_kind, what, message, pointer) => report('compatible', what, message, pointer)
}

function compareReplies(old: OperationEntry, now: OperationEntry, report: Report): void {
  const before = isObject(old.node.responses) ? old.node.responses : {}
  const after = isObject(now.node.responses) ? now.node.responses : {}
  for (const status of Object.keys(before)) {
    const was = child(old, 'responses', status)
    const is = child(now, 'responses', status)
    if (was === undefined) continue
    if (is === undefined) {
      report('breaking', 'removed', `the status ${status} is gone`, `${now.pointer}/responses`)
      continue
    }
    const [left, right] = [resolve(was), resolve(is)]
    compareContent(left, right, 'reply', `the ${status}`, report)
    compareHeaders(left, right, status, report)
  }
  for (const status of Object.keys(after)) {
    if (before[status] === undefined)
      report('compatible', 'added', `the status ${status}`, `${now.pointer}/responses/${status}`)
  }
}

function compareHeaders(was: Written, is: Written, status: string, report: Report): void {
  const names = (written: Written) => Object.keys(isObject(written.node.headers) ? written.node.headers : {})
  for (const name of names(was)) {
    const old = child(was, 'headers', name)
    const now = child(is, 'headers', name)
    const isPromised = old !== undefined && resolve(old).node.required === true
    if (now === undefined || (isPromised && resolve(now).node.required !== true)) {
      report(
        isPromised ? 'breaking' : 'compatible',
        'removed',
        `the ${status} does not always have the header ${name} any more`,
        is.pointer,
      )
    }
  }
  for (const name of names(is)) {
    if (!names(was).includes(name))
      report('compatible', 'added', `the header ${name} of the ${status}`, `${is.pointer}/headers/${name}`)
  }
}

function compareContent(was: Written, is: Written, direction: Direction, label: string, report: Report): void {
  const typesOf = (written: Written) => Object.keys(isObject(written.node.content) ? written.node.content : {})
  for (const mediaType of typesOf(was)) {
    if (!typesOf(is).includes(mediaType)) {
      report('breaking', 'removed', `${label} has no ${mediaType} any more`, is.pointer)
      continue
    }
    compareSchemas(
      child(was, 'content', mediaType, 'schema'),
      child(is, 'content', mediaType, 'schema'),
      direction,
      label,
      report,
    )
  }
  for (const mediaType of typesOf(is)) {
    if (!typesOf(was).includes(mediaType))
      report('compatible', 'added', `${mediaType} of ${label.replace(/^the /, '')}`, is.pointer)
  }
}

function compareSchemas(
  was: Written | undefined,
  is: Written | undefined,
  direction: Direction,
  label: string,
  report: Report,
  seen: Set<string> = new Set(),
): void {
  if (was === undefined || is === undefined) return
  const [old, now] = [resolve(was), resolve(is)]
  const key = `${old.pointer} ${now.pointer} ${direction}`
  if (seen.has(key)) return
  seen.add(key)
  if (canonical(old.node) === canonical(now.node) && !JSON.stringify(old.node).includes('"$ref"')) return
  const step = (kind: Change['kind'], message: string, keyword = '') =>
    report(kind, 'changed', `${label}: ${message}`, keyword === '' ? now.pointer : `${now.pointer}/${keyword}`)
  compareTypes(old.node, now.node, direction, step)
  compareBounds(old.node, now.node, direction, step)
  compareProperties(old, now, direction, label, report, seen)
  const descend = (...tokens: (string | number)[]) =>
    compareSchemas(child(old, ...tokens), child(now, ...tokens), direction, `${label}${labelOf(tokens)}`, report, seen)
  for (const keyword of ['items', 'additionalProperties', 'contains', 'not']) descend(keyword)
  for (const keyword of ['allOf', 'anyOf', 'oneOf', 'prefixItems']) {
    const [left, right] = [old.node[keyword], now.node[keyword]]
    const [fewer, more] = [lengthOf(left), lengthOf(right)]
    const isNarrower = keyword === 'allOf' ? more > fewer : more < fewer
    if (fewer !== more) {
      const isBreaking = direction === 'request' ? isNarrower : !isNarrower
      step(isBreaking ? 'breaking' : 'compatible', `${keyword} has ${more} alternatives, and had ${fewer}`, keyword)
    } else for (let index = 0; index < more; index += 1) descend(keyword, index)
  }
}

function labelOf(tokens: (string | number)[]): string {
  return tokens[0] === 'items' ? '[]' : ''
}

function lengthOf(value: Json | undefined): number {
  return Array.isArray(value) ? value.length : 0
}

type Step = (kind: Change['kind'], message: string, keyword?: string) => void

function compareTypes(old: JsonObject, now: JsonObject, direction: Direction, step: Step): void {
  const [before, after] = [typesOf(old), typesOf(now)]
  if (before !== null || after !== null) {
    const lost =
      before === null
        ? after === null
          ? []
          : ['any']
        : before.filter((type) => after !== null && !covers(after, type))
    const gained =
      after === null
        ? before === null
          ? []
          : ['any']
        : after.filter((type) => before !== null && !covers(before, type))
    for (const type of direction === 'request' ? lost : gained) {
      step(
        'breaking',
        direction === 'request' ? `the type ${type} is not taken any more` : `the type ${type} is new`,
        'type',
      )
    }
    for (const type of direction === 'request' ? gained : lost)
      step(
        'compatible',
        `the type ${type} ${direction === 'request' ? 'is taken too' : 'does not come any more'}`,
        'type',
      )
  }
  const [members, present] = [membersOf(old), membersOf(now)]
  if (members === null && present === null) return
  const keyword = now.enum === undefined && now.const !== undefined ? 'const' : 'enum'
  const lost =
    members === null
      ? ['every other value']
      : present === null
        ? []
        : members.filter((member) => !present.includes(member))
  const gained =
    present === null ? ['any value'] : members === null ? [] : present.filter((member) => !members.includes(member))
  const breaking = direction === 'request' ? lost : gained
  const compatible = direction === 'request' ? gained : lost
  const verb = (isLost: boolean) =>
    isLost
      ? direction === 'request'
        ? 'is not taken any more'
        : 'does not come any more'
      : direction === 'request'
        ? 'is taken too'
        : 'is new'
  for (const member of breaking) step('breaking', `${member} ${verb(direction === 'request')}`, keyword)
  for (const member of compatible) step('compatible', `${member} ${verb(direction !== 'request')}`, keyword)
}

function typesOf({ type }: JsonObject): string[] | null {
  return type === undefined ? null : [type].flat().map(String)
}

function covers(types: string[], type: string): boolean {
  return types.includes(type) || (type === 'integer' && types.includes('number'))
}

function membersOf(schema: JsonObject): string[] | null {
  if (schema.const !== undefined) return [JSON.stringify(schema.const)]
  return Array.isArray(schema.enum) ? schema.enum.map((member) => JSON.stringify(member)) : null
}

const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties', 'maxContains']
const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties', 'minContains']

/** A request must not get narrower; that a reply gets wider within its type breaks nobody who reads JSON. */
function compareBounds(old: JsonObject, now: JsonObject, direction: Direction, step: Step): void {
  for (const keyword of [...UPPER, ...LOWER]) {
    const [before, after] = [old[keyword], now[keyword]]
    if (before === after) continue
    const isNarrower =
      typeof after === 'number' &&
      (typeof before !== 'number' || (UPPER.includes(keyword) ? after < before : after > before))
    const kind = direction === 'request' && isNarrower ? 'breaking' : 'compatible'
    step(kind, `${keyword} is ${String(after ?? 'absent')}, and was ${String(before ?? 'absent')}`, keyword)
  }
  for (const keyword of ['pattern', 'format', 'uniqueItems', 'multipleOf']) {
    const [before, after] = [old[keyword], now[keyword]]
    if (before === after) continue
    const isBreaking =
      direction === 'request' ? after !== undefined && after !== false : keyword === 'format' && before !== undefined
    step(
      isBreaking ? 'breaking' : 'compatible',
      `${keyword} is ${String(after ?? 'absent')}, and was ${String(before ?? 'absent')}`,
      keyword,
    )
  }
}

function compareProperties(
  old: Written,
  now: Written,
  direction: Direction,
  label: string,
  report: Report,
  seen: Set<string>,
): void {
  const propertiesOf = ({ node }: Written) => (isObject(node.properties) ? node.properties : {})
  const requiredOf = ({ node }: Written) => (Array.isArray(node.required) ? node.required : []).map(String)
  const [before, after] = [propertiesOf(old), propertiesOf(now)]
  const [must, mustNow] = [requiredOf(old), requiredOf(now)]
  const at = `${now.pointer}/properties`
  for (const name of Object.keys(before)) {
    if (after[name] === undefined) {
      const isOpen = direction === 'request' && now.node.additionalProperties !== false
      report(
        isOpen ? 'compatible' : 'breaking',
        'removed',
        `${label}: the property ${name} is gone`,
        now.node.properties === undefined ? now.pointer : at,
      )
      continue
    }
    const next = `${label}${label.endsWith(']') || /\.\w+$/.test(label) ? '.' : ' '}${name}`
    compareSchemas(child(old, 'properties', name), child(now, 'properties', name), direction, next, report, seen)
  }
  for (const name of Object.keys(after)) {
    if (before[name] !== undefined) continue
    const isDemanded = direction === 'request' && mustNow.includes(name)
    const message = `${label}: the property ${name}${isDemanded ? ' is new and required' : ''}`
    report(isDemanded ? 'breaking' : 'compatible', 'added', message, `${at}/${name}`)
  }
  const requiredAt = now.node.required === undefined ? now.pointer : `${now.pointer}/required`
  const isRequest = direction === 'request'
  const step = (isBreaking: boolean, message: string) =>
    report(isBreaking ? 'breaking' : 'compatible', 'changed', `${label}: ${message}`, requiredAt)
  for (const name of mustNow) {
    if (must.includes(name) || before[name] === undefined) continue
    step(isRequest, `the property ${name} ${isRequest ? 'is required now' : 'is always there now'}`)
  }
  for (const name of must) {
    if (mustNow.includes(name) || after[name] === undefined) continue
    step(!isRequest, `the property ${name} ${isRequest ? 'is optional now' : 'may be absent now'}`)
  }
  const wasOpen = old.node.additionalProperties !== false
  const isOpen = now.node.additionalProperties !== false
  if (wasOpen && !isOpen && direction === 'request') {
    report(
      'breaking',
      'changed',
      `${label}: properties that are not named are refused now`,
      `${now.pointer}/additionalProperties`,
    )
  }
}

function child(written: Written, ...tokens: (string | number)[]): Written | undefined {
  const node = tokens.reduce<Json | undefined>(
    (parent, token) =>
      typeof parent === 'object' && parent !== null ? (parent as JsonObject)[String(token)] : undefined,
    written.node,
  )
  if (!isObject(node)) return undefined
  return { document: written.document, node, pointer: `${written.pointer}${pointerOf(...tokens).slice(1)}` }
}

/** Follows references; keywords beside one stay. */
function resolve(written: Written): Written {
  let { node, pointer } = written
  for (let hops = 0; typeof node.$ref === 'string' && hops < 50; hops += 1) {
    const { $ref, ...siblings } = node
    const target = atPointer(written.document, $ref)
    if (!isObject(target)) break
    node = { ...target, ...siblings }
    pointer = $ref
  }
  return { document: written.document, node, pointer }
}
