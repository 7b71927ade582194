import type { Logger } from 'pino'
import { ProblemError } from '../problem/problem.ts'
import { RequestAborted } from './body.ts'
import { withCorsHeaders } from './cors.ts'
import { corsTargetOf, type Exchange, operationOf } from './exchange.ts'
import type { AnyReply, BoundOperation, ReplyPlan } from './operations.ts'
import { PROBLEM_MEDIA_TYPE, renderProblem, toProblemError } from './problem.ts'
import { rateLimitHeaders } from './rate-limit.ts'
import { sendBytes } from './send.ts'
import { chooseRepresentation, findHeldTag } from './static/file.ts'
import type { StaticRoute } from './static-routes.ts'

/** Whatever was thrown, as a problem. Nothing is sent to a client that has gone. */
export function sendProblem(exchange: Exchange, thrown: unknown): void {
  if (thrown instanceof RequestAborted) return
  const error = toProblemError(thrown)
  const operation = operationOf(exchange)
  report(exchange.ctx.log, operation, error)
  const { status, headers, body } = renderProblem(error, {
    correlationId: exchange.ctx.correlationId,
    path: exchange.path,
  })
  const validate = operation?.replies.get(status)?.validators[PROBLEM_MEDIA_TYPE]
  if (validate !== undefined && !validate(body)) {
    exchange.ctx.log.error(
      { operationId: operation?.id, status, errors: validate.errors },
      'a problem violates the contract',
    )
  }
  send(exchange, status, headers, PROBLEM_MEDIA_TYPE, JSON.stringify(body))
}

/** In the form that the caller asks for. Throws `not_found`. */
export function sendFile(exchange: Exchange, route: StaticRoute): void {
  const found = route.find(exchange.params)
  if (found === undefined) throw new ProblemError('not_found', 'There is nothing at this path.')
  const acceptEncoding = exchange.headers['accept-encoding']
  const { etag, body, coding } = chooseRepresentation(found, String(acceptEncoding ?? ''))
  const headers: Record<string, string> = { ...found.headers, 'Cache-Control': found.cacheControl }
  const held = findHeldTag(exchange.headers['if-none-match'], found, etag)
  if (held !== undefined) {
    send(exchange, 304, { ...headers, ETag: held })
    return
  }
  if (coding !== null) headers['Content-Encoding'] = coding
  send(exchange, 200, { ...headers, ETag: etag }, found.contentType, body)
}

/** A handler's reply, after it has been held against the contract. Throws `internal_error`, having logged what is wrong. */
export function sendReply(exchange: Exchange, reply: AnyReply): void {
  const operation = operationOf(exchange) as BoundOperation
  const fault = findReplyFault(operation, reply, exchange.ctx.correlationId)
  if (fault !== undefined) {
    exchange.ctx.log.error(
      { operationId: operation.id, status: reply?.status, ...fault },
      'a reply violates the contract',
    )
    throw new ProblemError('internal_error', 'The reply violates the contract.')
  }
  const mediaType = mediaTypeOf(operation, reply)
  if (mediaType === undefined) {
    send(exchange, reply.status, reply.headers)
    return
  }
  const isText = typeof reply.body === 'string' || Buffer.isBuffer(reply.body)
  const payload = isText && !isJson(mediaType) ? (reply.body as string | Buffer) : JSON.stringify(reply.body)
  send(exchange, reply.status, reply.headers, mediaType, payload)
}

/** Correlation id, CORS, quota, `nosniff`, and `no-store` unless `own` says otherwise, on every answer. */
export function send(
  exchange: Exchange,
  status: number,
  own: Record<string, string> | undefined,
  mediaType?: string,
  payload?: string | Buffer,
): void {
  const { req, res, ctx, cors, quota, isClosing } = exchange
  const extra = cors === undefined ? own : withCorsHeaders(own, cors, corsTargetOf(exchange))
  const headers = ['X-Correlation-ID', ctx.correlationId, 'X-Content-Type-Options', 'nosniff']
  let isCacheControlled = false
  if (extra !== undefined) {
    for (const name in extra) {
      const lower = name.toLowerCase()
      if (lower === 'content-type' || lower === 'content-length' || lower === 'x-correlation-id') continue
      if (lower === 'cache-control') isCacheControlled = true
      headers.push(name, extra[name] as string)
    }
  }
  if (!isCacheControlled) headers.push('Cache-Control', 'no-store')
  if (quota !== undefined) headers.push(...rateLimitHeaders(quota))
  const fixed = operationOf(exchange)?.replies.get(status)?.fixedHeaders
  if (fixed !== undefined && fixed.length > 0) headers.push(...fixed)
  if (mediaType !== undefined && payload !== undefined) {
    headers.push('Content-Type', mediaType, 'Content-Length', String(Buffer.byteLength(payload)))
  } else if (status !== 204 && status !== 304) {
    headers.push('Content-Length', '0')
  }
  if (isClosing()) headers.push('Connection', 'close')
  sendBytes(req, res, status, headers, payload)
  const operationId = operationOf(exchange)?.id
  exchange.trace?.end({ operationId, status })
  exchange.onAnswered?.({
    operationId,
    status,
    durationMs: performance.now() - exchange.arrivedMs,
    correlationId: ctx.correlationId,
  })
}

interface ReplyFault {
  fault: string
  errors?: unknown
}

function findReplyFault(operation: BoundOperation, reply: AnyReply, correlationId: string): ReplyFault | undefined {
  const plan = operation.replies.get(reply?.status)
  if (plan === undefined) return { fault: 'the status is not declared' }
  const mediaType = mediaTypeOf(operation, reply)
  if (mediaType === undefined) {
    if (reply.body !== undefined) return { fault: 'the status has no body, or not in this media type' }
  } else {
    const validate = plan.validators[mediaType]
    // A file has no schema beyond being one.
    const isFile = !isJson(mediaType) && (typeof reply.body === 'string' || Buffer.isBuffer(reply.body))
    if (isFile) return findHeaderFault(plan, reply, correlationId)
    if (validate === undefined) return { fault: `there is no validator for ${mediaType}` }
    if (!validate(reply.body)) return { fault: 'the body does not match its schema', errors: validate.errors }
  }
  return findHeaderFault(plan, reply, correlationId)
}

function findHeaderFault(plan: ReplyPlan, reply: AnyReply, correlationId: string): ReplyFault | undefined {
  if (plan.headers === null) return undefined
  const headers: Record<string, string> = { 'x-correlation-id': correlationId }
  for (let i = 0; i < plan.fixedHeaders.length; i += 2)
    headers[(plan.fixedHeaders[i] as string).toLowerCase()] = plan.fixedHeaders[i + 1] as string
  for (const [name, value] of Object.entries(reply.headers ?? {})) headers[name.toLowerCase()] = value
  if (!plan.headers(headers)) return { fault: 'the headers do not match their schemas', errors: plan.headers.errors }
  return undefined
}

/** The declared media type that the reply is in; undefined for a status without a body, or for an undeclared one. */
function mediaTypeOf(operation: BoundOperation, reply: AnyReply): string | undefined {
  const { mediaTypes } = operation.replies.get(reply.status) ?? { mediaTypes: [] }
  const asked = reply.headers?.['Content-Type']
  return asked === undefined ? mediaTypes[0] : mediaTypes.find((mediaType) => mediaType === asked)
}

function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType.endsWith('+json')
}

/** The answers that belong to the server: the contract declares them once, not on operations. */
const SERVER_STATUSES = new Set([405, 500, 501])

function report(log: Logger, operation: BoundOperation | undefined, error: ProblemError): void {
  const about = { operationId: operation?.id, code: error.code, status: error.status }
  if (error.status === 500) log.error({ ...about, err: error.cause ?? error }, 'the request failed')
  else if (error.cause !== undefined) log.warn({ ...about, err: error.cause }, 'the request was refused')
  else log.debug(about, 'the request was refused')
  if (operation !== undefined && !operation.replies.has(error.status) && !SERVER_STATUSES.has(error.status)) {
    log.error(about, 'a problem violates the contract: its status is not declared on the operation')
  }
}
