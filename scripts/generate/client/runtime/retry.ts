import type { OperationRow } from './operation-row.ts'
import type { PreparedRequest } from './request.ts'

/** Of the first wait where the server names none; doubled each time. */
const BACKOFF_MS = 250
const MAX_BACKOFF_MS = 8_000
/** A longer timer would end at once. */
export const MAX_TIMER_MS = 2_147_483_647

/** Whether sending it a second time cannot do more than sending it once (RFC 9110, section 9.2.2). */
export function isRepeatable(row: OperationRow, { headers }: PreparedRequest): boolean {
  if (['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'].includes(row.method)) return true
  return row.idempotencyKey && headers.has('idempotency-key')
}

/**
 * Milliseconds before the attempt after `attempt` (1 is the first); null where that is more than `leftMs`. Not before
 * the moment that `Retry-After` names, in seconds or as a date, and up to a quarter later, so that many callers do not
 * come back at once.
 */
export function waitMs(attempt: number, response: Response | null, leftMs: number): number | null {
  const named = response === null ? null : parseRetryAfter(response.headers)
  const backoff = Math.min(BACKOFF_MS * 2 ** (attempt - 1), MAX_BACKOFF_MS)
  const least = named ?? backoff / 2
  const spread = named === null ? backoff / 2 : named / 4
  return least > leftMs ? null : Math.min(least + Math.random() * spread, leftMs)
}

/** Milliseconds; null where the header is absent or unreadable. Source: RFC 9110, section 10.2.3. */
function parseRetryAfter(headers: Headers): number | null {
  const text = headers.get('retry-after')?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000
  const date = parseHttpDate(text)
  if (date === null) return null
  // By the server's own clock where it tells the time: the caller's may be wrong.
  return Math.max(0, date - (parseHttpDate(headers.get('date') ?? '') ?? Date.now()))
}

/** Other forms of dates would be read in the local time zone. */
function parseHttpDate(text: string): number | null {
  const date = / GMT$/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? null : date
}

/** Rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(
      () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      },
      Math.min(ms, MAX_TIMER_MS),
    )
    if (signal?.aborted === true) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}
