import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { BaseResolver, bundle, createConfig, getLineColLocation, parseYaml, Source } from '@redocly/openapi-core'
import { throwFindings } from './findings.ts'
import { atPointer, canonical, compareText, isObject, type JsonObject, pointerOf, sortKeys } from './json.ts'

/** Where the documents stand, below the root of the repository. */
export const CONTRACT_FOLDER = 'api-contracts/openapi/v1'
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const
export type Method = (typeof METHODS)[number]

export interface OpenApiDocument {
  openapi: string
  jsonSchemaDialect?: string
  info: JsonObject & { title: string; version: string }
  servers?: JsonObject[]
  tags?: (JsonObject & { name: string })[]
  paths: Record<string, JsonObject>
  components?: Record<string, Record<string, JsonObject>>
}

/** One root document, bundled: every reference in it starts with `#/`. */
export interface DomainDocument {
  /** Path below the contract folder, without the ending, `-` for `/`: `webhooks-stripe`. */
  domain: string
  /** Relative to the root of the repository. */
  file: string
  bundle: OpenApiDocument
  /** `file:line:column` of a pointer into the bundle. */
  locate: (pointer: string) => string
}

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required: boolean
  style: string
  explode: boolean
  schema: JsonObject
  /** Into the platform document. */
  pointer: string
}

export interface Content {
  mediaType: string
  schema: JsonObject
  pointer: string
}

export interface ReplyHeader {
  name: string
  required: boolean
  schema: JsonObject
  pointer: string
}

export interface Reply {
  status: number
  content: Content[]
  headers: ReplyHeader[]
}

export interface Operation {
  id: string
  method: Method
  path: string
  /** As written, for the keys that need no resolution. */
  node: JsonObject
  pointer: string
  parameters: Parameter[]
  requestBody: { required: boolean; content: Content[] } | null
  replies: Reply[]
  /** `x-raw-body: true`: the handler gets the bytes; the vendor decides body and media type. */
  hasRawBody: boolean
}

export interface Contract {
  documents: DomainDocument[]
  platform: OpenApiDocument
  /** Sorted by id. */
  operations: Operation[]
  /** `file:line:column` of a pointer into the platform document. */
  locate: (pointer: string) => string
}

/** Reads, bundles and merges the documents below `root`. Throws GenerateError with every fault that it finds. */
export async function readContract(root: string): Promise<Contract> {
  return joinDocuments(await bundleDocuments(root))
}

/** One contract from all documents. Throws GenerateError. */
export function joinDocuments(documents: DomainDocument[], platform = merge(documents)): Contract {
  const locate = (pointer: string) => locateIn(documents, platform, pointer)
  return { documents, platform, operations: listOperations(platform, locate), locate }
}

/** Throws GenerateError. */
export async function bundleDocuments(root: string, folder = join(root, CONTRACT_FOLDER)): Promise<DomainDocument[]> {
  const names = (await readdir(folder, { recursive: true })).map((name) => name.split(sep).join('/'))
  const files = names.filter((name) => name.endsWith('.yaml') && !name.startsWith('_common/')).sort(compareText)
  const findings: string[] = []
  const documents: DomainDocument[] = []
  // Rules and decorators are for the lint; an empty configuration also keeps a redocly.yaml out of the result.
  const config = await createConfig({})
  for (const name of files) {
    const path = join(folder, name)
    const text = await readFile(path, 'utf8')
    if (!/^openapi:/m.test(text) || !/^paths:/m.test(text)) {
      findings.push(
        `${relative(root, path)}:1:1 has no top-level \`openapi\` and \`paths\`; shared parts belong in _common/`,
      )
      continue
    }
    // Bundling rewrites references inside the resolver's cached files: a resolver that is used twice corrupts the second.
    const externalRefResolver = new BaseResolver(config.resolve)
    try {
      const result = await bundle({ ref: path, config, externalRefResolver, componentRenamingConflicts: 'error' })
      for (const problem of result.problems) {
        if (problem.severity === 'error') findings.push(`${placeOf(root, problem.location[0])} ${problem.message}`)
      }
      const parsed: unknown = JSON.parse(JSON.stringify(result.bundle.parsed))
      documents.push({
        domain: name.slice(0, -'.yaml'.length).replaceAll('/', '-'),
        file: relative(root, path),
        bundle: sortDocument(parsed as OpenApiDocument),
        locate: (pointer) => locateInFiles(root, path, result.fileDependencies, pointer),
      })
    } catch (error) {
      findings.push(`${relative(root, path)}:1:1 ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (files.length === 0) findings.push(`${CONTRACT_FOLDER} contains no document`)
  throwFindings(findings)
  return documents
}

function placeOf(root: string, location: Parameters<typeof getLineColLocation>[0] | undefined): string {
  if (location === undefined) return CONTRACT_FOLDER
  const { start } = getLineColLocation(location)
  return `${relative(root, location.source.absoluteRef)}:${start.line}:${start.col}`
}

/** A path stands in the root document; a component may come from any file that the bundle took in. */
function locateInFiles(root: string, main: string, files: Set<string>, pointer: string): string {
  const component = /^#\/components\/[^/]+\/[^/]+/.exec(pointer)?.[0]
  const candidates = component === undefined ? [main] : [main, ...files]
  for (const file of candidates) {
    const source = new Source(file, readFileSync(file, 'utf8'))
    const written = component === undefined ? {} : atPointer(parseYaml(source.body), component)
    // An entry that is only a reference to another file is not the definition.
    if (isObject(written) && written.$ref === undefined) return placeOf(root, { source, pointer, reportOnKey: true })
  }
  return relative(root, main)
}

/**
 * Component, path and status order is by name; below that the author's order stays, since reference pages and examples
 * show it.
 */
function sortDocument(document: OpenApiDocument): OpenApiDocument {
  const components = Object.entries(document.components ?? {}).map(([kind, named]) => [kind, sortKeys(named)] as const)
  const { openapi, jsonSchemaDialect, info, servers, tags, paths: _paths, components: _components, ...rest } = document
  return {
    openapi,
    ...(jsonSchemaDialect === undefined ? {} : { jsonSchemaDialect }),
    info,
    ...(servers === undefined ? {} : { servers }),
    ...(tags === undefined ? {} : { tags: [...tags].sort((a, b) => compareText(a.name, b.name)) }),
    ...sortKeys(rest),
    paths: sortKeys(document.paths),
    ...(components.length === 0 ? {} : { components: sortKeys(Object.fromEntries(components)) }),
  }
}

/** Throws GenerateError where two documents contradict each other. */
export function merge(documents: DomainDocument[]): OpenApiDocument {
  const findings: string[] = []
  const first = documents[0]
  if (first === undefined) throw new TypeError('there is nothing to merge')
  const paths: OpenApiDocument['paths'] = {}
  const components: Record<string, Record<string, JsonObject>> = {}
  const tags = new Map<string, JsonObject & { name: string }>()
  const owners = new Map<string, () => string>()
  const claim = (document: DomainDocument, key: string, pointer: string, what: string, mayRepeat: boolean): boolean => {
    const place = () => document.locate(pointer)
    const owner = owners.get(key)
    if (owner === undefined) owners.set(key, place)
    else if (!mayRepeat) findings.push(`${place()} ${what} is also in ${owner()}`)
    return owner === undefined
  }
  for (const document of documents) {
    const { bundle } = document
    for (const [path, item] of Object.entries(bundle.paths)) {
      // `/a/{x}` and `/a/{y}` are the same path to a router.
      const shape = `path ${path.replaceAll(/\{[^}]*\}/g, '{}')}`
      if (claim(document, shape, pointerOf('paths', path), `path ${path}`, false)) paths[path] = item
    }
    for (const [kind, named] of Object.entries(bundle.components ?? {})) {
      for (const [name, component] of Object.entries(named)) {
        const known = components[kind]?.[name]
        const isSame = known === undefined || canonical(known) === canonical(component)
        const what = `component ${kind}/${name} differs from the one of the same name that`
        claim(document, `${kind} ${name}`, pointerOf('components', kind, name), what, isSame)
        components[kind] = { ...components[kind], [name]: known ?? component }
      }
    }
    for (const tag of bundle.tags ?? []) {
      const known = tags.get(tag.name)
      const isSame = known === undefined || canonical(known) === canonical(tag)
      claim(document, `tag ${tag.name}`, pointerOf('tags'), `tag ${tag.name} has another description, which`, isSame)
      tags.set(tag.name, known ?? tag)
    }
    for (const field of ['openapi', 'jsonSchemaDialect', 'servers'] as const) {
      if (canonical(bundle[field] ?? null) !== canonical(first.bundle[field] ?? null)) {
        findings.push(`${document.locate(pointerOf(field))} \`${field}\` differs from ${first.file}`)
      }
    }
  }
  throwFindings(findings)
  const { license } = first.bundle.info
  return sortDocument({
    ...first.bundle,
    info: {
      title: 'Skeldir API',
      version:
        documents
          .map(({ bundle }) => bundle.info.version)
          .sort(compareVersions)
          .at(-1) ?? '0.0.0',
      description: 'Every operation of the platform, from the documents of its domains.',
      ...(license === undefined ? {} : { license }),
    },
    tags: [...tags.values()],
    paths,
    components,
  })
}

export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number))
  for (const index of [0, 1, 2]) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function locateIn(documents: DomainDocument[], platform: OpenApiDocument, pointer: string): string {
  const top = /^#\/[^/]+\/[^/]+(?:\/[^/]+)?/.exec(pointer)?.[0] ?? '#'
  const owner = documents.find(({ bundle }) => atPointer(bundle, top) !== undefined)
  return owner?.locate(pointer) ?? platform.info.title
}

/** Follows references inside the document, and says where the target stands. */
export function resolve(
  document: OpenApiDocument,
  node: JsonObject,
  pointer: string,
): { node: JsonObject; pointer: string } {
  let current = { node, pointer }
  for (let hops = 0; typeof current.node.$ref === 'string'; hops += 1) {
    const target = atPointer(document, current.node.$ref)
    if (!isObject(target) || hops > 20) throw new TypeError(`${current.pointer}: ${current.node.$ref} leads nowhere`)
    current = { node: target, pointer: current.node.$ref }
  }
  return current
}

function listOperations(platform: OpenApiDocument, locate: (pointer: string) => string): Operation[] {
  const findings: string[] = []
  const report = (pointer: string, message: string) => findings.push(`${locate(pointer)} ${message}`)
  const operations = new Map<string, Operation>()
  for (const [path, item] of Object.entries(platform.paths)) {
    for (const method of METHODS) {
      const node = item[method]
      if (!isObject(node)) continue
      const pointer = pointerOf('paths', path, method)
      const id = node.operationId
      if (typeof id !== 'string' || !/^[a-z][A-Za-z0-9]*$/.test(id)) {
        report(pointer, `${method.toUpperCase()} ${path} needs an operationId in camelCase`)
        continue
      }
      const other = operations.get(id)
      if (other !== undefined) {
        report(
          pointer,
          `operationId ${id} is also that of ${other.method.toUpperCase()} ${other.path} (${locate(other.pointer)})`,
        )
        continue
      }
      if (!Array.isArray(node.security)) report(pointer, `${id} needs \`security\` (\`[]\` where it is public)`)
      const reader = { platform, id, report: (at: string, message: string) => report(at, `${id}: ${message}`) }
      operations.set(id, {
        id,
        method,
        path,
        node,
        pointer,
        parameters: readParameters(reader, path, item, node, pointer),
        requestBody: readRequestBody(reader, node, pointer),
        replies: readReplies(reader, node, pointer),
        hasRawBody: node['x-raw-body'] === true,
      })
    }
  }
  throwFindings(findings)
  return [...operations.values()].sort((a, b) => compareText(a.id, b.id))
}

interface Reader {
  platform: OpenApiDocument
  id: string
  report: (pointer: string, message: string) => void
}

/** The operation's own parameters win over those of its path. */
function readParameters(
  reader: Reader,
  path: string,
  item: JsonObject,
  node: JsonObject,
  pointer: string,
): Parameter[] {
  const parameters = new Map<string, Parameter>()
  for (const [list, base] of [
    [item.parameters, pointerOf('paths', path, 'parameters')],
    [node.parameters, `${pointer}/parameters`],
  ] as const) {
    if (!Array.isArray(list)) continue
    const own = new Set<string>()
    for (const [index, written] of list.entries()) {
      if (!isObject(written)) continue
      const parameter = readParameter(reader, resolve(reader.platform, written, `${base}/${index}`))
      if (parameter === null) continue
      const key = `${parameter.in} ${parameter.in === 'header' ? parameter.name.toLowerCase() : parameter.name}`
      if (own.has(key)) reader.report(parameter.pointer, `the parameter ${key} is listed twice`)
      own.add(key)
      parameters.set(key, parameter)
    }
  }
  const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] ?? '')
  for (const name of inPath) {
    if (!parameters.has(`path ${name}`)) reader.report(pointer, `the path parameter ${name} is not declared`)
  }
  for (const parameter of parameters.values()) {
    if (parameter.in !== 'path') continue
    if (!inPath.includes(parameter.name)) reader.report(parameter.pointer, `{${parameter.name}} is not in ${path}`)
    if (!parameter.required) reader.report(parameter.pointer, `the path parameter ${parameter.name} must be required`)
  }
  return [...parameters.values()]
}

function readParameter(reader: Reader, { node, pointer }: { node: JsonObject; pointer: string }): Parameter | null {
  const { name, schema } = node
  const place = node.in
  if (place !== 'path' && place !== 'query' && place !== 'header') {
    reader.report(pointer, `parameters in ${String(place)} are not supported`)
    return null
  }
  if (typeof name !== 'string' || !isObject(schema)) {
    reader.report(pointer, 'a parameter needs a name and a schema (`content` is not supported)')
    return null
  }
  const style = typeof node.style === 'string' ? node.style : place === 'query' ? 'form' : 'simple'
  const explode = typeof node.explode === 'boolean' ? node.explode : style === 'form'
  return { name, in: place, required: node.required === true, style, explode, schema, pointer: `${pointer}/schema` }
}

function readRequestBody(reader: Reader, node: JsonObject, pointer: string): Operation['requestBody'] {
  if (!isObject(node.requestBody)) return null
  const body = resolve(reader.platform, node.requestBody, `${pointer}/requestBody`)
  return { required: body.node.required === true, content: readContent(reader, body.node, body.pointer) }
}

function readReplies(reader: Reader, node: JsonObject, pointer: string): Reply[] {
  if (!isObject(node.responses) || Object.keys(node.responses).length === 0) {
    reader.report(pointer, 'documents no response')
    return []
  }
  return Object.entries(node.responses).flatMap(([status, written]) => {
    if (!/^[1-5]\d\d$/.test(status) || !isObject(written)) {
      reader.report(`${pointer}/responses/${status}`, `name each status; \`${status}\` is not one`)
      return []
    }
    const response = resolve(reader.platform, written, `${pointer}/responses/${status}`)
    const headers = readReplyHeaders(reader, response)
    return [{ status: Number(status), content: readContent(reader, response.node, response.pointer), headers }]
  })
}

function readContent(reader: Reader, node: JsonObject, pointer: string): Content[] {
  return Object.entries(isObject(node.content) ? node.content : {}).flatMap(([mediaType, written]) => {
    const at = `${pointer}/${pointerOf('content', mediaType).slice(2)}`
    if (isObject(written) && isObject(written.schema))
      return [{ mediaType, schema: written.schema, pointer: `${at}/schema` }]
    reader.report(at, `${mediaType} has no schema`)
    return []
  })
}

function readReplyHeaders(reader: Reader, response: { node: JsonObject; pointer: string }): ReplyHeader[] {
  return Object.entries(isObject(response.node.headers) ? response.node.headers : {}).flatMap(([name, written]) => {
    const at = `${response.pointer}/${pointerOf('headers', name).slice(2)}`
    const header = isObject(written) ? resolve(reader.platform, written, at) : undefined
    if (header === undefined || !isObject(header.node.schema)) {
      reader.report(at, `the header ${name} has no schema`)
      return []
    }
    return [
      {
        name,
        required: header.node.required === true,
        schema: header.node.schema,
        pointer: `${header.pointer}/schema`,
      },
    ]
  })
}
