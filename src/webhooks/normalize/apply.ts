import type { JsonObject } from '../lossless-json.ts'
import { type Condition, type FieldRule, fieldMaps, type Gift, type Maps, type Test } from './field-map.ts'
import { listOf } from './lists.ts'
import { bindPath, type Headers, placeholdersOf, type SourceValues, valuesAt } from './path.ts'
import { MapFault, transforms } from './transform.ts'

/** Far beyond any order: the events of a delivery are entered in one transaction. */
const MAX_ITEMS = 500

export type CanonicalValue = string | bigint | Date

export interface MappedEvent {
  event: string
  vendor: string
  sourceEvent: string
  /** A vendor's test mode: never money. Where the endpoint decides, false. */
  isTest: boolean
  /** Of two snapshots of one thing the later one holds; null where the vendor stamps none. */
  versionAt: Date | null
  /** What it says of a list of movements: an item, all of them, their sum, or a claim; null where it is about none. */
  list: 'item' | 'whole' | 'sum' | 'claim' | null
  /** False: what it is about moved no money, or does so no longer. */
  counts: boolean
  /** It stands before what does not, whatever the versions. */
  prevails: boolean
  /** The fields of canonical-events.yaml; an optional one that is not known is absent. */
  fields: Record<string, CanonicalValue>
}

/**
 * What a delivery says, by the maps in api-contracts/governance. Pure: the same delivery gives the same events.
 * `payload` is read without loss (`parseJson`), or stored; names of headers are in lower case. None where the map ignores
 * the event, or where its conditions do not hold. Throws MapFault.
 */
export function applyFieldMap(
  vendor: string,
  sourceEvent: string,
  payload: JsonObject,
  headers: Headers = {},
  { maps = fieldMaps, shop = null }: { maps?: Maps; shop?: string | null } = {},
): MappedEvent[] {
  const map = Object.hasOwn(maps.vendors, vendor) ? maps.vendors[vendor] : undefined
  if (map === undefined) throw new MapFault('unknown_event', `there is no map of ${vendor}`)
  if (Object.hasOwn(map.ignored, sourceEvent)) return []
  const source = Object.hasOwn(map.events, sourceEvent) ? map.events[sourceEvent] : undefined
  if (source === undefined) throw new MapFault('unknown_event', 'an event that the map does not know')
  const values: SourceValues = { payload, headers }
  const scope = { maps, vendor, shop, values }
  requireExpected(values, source.expect)
  const isTest = isMarkedTest(values, map.test_mode.when)
  const versionAt = source.version === undefined ? null : versionOf(scope, source.version)
  return source.gives.flatMap((gift) =>
    readGift(scope, gift).map((given) => ({ event: gift.event, vendor, sourceEvent, isTest, versionAt, ...given })),
  )
}

/** Whether the vendor marks the delivery as one of its test mode. */
export function isTestDelivery(vendor: string, payload: JsonObject, headers: Headers): boolean {
  return isMarkedTest({ payload, headers }, fieldMaps.vendors[vendor]?.test_mode.when)
}

function requireExpected(values: SourceValues, expected: readonly Condition[] | undefined): void {
  if (expected === undefined || holds(values, expected)) return
  throw new MapFault('topic_body_mismatch', 'the body says otherwise than its topic')
}

export interface Scope {
  maps: Maps
  vendor: string
  shop: string | null
  values: SourceValues
}

type Given = Pick<MappedEvent, 'list' | 'counts' | 'prevails' | 'fields'>

function readGift(scope: Scope, gift: Gift): Given[] {
  if (gift.when !== undefined && !isGiven(scope.values, gift.when)) return []
  requireExpected(scope.values, gift.expect)
  const counts = gift.counts_when === undefined || isGiven(scope.values, gift.counts_when)
  const prevails = gift.prevails_when !== undefined && holds(scope.values, gift.prevails_when)
  const give = (fields: Record<string, CanonicalValue>, list: MappedEvent['list']): Given => ({
    list: fields.list_key === undefined ? null : list,
    counts,
    prevails,
    fields,
  })
  const items = gift.for_each === undefined ? [null] : itemsAt(scope, gift.for_each, gift.list)
  const given = items.map((_item, index) => give(readFields(scope, gift, index), kindOf(gift)))
  return gift.list === 'whole' ? [...given, give(readWhole(scope, gift), 'whole')] : given
}

/** What is read with all fields of a gift; that the items are all there are comes besides. */
function kindOf({ list }: Gift): NonNullable<MappedEvent['list']> {
  return list === undefined || list === 'whole' ? 'item' : list
}

function itemsAt(scope: Scope, path: string, list: Gift['list']): unknown[] {
  const [items] = valuesAt(scope.values, path)
  if (items === undefined && list === 'whole') throw new MapFault('missing_field', 'missing', path)
  if (items !== undefined && !Array.isArray(items)) throw new MapFault('wrong_type', 'not a list', path)
  if (items !== undefined && items.length > MAX_ITEMS)
    throw new MapFault('too_many_items', `more than ${MAX_ITEMS} items`, path)
  return items ?? []
}

/** That the items are all there are: what is not of one of them, under the key of the list. */
function readWhole(scope: Scope, gift: Gift): Record<string, CanonicalValue> {
  const isOfItem = (rule: FieldRule) => pathsOf(rule).some((path) => path.startsWith(`${gift.for_each}/*`))
  const shared = Object.entries(gift.fields).filter(([, rule]) => !isOfItem(rule))
  const fields = readFields(scope, { ...gift, fields: Object.fromEntries(shared) }, 0)
  return { ...fields, entry_key: fields.list_key as string, amount_minor: 0n }
}

/** The fields of a gift, for the item of that index. Throws MapFault. */
export function readFields(
  scope: Scope,
  gift: Pick<Gift, 'event' | 'fields' | 'for_each'>,
  index: number,
): Record<string, CanonicalValue> {
  const canonical = scope.maps.canonical.events[gift.event]?.fields ?? {}
  const values: Record<string, CanonicalValue> = {}
  const pending = new Set<string>()
  const absent = new Set<string>()
  // A template or an amount needs other fields, whatever the order in which they are written.
  const field = (name: string): CanonicalValue | undefined => {
    const rule = gift.fields[name]
    if (values[name] !== undefined || rule === undefined || absent.has(name)) return values[name]
    if (pending.has(name)) throw new Error(`the field ${name} of ${gift.event} needs itself`)
    pending.add(name)
    const value = locating(rule, () => readField(scope, rule, gift.for_each, index, field))
    if (value !== undefined) values[name] = value
    else if (canonical[name]?.required) throw new MapFault('missing_field', 'missing', placeOf(rule))
    else absent.add(name)
    return value
  }
  for (const name of Object.keys(gift.fields)) field(name)
  return values
}

function readField(
  scope: Scope,
  rule: FieldRule,
  forEach: string | undefined,
  index: number,
  field: (name: string) => CanonicalValue | undefined,
): CanonicalValue | undefined {
  const at = (path: string) => valuesAt(scope.values, bindPath(path, forEach, index))
  const run = (values: unknown[]): unknown => {
    let current = values
    for (const name of rule.transform) {
      const transform = transforms[name]
      if (transform === undefined) throw new Error(`there is no transform ${name}`)
      const value = transform({
        values: current,
        vendor: scope.vendor,
        shop: scope.shop,
        rule,
        at,
        field,
        filled: () => fill(rule.template ?? '', at, field),
      })
      if (value === undefined) return undefined
      current = [value]
    }
    return current[0]
  }
  if (rule.from === undefined) return run([]) as CanonicalValue | undefined
  const candidates = listOf(rule.from).flatMap(at)
  const uses = (trait: 'many' | 'none') =>
    rule.transform.some((name) => scope.maps.transforms.transforms[name]?.[trait])
  if (candidates.length === 0 && !uses('none')) return undefined
  if (uses('many')) return run(candidates) as CanonicalValue | undefined
  for (const candidate of rule.skip_invalid ? candidates : candidates.slice(0, 1)) {
    try {
      return run([candidate]) as CanonicalValue | undefined
    } catch (error) {
      if (!(error instanceof MapFault) || !rule.skip_invalid) throw error
    }
  }
  return undefined
}

/** A fault out of `read` is told where it was found. */
function locating<T>(rule: FieldRule, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof MapFault) || error.at !== null) throw error
    throw new MapFault(error.code, error.message, placeOf(rule))
  }
}

function placeOf(rule: FieldRule): string | null {
  const paths = pathsOf(rule)
  return paths.length === 0 ? null : paths.join(' or ')
}

function pathsOf({ from, template }: FieldRule): string[] {
  return [...listOf(from), ...placeholdersOf(template ?? '').paths]
}

function fill(
  template: string,
  at: (path: string) => unknown[],
  field: (name: string) => CanonicalValue | undefined,
): string {
  return template.replace(/\{([^{}]*)\}/g, (_match, name: string) => {
    const value = name.startsWith('/') ? at(name)[0] : field(name)
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new MapFault('missing_field', 'missing', name.startsWith('/') ? name : null)
    }
    return String(value)
  })
}

/** Null where it is missing or no time. */
export function versionOf(scope: Scope, rule: FieldRule): Date | null {
  const value = readField(scope, { ...rule, skip_invalid: true }, undefined, 0, () => undefined)
  return value instanceof Date ? value : null
}

function isMarkedTest(values: SourceValues, marks: readonly Condition[] | undefined): boolean {
  return marks !== undefined && holds(values, marks)
}

/** Throws MapFault where the value is missing that would decide it: an event that may have been is not passed over. */
function isGiven(values: SourceValues, conditions: readonly Condition[]): boolean {
  const decision = decide(values, conditions)
  if (typeof decision === 'boolean') return decision
  throw new MapFault('missing_field', 'missing', listOf(decision.from).join(' or '))
}

/** Whether all of the conditions hold, so that nothing that is missing leaves it open. */
export function holds(values: SourceValues, conditions: readonly Condition[]): boolean {
  return decide(values, conditions) === true
}

/** Whether all of the conditions hold; where a missing value leaves that open, the test that asks for it. */
function decide(values: SourceValues, conditions: readonly Condition[]): boolean | Test {
  const decisions = conditions.map((condition) =>
    'any' in condition ? decideAny(values, condition.any) : ask(values, condition),
  )
  if (decisions.includes(false)) return false
  return decisions.find((decision) => decision !== true) ?? true
}

/** What is missing leaves it open only where nothing else is there to decide it. */
function decideAny(values: SourceValues, tests: readonly Test[]): boolean | Test {
  const decisions = tests.map((test) => ask(values, test))
  if (decisions.includes(true)) return true
  return decisions.includes(false) ? false : (decisions[0] ?? false)
}

function ask(values: SourceValues, test: Test): boolean | Test {
  const found = listOf(test.from).flatMap((path) => valuesAt(values, path))
  if (test.present !== undefined) return found.length > 0 === test.present
  if (found.length === 0) return test.or_absent === true ? true : test
  const isIn = (list: readonly unknown[]) => found.some((value) => list.includes(value))
  return test.in === undefined ? !isIn(test.not_in ?? []) : isIn(test.in)
}
