import type { OperationId, Problem } from './types.ts'

/** Why a reply is none that the contract documents. */
export type UnexpectedReason = 'status' | 'media_type' | 'body' | 'redirect' | 'cursor'

/** The server answered something that the contract does not document for the operation. */
export class SkeldirUnexpectedResponse extends Error {
  override name = 'SkeldirUnexpectedResponse' as const
  readonly operationId: OperationId
  readonly reason: UnexpectedReason
  readonly status: number
  /** Without parameters, in lower case; null where the reply names none. */
  readonly mediaType: string | null
  /** At most 2000 characters. */
  readonly body: string
  /** Where the body is a problem all the same, as for 500 and 501, which no operation documents. */
  readonly problem: Problem | null
  readonly response: Response

  constructor(
    operationId: OperationId,
    reason: UnexpectedReason,
    { response, mediaType, body, problem = null }: UnexpectedDetails,
  ) {
    super(
      `${operationId} answered ${response.status}: ${SENTENCES[reason]}${problem === null ? '' : ` (${problem.code})`}`,
    )
    this.operationId = operationId
    this.reason = reason
    this.status = response.status
    this.mediaType = mediaType
    this.body = body.slice(0, 2_000)
    this.problem = problem
    this.response = response
  }
}

export interface UnexpectedDetails {
  response: Response
  mediaType: string | null
  body: string
  problem?: Problem | null
}

const SENTENCES: Record<UnexpectedReason, string> = {
  status: 'the contract does not document this status',
  media_type: 'the contract does not document this media type',
  body: 'the body is not what its media type says',
  redirect: 'redirects are not followed, since they would take the credentials along',
  cursor: 'the cursor does not move, so the list would never end',
}

/** There is no answer: the connection failed, the time was up, or the caller gave up. `cause` is what `fetch` threw. */
export class SkeldirNetworkError extends Error {
  override name = 'SkeldirNetworkError' as const
  readonly operationId: OperationId
  readonly kind: 'connection' | 'timeout' | 'aborted'
  /** How often the request was sent. */
  readonly attempts: number

  constructor(
    operationId: OperationId,
    { kind, attempts, cause }: { kind: SkeldirNetworkError['kind']; attempts: number; cause: unknown },
  ) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`${operationId}: ${kind} (${reason})`, { cause })
    this.operationId = operationId
    this.kind = kind
    this.attempts = attempts
  }
}

/** A documented error, thrown by `unwrap`, `pages` and `iterate`; the methods return it instead. */
export class SkeldirProblem extends Error {
  override name = 'SkeldirProblem' as const
  readonly operationId: OperationId
  readonly status: number
  /** Null for a status without a body, such as 304. */
  readonly problem: Problem | null
  readonly response: Response

  constructor({ operationId, problem, response }: FailedResult) {
    super(
      `${operationId} answered ${response.status}${problem === undefined ? '' : ` ${problem.code}: ${problem.detail}`}`,
    )
    this.operationId = operationId
    this.status = response.status
    this.problem = problem ?? null
    this.response = response
  }
}

export interface FailedResult {
  readonly operationId: OperationId
  readonly problem: Problem | undefined
  readonly response: Response
}
