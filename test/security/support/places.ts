import { follow } from '../../../scripts/contracts/parity/contract.ts'
import { isObject, type Json, type JsonObject } from '../../../scripts/generate/json.ts'
import type { OperationId } from '../../../src/contract.ts'
import { document, listNaturals, type Natural, naturalOf, rowOf } from './request.ts'

/** Where a request names a thing: by an id that another tenant's thing could have. */
export interface Place {
  operationId: OperationId
  /** `path user_id`, `body /replaces/key_id`, `query actor_id`. */
  name: string
  /** Of which things: the path up to the id, or the id's own name where it stands in no path. */
  things: string
  /** The natural request, with this id. */
  withId: (id: string) => Natural
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Every place of an operation, from the contract alone. A parameter with a list of values (a platform) names no row. */
export function placesOf(operationId: OperationId): Place[] {
  return [...pathPlaces(operationId), ...queryPlaces(operationId), ...bodyPlaces(operationId)]
}

function pathPlaces(operationId: OperationId): Place[] {
  const { path } = rowOf(operationId)
  return parametersOf(operationId)
    .filter((parameter) => parameter.in === 'path' && !isEnumerated(parameter))
    .map(({ name: written }) => {
      const name = String(written)
      return {
        operationId,
        name: `path ${name}`,
        things: `${path.slice(0, path.indexOf(`{${name}}`))}{${name}}`,
        withId: (id) => {
          const natural = naturalOf(operationId)
          return { ...natural, params: { ...natural.params, [name]: id } }
        },
      }
    })
}

function queryPlaces(operationId: OperationId): Place[] {
  const { query } = naturalOf(operationId, { isFull: true })
  return [...query]
    .filter(([, value]) => UUID.test(value))
    .map(([name]) => ({
      operationId,
      name: `query ${name}`,
      things: name,
      withId: (id) => ({ ...naturalOf(operationId), query: new URLSearchParams({ [name]: id }) }),
    }))
}

function bodyPlaces(operationId: OperationId): Place[] {
  if (rowOf(operationId).acceptsAnyMediaType) return []
  const places = new Map<string, Place>()
  for (const natural of listNaturals(operationId)) {
    for (const [path, text] of leavesOf(natural.body)) {
      const member = path.filter((step) => typeof step === 'string').at(-1) as string | undefined
      if (member === undefined || !/_ids?$/.test(member) || !UUID.test(text)) continue
      const name = `body ${pointerOf(path)}`
      const withId = (id: string) => ({ ...natural, body: withValue(natural.body, path, id) })
      if (!places.has(name)) places.set(name, { operationId, name, things: member.replace(/s$/, ''), withId })
    }
  }
  return [...places.values()]
}

export function parametersOf(operationId: OperationId): JsonObject[] {
  const { path, method } = rowOf(operationId)
  const written = (document.paths[path]?.[method]?.parameters ?? []) as Json[]
  return written.map((parameter) => follow(document, parameter))
}

function isEnumerated(parameter: JsonObject): boolean {
  return Array.isArray(follow(document, parameter.schema).enum)
}

export type Path = readonly (string | number)[]

export const pointerOf = (path: Path): string => path.map((step) => `/${step}`).join('')

/** Every text in a document, with the way to it. */
export function leavesOf(value: Json, path: Path = []): [Path, string][] {
  if (typeof value === 'string') return [[path, value]]
  if (Array.isArray(value)) return value.flatMap((item, index) => leavesOf(item, [...path, index]))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, member]) => leavesOf(member as Json, [...path, name]))
}

/** The ways to every object in a document, the document itself included. */
export function objectsOf(value: Json, path: Path = []): Path[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => objectsOf(item, [...path, index]))
  if (!isObject(value)) return []
  const inner = Object.entries(value).flatMap(([name, member]) => objectsOf(member as Json, [...path, name]))
  return [path, ...inner]
}

/** A copy with `replacement` at the end of the way, whose objects need not exist yet. */
export function withValue(value: Json, [step, ...rest]: Path, replacement: Json): Json {
  if (step === undefined) return replacement
  if (Array.isArray(value))
    return value.map((item, index) => (index === step ? withValue(item, rest, replacement) : item))
  const members = isObject(value) ? (value as JsonObject) : {}
  return { ...members, [step]: withValue((members[step] ?? null) as Json, rest, replacement) }
}
