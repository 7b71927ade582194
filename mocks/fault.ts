import type { ServerResponse } from 'node:http'
import type { Exchange } from '../src/http/exchange.ts'
import { operationOf } from '../src/http/exchange.ts'
import { type ProblemCode, ProblemError } from '../src/problem/problem.ts'
import { answerMocked } from './answer.ts'
import type { Fault } from './prefer.ts'
import type { Site } from './site.ts'
import { visitOf } from './visit.ts'

/** Milliseconds after which even a client without a timeout of its own is let go. */
const MAX_SILENCE_MS = 300_000

/**
 * Does the fault to the exchange. False: the answer is still to be given, and will be damaged on its way. Throws the
 * problem where the contract has none on the operation.
 */
export async function applyFault(site: Site, exchange: Exchange, fault: Fault): Promise<boolean> {
  switch (fault) {
    case 'reset':
      exchange.req.socket.resetAndDestroy()
      return true
    case 'timeout':
      setTimeout(() => exchange.req.socket.destroy(), MAX_SILENCE_MS).unref()
      return true
    case 'unavailable':
      await refuse(site, exchange, 503, 'service_unavailable')
      return true
    case 'rate-limit':
      await refuse(site, exchange, 429, 'rate_limited')
      return true
    case 'truncate':
    case 'malformed':
      damage(exchange.res, fault)
      return false
  }
}

async function refuse(site: Site, exchange: Exchange, status: 429 | 503, code: ProblemCode): Promise<void> {
  if (operationOf(exchange)?.row.replies[status] !== undefined) {
    await answerMocked(site, exchange, status)
    return
  }
  const { headers } = visitOf(exchange)
  throw new ProblemError(code, 'The fault that was asked for.', { headers })
}

/**
 * Truncated: half of the body, then the connection is closed, so that Content-Length is not met. Malformed: as long as it
 * should be, and only its first half is what it should be. An answer without a body cannot be either: it is cut off.
 */
function damage(res: ServerResponse, fault: 'truncate' | 'malformed'): void {
  const end = res.end.bind(res) as (payload?: Buffer) => ServerResponse
  const write = res.write.bind(res) as (payload: Buffer, done: () => void) => boolean
  const damagedEnd = (payload?: unknown): ServerResponse => {
    const whole =
      typeof payload === 'string' ? Buffer.from(payload) : Buffer.isBuffer(payload) ? payload : Buffer.alloc(0)
    const half = whole.subarray(0, Math.floor(whole.length / 2))
    if (fault === 'malformed' && whole.length > 0)
      return end(Buffer.concat([half, Buffer.alloc(whole.length - half.length, ' ')]))
    if (half.length === 0) res.socket?.destroy()
    else write(half, () => res.socket?.destroy())
    return res
  }
  res.end = damagedEnd as typeof res.end
}
