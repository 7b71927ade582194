// Talks to a platform over HTTP the way vendors and browsers' servers do: patiently.

import { setTimeout as sleep } from 'node:timers/promises'
import { CANARY } from './people.ts'

export interface Answer {
  status: number
  /** Parsed where it is JSON, else undefined. */
  body: unknown
}

export interface Client {
  baseUrl: string
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  /** As `call`, and throws what the answer says unless its status is one of 2xx. */
  get<T>(path: string, token: string): Promise<T>
  post<T>(path: string, body: object, token?: string): Promise<T>
  /** Paths of answers that repeated personal data of the demo's customers. */
  leaks: string[]
}

export interface CallOptions {
  headers?: Record<string, string>
  body?: Buffer
}

const ATTEMPTS = 6
const FIRST_PAUSE_MS = 200
const TIMEOUT_MS = 30_000

export class AnswerError extends Error {
  override name = 'AnswerError'
}

export function createClient(baseUrl: string, signal: AbortSignal): Client {
  const leaks: string[] = []

  async function call(method: string, path: string, { headers = {}, body }: CallOptions = {}): Promise<Answer> {
    let pauseMs = FIRST_PAUSE_MS
    for (let attempt = 1; ; attempt++) {
      const outcome = await once(method, path, headers, body)
      const isFinal = !(outcome instanceof Error) && outcome.status !== 503
      if (isFinal) return outcome
      if (attempt === ATTEMPTS) {
        if (outcome instanceof Error) throw outcome
        return outcome
      }
      await sleep(pauseMs, undefined, { signal })
      pauseMs *= 2
    }
  }

  async function once(method: string, path: string, headers: Record<string, string>, body: Buffer | undefined) {
    try {
      const response = await fetch(new URL(path, baseUrl), {
        method,
        headers,
        // fetch wants bytes that own their memory.
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      })
      const text = await response.text()
      if (text.includes(CANARY)) leaks.push(`${method} ${path}`)
      return { status: response.status, body: parse(text) }
    } catch (error) {
      signal.throwIfAborted()
      const cause = (error as Error).cause
      const reason = cause instanceof Error ? cause.message : (error as Error).message
      return new AnswerError(`${method} ${new URL(path, baseUrl)}: ${reason}`)
    }
  }

  return {
    baseUrl,
    leaks,
    call,
    get: async <T>(path: string, token: string) => {
      const answer = await call('GET', path, {
        headers: { accept: 'application/json', authorization: `Bearer ${token}` },
      })
      return requireSuccess('GET', path, answer) as T
    },
    post: async <T>(path: string, body: object, token?: string) => {
      const headers = {
        accept: 'application/json',
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      }
      const answer = await call('POST', path, { headers, body: Buffer.from(JSON.stringify(body)) })
      return requireSuccess('POST', path, answer) as T
    },
  }
}

function requireSuccess(method: string, path: string, { status, body }: Answer): unknown {
  if (status >= 200 && status < 300) return body
  const problem = body as { code?: string; detail?: string; errors?: unknown } | undefined
  const said = problem?.detail === undefined ? '' : `: ${problem.detail} ${JSON.stringify(problem.errors ?? '')}`
  throw new AnswerError(`${method} ${path} answered ${status}${said}`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
