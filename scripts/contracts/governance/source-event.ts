import { parsePath, placeholdersOf } from '../../../src/webhooks/normalize/path.ts'
import type { CheckContext } from '../context.ts'
import type { Fault, Place } from '../finding.ts'
import { placeOf, type SourceDocument, type SourceNode, type SourceOperation } from '../source.ts'
import {
  type CanonicalField,
  type Condition,
  type FieldMap,
  type FieldRule,
  type Gift,
  listOf,
  type PartsRule,
  type SourceEvent,
  type Test,
} from './data.ts'
import { fault, type Governance, isNamed, type Written } from './documents.ts'
import { isGuaranteed, schemasAt, typesOf } from './schema-path.ts'

/** What the rules about one map see. */
export interface MapScope {
  ctx: CheckContext
  governance: Governance
  map: Written<FieldMap>
  document: SourceDocument
  operations: SourceOperation[]
  /** Header parameters of the document's operations, in lower case → whether all of them demand it. */
  headers: Map<string, boolean>
}

/** What one source event gives, held against its schema at the vendor and the canonical events. */
export function* checkEvent(scope: MapScope, event: SourceEvent, schema: SourceNode, place: Place): Generator<Fault> {
  const { map, governance } = scope
  const { ordering } = map.data
  if (event.version !== undefined) {
    yield* checkField(scope, schema, event.version, { at: placeOf(place, 'version'), gives: 'instant', gift: null })
  } else if (ordering.rule === 'newest_version' && event.unordered === undefined) {
    yield fault('data', place, 'the vendor is ordered by versions and this event has none')
  }
  for (const tested of testedPaths(event.expect, placeOf(place, 'expect'))) yield* checkTest(scope, schema, tested)
  const seen = new Set<string>()
  for (const [index, gift] of event.gives.entries()) {
    const at = placeOf(place, 'gives', index)
    const canonical = governance.canonical.data.events[gift.event]
    if (canonical === undefined) {
      yield fault('event', placeOf(at, 'event'), `there is no canonical event ${gift.event}`)
      continue
    }
    if (seen.has(gift.event)) yield fault('event', placeOf(at, 'event'), `${gift.event} is given twice`)
    seen.add(gift.event)
    yield* checkGift(scope, schema, gift, canonical.fields, at)
  }
  for (const [index, parts] of (event.parts ?? []).entries())
    yield* checkParts(scope, schema, parts, placeOf(place, 'parts', index))
}

/** The fields of the parts, which no delivery is dead for: what is missing is not known. */
function* checkParts(scope: MapScope, schema: SourceNode, { when, fields }: PartsRule, at: Place): Generator<Fault> {
  for (const tested of testedPaths(when, placeOf(at, 'when'))) yield* checkTest(scope, schema, tested)
  const canonical = scope.governance.canonical.data.parts
  for (const [name, { required }] of Object.entries(canonical)) {
    if (required && fields[name] === undefined)
      yield fault('field', placeOf(at, 'fields'), `the parts need ${name}, and nothing is mapped to it`)
  }
  const gift: Gift = { event: 'parts', role: 'also', fields }
  for (const [name, rule] of Object.entries(fields)) {
    const place = placeOf(at, 'fields', name)
    const field = canonical[name]
    if (field === undefined) yield fault('field', place, `the parts have no field ${name}`)
    else yield* checkField(scope, schema, rule, { at: place, gives: field.type, gift })
  }
}

function* checkGift(
  scope: MapScope,
  schema: SourceNode,
  gift: Gift,
  canonical: Record<string, CanonicalField>,
  at: Place,
): Generator<Fault> {
  if (gift.for_each !== undefined) {
    const types = typesOf(scope.ctx, schemasAt(scope.ctx, schema, gift.for_each))
    if (!types.has('array')) yield fault('path', placeOf(at, 'for_each'), `there is no list at ${gift.for_each}`)
  }
  for (const part of ['when', 'expect', 'counts_when', 'prevails_when'] as const) {
    for (const tested of testedPaths(gift[part], placeOf(at, part))) yield* checkTest(scope, schema, tested)
  }
  if (gift.list !== undefined && gift.fields.list_key === undefined) {
    yield fault('field', placeOf(at, 'list'), `it says something of a list, and nothing is mapped to list_key`)
  }
  if (gift.list === 'whole' && gift.for_each === undefined) {
    yield fault('field', placeOf(at, 'list'), 'a whole list has items: say `for_each`')
  }
  if (gift.counts_when !== undefined && gift.fields.amount_minor === undefined) {
    yield fault('field', placeOf(at, 'counts_when'), `${gift.event} has no amount that could count`)
  }
  for (const [name, field] of Object.entries(canonical)) {
    if (field.required && gift.fields[name] === undefined) {
      yield fault('field', placeOf(at, 'fields'), `${gift.event} needs ${name}, and nothing is mapped to it`)
    }
  }
  for (const [name, rule] of Object.entries(gift.fields)) {
    const place = placeOf(at, 'fields', name)
    const field = canonical[name]
    if (field === undefined) yield fault('field', place, `${gift.event} has no field ${name}`)
    else yield* checkField(scope, schema, rule, { at: place, gives: field.type, gift, field })
  }
}

function* checkTest(
  scope: MapScope,
  schema: SourceNode,
  { path, at, test }: { path: string; at: Place; test: Test },
): Generator<Fault> {
  if (!exists(scope, schema, path)) {
    yield fault('path', at, `the vendor's schema has nothing at ${path}`)
    return
  }
  const types =
    'header' in parsePath(path) ? new Set(['string']) : typesOf(scope.ctx, schemasAt(scope.ctx, schema, path))
  for (const value of [...(test.in ?? []), ...(test.not_in ?? [])]) {
    if (types.has(typeof value) || (typeof value === 'number' && types.has('integer'))) continue
    yield fault('type', at, `${path} is ${[...types].join(' or ')} and never ${JSON.stringify(value)}`)
  }
}

interface FieldScope {
  at: Place
  /** The type that the transforms must end with. */
  gives: string
  gift: Gift | null
  field?: CanonicalField
}

function* checkField(scope: MapScope, schema: SourceNode, rule: FieldRule, target: FieldScope): Generator<Fault> {
  const { at, gift, field } = target
  const froms = listOf(rule.from)
  for (const [index, path] of froms.entries()) {
    if (exists(scope, schema, path)) continue
    const place = Array.isArray(rule.from) ? placeOf(at, 'from', index) : placeOf(at, 'from')
    yield fault('path', place, `the vendor's schema has nothing at ${path}`)
  }
  for (const { path, at: place } of parameterPaths(rule, at)) {
    if (!exists(scope, schema, path)) yield fault('path', place, `the vendor's schema has nothing at ${path}`)
  }
  yield* checkTemplate(scope, schema, rule, target)
  yield* checkChain(scope, schema, rule, target)
  const isSure =
    froms.length === 0 || froms.some((path) => isPresent(scope, schema, path, gift)) || rule.on_missing === 'dead'
  const keys = placeholdersOf(rule.template ?? '').paths
  const areSure = rule.on_missing === 'dead' || keys.every((path) => isPresent(scope, schema, path, gift))
  if (field?.required === true && !(isSure && areSure)) {
    yield fault(
      'optional',
      at,
      'the vendor may leave it out: say `on_missing: dead`, or name a path that is always there',
    )
  }
}

function parameterPaths(
  { balance = {}, released = {}, explained_by: sums = {}, less = [] }: ParameterPaths,
  at: Place,
): { path: string; at: Place }[] {
  return [
    ...Object.entries(released).map(([name, path]) => ({ path, at: placeOf(at, 'released', name) })),
    ...less.map((path, index) => ({ path, at: placeOf(at, 'less', index) })),
    ...Object.entries(balance).map(([name, path]) => ({ path, at: placeOf(at, 'balance', name) })),
    ...Object.entries(sums).flatMap(([name, paths]) =>
      paths.map((path, index) => ({ path, at: placeOf(at, 'explained_by', name, index) })),
    ),
  ]
}

interface ParameterPaths {
  balance?: Record<string, string>
  released?: Record<string, string>
  explained_by?: Record<string, string[]>
  less?: string[]
}

/** Guaranteed by the schema, by a header that must be there, by a condition, or as part of the item that is read. */
function isPresent({ ctx, headers }: MapScope, schema: SourceNode, path: string, gift: Gift | null): boolean {
  const parsed = parsePath(path)
  if ('header' in parsed) return headers.get(parsed.header.toLowerCase()) === true
  const forEach = gift?.for_each
  if (forEach !== undefined && path.startsWith(`${forEach}/*/`)) {
    const [item] = schemasAt(ctx, schema, `${forEach}/*`)
    return item !== undefined && isGuaranteed(ctx, item, path.slice(`${forEach}/*`.length))
  }
  const isAsked = gift?.when?.some((test) => 'present' in test && test.present && listOf(test.from).join() === path)
  return isAsked === true || isGuaranteed(ctx, schema, path)
}

function* checkTemplate(
  scope: MapScope,
  schema: SourceNode,
  rule: FieldRule,
  { at, gift }: FieldScope,
): Generator<Fault> {
  if (rule.template === undefined) return
  const { fields, paths } = placeholdersOf(rule.template)
  for (const path of paths) {
    if (exists(scope, schema, path)) continue
    yield fault('path', placeOf(at, 'template'), `the vendor's schema has nothing at ${path}`)
  }
  for (const name of fields) {
    if (gift !== null && isNamed(gift.fields, name)) continue
    yield fault('field', placeOf(at, 'template'), `the template names the field ${name}, which is not mapped here`)
  }
  if (fields.length + paths.length === 0) {
    yield fault('field', placeOf(at, 'template'), 'the template gives every event the same key')
  }
}

/** Each transform takes what comes before it, and the last gives what the field is. */
function* checkChain(scope: MapScope, schema: SourceNode, rule: FieldRule, target: FieldScope): Generator<Fault> {
  const { ctx, governance } = scope
  const { at, gives, gift, field } = target
  const froms = listOf(rule.from).filter((path) => exists(scope, schema, path))
  let types = new Set(
    froms.flatMap((path) =>
      'header' in parsePath(path) ? ['string'] : [...typesOf(ctx, schemasAt(ctx, schema, path))],
    ),
  )
  const used = new Set<string>()
  for (const [index, name] of rule.transform.entries()) {
    const place = placeOf(at, 'transform', index)
    const transform = governance.transforms.data.transforms[name]
    if (transform === undefined) {
      yield fault('type', place, `there is no transform ${name}`)
      return
    }
    const { takes, parameters = [], needs } = transform
    const odd = [...types].filter((type) => !takes.includes(type))
    if (odd.length > 0)
      yield fault('type', place, `${name} takes ${takes.join(', ') || 'nothing'}, and this is ${odd.join(', ')}`)
    if (index === 0 && takes.length > 0 && rule.from === undefined) yield fault('type', place, `${name} needs \`from\``)
    if (needs !== undefined && gift !== null && !isNamed(gift.fields, needs)) {
      yield fault('field', place, `${name} needs the field ${needs}, which is not mapped here`)
    }
    for (const parameter of parameters) {
      used.add(parameter)
      if (rule[parameter] === undefined) yield fault('type', place, `${name} needs \`${parameter}\``)
    }
    types = new Set([transform.gives])
  }
  if (!types.has(gives)) yield fault('type', at, `the transforms give ${[...types].join()}, and the field is ${gives}`)
  for (const parameter of ['template', 'released', 'table', 'value', 'balance', 'explained_by', 'less'] as const) {
    if (rule[parameter] !== undefined && !used.has(parameter)) {
      yield fault('type', placeOf(at, parameter), `no transform of this field uses \`${parameter}\``)
    }
  }
  const choices = field?.values
  if (choices === undefined) return
  const given = [...Object.entries(rule.table ?? {}), ...(rule.value === undefined ? [] : [['', rule.value] as const])]
  for (const [key, value] of given) {
    if (choices.includes(value)) continue
    const place = key === '' ? placeOf(at, 'value') : placeOf(at, 'table', key)
    yield fault('type', place, `the field is ${choices.join(' or ')}, and never ${value}`)
  }
}

export function exists({ ctx, headers }: MapScope, schema: SourceNode, path: string): boolean {
  const parsed = parsePath(path)
  return 'header' in parsed ? headers.has(parsed.header.toLowerCase()) : schemasAt(ctx, schema, path).length > 0
}

export function* testedPaths(
  conditions: readonly Condition[] | undefined,
  at: Place,
): Generator<{ path: string; at: Place; test: Test }> {
  for (const [index, condition] of (conditions ?? []).entries()) {
    const tests: [Test, Place][] =
      'any' in condition
        ? condition.any.map((test, inner) => [test, placeOf(at, index, 'any', inner)])
        : [[condition, placeOf(at, index)]]
    for (const [test, place] of tests) {
      for (const path of listOf(test.from)) yield { path, at: placeOf(place, 'from'), test }
    }
  }
}
