import { setTimeout as sleep } from 'node:timers/promises'
import type { Outbound, OutboundAnswer, OutboundRequest } from '../../outbound.ts'
import { JsonError, type JsonValue, parseJson } from '../lossless-json.ts'
import { PollError, type VendorClient } from './lister.ts'

const TIMEOUT_MS = 20_000
const MAX_BYTES = 16 * 1024 * 1024
/** Requests of one poll of one endpoint: a list without an end ends here. */
const MAX_REQUESTS = 500
/** Attempts of one request, the first included. */
const MAX_ATTEMPTS = 4
/** Whoever asks us to wait longer is asked again by the next poll. */
const MAX_WAIT_S = 60

/**
 * Asks a vendor's API, one request at a time. An answer 429 is waited for as long as its Retry-After says, a failure of
 * the server a second and then two; what was asked is a list, so asking twice does nothing.
 */
export function createClient(origin: string, send: Outbound, signal?: AbortSignal): VendorClient {
  let requests = 0
  async function ask(request: Pick<OutboundRequest, 'method' | 'headers'> & { path: string; body?: string }) {
    const { method, path, headers, body } = request
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      requests += 1
      if (requests > MAX_REQUESTS) throw new PollError('too_much', `more than ${MAX_REQUESTS} requests were needed`)
      const answer = await sendOnce({
        method,
        url: new URL(path, origin),
        headers: { accept: 'application/json', 'user-agent': 'skeldir', ...headers },
        ...(body !== undefined && { body: Buffer.from(body) }),
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_BYTES,
      })
      const waitS = answer instanceof Error ? attempt : waitFor(answer, attempt)
      if (waitS === null)
        return { body: readJson(answer as OutboundAnswer), headers: (answer as OutboundAnswer).headers }
      if (attempt === MAX_ATTEMPTS || waitS > MAX_WAIT_S) throw giveUp(answer)
      await sleep(waitS * 1000, undefined, signal === undefined ? {} : { signal })
    }
  }

  async function sendOnce(request: OutboundRequest): Promise<OutboundAnswer | Error> {
    try {
      return await send(request)
    } catch (error) {
      return error as Error
    }
  }

  return {
    get: (path, headers) => ask({ method: 'GET', path, headers }),
    post: (path, headers, body) => ask({ method: 'POST', path, headers, body }),
  }
}

/** Seconds until the request may be sent again; null for an answer of use. */
function waitFor({ status, headers }: OutboundAnswer, attempt: number): number | null {
  if (status === 200) return null
  if (status === 401 || status === 403)
    throw new PollError('unauthorized', `the vendor refuses the credential (${status})`)
  if (status !== 429 && status < 500) throw new PollError('bad_answer', `the vendor answered ${status}`)
  // Shopify sends a decimal.
  const asked = Number(headers['retry-after'])
  return Number.isFinite(asked) && asked >= 0 ? asked : attempt
}

function giveUp(answer: OutboundAnswer | Error): PollError {
  if (answer instanceof Error) return new PollError('unavailable', 'the vendor cannot be reached', { cause: answer })
  return answer.status === 429
    ? new PollError('rate_limited', 'the vendor asks us to wait for longer than a poll does')
    : new PollError('unavailable', `the vendor answered ${answer.status}`)
}

function readJson({ body }: OutboundAnswer): JsonValue {
  try {
    return parseJson(body)
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new PollError('bad_answer', `the answer cannot be read: ${cause.code}`)
  }
}
