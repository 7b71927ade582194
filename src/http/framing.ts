import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ProblemError } from '../problem/problem.ts'
import { malformed } from './json.ts'

/**
 * `malformed_request` for what Node's parser lets through and another reader of the same bytes may take for another
 * request: a version before 1.0, codings beside `chunked`, chunks in HTTP/1.0, no Host or two, and headers that may come
 * once only, of which Node silently keeps the first. Where it is not certain where the request ends, the connection ends
 * with its answer. Source: RFC 9112 sections 2.3, 3.2, 6.1 and 11.2.
 *
 * To be called as soon as a request is there, before anything waits: Node hands over what comes behind it meanwhile.
 */
export function findFramingFault(req: IncomingMessage, res: ServerResponse): ProblemError | undefined {
  const { headers, httpVersion, rawHeaders } = req
  const isCurrent = httpVersion === '1.1'
  if (!isCurrent && httpVersion !== '1.0') return lastOf(req, res, malformed('http_version', 'Use HTTP/1.1.', '/'))
  if (headers.host === undefined && isCurrent)
    return malformed('host_missing', 'An HTTP/1.1 request needs a Host header.', '/header/host')
  const coding = headers['transfer-encoding']
  if (coding !== undefined && !(isCurrent && coding.toLowerCase() === 'chunked'))
    return lastOf(
      req,
      res,
      malformed('transfer_encoding', 'The only transfer coding is chunked, in HTTP/1.1.', '/header/transfer-encoding'),
    )
  const repeated = findRepeated(rawHeaders)
  if (repeated === undefined) return undefined
  return malformed('repeated_header', `The header ${repeated} may come once only.`, `/header/${repeated}`)
}

/** Connections of which nothing more is taken. */
const ending = new WeakSet<Socket>()

/** Whether something came before on the connection that makes these bytes doubtful. Node has parsed them already. */
export function isDoubtful({ socket }: IncomingMessage): boolean {
  return ending.has(socket)
}

function lastOf({ socket }: IncomingMessage, res: ServerResponse, error: ProblemError): ProblemError {
  ending.add(socket)
  res.shouldKeepAlive = false
  return error
}

const SINGLE = ['host', 'authorization', 'content-type'] as const

/** By hand, since it runs for each request: a name is looked at only when it is as long as one of the three. */
function findRepeated(rawHeaders: readonly string[]): string | undefined {
  let seen = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const length = name.length
    if (length !== 4 && length !== 13 && length !== 12) continue
    const index = SINGLE.indexOf(name.toLowerCase() as (typeof SINGLE)[number])
    if (index === -1) continue
    if ((seen & (1 << index)) !== 0) return SINGLE[index]
    seen |= 1 << index
  }
  return undefined
}
