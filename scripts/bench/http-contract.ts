import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormatsModule from 'ajv-formats'
import type { OperationRow } from '../../generated/operations.ts'
import type { Validator } from '../../generated/validators.js'
import type { ContractSource } from '../../src/http/operations.ts'

/** The part of OpenAPI that `compileContract` reads. Schemas may hold `$ref`s; nothing else may. */
export interface MiniDocument {
  openapi: string
  info: { title: string; version: string }
  paths: Record<string, Record<string, MiniOperation>>
  components?: object
}
export interface MiniOperation {
  operationId: string
  security: Record<string, string[]>[]
  parameters?: {
    name: string
    in: string
    required?: boolean
    explode?: boolean
    schema: { type: string; items?: { type: string } }
  }[]
  requestBody?: { required?: boolean; content: Record<string, { schema: object }> }
  responses: Record<
    string,
    {
      description: string
      headers?: Record<string, { required?: boolean; schema: object }>
      content?: Record<string, { schema: object }>
    }
  >
  'x-raw-body'?: boolean
  'x-required-role'?: string
  'x-required-scope'?: string
  'x-rate-limit-policy'?: OperationRow['rateLimitPolicy']
  deprecated?: boolean
  'x-deprecated-since'?: string
  'x-sunset'?: string
}

// The package is CommonJS whose default export Node finds one level down.
const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default

/**
 * What `npm run generate` makes of a contract, made in memory from a small document instead: the bench binds a thousand
 * operations with it, tests a handful. Validators compile when first used, so a thousand cost no start-up time.
 */
export function compileContract(document: MiniDocument): ContractSource & { document: MiniDocument } {
  const first = new Ajv2020({ strict: false, strictNumbers: true, validateSchema: false })
  const all = new Ajv2020({ strict: false, strictNumbers: true, validateSchema: false, allErrors: true })
  for (const ajv of [first, all]) {
    addFormats(ajv)
    ajv.addSchema({ ...document, $id: 'contract' })
  }
  const compile = (ajv: Ajv2020, schema: object): Validator => lazily(() => ajv.compile(schema) as Validator)
  const compileAt = (ajv: Ajv2020, tokens: string[]): Validator =>
    compile(ajv, {
      $ref: `contract#/${tokens.map((token) => encodeURIComponent(token.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`,
    })

  const operations: Record<string, OperationRow> = {}
  const requests: Record<string, { parameters: Validator | null; body: Validator | null }> = {}
  const requestErrors: typeof requests = {}
  const replies: Record<string, Record<string, Record<string, Validator>>> = {}
  const replyHeaders: Record<string, Record<string, Validator>> = {}
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const id = operation.operationId
      operations[id] = toRow(method, path, operation)
      const at = ['paths', path, method]
      const mediaType = Object.keys(operation.requestBody?.content ?? {})[0]
      for (const [ajv, target] of [
        [first, requests],
        [all, requestErrors],
      ] as const) {
        target[id] = {
          parameters:
            operation.parameters === undefined ? null : compile(ajv, toParametersSchema(operation.parameters)),
          body: mediaType === undefined ? null : compileAt(ajv, [...at, 'requestBody', 'content', mediaType, 'schema']),
        }
      }
      const byStatus: Record<string, Record<string, Validator>> = {}
      const headersByStatus: Record<string, Validator> = {}
      for (const [status, response] of Object.entries(operation.responses)) {
        byStatus[status] = Object.fromEntries(
          Object.keys(response.content ?? {}).map((type) => [
            type,
            compileAt(first, [...at, 'responses', status, 'content', type, 'schema']),
          ]),
        )
        headersByStatus[status] = compile(first, toHeadersSchema(response.headers ?? {}))
      }
      replies[id] = byStatus
      replyHeaders[id] = headersByStatus
    }
  }
  return { document, operations, requests, requestErrors, replies, replyHeaders }
}

function lazily(compile: () => Validator): Validator {
  let compiled: Validator | undefined
  const validate: Validator = (data) => {
    compiled ??= compile()
    const isValid = compiled(data)
    validate.errors = compiled.errors ?? null
    return isValid
  }
  return validate
}

function toRow(method: string, path: string, operation: MiniOperation): OperationRow {
  const { requestBody } = operation
  return {
    method,
    path,
    domain: 'mini',
    owner: 'mini',
    security: operation.security.map((alternative) => Object.keys(alternative)),
    requiredRole: operation['x-required-role'] ?? null,
    requiredScope: operation['x-required-scope'] ?? null,
    acceptsAnyMediaType: operation['x-raw-body'] === true,
    requestBody:
      requestBody === undefined
        ? null
        : { required: requestBody.required === true, mediaTypes: Object.keys(requestBody.content) },
    parameters: (operation.parameters ?? []).map((parameter) => ({
      name: parameter.name,
      in: parameter.in,
      required: parameter.required === true,
      type: parameter.schema.type,
      ...(parameter.schema.items && { items: parameter.schema.items.type }),
      style: parameter.in === 'query' ? 'form' : 'simple',
      explode: parameter.explode ?? parameter.in === 'query',
    })),
    replies: Object.fromEntries(
      Object.entries(operation.responses).map(([status, response]) => [
        status,
        { mediaTypes: Object.keys(response.content ?? {}), headers: Object.keys(response.headers ?? {}) },
      ]),
    ),
    deprecated: operation.deprecated === true,
    deprecatedSince: operation['x-deprecated-since'] ?? null,
    sunset: operation['x-sunset'] ?? null,
    rateLimitPolicy: operation['x-rate-limit-policy'] ?? (operation.security.length > 0 ? 'default' : 'none'),
    stability: 'draft',
    latencyObjectiveMs: null,
  } as unknown as OperationRow
}

function toParametersSchema(parameters: NonNullable<MiniOperation['parameters']>): object {
  const place = (name: string) => {
    const own = parameters.filter((parameter) => parameter.in === name)
    const key = (text: string) => (name === 'header' ? text.toLowerCase() : text)
    return {
      type: 'object',
      properties: Object.fromEntries(own.map((parameter) => [key(parameter.name), parameter.schema])),
      required: own.filter((parameter) => parameter.required).map((parameter) => key(parameter.name)),
      additionalProperties: false,
    }
  }
  return { type: 'object', properties: { path: place('path'), query: place('query'), header: place('header') } }
}

function toHeadersSchema(headers: Record<string, { required?: boolean; schema: object }>): object {
  const entries = Object.entries(headers).map(([name, header]) => [name.toLowerCase(), header] as const)
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(([name, { schema }]) => [name, schema])),
    required: entries.filter(([, { required }]) => required === true).map(([name]) => name),
  }
}
