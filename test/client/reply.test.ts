import { expect, test, vi } from 'vitest'
import { createClient, SkeldirProblem, SkeldirUnexpectedResponse, unwrap } from '../../generated/client/index.js'
import { problem, type Script, startTinyApi } from './tiny-api.ts'

async function clientOf(...script: Script[]) {
  const { url, seen } = await startTinyApi(script)
  return { api: createClient({ baseUrl: url, retries: 0 }), seen }
}

test('a result has status, data, headers and the response', async () => {
  const { api } = await clientOf({ body: { items: [], next_cursor: null }, headers: { 'x-correlation-id': 'abc' } })
  const result = await api.listSessions()
  expect(result).toMatchObject({
    operationId: 'listSessions',
    ok: true,
    status: 200,
    mediaType: 'application/json',
    data: { items: [], next_cursor: null },
    problem: undefined,
    headers: { 'x-correlation-id': 'abc' },
  })
  expect(result.response).toBeInstanceOf(Response)
})

test('a documented error is a result too, and Retry-After a number', async () => {
  const { api } = await clientOf({ ...problem(429, 'rate_limited'), headers: { 'retry-after': '7' } })
  const result = await api.listSessions()
  expect(result).toMatchObject({ ok: false, status: 429, data: undefined, problem: { code: 'rate_limited' } })
  expect(result.headers).toMatchObject({ 'retry-after': 7 })
})

test('statuses without a body have neither data nor problem', async () => {
  const { api } = await clientOf({ status: 204 }, { status: 304, headers: { etag: '"1"' } })
  expect(await api.logout()).toMatchObject({
    ok: true,
    status: 204,
    mediaType: null,
    data: undefined,
    problem: undefined,
  })
  expect(await api.getTenant({ headers: { 'if-none-match': '"1"' } })).toMatchObject({
    ok: false,
    status: 304,
    problem: undefined,
    headers: { etag: '"1"' },
  })
})

test('text stays text and other bytes become a Blob', async () => {
  const sheet = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'
  const { api } = await clientOf(
    { headers: { 'content-type': 'text/csv; charset=utf-8' }, body: 'date\r\n' },
    { headers: { 'content-type': sheet }, body: 'PK' },
    { headers: { 'content-type': 'text/plain; version=0.0.4' }, body: 'up 1\n' },
  )
  expect(await api.exportCSV()).toMatchObject({ mediaType: 'text/csv', data: 'date\r\n' })
  const excel = await api.exportExcel()
  expect(excel.data).toBeInstanceOf(Blob)
  expect(await (excel.data as Blob).text()).toBe('PK')
  expect(await api.getMetrics()).toMatchObject({ mediaType: 'text/plain; version=0.0.4', data: 'up 1\n' })
})

test.each<[string, Script, object]>([
  ['a status that is not documented', { status: 418, body: { tea: true } }, { reason: 'status', status: 418 }],
  [
    'a problem that belongs to the server',
    problem(501, 'not_implemented'),
    { reason: 'status', status: 501, problem: { code: 'not_implemented' } },
  ],
  [
    'another media type',
    { headers: { 'content-type': 'text/html' }, body: '<p>proxy</p>' },
    { reason: 'media_type', mediaType: 'text/html', body: '<p>proxy</p>', problem: null },
  ],
  ['no media type', { body: 'x' }, { reason: 'media_type', mediaType: null }],
  [
    'a problem of another media type',
    { status: 401, headers: { 'content-type': 'application/json' }, body: '{"code":"unauthorized"}' },
    { reason: 'media_type', mediaType: 'application/json' },
  ],
  ['JSON that is cut off', { headers: { 'content-type': 'application/json' }, body: '{"items":' }, { reason: 'body' }],
  ['nothing where JSON should be', { headers: { 'content-type': 'application/json' }, body: '' }, { reason: 'body' }],
  ['a problem without a code', { status: 401, body: { status: 401 } }, { reason: 'body', status: 401 }],
])('%s is unexpected', async (_name, script, expected) => {
  const { api } = await clientOf(script)
  const error = await api.listSessions().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SkeldirUnexpectedResponse)
  expect(error).toMatchObject({ name: 'SkeldirUnexpectedResponse', operationId: 'listSessions', ...expected })
})

test('the body that an error keeps is bounded', async () => {
  const { api } = await clientOf({ status: 418, headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(100_000) })
  const error = await api.listSessions().catch((thrown: SkeldirUnexpectedResponse) => thrown)
  expect((error as SkeldirUnexpectedResponse).body).toHaveLength(2_000)
})

test('unwrap gives the data, or throws the problem', async () => {
  const { api } = await clientOf({ body: { items: [], next_cursor: null } }, problem(401, 'unauthorized'))
  expect(unwrap(await api.listSessions())).toEqual({ items: [], next_cursor: null })
  const result = await api.listSessions()
  expect(() => unwrap(result)).toThrow(SkeldirProblem)
  expect(() => unwrap(result)).toThrow('listSessions answered 401 unauthorized: It was so.')
})

test('a deprecation is told once per operation', async () => {
  const headers = {
    deprecation: '@1795219200',
    sunset: 'Wed, 30 Jun 2027 23:59:59 GMT',
    link: '</new>; rel="successor-version"',
  }
  const { url } = await startTinyApi([{ ...problem(401, 'unauthorized'), headers }])
  const onDeprecated = vi.fn()
  const api = createClient({ baseUrl: url, onDeprecated })
  await api.getRealtimeRevenue()
  await api.getRealtimeRevenue()
  await api.getTenant()
  expect(onDeprecated.mock.calls).toEqual([
    [
      {
        operationId: 'getRealtimeRevenue',
        deprecatedAt: new Date('2026-11-21T00:00:00Z'),
        sunsetAt: new Date('2027-06-30T23:59:59Z'),
        link: headers.link,
      },
    ],
    [expect.objectContaining({ operationId: 'getTenant' })],
  ])
})

test('a deprecation without dates is told without dates', async () => {
  const { url } = await startTinyApi([
    { ...problem(401, 'unauthorized'), headers: { deprecation: 'true', sunset: 'later' } },
  ])
  const onDeprecated = vi.fn()
  await createClient({ baseUrl: url, onDeprecated }).getTenant()
  expect(onDeprecated).toHaveBeenCalledWith({
    operationId: 'getTenant',
    deprecatedAt: null,
    sunsetAt: null,
    link: null,
  })
})
