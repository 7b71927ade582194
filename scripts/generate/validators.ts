import { Ajv2020, type AnySchemaObject } from 'ajv/dist/2020.js'
import standalone from 'ajv/dist/standalone/index.js'
import { type Content, type Contract, type Operation, type Parameter, resolve } from './contract.ts'
import { GenerateError, throwFindings } from './findings.ts'
import { formats } from './formats.ts'
import { canonical, isObject, type Json, type JsonObject, pointerOf, toKey } from './json.ts'

/** More faults than an answer may list are not looked for: a body of 1 MiB could otherwise make a million of them. */
const MAX_ERRORS = 100
/** Say nothing about validity; of the rest, none is known to Ajv in strict mode. */
const ANNOTATIONS = [
  'title',
  'description',
  'default',
  'example',
  'examples',
  'deprecated',
  'externalDocs',
  'xml',
  'readOnly',
  'writeOnly',
  '$comment',
]

/** What the module exports: names of generated functions. */
interface Plan {
  requests: Record<string, { parameters: string | null; body: string | null }>
  replies: Record<string, Record<number, Record<string, string>>>
  replyHeaders: Record<string, Record<number, { validator: string; numeric: string[] }>>
}

interface Wanted {
  schema: AnySchemaObject
  /** Who needs it first, and where it stands: for the message when it does not compile. */
  id: string
  pointer: string
}

/**
 * The validators of requests and replies as one module without imports.
 *
 * Strict: a keyword or format that Ajv does not know is an error here, never a check that is silently off. No coercion
 * and no defaults: what is validated is what was sent.
 */
export function emitValidators(contract: Contract): { js: string; dts: string } {
  const wanted = new Map<string, Wanted>()
  const names = new Map<string, string>()
  const want = (schema: JsonObject, id: string, pointer: string): string => {
    const cleaned = clean(contract, schema, pointer)
    const key = canonical(cleaned)
    const name = names.get(key) ?? `v${names.size}`
    names.set(key, name)
    if (!wanted.has(name)) wanted.set(name, { schema: cleaned, id, pointer })
    return name
  }
  const plan = makePlan(contract, want)
  const fast = compile(contract, wanted, false)
  const inRequests = new Set(Object.values(plan.requests).flatMap(({ parameters, body }) => [parameters, body]))
  const thorough = compile(contract, new Map([...wanted].filter(([name]) => inRequests.has(name))), true)
  return { js: assemble(plan, fast, thorough), dts: DECLARATIONS }
}

function makePlan(contract: Contract, want: (schema: JsonObject, id: string, pointer: string) => string): Plan {
  const plan: Plan = { requests: {}, replies: {}, replyHeaders: {} }
  for (const operation of contract.operations) {
    const { id, pointer, requestBody, hasRawBody } = operation
    const parameters = toParametersSchema(operation)
    const body = hasRawBody ? undefined : onlyJson(requestBody?.content ?? [])[0]
    plan.requests[id] = {
      parameters: parameters && want(parameters, id, `${pointer}/parameters`),
      body: body === undefined ? null : want(body.schema, id, body.pointer),
    }
    const replies: Record<number, Record<string, string>> = {}
    const headers: Plan['replyHeaders'][string] = {}
    for (const reply of operation.replies) {
      const content = onlyJson(reply.content).map(({ mediaType, schema, pointer: at }) => [
        mediaType,
        want(schema, id, at),
      ])
      if (content.length > 0) replies[reply.status] = Object.fromEntries(content)
      const properties = reply.headers.map(({ name, schema }) => [name.toLowerCase(), schema])
      if (properties.length === 0) continue
      const required = reply.headers.filter((header) => header.required).map(({ name }) => name.toLowerCase())
      const schema = { type: 'object', properties: Object.fromEntries(properties), required }
      headers[reply.status] = {
        validator: want(schema, id, `${pointer}/responses/${reply.status}/headers`),
        numeric: reply.headers.filter((header) => isNumeric(contract, header)).map(({ name }) => name.toLowerCase()),
      }
    }
    plan.replies[id] = replies
    plan.replyHeaders[id] = headers
  }
  return plan
}

function isNumeric(contract: Contract, header: { schema: JsonObject; pointer: string }): boolean {
  const { node } = resolve(contract.platform, header.schema, header.pointer)
  return node.type === 'integer' || node.type === 'number'
}

function onlyJson(content: Content[]): Content[] {
  return content.filter(({ mediaType }) => /^application\/(?:[\w.-]+\+)?json$/.test(mediaType))
}

/**
 * `{ path, query, header }`, header names in lower case. An unknown query parameter is a fault where the operation
 * documents a 422; elsewhere (health probes, vendors' deliveries) nothing could answer it, so it is let through.
 */
function toParametersSchema({ parameters, replies }: Operation): JsonObject | null {
  const isQueryClosed = replies.some(({ status }) => status === 422)
  if (parameters.length === 0 && !isQueryClosed) return null
  const group = (place: Parameter['in'], isClosed: boolean): JsonObject => {
    const own = parameters.filter((parameter) => parameter.in === place)
    const nameOf = ({ name }: Parameter) => (place === 'header' ? name.toLowerCase() : name)
    const required = own.filter((parameter) => parameter.required).map(nameOf)
    return {
      type: 'object',
      ...(own.length > 0
        ? { properties: Object.fromEntries(own.map((parameter) => [nameOf(parameter), parameter.schema])) }
        : {}),
      ...(required.length > 0 ? { required } : {}),
      ...(isClosed ? { additionalProperties: false } : {}),
    }
  }
  return {
    type: 'object',
    required: ['path', 'query', 'header'],
    properties: { path: group('path', true), query: group('query', isQueryClosed), header: group('header', false) },
  }
}

const componentId = (name: string) => `component:${name}`
const COMPONENT = /^#\/components\/schemas\/([^/]+)$/

/** Would need a scope of their own, which components do not give; see contract rule 11. */
const UNSUPPORTED = ['$id', '$defs', '$anchor', '$dynamicRef', '$dynamicAnchor', 'nullable']

/** To JSON Schema: without annotations and extensions, and with references by the id of the component. */
function clean(contract: Contract, schema: JsonObject, pointer: string): JsonObject {
  const fail = (message: string): never => {
    throw new GenerateError([`${contract.locate(pointer)} ${pointer}: ${message}`])
  }
  const cleanValue = (value: Json, at: string): Json => {
    if (Array.isArray(value)) return value.map((item, index) => cleanValue(item, `${at}/${index}`))
    return isObject(value) ? clean(contract, value, at) : value
  }
  const cleaned = Object.entries(schema).flatMap(([keyword, value]): [string, Json][] => {
    const at = `${pointer}/${keyword}`
    if (keyword.startsWith('x-') || ANNOTATIONS.includes(keyword)) return []
    if (UNSUPPORTED.includes(keyword)) return fail(`the keyword ${keyword} is not supported`)
    if (keyword === '$ref') {
      const name = COMPONENT.exec(String(value))?.[1]
      return [
        [keyword, componentId(name ?? fail(`${String(value)} is not a schema with a name under components/schemas`))],
      ]
    }
    if (keyword === 'const' || keyword === 'enum') return [[keyword, value]]
    // Ajv finds the branches by their `const`; it refuses a mapping.
    if (keyword === 'discriminator' && isObject(value)) return [[keyword, { propertyName: value.propertyName ?? '' }]]
    if (BY_NAME.includes(keyword) && isObject(value)) {
      const named = Object.entries(value).map(([name, child]) => [name, cleanValue(child, `${at}/${name}`)])
      return [[keyword, Object.fromEntries(named)]]
    }
    return [[keyword, cleanValue(value, at)]]
  })
  return Object.fromEntries(cleaned)
}

/** Keywords whose members are named by the author, so that a name may look like a keyword. */
const BY_NAME = ['properties', 'patternProperties', 'dependentSchemas']

interface Schemas {
  components: Record<string, JsonObject>
  usesUnevaluated: boolean
}

function toSchemas(contract: Contract): Schemas {
  const components = Object.entries(contract.platform.components?.schemas ?? {}).map(
    ([name, schema]): [string, JsonObject] => [name, clean(contract, schema, pointerOf('components', 'schemas', name))],
  )
  const usesUnevaluated = /"unevaluated(?:Properties|Items)"/.test(JSON.stringify(contract.platform))
  return { components: Object.fromEntries(components), usesUnevaluated }
}

function makeAjv({ components, usesUnevaluated }: Schemas, allErrors: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    strict: true,
    allowUnionTypes: true,
    discriminator: true,
    allErrors,
    // One function per component. In place of the call nothing gets measurably faster, and the module larger.
    inlineRefs: false,
    // 0.000001 has no exact double: without a tolerance, valid multiples of it are refused from 2 on.
    multipleOfPrecision: 3,
    formats,
    code: { source: true, esm: true, lines: true, optimize: 1 },
  })
  // Ajv2020 keeps book for keywords that look at their neighbours; without one of them that is a third of the code.
  ajv.opts.unevaluated = usesUnevaluated
  ajv.opts.dynamicRef = false
  for (const [name, schema] of Object.entries(components)) ajv.addSchema(schema, componentId(name))
  return ajv
}

/** Ajv's module for `wanted`, one exported function per name. */
function compile(contract: Contract, wanted: Map<string, Wanted>, allErrors: boolean): string {
  const schemas = toSchemas(contract)
  const ajv = makeAjv(schemas, allErrors)
  const failures = new Map<string, string>()
  for (const [name, { schema, id, pointer }] of wanted) {
    try {
      ajv.addSchema(schema, name).getSchema(name)
    } catch (error) {
      const message = messageOf(error)
      const at = findFault(schemas, schema, pointer, message)
      const known = failures.get(at)
      failures.set(at, known ?? `${contract.locate(at)} ${id}: ${at} does not compile: ${message}`)
    }
  }
  throwFindings([...failures.values()])
  return standalone.default(ajv, Object.fromEntries([...wanted.keys()].map((name) => [name, name])))
}

/** The innermost schema that fails alone in the same way: Ajv says what is wrong, but not where. */
function findFault(schemas: Schemas, schema: JsonObject, pointer: string, message: string): string {
  const candidates: [string, JsonObject][] = []
  const seen = new Set<string>()
  const collect = (node: unknown, at: string): void => {
    if (Array.isArray(node)) for (const [index, child] of node.entries()) collect(child, `${at}/${index}`)
    if (!isObject(node)) return
    candidates.push([at, node])
    const component = typeof node.$ref === 'string' ? node.$ref.slice(componentId('').length) : undefined
    if (component !== undefined && !seen.has(component)) {
      seen.add(component)
      collect(schemas.components[component], `#/components/schemas/${component}`)
    }
    for (const [key, child] of Object.entries(node)) {
      if (!['const', 'enum', 'required'].includes(key)) collect(child, `${at}/${key}`)
    }
  }
  collect(schema, pointer)
  const wanted = withoutPlace(message)
  const fault = candidates.findLast(([, node]) => withoutPlace(compileMessage(schemas, node) ?? '') === wanted)
  return fault?.[0] ?? pointer
}

function compileMessage(schemas: Schemas, schema: JsonObject): string | null {
  try {
    // What a reference leads to is a candidate of its own.
    makeAjv({ ...schemas, components: {} }, false).compile(JSON.parse(JSON.stringify(schema, dropReference)))
    return null
  } catch (error) {
    return messageOf(error)
  }
}

/** Ajv names the path from the schema that it compiles, which differs between a schema and its part. */
function withoutPlace(message: string): string {
  return message.replaceAll(/ at (?:path )?"[^"]*"/g, '')
}

function dropReference(key: string, value: unknown): unknown {
  return key === '$ref' && typeof value === 'string' ? undefined : value
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll('component:', '#/components/schemas/')
}

function assemble(plan: Plan, fast: string, thorough: string): string {
  const hot = toBlock(fast)
  const twin = toBlock(boundErrors(thorough))
  const lines = (rows: Record<string, string>) =>
    Object.entries(rows)
      .map(([key, value]) => `  ${toKey(key)}: ${value},\n`)
      .join('')
  const map = <T>(record: Record<string, T>, print: (value: T) => string) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, print(value)]))
  const object = (rows: Record<string, string>) =>
    `{ ${Object.entries(rows)
      .map(([key, value]) => `${toKey(key)}: ${value}`)
      .join(', ')} }`.replace('{  }', '{}')
  const pair = (nameOf: (name: string) => string) => (request: Plan['requests'][string]) =>
    object({
      parameters: request.parameters === null ? 'null' : nameOf(request.parameters),
      body: request.body === null ? 'null' : nameOf(request.body),
    })
  const hotName = (name: string) => hot.names[name] ?? 'undefined'
  return `// Generated by \`npm run generate\` from api-contracts/. Do not edit.
${hot.code}
const thorough = (() => {
${twin.code}
return ${object(twin.names)};
})();

/** Header values are strings on the wire; those that the contract calls numbers are read as numbers. */
const fromWire = (validate, numeric) => {
  const check = (headers) => {
    const read = { ...headers };
    for (const name of numeric) {
      if (typeof read[name] === 'string' && /^-?\\d+(?:\\.\\d+)?$/.test(read[name])) read[name] = Number(read[name]);
    }
    const isValid = validate(read);
    check.errors = validate.errors;
    return isValid;
  };
  return check;
};

export const requests = {
${lines(map(plan.requests, pair(hotName)))}};

export const requestErrors = {
${lines(
  map(
    plan.requests,
    pair((name) => `thorough.${name}`),
  ),
)}};

export const replies = {
${lines(map(plan.replies, (byStatus) => object(map(byStatus, (byType) => object(map(byType, hotName))))))}};

export const replyHeaders = {
${lines(
  map(plan.replyHeaders, (byStatus) =>
    object(
      map(byStatus, ({ validator, numeric }) =>
        numeric.length === 0 ? hotName(validator) : `fromWire(${hotName(validator)}, ${JSON.stringify(numeric)})`,
      ),
    ),
  ),
)}};
`
}

/** Ajv's module as a block: its exports become a table from our names to its functions. */
function toBlock(source: string): { code: string; names: Record<string, string> } {
  const names: Record<string, string> = {}
  let code = source.replace(/^"use strict";\s*/, '')
  code = code.replaceAll(/^export const (\w+) = (\w+);\n/gm, (_line, name: string, target: string) => {
    names[name] = target
    return ''
  })
  // `maxLength` counts code points; this is ajv/dist/runtime/ucs2length.js, which cannot be imported from ESM as it is.
  code = code.replaceAll('require("ajv/dist/runtime/ucs2length").default', UCS2LENGTH)
  // `uniqueItems` and `const` compare values of JSON.
  code = code.replaceAll('require("ajv/dist/runtime/equal").default', EQUAL)
  code = code.replaceAll(/,schemaPath:"(?:[^"\\]|\\.)*"/g, '')
  code = code.replaceAll(
    /if\(vErrors === null\)\{\nvErrors = \[(err\d+)\];\n\}\nelse \{\nvErrors\.push\(\1\);\n\}/g,
    '(vErrors ??= []).push($1);',
  )
  // Ajv writes the source of every schema; most are not looked at.
  const uses = new Map<string, number>()
  for (const [name] of code.matchAll(/\bschema\d+\b/g)) uses.set(name, (uses.get(name) ?? 0) + 1)
  code = code.replaceAll(/^const (schema\d+) = .*\n/gm, (line, name: string) => (uses.get(name) === 1 ? '' : line))
  const left = /require\([^)]*\)|^export .*$/m.exec(code)
  if (left !== null) throw new TypeError(`the generated validators still contain ${left[0]}`)
  return { code, names }
}

const UCS2LENGTH = `(text) => {
let length = text.length;
for (let i = 0; i < text.length - 1; i++) {
if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) { length--; i++; }
}
return length;
}`

const EQUAL = `(left, right) => {
const same = (a, b) => {
if (a === b) return true;
if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
const keys = Object.keys(a);
return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
};
return same(left, right);
}`

/** Every loop over elements or properties stops once there are more faults than an answer lists. */
function boundErrors(source: string): string {
  return source
    .replaceAll(/for\s*\(let (i\d+)=0; \1<(len\d+); \1\+\+\)/g, `for(let $1=0; $1<$2 && errors < ${MAX_ERRORS}; $1++)`)
    .replaceAll(/for\s*\(const (key\d+) in ([^)]+)\)\s*\{/g, `for(const $1 in $2){if(errors >= ${MAX_ERRORS})break;`)
}

const DECLARATIONS = `// Generated by \`npm run generate\` from api-contracts/. Do not edit.
import type { OperationId } from './operations.ts'

export interface ValidationError {
  /** JSON Pointer into the value. */
  instancePath: string
  keyword: string
  message?: string
  params: Record<string, unknown>
}

/** \`errors\` belongs to the last call: read it before the next one. */
export type Validator = ((data: unknown) => boolean) & { errors?: ValidationError[] | null }

export interface RequestValidators {
  /** Of \`{ path, query, header }\` with decoded values and header names in lower case. Null: everything is accepted. */
  readonly parameters: Validator | null
  /** Null where there is no body, or where the vendor decides what is in it. */
  readonly body: Validator | null
}

/** Stop at the first fault. */
export const requests: Readonly<Record<OperationId, RequestValidators>>
/** The same checks, listing up to about ${MAX_ERRORS} faults: for the answer to a request that was refused. */
export const requestErrors: Readonly<Record<OperationId, RequestValidators>>
/** By status and media type. A status without a body is absent. */
export const replies: Readonly<Record<OperationId, Readonly<Record<number, Readonly<Record<string, Validator>>>>>>
/** By status. Of an object with lower-case names; values as on the wire, or numbers where the contract says so. */
export const replyHeaders: Readonly<Record<OperationId, Readonly<Record<number, Validator>>>>
`
