import type { Exchange } from '../src/http/exchange.ts'
import { operationOf } from '../src/http/exchange.ts'
import type { AnyReply, BoundOperation, ContractSource } from '../src/http/operations.ts'
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../src/http/problem.ts'
import { send } from '../src/http/reply.ts'
import { toProblemItems } from '../src/http/validation.ts'
import { ProblemError, type ProblemItem } from '../src/problem/problem.ts'
import type { FileValidators } from './file-schema.ts'
import { isJson } from './media.ts'

/** The contract's bound on `detail`. */
const MAX_DETAIL = 1_024

export interface ReplyChecks {
  source: ContractSource
  files: FileValidators
  /** Where violations are reported. */
  say: (line: string) => void
}

/**
 * Sends what Prism has made, once it has been held against the contract's closed schemas, body and headers: one that
 * does not match is a 500 that says where.
 */
export function sendMockReply(checks: ReplyChecks, exchange: Exchange, made: AnyReply): void {
  const operation = operationOf(exchange) as BoundOperation
  const reply = personalise(exchange, made)
  const violations = findViolations(checks, operation, reply)
  if (violations.length > 0) {
    sendViolation(checks, exchange, `${operation.id} ${reply.status}`, violations)
    return
  }
  const mediaType = reply.headers?.['Content-Type']
  const headers = { ...reply.headers }
  // Given by the front: for the origin that asks, not for the one in the example; by the operation's own dates.
  for (const name of Object.keys(headers)) {
    if (/^(?:access-control-|(?:vary|deprecation|sunset)$)/i.test(name)) delete headers[name]
  }
  if (mediaType === undefined) send(exchange, reply.status, headers)
  else send(exchange, reply.status, headers, mediaType, toPayload(mediaType, reply.body))
}

/** A problem speaks of this request, as the server's would. */
function personalise({ ctx, path }: Exchange, reply: AnyReply): AnyReply {
  if (reply.headers?.['Content-Type'] !== PROBLEM_MEDIA_TYPE || typeof reply.body !== 'object') return reply
  const about = { correlationId: ctx.correlationId, path }
  const { instance, correlation_id } = renderProblem(new ProblemError('not_found', ''), about).body
  return { ...reply, body: { ...reply.body, instance, correlation_id } }
}

function toPayload(mediaType: string, body: unknown): string | Buffer {
  if (isJson(mediaType)) return JSON.stringify(body)
  const text = String(body)
  // A document holds the bytes of a binary file as characters up to U+00FF.
  return /^text\/|ndjson$/.test(mediaType) ? text : Buffer.from(text, 'latin1')
}

export function findViolations(
  { source, files }: ReplyChecks,
  operation: BoundOperation,
  reply: AnyReply,
): ProblemItem[] {
  const { id, row } = operation
  const { status } = reply
  const declared = row.replies[status]
  if (declared === undefined) return [item('/status', 'undeclared', `The status ${status} is not declared.`)]
  const mediaType = reply.headers?.['Content-Type']
  const violations: ProblemItem[] = []
  if (mediaType !== undefined && !declared.mediaTypes.includes(mediaType))
    violations.push(item('/header/content-type', 'undeclared', `The media type ${mediaType} is not declared.`))
  else if (mediaType === undefined && declared.mediaTypes.length > 0)
    violations.push(item('/body', 'required', `There is no body in ${declared.mediaTypes.join(' or ')}.`))
  else if (mediaType !== undefined) {
    const validate = isJson(mediaType) ? source.replies[id]?.[status]?.[mediaType] : files(id, status, mediaType)
    if (validate === undefined) violations.push(item('/body', 'schema', `There is no schema for ${mediaType}.`))
    else if (!validate(reply.body)) violations.push(...toProblemItems(validate.errors ?? [], '/body'))
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(reply.headers ?? {})) headers[name.toLowerCase()] = value
  const validateHeaders = source.replyHeaders[id]?.[status]
  if (validateHeaders !== undefined && !validateHeaders(headers)) {
    const faults = toProblemItems(validateHeaders.errors ?? [], '')
    violations.push(...faults.map((fault) => ({ ...fault, pointer: `/header${fault.pointer}` })))
  }
  return violations
}

function item(pointer: string, code: string, detail: string): ProblemItem {
  return { pointer, code, detail }
}

/** What the mock cannot answer, named: here the fault is in the contract, and its author is the one who asks. */
export function sendViolation(
  { say }: ReplyChecks,
  exchange: Exchange,
  subject: string,
  violations: readonly ProblemItem[],
): void {
  const places = violations.map(({ pointer, detail }) => `${pointer}: ${detail}`).join(' ')
  const about = { correlationId: exchange.ctx.correlationId, path: exchange.path }
  const { body } = renderProblem(new ProblemError('internal_error', ''), about)
  const detail = `The mock's answer for ${subject} violates the contract. ${places}`
  say(`violation: ${detail}`)
  const problem = { ...body, detail: cut(detail), errors: violations.slice(0, 100) }
  send(exchange, 500, {}, PROBLEM_MEDIA_TYPE, JSON.stringify(problem))
}

function cut(text: string): string {
  return text.length <= MAX_DETAIL ? text : `${text.slice(0, MAX_DETAIL - 1).toWellFormed()}…`
}
