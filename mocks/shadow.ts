import type { ServerResponse } from 'node:http'
import type { Exchange } from '../src/http/exchange.ts'
import { operationOf } from '../src/http/exchange.ts'
import { askReal } from './forward.ts'
import { compareAnswers, type Seen } from './shape.ts'

export interface ShadowOptions {
  url: URL
  timeoutMs: number
  /** Also requests that change something on the real server. */
  withWrites: boolean
  say: (line: string) => void
}

export interface Shadow {
  /** Before the mock answers: once it has, the real server is asked the same, and what differs is said. Delays nothing. */
  observe(exchange: Exchange): void
  /** Says the summary. What is under way is not waited for. */
  stop(): void
}

/** Requests at a time to the real server, and how many may wait; what comes above is counted and not compared. */
const MAX_RUNNING = 4
const MAX_WAITING = 50

export function createShadow({ url, timeoutMs, withWrites, say }: ShadowOptions): Shadow {
  const waiting: (() => Promise<void>)[] = []
  /** By sentence. A difference is said when it is first seen, and counted from then on. */
  const differences = new Map<string, number>()
  const counts = { compared: 0, agreed: 0, failed: 0, dropped: 0 }
  let running = 0

  function enqueue(work: () => Promise<void>): void {
    if (running < MAX_RUNNING) run(work)
    else if (waiting.length < MAX_WAITING) waiting.push(work)
    else counts.dropped += 1
  }

  function run(work: () => Promise<void>): void {
    running += 1
    work()
      .catch(() => {
        counts.failed += 1
      })
      .finally(() => {
        running -= 1
        const next = waiting.shift()
        if (next !== undefined) run(next)
      })
  }

  async function compare(exchange: Exchange, id: string, mock: Seen, body: Buffer): Promise<void> {
    const real = await askReal(exchange, url, body, timeoutMs)
    counts.compared += 1
    const found = compareAnswers(mock, real)
    if (found.length === 0) counts.agreed += 1
    for (const difference of found) {
      const line = `${id} ${exchange.req.method}: ${difference}`
      const count = differences.get(line) ?? 0
      differences.set(line, count + 1)
      if (count === 0) say(`shadow: ${line} (${exchange.path}, correlation id ${exchange.ctx.correlationId})`)
    }
  }

  return {
    observe(exchange) {
      const operation = operationOf(exchange)
      const { method = 'GET' } = exchange.req
      if (operation === undefined || (!withWrites && method !== 'GET' && method !== 'HEAD')) return
      // Read now, since the mock may answer without having read it; a body that is refused is not sent on.
      const body = operation.row.requestBody === null ? Promise.resolve(Buffer.alloc(0)) : exchange.readBody()
      body.catch(() => {})
      capture(exchange.res, (mock) => enqueue(async () => compare(exchange, operation.id, mock, await body)))
    },
    stop() {
      const { compared, agreed, failed, dropped } = counts
      say(
        `shadow: ${compared} answers compared, ${agreed} alike, ${differences.size} differences, ${failed} without an answer, ${dropped} not compared`,
      )
      for (const [line, count] of differences) if (count > 1) say(`shadow: ${count} times ${line}`)
    },
  }
}

/** Calls back once the answer has been handed over, with what it was. */
function capture(res: ServerResponse, then: (seen: Seen) => void): void {
  const chunks: Buffer[] = []
  const keep = (chunk: unknown) => {
    if (typeof chunk === 'string' || Buffer.isBuffer(chunk)) chunks.push(Buffer.from(chunk))
  }
  const { write, end, writeHead } = res
  const headers: Record<string, string | undefined> = {}
  res.writeHead = function (this: ServerResponse, ...args: unknown[]) {
    const list = args.find(Array.isArray) as string[] | undefined
    for (let i = 0; list !== undefined && i < list.length; i += 2)
      headers[(list[i] as string).toLowerCase()] = list[i + 1]
    return Reflect.apply(writeHead, this, args) as ServerResponse
  } as typeof res.writeHead
  res.write = function (this: ServerResponse, ...args: unknown[]) {
    keep(args[0])
    return Reflect.apply(write, this, args) as boolean
  } as typeof res.write
  res.end = function (this: ServerResponse, ...args: unknown[]) {
    keep(args[0])
    return Reflect.apply(end, this, args) as ServerResponse
  } as typeof res.end
  res.once('finish', () => {
    then({ status: res.statusCode, headers: { ...res.getHeaders(), ...headers }, body: Buffer.concat(chunks) })
  })
}
