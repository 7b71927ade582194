import { follow } from '../../../scripts/contracts/parity/contract.ts'
import { isObject, type Json, type JsonObject } from '../../../scripts/generate/json.ts'
import type { OperationId } from '../../../src/contract.ts'
import { leavesOf, type Path, parametersOf, pointerOf, withValue } from './places.ts'
import { document, listNaturals, type Natural, naturalOf, rowOf } from './request.ts'

/** Where a request takes text, whatever the text must be like. */
export interface TextPlace {
  /** `body /touchpoints/0/campaign`, `query limit`, `path order_id`, `header if-match`. */
  name: string
  withText: (text: string) => Natural
}

/** Every one of an operation: what the contract's examples show, and what its schemas have besides. */
export function textPlacesOf(operationId: OperationId): TextPlace[] {
  const parameters = parametersOf(operationId).map(({ name, in: at }): TextPlace => {
    return { name: `${at} ${name}`, withText: (text) => withParameter(operationId, String(at), String(name), text) }
  })
  return [...parameters, ...bodyTexts(operationId)]
}

function withParameter(operationId: OperationId, at: string, name: string, text: string): Natural {
  const natural = naturalOf(operationId)
  if (at === 'path') return { ...natural, params: { ...natural.params, [name]: text } }
  if (at === 'header') return { ...natural, headers: { ...natural.headers, [name.toLowerCase()]: text } }
  const query = new URLSearchParams(natural.query)
  query.set(name, text)
  return { ...natural, query }
}

function bodyTexts(operationId: OperationId): TextPlace[] {
  const places = new Map<string, TextPlace>()
  for (const natural of listNaturals(operationId)) {
    if (!isObject(natural.body)) continue
    const schemaPaths = textMembersOf(bodySchemaOf(operationId))
    for (const path of [...leavesOf(natural.body).map(([leaf]) => leaf), ...schemaPaths]) {
      // One item of a list stands for all.
      if (path.some((step) => typeof step === 'number' && step > 0)) continue
      const name = `body ${pointerOf(path)}`
      const withText = (text: string) => ({ ...natural, body: withValue(natural.body, path, text) })
      if (!places.has(name)) places.set(name, { name, withText })
    }
  }
  return [...places.values()]
}

/** Of the first media type: all of an operation have the same schema, or none. */
export function bodySchemaOf(operationId: OperationId): JsonObject {
  const { path, method } = rowOf(operationId)
  const body = document.paths[path]?.[method]?.requestBody
  if (body === undefined) return {}
  const [media] = Object.values(follow(document, body).content as JsonObject)
  return follow(document, (media as JsonObject).schema)
}

/** The schema itself and what it is put together of. */
export function branchesOf(schema: JsonObject): JsonObject[] {
  const parts = ['allOf', 'oneOf', 'anyOf'].flatMap((keyword) => (schema[keyword] ?? []) as Json[])
  return [schema, ...parts.flatMap((part) => branchesOf(follow(document, part)))]
}

/** The ways to the members that the schema declares as text, down to objects within objects. */
function textMembersOf(schema: JsonObject, path: Path = []): Path[] {
  // Deeper than any of our bodies: a schema may hold itself.
  if (path.length > 4) return []
  return branchesOf(schema).flatMap(({ properties }) =>
    Object.entries((properties ?? {}) as JsonObject).flatMap(([name, written]): Path[] => {
      const member = follow(document, written)
      const isText = [member.type].flat().includes('string')
      return [...(isText ? [[...path, name]] : []), ...textMembersOf(member, [...path, name])]
    }),
  )
}

/** The names of all members that the schema declares, at its top, or at any depth. */
export function membersOf(schema: JsonObject, isDeep: boolean, depth = 0): Set<string> {
  const names = new Set<string>()
  if (depth > 6) return names
  for (const branch of branchesOf(schema)) {
    const properties = (branch.properties ?? {}) as JsonObject
    for (const name of Object.keys(properties)) names.add(name)
    if (!isDeep) continue
    const inner = [...Object.values(properties), branch.items, branch.additionalProperties].filter(isObject)
    for (const one of inner) for (const name of membersOf(follow(document, one), true, depth + 1)) names.add(name)
  }
  return names
}
