import { isObject } from '../../generate/json.ts'
import type { Fault } from '../finding.ts'
import type { Rule } from '../gate.ts'
import { contentOf, placeOf, placeOfKey, type SourceOperation } from '../source.ts'

/** Answers of the server itself, whatever the operation: documented once, in the problem registry. */
export const SERVER_STATUSES: readonly number[] = [405, 500, 501]
/** The domain decides whether an operation has them: state, expiry. */
const DOMAIN_STATUSES = [404, 409, 410]

export interface DerivedStatuses {
  /** With the reason, for the message. */
  required: Map<number, string>
  /** May be there as well. */
  allowed: ReadonlySet<number>
}

/** The 3xx, 4xx and 5xx statuses that follow from the shape of an operation (DESIGN 4.6). */
export function deriveStatuses(operation: SourceOperation): DerivedStatuses {
  const required = new Map<number, string>()
  const allowed = new Set<number>()
  const { value, parameters, requestBody, replies, isVendor } = operation
  const isAuthenticated = Array.isArray(value.security) && value.security.length > 0
  if (isVendor) {
    for (const status of [401, 413, 415, 429, 503]) required.set(status, 'it receives webhooks of a vendor')
    return { required, allowed }
  }
  const named = (place: string, name: string) =>
    parameters.some(({ value: parameter }) => parameter.in === place && String(parameter.name).toLowerCase() === name)
  const inPath = parameters.some(({ value: parameter }) => parameter.in === 'path')
  const inQuery = parameters.some(({ value: parameter }) => parameter.in === 'query')
  const hasReplyBody = replies.some(({ status, response }) => /^[23]/.test(status) && contentOf(response).length > 0)
  if (requestBody !== null) {
    for (const status of [400, 413, 415]) required.set(status, 'it has a request body')
    required.set(422, 'its request body can be invalid')
  }
  if (parameters.length > 0) required.set(422, 'its parameters can be invalid')
  if (hasReplyBody) required.set(406, 'it answers with a body')
  if (isAuthenticated) required.set(401, 'it needs credentials')
  if (isAboveViewer(operation)) required.set(403, 'it needs a role or a scope')
  if (inPath) required.set(404, 'its path names a thing')
  if (named('header', 'if-none-match')) required.set(304, 'it has If-None-Match')
  if (named('header', 'if-match')) required.set(412, 'it has If-Match')
  if (named('header', 'idempotency-key')) required.set(409, 'it has Idempotency-Key')
  if (requestBody !== null || inPath || inQuery) required.set(503, 'it needs the database')
  if (isAuthenticated) required.set(429, 'it is limited per tenant')
  // Without a parameter, only the author knows whether an answer takes the database.
  allowed.add(503)
  // A provider's or a tenant's policy can forbid what the role allows.
  if (isAuthenticated) allowed.add(403)
  if (!isAuthenticated) allowed.add(429)
  // Credentials may come otherwise: a password, a refresh token, a publishable key, the state of an authorization.
  if (!isAuthenticated && (requestBody !== null || inQuery)) {
    allowed.add(401)
    allowed.add(403)
  }
  for (const status of DOMAIN_STATUSES) allowed.add(status)
  return { required, allowed }
}

function isAboveViewer({ value }: SourceOperation): boolean {
  const role = value['x-required-role']
  return (role !== undefined && role !== 'viewer') || value['x-required-scope'] !== undefined
}

export const statusRules: Rule[] = [
  {
    id: 'lint/status-algebra',
    gate: 'lint',
    description:
      'The error statuses of an operation are those that follow from its shape: body 400 413 415 422, reply body 406, parameter 422, security 401 429, role or scope 403, path parameter 404, `If-None-Match` 304, `If-Match` 412, `Idempotency-Key` 409, body or path or query 503; a vendor webhook has 401 413 415 429 503. 404, 409 and 410 of the domain may be added.',
    profiles: ['skeldir'],
    check: (ctx) => ctx.source().operations.flatMap((operation) => [...wrongStatuses(operation)]),
  },
  {
    id: 'lint/success-status',
    gate: 'lint',
    description: 'An operation documents at least one 2xx or 3xx status, and every status by its number.',
    profiles: ['skeldir'],
    check: (ctx) => ctx.source().operations.flatMap((operation) => [...unnamedStatuses(operation)]),
  },
]

function* wrongStatuses(operation: SourceOperation): Generator<Fault> {
  const { required, allowed } = deriveStatuses(operation)
  const documented = new Map(operation.replies.map(({ status, at }) => [Number(status), at]))
  for (const [status, reason] of required) {
    if (!documented.has(status)) {
      yield { message: `${operation.id} lacks ${status}: ${reason}`, at: placeOfKey(operation, 'responses') }
    }
  }
  for (const [status, at] of documented) {
    if (status < 300 || (status < 400 && status !== 304) || required.has(status) || allowed.has(status)) continue
    const reason = SERVER_STATUSES.includes(status)
      ? 'it belongs to the server and is documented once'
      : 'nothing in its shape leads to it'
    yield { message: `${operation.id} must not have ${status}: ${reason}`, at }
  }
}

function* unnamedStatuses({ id, replies, value, ...place }: SourceOperation): Generator<Fault> {
  for (const { status, at } of replies) {
    if (!/^[2-5]\d\d$/.test(status)) yield { message: `${id}: name each status; \`${status}\` is not one`, at }
  }
  if (!replies.some(({ status }) => /^[23]/.test(status)) && isObject(value.responses)) {
    yield { message: `${id} documents no success`, at: placeOf(place, 'responses') }
  }
}
