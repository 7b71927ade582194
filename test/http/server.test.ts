import type { AddressInfo } from 'node:net'
import pino from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type OperationRow, operations } from '../../generated/operations.ts'
import type { AppContext, Principal } from '../../src/context.ts'
import type { Handlers } from '../../src/contract.ts'
import { type Authenticator, type BindOptions, closeServer, createServer } from '../../src/http/bind.ts'
import { TENANT } from './mini-server.ts'

const admin: Principal = {
  kind: 'user',
  tenantId: TENANT,
  userId: TENANT,
  role: 'admin',
  sessionId: TENANT,
  expiresAt: new Date(),
}
const rows = Object.entries(operations) as [keyof typeof operations, OperationRow][]

/** The real contract, with handlers that must not run unless a test gives them. */
async function start(principal: Principal | null, handlers: Partial<Handlers> = {}) {
  const logs: Record<string, unknown>[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => logs.push(JSON.parse(line)) })
  const ctx = {
    log,
    clock: () => new Date(),
    config: { ingest: { maxWaiting: 100 } },
    db: {},
    keys: {},
  } as unknown as AppContext
  const none = Object.fromEntries(rows.map(([id]) => [id, () => Promise.reject(new Error(`${id} ran`))]))
  const authenticate: Authenticator = async () => principal
  const schemes = new Set(rows.flatMap(([, row]) => row.security.flat()))
  const server = createServer(ctx, {
    handlers: { ...none, ...handlers } as unknown as Handlers,
    authenticators: Object.fromEntries(
      [...schemes].map((scheme) => [scheme, authenticate]),
    ) as BindOptions['authenticators'],
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => closeServer(server, 0))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, logs }
}

function pathOf(row: OperationRow): string {
  return row.path.replace(/\{[^}]+\}/g, 'x')
}

describe('the real contract', () => {
  test('is served: a public operation answers, and so do its pages', async () => {
    const { url } = await start(null, { getLiveness: async () => ({ status: 200, body: { status: 'alive' } }) })
    const reply = await fetch(`${url}/health/live`)
    expect([reply.status, await reply.json()]).toEqual([200, { status: 'alive' }])
    expect((await fetch(`${url}/docs/openapi.json`)).status).toBe(200)
  })

  // Each refusal must be declared on its operation and valid against its schema: the log would tell.
  test.each(rows.filter(([, row]) => row.security.length > 0))('%s without credentials is 401', async (_id, row) => {
    const { url, logs } = await start(null)
    const reply = await fetch(url + pathOf(row), { method: row.method.toUpperCase() })
    expect([reply.status, reply.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="skeldir"'])
    expect(logs).toEqual([])
  })

  test.each(rows.filter(([, row]) => 406 in row.replies))('%s as text/html is 406', async (_id, row) => {
    const { url, logs } = await start(
      row.requiredScope === null ? admin : { kind: 'key', tenantId: TENANT, keyId: 'k', scopes: [row.requiredScope] },
    )
    const reply = await fetch(url + pathOf(row), { method: row.method.toUpperCase(), headers: { accept: 'text/html' } })
    expect(reply.status).toBe(406)
    expect(logs).toEqual([])
  })

  test.each(rows.filter(([, row]) => 422 in row.replies))(
    '%s with an unknown query parameter and no input is 422 or 400',
    async (_id, row) => {
      const { url, logs } = await start(
        row.requiredScope === null ? admin : { kind: 'key', tenantId: TENANT, keyId: 'k', scopes: [row.requiredScope] },
      )
      for (const [query, body] of [
        ['?nope=1', '{}'],
        ['?nope=%zz', '{}'],
        ['', '['],
      ] as const) {
        const init = row.requestBody === null ? {} : { body, headers: { 'content-type': 'application/json' } }
        if (row.requestBody === null && query === '') continue
        const reply = await fetch(url + pathOf(row) + query, { method: row.method.toUpperCase(), ...init })
        expect(Object.keys(row.replies)).toContain(String(reply.status))
        expect([400, 422]).toContain(reply.status)
      }
      expect(logs).toEqual([])
    },
  )

  test('a reply with a surplus field becomes 500', async () => {
    const leak = async () => ({ status: 200, body: { status: 'alive', secret: 'x' } })
    const { url, logs } = await start(null, { getLiveness: leak as unknown as Handlers['getLiveness'] })
    expect((await fetch(`${url}/health/live`)).status).toBe(500)
    expect(logs[0]).toMatchObject({ operationId: 'getLiveness', fault: 'the body does not match its schema' })
  })
})
