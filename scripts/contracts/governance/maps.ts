import type { CheckContext } from '../context.ts'
import type { Fault, Place } from '../finding.ts'
import { childOf, contentOf, follow, placeOf, type SourceOperation } from '../source.ts'
import { fault, type Governance, isNamed } from './documents.ts'
import { componentOf, constantsAt, namesIn } from './schema-path.ts'
import { checkEvent, exists, type MapScope, testedPaths } from './source-event.ts'

/** Every field map against the contract. */
export function* checkMaps(ctx: CheckContext, governance: Governance): Generator<Fault> {
  const { documents, operations } = ctx.source()
  const vendors = new Set<string>()
  for (const map of governance.maps) {
    const { vendor, document: name } = map.data
    if (vendors.has(vendor)) yield fault('map', placeOf(map, 'vendor'), `${vendor} has another field map`)
    vendors.add(vendor)
    const document = documents.find((each) => each.name === name)
    if (document === undefined) {
      yield fault('map', placeOf(map, 'document'), `the contract has no document ${name}`)
      continue
    }
    const own = operations.filter((operation) => operation.document === document)
    yield* checkMap({ ctx, governance, map, document, operations: own, headers: headersIn(own) })
  }
}

function headersIn(operations: readonly SourceOperation[]): Map<string, boolean> {
  const headers = new Map<string, boolean>()
  for (const { value } of operations.flatMap(({ parameters }) => parameters)) {
    if (value.in !== 'header' || typeof value.name !== 'string') continue
    const name = value.name.toLowerCase()
    headers.set(name, value.required === true && headers.get(name) !== false)
  }
  return headers
}

function* checkMap(scope: MapScope): Generator<Fault> {
  const { map } = scope
  yield* checkSignature(scope)
  yield* checkEventNames(scope)
  for (const [name, event] of Object.entries(map.data.events)) {
    const place = placeOf(map, 'events', name)
    const schema = componentOf(scope.document, 'schemas', event.schema)
    if (schema === undefined) continue
    yield* checkEvent(scope, event, schema, place)
  }
}

function* checkSignature({ map, document, operations, headers, ctx }: MapScope): Generator<Fault> {
  const { scheme, headers: names } = map.data.signature
  const at = placeOf(map, 'signature')
  const written = componentOf(document, 'securitySchemes', scheme)
  const definition = written && follow(ctx.files, written)
  if (definition === undefined) {
    yield fault('signature', placeOf(at, 'scheme'), `${document.name} has no security scheme ${scheme}`)
    return
  }
  if (definition.value.name !== names[0]) {
    yield fault('signature', placeOf(at, 'headers', 0), `${scheme} is the header ${String(definition.value.name)}`)
  }
  for (const [index, name] of names.slice(1).entries()) {
    if (headers.has(name.toLowerCase())) continue
    yield fault(
      'signature',
      placeOf(at, 'headers', index + 1),
      `no operation of ${document.name} has the header ${name}`,
    )
  }
  for (const operation of operations.filter(({ isVendor }) => isVendor)) {
    const { security } = operation.value
    if (Array.isArray(security) && security.every((alternative) => isNamed(alternative, scheme))) continue
    yield fault('signature', operation, `${operation.id} can be called without ${scheme}, which the field map demands`)
  }
}

/** Every event schema of the document stands in the map, once, under the name that the event has. */
function* checkEventNames(scope: MapScope): Generator<Fault> {
  const { ctx, map, document, operations } = scope
  const { events, ignored, delivery_schema: delivery, event_name: eventName } = map.data
  const entries = [
    ...Object.entries(events).map(([name, { schema }]) => ({ name, schema, at: placeOf(map, 'events', name) })),
    ...Object.entries(ignored).map(([name, { schema }]) => ({ name, schema, at: placeOf(map, 'ignored', name) })),
  ]
  const root = componentOf(document, 'schemas', delivery)
  if (root === undefined) {
    yield fault('map', placeOf(map, 'delivery_schema'), `${document.name} has no schema ${delivery}`)
    return
  }
  const wanted = new Map<string, Place>(namesIn(root.value).map((name) => [name, root]))
  for (const operation of operations.filter(({ isVendor }) => isVendor)) {
    for (const name of bodySchemasOf(operation)) if (name !== delivery) wanted.set(name, operation)
  }
  const found = new Map<string, string>()
  for (const { name, schema, at } of entries) {
    const other = found.get(schema)
    if (other !== undefined) yield fault('map', at, `${schema} stands under ${other} already`)
    found.set(schema, name)
    if (isNamed(events, name) && isNamed(ignored, name)) yield fault('map', at, `${name} is mapped and ignored`)
    const component = componentOf(document, 'schemas', schema)
    if (component === undefined) {
      yield fault('map', placeOf(at, 'schema'), `${document.name} has no schema ${schema}`)
      continue
    }
    if (!wanted.has(schema))
      yield fault('map', placeOf(at, 'schema'), `no operation of ${document.name} takes a ${schema}`)
    const constants = constantsAt(ctx, component, eventName.from)
    if (constants.length > 0 && !constants.includes(name)) {
      yield fault('map', at, `${schema} is the event ${constants.join(', ')}`)
    }
  }
  for (const [name, at] of wanted) {
    if (!found.has(name) && !name.endsWith('Delivery') && !name.endsWith('Ping')) {
      yield fault('map', at, `${name} is neither mapped nor ignored in ${ctx.files.name(map.file)}`)
    }
  }
  yield* checkCommonPaths(scope)
}

/** Names of the JSON body's schemas. */
export function bodySchemasOf({ requestBody }: SourceOperation): string[] {
  if (requestBody === null) return []
  return contentOf(requestBody)
    .filter(({ mediaType }) => mediaType === 'application/json')
    .flatMap((media) => namesIn(childOf(media, 'schema')?.value))
}

/** Paths that belong to no single event. */
function* checkCommonPaths(scope: MapScope): Generator<Fault> {
  const { map, document } = scope
  const { events, ignored, event_name: eventName, delivery_key: deliveryKey, test_mode: testMode, keep } = map.data
  const schemasOf = (members: Record<string, { schema: string }>) =>
    Object.entries(members).flatMap(([name, { schema }]) => {
      const component = componentOf(document, 'schemas', schema)
      return component === undefined ? [] : [{ name, component }]
    })
  const schemas = schemasOf(events)
  const all = [...schemas, ...schemasOf(ignored)]
  const missing = (path: string) => schemas.filter(({ component }) => !exists(scope, component, path))
  const everywhere: [string, Place][] = [
    [eventName.from, placeOf(map, 'event_name', 'from')],
    ...deliveryKey.of.flatMap((path, index): [string, Place][] =>
      path.startsWith('@') ? [] : [[path, placeOf(map, 'delivery_key', 'of', index)]],
    ),
  ]
  for (const [path, at] of everywhere) {
    const [first] = missing(path)
    if (first !== undefined) yield fault('path', at, `${first.name} has nothing at ${path}`)
  }
  for (const { path, at } of testedPaths(testMode.when, placeOf(map, 'test_mode', 'when'))) {
    if (schemas.length > 0 && missing(path).length === schemas.length) {
      yield fault('path', at, `no event of ${map.data.vendor} has anything at ${path}`)
    }
  }
  for (const [form, paths] of Object.entries(keep)) {
    for (const [index, path] of paths.entries()) {
      if (all.some(({ component }) => exists(scope, component, path))) continue
      yield fault('path', placeOf(map, 'keep', form, index), `no event of ${map.data.vendor} has anything at ${path}`)
    }
  }
}

export function canonicalTagsOf({ value }: SourceOperation): { key: string; names: string[] } | null {
  const key = value['x-canonical-event'] === undefined ? 'x-canonical-events' : 'x-canonical-event'
  const written = value[key]
  if (written === undefined) return null
  return { key, names: (Array.isArray(written) ? written : [written]).filter((name) => typeof name === 'string') }
}
