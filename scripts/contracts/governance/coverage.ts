import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import { placeOf, type SourceOperation } from '../source.ts'
import type { FieldMap } from './data.ts'
import { fault, type Governance, isNamed, type Written } from './documents.ts'
import { bodySchemasOf, canonicalTagsOf } from './maps.ts'

/** The matrix is complete and says what the maps do; the operations' tags say it too. */
export function* checkCoverage(ctx: CheckContext, governance: Governance): Generator<Fault> {
  const { coverage, canonical, maps } = governance
  const { vendors } = coverage.data
  for (const map of maps) {
    if (!isNamed(vendors, map.data.vendor)) {
      yield fault('coverage', placeOf(coverage, 'vendors'), `${map.data.vendor} has a field map and no line here`)
    }
  }
  for (const [vendor, line] of Object.entries(vendors)) {
    const at = placeOf(coverage, 'vendors', vendor)
    const map = maps.find(({ data }) => data.vendor === vendor)
    if (map === undefined) {
      yield fault('coverage', at, `${vendor} has no field map`)
      continue
    }
    for (const event of Object.keys(canonical.data.events)) {
      if (!isNamed(line, event))
        yield fault('coverage', at, `${vendor} says nothing of ${event}: name its events, or why there are none`)
    }
    for (const [event, { from = [] }] of Object.entries(line)) {
      const place = placeOf(at, event)
      if (!isNamed(canonical.data.events, event)) {
        yield fault('coverage', place, `there is no canonical event ${event}`)
        continue
      }
      const mapped = sourcesOf(map.data, event)
      for (const source of from.filter((name) => !mapped.includes(name))) {
        yield fault(
          'coverage',
          placeOf(place, 'from', from.indexOf(source)),
          `the field map gives no ${event} for ${source}`,
        )
      }
      for (const source of mapped.filter((name) => !from.includes(name))) {
        yield fault('coverage', place, `the field map gives ${event} for ${source}, and the matrix does not`)
      }
    }
  }
  for (const operation of ctx.source().operations) yield* checkTags(governance, operation)
}

function sourcesOf({ events }: FieldMap, event: string): string[] {
  return Object.entries(events)
    .filter(([, { gives }]) => gives.some((gift) => gift.event === event))
    .map(([name]) => name)
}

function* checkTags(governance: Governance, operation: SourceOperation): Generator<Fault> {
  const tags = canonicalTagsOf(operation)
  const map = governance.maps.find(({ data }) => data.document === operation.document.name)
  const at = tags === null ? operation : placeOf(operation, tags.key)
  const unknown = (tags?.names ?? []).filter((name) => !isNamed(governance.canonical.data.events, name))
  for (const name of unknown) yield fault('operation', at, `${operation.id}: there is no canonical event ${name}`)
  if (unknown.length > 0) return
  if (!operation.isVendor || map === undefined) {
    if (operation.isVendor || tags !== null)
      yield fault('operation', at, `${operation.id}: ${operation.document.name} has no field map`)
    return
  }
  const given = givenTo(map, operation)
  const wrong = (tags?.names ?? []).filter((name) => !given.includes(name))
  const missing = given.filter((name) => !tags?.names.includes(name))
  if (wrong.length > 0) yield fault('operation', at, `${operation.id}: the field map gives no ${wrong.join(', ')}`)
  if (missing.length > 0) yield fault('operation', at, `${operation.id}: the field map gives ${missing.join(', ')}`)
}

/** All events where the operation takes every delivery; else what its own event is about. */
function givenTo({ data: map }: Written<FieldMap>, operation: SourceOperation): string[] {
  const names = bodySchemasOf(operation)
  const takesAll = names.includes(map.delivery_schema)
  const events = Object.values(map.events).filter(({ schema }) => takesAll || names.includes(schema))
  const gifts = events.flatMap(({ gives }) => gives).filter(({ role }) => takesAll || role === 'primary')
  return [...new Set(gifts.map(({ event }) => event))]
}
