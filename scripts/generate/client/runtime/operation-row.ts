/** What the client knows about one operation of the contract. */
export interface OperationRow<Id extends string = string> {
  readonly id: Id
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH' | 'OPTIONS' | 'HEAD' | 'TRACE'
  /** With `{name}` where a path parameter stands. */
  readonly path: string
  /** One of these lists of schemes must be satisfied, each with all of its members; `[]` is public. */
  readonly security: readonly (readonly string[])[]
  /** Media types of the request body, the usual one first; null where there is none. */
  readonly body: readonly string[] | null
  /** Media types of each documented status; `[]` where it has no body. */
  readonly replies: { readonly [status: number]: readonly string[] }
  /** Takes an `Idempotency-Key`, so that the client may send it again after a failure. */
  readonly idempotencyKey: boolean
  /** A list with `cursor` and `next_cursor`: `pages` and `iterate` take it. */
  readonly paged: boolean
  /** The body is sent as it is given: a signature covers its bytes. */
  readonly rawBody: boolean
  /** How arrays stand in the query. */
  readonly array: { readonly style: 'form' | 'spaceDelimited' | 'pipeDelimited'; readonly explode: boolean }
  readonly deprecated: boolean
  /** The day (UTC, `YYYY-MM-DD`) after which the operation may be gone. */
  readonly sunset: string | null
}
