import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler } from 'express'
import type { Request as BackendRequest } from 'openapi-backend'
import type { Admission, AppContext, RequestFigures } from '../context.ts'

import type { Authenticator } from './authenticate.ts'
import { createBackend } from './backend.ts'
import { readBody } from './body.ts'
import { createClientFinder } from './client-address.ts'
import { type CorsPolicy, openCors, preflightHeaders, readForeignOrigin, readPreflight } from './cors.ts'
import { type Answered, corsTargetOf, type Exchange, type Limits, type Target } from './exchange.ts'
import { findFramingFault, isDoubtful } from './framing.ts'
import { malformed } from './json.ts'
import { type AnyHandler, type AnyReply, bindOperations, type ContractSource } from './operations.ts'
import { send, sendFile, sendProblem, sendReply } from './reply.ts'
import { createRouter } from './router.ts'
import type { StaticRoute } from './static-routes.ts'

export interface EngineOptions {
  contract: ContractSource
  handlers: Readonly<Record<string, AnyHandler>>
  authenticators: Readonly<Record<string, Authenticator>>
  staticRoutes: readonly StaticRoute[]
  /** Whether the server is going down: its answers then close their connections. */
  isClosing: () => boolean
  /**
   * Sees each request as soon as it is known what it asks for (`exchange.match`), before any other check. The request
   * goes on only when it calls `proceed`; what it throws is answered as a problem.
   */
  onRouted?: (exchange: Exchange, proceed: () => void) => void
  /** Writes what a handler has returned. Default: `sendReply`, which holds it against the contract. */
  sendReply?: (exchange: Exchange, reply: AnyReply) => void
  /** Which pages of other origins may read answers. Default: none, and nothing is said about it. */
  cors?: CorsPolicy
  /** Default: nothing is counted or remembered. */
  limits?: Limits
  /** Where what is to be stored takes its place. Default: there is always one. */
  admission?: Admission
  /** Sees each answer as it is written. */
  onAnswered?: (answer: Answered) => void
  /** What the server knows of its requests, for the handlers. */
  requestFigures?: () => RequestFigures
  /** Addresses and networks (CIDR) whose word about the client's address is taken. Default: none. */
  trustedProxies?: readonly string[] | undefined
}

/**
 * openapi-backend keeps what it is good at (operationId to handler, security as OR of AND, the order of its hooks);
 * routing, request parsing and validation are replaced, because its own are linear in the number of operations and
 * accept invalid OpenAPI 3.1 input. Measured: `npm run bench -- http`.
 *
 * Order of checks: 404/405, 401, 403, 406/415, 413, 400, 422, then the handler.
 */
export function createEngine(app: AppContext, options: EngineOptions): RequestHandler {
  const operations = bindOperations(options.contract, options.handlers, options.authenticators)
  const router = createRouter<Target>([
    ...[...operations.values()].map((operation) => ({
      method: operation.row.method.toUpperCase(),
      path: operation.row.path,
      target: { operation },
    })),
    ...options.staticRoutes.map((file) => ({ method: 'GET', path: file.path, target: { file } })),
  ])
  const backend = createBackend(
    options.contract.document,
    operations,
    options.authenticators,
    options.sendReply ?? sendReply,
  )
  const { cors, limits, admission, onAnswered, requestFigures } = options
  const findClient = createClientFinder(options.trustedProxies ?? [], () => {
    if (options.trustedProxies !== undefined) app.log.warn(UNHEARD_PROXY)
  })

  return function serve(req, res) {
    // Its connection closes with the answer to what came before.
    if (isDoubtful(req)) return
    const fault = findFramingFault(req, res)
    const correlationId = readCorrelationId(req)
    // By hand, since url parsers normalise what must stay as it came.
    const question = req.url.indexOf('?')
    let bytes: Promise<Buffer> | undefined
    const trace = app.tracing?.startRequest({ correlationId, method: req.method, traceparent: req.headers.traceparent })
    const exchange: Exchange = {
      req,
      res,
      ctx: {
        ...app,
        correlationId,
        clientAddress: findClient({ peer: req.socket.remoteAddress, headers: req.headers }),
        userAgent: req.headers['user-agent'],
        permits: limits?.rates,
        admission,
        requestFigures,
        log: app.log.child({ correlationId }),
        trace,
      },
      trace,
      method: req.method,
      path: question === -1 ? req.url : req.url.slice(0, question),
      query: question === -1 ? '' : req.url.slice(question + 1),
      params: {},
      headers: req.headers,
      match: { kind: 'none' },
      refusal: undefined,
      principal: null,
      limits,
      quota: undefined,
      cors: cors && { policy: cors, readableBy: null },
      isClosing: options.isClosing,
      arrivedMs: performance.now(),
      onAnswered,
      readBody() {
        bytes ??= readBody(req, res)
        return bytes
      },
    }
    if (fault !== undefined) {
      sendProblem(exchange, fault)
      return
    }
    const origin = cors && readForeignOrigin(req.headers)
    if (cors === undefined || origin === undefined) {
      routeOrRefuse(exchange)
      return
    }
    openCors(cors, exchange.ctx, origin).then((opened) => {
      exchange.cors = opened
      routeOrRefuse(exchange)
    })
  }

  function routeOrRefuse(exchange: Exchange): void {
    try {
      route(exchange)
    } catch (error) {
      sendProblem(exchange, error)
    }
  }

  function route(exchange: Exchange): void {
    const { req } = exchange
    if (req.method === 'OPTIONS' && exchange.path === '*') {
      send(exchange, 204, { Allow: router.allMethods })
      return
    }
    if (!exchange.path.startsWith('/')) toOriginForm(exchange)
    exchange.match = router.match(req.method, exchange.path)
    if (exchange.match.kind === 'found') {
      exchange.params = exchange.match.params
      if ('operation' in exchange.match.target) exchange.method = exchange.match.target.operation.row.method
    }
    if (options.onRouted === undefined) answer(exchange)
    else options.onRouted(exchange, () => proceed(exchange))
  }

  function proceed(exchange: Exchange): void {
    try {
      answer(exchange)
    } catch (error) {
      sendProblem(exchange, error)
    }
  }

  function answer(exchange: Exchange): void {
    const { req, match } = exchange
    if (match.kind === 'found') {
      if ('file' in match.target) {
        sendFile(exchange, match.target.file)
        return
      }
      const { operation } = match.target
      if (!operation.isImplemented) {
        operation.handler({} as never, {} as never).catch((error) => sendProblem(exchange, error))
        return
      }
    } else if (match.kind === 'other_method' && req.method === 'OPTIONS') {
      sendOptions(exchange, match.allow)
      return
    }
    backend
      .handleRequest(exchange as unknown as BackendRequest, exchange)
      .catch((error) => sendProblem(exchange, error))
  }

  function sendOptions(exchange: Exchange, allow: string): void {
    const { req, cors } = exchange
    const method = readPreflight(req.headers)
    if (cors === undefined || method === undefined) {
      send(exchange, 204, { Allow: allow })
      return
    }
    exchange.match = router.match(method, exchange.path)
    const target = corsTargetOf(exchange)
    // A browser sends GET, HEAD and POST without their being allowed by name: only silence is a no.
    if (target === undefined) cors.readableBy = null
    send(exchange, 204, { Allow: allow, ...preflightHeaders(cors, target, { method, headers: req.headers }) })
  }
}

const UNHEARD_PROXY =
  'a request came with Forwarded or X-Forwarded-For, which is not read: without SKELDIR_TRUSTED_PROXIES all callers behind one proxy count as one address'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

function readCorrelationId({ headers }: Request): string {
  const value = headers['x-correlation-id']
  return typeof value === 'string' && UUID.test(value) ? value : randomUUID()
}

/** `GET http://host/path`: a server must accept the absolute form too (RFC 9112 section 3.2.2). */
function toOriginForm(exchange: Exchange): void {
  const url = URL.parse(exchange.req.url)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw malformed('request_target', 'The request target is neither a path nor an http URL.', '/path')
  }
  exchange.path = url.pathname
  exchange.query = url.search.slice(1)
}
