import { type Problem, SkeldirNetworkError, SkeldirUnexpectedResponse } from '../../../generated/client/index.js'

/** `X-Served-By` of an answer; null where the header is absent, as on a server that stands behind no gateway. */
export type ServedBy = 'mock' | 'real' | null

/** What became of a call, in the forms that the page shows differently. */
export type Outcome<T> =
  | { kind: 'data'; data: T; status: number; etag: string | null; servedBy: ServedBy }
  /** 304 */
  | { kind: 'unchanged'; servedBy: ServedBy }
  /** 501: in the contract, and not in this server. */
  | { kind: 'missing'; problem: Problem | null; servedBy: ServedBy }
  /** `retryAfterS`: seconds to wait, where the server says so. */
  | { kind: 'problem'; problem: Problem; retryAfterS: number | null; servedBy: ServedBy }
  /** An answer that the contract does not know: something else stands at this address. */
  | { kind: 'foreign'; status: number; correlationId: string | null; servedBy: ServedBy }
  | { kind: 'unreachable'; reason: 'connection' | 'timeout' }
  | { kind: 'aborted' }

/** Everything but an answer. */
export type Fault = Exclude<Outcome<never>, { kind: 'data' | 'unchanged' | 'aborted' }>

/** What all results of the client have. */
export interface AnyResult {
  ok: boolean
  status: number
  data: unknown
  problem: Problem | undefined
  response: Response
}

export type DataOf<R extends AnyResult> = Extract<R, { ok: true }>['data']

/** Rejects only with what is a fault of this page itself. */
export async function toOutcome<R extends AnyResult>(call: Promise<R>): Promise<Outcome<DataOf<R>>> {
  try {
    return readResult(await call)
  } catch (error) {
    return readError(error)
  }
}

function readResult<R extends AnyResult>({ ok, status, data, problem, response }: R): Outcome<DataOf<R>> {
  const servedBy = readServedBy(response)
  if (status === 304) return { kind: 'unchanged', servedBy }
  if (ok) return { kind: 'data', data: data as DataOf<R>, status, etag: response.headers.get('etag'), servedBy }
  if (problem !== undefined) return { kind: 'problem', problem, retryAfterS: readRetryAfter(response), servedBy }
  return { kind: 'foreign', status, correlationId: response.headers.get('x-correlation-id'), servedBy }
}

function readError(error: unknown): Fault | { kind: 'aborted' } {
  if (error instanceof SkeldirNetworkError)
    return error.kind === 'aborted' ? { kind: 'aborted' } : { kind: 'unreachable', reason: error.kind }
  if (!(error instanceof SkeldirUnexpectedResponse)) throw error
  const { status, problem, response } = error
  const servedBy = readServedBy(response)
  if (status === 501) return { kind: 'missing', problem, servedBy }
  if (problem !== null) return { kind: 'problem', problem, retryAfterS: readRetryAfter(response), servedBy }
  return { kind: 'foreign', status, correlationId: response.headers.get('x-correlation-id'), servedBy }
}

function readServedBy(response: Response): ServedBy {
  const value = response.headers.get('x-served-by')
  return value === 'mock' || value === 'real' ? value : null
}

/** This API sends seconds, never a date. */
function readRetryAfter(response: Response): number | null {
  const value = response.headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(value) ? Number(value) : null
}
