import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A request as it arrived. */
export interface Seen {
  method: string
  url: string
  headers: Record<string, string>
  body: string
  at: number
}

export interface Scripted {
  status?: number
  headers?: Record<string, string>
  /** An object is sent as JSON, as a problem for a status of 400 and more. */
  body?: unknown
}
/** What to answer; `drop` closes the connection, `hang` never answers. */
export type Script = Scripted | 'drop' | 'hang'

export interface TinyApi {
  url: string
  seen: Seen[]
}

/** A real server that answers by `script`, where the last entry holds for all that follow. Gone when the test is. */
export async function startTinyApi(script: Script[] | ((request: Seen) => Script)): Promise<TinyApi> {
  const seen: Seen[] = []
  const server = createServer(async (req, res) => {
    const request = await read(req)
    seen.push(request)
    const next = typeof script === 'function' ? script(request) : script[Math.min(seen.length, script.length) - 1]
    answer(req, res, next ?? 'drop')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

async function read(req: IncomingMessage): Promise<Seen> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return {
    method: req.method ?? '',
    url: req.url ?? '',
    headers: req.headers as Record<string, string>,
    body: Buffer.concat(chunks).toString('latin1'),
    at: performance.now(),
  }
}

function answer(req: IncomingMessage, res: ServerResponse, script: Script): void {
  if (script === 'hang') return
  if (script === 'drop') {
    req.socket.destroy()
    return
  }
  const { status = 200, headers = {}, body } = script
  const isText = typeof body === 'string'
  const type = status >= 400 ? 'application/problem+json' : 'application/json'
  if (body !== undefined && !isText) res.setHeader('content-type', type)
  res.writeHead(status, headers).end(body === undefined ? undefined : isText ? body : JSON.stringify(body))
}

export function problem(status: number, code: string): { status: number; body: object } {
  const id = '163abffd-b49e-44aa-9a0f-2e11d97d5317'
  const body = {
    type: `/docs/problems/${code}`,
    title: code,
    status,
    detail: 'It was so.',
    instance: `urn:uuid:${id}`,
    code,
    correlation_id: id,
  }
  return { status, body }
}
