import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { atPointer, compareText, isObject, type JsonObject } from '../generate/json.ts'

/** Where the guides stand, below the root of the repository. */
export const GUIDES = 'api-contracts/guides'
const METHODS = ['get', 'put', 'post', 'delete', 'patch']

/** All that the pages are rendered from. */
export interface DocsModel {
  title: string
  version: string
  document: JsonObject
  domains: Domain[]
  /** By domain and path, as in `domains`. */
  operations: Operation[]
  problems: ProblemType[]
  guides: Guide[]
  /** Markdown. */
  changelog: string
}

export interface Domain {
  name: string
  description: string
  operations: Operation[]
}

export interface Operation {
  id: string
  method: string
  path: string
  tag: string
  domain: string
  owner: string
  summary: string
  description: string
  node: JsonObject
  /** Resolved. */
  parameters: JsonObject[]
  requestBody: JsonObject | null
  replies: Reply[]
  /** Scheme names: any one of the lists suffices. */
  security: string[][]
  requiredRole: string | null
  requiredScope: string | null
  stability: string
  latencyMs: number | null
  rateLimitPolicy: string
  deprecated: boolean
  /** A day, UTC. */
  sunset: string | null
  /** Of one that is deprecated: the first operation that its description names. */
  successor: string | null
}

export interface Reply {
  status: number
  description: string
  headers: string[]
  content: Content[]
}

export interface Content {
  mediaType: string
  schema: JsonObject
  examples: Example[]
}

export interface Example {
  name: string
  summary: string
  value: unknown
}

export interface ProblemType {
  code: string
  status: number
  title: string
  description: string
  causes: string[]
  remedies: string[]
  /** Ids of the operations whose contract shows it. */
  operations: string[]
  example: unknown
}

export interface Guide {
  /** `webhooks-stripe` is `/docs/guides/webhooks-stripe`. */
  name: string
  title: string
  text: string
}

/** Reads the merged contract, the problem registry, the changelog and the guides below `root`. */
export function readModel(root: string): DocsModel {
  const document = JSON.parse(readFileSync(join(root, 'generated/openapi.json'), 'utf8')) as JsonObject
  const info = document.info as JsonObject
  const operations = listOperations(document)
  const domains = (document.tags as JsonObject[]).map(
    (tag): Domain => ({
      name: String(tag.name),
      description: String(tag.description),
      operations: operations.filter((operation) => operation.tag === tag.name),
    }),
  )
  return {
    title: String(info.title),
    version: String(info.version),
    document,
    domains,
    operations: domains.flatMap((domain) => domain.operations),
    problems: readProblems(root, operations),
    guides: readGuides(root),
    changelog: readFileSync(join(root, 'api-contracts/CHANGELOG.md'), 'utf8'),
  }
}

function listOperations(document: JsonObject): Operation[] {
  const found = Object.entries(document.paths as Record<string, JsonObject>).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const node = item[method]
      return isObject(node) ? [toOperation(document, path, method, item, node)] : []
    }),
  )
  const live = new Set(found.filter(({ deprecated }) => !deprecated).map(({ id }) => id))
  for (const operation of found.filter(({ deprecated }) => deprecated)) {
    const named = [...operation.description.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '')
    operation.successor = named.find((id) => live.has(id)) ?? null
  }
  return found.sort((a, b) => compareText(`${a.path} ${a.method}`, `${b.path} ${b.method}`))
}

function toOperation(
  document: JsonObject,
  path: string,
  method: string,
  item: JsonObject,
  node: JsonObject,
): Operation {
  const text = (key: string): string | null => (typeof node[key] === 'string' ? node[key] : null)
  const description = text('description') ?? ''
  const latency = node['x-latency-objective-ms']
  const security = (node.security as JsonObject[]).map((alternative) => Object.keys(alternative))
  return {
    id: text('operationId') ?? '',
    method: method.toUpperCase(),
    path,
    tag: (node.tags as string[])[0] ?? '',
    domain: text('x-domain') ?? '',
    owner: text('x-owner') ?? '',
    summary: text('summary') ?? '',
    description,
    node,
    parameters: [item.parameters, node.parameters].flatMap((list) =>
      Array.isArray(list) ? list.filter(isObject).map((written) => resolve(document, written)) : [],
    ),
    requestBody: isObject(node.requestBody) ? resolve(document, node.requestBody) : null,
    replies: Object.entries(node.responses as Record<string, JsonObject>).map(([status, written]) =>
      toReply(document, Number(status), resolve(document, written)),
    ),
    security,
    requiredRole: text('x-required-role'),
    requiredScope: text('x-required-scope'),
    stability: text('x-stability') ?? 'stable',
    latencyMs: typeof latency === 'number' ? latency : null,
    rateLimitPolicy: text('x-rate-limit-policy') ?? (security.length > 0 ? 'default' : 'none'),
    deprecated: node.deprecated === true,
    sunset: text('x-sunset'),
    successor: null,
  }
}

function toReply(document: JsonObject, status: number, node: JsonObject): Reply {
  return {
    status,
    description: String(node.description ?? ''),
    headers: Object.keys(isObject(node.headers) ? node.headers : {}),
    content: readContent(document, node),
  }
}

/** Of a request body or a reply. */
export function readContent(document: JsonObject, node: JsonObject): Content[] {
  return Object.entries(isObject(node.content) ? node.content : {}).flatMap(([mediaType, body]) =>
    isObject(body)
      ? [{ mediaType, schema: isObject(body.schema) ? body.schema : {}, examples: readExamples(document, body) }]
      : [],
  )
}

function readExamples(document: JsonObject, body: JsonObject): Example[] {
  return Object.entries(isObject(body.examples) ? body.examples : {}).flatMap(([name, written]) => {
    const example = isObject(written) ? resolve(document, written) : undefined
    return example === undefined ? [] : [{ name, summary: String(example.summary ?? ''), value: example.value }]
  })
}

/** Follows `$ref`s inside the document. What stands beside a reference stays. */
export function resolve(document: JsonObject, node: JsonObject): JsonObject {
  let current = node
  for (let hops = 0; typeof current.$ref === 'string' && hops < 20; hops += 1) {
    const { $ref, ...beside } = current
    const target = atPointer(document, String($ref))
    if (!isObject(target)) throw new TypeError(`${String($ref)} leads nowhere`)
    current = { ...target, ...beside }
  }
  return current
}

function readProblems(root: string, operations: readonly Operation[]): ProblemType[] {
  const text = readFileSync(join(root, 'api-contracts/openapi/v1/_common/problems.yaml'), 'utf8')
  const { problems } = parse(text) as { problems: Record<string, JsonObject> }
  const shown = operations.flatMap(({ id, replies }) =>
    replies.flatMap(({ content }) =>
      content.flatMap(({ mediaType, examples }) =>
        mediaType === 'application/problem+json'
          ? examples.map(({ value }) => ({ id, value: value as JsonObject }))
          : [],
      ),
    ),
  )
  return Object.entries(problems).map(([code, row]) => {
    const own = shown.filter(({ value }) => value.code === code)
    const problem = { code, status: Number(row.status), title: String(row.title) }
    return {
      ...problem,
      description: String(row.description).trim(),
      causes: listOf(row.causes),
      remedies: listOf(row.remedies),
      operations: [...new Set(own.map(({ id }) => id))],
      example: own[0]?.value ?? serverExample(problem),
    }
  })
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map((item) => String(item).trim()) : []
}

/** The statuses that belong to the server stand on no operation, so no operation has an example of them. */
function serverExample({ code, status, title }: { code: string; status: number; title: string }): object {
  const details: Record<string, string> = {
    method_not_allowed: 'The resource does not support this method.',
    internal_error: 'Something went wrong on our side. Quote the correlation id when you report it.',
    not_implemented: 'This operation is not available yet.',
  }
  const id = '163abffd-b49e-44aa-9a0f-2e11d97d5317'
  return {
    type: `/docs/problems/${code}`,
    title,
    status,
    detail: details[code] ?? title,
    instance: '/api/v1/revenue/realtime',
    code,
    correlation_id: id,
  }
}

function readGuides(root: string): Guide[] {
  const names = readdirSync(join(root, GUIDES)).filter((name) => name.endsWith('.md'))
  return names.sort(compareText).map((file) => {
    const text = readFileSync(join(root, GUIDES, file), 'utf8')
    const title = /^# (.+)\n/.exec(text)?.[1]
    if (title === undefined) throw new TypeError(`${GUIDES}/${file} must begin with a title, \`# …\``)
    return { name: file.slice(0, -'.md'.length), title, text }
  })
}
