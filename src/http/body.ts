import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProblemError } from '../problem/problem.ts'

/** Bytes of any request body, as sent. */
export const MAX_BODY_BYTES = 1_048_576

/** The client went away before its body was complete: there is nobody to answer. */
export class RequestAborted extends Error {
  override name = 'RequestAborted'
}

const NO_BYTES = Buffer.alloc(0)

/** Clients whose `Expect: 100-continue` is still to be answered; they send nothing before that. */
const waitingForContinue = new WeakSet<IncomingMessage>()

export function markExpectContinue(req: IncomingMessage): void {
  waitingForContinue.add(req)
}

export function isWaitingForContinue(req: IncomingMessage): boolean {
  return waitingForContinue.has(req)
}

/** Whether the request line and headers announce a body (RFC 9112 section 6.3). */
export function hasBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || declaredLength(req) > 0
}

/** Node's parser has already refused a Content-Length that is not a number, is repeated, or stands beside Transfer-Encoding. */
export function declaredLength(req: IncomingMessage): number {
  return Number(req.headers['content-length'] ?? 0)
}

/**
 * The raw bytes of the body. Throws `payload_too_large` before reading when the declared length exceeds the limit, and at
 * the limit when it does not say; the rest is then left on the socket (see `sendBytes`). Throws RequestAborted.
 * By hand rather than by body-parser, which costs about 10 us per request and cannot leave the bytes as they came.
 */
export function readBody(req: IncomingMessage, res: ServerResponse): Promise<Buffer> {
  if (!hasBody(req)) return Promise.resolve(NO_BYTES)
  if (declaredLength(req) > MAX_BODY_BYTES) return Promise.reject(tooLarge())
  if (waitingForContinue.delete(req)) res.writeContinue()
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    function stop(): void {
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
    }
    function onData(chunk: Buffer): void {
      length += chunk.length
      if (length > MAX_BODY_BYTES) {
        stop()
        req.pause()
        reject(tooLarge())
        return
      }
      chunks.push(chunk)
    }
    function onEnd(): void {
      stop()
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length))
    }
    function onClose(): void {
      stop()
      reject(new RequestAborted('the client closed the connection before its body was complete'))
    }
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}

function tooLarge(): ProblemError {
  return new ProblemError('payload_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`)
}
