import { isObject, type Json, type JsonObject } from '../../generate/json.ts'
import { type ContractDocument, follow } from './contract.ts'
import { type Kind, kindOf } from './shape.ts'

/**
 * What a value may be, as a choice of conjunctions: it fits the schema if all members of one of them hold. `allOf` and
 * what stands beside it are joined, `oneOf`, `anyOf` and the two ends of `if` are choices; `not` permits everything.
 */
export type Permission = readonly (readonly JsonObject[])[]

/** Bound of a product of choices; above it the rest is taken as permitted. */
const MAX_CHOICES = 256
const ALL_KINDS: readonly Kind[] = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object']

export function permissionOf(document: ContractDocument, schema: Json | undefined): Permission {
  if (!isObject(schema)) return [[]]
  const node = follow(document, schema)
  const beside = node === schema ? [] : permissionOf(document, besideReference(schema))
  const { allOf, oneOf, anyOf, if: condition, then, else: otherwise, ...plain } = node
  const choices = (list: Json | undefined) =>
    Array.isArray(list) ? list.flatMap((branch) => permissionOf(document, branch)) : [[]]
  const conditional = condition === undefined ? [[]] : choices([then ?? {}, otherwise ?? {}])
  const parts: Permission[] = [
    [[plain]],
    ...(Array.isArray(allOf) ? allOf.map((part) => permissionOf(document, part)) : []),
    choices(oneOf),
    choices(anyOf),
    conditional,
    ...(beside.length === 0 ? [] : [beside]),
  ]
  return parts.reduce((all, part) =>
    all.flatMap((left) => part.map((right) => [...left, ...right])).slice(0, MAX_CHOICES),
  )
}

function besideReference({ $ref: _, ...beside }: JsonObject): JsonObject {
  return beside
}

export function permittedKinds(permission: Permission): Set<Kind> {
  return new Set(
    permission.flatMap((schemas) =>
      ALL_KINDS.filter((kind) => schemas.every((schema) => kindsOf(schema).includes(kind))),
    ),
  )
}

function kindsOf(schema: JsonObject): readonly Kind[] {
  if (schema.type === undefined) {
    const values = schema.const === undefined ? schema.enum : [schema.const]
    return Array.isArray(values) ? values.flatMap((value) => widen(kindOf(value))) : ALL_KINDS
  }
  return ([schema.type].flat() as Kind[]).flatMap((kind) => (kind === 'number' ? ['integer', 'number'] : [kind]))
}

/** A whole number is an integer to the schema, however it is meant. */
function widen(kind: Kind): Kind[] {
  return kind === 'integer' ? ['integer', 'number'] : [kind]
}

/** What a member may be; null where no choice knows its name and all are closed. */
export function memberOf(document: ContractDocument, permission: Permission, name: string): Permission | null {
  const choices = objectChoices(permission).flatMap((schemas): Permission => {
    const own = schemas.flatMap(({ properties }) =>
      isObject(properties) && Object.hasOwn(properties, name) ? [permissionOf(document, properties[name])] : [],
    )
    if (own.length > 0)
      return own.reduce((all, part) => all.flatMap((left) => part.map((right) => [...left, ...right])))
    if (schemas.some(isClosed)) return []
    const open = schemas.flatMap(({ additionalProperties: rest }) =>
      isObject(rest) ? [permissionOf(document, rest)] : [],
    )
    return open[0] ?? [[]]
  })
  return choices.length === 0 ? null : choices
}

/** Members without which no choice fits. */
export function requiredMembers(permission: Permission): string[] {
  const lists = objectChoices(permission).map((schemas) =>
    schemas.flatMap(({ required }) => (Array.isArray(required) ? required.map(String) : [])),
  )
  const [first = [], ...others] = lists
  return [...new Set(first)].filter((name) => others.every((list) => list.includes(name)))
}

export function itemOf(document: ContractDocument, permission: Permission): Permission {
  return choicesOf(permission, 'array').flatMap((schemas) => {
    const items = schemas.flatMap(({ items: written }) => (isObject(written) ? [permissionOf(document, written)] : []))
    return items.length === 0
      ? [[]]
      : items.reduce((all, part) => all.flatMap((left) => part.map((right) => [...left, ...right])))
  })
}

/** The formats of which a text must have one; empty where a choice asks for none. */
export function permittedFormats(permission: Permission): string[] {
  const lists = choicesOf(permission, 'string').map((schemas) =>
    schemas.flatMap(({ format }) => (typeof format === 'string' ? [format] : [])),
  )
  return lists.some((list) => list.length === 0) ? [] : [...new Set(lists.flat())]
}

/** The values of which one must be taken; null where a choice leaves it open. */
export function permittedValues(permission: Permission, kind: Kind): Set<Json> | null {
  const lists = choicesOf(permission, kind).map((schemas) =>
    schemas.flatMap((schema) => (schema.const === undefined ? ((schema.enum ?? []) as Json[]) : [schema.const])),
  )
  return lists.length === 0 || lists.some((list) => list.length === 0) ? null : new Set(lists.flat())
}

function isClosed(schema: JsonObject): boolean {
  return schema.additionalProperties === false || schema.unevaluatedProperties === false
}

function objectChoices(permission: Permission): Permission {
  return choicesOf(permission, 'object')
}

function choicesOf(permission: Permission, kind: Kind): Permission {
  return permission.filter((schemas) => schemas.every((schema) => kindsOf(schema).includes(kind)))
}
