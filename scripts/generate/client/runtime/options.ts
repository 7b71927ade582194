import type { OperationId } from './types.ts'

type Credential = string | null | undefined
/** A credential, or where to get it: asked before each request, so that it may change. */
export type CredentialSource = Credential | (() => Credential | Promise<Credential>)

/** That an operation is deprecated, as the reply said. */
export interface DeprecationNotice {
  readonly operationId: OperationId
  /** Since when (RFC 9745); null where the server does not say. */
  readonly deprecatedAt: Date | null
  /** After when the operation may be gone (RFC 8594). */
  readonly sunsetAt: Date | null
  /** The `Link` header, which may name what replaces it. */
  readonly link: string | null
}

export interface ClientOptions {
  /** Origin of the API, `https://api.example.com`. In a browser the page's own origin where it is absent. */
  baseUrl?: string | undefined
  /** Access token of a user, sent with the operations that take one. */
  token?: CredentialSource
  /** API key of a tenant, sent with the operations that take one. */
  tenantKey?: CredentialSource
  /** Token of the operator for `getMetrics`. */
  metricsToken?: CredentialSource
  /**
   * Called when the server refuses the token (401): get a new one, then the request is sent once more with what `token`
   * gives. Requests that are refused meanwhile wait for the same call. False: there is none, so the 401 is the result.
   */
  onUnauthorized?: (() => boolean | Promise<boolean>) | undefined
  /** Called once per operation whose reply says that it is deprecated. */
  onDeprecated?: ((notice: DeprecationNotice) => void) | undefined
  /** In place of the global `fetch`. It must honour `signal`. */
  fetch?: typeof globalThis.fetch | undefined
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Whether cookies go along; see `fetch`. */
  credentials?: 'omit' | 'same-origin' | 'include' | undefined
  /**
   * How often a request is sent again after 429, 503 or a failed connection, where that is safe: GET, HEAD, PUT, DELETE
   * and OPTIONS, and whatever carries an `Idempotency-Key`. 2 by default.
   */
  retries?: number | undefined
  /** All waits of one call together, in milliseconds; a `Retry-After` beyond it makes the reply the result. 30000 by default. */
  maxRetryWaitMs?: number | undefined
  /** Of one attempt, body included, in milliseconds. 30000 by default; 0 is no limit. */
  timeoutMs?: number | undefined
}

/** Of one call; what stands here wins over the client's options. */
export interface CallOptions {
  signal?: AbortSignal | undefined
  /** Headers that are not the operation's own, such as `prefer` for a mock. */
  headers?: Readonly<Record<string, string>> | undefined
  retries?: number | undefined
  maxRetryWaitMs?: number | undefined
  timeoutMs?: number | undefined
}
