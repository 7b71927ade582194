import { problems } from '../../generated/problems.ts'

export type ProblemCode = keyof typeof problems

/** One fault inside a request or a check. `pointer` is an RFC 6901 JSON Pointer into the request (`/body/…`, `/query/…`). */
export interface ProblemItem {
  pointer: string
  code: string
  detail: string
}

export interface ProblemOptions {
  /** What caused it; logged, never sent. */
  cause?: unknown
  errors?: ProblemItem[]
  /** Extra response headers, such as `Retry-After` (seconds) or `Allow`. */
  headers?: Record<string, string>
}

/** Whether an answer says that we failed. What is declared and not built yet, 501, is no failure. */
export function isFailure(status: number): boolean {
  return status >= 500 && status !== 501
}

/**
 * The only error that becomes a response other than `internal_error`.
 * `detail` is public: a sentence for the caller, without internals. The status and the title come from the registry
 * in the contract (`api-contracts/openapi/v1/_common/problems.yaml`). Source: RFC 9457.
 */
export class ProblemError extends Error {
  override name = 'ProblemError'
  readonly code: ProblemCode
  readonly detail: string
  readonly errors: ProblemItem[] | undefined
  readonly headers: Record<string, string>

  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = detail
    this.errors = options.errors
    this.headers = options.headers ?? {}
  }

  get status(): number {
    return problems[this.code].status
  }
}
