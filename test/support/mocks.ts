import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeAll } from 'vitest'
import { type MockHost, type MockOptions, startMocks } from '../../mocks/host.ts'

type OnTestFinished = (clean: () => Promise<void>) => void

export interface MockAnswer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies whose shape the contract decides
  body: any
}

export interface TestMocks extends MockHost {
  /** What the host has said. */
  lines: string[]
  /** At the gateway, with a token that every mock takes; a header of `null` is left out. */
  ask(target: string, init?: AskInit): Promise<MockAnswer>
}

export interface AskInit {
  method?: string
  headers?: Record<string, string | null>
  /** Sent as JSON unless it is a text. */
  body?: unknown
  /** Instead of the gateway. */
  at?: string
}

/** Mocks on free ports, which are gone when the test is. */
export async function startTestMocks(onTestFinished: OnTestFinished, options: MockOptions = {}): Promise<TestMocks> {
  const lines: string[] = []
  const host = await startMocks({ ports: 'free', staticRoutes: [], say: (line) => lines.push(line), ...options })
  onTestFinished(() => host.stop())
  return { ...host, lines, ask: (target, init = {}) => ask(init.at ?? host.gatewayUrl, target, init) }
}

/** The same mocks for all tests of a file. */
export function useMocks(options: MockOptions = {}): TestMocks {
  const mocks = {} as TestMocks
  beforeAll(async () => {
    const cleaners: (() => Promise<void>)[] = []
    Object.assign(mocks, await startTestMocks((clean) => void cleaners.push(clean), options))
    return async () => {
      for (const clean of cleaners) await clean()
    }
  })
  return mocks
}

async function ask(url: string, target: string, { method = 'GET', headers, body }: AskInit): Promise<MockAnswer> {
  const all: Record<string, string | null> = { authorization: 'Bearer mock', ...headers }
  const isText = typeof body === 'string'
  if (body !== undefined && !isText) all['content-type'] ??= 'application/json'
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null)
  const answer = await fetch(`${url}${target}`, {
    method,
    redirect: 'manual',
    headers: Object.fromEntries(given),
    ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, text, body: parse(text) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface RealRequest {
  method: string
  url: string
  headers: Record<string, string | string[] | undefined>
  body: string
}

/** A server that stands for the real one: it describes what it implements, and keeps what it is asked. */
export interface TestReal {
  url: string
  port: number
  requests: RealRequest[]
  server: Server
  stop(): Promise<void>
}

/** `implemented`: operationIds by path and method, such as `{ '/api/tenant': { get: 'getTenant' } }`. */
export async function startTestReal(
  onTestFinished: OnTestFinished,
  implemented: Record<string, Record<string, string>>,
  answer: RequestListener,
  port = 0,
): Promise<TestReal> {
  const requests: RealRequest[] = []
  const paths = Object.fromEntries(
    Object.entries(implemented).map(([path, item]) => [
      path,
      Object.fromEntries(
        Object.entries(item).map(([method, operationId]) => [method, { operationId, 'x-implementation': 'real' }]),
      ),
    ]),
  )
  const server = createServer(async (req, res) => {
    if (req.url === '/docs/openapi.json') {
      res.end(JSON.stringify({ openapi: '3.1.0', paths }))
      return
    }
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers } = req
    requests.push({ method, url, headers, body: Buffer.concat(chunks).toString('utf8') })
    answer(req, res)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  onTestFinished(stop)
  const { port: opened } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${opened}`, port: opened, requests, server, stop }
}
