import type { operations as Api, components } from './api.ts'
import type { ProblemCodes, RawBodyOperationId } from './client.ts'

export type OperationId = keyof Api & string
export type Schemas = components['schemas']

/** Of a problem of any status. */
export type ProblemCode = Schemas['ProblemCode']
/** An error of the API (RFC 9457). Branch on `code`; `title` and `detail` are for people. */
export type Problem<Status extends number = number> = Omit<Schemas['Problem'], 'status' | 'code'> & {
  status: Status
  code: Status extends keyof ProblemCodes ? ProblemCodes[Status] : ProblemCode
}

type LowerCaseKeys<T> = { [K in keyof T as K extends string ? Lowercase<K> : never]: T[K] }
/** An optional member may also be given as undefined, whatever the caller's compiler options say. */
type Loose<T> = { [K in keyof T]: Record<never, never> extends Pick<T, K> ? T[K] | undefined : T[K] }
type ParametersIn<Id extends OperationId, Place extends string> = Api[Id]['parameters'] extends {
  [K in Place]?: infer P
}
  ? [NonNullable<P>] extends [never]
    ? Record<never, never>
    : Loose<NonNullable<P>>
  : Record<never, never>

/** `name` with this type: left out where there is nothing in it, optional where all of it is. */
type Member<Name extends string, T> = keyof T extends never
  ? { [K in Name]?: undefined }
  : Record<never, never> extends T
    ? { [K in Name]?: T | undefined }
    : { [K in Name]: T }

type RequestContent<Id extends OperationId> =
  NonNullable<Api[Id]['requestBody']> extends { content: infer Content } ? Content : never
/** The first media type of an operation needs no `contentType`; JSON is first wherever it is one of several. */
type BodyAs<Media, T> = Media extends 'application/json'
  ? { body: T; contentType?: Media | undefined }
  : Media extends 'application/x-www-form-urlencoded'
    ? { body: T | string | Uint8Array; contentType: Media }
    : { body: string | Uint8Array; contentType: Media }
/** Where a signature covers the bytes, they may be given as they are. */
type RawBody = { body: string | Uint8Array; contentType?: string | undefined }
type SomeBody<Content, Id> =
  | { [M in keyof Content]: BodyAs<M, Content[M]> }[keyof Content]
  | (Id extends RawBodyOperationId ? RawBody : never)
type Body<Id extends OperationId> = [RequestContent<Id>] extends [never]
  ? { body?: undefined; contentType?: undefined }
  : Api[Id] extends { requestBody: object }
    ? SomeBody<RequestContent<Id>, Id>
    : SomeBody<RequestContent<Id>, Id> | { body?: undefined; contentType?: undefined }

/** What an operation takes. Header names are in lower case; other headers go into the options of the call. */
export type Arguments<Id extends OperationId> = Member<'params', ParametersIn<Id, 'path'>> &
  Member<'query', ParametersIn<Id, 'query'>> &
  Member<'headers', LowerCaseKeys<ParametersIn<Id, 'header'>>> &
  Body<Id>

/** The declared headers, names in lower case. A browser hides `set-cookie`. */
type HeadersOf<H> = {
  [K in keyof H as string extends K ? never : K extends string ? Lowercase<K> : never]: K extends 'Set-Cookie'
    ? H[K] | undefined
    : H[K]
}
/** Text is text, JSON is parsed, and everything else is bytes. */
type DataOf<Media, T> = Media extends 'application/json' | `${string}+json`
  ? T
  : Media extends `text/${string}` | 'application/x-ndjson'
    ? string
    : Blob

export interface Reply<Ok extends boolean, Status extends number, Media, Data, P, H> {
  readonly operationId: OperationId
  /** True for a status of 200 to 299. */
  readonly ok: Ok
  readonly status: Status
  /** As the contract writes it; null where the reply has no body. */
  readonly mediaType: Media
  readonly data: Data
  readonly problem: P
  /** The reply's headers, numbers read as such; those that the contract declares are typed. */
  readonly headers: H
  /** As `fetch` gave it; its body is read already. */
  readonly response: Response
}

type IsOk<Status extends number> = `${Status}` extends `2${string}` ? true : false
type ReplyOf<Status extends number, R> = R extends { headers: infer H; content: infer Content }
  ? {
      [M in keyof Content]: M extends 'application/problem+json'
        ? Reply<false, Status, M, undefined, Problem<Status>, HeadersOf<H>>
        : Reply<IsOk<Status>, Status, M, DataOf<M, Content[M]>, undefined, HeadersOf<H>>
    }[keyof Content]
  : R extends { headers: infer H }
    ? Reply<IsOk<Status>, Status, null, undefined, undefined, HeadersOf<H>>
    : never

/** What an operation answers: one member per documented status and media type. Branch on `ok` or on `status`. */
export type Result<Id extends OperationId> = {
  [Status in keyof Api[Id]['responses'] & number]: ReplyOf<Status, Api[Id]['responses'][Status]>
}[keyof Api[Id]['responses'] & number]

/** What a successful call of an operation holds. */
export type Data<Id extends OperationId> = Extract<Result<Id>, { ok: true }>['data']
/** The items of an operation that is a list. */
export type Item<Id extends OperationId> = Data<Id> extends { items: readonly (infer T)[] } ? T : never
