import type { JsonObject } from '../../../src/webhooks/lossless-json.ts'
import { type Condition, type FieldRule, type Gift, listOf, type Maps, readMaps, type Test } from './data.ts'
import { bindPath, type Headers, type SourceValues, valuesAt } from './path.ts'
import { MapFault, transforms } from './transform.ts'

export type CanonicalValue = string | bigint | Date

export interface CanonicalEvent {
  event: string
  vendor: string
  sourceEvent: string
  /** A vendor's test mode: never money. Where the endpoint decides, false. */
  isTest: boolean
  /** Of two snapshots of one thing the later one holds; null where the vendor stamps none. */
  versionAt: Date | null
  /** The fields of canonical-events.yaml; an optional one that is not known is absent. */
  fields: Record<string, CanonicalValue>
}

let known: Maps | undefined

/**
 * What a verified delivery says, by the maps in api-contracts/governance. Pure: the same delivery gives the same events.
 * `payload` is read without loss (`parseJson` of src/webhooks/lossless-json.ts); names of headers are in lower case.
 * None where the map ignores the event, or where its conditions do not hold. Throws MapFault.
 */
export function applyFieldMap(
  vendor: string,
  sourceEvent: string,
  payload: JsonObject,
  headers: Headers = {},
  maps: Maps = readMapsOnce(),
): CanonicalEvent[] {
  const map = maps.vendors[vendor]
  if (map === undefined) throw new MapFault('unknown_event', `there is no map of ${vendor}`)
  if (Object.hasOwn(map.ignored, sourceEvent)) return []
  const source = Object.hasOwn(map.events, sourceEvent) ? map.events[sourceEvent] : undefined
  if (source === undefined) throw new MapFault('unknown_event', 'an event that the map does not know')
  const values: SourceValues = { payload, headers }
  const scope = { maps, vendor, values }
  const isTest = holds(values, map.test_mode.when)
  const versionAt = source.version === undefined ? null : versionOf(scope, source.version)
  return source.gives.flatMap((gift) =>
    readGift(scope, gift).map((fields) => ({ event: gift.event, vendor, sourceEvent, isTest, versionAt, fields })),
  )
}

function readMapsOnce(): Maps {
  known ??= readMaps()
  return known
}

interface Scope {
  maps: Maps
  vendor: string
  values: SourceValues
}

function readGift(scope: Scope, gift: Gift): Record<string, CanonicalValue>[] {
  if (gift.when !== undefined && !holds(scope.values, gift.when)) return []
  if (gift.expect !== undefined && !holds(scope.values, gift.expect)) {
    throw new MapFault('topic_body_mismatch', 'the body says otherwise than its topic')
  }
  const [items] = gift.for_each === undefined ? [[null]] : valuesAt(scope.values, gift.for_each)
  return (Array.isArray(items) ? items : []).flatMap((_item, index) => {
    const fields = readFields(scope, gift, index)
    return fields === null ? [] : [fields]
  })
}

/** Null where an amount is 0 and there is no event of nothing. */
function readFields(scope: Scope, gift: Gift, index: number): Record<string, CanonicalValue> | null {
  const canonical = scope.maps.canonical.events[gift.event]?.fields ?? {}
  const values: Record<string, CanonicalValue> = {}
  const pending = new Set<string>()
  // A template or an amount needs other fields, whatever the order in which they are written.
  const field = (name: string): CanonicalValue | undefined => {
    const rule = gift.fields[name]
    if (values[name] !== undefined || rule === undefined) return values[name]
    if (pending.has(name)) throw new Error(`the field ${name} of ${gift.event} needs itself`)
    pending.add(name)
    const value = readField(scope, rule, gift.for_each, index, field)
    if (value !== undefined) values[name] = value
    else if (canonical[name]?.required) throw new MapFault('missing_field', `${gift.event} needs ${name}`)
    return value
  }
  for (const name of Object.keys(gift.fields)) {
    if (field(name) === 0n && canonical[name]?.zero === 'no_event') return null
  }
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
  const specs = rule.transform.map((name) => scope.maps.transforms.transforms[name])
  const run = (values: unknown[]): unknown => {
    let current = values
    for (const name of rule.transform) {
      const transform = transforms[name]
      if (transform === undefined) throw new Error(`there is no transform ${name}`)
      const value = transform({
        values: current,
        vendor: scope.vendor,
        rule,
        previous: () => (rule.previous === undefined ? undefined : at(rule.previous)[0]),
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
  if (candidates.length === 0) return undefined
  if (specs.some((spec) => spec?.many)) return run(candidates) as CanonicalValue | undefined
  for (const candidate of rule.skip_invalid ? candidates : candidates.slice(0, 1)) {
    try {
      return run([candidate]) as CanonicalValue | undefined
    } catch (error) {
      if (!(error instanceof MapFault) || !rule.skip_invalid) throw error
    }
  }
  return undefined
}

function fill(
  template: string,
  at: (path: string) => unknown[],
  field: (name: string) => CanonicalValue | undefined,
): string {
  return template.replace(/\{([^{}]*)\}/g, (_match, name: string) => {
    const value = name.startsWith('/') ? at(name)[0] : field(name)
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new MapFault('missing_field', `the key needs ${name}`)
    }
    return String(value)
  })
}

function versionOf(scope: Scope, rule: FieldRule): Date | null {
  const value = readField(scope, { ...rule, skip_invalid: true }, undefined, 0, () => undefined)
  return value instanceof Date ? value : null
}

/** Whether all of the conditions hold. No conditions never hold. */
function holds(values: SourceValues, conditions: readonly Condition[] | undefined): boolean {
  return (
    conditions?.every((condition) =>
      'any' in condition ? condition.any.some((test) => passes(values, test)) : passes(values, condition),
    ) ?? false
  )
}

function passes(values: SourceValues, test: Test): boolean {
  const found = listOf(test.from).flatMap((path) => valuesAt(values, path))
  if (test.present !== undefined) return found.length > 0 === test.present
  if (found.length === 0) return test.or_absent === true
  const isIn = (list: readonly unknown[]) => found.some((value) => list.includes(value))
  return test.in === undefined ? !isIn(test.not_in ?? []) : isIn(test.in)
}
