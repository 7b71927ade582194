import { join } from 'node:path'
import { isObject, type Json, type JsonObject } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import { follow, keyOf, placeOf, type SourceNode } from '../source.ts'
import type { Invariant } from './data.ts'
import { fault, type Governance, isNamed } from './documents.ts'

/** Values of the author, in which nothing is a schema. */
const DATA = new Set(['example', 'examples', 'default', 'const', 'enum', 'value'])

/** Every tagged schema demands what its invariant does; every schema of a governed form is tagged; every entry is used. */
export function* checkInvariants(
  ctx: CheckContext,
  { invariants: written, maps, canonical }: Governance,
): Generator<Fault> {
  const { invariants } = written.data
  const used = new Set<string>()
  const waived = new Map<string, boolean>()
  for (const { untagged = [] } of Object.values(invariants)) {
    for (const { at } of untagged) waived.set(keyOfWaiver(ctx, at), false)
  }
  const vendorFiles = new Set(
    ctx
      .source()
      .documents.filter(({ name }) => maps.some(({ data }) => data.document === name))
      .map(({ file }) => file),
  )
  for (const file of ctx.source().files) {
    for (const node of schemasIn({ file, pointer: '#', value: ctx.files.parse(file) as JsonObject })) {
      const tag = node.value['x-invariant']
      if (tag !== undefined) {
        const at = placeOf(node, 'x-invariant')
        const invariant = isNamed(invariants, String(tag)) ? invariants[String(tag)] : undefined
        used.add(String(tag))
        if (invariant === undefined) yield fault('invariant', at, `there is no invariant ${String(tag)}`)
        else yield* checkTagged(ctx, node, String(tag), invariant)
      } else if (!vendorFiles.has(file)) {
        for (const [id, { tag_where: form }] of Object.entries(invariants)) {
          if (form === undefined || !hasForm(node.value, form)) continue
          if (waived.has(keyOf(node))) waived.set(keyOf(node), true)
          else yield fault('invariant-tag', node, `a schema of this form needs \`x-invariant: ${id}\``)
        }
      }
    }
  }
  for (const [id, { untagged = [] }] of Object.entries(invariants)) {
    const at = placeOf(written, 'invariants', id)
    if (!used.has(id)) yield fault('invariant-unused', at, `no schema is tagged ${id}`)
    for (const [index, waiver] of untagged.entries()) {
      if (waived.get(keyOfWaiver(ctx, waiver.at)) === true) continue
      yield fault(
        'invariant-unused',
        placeOf(at, 'untagged', index),
        `nothing untagged of this form stands at ${waiver.at}`,
      )
    }
  }
  for (const [event, { fields }] of Object.entries(canonical.data.events)) {
    for (const [name, { invariant }] of Object.entries(fields)) {
      if (invariant === undefined || isNamed(invariants, invariant)) continue
      const at = placeOf(canonical, 'events', event, 'fields', name, 'invariant')
      yield fault('invariant', at, `there is no invariant ${invariant}`)
    }
  }
}

function keyOfWaiver(ctx: CheckContext, at: string): string {
  const [file = '', pointer = ''] = at.split('#')
  return `${join(ctx.folder, file)}#${pointer}`
}

function* schemasIn(node: SourceNode): Generator<SourceNode> {
  const isProperties = node.pointer.endsWith('/properties')
  if (
    isObject(node.value) &&
    !isProperties &&
    (node.value.type !== undefined || node.value['x-invariant'] !== undefined)
  ) {
    yield node
  }
  for (const [key, child] of Object.entries(node.value as Record<string, Json>)) {
    if (!isProperties && (DATA.has(key) || key.startsWith('x-'))) continue
    if (typeof child === 'object' && child !== null)
      yield* schemasIn({ ...placeOf(node, key), value: child as JsonObject })
  }
}

function typesOf({ type }: JsonObject): string[] {
  return (Array.isArray(type) ? type : [type]).map(String)
}

function hasForm(schema: JsonObject, form: Record<string, string | number>): boolean {
  return Object.entries(form).every(([key, value]) =>
    key === 'type' ? typesOf(schema).includes(String(value)) : schema[key] === value,
  )
}

function* checkTagged(ctx: CheckContext, node: SourceNode, id: string, invariant: Invariant): Generator<Fault> {
  const target = follow(ctx.files, node)
  const schema = { ...target?.value, ...node.value }
  const wrong = [...broken(schema, invariant)]
  if (wrong.length > 0) yield fault('invariant', placeOf(node, 'x-invariant'), `${id} demands ${wrong.join(', ')}`)
}

/** What of the invariant the schema does not demand. */
function* broken(schema: JsonObject, { demands, nullable }: Invariant): Generator<string> {
  const types = typesOf(schema)
  if (!types.every((type) => type === demands.type || (type === 'null' && nullable)) || !types.includes(demands.type)) {
    yield `the type ${demands.type}${nullable ? ' (or null)' : ''}`
  }
  for (const key of ['format', 'pattern'] as const) {
    if (demands[key] !== undefined && schema[key] !== demands[key]) yield `the ${key} ${demands[key]}`
  }
  const { minimum, maximum, maxLength, enum: values } = schema
  if (demands.minimum !== undefined && !(typeof minimum === 'number' && minimum >= demands.minimum)) {
    yield `a minimum of ${demands.minimum} or more`
  }
  if (demands.maximum !== undefined && !(typeof maximum === 'number' && maximum <= demands.maximum)) {
    yield `a maximum of ${demands.maximum} or less`
  }
  if (demands.max_length !== undefined && !(typeof maxLength === 'number' && maxLength <= demands.max_length)) {
    yield `a maxLength of ${demands.max_length} or less`
  }
  const allowed = demands.values
  if (allowed === undefined) return
  const others = (Array.isArray(values) ? values : []).filter(
    (value) => value !== null && !allowed.includes(String(value)),
  )
  if (!Array.isArray(values)) yield `an enum out of ${allowed.join(', ')}`
  else if (others.length > 0) yield `an enum without ${others.join(', ')}`
}
