import { describe, expect, onTestFinished, test } from 'vitest'
import { compareAnswers, type Seen } from '../../mocks/shape.ts'
import { startTestMocks, startTestReal } from '../support/mocks.ts'
import { until } from '../support/platform.ts'

const implemented = {
  '/health/live': { get: 'getLiveness' },
  '/api/auth/login': { post: 'login' },
  '/api/tenant': { get: 'getTenant' },
}
const login = { email: 'ada@northwind-outdoor.example', password: 'correct horse battery staple' }

function seen(body: unknown, headers: Seen['headers'] = {}, status = 200): Seen {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(body)),
  }
}

describe('two answers', () => {
  test.each([
    ['other values', seen({ a: 1, b: ['x'] }), seen({ a: 2, b: ['y', 'z'] }), []],
    ['headers of the way', seen({}, { date: 'x', vary: 'Origin' }), seen({}, { via: 'y', connection: 'close' }), []],
    ['null, which may stand for anything', seen({ a: null }), seen({ a: 'x' }), []],
    ['an empty list, which says nothing', seen({ a: [] }), seen({ a: [{ b: 1 }] }), []],
    ['parameters of the media type', seen({}, { 'content-type': 'application/json; charset=utf-8' }), seen({}), []],
    ['status', seen({}), seen({ a: 1 }, {}, 201), ['status 200 on the mock, 201 on the real server']],
    [
      'media type',
      seen({}),
      seen({}, { 'content-type': 'text/csv' }),
      ['media type application/json on the mock, text/csv on the real server'],
    ],
    [
      'headers',
      seen({}, { etag: '"a"' }),
      seen({}, { location: '/a' }),
      ['header etag only on the mock', 'header location only on the real server'],
    ],
    [
      'a type',
      seen({ a: { b: 1 } }),
      seen({ a: { b: '1' } }),
      ['/a/b is number on the mock, string on the real server'],
    ],
    [
      'members, also within lists',
      seen({ a: [{ b: 1 }, { c: 1 }] }),
      seen({ a: [{ b: 1, d: 1 }] }),
      ['member /a/*/c only on the mock', 'member /a/*/d only on the real server'],
    ],
    ['no JSON', seen({}), { ...seen({}), body: Buffer.from('{') }, ['body is not JSON on the real server']],
  ])('%s', (_what, mock, real, differences) => {
    expect(compareAnswers(mock, real)).toEqual(differences)
  })
})

describe('shadow mode', () => {
  test('answers from the mock, and says where the real server differs, once', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'application/json', 'X-Extra': '1', 'X-Correlation-ID': 'x' })
      res.end('{"status":1}')
    })
    const { ask, lines, stop } = await startTestMocks(onTestFinished, { real: real.url, shadow: true })
    for (const _ of [1, 2]) {
      const answer = await ask('/health/live?x=1', { headers: { 'x-a': 'b' } })
      expect([answer.status, answer.body, answer.headers.get('x-served-by')]).toEqual([
        200,
        { status: 'alive' },
        'mock',
      ])
    }
    await until(
      async () => real.requests.length,
      (count) => count === 2,
    )
    expect(real.requests[0]).toMatchObject({ method: 'GET', url: '/health/live?x=1', headers: { 'x-a': 'b' } })
    const said = () => lines.filter((line) => line.startsWith('shadow: '))
    await until(
      async () => said().length,
      (count) => count === 4,
    )
    const about = (text: string) =>
      expect.stringMatching(new RegExp(`^shadow: getLiveness GET: ${text}.*/health/live, corr`))
    expect(said()).toEqual([
      about('header x-content-type-options only on the mock'),
      about('header cache-control only on the mock'),
      about('header x-extra only on the real server'),
      about('/status is string on the mock, number on the real server'),
    ])
    await stop()
    expect(lines).toContain('shadow: 2 answers compared, 0 alike, 4 differences, 0 without an answer, 0 not compared')
    expect(lines).toContain('shadow: 2 times getLiveness GET: header x-extra only on the real server')
  })

  test('never waits for the real server', async () => {
    const real = await startTestReal(onTestFinished, implemented, () => {})
    const { ask } = await startTestMocks(onTestFinished, { real: real.url, shadow: true })
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/health/live')))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    // Bounded: the others wait for a place.
    await until(
      async () => real.requests.length,
      (count) => count === 4,
    )
  })

  test('asks nothing that would change something', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => void res.end())
    const { ask } = await startTestMocks(onTestFinished, { real: real.url, shadow: true })
    expect((await ask('/api/auth/login', { method: 'POST', body: login })).status).toBe(200)
    await ask('/health/live')
    await until(
      async () => real.requests.length,
      (count) => count > 0,
    )
    expect(real.requests.map(({ method }) => method)).toEqual(['GET'])
  })

  test('unless it is told to, and then with the body', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => void res.writeHead(409).end())
    const { ask, lines } = await startTestMocks(onTestFinished, { real: real.url, shadow: true, shadowWrites: true })
    expect((await ask('/api/auth/login', { method: 'POST', body: login })).status).toBe(200)
    await until(
      async () => lines.join('\n'),
      (text) => text.includes('login POST: status 200 on the mock, 409 on the real server'),
    )
    expect(JSON.parse(real.requests[0]?.body ?? '')).toEqual(login)
  })

  test('compares only what the real server implements', async () => {
    const real = await startTestReal(onTestFinished, implemented, (_req, res) => void res.end())
    const { ask } = await startTestMocks(onTestFinished, { real: real.url, shadow: true })
    await ask('/api/tenant/members')
    await ask('/api/tenant')
    await until(
      async () => real.requests.length,
      (count) => count > 0,
    )
    expect(real.requests.map(({ url }) => url)).toEqual(['/api/tenant'])
  })

  test('needs a real server', async () => {
    await expect(startTestMocks(onTestFinished, { shadow: true })).rejects.toThrow(
      'shadow mode needs the URL of a real server',
    )
  })
})
