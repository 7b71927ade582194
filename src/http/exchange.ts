import type { Request, Response } from 'express'
import type { AnsweredRequest, Principal, RequestContext, Trace } from '../context.ts'
import type { IncomingRequest } from './authenticate.ts'
import { type CorsState, type CorsTarget, FILE_PLAN } from './cors.ts'
import type { AnswerStore } from './idempotency.ts'
import type { BoundOperation } from './operations.ts'
import type { Quota, RateLimiter } from './rate-limit.ts'
import type { Match } from './router.ts'
import type { StaticRoute } from './static-routes.ts'

/** What a server counts and remembers of its callers. Without it nothing is counted, and an Idempotency-Key says nothing. */
export interface Limits {
  rates: RateLimiter
  answers: AnswerStore
}

export type Target = { operation: BoundOperation } | { file: StaticRoute }

/** One request on its way. It is also the `request` that openapi-backend and the authenticators see. */
export interface Exchange extends IncomingRequest {
  req: Request
  res: Response
  ctx: RequestContext
  /** Raw, without the question mark. */
  query: string
  match: Match<Target>
  /** Why an authenticator refused, where that is more than 401: a ProblemError or RequestAborted. */
  refusal: Error | undefined
  principal: Principal | null
  limits: Limits | undefined
  /** Since it was taken from; it is told in every answer from then on. */
  quota: Quota | undefined
  /** Undefined: pages of other origins are not thought of. */
  cors: CorsState | undefined
  /** Whether the server is going down: the answer then closes its connection. */
  isClosing: () => boolean
  /** By `performance.now()`. */
  arrivedMs: number
  onAnswered: ((answer: Answered) => void) | undefined
  trace: Trace<AnsweredRequest> | undefined
}

/** One answer, as it is written. */
export interface Answered {
  /** Undefined for files, unknown paths and what is not HTTP. */
  operationId: string | undefined
  status: number
  /** Since the headers had arrived. */
  durationMs: number
  correlationId: string
}

export function operationOf({ match }: Exchange): BoundOperation | undefined {
  return match.kind === 'found' && 'operation' in match.target ? match.target.operation : undefined
}

export function corsTargetOf({ match }: Exchange): CorsTarget {
  if (match.kind !== 'found') return undefined
  const { target } = match
  return 'operation' in target ? { plan: target.operation.cors } : { plan: FILE_PLAN, filePath: target.file.path }
}
