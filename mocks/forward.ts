import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Exchange } from '../src/http/exchange.ts'
import { operationOf } from '../src/http/exchange.ts'
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../src/http/problem.ts'
import { send } from '../src/http/reply.ts'
import { ProblemError } from '../src/problem/problem.ts'
import type { Seen } from './shape.ts'

/** Why the mock answers after all. */
export type MockReason = 'real_unreachable' | 'not_implemented' | 'requested' | 'too_large'
export type Forwarded = { sent: true } | { sent: false; reason: MockReason }

export interface ForwardOptions {
  url: URL
  /** Milliseconds without a byte of the answer. */
  timeoutMs: number
}

/** Milliseconds. */
const CONNECT_MS = 2_000

/** What may be asked twice, and answered by somebody else, without anything having happened. Source: RFC 9110 section 9.2.1. */
const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/** Belong to one connection, not to the message. Source: RFC 9110 section 7.6.1, and what is left of RFC 2616. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
/** Ours replace what a client claims of itself, since nobody stands before us who could vouch for it. */
const CLIENT_ADDRESS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']
/** Written anew, or answered already. */
const REWRITTEN = ['host', 'content-length', 'expect']

/** Connections for safe requests only: one that is kept may be closed by the server as we send, and nobody knows what it has read. */
const agents = { 'http:': new http.Agent({ keepAlive: true }), 'https:': new https.Agent({ keepAlive: true }) }

/**
 * Lets the real server answer: its answer is streamed through. When it cannot be reached, says nothing in time, or answers
 * 501, nothing has been sent and the mock may answer. A request that may have changed something on the server before
 * the connection broke is answered with 502 (504 after the time limit): the mock would pretend to know what happened.
 */
export async function forward(exchange: Exchange, options: ForwardOptions): Promise<Forwarded> {
  const body = await readBody(exchange)
  if (body === 'too_large') return { sent: false, reason: 'too_large' }
  const first = await attempt(exchange, options, body, false)
  const outcome = first === 'again' ? await attempt(exchange, options, body, true) : first
  return outcome === 'again' ? { sent: false, reason: 'real_unreachable' } : outcome
}

/** Whole, at most 1 MiB: it is needed again should the mock have to answer. */
async function readBody(exchange: Exchange): Promise<Buffer | 'too_large'> {
  if (operationOf(exchange)?.row.requestBody === null) return Buffer.alloc(0)
  try {
    return await exchange.readBody()
  } catch (error) {
    if (error instanceof ProblemError) return 'too_large'
    throw error
  }
}

/** `again`: an idle connection was closed as we took it, and the request is worth a new one. */
function attempt(
  exchange: Exchange,
  { url, timeoutMs }: ForwardOptions,
  body: Buffer,
  isFresh: boolean,
): Promise<Forwarded | 'again'> {
  const { req, res } = exchange
  const isSafe = SAFE_METHODS.includes(req.method ?? '')
  return new Promise((resolve) => {
    const upstream = openRequest(exchange, url, body, isSafe && !isFresh)
    let timer = setTimeout(() => upstream.destroy(new TimeoutError('it could not be reached in time')), CONNECT_MS)
    let isConnected = false
    let isSettled = false
    // A client that leaves takes its request along.
    const leave = () => upstream.destroy()
    res.once('close', leave)

    function settle(outcome: Forwarded | 'again'): void {
      isSettled = true
      clearTimeout(timer)
      resolve(outcome)
    }
    onConnected(upstream, url.protocol, () => {
      isConnected = true
      clearTimeout(timer)
      if (!isSettled) timer = setTimeout(() => upstream.destroy(new TimeoutError('it said nothing in time')), timeoutMs)
    })
    upstream.once('response', (answer) => {
      if (answer.statusCode === 501) {
        res.off('close', leave)
        answer.on('error', () => {}).resume()
        settle({ sent: false, reason: 'not_implemented' })
        return
      }
      passOn(exchange, answer)
      settle({ sent: true })
    })
    upstream.on('error', (error) => {
      if (isSettled) return
      res.off('close', leave)
      const isLate = error instanceof TimeoutError
      if (res.destroyed) settle({ sent: true })
      else if (isConnected && !isSafe) settle(sendBroken(exchange, isLate ? 504 : 502, error))
      else if (isSafe && upstream.reusedSocket && !isLate) settle('again')
      else settle({ sent: false, reason: 'real_unreachable' })
    })
    upstream.end(body)
  })
}

class TimeoutError extends Error {
  override name = 'TimeoutError'
}

/** Path and query go as they came: a URL parser would normalise what the server should judge. */
function openRequest(exchange: Exchange, url: URL, body: Buffer, isKept: boolean): ClientRequest {
  const { path, query, req } = exchange
  return (url.protocol === 'https:' ? https : http).request({
    protocol: url.protocol,
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port,
    path: `${url.pathname.slice(0, -1)}${path}${query === '' ? '' : `?${query}`}`,
    method: req.method,
    headers: toServer(exchange, url, body),
    agent: isKept ? agents[url.protocol as keyof typeof agents] : false,
  })
}

function onConnected(upstream: ClientRequest, protocol: string, then: () => void): void {
  upstream.once('socket', (socket) => {
    if (!socket.connecting) then()
    else socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', then)
  })
}

function toServer({ req, ctx }: Exchange, url: URL, body: Buffer): Record<string, string | string[]> {
  const dropped = droppedOf(req, [...CLIENT_ADDRESS, ...REWRITTEN])
  const headers: Record<string, string | string[]> = {}
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = (req.rawHeaders[i] as string).toLowerCase()
    if (dropped.has(name)) continue
    const value = req.rawHeaders[i + 1] as string
    headers[name] = headers[name] === undefined ? value : [headers[name], value].flat()
  }
  headers.host = url.host
  headers['x-correlation-id'] ??= ctx.correlationId
  headers['x-forwarded-for'] = req.socket.remoteAddress ?? 'unknown'
  headers['x-forwarded-proto'] = 'http'
  if (req.headers.host !== undefined) headers['x-forwarded-host'] = req.headers.host
  headers.via = [headers.via ?? [], `${req.httpVersion} skeldir-mocks`].flat().join(', ')
  if (body.length > 0 || !SAFE_METHODS.includes(req.method ?? '')) headers['content-length'] = String(body.length)
  return headers
}

/** Hop-by-hop headers, those that the message itself calls so, and `more`. */
function droppedOf({ headers }: IncomingMessage, more: readonly string[]): Set<string> {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase())
  return new Set([...HOP_BY_HOP, ...named, ...more])
}

function passOn({ res, isClosing }: Exchange, answer: IncomingMessage): void {
  const dropped = droppedOf(answer, [])
  for (let i = 0; i < answer.rawHeaders.length; i += 2) {
    const name = answer.rawHeaders[i] as string
    const lower = name.toLowerCase()
    // The gateway is the origin that the page talks to, so it says who may read.
    if (dropped.has(lower) || lower.startsWith('access-control-') || lower === 'x-served-by') continue
    res.appendHeader(name, answer.rawHeaders[i + 1] as string)
  }
  res.setHeader('X-Served-By', 'real')
  res.removeHeader('X-Mock-Reason')
  if (isClosing()) res.setHeader('Connection', 'close')
  res.writeHead(answer.statusCode ?? 502, answer.statusMessage)
  // A body that breaks off must break off here too, or the client would take the part for the whole.
  answer.on('error', () => {})
  answer.once('close', () => {
    if (!answer.complete) res.destroy()
  })
  answer.pipe(res)
}

/** The two statuses of a gateway are no problem of the contract's: `about:blank` (RFC 9457 section 4.2.1). */
function sendBroken(exchange: Exchange, status: 502 | 504, error: Error): Forwarded {
  const detail =
    status === 504
      ? 'The real server has taken the request and not answered in time. It may have been carried out.'
      : `The connection to the real server broke after the request was sent (${error.message}). It may have been carried out.`
  const about = { correlationId: exchange.ctx.correlationId, path: exchange.path }
  const { instance, correlation_id } = renderProblem(new ProblemError('internal_error', ''), about).body
  const title = status === 504 ? 'Gateway Timeout' : 'Bad Gateway'
  const body = { type: 'about:blank', title, status, detail, instance, correlation_id }
  send(exchange, status, {}, PROBLEM_MEDIA_TYPE, JSON.stringify(body))
  return { sent: true }
}

/** The real server's whole answer, for comparing. Rejects when there is none in time. */
export function askReal(exchange: Exchange, url: URL, body: Buffer, timeoutMs: number): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const upstream = openRequest(exchange, url, body, false)
    const timer = setTimeout(() => upstream.destroy(new TimeoutError('it said nothing in time')), timeoutMs)
    upstream.once('close', () => clearTimeout(timer))
    upstream.on('error', reject)
    upstream.once('response', (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.once('error', reject)
      answer.once('end', () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) })
      })
    })
    upstream.end(body)
  })
}
