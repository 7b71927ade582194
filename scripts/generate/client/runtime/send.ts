import { type Credentials, credentialsFor } from './credentials.ts'
import { readDeprecation } from './deprecation.ts'
import { SkeldirNetworkError } from './errors.ts'
import type { OperationRow } from './operation-row.ts'
import type { CallOptions, ClientOptions } from './options.ts'
import type { PreparedRequest } from './request.ts'
import { isRepeatable, MAX_TIMER_MS, sleep, waitMs } from './retry.ts'
import type { OperationId } from './types.ts'

const DEFAULTS = { retries: 2, maxRetryWaitMs: 30_000, timeoutMs: 30_000 }

/** What the calls of one client share. */
export interface Session {
  readonly options: ClientOptions
  /** The call of `onUnauthorized` that is under way. */
  refreshing: Promise<boolean> | null
  /** Operations whose deprecation was told. */
  readonly told: Set<string>
}

export interface Sent {
  response: Response
  bytes: ArrayBuffer
}

/** Sends a request, again where that is safe. Throws SkeldirNetworkError when there is no answer. */
export async function send(
  session: Session,
  row: OperationRow,
  request: PreparedRequest,
  call: CallOptions,
): Promise<Sent> {
  const { options } = session
  const retries = call.retries ?? options.retries ?? DEFAULTS.retries
  let leftMs = call.maxRetryWaitMs ?? options.maxRetryWaitMs ?? DEFAULTS.maxRetryWaitMs
  const isSafe = isRepeatable(row, request)
  let isRefreshed = false
  let failures = 0
  for (let attempts = 1; ; attempts += 1) {
    const credentials = await credentialsFor(row, options)
    const outcome = await attempt(session, row, { request, call, credentials, attempts })
    if ('response' in outcome) {
      tell(session, row, outcome.response)
      if (outcome.response.status === 401 && !isRefreshed && (await refresh(session, row, credentials))) {
        isRefreshed = true
        continue
      }
      if (!isBusy(outcome, attempts)) return outcome
    }
    failures += 1
    const wait = waitMs(failures, 'response' in outcome ? outcome.response : null, leftMs)
    if (!isSafe || failures > retries || wait === null) {
      if ('response' in outcome) return outcome
      throw outcome
    }
    leftMs -= wait
    await sleep(wait, call.signal).catch((cause: unknown) => {
      throw new SkeldirNetworkError(row.id as OperationId, { kind: 'aborted', attempts, cause })
    })
  }
}

/** 429 and 503; and, after an attempt of ours that had no answer, that the server is still at work on it. */
function isBusy({ response, bytes }: Sent, attempts: number): boolean {
  if (response.status === 429 || response.status === 503) return true
  return response.status === 409 && attempts > 1 && new TextDecoder().decode(bytes).includes('"idempotency_in_flight"')
}

/** Returns an error that another attempt may mend, and throws one that it may not. */
async function attempt(
  { options }: Session,
  row: OperationRow,
  {
    request,
    call,
    credentials,
    attempts,
  }: { request: PreparedRequest; call: CallOptions; credentials: Credentials; attempts: number },
): Promise<Sent | SkeldirNetworkError> {
  const headers = new Headers(request.headers)
  for (const [name, value] of credentials.headers) if (!headers.has(name)) headers.set(name, value)
  const deadline = startDeadline(call.timeoutMs ?? options.timeoutMs ?? DEFAULTS.timeoutMs, call.signal)
  const { fetch = globalThis.fetch } = options
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers,
      body: request.body,
      signal: deadline.signal,
      // A browser would take the tenant key to another origin.
      redirect: 'manual',
      ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    })
    return { response, bytes: await response.arrayBuffer() }
  } catch (cause) {
    const kind = call.signal?.aborted === true ? 'aborted' : deadline.signal.aborted ? 'timeout' : 'connection'
    const error = new SkeldirNetworkError(row.id as OperationId, { kind, attempts, cause })
    if (kind === 'aborted') throw error
    return error
  } finally {
    deadline.clear()
  }
}

function startDeadline(timeoutMs: number, signal: AbortSignal | undefined): { signal: AbortSignal; clear: () => void } {
  const controller = new AbortController()
  const abort = () => controller.abort(signal?.reason)
  const expire = () => controller.abort(new Error(`no answer within ${timeoutMs} ms`))
  const timer = timeoutMs > 0 ? setTimeout(expire, Math.min(timeoutMs, MAX_TIMER_MS)) : undefined
  if (signal?.aborted === true) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  return {
    signal: controller.signal,
    clear: () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    },
  }
}

/** Whether there may be a better token than the one that was refused. */
async function refresh(session: Session, row: OperationRow, refused: Credentials): Promise<boolean> {
  const { onUnauthorized } = session.options
  if (onUnauthorized === undefined || !row.security.flat().includes('bearerAuth')) return false
  // Another call may have got a new one since this request was sent.
  if (session.refreshing === null) {
    const { token } = await credentialsFor(row, session.options)
    if (token !== null && token !== refused.token) return true
  }
  session.refreshing ??= Promise.resolve(onUnauthorized()).finally(() => {
    session.refreshing = null
  })
  return session.refreshing
}

function tell({ options, told }: Session, row: OperationRow, response: Response): void {
  if (options.onDeprecated === undefined || told.has(row.id)) return
  const notice = readDeprecation(row.id as OperationId, response.headers)
  if (notice === null) return
  told.add(row.id)
  options.onDeprecated(notice)
}
