import { dirname, resolve } from 'node:path'
import { atPointer, isObject, type Json, type JsonObject, pointerOf } from '../generate/json.ts'
import type { Files } from './files.ts'
import { type Fault, type Place, SyntaxFault, ToolError } from './finding.ts'

export const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const
export type Method = (typeof METHODS)[number]

/** A value in the files, with the place where it is written. */
export interface SourceNode extends Place {
  value: JsonObject
}

export interface SourceDocument extends SourceNode {
  /** Path below the folder, without the ending: `webhooks/stripe`. */
  name: string
}

export interface SourceReply {
  status: string
  /** The key under `responses`. */
  at: Place
  /** Where the response is written, references followed. */
  response: SourceNode
}

export interface SourceOperation extends SourceNode {
  id: string
  method: Method
  path: string
  document: SourceDocument
  /** Those of the path item first; references followed. */
  parameters: SourceNode[]
  requestBody: SourceNode | null
  replies: SourceReply[]
  /** `x-raw-body: true`: a vendor decides what is in the body. */
  isVendor: boolean
}

/**
 * The documents as they are written. Rules that run on this graph know the file and the line of everything they see; a
 * bundle would have to be mapped back.
 */
export interface Source {
  documents: SourceDocument[]
  /** All files that the documents reach, the documents among them. */
  files: string[]
  /** Of references that lead nowhere. */
  refFaults: Fault[]
  operations: SourceOperation[]
}

/** The value under a node, or undefined where there is no object. */
export function childOf(node: SourceNode, ...tokens: (string | number)[]): SourceNode | undefined {
  const value = tokens.reduce<Json | undefined>(
    (parent, token) =>
      typeof parent === 'object' && parent !== null ? (parent as JsonObject)[String(token)] : undefined,
    node.value,
  )
  return isObject(value) ? { ...placeOf(node, ...tokens), value } : undefined
}

export function placeOf(node: Place, ...tokens: (string | number)[]): Place {
  const path = pointerOf(...tokens).slice(1)
  return { file: node.file, pointer: tokens.length === 0 ? node.pointer : `${node.pointer}${path}` }
}

/** The place of a key where it is written, else of what should have it. */
export function placeOfKey(node: SourceNode, key: string): Place {
  return node.value[key] === undefined ? node : placeOf(node, key)
}

export function keyOf({ file, pointer }: Place): string {
  return `${file}${pointer}`
}

export function targetOf(file: string, ref: string): Place {
  const [path = '', fragment = ''] = ref.split('#')
  const target = path === '' ? file : resolve(dirname(file), decodeURIComponent(path))
  return { file: target, pointer: `#${fragment}` }
}

export function isRemote(ref: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(ref)
}

/** Follows references until something is written; undefined where they lead nowhere or in a circle. */
export function follow(files: Files, node: SourceNode): SourceNode | undefined {
  let current = node
  const seen = new Set<string>()
  while (typeof current.value.$ref === 'string') {
    if (isRemote(current.value.$ref) || seen.has(keyOf(current))) return undefined
    seen.add(keyOf(current))
    const target = targetOf(current.file, current.value.$ref)
    let value: unknown
    try {
      value = atPointer(files.parse(target.file), target.pointer)
    } catch {
      return undefined
    }
    if (!isObject(value)) return undefined
    current = { ...target, value }
  }
  return current
}

/** Reads what the documents reach. A file that is no YAML throws its SyntaxFault. */
export function readSource(files: Files, folder: string, names: readonly string[]): Source {
  const documents = names.flatMap((name): SourceDocument[] => {
    const file = resolve(folder, name)
    const value = files.parse(file)
    return isObject(value) ? [{ file, pointer: '#', value, name: name.replace(/\.(?:ya?ml|json)$/, '') }] : []
  })
  const reached = new Set<string>()
  const refFaults: Fault[] = []
  const pending = documents.map(({ file }) => file)
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    const origin = file
    for (const { place, ref } of references({ file, pointer: '#' }, files.parse(file))) {
      const fault = faultOf(files, place, ref)
      if (fault !== undefined) refFaults.push(fault)
      else if (targetOf(origin, ref).file !== origin) pending.push(targetOf(origin, ref).file)
    }
  }
  const operations = refFaults.length > 0 ? [] : documents.flatMap((document) => readOperations(files, document))
  return { documents, files: [...reached].sort(), refFaults, operations }
}

/** Values that are data of the author, in which `$ref` would mean nothing. */
const DATA = new Set(['example', 'default', 'const', 'enum', 'value'])

/** Every reference that is written below a value. */
export function* references(place: Place, value: Json): Generator<{ place: Place; ref: string }> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* references(placeOf(place, index), item)
  } else if (isObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      if (key === '$ref' && typeof child === 'string') yield { place: placeOf(place, key), ref: child }
      else if (DATA.has(key) || key.startsWith('x-')) {
        // A property may have such a name; then its value is a schema and stands under `properties`.
        if (place.pointer.endsWith('/properties')) yield* references(placeOf(place, key), child)
      } else if (key === 'examples' && Array.isArray(child)) continue
      else yield* references(placeOf(place, key), child)
    }
  }
}

function faultOf(files: Files, at: Place, ref: string): Fault | undefined {
  if (isRemote(ref)) return { at, message: `${ref} is not in these files; references to other hosts are not fetched` }
  const target = targetOf(at.file, ref)
  let document: Json
  try {
    document = files.parse(target.file)
  } catch (error) {
    if (error instanceof SyntaxFault) throw error
    if (error instanceof ToolError)
      return { at, message: `${ref} leads nowhere: there is no file ${files.name(target.file)}` }
    throw error
  }
  if (atPointer(document, target.pointer) !== undefined) return undefined
  return { at, message: `${ref} leads nowhere: ${files.name(target.file)} has nothing at ${target.pointer}` }
}

function readOperations(files: Files, document: SourceDocument): SourceOperation[] {
  const paths = childOf(document, 'paths')
  return Object.keys(paths?.value ?? {}).flatMap((path) => {
    const written = childOf(document, 'paths', path)
    const item = written && follow(files, written)
    if (item === undefined) return []
    return METHODS.flatMap((method): SourceOperation[] => {
      const node = childOf(item, method)
      return node === undefined ? [] : [readOperation(files, document, item, node, method, path)]
    })
  })
}

function readOperation(
  files: Files,
  document: SourceDocument,
  item: SourceNode,
  node: SourceNode,
  method: Method,
  path: string,
): SourceOperation {
  const followed = (written: SourceNode | undefined) => (written === undefined ? undefined : follow(files, written))
  const listed = (owner: SourceNode): SourceNode[] =>
    (Array.isArray(owner.value.parameters) ? owner.value.parameters : []).flatMap((_, index) => {
      const parameter = followed(childOf(owner, 'parameters', index))
      return parameter === undefined ? [] : [parameter]
    })
  const own = listed(node)
  const keyOfParameter = ({ value }: SourceNode) => `${String(value.in)} ${String(value.name)}`
  const overridden = new Set(own.map(keyOfParameter))
  const responses = childOf(node, 'responses')
  return {
    ...node,
    id: typeof node.value.operationId === 'string' ? node.value.operationId : `${method.toUpperCase()} ${path}`,
    method,
    path,
    document,
    parameters: [...listed(item).filter((parameter) => !overridden.has(keyOfParameter(parameter))), ...own],
    requestBody: followed(childOf(node, 'requestBody')) ?? null,
    replies: Object.keys(responses?.value ?? {}).flatMap((status): SourceReply[] => {
      const response = responses && followed(childOf(responses, status))
      return response === undefined ? [] : [{ status, at: placeOf(node, 'responses', status), response }]
    }),
    isVendor: node.value['x-raw-body'] === true,
  }
}

/** Media types of a request body or response, references followed. */
export function contentOf(node: SourceNode): (SourceNode & { mediaType: string })[] {
  return Object.keys(childOf(node, 'content')?.value ?? {}).flatMap((mediaType) => {
    const media = childOf(node, 'content', mediaType)
    return media === undefined ? [] : [{ ...media, mediaType }]
  })
}

/** Headers of a response, references followed. */
export function headersOf(files: Files, response: SourceNode): (SourceNode & { name: string; at: Place })[] {
  return Object.keys(childOf(response, 'headers')?.value ?? {}).flatMap((name) => {
    const written = childOf(response, 'headers', name)
    const header = written && follow(files, written)
    return header === undefined ? [] : [{ ...header, name, at: placeOf(response, 'headers', name) }]
  })
}

export function isJsonMedia(mediaType: string): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/.test(mediaType)
}
