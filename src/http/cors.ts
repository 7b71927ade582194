import type { IncomingHttpHeaders } from 'node:http'
import type { OperationRow } from '../../generated/operations.ts'
import type { RequestContext } from '../context.ts'
import { toOrigin } from '../origin.ts'

/*
 * Which pages of other origins may read answers, and send what needs a preflight.
 * Source: https://fetch.spec.whatwg.org/#http-cors-protocol
 *
 * Callers prove themselves by headers that a page must know; no cookie is read. So `Access-Control-Allow-Credentials` is
 * never sent, and a browser that asks with credentials gets nothing to read.
 */

/** Both answers are false where they cannot be found out; a rejection counts as false too. */
export interface CorsPolicy {
  /** Whether at least one tenant allows the origin: preflights and public operations have no tenant. */
  isAllowed(ctx: RequestContext, origin: string): Promise<boolean>
  isAllowedFor(ctx: RequestContext, tenantId: string, origin: string): Promise<boolean>
}

/** What is known of one request. */
export interface CorsState {
  policy: CorsPolicy
  /** The origin, other than our own, whose pages may read the answer; null: none. */
  readableBy: string | null
}

/** Header names of one operation, joined by commas. Built once at boot. */
export interface CorsPlan {
  /** What it takes beyond the headers that need no permission. */
  allowHeaders: string
  /** What scripts may read beyond the safe-listed headers. */
  exposeHeaders: string
}

/** Seconds for which a browser keeps a preflight's answer; the answer proper is decided anew each time. */
const PREFLIGHT_MAX_AGE_S = 600

/** No script may set these. Source: https://fetch.spec.whatwg.org/#forbidden-request-header */
const SET_BY_BROWSER = /^(?:origin|dnt|sec-.*)$/i

/** Scripts may read these in any case, or never. */
const NOT_EXPOSED = new Set([
  'access-control-allow-origin',
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
  'set-cookie',
  'vary',
])

/** Where there is neither an operation nor a file: 404 and 405. */
const SERVER_TARGET = { plan: { allowHeaders: '', exposeHeaders: 'Allow, Retry-After, X-Correlation-ID' } }
/** Files answer GET, and 304 to a matching ETag. */
export const FILE_PLAN: CorsPlan = { allowHeaders: 'If-None-Match', exposeHeaders: 'ETag, Link, X-Correlation-ID' }

/** Descriptions are for every tool on any page, and the script is for shops, also with `integrity`; the pages for people are not. */
function isPublicFile(path: string): boolean {
  return path === '/collect.js' || path === '/docs/openapi.json' || path.startsWith('/.well-known/')
}

/** From the operation's row, and from the document's security schemes, which name the headers of the credentials. */
export function planCors(row: OperationRow, document: object): CorsPlan {
  const { components } = document as { components?: { securitySchemes?: Record<string, SecurityScheme> } }
  const taken = row.parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name)
  for (const name of row.security.flat()) {
    const scheme = components?.securitySchemes?.[name]
    taken.push(scheme?.in === 'header' && scheme.name !== undefined ? scheme.name : 'Authorization')
  }
  if (row.requestBody !== null) taken.push('Content-Type')
  const given = Object.values(row.replies).flatMap(({ headers }) => headers)
  return {
    allowHeaders: toList(taken.filter((name) => !SET_BY_BROWSER.test(name))),
    exposeHeaders: toList([...given, 'X-Correlation-ID'].filter((name) => !NOT_EXPOSED.has(name.toLowerCase()))),
  }
}

interface SecurityScheme {
  in?: string
  name?: string
}

function toList(names: readonly string[]): string {
  return [...new Set(names)].sort().join(', ')
}

/** The page's origin, where it is one and not our own. */
export function readForeignOrigin(headers: IncomingHttpHeaders): string | undefined {
  const origin = headers.origin === undefined ? null : toOrigin(headers.origin)
  if (origin === null) return undefined
  // Whoever ends TLS before us, the name stays: same name and port under the page's own scheme is ourselves.
  const own = toOrigin(`${origin.slice(0, origin.indexOf(':'))}://${headers.host ?? ''}`)
  return origin === own ? undefined : origin
}

/** The method that a preflight asks leave for; undefined when an OPTIONS request is none. */
export function readPreflight(headers: IncomingHttpHeaders): string | undefined {
  const asked = headers['access-control-request-method']
  return headers.origin !== undefined && typeof asked === 'string' ? asked : undefined
}

/** What holds until the tenant is known. Never rejects. */
export async function openCors(policy: CorsPolicy, ctx: RequestContext, origin: string): Promise<CorsState> {
  const isAllowed = await policy.isAllowed(ctx, origin).catch(() => false)
  return { policy, readableBy: isAllowed ? origin : null }
}

/** From here on the answer is that tenant's: its own origins may read it, and no other tenant's. Never rejects. */
export async function narrowCors(cors: CorsState | undefined, ctx: RequestContext, tenantId: string): Promise<void> {
  if (cors === undefined || cors.readableBy === null) return
  const origin = cors.readableBy
  // Until it is known, none.
  cors.readableBy = null
  if (await cors.policy.isAllowedFor(ctx, tenantId, origin).catch(() => false)) cors.readableBy = origin
}

/** What the path holds for the method: an operation, a file, or (undefined) nothing, which the server itself says. */
export type CorsTarget = { plan: CorsPlan; filePath?: string } | undefined

/**
 * `own` and what belongs on every answer. An operation that sets a header of ours has decided itself: where a key in the
 * body names the tenant, only its handler can.
 */
export function withCorsHeaders(
  own: Record<string, string> | undefined,
  cors: CorsState,
  target: CorsTarget,
): Record<string, string> {
  const added = answerHeaders(cors, target)
  if (own === undefined) return added
  const headers = { ...own }
  for (const [name, value] of Object.entries(added)) {
    const known = Object.keys(own).find((key) => key.toLowerCase() === name.toLowerCase())
    if (known === undefined) headers[name] = value
    else if (name === 'Vary' && !/(?:^|,)\s*(?:origin|\*)\s*(?:,|$)/i.test(own[known] as string))
      headers[known] = `${own[known]}, ${value}`
  }
  return headers
}

function answerHeaders(cors: CorsState, target: CorsTarget): Record<string, string> {
  const headers: Record<string, string> = {}
  // Without an Origin too: a cache must not hand this answer to a page.
  if (target?.filePath === undefined) headers.Vary = 'Origin'
  const reader = readerOf(cors, target)
  if (reader === null) return headers
  headers['Access-Control-Allow-Origin'] = reader
  headers['Access-Control-Expose-Headers'] = (target ?? SERVER_TARGET).plan.exposeHeaders
  return headers
}

/** What the answer to a preflight has beyond that; nothing where it is no. */
export function preflightHeaders(
  cors: CorsState,
  target: CorsTarget,
  { method, headers }: { method: string; headers: IncomingHttpHeaders },
): Record<string, string> {
  if (target === undefined || readerOf(cors, target) === null) return {}
  const { allowHeaders } = target.plan
  return {
    'Access-Control-Allow-Methods': method,
    ...(allowHeaders !== '' && { 'Access-Control-Allow-Headers': allowHeaders }),
    'Access-Control-Max-Age': String(PREFLIGHT_MAX_AGE_S),
    // From the internet into a private network: https://wicg.github.io/private-network-access/
    ...(headers['access-control-request-private-network'] === 'true' && {
      'Access-Control-Allow-Private-Network': 'true',
    }),
  }
}

function readerOf({ readableBy }: CorsState, target: CorsTarget): string | null {
  if (target?.filePath !== undefined) return isPublicFile(target.filePath) ? '*' : null
  return readableBy
}
