import { describe, expect, onTestFinished, test } from 'vitest'
import { compileContract } from '../../scripts/bench/http-contract.ts'
import type { AppContext } from '../../src/context.ts'
import { createEngine } from '../../src/http/engine.ts'
import type { AnyHandler } from '../../src/http/operations.ts'
import { document, manager, startMini, talk } from './mini-server.ts'

describe('routing', () => {
  test.each([
    ['GET', '/nothing', 404],
    ['GET', '/Probe', 404],
    ['GET', '/probe/', 404],
    ['GET', '//probe', 404],
    ['GET', '/things/', 404],
    ['GET', '/things/%2e%2e', 200],
    ['GET', '/probe', 200],
    ['GET', '/probe?cache=1', 200],
    ['POST', '/nothing', 404],
    ['OPTIONS', '/nothing', 404],
  ])('%s %s answers %i', async (method, path, status) => {
    const { port } = await startMini(onTestFinished)
    const reply = await talk(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  test('404 is a problem with a correlation id', async () => {
    const { url } = await startMini(onTestFinished)
    const reply = await fetch(`${url}/nothing?x=1`)
    expect(reply.headers.get('content-type')).toBe('application/problem+json')
    expect(await reply.json()).toEqual({
      type: '/docs/problems/not_found',
      title: 'Not found',
      status: 404,
      detail: expect.any(String),
      instance: '/nothing',
      code: 'not_found',
      correlation_id: reply.headers.get('x-correlation-id'),
    })
  })

  test.each([
    ['DELETE', '/things', 'OPTIONS, POST'],
    ['GET', '/things', 'OPTIONS, POST'],
    ['HEAD', '/things', 'OPTIONS, POST'],
    ['POST', '/things/a', 'GET, HEAD, OPTIONS'],
    ['TRACE', '/probe', 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/probe', 'GET, HEAD, OPTIONS'],
    ['POST', '/docs', 'GET, HEAD, OPTIONS'],
  ])('%s %s answers 405 with Allow: %s', async (method, path, allow) => {
    const { port } = await startMini(onTestFinished)
    const reply = await talk(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    expect(reply).toMatch(/^HTTP\/1.1 405 /)
    expect(reply).toContain(`\r\nAllow: ${allow}\r\n`)
  })

  test('405 comes before 401', async () => {
    const { url } = await startMini(onTestFinished)
    expect((await fetch(`${url}/things`, { method: 'PUT' })).status).toBe(405)
  })

  test.each([
    ['/things', 'OPTIONS, POST'],
    ['/things/a', 'GET, HEAD, OPTIONS'],
    ['*', 'GET, HEAD, OPTIONS, POST'],
  ])('OPTIONS %s answers 204 with Allow: %s', async (path, allow) => {
    const { port, ran } = await startMini(onTestFinished)
    const reply = await talk(port, `OPTIONS ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    expect(reply).toMatch(/^HTTP\/1.1 204 /)
    expect(reply).toContain(`\r\nAllow: ${allow}\r\n`)
    expect(ran).toEqual([])
  })

  test('HEAD has the headers of GET and no body, also for errors', async () => {
    const { port } = await startMini(onTestFinished)
    for (const path of ['/things/abc', '/nothing', '/docs']) {
      const ask = (method: string) => talk(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      const [head, get] = await Promise.all([ask('HEAD'), ask('GET')])
      const lengthOf = (reply: string) => /Content-Length: (\d+)/.exec(reply)?.[1]
      expect(head.slice(head.indexOf('\r\n\r\n'))).toBe('\r\n\r\n')
      expect(Number(lengthOf(head))).toBeGreaterThan(0)
      expect(head.split('\r\n')[0]).toBe(get.split('\r\n')[0])
    }
  })

  test('the absolute form of a target is accepted', async () => {
    const { port } = await startMini(onTestFinished)
    const reply = await talk(port, 'GET http://x/things/a?limit=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    expect(reply).toMatch(/^HTTP\/1.1 200 /)
    expect(reply).toContain('"limit":3')
  })

  test.each([
    ['GET /things/%zz HTTP/1.1\r\nHost: x', 'malformed_request'],
    ['GET /things/%c3%28 HTTP/1.1\r\nHost: x', 'malformed_request'],
    ['GET /probe HTTP/1.1', 'malformed_request'],
    ['GET ftp://x/probe HTTP/1.1\r\nHost: x', 'malformed_request'],
  ])('%j is 400', async (head, code) => {
    const { port } = await startMini(onTestFinished)
    const reply = await talk(port, `${head}\r\nConnection: close\r\n\r\n`)
    expect(reply).toMatch(/^HTTP\/1.1 400 /)
    expect(reply).toContain(`"code":"${code}"`)
  })
})

describe('boot', () => {
  const handler: AnyHandler = async () => ({ status: 200 })
  const allHandlers = Object.fromEntries(
    ['getThing', 'createThing', 'getKeys', 'receiveHook', 'probe'].map((id) => [id, handler]),
  )
  const authenticator = async () => null
  const allAuthenticators = { bearer: authenticator, key: authenticator, signature: authenticator }
  const contract = compileContract(document)

  function boot(change: object): () => unknown {
    return () =>
      createEngine({} as AppContext, {
        contract,
        handlers: allHandlers,
        authenticators: allAuthenticators,
        staticRoutes: [],
        isClosing: () => false,
        ...change,
      })
  }

  test('succeeds when everything fits', () => {
    expect(boot({})).not.toThrow()
  })

  test('lists every misfit at once', () => {
    const { probe: _left, ...handlers } = allHandlers
    expect(
      boot({ handlers: { ...handlers, extra: handler }, authenticators: { key: authenticator, odd: authenticator } }),
    ).toThrow(
      /handler extra has no operation[\s\S]*operation probe has no handler[\s\S]*scheme bearer has no authenticator[\s\S]*authenticator odd/,
    )
  })

  test('fails when table and document differ', () => {
    const { probe: _left, ...operations } = contract.operations
    expect(boot({ contract: { ...contract, operations } })).toThrow(
      /probe get \/probe is in the document but not in the table/,
    )
  })

  test('fails when an operation makes security optional, or takes input without a 422', () => {
    const probe = { ...contract.operations.probe, security: [[]] }
    expect(boot({ contract: { ...contract, operations: { ...contract.operations, probe } } })).toThrow(
      /security optional/,
    )
    const { 422: _none, ...replies } = contract.operations.getThing?.replies ?? {}
    const getThing = { ...contract.operations.getThing, replies }
    expect(boot({ contract: { ...contract, operations: { ...contract.operations, getThing } } })).toThrow(
      /declares no 422/,
    )
  })

  test('fails when a static route would hide an operation', () => {
    expect(boot({ staticRoutes: [{ path: '/probe', find: () => undefined }] })).toThrow(/already declared/)
  })
})

test('two requests at once keep their own parameters, ids and principals', async () => {
  let release = (): void => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const seen: unknown[] = []
  const { url } = await startMini(onTestFinished, {
    handlers: {
      getThing: async (ctx, { params }) => {
        const { correlationId } = ctx as { correlationId: string }
        const { thing_id } = params as { thing_id: string }
        // The first waits until the second is inside too.
        if (seen.push(thing_id) === 2) release()
        await gate
        return { status: 200, body: { thing_id, seen: { correlationId } } }
      },
    },
  })
  const ids = [crypto.randomUUID(), crypto.randomUUID()] as const
  const replies = await Promise.all(
    ids.map(async (id, index) => {
      const reply = await fetch(`${url}/things/t${index}`, { headers: { 'x-correlation-id': id, ...manager } })
      return [reply.headers.get('x-correlation-id'), await reply.json()]
    }),
  )
  expect(replies).toEqual(ids.map((id, index) => [id, { thing_id: `t${index}`, seen: { correlationId: id } }]))
})
