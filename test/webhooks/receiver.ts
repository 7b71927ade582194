import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Received {
  request: IncomingMessage
  response: ServerResponse
  /** As they were sent, in the sender's spelling. */
  headers: Record<string, string>
  body: Buffer
  /** Milliseconds of performance.now(). */
  at: number
}

export interface Receiver {
  url: URL
  /** All so far, in the order of arrival. */
  received: Received[]
  /** How many connections were opened. */
  readonly connections: number
}

/** Status and JSON body of an answer; null: none ever. */
export type Answer = { status: number; body?: object; headers?: Record<string, string> } | null

/** A server of the test's own on loopback. */
export async function startReceiver(answer: (received: Received) => Answer | Promise<Answer>): Promise<Receiver> {
  const received: Received[] = []
  let connections = 0
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const delivery = { request, response, headers: pairs(request.rawHeaders), body, at: performance.now() }
    received.push(delivery)
    const given = await answer(delivery)
    if (given === null) return
    response.writeHead(given.status, { 'content-type': 'application/json', ...given.headers })
    response.end(JSON.stringify(given.body ?? {}))
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    connections += 1
    sockets.add(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks?shop=1`)
  return {
    url,
    received,
    get connections() {
      return connections
    },
  }
}

function pairs(raw: readonly string[]): Record<string, string> {
  return Object.fromEntries(raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] as string]] : [])))
}
