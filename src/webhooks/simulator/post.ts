import { Agent, request as httpRequest, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { SignedRequest } from './attempt.ts'
import type { Outcome } from './tally.ts'

/** Of an answer no more is read: a receipt is short, and a receiver may answer with anything. */
const MAX_ANSWER_BYTES = 65_536

export interface Connection {
  /** One attempt. Never rejects. */
  post: (request: SignedRequest, timeoutMs: number) => Promise<Outcome>
  /** Ends what is under way too. */
  close: () => void
}

interface Answer {
  status: number
  text: string
}

/** Connections to `url`, kept alive, at most `width` at once. Redirects are answers like others; no vendor follows them. */
export function connectTo(url: URL, width: number): Connection {
  const isSecure = url.protocol === 'https:'
  const options = { keepAlive: true, maxSockets: width }
  const agent = isSecure ? new HttpsAgent(options) : new Agent(options)
  const request = isSecure ? httpsRequest : httpRequest
  let isClosed = false

  function once({ headers, body }: SignedRequest, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const init: RequestOptions = { method: 'POST', agent, headers: { ...headers, 'Content-Length': body.length } }
      const sent = request(url, init, (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          if (size < MAX_ANSWER_BYTES) chunks.push(chunk)
          size += chunk.length
        })
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
        })
        response.on('error', reject)
      })
      const timer = setTimeout(() => sent.destroy(new TimeoutError('timed out')), timeoutMs)
      sent.on('close', () => clearTimeout(timer))
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // The receiver closed an idle connection just then, which says nothing about the delivery.
        const isStale = sent.reusedSocket && error.code === 'ECONNRESET' && !isClosed
        if (isStale) once({ headers, body }, timeoutMs).then(resolve, reject)
        else reject(error)
      })
      sent.end(body)
    })
  }

  return {
    async post(signed, timeoutMs) {
      const began = performance.now()
      try {
        const answer = await once(signed, timeoutMs)
        return { ...readAnswer(answer), latencyMs: performance.now() - began }
      } catch (error) {
        const { name, code, message } = error as NodeJS.ErrnoException
        const failure = name === 'TimeoutError' ? message : (code ?? message)
        return { ...NO_ANSWER, failure, latencyMs: performance.now() - began }
      }
    },
    close() {
      isClosed = true
      agent.destroy()
    },
  }
}

class TimeoutError extends Error {
  override name = 'TimeoutError'
}

const NO_ANSWER = { status: null, failure: null, result: null, code: null, detail: null }

function readAnswer({ status, text }: Answer): Omit<Outcome, 'latencyMs'> {
  const answer = { ...NO_ANSWER, status }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return answer
  }
  if (typeof body !== 'object' || body === null) return answer
  const { result, code, detail } = body as Record<string, unknown>
  const word = (value: unknown) => (typeof value === 'string' && value.length <= 300 ? value : null)
  return { ...answer, result: word(result), code: word(code), detail: word(detail) }
}
