import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import express, { type RequestHandler } from 'express'
import type { Logger } from 'pino'
import { markExpectContinue } from './body.ts'
import { renderRawProblem } from './problem.ts'

/**
 * Milliseconds. Node's defaults (60 s for headers, 300 s for a request, checked every 30 s) let a slow client hold a
 * socket for minutes; checked every second, these close it within 11 and 16 s.
 */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  /** Bytes of the request line and all headers. */
  maxHeaderSize: 16_384,
} as const

/** Requests on one connection; then it is closed, so that load spreads again over processes that came later. */
const MAX_REQUESTS_PER_SOCKET = 1_000

/** Open sockets of one process; the listen queue holds what comes above. */
const MAX_CONNECTIONS = 10_000

/** An Express application with one middleware, in a server whose limits are set and whose own errors are problems too. */
export function listenable(log: Logger, engine: RequestHandler): Server {
  const app = express()
  app.disable('x-powered-by').disable('etag').set('query parser', false)
  app.use(engine)
  // Host is checked by the engine, whose answer is a problem; Node's own would be a bare 400.
  const server = createServer({ ...LIMITS, requireHostHeader: false }, app)
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET
  server.maxConnections = MAX_CONNECTIONS
  server.on('checkContinue', (req, res) => {
    markExpectContinue(req)
    app(req, res)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => answerClientError(log, error, socket))
  return server
}

/**
 * Stops accepting, lets what is running finish, and cuts what is left after `timeoutMs`. Idle connections close at once,
 * busy ones with their answer.
 */
export function closeServer(server: Server, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), timeoutMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}

const STATUS_BY_CODE: Record<string, 400 | 408 | 413 | 431> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

function answerClientError(log: Logger, error: NodeJS.ErrnoException, socket: Duplex): void {
  const { code = '' } = error
  // Bytes of a response that has begun must not be followed by those of another.
  const { _httpMessage: current } = socket as { _httpMessage?: { headersSent: boolean } | null }
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  if (current?.headersSent) {
    // It may not have left yet.
    ;(socket as Socket).destroySoon()
    return
  }
  log.debug({ code }, 'a client sent something that is not HTTP')
  socket.end(renderRawProblem(STATUS_BY_CODE[code] ?? 400, randomUUID()))
}
