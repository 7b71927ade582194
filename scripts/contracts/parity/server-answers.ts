import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import pino from 'pino'
import { type OperationRow, operations } from '../../../generated/operations.ts'
import type { AppContext } from '../../../src/context.ts'
import { closeServer, createServer } from '../../../src/http/bind.ts'
import { authenticators, handlers } from '../../../src/main/app.ts'
import { isObject } from '../../generate/json.ts'
import { type ContractDocument, listOperations } from './contract.ts'
import { fromExamples, type MockRequest, send } from './request.ts'
import type { WitnessReply } from './witness.ts'

/**
 * The answers that belong to the server and to no operation. They need no database, so they are asked for on the spot: of
 * the real engine, bound to the real handlers, none of which is reached.
 */
export interface ServerRow {
  what: '404' | '405' | 'OPTIONS'
  requests: number
  agreed: number
  failures: string[]
}

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'TRACE']
/** No contract path, each in its own way. */
const UNKNOWN = [
  '/nothing',
  '/api',
  '/api/',
  '/API/AUTH/VERIFY',
  '/api/auth/verify/',
  '/api//auth/verify',
  '/api/%zz',
  '/%00',
]

export async function compareServerAnswers(document: ContractDocument, mockUrl: string): Promise<ServerRow[]> {
  const real = await startBareServer()
  try {
    const rows: ServerRow[] = []
    for (const [what, requests] of Object.entries(listServerRequests(document))) {
      const failures: string[] = []
      for (const request of requests) {
        const [left, right] = await Promise.all([send(real.url, request), send(mockUrl, request)])
        const [is, should] = [describe(right, what), describe(left, what)]
        if (is !== should)
          failures.push(`${request.method} ${request.target}: the real server answers ${should}, the mock ${is}`)
      }
      const agreed = requests.length - failures.length
      rows.push({ what: what as ServerRow['what'], requests: requests.length, agreed, failures })
    }
    return rows
  } finally {
    await real.stop()
  }
}

export function listServerRequests(document: ContractDocument): Record<ServerRow['what'], MockRequest[]> {
  const make = (method: string, target: string): MockRequest => ({ method, target, headers: {}, body: null })
  const routes = [...listOperations(document).keys()].map((id) => {
    const { path, method } = (operations as Record<string, OperationRow>)[id] as OperationRow
    const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{[^}]+\}/g, '[^/]+')}$`)
    const [target = ''] = fromExamples(document, id).target.split('?')
    return { method: method.toUpperCase(), pattern, target }
  })
  const paths = [...new Set(routes.map(({ target }) => target))]
  // Another template may take a path that was made for this one.
  const methodsAt = (path: string) => routes.flatMap(({ pattern, method }) => (pattern.test(path) ? [method] : []))
  const unknown = [...UNKNOWN, ...paths.map((path) => `${path}/surplus`)].filter((path) => methodsAt(path).length === 0)
  return {
    404: unknown.map((path) => make('GET', path)),
    405: paths.flatMap((path) =>
      METHODS.filter((method) => !methodsAt(path).includes(method)).map((method) => make(method, path)),
    ),
    OPTIONS: paths.map((path) => make('OPTIONS', path)),
  }
}

function describe({ status, headers, json }: WitnessReply, what: string): string {
  const code = isObject(json) ? String(json.code) : 'no code'
  const contentType = headers['content-type'] ?? 'no body'
  // A mock may say which path was meant; the rest of a 404 is alike.
  const allow = what === '404' ? '' : `, Allow: ${headers.allow}`
  return `${status} ${code} as ${contentType}${allow}`
}

async function startBareServer(): Promise<{ url: string; stop: () => Promise<void> }> {
  const log = pino({ level: 'silent' })
  const config = { ingest: { maxWaiting: 1 } }
  const ctx = { log, clock: () => new Date(), config, db: {}, keys: {} } as unknown as AppContext
  const server = createServer(ctx, { handlers, authenticators, staticRoutes: [] })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => closeServer(server, 0),
  }
}
