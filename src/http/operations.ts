import type { OperationRow } from '../../generated/operations.ts'
import type { Validator } from '../../generated/validators.js'
import { notImplemented } from '../contract.ts'
import type { Authenticator } from './authenticate.ts'
import { type CorsPlan, planCors } from './cors.ts'
import { deprecationHeaders } from './deprecation.ts'
import { type ParameterPlan, planParameters } from './parameters.ts'
import { PROBLEM_MEDIA_TYPE } from './problem.ts'
import { type TenantPolicy, tenantPolicyOf } from './rate-limit.ts'

/** Everything generated that the engine runs on; the bench and the tests bring their own. */
export interface ContractSource {
  /** OpenAPI 3.1, bundled. */
  document: object
  operations: Readonly<Record<string, OperationRow>>
  requests: Validators<{ parameters: Validator | null; body: Validator | null }>
  /** The same with all errors, for writing a 422. */
  requestErrors: Validators<{ parameters: Validator | null; body: Validator | null }>
  replies: Validators<Record<string, Record<string, Validator>>>
  replyHeaders: Validators<Record<string, Validator>>
}
type Validators<T> = Readonly<Record<string, T>>

export interface AnyRequest {
  params: object
  query: object
  headers: object
  body: unknown
  rawBody: Buffer
  /** Of the media types that the operation answers with, the one that the caller likes best; '' where it has none. */
  prefers: string
}
export interface AnyReply {
  status: number
  body?: unknown
  headers?: Record<string, string>
}
/** The type of every handler once `Handlers` has checked the precise one. */
export type AnyHandler = (ctx: never, request: never) => Promise<AnyReply>

export interface ReplyPlan {
  /** Those of the success answer; the first is the default. Empty: no body. */
  mediaTypes: readonly string[]
  validators: Readonly<Record<string, Validator>>
  /** Null where the contract declares nothing but what the server sets. */
  headers: Validator | null
  /** Names and values, in turn, that follow from the operation alone. */
  fixedHeaders: readonly string[]
}

/** One operation with all that is known about it at boot, so that a request looks nothing up twice. */
export interface BoundOperation {
  id: string
  row: OperationRow
  handler: AnyHandler
  /** False: answered 501 before anything else is looked at. */
  isImplemented: boolean
  parameters: ParameterPlan
  /** Whether parameters are held against the schema. Not on health probes and vendor webhooks, which declare no 422. */
  isStrict: boolean
  requests: { parameters: Validator | null; body: Validator | null }
  requestErrors: { parameters: Validator | null; body: Validator | null }
  /** By status. */
  replies: ReadonlyMap<number, ReplyPlan>
  /** Media types of all success answers: what `Accept` is held against. */
  offers: string[]
  cors: CorsPlan
  /** Undefined: its requests are not counted for a tenant. */
  ratePolicy: TenantPolicy | undefined
  /** Whether an Idempotency-Key makes the request safe to send again. */
  isIdempotent: boolean
  /** Whether it stores what comes in from outside, of which a process takes on only so much at a time. */
  isBounded: boolean
  /** The shape in which openapi-backend wants it. */
  operation: {
    operationId: string
    method: string
    path: string
    security: Record<string, string[]>[]
    responses: object
  }
}

/** Binds every operation of the table, or throws an error that lists everything that does not fit. */
export function bindOperations(
  contract: ContractSource,
  handlers: Readonly<Record<string, AnyHandler>>,
  authenticators: Readonly<Record<string, Authenticator>>,
): Map<string, BoundOperation> {
  const faults = [...findFaults(contract, handlers, authenticators)]
  if (faults.length > 0) throw new Error(`the contract cannot be bound:\n  ${faults.join('\n  ')}`)
  return new Map(
    Object.entries(contract.operations).map(([id, row]) => [
      id,
      bindOperation(contract, id, row, handlers[id] as AnyHandler),
    ]),
  )
}

function* findFaults(
  { document, operations, requests, replies }: ContractSource,
  handlers: Readonly<Record<string, AnyHandler>>,
  authenticators: Readonly<Record<string, Authenticator>>,
): Iterable<string> {
  for (const id of Object.keys(handlers)) {
    if (!Object.hasOwn(operations, id)) yield `handler ${id} has no operation`
  }
  const documented = new Set(documentedOperations(document))
  const schemes = new Set<string>()
  for (const [id, row] of Object.entries(operations)) {
    if (typeof handlers[id] !== 'function') yield `operation ${id} has no handler`
    if (!documented.delete(`${id} ${row.method} ${row.path}`)) yield `operation ${id} is not in the document`
    if (requests[id] === undefined || replies[id] === undefined) yield `operation ${id} has no validators`
    // An optional scheme would give the handler a context without a tenant, behind the back of its type.
    if (row.security.some((alternative) => alternative.length === 0)) yield `operation ${id} makes security optional`
    const takesInput = row.parameters.length > 0 || row.requestBody !== null
    if (isIdempotent(row) && Object.values(row.replies).some(({ mediaTypes }) => !mediaTypes.every(isJson)))
      yield `operation ${id} takes Idempotency-Key, and has an answer other than JSON, which cannot be stored`
    if (takesInput && !row.acceptsAnyMediaType && !(422 in row.replies))
      yield `operation ${id} takes input but declares no 422`
    // Nothing stands behind these yet that a credential could open.
    if (handlers[id] === notImplemented) continue
    for (const scheme of row.security.flat()) schemes.add(scheme)
  }
  for (const rest of documented) yield `operation ${rest} is in the document but not in the table`
  for (const scheme of schemes) {
    // openapi-backend would overwrite its own verdict with the result of a scheme of this name.
    if (scheme === 'authorized') yield 'no security scheme may be called authorized'
    if (typeof authenticators[scheme] !== 'function') yield `security scheme ${scheme} has no authenticator`
  }
  for (const scheme of Object.keys(authenticators)) {
    if (!schemes.has(scheme)) yield `authenticator ${scheme} has no security scheme that an operation uses`
  }
}

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'])

function* documentedOperations(document: object): Iterable<string> {
  const { paths = {} } = document as { paths?: Record<string, Record<string, { operationId?: string }>> }
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (METHODS.has(method)) yield `${operation.operationId} ${method} ${path}`
    }
  }
}

function bindOperation(contract: ContractSource, id: string, row: OperationRow, handler: AnyHandler): BoundOperation {
  const none = { parameters: null, body: null }
  const replies = new Map<number, ReplyPlan>()
  const offers = new Set<string>()
  for (const [status, { mediaTypes, headers }] of Object.entries(row.replies)) {
    const own = mediaTypes.filter((mediaType) => mediaType !== PROBLEM_MEDIA_TYPE)
    for (const mediaType of own) offers.add(mediaType)
    const isHeaderChecked = headers.some((name) => !SERVER_HEADERS.has(name.toLowerCase()))
    replies.set(Number(status), {
      mediaTypes: own,
      validators: contract.replies[id]?.[status] ?? {},
      headers: isHeaderChecked ? (contract.replyHeaders[id]?.[status] ?? null) : null,
      fixedHeaders: row.deprecated
        ? deprecationHeaders(row)
            .filter(([name]) => headers.includes(name))
            .flat()
        : [],
    })
  }
  return {
    id,
    row,
    handler,
    isImplemented: handler !== notImplemented,
    parameters: planParameters(row.parameters),
    isStrict: 422 in row.replies && !row.acceptsAnyMediaType,
    requests: contract.requests[id] ?? none,
    requestErrors: contract.requestErrors[id] ?? contract.requests[id] ?? none,
    replies,
    offers: [...offers],
    cors: planCors(row, contract.document),
    ratePolicy: tenantPolicyOf(row),
    isIdempotent: isIdempotent(row),
    isBounded: row.rateLimitPolicy === 'ingest',
    operation: {
      operationId: id,
      method: row.method,
      path: row.path,
      security: row.security.map((schemes) => Object.fromEntries(schemes.map((scheme) => [scheme, []]))),
      responses: {},
    },
  }
}

/** As Node names the header. */
export const IDEMPOTENCY_KEY = 'idempotency-key'

/** Set by the server in the form that the contract declares: nothing to hold against it. */
const SERVER_HEADERS = new Set(['x-correlation-id', 'ratelimit', 'ratelimit-policy', 'deprecation', 'sunset'])

function isIdempotent({ security, parameters }: OperationRow): boolean {
  return security.length > 0 && parameters.some(({ name }) => name.toLowerCase() === IDEMPOTENCY_KEY)
}

function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType.endsWith('+json')
}
