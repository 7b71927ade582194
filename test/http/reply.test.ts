import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { closeServer } from '../../src/http/server.ts'
import { ProblemError } from '../../src/problem/problem.ts'
import { asJson, manager, startMini } from './mini-server.ts'

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

describe('a reply that the contract does not declare becomes 500, and the log says why', () => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  test.each<[string, unknown, object]>([
    [
      'a surplus field',
      { status: 200, body: { thing_id: 'a', secret: 'x' } },
      { errors: [{ keyword: 'additionalProperties' }] },
    ],
    ['a missing field', { status: 200, body: {} }, { errors: [{ keyword: 'required' }] }],
    ['a wrong type', { status: 200, body: { thing_id: 1 } }, { errors: [{ keyword: 'type' }] }],
    ['a Date where text belongs', { status: 200, body: { thing_id: new Date() } }, { errors: [{ keyword: 'type' }] }],
    ['no body', { status: 200 }, { errors: [{ keyword: 'type' }] }],
    ['an undeclared status', { status: 202, body: { thing_id: 'a' } }, { fault: 'the status is not declared' }],
    ['a problem that was returned, not thrown', { status: 404, body: { thing_id: 'a' } }, {}],
    ['a body on 304', { status: 304, body: {} }, {}],
    ['another media type', { status: 200, body: 'a,b', headers: { 'Content-Type': 'text/csv' } }, {}],
    ['nothing', undefined, {}],
    ['what JSON cannot hold', { status: 200, body: { thing_id: 'a', seen: circular } }, {}],
  ])('%s', async (_name, reply, fault) => {
    const { url, logs } = await startMini(onTestFinished, { handlers: { getThing: async () => reply as never } })
    const answer = await fetch(`${url}/things/a`)
    expect(answer.status).toBe(500)
    const text = await answer.text()
    expect(JSON.parse(text)).toMatchObject({
      code: 'internal_error',
      correlation_id: answer.headers.get('x-correlation-id'),
    })
    expect(text).not.toContain('secret')
    expect(logs).toContainEqual(expect.objectContaining({ level: 50, operationId: 'getThing', ...wrap(fault) }))
  })

  function wrap(fault: { errors?: object[] }): object {
    return fault.errors === undefined ? fault : { errors: fault.errors.map((error) => expect.objectContaining(error)) }
  }

  test('a required header that is missing or wrong', async () => {
    for (const headers of [{}, { Location: 'http://elsewhere' }] as Record<string, string>[]) {
      const { url, logs } = await startMini(onTestFinished, {
        handlers: { createThing: async () => ({ status: 201, body: { thing_id: 'a' }, headers }) },
      })
      const init = { method: 'POST', headers: { ...manager, ...asJson }, body: '{"name":"a"}' }
      expect((await fetch(`${url}/things`, init)).status).toBe(500)
      expect(logs).toContainEqual(
        expect.objectContaining({ level: 50, fault: 'the headers do not match their schemas' }),
      )
    }
  })

  test('a header that would split the response', async () => {
    const { url } = await startMini(onTestFinished, {
      handlers: {
        getThing: async () => ({ status: 200, body: { thing_id: 'a' }, headers: { 'X-A': 'a\r\nSet-Cookie: b' } }),
      },
    })
    const reply = await fetch(`${url}/things/a`)
    expect([reply.status, reply.headers.get('set-cookie')]).toEqual([500, null])
  })
})

describe('what a handler throws', () => {
  async function thrown(error: unknown): Promise<{ reply: Response; text: string; logs: Record<string, unknown>[] }> {
    const { url, logs } = await startMini(onTestFinished, {
      handlers: {
        getThing: async () => {
          throw error
        },
      },
    })
    const reply = await fetch(`${url}/things/a`)
    return { reply, text: await reply.text(), logs }
  }

  test('a declared problem is sent with its headers', async () => {
    const { reply, text, logs } = await thrown(
      new ProblemError('not_found', 'No thing a.', { headers: { 'X-A': 'b' } }),
    )
    expect([reply.status, reply.headers.get('x-a')]).toEqual([404, 'b'])
    expect(JSON.parse(text)).toMatchObject({ detail: 'No thing a.', instance: '/things/a' })
    expect(logs.filter(({ level }) => (level as number) >= 40)).toEqual([])
  })

  test('a problem whose status the operation does not declare is sent, and logged as a violation', async () => {
    const { reply, logs } = await thrown(new ProblemError('tenant_selection_required', 'Which one?'))
    expect(reply.status).toBe(409)
    expect(logs).toContainEqual(
      expect.objectContaining({
        level: 50,
        operationId: 'getThing',
        status: 409,
        msg: expect.stringContaining('not declared'),
      }),
    )
  })

  test.each([[new Error('password=hunter2')], ['hunter2'], [undefined], [null]])(
    '%s is 500 without a word of it',
    async (error) => {
      const { reply, text } = await thrown(error)
      expect(reply.status).toBe(500)
      expect(text).not.toContain('hunter2')
    },
  )

  test('a lost database is 503 with Retry-After', async () => {
    const { reply } = await thrown(new Error('Connection terminated unexpectedly'))
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '5'])
  })
})

describe('correlation id', () => {
  test('a valid one comes back, also in capitals', async () => {
    const { url } = await startMini(onTestFinished)
    for (const id of [crypto.randomUUID(), crypto.randomUUID().toUpperCase()]) {
      const reply = await fetch(`${url}/things/a`, { headers: { 'x-correlation-id': id } })
      expect([reply.status, reply.headers.get('x-correlation-id')]).toEqual([200, id])
    }
  })

  test.each(['nonsense', 'a'.repeat(36), `${crypto.randomUUID()}, ${crypto.randomUUID()}`, ' '])(
    '%j is replaced, and is 422 where the operation declares the header',
    async (id) => {
      const { url } = await startMini(onTestFinished)
      const [strict, probe, none] = await Promise.all(
        ['/things/a', '/probe', '/nothing'].map((path) => fetch(url + path, { headers: { 'x-correlation-id': id } })),
      )
      expect([strict?.status, probe?.status, none?.status]).toEqual([422, 200, 404])
      for (const reply of [strict, probe, none]) expect(reply?.headers.get('x-correlation-id')).toMatch(UUID)
    },
  )

  test('is on every log line of its request', async () => {
    const { url, logs } = await startMini(onTestFinished)
    const reply = await fetch(`${url}/nothing`)
    expect(logs).toContainEqual(expect.objectContaining({ correlationId: reply.headers.get('x-correlation-id') }))
  })
})

describe('parameters', () => {
  test.each<[string, number, string | undefined]>([
    ['?limit=3&tag=a&tag=b', 200, undefined],
    ['?limit=x', 422, '/query/limit type'],
    ['?limit=1&limit=2', 422, '/query/limit duplicate_parameter'],
    ['?nope=1', 422, '/query/nope unknown_parameter'],
    ['?__proto__=1', 422, '/query/__proto__ unknown_parameter'],
    // getThing declares no 400, so what cannot be decoded is one more 422.
    ['?tag=%zz', 422, '/query percent_encoding'],
    ['?tag=%00', 422, '/query nul_character'],
  ])('%s: %i', async (query, status, item) => {
    const { url, port, logs } = await startMini(onTestFinished)
    expect(port).toBeGreaterThan(0)
    const reply = await fetch(`${url}/things/a${query}`)
    const body = (await reply.json()) as { seen?: object; errors?: { pointer: string; code: string }[] }
    expect(reply.status).toBe(status)
    expect(body.errors?.map((error) => `${error.pointer} ${error.code}`)[0]).toBe(item)
    if (status === 200) expect(body.seen).toEqual({ query: { limit: 3, tag: ['a', 'b'] }, headers: {} })
    expect(logs.filter(({ level }) => (level as number) >= 40)).toEqual([])
  })

  test('NUL in the path is 422', async () => {
    const { url } = await startMini(onTestFinished)
    expect((await fetch(`${url}/things/a%00b`)).status).toBe(422)
  })
})

describe('headers', () => {
  test('answers are not stored unless the reply says so, and are never sniffed', async () => {
    const { url } = await startMini(onTestFinished, {
      handlers: {
        getThing: async () => ({
          status: 200,
          body: { thing_id: 'a' },
          headers: { 'Cache-Control': 'private, no-cache', ETag: '"1"' },
        }),
      },
    })
    const [own, plain, error] = await Promise.all(['/things/a', '/probe', '/nothing'].map((path) => fetch(url + path)))
    expect(own?.headers.get('cache-control')).toBe('private, no-cache')
    expect(own?.headers.get('etag')).toBe('"1"')
    for (const reply of [plain, error]) expect(reply?.headers.get('cache-control')).toBe('no-store')
    for (const reply of [own, plain, error]) {
      expect(reply?.headers.get('x-content-type-options')).toBe('nosniff')
      expect(reply?.headers.get('x-powered-by')).toBeNull()
    }
  })

  test('304 has no body and keeps its headers', async () => {
    const { url } = await startMini(onTestFinished, {
      handlers: { getThing: async () => ({ status: 304, headers: { ETag: '"1"' } }) },
    })
    const reply = await fetch(`${url}/things/a`)
    expect([reply.status, reply.headers.get('etag'), reply.headers.get('content-type'), await reply.text()]).toEqual([
      304,
      '"1"',
      null,
      '',
    ])
  })
})

describe('connections', () => {
  test('a client that leaves while its handler runs disturbs nobody', async () => {
    let enter = (): void => {}
    let leave = (): void => {}
    const entered = new Promise<void>((resolve) => {
      enter = resolve
    })
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    const { port, url, logs } = await startMini(onTestFinished, {
      handlers: {
        getThing: async () => {
          enter()
          await left
          return { status: 200, body: { thing_id: 'a' } }
        },
      },
    })
    const socket = connect(port, '127.0.0.1')
    socket.write('GET /things/a HTTP/1.1\r\nHost: x\r\n\r\n')
    await entered
    await new Promise<void>((resolve) => socket.once('close', () => resolve()).resetAndDestroy())
    leave()
    expect((await fetch(`${url}/probe`)).status).toBe(200)
    expect(logs.filter(({ level }) => (level as number) >= 40)).toEqual([])
  })

  test('a slow header section and a slow body are bounded', async () => {
    const { server } = await startMini(onTestFinished)
    expect([
      server.headersTimeout,
      server.requestTimeout,
      server.keepAliveTimeout,
      server.maxRequestsPerSocket,
    ]).toEqual([10_000, 15_000, 5_000, 1_000])
  })

  test('a client that never finishes its headers gets 408 and is cut', async () => {
    const { server, port } = await startMini(onTestFinished)
    server.headersTimeout = 50
    server.requestTimeout = 50
    const socket = connect(port, '127.0.0.1')
    const reply = await new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
      })
      socket.on('close', () => resolve(text))
      socket.write('GET /probe HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    })
    expect(reply).toMatch(/^HTTP\/1.1 408 /)
    expect(reply).toContain('application/problem+json')
  })

  test('closing lets a running request finish, and closes its connection', async () => {
    let enter = (): void => {}
    let leave = (): void => {}
    const entered = new Promise<void>((resolve) => {
      enter = resolve
    })
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    const { url, server } = await startMini(onTestFinished, {
      handlers: {
        getThing: async () => {
          enter()
          await left
          return { status: 200, body: { thing_id: 'a' } }
        },
      },
    })
    const reply = fetch(`${url}/things/a`)
    await entered
    const closed = closeServer(server, 60_000)
    leave()
    const { status, headers } = await reply
    expect([status, headers.get('connection')]).toEqual([200, 'close'])
    await closed
    await expect(fetch(`${url}/probe`)).rejects.toThrow()
  })

  test('closing cuts what does not finish in time', async () => {
    let enter = (): void => {}
    const entered = new Promise<void>((resolve) => {
      enter = resolve
    })
    const { url, server } = await startMini(onTestFinished, {
      handlers: {
        getThing: () => {
          enter()
          return new Promise(() => undefined)
        },
      },
    })
    const reply = fetch(`${url}/things/a`)
    await entered
    await Promise.all([expect(reply).rejects.toThrow(), closeServer(server, 20)])
  })
})
