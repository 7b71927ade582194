import { createServer as createTcpServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { listHandover, printHandover } from '../../mocks/handover.ts'
import { notImplementedOperations } from '../../src/main/not-implemented.ts'
import { startTestMocks, startTestReal } from '../support/mocks.ts'
import { until, usePlatform } from '../support/platform.ts'

const implemented = {
  '/health/live': { get: 'getLiveness' },
  '/api/auth/login': { post: 'login' },
  '/api/tenant': { get: 'getTenant', patch: 'updateTenantSettings' },
}
const login = { email: 'ada@northwind-outdoor.example', password: 'correct horse battery staple' }

describe('what the real server implements', () => {
  test('is answered by it, as it came', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => {
      res.writeHead(200, 'Fine', [
        ['X-Thing', 'a'],
        ['X-Thing', 'b'],
        ['Connection', 'X-Hop'],
        ['X-Hop', 'secret'],
        ['Keep-Alive', 'timeout=77'],
        ['Access-Control-Allow-Origin', 'https://other.example'],
        ['Vary', 'Accept'],
        ['Content-Type', 'application/json'],
        ['X-Correlation-ID', 'of-the-server'],
      ] as never)
      res.write('{"status":')
      res.end('"real"}')
    })
    const { ask, gatewayUrl } = await startTestMocks(onTestFinished, { real: real.url })
    const answer = await ask('/health/live?b=%2f%20c&a', {
      headers: {
        origin: 'https://shop.example',
        'x-forwarded-for': '6.6.6.6',
        forwarded: 'for=6.6.6.6',
        'x-real-ip': '6.6.6.6',
        'x-other': 'kept',
      },
    })
    expect([answer.status, answer.body]).toEqual([200, { status: 'real' }])
    expect(answer.headers.get('x-served-by')).toBe('real')
    expect(answer.headers.get('x-mock-reason')).toBeNull()
    expect(answer.headers.get('x-thing')).toBe('a, b')
    expect(answer.headers.get('x-hop')).toBeNull()
    expect(answer.headers.get('keep-alive')).not.toContain('77')
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://shop.example')
    expect(answer.headers.get('vary')).toBe('Origin, Prefer, Accept')
    expect(answer.headers.get('x-correlation-id')).toBe('of-the-server')
    const [request] = real.requests
    expect(request).toMatchObject({ method: 'GET', url: '/health/live?b=%2f%20c&a', body: '' })
    expect(request?.headers).toMatchObject({
      host: new URL(real.url).host,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': new URL(gatewayUrl).host,
      'x-forwarded-proto': 'http',
      via: '1.1 skeldir-mocks',
      authorization: 'Bearer mock',
      'x-other': 'kept',
      'x-correlation-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect([request?.headers.forwarded, request?.headers['x-real-ip']]).toEqual([undefined, undefined])
  })

  test('gets body and correlation id, and its refusals are passed on', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => {
      res
        .writeHead(401, { 'Content-Type': 'application/problem+json', 'WWW-Authenticate': 'Bearer' })
        .end('{"status":401}')
    })
    const { ask } = await startTestMocks(onTestFinished, { real: real.url })
    const id = crypto.randomUUID()
    const answer = await ask('/api/auth/login', { method: 'POST', body: login, headers: { 'x-correlation-id': id } })
    expect([answer.status, answer.headers.get('x-served-by')]).toEqual([401, 'real'])
    expect(JSON.parse(real.requests[0]?.body ?? '')).toEqual(login)
    expect(real.requests[0]?.headers).toMatchObject({
      'x-correlation-id': id,
      'content-length': String(JSON.stringify(login).length),
    })
  })

  test('is streamed: the first part is there before the last is written', async () => {
    let finish = () => {}
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'application/json' })
      res.write('{"status":')
      finish = () => res.end('"real"}')
    })
    const { gatewayUrl } = await startTestMocks(onTestFinished, { real: real.url })
    const answer = await fetch(`${gatewayUrl}/health/live`)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('{"status":')
    finish()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('"real"}')
  })

  test('breaks off where the real server does', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'application/json' })
      res.write('{"status":', () => res.destroy())
    })
    const { gatewayUrl } = await startTestMocks(onTestFinished, { real: real.url })
    await expect(fetch(`${gatewayUrl}/health/live`).then((answer) => answer.text())).rejects.toThrow()
  })

  test('is given up when the client leaves', async () => {
    let hasEnded = false
    const real = await startTestReal(onTestFinished, implemented, (req) => {
      req.socket.once('close', () => {
        hasEnded = true
      })
    })
    const { gatewayUrl } = await startTestMocks(onTestFinished, { real: real.url })
    const client = new AbortController()
    const answer = fetch(`${gatewayUrl}/api/tenant`, { signal: client.signal, headers: { authorization: 'Bearer a' } })
    await until(
      async () => real.requests.length,
      (count) => count === 1,
    )
    client.abort()
    await expect(answer).rejects.toThrow()
    await until(async () => hasEnded, Boolean)
  })
})

describe('the mock answers', () => {
  test('what the real server does not implement, and says so', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => void res.end())
    const { ask } = await startTestMocks(onTestFinished, { real: real.url })
    const answer = await ask('/api/tenant/members')
    expect([answer.status, answer.headers.get('x-served-by'), answer.headers.get('x-mock-reason')]).toEqual([
      200,
      'mock',
      'not_implemented',
    ])
    expect(real.requests).toEqual([])
  })

  test('what the real server answers with 501, with the body that it has read', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => {
      res.writeHead(501, { 'Content-Type': 'application/problem+json' }).end('{"status":501}')
    })
    const { ask } = await startTestMocks(onTestFinished, { real: real.url })
    const answer = await ask('/api/auth/login', { method: 'POST', body: login })
    expect([answer.status, answer.headers.get('x-mock-reason')]).toEqual([200, 'not_implemented'])
    const invalid = await ask('/api/auth/login', { method: 'POST', body: {} })
    expect([invalid.status, invalid.headers.get('x-served-by')]).toEqual([422, 'mock'])
    expect(real.requests).toHaveLength(2)
  })

  test('what is asked of it by Prefer', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => void res.end())
    const { ask } = await startTestMocks(onTestFinished, { real: real.url })
    for (const prefer of ['code=403', 'code=200, dynamic=true', 'fault=unavailable']) {
      const answer = await ask('/api/tenant', { headers: { prefer } })
      expect([answer.headers.get('x-served-by'), answer.headers.get('x-mock-reason')]).toEqual(['mock', 'requested'])
    }
    expect(real.requests).toEqual([])
  })

  test('while the real server is down; and the real one again when it is back', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => void res.end('{"status":"real"}'))
    const { ask, lines } = await startTestMocks(onTestFinished, { real: real.url })
    const servedBy = async () => (await ask('/health/live')).headers.get('x-served-by')
    expect(await servedBy()).toBe('real')
    await real.stop()
    const answer = await ask('/health/live')
    expect([answer.status, answer.body.status]).toEqual([200, 'alive'])
    expect([answer.headers.get('x-served-by'), answer.headers.get('x-mock-reason')]).toEqual([
      'mock',
      'real_unreachable',
    ])
    const post = await ask('/api/auth/login', { method: 'POST', body: login })
    expect([post.status, post.headers.get('x-mock-reason')]).toEqual([200, 'real_unreachable'])
    await until(
      async () => lines.join('\n'),
      (text) => text.includes('cannot be reached (ECONNREFUSED); the mocks answer'),
    )
    await startTestReal(onTestFinished, implemented, (_req, res) => void res.end('{"status":"real"}'), real.port)
    await until(servedBy, (who) => who === 'real')
  })

  test('when nothing has ever answered at the address', async () => {
    const { ask } = await startTestMocks(onTestFinished, { real: 'http://127.0.0.1:9' })
    expect((await ask('/health/live')).headers.get('x-mock-reason')).toBe('real_unreachable')
  })

  test('a safe request that the real server lets wait, or breaks', async () => {
    let isSilent = true
    const real = await startTestReal(onTestFinished, implemented, (req) => {
      if (!isSilent) req.socket.resetAndDestroy()
    })
    const { ask } = await startTestMocks(onTestFinished, { real: real.url, realTimeoutMs: 200 })
    const late = await ask('/api/tenant')
    expect([late.status, late.headers.get('x-mock-reason')]).toEqual([200, 'real_unreachable'])
    isSilent = false
    const broken = await ask('/api/tenant')
    expect([broken.status, broken.headers.get('x-mock-reason')]).toEqual([200, 'real_unreachable'])
  })

  test('for a body that no server of ours takes', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => void res.end())
    const { ask } = await startTestMocks(onTestFinished, { real: real.url })
    const answer = await ask('/api/auth/login', { method: 'POST', body: { email: 'a'.repeat(1_100_000) } })
    expect([answer.status, answer.headers.get('x-mock-reason')]).toEqual([413, 'too_large'])
  })
})

describe('a request that may have changed something is not answered as if nothing had happened', () => {
  test('502 when the connection breaks after it was sent', async () => {
    const real = await startTestReal(onTestFinished, implemented, (req) => void req.socket.resetAndDestroy())
    const { ask } = await startTestMocks(onTestFinished, { real: real.url })
    const { status, body, headers } = await ask('/api/auth/login', { method: 'POST', body: login })
    expect([status, headers.get('content-type')]).toEqual([502, 'application/problem+json'])
    expect(body).toMatchObject({ type: 'about:blank', status: 502, correlation_id: headers.get('x-correlation-id') })
    expect(body.detail).toContain('It may have been carried out.')
    expect(real.requests).toHaveLength(1)
  })

  test('504 when the real server does not answer in time', async () => {
    const real = await startTestReal(onTestFinished, implemented, () => {})
    const { ask } = await startTestMocks(onTestFinished, { real: real.url, realTimeoutMs: 200 })
    const answer = await ask('/api/tenant', { method: 'PATCH', body: { name: 'x' } })
    expect([answer.status, answer.body.title]).toEqual([504, 'Gateway Timeout'])
  })

  test('a connection that was never made is another thing', async () => {
    // It answers the first question about itself, and then no longer listens.
    const real = await startTestReal(onTestFinished, implemented, () => {})
    const { ask } = await startTestMocks(onTestFinished, { real: real.url })
    await real.stop()
    const answer = await ask('/api/auth/login', { method: 'POST', body: login })
    expect([answer.status, answer.headers.get('x-mock-reason')]).toEqual([200, 'real_unreachable'])
  })
})

test('an idle connection that the real server has just closed is not taken for its end', async () => {
  // A server that closes each connection as the second request on it arrives.
  let served = 0
  const paths = { '/health/live': { get: { operationId: 'getLiveness', 'x-implementation': 'real' } } }
  const server = createTcpServer((socket) => {
    let onThis = 0
    socket.on('error', () => {})
    socket.on('data', (data) => {
      const isDescription = data.toString().startsWith('GET /docs/')
      if (!isDescription && onThis++ > 0) {
        socket.destroy()
        return
      }
      served += isDescription ? 0 : 1
      const body = isDescription ? JSON.stringify({ paths }) : '{"status":"alive"}'
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nContent-Type: application/json\r\n\r\n${body}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  const { ask } = await startTestMocks(onTestFinished, { real: `http://127.0.0.1:${port}` })
  for (const _ of [1, 2, 3]) expect((await ask('/health/live')).headers.get('x-served-by')).toBe('real')
  expect(served).toBe(3)
})

test.each(['localhost:8000', 'ftp://localhost', 'nowhere'])('%s is no real server', async (real) => {
  await expect(startTestMocks(onTestFinished, { real })).rejects.toThrow(/is not the URL of a server/)
})

describe('with the platform', () => {
  const platform = usePlatform()

  test('its answers, and mocks for the rest, behind one address', async () => {
    const { ask } = await startTestMocks(onTestFinished, { real: platform.url })
    const authorization = `Bearer ${platform.tenant.tokens.manager}`
    const revenue = await ask('/api/v1/revenue/realtime', { headers: { authorization } })
    expect([revenue.status, revenue.headers.get('x-served-by'), revenue.body.revenue.amount_minor]).toEqual([
      200,
      'real',
      0,
    ])
    const status = await ask('/api/reconciliation/status', { headers: { authorization } })
    expect([status.status, status.headers.get('x-served-by'), status.headers.get('x-mock-reason')]).toEqual([
      200,
      'mock',
      'not_implemented',
    ])
    const refused = await ask('/api/v1/revenue/realtime', { headers: { authorization: 'Bearer wrong' } })
    expect([refused.status, refused.headers.get('x-served-by')]).toEqual([401, 'real'])
    const { email, password } = platform.tenant
    const session = await ask('/api/auth/login', {
      method: 'POST',
      headers: { authorization: null },
      body: { email, password },
    })
    expect([session.status, session.headers.get('x-served-by')]).toEqual([200, 'real'])
  })

  test('the list says who answers what', async () => {
    const list = await listHandover(platform.url)
    const stateOf = (id: string) => list.operations.find(({ operation_id }) => operation_id === id)?.served_by
    const [notYet = ''] = Object.keys(notImplementedOperations)
    expect([list.fault, stateOf('login'), stateOf(notYet)]).toEqual([null, 'real', 'mock'])
    expect(list.operations).toHaveLength(Object.keys(operations).length)
    expect(printHandover(list)).toMatch(/^real +auth +login +POST +\/api\/auth\/login$/m)
  })
})

test('without a real server the list says why everything is mocked', async () => {
  const { fault, operations: rows } = await listHandover('http://127.0.0.1:9')
  expect(fault).toMatch(/cannot be reached \(.*\); everything is mocked$/)
  expect(new Set(rows.map(({ served_by }) => served_by))).toEqual(new Set(['mock']))
})
