import { type Request as BackendRequest, type Document, type Handler, OpenAPIBackend } from 'openapi-backend'
import type { Principal } from '../context.ts'
import { ProblemError } from '../problem/problem.ts'
import { type Authenticator, principalOf } from './authenticate.ts'
import { RequestAborted } from './body.ts'
import { type Exchange, operationOf } from './exchange.ts'
import type { AnyReply, BoundOperation } from './operations.ts'
import { toProblemError } from './problem.ts'
import { runOperation } from './run-operation.ts'

/** openapi-backend tells the two apart by this text; made once, since a stack trace per 404 costs more than the 404. */
const NO_ROUTE = new Error('404-notFound: no route matches request')
const OTHER_METHOD = new Error('405-methodNotAllowed: this method is not registered for the route')

/** Binds operations and security schemes to openapi-backend, whose router, parser and validator it replaces. */
export function createBackend(
  document: object,
  bound: ReadonlyMap<string, BoundOperation>,
  authenticators: Readonly<Record<string, Authenticator>>,
  sendReply: (exchange: Exchange, reply: AnyReply) => void,
): OpenAPIBackend {
  const api = new OpenAPIBackend({
    definition: securityPartOf(document),
    // Strict fails closed at run time; quick skips its document validator, which rejects valid 3.1.
    strict: true,
    quick: true,
    validate: false,
  })
  // Nothing in a quick init of an object waits, so the router exists when the call returns.
  api.init().catch(() => undefined)
  if (!api.initialized) throw new Error('openapi-backend cannot read the contract document')
  const matchOperation = (request: BackendRequest) => {
    const { match } = request as unknown as Exchange
    if (match.kind === 'found' && 'operation' in match.target) return match.target.operation.operation
    throw match.kind === 'other_method' ? OTHER_METHOD : NO_ROUTE
  }
  const all = [...bound.values()].map(({ operation }) => operation)
  Object.assign(api.router, {
    matchOperation,
    parseRequest: (request: BackendRequest) => request,
    getOperations: () => all,
    getOperation: (id: string) => bound.get(id)?.operation,
  })

  for (const [scheme, authenticate] of Object.entries(authenticators)) {
    api.registerSecurityHandler(scheme, (_context, exchange: Exchange) => runAuthenticator(authenticate, exchange))
  }
  const handlers: Record<string, Handler> = {
    notFound: () => {
      throw new ProblemError('not_found', 'There is nothing at this path.')
    },
    methodNotAllowed: (_context, { match }: Exchange) => {
      throw new ProblemError('method_not_allowed', 'The resource does not support this method.', {
        headers: { Allow: match.kind === 'other_method' ? match.allow : '' },
      })
    },
    unauthorizedHandler: (_context, exchange: Exchange) => {
      throw exchange.refusal ?? new ProblemError('unauthorized', 'The request carries no valid credentials.')
    },
    notImplemented: () => {
      throw new ProblemError('not_implemented', 'This operation is not available yet.')
    },
    // Ours run instead (`validate: false`); reached only if that were ever changed.
    validationFail: () => {
      throw new ProblemError('validation_failed', 'The request does not match the contract.')
    },
    postSecurityHandler: ({ security }, exchange: Exchange) => {
      const { row } = operationOf(exchange) as BoundOperation
      if (row.security.length > 0) exchange.principal = principalOf(row, security)
    },
    postResponseHandler: ({ response }, exchange: Exchange) => sendReply(exchange, response),
  }
  for (const operation of bound.values()) {
    handlers[operation.id] = (_context, exchange: Exchange) => runOperation(operation, exchange)
  }
  api.register(handlers)
  return api
}

/** The paths are in `bound`; to copy and resolve them once more would take 0.2 s of each start (measured). */
function securityPartOf(document: object): Document {
  const { openapi, info, components } = document as Document
  return { openapi, info, paths: {}, components: { securitySchemes: components?.securitySchemes ?? {} } } as Document
}

async function runAuthenticator(authenticate: Authenticator, exchange: Exchange): Promise<Principal | null> {
  try {
    return await authenticate(exchange.ctx, exchange)
  } catch (error) {
    // openapi-backend turns any rejection into "not authorised"; what must reach the caller is kept aside.
    const problem = toProblemError(error)
    if (error instanceof RequestAborted) exchange.refusal ??= error
    else if (problem.code !== 'unauthorized' && problem.code !== 'internal_error') exchange.refusal ??= problem
    else if (problem !== error)
      exchange.ctx.log.error({ err: error }, 'an authenticator failed; the request is refused')
    return null
  }
}
