import type { Content, Contract, Operation, Parameter, Reply } from '../contract.ts'
import { resolve } from '../contract.ts'
import { atPointer, isObject, type Json, type JsonObject } from '../json.ts'

/** Values by name. */
export type Examples = Record<string, Json>

/** The named examples of each media type, JSON first; one without a name is called `default`. */
export function namedExamples(contract: Contract, content: Content[]): Record<string, Examples> {
  const ordered = content.toSorted((a, b) => Number(isPlainJson(b)) - Number(isPlainJson(a)))
  return Object.fromEntries(ordered.map((one) => [one.mediaType, examplesOf(contract, one)]))
}

function isPlainJson({ mediaType }: Content): boolean {
  return mediaType === 'application/json'
}

function examplesOf(contract: Contract, { pointer, schema }: Content): Examples {
  const owner = ownerOf(contract, pointer)
  const named = isObject(owner.examples) ? Object.entries(owner.examples) : []
  const values = named.flatMap(([name, written], index): [string, Json][] => {
    if (!isObject(written)) return []
    const { node } = resolve(contract.platform, written, `${pointer}/examples/${index}`)
    return node.value === undefined ? [] : [[name, node.value]]
  })
  if (values.length > 0) return Object.fromEntries(values)
  const single = owner.example ?? exampleOfSchema(contract, schema, pointer)
  return single === undefined ? {} : { default: single }
}

/** The headers of a reply as they are on the wire, for those that have an example. */
export function headersOfReply(contract: Contract, { headers }: Reply): Record<string, string> {
  return Object.fromEntries(
    headers.flatMap(({ name, schema, pointer }): [string, string][] => {
      const value = singleExample(contract, schema, pointer)
      return value === undefined ? [] : [[name, String(value)]]
    }),
  )
}

/** Arguments of a valid call, one per example of the body; what may be left out is left out. */
export function requestsOf(contract: Contract, operation: Operation): Record<string, JsonObject> {
  const group = (place: Parameter['in']): JsonObject =>
    Object.fromEntries(
      operation.parameters
        .filter((parameter) => parameter.in === place && parameter.required)
        .flatMap((parameter): [string, Json][] => {
          const value = singleExample(contract, parameter.schema, parameter.pointer)
          const name = place === 'header' ? parameter.name.toLowerCase() : parameter.name
          return value === undefined ? [] : [[name, value]]
        }),
    )
  const groups = { params: group('path'), query: group('query'), headers: group('header') }
  const base = Object.fromEntries(Object.entries(groups).filter(([, own]) => Object.keys(own).length > 0))
  const content = namedExamples(contract, operation.requestBody?.content ?? [])
  const bodies = Object.entries(content).flatMap(([mediaType, examples], index) =>
    Object.entries(examples).map(([name, body]): [string, JsonObject] => [
      index === 0 ? name : `${name} (${mediaType})`,
      { ...base, body, ...(index === 0 ? {} : { contentType: mediaType }) },
    ]),
  )
  return bodies.length === 0 ? { default: base } : Object.fromEntries(bodies)
}

/** Of a parameter or a header, whose schema stands at `pointer`. */
function singleExample(contract: Contract, schema: JsonObject, pointer: string): Json | undefined {
  const { example, examples } = ownerOf(contract, pointer)
  if (example !== undefined) return example
  const first = isObject(examples) ? Object.values(examples)[0] : undefined
  if (isObject(first) && first.value !== undefined) return first.value
  return exampleOfSchema(contract, schema, pointer)
}

function exampleOfSchema(contract: Contract, schema: JsonObject, pointer: string): Json | undefined {
  const { node } = resolve(contract.platform, schema, pointer)
  if (Array.isArray(node.examples) && node.examples[0] !== undefined) return node.examples[0]
  return node.example ?? node.const ?? (Array.isArray(node.enum) ? node.enum[0] : undefined)
}

/** The object that holds `schema`, beside which its examples stand. */
function ownerOf(contract: Contract, pointer: string): JsonObject {
  const owner = atPointer(contract.platform, pointer.slice(0, -'/schema'.length))
  return isObject(owner) ? owner : {}
}
