import type { RequestContext, TenantContext } from '../context.ts'
import { ProblemError, type ProblemItem } from '../problem/problem.ts'
import { requireAccess } from './authenticate.ts'
import { narrowCors } from './cors.ts'
import type { Exchange } from './exchange.ts'
import { answerOnce } from './idempotency.ts'
import { type JsonValue, parseJson, parseText } from './json.ts'
import { choose, requireIdentityEncoding, requireMediaType } from './media.ts'
import { type AnyReply, type AnyRequest, type BoundOperation, IDEMPOTENCY_KEY } from './operations.ts'
import { type Parameters, readParameters } from './parameters.ts'
import { requireQuota } from './rate-limit.ts'
import { toProblemItems } from './validation.ts'

interface SentBody {
  rawBody: Buffer
  /** What the operation declares and the caller named; null where any is taken or nothing was sent. */
  mediaType: string | null
}

const NO_BODY: SentBody = { rawBody: Buffer.alloc(0), mediaType: null }

/** Bodies above this are not searched for all their faults: a hostile array could have a fault per item. */
const MAX_BYTES_FOR_ALL_ERRORS = 65_536

/** Runs after authentication. */
export async function runOperation(operation: BoundOperation, exchange: Exchange): Promise<AnyReply> {
  const { row, ratePolicy } = operation
  const { principal, limits } = exchange
  if (row.security.length > 0) {
    if (principal === null) throw new ProblemError('unauthorized', 'The request carries no valid credentials.')
    await narrowCors(exchange.cors, exchange.ctx, principal.tenantId)
    requireAccess(row, principal)
    if (limits !== undefined && ratePolicy !== undefined) {
      const taken = limits.rates.take(exchange.ctx, principal.tenantId, ratePolicy)
      exchange.quota = taken instanceof Promise ? await taken : taken
      requireQuota(exchange.quota)
    }
  }
  if (!row.acceptsAnyMediaType) requireAcceptable(operation, exchange)
  const sent = row.requestBody === null ? NO_BODY : await readRequestBody(operation, exchange)
  const { admission } = exchange.ctx
  if (admission === undefined || !operation.isBounded) return runHandler(operation, exchange, sent)
  const leave = admission.enter(sent.rawBody.length)
  try {
    return await runHandler(operation, exchange, sent)
  } finally {
    leave()
  }
}

async function runHandler(operation: BoundOperation, exchange: Exchange, sent: SentBody): Promise<AnyReply> {
  const { principal, limits } = exchange
  const { rawBody, mediaType } = sent
  const { parameters, body } = readInput(operation, exchange, sent)
  const request: AnyRequest = {
    params: parameters.path,
    query: parameters.query,
    headers: parameters.header,
    body,
    rawBody,
    prefers: preferredMediaType(operation, exchange),
  }
  // The one cast: `Handlers` and the validators have agreed on the types.
  const handle = (ctx: RequestContext) => operation.handler(ctx as never, request as never)
  if (principal === null) return handle(exchange.ctx)
  const ctx: TenantContext = { ...exchange.ctx, tenantId: principal.tenantId, principal }
  const key = operation.isIdempotent ? exchange.headers[IDEMPOTENCY_KEY] : undefined
  if (limits === undefined || typeof key !== 'string') return handle(ctx)
  return answerOnce(limits.answers, operation, ctx, request, { key, mediaType }, handle)
}

async function readRequestBody({ row }: BoundOperation, { headers, readBody: read }: Exchange): Promise<SentBody> {
  requireIdentityEncoding(headers)
  if (row.acceptsAnyMediaType) return { rawBody: await read(), mediaType: null }
  const isSent = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  const isNamed = row.requestBody?.required === true || isSent
  const mediaType = isNamed ? requireMediaType(headers, row.requestBody?.mediaTypes ?? []) : null
  const rawBody = await read()
  const maxBytes = mediaType === null ? undefined : row.requestBody?.jsonText?.[mediaType]?.maxBytes
  if (maxBytes !== undefined && rawBody.length > maxBytes)
    throw new ProblemError('payload_too_large', `A body of ${mediaType} has at most ${maxBytes} bytes.`)
  return { rawBody, mediaType }
}

/** Parses, then validates: 400 comes before 422, and a 422 lists the faults of parameters and body together. */
function readInput(
  operation: BoundOperation,
  exchange: Exchange,
  { rawBody, mediaType }: SentBody,
): { parameters: Parameters; body: JsonValue | undefined } {
  const { row, requests, requestErrors, isStrict } = operation
  const isBodyParsed =
    !row.acceptsAnyMediaType && row.requestBody !== null && (row.requestBody.required || rawBody.length > 0)
  // Text that is not JSON has no schema to be held against; its handler reads it line by line.
  const isJson =
    mediaType === null || /[/+]json$/.test(mediaType) || row.requestBody?.jsonText?.[mediaType] !== undefined
  const body = isBodyParsed ? (isJson ? parseJson(rawBody) : parseText(rawBody)) : undefined
  const parameters = readDeclaredParameters(operation, exchange)
  if (!isStrict) return { parameters, body }
  const faults: ProblemItem[] = []
  if (requests.parameters !== null && !requests.parameters(parameters)) {
    const all = requestErrors.parameters ?? requests.parameters
    all(parameters)
    faults.push(...toProblemItems(all.errors, ''))
  }
  if (isBodyParsed && isJson && requests.body !== null && !requests.body(body)) {
    const all = rawBody.length <= MAX_BYTES_FOR_ALL_ERRORS ? (requestErrors.body ?? requests.body) : requests.body
    all(body)
    faults.push(...toProblemItems(all.errors, '/body'))
  }
  if (faults.length === 0) return { parameters, body }
  throw new ProblemError('validation_failed', 'The request does not match the contract.', { errors: faults })
}

/** A broken escape is 400 where the operation declares that, and otherwise one more reason for its 422. */
function readDeclaredParameters({ row, parameters, isStrict }: BoundOperation, exchange: Exchange): Parameters {
  // Health probes come with cache busters, vendors with whatever they like: neither operation has a 422 to say so.
  if (!isStrict) return readParameters(parameters, { params: exchange.params, headers: exchange.headers, query: '' })
  try {
    return readParameters(parameters, exchange)
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 400 || 400 in row.replies) throw error
    throw new ProblemError('validation_failed', error.detail, { ...(error.errors && { errors: error.errors }) })
  }
}

function preferredMediaType({ offers }: BoundOperation, { req }: Exchange): string {
  const [only = ''] = offers
  return offers.length < 2 || req.headers.accept === undefined ? only : choose(req, offers) || only
}

function requireAcceptable({ offers }: BoundOperation, { req }: Exchange): void {
  const accept = req.headers.accept
  if (accept === undefined || accept === '*/*' || offers.length === 0 || offers.includes(accept)) return
  if (choose(req, offers) !== false) return
  throw new ProblemError('not_acceptable', `This operation answers with ${offers.join(' or ')}.`)
}
