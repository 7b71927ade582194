import { describe, expect, onTestFinished, test } from 'vitest'
import { ProblemError } from '../../src/problem/problem.ts'
import { asJson, type MiniOptions, manager, startMini, TENANT } from './mini-server.ts'

async function refusal(url: string, path: string, init: RequestInit = {}): Promise<unknown> {
  const reply = await fetch(url + path, init)
  const { instance: _path, correlation_id: _id, ...body } = (await reply.json()) as Record<string, unknown>
  const headers = Object.fromEntries(
    [...reply.headers].filter(([name]) => !['date', 'x-correlation-id', 'content-length'].includes(name)),
  )
  return { status: reply.status, headers, body }
}

describe('401', () => {
  test('is the same whatever is wrong, and no handler runs', async () => {
    const { url, ran } = await startMini(onTestFinished)
    const hook = (headers: Record<string, string>) => refusal(url, '/hooks/k', { method: 'POST', body: '{}', headers })
    const answers = [
      await refusal(url, '/things', { method: 'POST' }),
      await refusal(url, '/things', { method: 'POST', headers: { authorization: 'Bearer nobody' } }),
      await refusal(url, '/things', { method: 'POST', headers: { authorization: 'Basic manager' } }),
      await refusal(url, '/keys'),
      await hook({}),
      await hook({ 'x-signature': 'wrong' }),
      await hook({ 'x-signature': 'bug' }),
    ]
    expect(answers[0]).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer realm="skeldir"' } })
    expect(JSON.stringify(answers)).not.toContain('secret internals')
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(ran).toEqual([])
  })

  test("a handler's own 401 is the same too", async () => {
    const { url } = await startMini(onTestFinished, {
      handlers: {
        createThing: async () => {
          throw new ProblemError('unauthorized', 'The password of ann@example.com is wrong.')
        },
      },
    })
    const post = { method: 'POST', body: '{"name":"a"}' }
    expect(await refusal(url, '/things', { ...post, headers: { ...manager, ...asJson } })).toEqual(
      await refusal(url, '/things', post),
    )
  })

  test('an authenticator with a fault fails closed, and the fault is logged', async () => {
    const { url, logs } = await startMini(onTestFinished)
    await fetch(`${url}/hooks/k`, { method: 'POST', body: '{}', headers: { 'x-signature': 'bug' } })
    expect(logs).toContainEqual(
      expect.objectContaining({ level: 50, err: expect.objectContaining({ type: 'TypeError' }) }),
    )
  })
})

describe('what an authenticator throws', () => {
  test('503 passes through', async () => {
    const { url } = await startMini(onTestFinished)
    const reply = await fetch(`${url}/hooks/k`, { method: 'POST', body: '{}', headers: { 'x-signature': 'late' } })
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '5'])
  })

  test('413 passes through', async () => {
    const { url } = await startMini(onTestFinished)
    const body = 'x'.repeat(1_048_577)
    expect((await fetch(`${url}/hooks/k`, { method: 'POST', body, headers: { 'x-signature': 'good' } })).status).toBe(
      413,
    )
  })

  test('a lost database is 503, not 401', async () => {
    const lost = async () => {
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    }
    const { url } = await startMini(onTestFinished, { authenticators: { bearer: lost } })
    expect((await fetch(`${url}/things`, { method: 'POST' })).status).toBe(503)
  })

  test('does not matter where another alternative holds', async () => {
    const lost = async () => {
      throw new ProblemError('service_unavailable', 'Later.')
    }
    const { url } = await startMini(onTestFinished, { authenticators: { bearer: lost } })
    expect((await fetch(`${url}/keys`, { headers: { 'x-key': 'things:read' } })).status).toBe(200)
  })
})

describe('403', () => {
  test.each([
    ['viewer', 403],
    ['manager', 201],
    ['admin', 201],
  ])('%s creating a thing: %i', async (role, status) => {
    const { url } = await startMini(onTestFinished)
    const headers = { authorization: `Bearer ${role}`, ...asJson }
    expect((await fetch(`${url}/things`, { method: 'POST', headers, body: '{"name":"a"}' })).status).toBe(status)
  })

  test.each([
    ['things:read', 200],
    ['things:write', 403],
    ['things:read things:write', 403],
  ])('a key with the scope %s: %i', async (scope, status) => {
    const { url } = await startMini(onTestFinished)
    expect((await fetch(`${url}/keys`, { headers: { 'x-key': scope } })).status).toBe(status)
  })

  test('a key cannot stand in for a role', async () => {
    const { url } = await startMini(onTestFinished, {
      authenticators: { bearer: async () => ({ kind: 'key', tenantId: TENANT, keyId: 'k', scopes: ['things:read'] }) },
    })
    expect((await fetch(`${url}/things`, { method: 'POST' })).status).toBe(403)
  })
})

describe('order of checks', () => {
  const huge = 'x'.repeat(1_048_577)
  test.each<[string, RequestInit, number]>([
    [
      '401 before everything about the request',
      { headers: { accept: 'text/html', 'x-correlation-id': 'x' }, body: huge },
      401,
    ],
    [
      '403 before 406, 415 and 413',
      { headers: { authorization: 'Bearer viewer', accept: 'text/html' }, body: huge },
      403,
    ],
    ['406 before 415 and 413', { headers: { ...manager, accept: 'text/html' }, body: huge }, 406],
    ['415 before 413', { headers: { ...manager, 'content-type': 'text/plain' }, body: huge }, 415],
    ['413 before 400 and 422', { headers: { ...manager, ...asJson, 'x-correlation-id': 'x' }, body: huge }, 413],
    ['400 before 422', { headers: { ...manager, ...asJson, 'x-correlation-id': 'x' }, body: '{' }, 400],
    [
      '422 before the handler',
      { headers: { ...manager, ...asJson, 'x-correlation-id': 'x' }, body: '{"name":"a"}' },
      422,
    ],
    ['and then the handler', { headers: { ...manager, ...asJson }, body: '{"name":"a"}' }, 201],
  ])('%s', async (_name, init, status) => {
    const { url, ran } = await startMini(onTestFinished)
    expect((await fetch(`${url}/things`, { method: 'POST', ...init })).status).toBe(status)
    expect(ran).toEqual(status === 201 ? ['createThing'] : [])
  })
})

describe('vendor webhooks', () => {
  async function deliver(init: RequestInit, path = '/hooks/k?any=1', options: MiniOptions = {}): Promise<Response> {
    const { url } = await startMini(onTestFinished, options)
    return fetch(url + path, {
      method: 'POST',
      body: 'raw \u00e9',
      ...init,
      headers: { 'x-signature': 'good', ...init.headers },
    })
  }

  test('take any media type, ignore Accept and unknown parameters, and get the bytes as they came', async () => {
    const reply = await deliver({
      headers: { 'content-type': 'text/odd', accept: 'text/html', 'x-correlation-id': 'x' },
    })
    expect(reply.status).toBe(200)
    expect(await reply.json()).toEqual({
      thing_id: Buffer.from('raw \u00e9').toString('latin1'),
      seen: { parsed: true },
    })
  })

  test('refuse an encoded body with 415, after the signature', async () => {
    expect((await deliver({ headers: { 'content-encoding': 'gzip' } })).status).toBe(415)
    expect((await deliver({ headers: { 'content-encoding': 'gzip', 'x-signature': 'wrong' } })).status).toBe(401)
  })
})
