import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { operations } from '../../generated/operations.ts'
import * as validators from '../../generated/validators.js'
import type { AppContext } from '../context.ts'
import { type Handlers, notImplemented, type OperationId } from '../contract.ts'
import { createAdmission } from './admission.ts'
import type { Authenticator } from './authenticate.ts'
import type { CorsPolicy } from './cors.ts'
import { createEngine } from './engine.ts'
import type { Answered, Limits } from './exchange.ts'
import type { ContractSource } from './operations.ts'
import { isCounted } from './probes.ts'
import { createRequestWindow } from './request-window.ts'
import { listenable } from './server.ts'
import type { Description, FindImplementation } from './static/description.ts'
import { createStaticRoutes, type StaticRoute } from './static-routes.ts'

export type { Authenticator, IncomingRequest } from './authenticate.ts'
export type { CorsPolicy } from './cors.ts'
export type { Answered, Limits } from './exchange.ts'
export type { StoredAnswer } from './idempotency.ts'
export { createProbeServer } from './probes.ts'
export { isConnectionError } from './problem.ts'
export { closeServer } from './server.ts'

type Alternatives = (typeof operations)[OperationId]['security'][number]
export type SchemeName = Alternatives[number]

export interface BindOptions {
  /** Total: an operation without a handler does not compile. */
  handlers: Handlers
  /** One for each security scheme that an implemented operation uses; a missing one stops the start. */
  authenticators: Partial<Record<SchemeName, Authenticator>>
  /** Default: those of `static-routes.ts`. */
  staticRoutes?: readonly StaticRoute[]
  /** Which pages of other origins may read answers. Default: none. */
  cors?: CorsPolicy
  /** What is counted and remembered of callers. Default: nothing. */
  limits?: Limits
  /** True from when no further request is wanted on a connection: each then ends with its answer. Default: never. */
  isClosing?: () => boolean
  /** Sees each answer as it is written, but for those to probes. */
  onAnswered?: (answer: Answered) => void
}

/** The platform's API: not listening yet. Throws when contract, handlers and authenticators do not fit each other. */
export function createServer(
  ctx: AppContext,
  { handlers, authenticators, staticRoutes, cors, limits, isClosing, onAnswered }: BindOptions,
): Server {
  const contract = loadContract()
  const window = createRequestWindow()
  const server = listenable(
    ctx.log,
    createEngine(ctx, {
      contract,
      handlers,
      authenticators,
      staticRoutes:
        staticRoutes ??
        createStaticRoutes(contract.document, {
          implementationOf: implementationIn(handlers),
          mockGatewayUrl: ctx.config.mockGatewayUrl,
        }),
      isClosing: () => !server.listening || isClosing?.() === true,
      trustedProxies: ctx.config.trustedProxies,
      admission: createAdmission(ctx.config.ingest),
      requestFigures: window.read,
      onAnswered: (answer) => {
        if (!isCounted(answer.operationId)) return
        window.note(answer.status, answer.durationMs)
        onAnswered?.(answer)
      },
      ...(cors !== undefined && { cors }),
      ...(limits !== undefined && { limits }),
    }),
  )
  return server
}

/** What a server with these handlers answers itself, by operationId. */
export function implementationIn(handlers: Readonly<Record<string, unknown>>): FindImplementation {
  return (operationId) => (handlers[operationId] === notImplemented ? 'mock' : 'real')
}

/** What `npm run generate` has written. */
export function loadContract(): ContractSource & { document: Description } {
  const document = JSON.parse(readFileSync(new URL('../../generated/openapi.json', import.meta.url), 'utf8'))
  const { requests, requestErrors, replies, replyHeaders } = validators
  return { document, operations, requests, requestErrors, replies, replyHeaders }
}
