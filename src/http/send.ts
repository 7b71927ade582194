import type { IncomingMessage, ServerResponse } from 'node:http'
import { declaredLength, hasBody, isWaitingForContinue } from './body.ts'

/** Unread bytes that are cheaper to read than a new connection is to open. Node discards them by itself. */
const DISCARDED_BYTES = 65_536

/** How long we go on reading, and discarding, what a client sends after its answer has been written. nginx has 5 s too. */
const LINGER_MS = 5_000

/**
 * Writes one whole response. When a large part of the request is still unread, closing at once would make the kernel
 * answer the client's further bytes with a reset, which can destroy the response before the client has read it. So the
 * response is written, the rest discarded until the client stops, and only then the socket closed ("lingering close").
 */
export function sendBytes(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  headers: string[],
  payload: string | Buffer | undefined,
): void {
  // Writing to a response whose socket is gone would only raise errors that nobody can use.
  if (res.destroyed || res.headersSent) return
  const isUnread = !req.complete && hasBody(req)
  const isCloseNeeded =
    isUnread && (isWaitingForContinue(req) || declaredLength(req) > DISCARDED_BYTES || isChunked(req))
  if (isCloseNeeded) headers.push('Connection', 'close')
  res.writeHead(status, headers)
  if (!isCloseNeeded || isWaitingForContinue(req)) {
    res.end(payload)
    return
  }
  if (payload === undefined || req.method === 'HEAD') res.flushHeaders()
  else res.write(payload)
  const timer = setTimeout(finish, LINGER_MS)
  timer.unref()
  function finish(): void {
    clearTimeout(timer)
    req.off('end', finish).off('close', finish)
    res.end()
  }
  req.on('end', finish).on('close', finish)
  req.resume()
}

function isChunked(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined
}
