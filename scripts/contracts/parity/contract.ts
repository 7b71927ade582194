import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { atPointer, compareText, isObject, type Json, type JsonObject } from '../../generate/json.ts'
import { isJson } from './witness.ts'

/** One answer that the contract documents: operation, status and media type. */
export interface Cell {
  operationId: string
  status: number
  /** Null: the answer has no body. */
  mediaType: string | null
  /** Null without a body, and where the body is not JSON. */
  schema: JsonObject | null
  headers: readonly CellHeader[]
  examples: readonly { name: string; value: Json }[]
  /** Of problems: those that the examples of this answer show. Null of every other answer. */
  codes: ReadonlySet<string> | null
}

export interface CellHeader {
  /** Lower case. */
  name: string
  required: boolean
}

export interface ContractDocument extends JsonObject {
  paths: Record<string, Record<string, JsonObject>>
}

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'])
const PROBLEM = 'application/problem+json'

export function readDocument(root: string): ContractDocument {
  return JSON.parse(readFileSync(join(root, 'generated/openapi.json'), 'utf8')) as ContractDocument
}

/** Follows references inside the document; throws for one that leads nowhere. */
export function follow(document: ContractDocument, node: Json | undefined): JsonObject {
  let found: unknown = node
  // A chain of references longer than this is a circle.
  for (let hops = 0; hops < 32; hops++) {
    if (!isObject(found)) throw new Error('a reference leads nowhere')
    if (typeof found.$ref !== 'string') return found
    found = atPointer(document, found.$ref)
  }
  throw new Error('references in a circle')
}

/** By operationId, as written: the node of each operation. */
export function listOperations(document: ContractDocument): Map<string, JsonObject> {
  const found = Object.values(document.paths).flatMap((item) =>
    Object.entries(item)
      .filter(([method]) => METHODS.has(method))
      .map(([, operation]): [string, JsonObject] => [String(operation.operationId), operation]),
  )
  return new Map(found.sort(([a], [b]) => compareText(a, b)))
}

/** Every documented answer, by operation and status. */
export function listCells(document: ContractDocument): Cell[] {
  return [...listOperations(document)].flatMap(([operationId, operation]) =>
    Object.entries(operation.responses as JsonObject).flatMap(([status, written]) =>
      ofReply(document, operationId, Number(status), follow(document, written)),
    ),
  )
}

function ofReply(document: ContractDocument, operationId: string, status: number, reply: JsonObject): Cell[] {
  const headers = Object.entries((reply.headers ?? {}) as JsonObject).map(([name, header]) => ({
    name: name.toLowerCase(),
    required: follow(document, header).required === true,
  }))
  const contents = Object.entries((reply.content ?? {}) as JsonObject)
  if (contents.length === 0)
    return [{ operationId, status, mediaType: null, schema: null, headers, examples: [], codes: null }]
  return contents.map(([mediaType, written]) => {
    const media = written as JsonObject
    const examples = examplesOf(document, media)
    const codes = examples.map(({ value }) => (isObject(value) ? String(value.code) : ''))
    return {
      operationId,
      status,
      mediaType,
      schema: isJson(mediaType) ? (media.schema as JsonObject) : null,
      headers,
      examples,
      codes: mediaType === PROBLEM ? new Set(codes) : null,
    }
  })
}

/** Of a media type or a parameter; `example` has the empty name. */
export function examplesOf(document: ContractDocument, owner: JsonObject): { name: string; value: Json }[] {
  const named = Object.entries((owner.examples ?? {}) as JsonObject).flatMap(([name, written]) => {
    const { value } = follow(document, written)
    return value === undefined ? [] : [{ name, value }]
  })
  return owner.example === undefined ? named : [...named, { name: '', value: owner.example }]
}

/** `login 409 application/problem+json`. */
export function nameOfCell({
  operationId,
  status,
  mediaType,
}: Pick<Cell, 'operationId' | 'status' | 'mediaType'>): string {
  return mediaType === null ? `${operationId} ${status}` : `${operationId} ${status} ${mediaType}`
}

/** Whether `Content-Type` says the documented media type: parameters that are documented must be there, others may be. */
export function isMediaType(documented: string | null, contentType: string | null | undefined): boolean {
  if (documented === null) return contentType === null || contentType === undefined
  const parts = (text: string) => text.split(';').map((part) => part.trim().toLowerCase())
  const [type, ...parameters] = parts(documented)
  const [foundType, ...found] = parts(contentType ?? '')
  return type === foundType && parameters.every((parameter) => found.includes(parameter))
}
