import { problems } from '../../generated/problems.ts'
import { type ProblemCode, ProblemError, type ProblemItem } from '../problem/problem.ts'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/** Body of every error. Source: RFC 9457; the members are those of the contract's `Problem` schema. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: ProblemCode
  correlation_id: string
  errors?: ProblemItem[]
}

export interface ProblemReply {
  status: number
  headers: Record<string, string>
  body: Problem
}

/** Seconds. Long enough for a restarted database to accept connections, short enough that clients notice recovery. */
const RETRY_AFTER_S = 5
const UNAUTHORIZED_DETAIL = 'This operation needs valid credentials.'
const INTERNAL_DETAIL = 'Something went wrong on our side. Quote the correlation id when you report it.'
const UNAVAILABLE_DETAIL = 'A part that this request needs is not reachable at the moment. Try again shortly.'

/** The bound on `errors` in the contract. */
const MAX_ITEMS = 100

/**
 * What any thrown value means to the caller: a ProblemError stays itself, a lost database is `service_unavailable`,
 * and everything else is `internal_error` with a fixed sentence and the original as `cause`.
 */
export function toProblemError(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  if (isConnectionError(error)) return new ProblemError('service_unavailable', UNAVAILABLE_DETAIL, { cause: error })
  return new ProblemError('internal_error', INTERNAL_DETAIL, { cause: error })
}

/**
 * The one place where an error becomes a response. All 401s are alike, whatever `detail` they were thrown with, so that
 * none tells which credential was wrong; the same holds for 500.
 */
export function renderProblem(error: ProblemError, about: { correlationId: string; path: string }): ProblemReply {
  const { status, title } = problems[error.code]
  const isOpaque = error.code === 'unauthorized' || error.code === 'internal_error'
  const body: Problem = {
    type: `/docs/problems/${error.code}`,
    title,
    status,
    detail: error.code === 'unauthorized' ? UNAUTHORIZED_DETAIL : status === 500 ? INTERNAL_DETAIL : error.detail,
    instance: toUriReference(about.path),
    code: error.code,
    correlation_id: about.correlationId,
  }
  if (error.errors !== undefined && error.errors.length > 0 && !isOpaque) body.errors = error.errors.slice(0, MAX_ITEMS)
  const headers: Record<string, string> = {}
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer realm="skeldir"'
  if (status === 503) headers['Retry-After'] = String(RETRY_AFTER_S)
  return { status, headers: isOpaque ? headers : { ...headers, ...error.headers }, body }
}

/** Request targets may hold bytes that a URI reference may not, such as `|` or `"`. Cut at 2,000 characters. */
function toUriReference(path: string): string {
  return path
    .slice(0, 2_000)
    .replace(/%(?![0-9a-fA-F]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]/g, (character) =>
      character === '%' ? '%25' : `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
}

/** Socket errors of Node, and SQLSTATEs by which Postgres says that it is going, coming, full, busy or read-only. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '55000', // object_not_in_prerequisite_state: the database takes no connections
  '55P03', // lock_not_available
  '57014', // query_canceled: the statement timeout
  '25006', // read_only_sql_transaction: a standby, or a disk that is full
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '0A000', // feature_not_supported: a prepared statement whose result a migration has changed
  '26000', // invalid_sql_statement_name: a prepared statement that the server forgot
  '42P05', // duplicate_prepared_statement
])
/** 08: the connection; 53: out of disk, memory or connections. */
const CONNECTION_CLASS = /^(?:08|53)[0-9A-Z]{3}$/
/** pg and pg-pool throw plain errors, without a code, for these. */
const CONNECTION_MESSAGE =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client (?:was closed|has encountered a connection error) and is not queryable)/

/** Whether `error`, or what caused it, means that the database could not serve now; retrying later may succeed. */
export function isConnectionError(error: unknown): boolean {
  // `cause` chains are short; the bound is against cycles.
  let current: unknown = error
  for (let i = 0; i < 8 && typeof current === 'object' && current !== null; i++) {
    const { code, message, errors, cause } = current as {
      code?: unknown
      message?: unknown
      errors?: unknown
      cause?: unknown
    }
    if (typeof code === 'string' && (CONNECTION_CODES.has(code) || CONNECTION_CLASS.test(code))) return true
    if (typeof message === 'string' && CONNECTION_MESSAGE.test(message)) return true
    // Node's AggregateError when a host name has several addresses and none answers.
    if (current instanceof AggregateError && Array.isArray(errors) && errors.some(isConnectionError)) return true
    current = cause
  }
  return false
}

/**
 * A whole HTTP response for bytes that never became a request: Node could not parse them.
 * 408 and 431 are not in the registry, which is the contract's: they use `about:blank` (RFC 9457 section 4.2.1).
 */
export function renderRawProblem(status: 400 | 408 | 413 | 431, correlationId: string): string {
  const phrase = RAW_TITLES[status]
  const code = status === 400 ? 'malformed_request' : undefined
  const body = JSON.stringify({
    type: code === undefined ? 'about:blank' : `/docs/problems/${code}`,
    title: code === undefined ? phrase : problems[code].title,
    status,
    detail: RAW_DETAILS[status],
    instance: '/',
    code,
    correlation_id: correlationId,
  })
  return [
    `HTTP/1.1 ${status} ${phrase}`,
    `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Correlation-ID: ${correlationId}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

const RAW_TITLES = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
} as const
const RAW_DETAILS = {
  400: 'The bytes received are not an HTTP request.',
  408: 'The request did not arrive in time.',
  413: 'The chunk extensions are too large.',
  431: 'The header section is larger than 16 KiB.',
} as const
