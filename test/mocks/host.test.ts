import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { operations } from '../../generated/operations.ts'
import { renderCompose } from '../../mocks/compose.ts'
import { readRegistry } from '../../mocks/registry.ts'
import { MAX_BODY_BYTES } from '../../src/http/body.ts'
import { startTestMocks, useMocks } from '../support/mocks.ts'

const mocks = useMocks()

describe('ports', () => {
  test('each document has its own, and the gateway serves all of them', async () => {
    const { mocks: rows } = readRegistry()
    expect(Object.keys(mocks.urls).sort()).toEqual(rows.map(({ domain }) => domain).sort())
    expect(mocks.failed).toEqual([])
    const [atGateway, atDomain] = [
      await mocks.ask('/health/live'),
      await mocks.ask('/health/live', { at: mocks.urls.health as string }),
    ]
    expect([atGateway.status, atDomain.status]).toEqual([200, 200])
    expect(atGateway.body).toEqual(atDomain.body)
    expect(atGateway.headers.get('x-served-by')).toBe('mock')
  })

  test("another domain's path is 404 and names its port", async () => {
    const answer = await mocks.ask('/health/live', { at: mocks.urls.auth as string })
    expect([answer.status, answer.body.code]).toEqual([404, 'not_found'])
    expect(answer.body.errors).toEqual([
      { pointer: '/path', code: 'other_port', detail: `GET /health/live (getLiveness) at ${mocks.urls.health}` },
    ])
  })

  test("the methods of another domain's path are not told either", async () => {
    const answer = await mocks.ask('/health/live', { method: 'DELETE', at: mocks.urls.auth as string })
    expect([answer.status, answer.headers.get('allow')]).toEqual([404, null])
  })

  test('the gateway serves the pages of the API, a domain those that its answers point to', async () => {
    const { gatewayUrl, urls, ask } = await startTestMocks(onTestFinished, { staticRoutes: undefined as never })
    expect((await ask('/docs/problems/not_found', { at: urls.auth as string })).status).toBe(200)
    expect((await ask('/')).headers.get('content-type')).toContain('text/html')
    const elsewhere = await ask('/', { at: urls.auth as string })
    expect([elsewhere.status, elsewhere.body.detail]).toEqual([404, expect.stringContaining(`${gatewayUrl}/`)])
    const { body } = await ask('/docs/openapi.json')
    expect(body.paths['/health/live'].get['x-implementation']).toBe('mock')
  })

  test('the compose file is that of the registry, and mounts what exists', () => {
    const file = join(import.meta.dirname, '../../mocks/compose.yaml')
    const text = readFileSync(file, 'utf8')
    expect(text).toBe(renderCompose())
    const { services } = parse(text) as { services: { mocks: { ports: string[]; volumes: string[] } } }
    const { gateway, mocks: rows } = readRegistry()
    expect(services.mocks.ports).toEqual([gateway, ...rows].map(({ port }) => `127.0.0.1:${port}:${port}`))
    for (const volume of services.mocks.volumes) {
      const [source = '', target] = volume.split(':')
      expect(target).toBe(`/skeldir/${source.slice('../'.length)}`)
    }
  })
})

const login = { email: 'ada@northwind-outdoor.example', password: 'correct horse battery staple' }

describe('refuses what the server refuses', () => {
  test.each([
    ['no token', 'GET', '/api/tenant', { authorization: null }, 401],
    ['another scheme', 'GET', '/api/tenant', { authorization: 'Basic abc' }, 401],
    ['a token that cannot be one', 'GET', '/api/tenant', { authorization: 'Bearer ä b' }, 401],
    ['a method that the path does not have', 'PUT', '/api/tenant', {}, 405, 'GET, HEAD, OPTIONS, PATCH'],
    ['a method that only a template would take', 'GET', '/api/dead-events/replay', {}, 405, 'OPTIONS, POST'],
    ['a media type that it does not give', 'GET', '/api/tenant', { accept: 'text/html' }, 406],
    ['a parameter that it does not know', 'GET', '/api/tenant?nope=1', {}, 422],
    ['a signature that is missing', 'POST', '/api/webhooks/stripe/in/whe_x', {}, 401],
    ['a signature that cannot be one', 'POST', '/api/webhooks/stripe/in/whe_x', { 'stripe-signature': 'good' }, 401],
    ['a key that is missing', 'POST', '/api/events/touchpoints', {}, 401],
  ] as const)('%s', async (_what, method, target, headers, status, allow?: string) => {
    const encoded = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        value === null ? null : Buffer.from(value).toString('latin1'),
      ]),
    )
    const answer = await mocks.ask(target, { method, headers: encoded })
    expect([answer.status, answer.body.status]).toEqual([status, status])
    if (status === 401) expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="skeldir"')
    if (status === 405) expect(answer.headers.get('allow')).toBe(allow)
  })

  test.each([
    ['no JSON', '{', 'application/json', 400],
    ['another media type', 'a=1', 'application/x-www-form-urlencoded', 415],
    ['too much', `"${'a'.repeat(MAX_BODY_BYTES)}"`, 'application/json', 413],
    ['a missing member', '{}', 'application/json', 422],
    ['a member too many', JSON.stringify({ ...login, nope: 1 }), 'application/json', 422],
  ] as const)('a body with %s', async (_what, body, type, status) => {
    const answer = await mocks.ask('/api/auth/login', { method: 'POST', headers: { 'content-type': type }, body })
    expect([answer.status, answer.body.status]).toEqual([status, status])
  })

  test.each([
    ['to its address', '/api/webhooks/woocommerce/in/whe_0000000000000000000000', 'webhook_id=7', 200],
    ['to the path of a topic', '/api/webhooks/woocommerce/order/created', 'webhook_id=7', 401],
    ['with something else', '/api/webhooks/woocommerce/in/whe_0000000000000000000000', 'webhook_id=x', 401],
  ] as const)('the unsigned ping of WooCommerce, %s', async (_what, target, body, status) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-skeldir-tenant-key': 'k' }
    expect((await mocks.ask(target, { method: 'POST', headers, body })).status).toBe(status)
  })

  test('what Prism alone would let through: a closed body behind allOf, and the place of each fault', async () => {
    const answer = await mocks.ask('/api/auth/login', { method: 'POST', body: { email: 1, nope: 1 } })
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      '/body/email',
      '/body/nope',
      '/body/password',
    ])
  })
})

describe('takes every credential that is well formed', () => {
  const stripe = { 'stripe-signature': `t=1,v1=${'0'.repeat(64)}` }
  test.each([
    ['a token for what needs an admin', 'GET', '/api/tenant/audit-log', {}, undefined],
    ['a key', 'POST', '/api/events/touchpoints', { 'x-skeldir-tenant-key': 'k' }, undefined],
    ['a signature', 'POST', '/api/webhooks/stripe/in/whe_0000000000000000000000', stripe, '{}'],
  ] as const)('%s', async (_what, method, target, headers, body) => {
    const answer = await mocks.ask(target, { method, headers, ...(body !== undefined && { body }) })
    expect(answer.status).not.toBe(401)
    expect(answer.status).not.toBe(403)
  })

  test('and a login gives the token of the example', async () => {
    const answer = await mocks.ask('/api/auth/login', { method: 'POST', headers: { authorization: null }, body: login })
    expect([answer.status, typeof answer.body.access_token]).toEqual([200, 'string'])
    const { access_token } = answer.body
    expect((await mocks.ask('/api/auth/verify', { headers: { authorization: `Bearer ${access_token}` } })).status).toBe(
      200,
    )
  })
})

describe('an answer', () => {
  test('carries the correlation id of the request', async () => {
    const id = crypto.randomUUID()
    const answer = await mocks.ask('/api/tenant', { headers: { 'x-correlation-id': id, prefer: 'code=403' } })
    expect([answer.status, answer.headers.get('x-correlation-id')]).toEqual([403, id])
    expect([answer.body.correlation_id, answer.body.instance]).toEqual([id, '/api/tenant'])
  })

  test('that the client has is 304', async () => {
    const first = await mocks.ask('/api/v1/revenue/realtime')
    const etag = first.headers.get('etag') as string
    const again = await mocks.ask('/api/v1/revenue/realtime', { headers: { 'if-none-match': `"other", W/${etag}` } })
    expect([first.status, again.status, again.text, again.headers.get('etag')]).toEqual([200, 304, '', etag])
    expect((await mocks.ask('/api/v1/revenue/realtime', { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
  })

  test('to HEAD has the headers and no body', async () => {
    const answer = await mocks.ask('/api/tenant', { method: 'HEAD' })
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(0)
  })

  test('of a deprecated operation has what the contract says, not what Prism says', async () => {
    const answer = await mocks.ask('/api/attribution/revenue/realtime')
    expect(answer.headers.get('deprecation')).toMatch(/^@\d+$/)
  })
})

describe('pages of other origins', () => {
  const origin = 'https://shop.example'

  test('may call with any header', async () => {
    const answer = await mocks.ask('/api/tenant', {
      method: 'OPTIONS',
      headers: {
        origin,
        authorization: null,
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'authorization,prefer',
      },
    })
    expect(answer.status).toBe(204)
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
    expect(answer.headers.get('access-control-allow-methods')).toContain('PATCH')
    expect(answer.headers.get('access-control-allow-headers')).toBe('authorization,prefer')
    expect(answer.headers.get('x-served-by')).toBe('mock')
  })

  test.each([
    ['success', '/api/tenant', {}],
    ['a refusal', '/api/tenant', { authorization: null }],
    ['a status that is asked for', '/api/tenant', { prefer: 'code=503' }],
    ['an unknown path', '/nope', {}],
  ])('may read the whole answer: %s', async (_what, target, headers) => {
    const answer = await mocks.ask(target, { headers: { origin, ...headers } })
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
    expect(answer.headers.get('access-control-expose-headers')).toBe('*')
    expect(answer.headers.get('vary')).toContain('Origin')
  })

  test('get their own origin from the operation that declares the header', async () => {
    const answer = await mocks.ask('/api/events/collect', { method: 'POST', headers: { origin, prefer: 'code=200' } })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, origin])
  })

  test('OPTIONS without a preflight says what the path can do', async () => {
    const answer = await mocks.ask('/api/tenant', { method: 'OPTIONS' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS, PATCH'])
  })
})

describe('an unknown path is 404 and tells what was meant', () => {
  test.each([
    ['a letter', 'GET', '/api/tennant', 'GET /api/tenant (getTenant)'],
    ['two letters', 'POST', '/api/auth/loginn', 'POST /api/auth/login (login)'],
    ['a missing segment', 'GET', '/api/reconciliation', 'GET /api/reconciliation/status (getReconciliationStatus)'],
    [
      'a template',
      'GET',
      '/api/attribution/order/17/credits',
      'GET /api/attribution/orders/{order_id}/credits (getOrderCredits)',
    ],
    ['a trailing slash', 'GET', '/api/tenant/', 'GET /api/tenant (getTenant)'],
  ])('%s', async (_what, method, target, near) => {
    const { status, body } = await mocks.ask(target, { method })
    expect([status, body.code]).toEqual([404, 'not_found'])
    expect(body.errors[0]).toMatchObject({ pointer: '/path', code: 'near_match' })
    expect(body.errors.map(({ detail }: { detail: string }) => detail.split(' at ')[0])).toContain(near)
    expect(body.detail).toContain(near.split(' (')[0])
  })

  test('nothing resembles it', async () => {
    const { status, body } = await mocks.ask('/favicon.ico')
    expect([status, body.errors]).toEqual([404, undefined])
    expect(body.detail).toContain('Nothing resembles it.')
  })
})

test('the table of operations is what is served', async () => {
  const answers = await Promise.all(
    Object.values(operations).map(({ method, path }) =>
      mocks.ask(path.replaceAll(/\{[^}]+\}/g, 'x'), { method: method.toUpperCase(), headers: { prefer: 'code=418' } }),
    ),
  )
  for (const { status, body } of answers) expect([status, body.errors[0].code]).toEqual([400, 'undocumented_status'])
})
