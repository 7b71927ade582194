import { describe, expect, onTestFinished, test } from 'vitest'
import type { CorsPolicy } from '../../src/http/cors.ts'
import { ProblemError } from '../../src/problem/problem.ts'
import { asJson, type MiniOptions, manager, startMini, TENANT, talk } from './mini-server.ts'

const SHOP = 'https://shop.example'

/** Allows SHOP, and notes what it was asked. */
function allowing(forTenant: boolean | Error = true, byAny: boolean | Error = true) {
  const asked: string[] = []
  const answer = async (value: boolean | Error) => {
    if (value instanceof Error) throw value
    return value
  }
  const policy: CorsPolicy = {
    isAllowed: (_ctx, origin) => {
      asked.push(origin)
      return answer(origin === SHOP && byAny)
    },
    isAllowedFor: (_ctx, tenantId, origin) => {
      asked.push(`${tenantId} ${origin}`)
      return answer(origin === SHOP && forTenant)
    },
  }
  return { asked, policy }
}

function corsHeaders(reply: Response): Record<string, string> {
  return Object.fromEntries([...reply.headers].filter(([name]) => name.startsWith('access-control') || name === 'vary'))
}

async function start(cors: CorsPolicy, options: MiniOptions = {}) {
  return startMini(onTestFinished, { ...options, cors })
}

/** As fetch cannot: it sets `Host` and refuses `Origin` of some kinds. Names in lower case. */
async function ask(port: number, method: string, path: string, headers: Record<string, string>) {
  const lines = Object.entries({ Host: 'api.example', Connection: 'close', ...headers }).map((pair) => pair.join(': '))
  const reply = await talk(port, `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
  const [statusLine = '', ...fields] = (reply.split('\r\n\r\n')[0] ?? '').split('\r\n')
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(
      fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 2)]),
    ),
  }
}

function preflight(port: number, path: string, method: string, headers: Record<string, string> = {}) {
  return ask(port, 'OPTIONS', path, { Origin: SHOP, 'Access-Control-Request-Method': method, ...headers })
}

describe('an answer', () => {
  test.each([
    ['of a public operation', '/probe', {}, 'X-Correlation-ID'],
    ['with parameters', '/things/a', {}, 'X-Correlation-ID'],
    ['401', '/things', { method: 'POST' }, 'Location, X-Correlation-ID'],
    [
      '201',
      '/things',
      { method: 'POST', body: '{"name":"a"}', headers: { ...manager, ...asJson } },
      'Location, X-Correlation-ID',
    ],
    ['403', '/things', { method: 'POST', headers: { authorization: 'Bearer viewer' } }, 'Location, X-Correlation-ID'],
    ['404', '/nothing', {}, 'Allow, Retry-After, X-Correlation-ID'],
    ['405', '/probe', { method: 'DELETE' }, 'Allow, Retry-After, X-Correlation-ID'],
    ['400', '/%zz', {}, 'Allow, Retry-After, X-Correlation-ID'],
  ] as [string, string, RequestInit, string][])(
    '%s names the origin and what scripts may read',
    async (_, path, init, exposed) => {
      const { url } = await start(allowing().policy)
      const reply = await fetch(url + path, { ...init, headers: { ...init.headers, origin: SHOP } })
      expect(corsHeaders(reply)).toEqual({
        'access-control-allow-origin': SHOP,
        'access-control-expose-headers': exposed,
        vary: 'Origin',
      })
    },
  )

  test('without an Origin, or with our own, it varies by it and nobody is asked', async () => {
    const { asked, policy } = allowing()
    const { port } = await start(policy)
    for (const [host, origin] of [
      ['api.example', undefined],
      ['api.example', 'https://api.example'],
      ['api.example', 'http://api.example'],
      ['api.example:443', 'https://api.example'],
      ['API.example:8443', 'https://api.example:8443'],
      ['[::1]:8000', 'http://[::1]:8000'],
    ] as const) {
      const { status, headers } = await ask(port, 'GET', '/probe', { Host: host, ...(origin && { Origin: origin }) })
      expect([status, headers.vary, headers['access-control-allow-origin']]).toEqual([200, 'Origin', undefined])
    }
    expect(asked).toEqual([])
  })

  test.each([
    ['null', undefined],
    ['*', undefined],
    ['', undefined],
    ['https://shop.example/', undefined],
    ['https://shop.example, https://shop.example', undefined],
    ['https://shop.example@evil.example', undefined],
    ['https://evil.example', 'https://evil.example'],
    ['http://shop.example', 'http://shop.example'],
    ['https://shop.example:8443', 'https://shop.example:8443'],
    ['https://shop.example.evil.example', 'https://shop.example.evil.example'],
    ['https://sub.shop.example', 'https://sub.shop.example'],
  ])('from the origin %j is the same without a name', async (origin, lookedUp) => {
    const { asked, policy } = allowing()
    const { port } = await start(policy)
    const { status, headers } = await ask(port, 'GET', '/probe', { Origin: origin })
    expect([status, headers.vary, headers['access-control-allow-origin']]).toEqual([200, 'Origin', undefined])
    expect(asked).toEqual(lookedUp === undefined ? [] : [lookedUp])
  })

  test.each(['https://SHOP.example', 'HTTPS://shop.example', 'https://shop.example:443'])(
    '%s is the same origin, named as browsers write it',
    async (origin) => {
      const { port } = await start(allowing().policy)
      const { headers } = await ask(port, 'GET', '/probe', { Origin: origin })
      expect(headers['access-control-allow-origin']).toBe(SHOP)
    },
  )

  test('two Origin headers are none', async () => {
    const { port } = await start(allowing().policy)
    const lines = `GET /probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: ${SHOP}\r\nOrigin: ${SHOP}\r\n\r\n`
    expect((await talk(port, lines)).toLowerCase()).not.toContain('access-control')
  })

  test("is for the origins of the principal's tenant only, once it is known", async () => {
    const { asked, policy } = allowing(false)
    const { url } = await start(policy)
    const post = (headers: Record<string, string>, body = '{"name":"a"}') =>
      fetch(`${url}/things`, { method: 'POST', body, headers: { ...asJson, ...headers, origin: SHOP } })
    for (const [reply, status] of [
      [await post(manager), 201],
      [await post({ authorization: 'Bearer viewer' }), 403],
      [await post(manager, '{'), 400],
      [await post(manager, '{}'), 422],
    ] as const) {
      expect([reply.status, corsHeaders(reply)]).toEqual([status, { vary: 'Origin' }])
    }
    expect(asked).toEqual(Array.from({ length: 4 }, () => [SHOP, `${TENANT} ${SHOP}`]).flat())
  })

  test('has no name when nobody can tell, and is the same', async () => {
    for (const policy of [allowing(true, new Error('down')).policy, allowing(new Error('down')).policy]) {
      const { url } = await start(policy)
      const reply = await fetch(`${url}/keys`, { headers: { 'x-key': 'things:read', origin: SHOP } })
      expect([reply.status, corsHeaders(reply)]).toEqual([200, { vary: 'Origin' }])
    }
  })

  test('never lets a browser send credentials, nor a script read a cookie', async () => {
    const { url, port } = await start(allowing().policy)
    const replies = [
      (await fetch(`${url}/probe`, { headers: { origin: SHOP } })).headers.keys(),
      Object.keys((await preflight(port, '/probe', 'GET')).headers),
    ]
    expect(replies.flatMap((names) => [...names])).not.toContain('access-control-allow-credentials')
  })

  test('keeps what its operation has decided, and adds to its Vary', async () => {
    const given = [
      [{ Vary: 'Accept' }, { vary: 'Accept, Origin', 'access-control-allow-origin': SHOP }],
      [{ vary: 'Accept, origin' }, { vary: 'Accept, origin', 'access-control-allow-origin': SHOP }],
      [{ Vary: '*' }, { vary: '*', 'access-control-allow-origin': SHOP }],
      [
        { 'access-control-allow-origin': 'https://other.example' },
        { vary: 'Origin', 'access-control-allow-origin': 'https://other.example' },
      ],
    ] as const
    for (const [headers, expected] of given) {
      const probe = async () => ({ status: 200, body: { thing_id: 'a' }, headers: headers as Record<string, string> })
      const { url } = await start(allowing().policy, { handlers: { probe } })
      expect(corsHeaders(await fetch(`${url}/probe`, { headers: { origin: SHOP } }))).toMatchObject(expected)
    }
  })

  test('of an authenticator that cannot decide can be read', async () => {
    const { url } = await start(allowing().policy)
    const headers = { 'x-signature': 'late', origin: SHOP }
    const reply = await fetch(`${url}/hooks/k`, { method: 'POST', body: '{}', headers })
    expect([reply.status, reply.headers.get('access-control-allow-origin')]).toEqual([503, SHOP])
  })

  test('of a handler that fails can be read', async () => {
    const probe = async () => {
      throw new ProblemError('service_unavailable', 'Later.')
    }
    const { url } = await start(allowing().policy, { handlers: { probe } })
    const reply = await fetch(`${url}/probe`, { headers: { origin: SHOP } })
    expect([reply.status, reply.headers.get('access-control-allow-origin')]).toEqual([503, SHOP])
  })
})

describe('a preflight', () => {
  test.each([
    ['/things', 'POST', 'Authorization, Content-Type, X-Correlation-ID'],
    ['/things/a', 'GET', 'X-Correlation-ID'],
    ['/things/a', 'HEAD', 'X-Correlation-ID'],
    ['/keys', 'GET', 'Authorization, X-Key'],
    ['/probe', 'GET', undefined],
  ])('of %s %s gets its method, and the headers that it takes', async (path, method, allowed) => {
    const { port, ran } = await start(allowing().policy)
    const { status, headers } = await preflight(port, path, method, {
      'Access-Control-Request-Headers': 'authorization,x-anything',
    })
    expect(status).toBe(204)
    expect(headers).toMatchObject({
      'access-control-allow-origin': SHOP,
      'access-control-allow-methods': method,
      'access-control-max-age': '600',
      vary: 'Origin',
    })
    expect(headers['access-control-allow-headers']).toBe(allowed)
    expect(headers).not.toHaveProperty('access-control-allow-private-network')
    expect(ran).toEqual([])
  })

  test('needs no credentials, and the tenant is not asked for', async () => {
    const { asked, policy } = allowing()
    const { port } = await start(policy)
    await preflight(port, '/things', 'POST')
    expect(asked).toEqual([SHOP])
  })

  test('into a private network is answered where it is asked for', async () => {
    const { port } = await start(allowing().policy)
    const asked = { 'Access-Control-Request-Private-Network': 'true' }
    expect((await preflight(port, '/probe', 'GET', asked)).headers['access-control-allow-private-network']).toBe('true')
    const foreign = { ...asked, Origin: 'https://evil.example' }
    expect((await preflight(port, '/probe', 'GET', foreign)).headers).not.toHaveProperty(
      'access-control-allow-private-network',
    )
  })

  test.each([
    ['a method that the path has not', '/things', 'GET', {}],
    ['a method that there is not', '/things', 'get', {}],
    ['no method', '/things', '', {}],
    ['an origin that nobody allows', '/things', 'POST', { Origin: 'https://evil.example' }],
    ['no origin that there could be', '/things', 'POST', { Origin: 'null' }],
    ['a page that is not public', '/docs', 'GET', {}],
  ])('for %s allows nothing', async (_, path, method, headers) => {
    const { port } = await start(allowing().policy)
    const reply = await preflight(port, path, method, headers)
    expect(reply.status).toBe(204)
    expect(Object.keys(reply.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  test('for a path that there is not is 404, which a browser takes for a no', async () => {
    const { port } = await start(allowing().policy)
    const { status, headers } = await preflight(port, '/nothing', 'GET')
    expect([status, headers['access-control-allow-methods']]).toEqual([404, undefined])
  })

  test('without Access-Control-Request-Method is a question for Allow', async () => {
    const { port } = await start(allowing().policy)
    const { status, headers } = await ask(port, 'OPTIONS', '/things', { Origin: SHOP })
    expect([status, headers.allow, headers['access-control-allow-methods']]).toEqual([204, 'OPTIONS, POST', undefined])
  })
})

describe('descriptions are public, pages are not', () => {
  test.each([
    ['/docs/openapi.json', true],
    ['/.well-known/api-catalog', true],
    ['/', false],
    ['/docs', false],
    ['/docs/problems/not_found', false],
    ['/docs/problems/nothing', false],
  ])('%s: %s', async (path, isPublic) => {
    const { url, port } = await start(allowing(false, false).policy)
    const reply = await fetch(url + path, { headers: { origin: 'https://tool.example' } })
    const { vary: _, ...headers } = corsHeaders(reply)
    expect(headers).toEqual(
      isPublic
        ? { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'ETag, Link, X-Correlation-ID' }
        : {},
    )
    const asking = await preflight(port, path, 'GET', { Origin: 'https://tool.example' })
    expect(asking.headers['access-control-allow-headers']).toBe(isPublic ? 'If-None-Match' : undefined)
  })
})

test('without a policy nothing is said', async () => {
  const { url, port } = await startMini(onTestFinished)
  expect(corsHeaders(await fetch(`${url}/probe`, { headers: { origin: SHOP } }))).toEqual({})
  expect((await preflight(port, '/things', 'POST')).headers).not.toHaveProperty('access-control-allow-methods')
})
