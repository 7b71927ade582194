import type { operations as Api } from '../generated/api.ts'
import type { operations as table } from '../generated/operations.ts'
import type { RequestContext, TenantContext } from './context.ts'
import { ProblemError } from './problem/problem.ts'

/*
 * The seam between generated code and ours. Write a handler as a function declaration with a declared return type,
 *
 *   async function getLiveness(ctx: RequestContext): Promise<Reply<'getLiveness'>> { … }
 *
 * because only a declared return type rejects a field that the contract does not have; a constant annotated
 * `Handlers['getLiveness']` accepts it.
 */

type Table = typeof table

export type OperationId = keyof Table & keyof Api

/** Public operations get no tenant, and cannot compile a use of one. */
export type ContextOf<Id extends OperationId> = Table[Id]['security'] extends readonly []
  ? RequestContext
  : TenantContext

type LowerCaseKeys<T> = { [K in keyof T as K extends string ? Lowercase<K> : never]: T[K] }
type ParametersIn<Id extends OperationId, Place extends string> = Api[Id]['parameters'] extends {
  [K in Place]?: infer P
}
  ? [NonNullable<P>] extends [never]
    ? Record<never, never>
    : NonNullable<P>
  : Record<never, never>

type JsonBody<Id extends OperationId> = Api[Id] extends { requestBody: { content: infer Content } }
  ? Content[keyof Content]
  : Api[Id] extends { requestBody?: { content: infer Content } }
    ? Content[keyof Content] | undefined
    : undefined

/** A request that has passed the contract's validators. */
export interface Request<Id extends OperationId> {
  params: ParametersIn<Id, 'path'>
  query: ParametersIn<Id, 'query'>
  /** The declared ones, names in lower case. */
  headers: LowerCaseKeys<ParametersIn<Id, 'header'>>
  /** Undefined where any media type is accepted (vendor webhooks): those read `rawBody`. */
  body: Table[Id]['acceptsAnyMediaType'] extends true ? undefined : JsonBody<Id>
  /** The bytes as they came; empty without a body. */
  rawBody: Buffer
  /** Of the media types that the operation answers with, the one that the caller likes best; '' where it has none. */
  prefers: string
}

/** What the server itself sets, from the request and from the operation's own row. */
type ServerHeader =
  | 'X-Correlation-ID'
  | 'RateLimit'
  | 'RateLimit-Policy'
  | 'Deprecation'
  | 'Sunset'
  | 'Idempotent-Replayed'
/** Declared headers that a handler gives. */
type DeclaredHeaders<H> = {
  [K in keyof H as string extends K ? never : number extends K ? never : K extends ServerHeader ? never : K]: H[K]
}
type HeadersOf<H> =
  Record<never, never> extends DeclaredHeaders<H>
    ? { headers?: DeclaredHeaders<H> & Record<string, string> }
    : { headers: DeclaredHeaders<H> & Record<string, string> }

type ReplyOf<Status, R> = R extends { headers: infer H; content: infer Content }
  ? 'application/problem+json' extends keyof Content
    ? never
    : { status: Status; body: Content[keyof Content] } & HeadersOf<H>
  : R extends { headers: infer H }
    ? { status: Status; body?: never } & HeadersOf<H>
    : never

/** One of the declared non-problem answers; problems are thrown (`ProblemError`). */
export type Reply<Id extends OperationId> = {
  [Status in keyof Api[Id]['responses']]: ReplyOf<Status, Api[Id]['responses'][Status]>
}[keyof Api[Id]['responses']]

export type Handler<Id extends OperationId> = (ctx: ContextOf<Id>, request: Request<Id>) => Promise<Reply<Id>>

/** Total: an operation of the contract without a handler does not compile. */
export type Handlers = { [Id in OperationId]: Handler<Id> }

/**
 * Stands for an operation that the contract has and the server does not yet (`main/not-implemented.ts`). The server
 * answers 501 as soon as the operation is known, whoever asks and with what.
 */
export async function notImplemented(): Promise<never> {
  throw new ProblemError('not_implemented', 'This operation is not available yet.')
}
