import { expect, test } from 'vitest'
import { type Arguments, createClient } from '../../generated/client/index.js'
import { startTinyApi } from './tiny-api.ts'

async function startEcho() {
  const { url, seen } = await startTinyApi([{ status: 418 }])
  const api = createClient({ baseUrl: `${url}/`, headers: { 'x-app': 'console' } })
  const sent = async (call: (client: typeof api) => Promise<unknown>) => {
    await call(api).catch(() => {})
    const request = seen.at(-1)
    if (request === undefined) throw new Error('nothing was sent')
    return request
  }
  return { url, api, seen, sent }
}

test('path and query are encoded', async () => {
  const { sent } = await startEcho()
  const order = await sent((api) => api.getOrderCredits({ params: { order_id: 'a/b?c#d e%' } }))
  expect(order.url).toBe('/api/attribution/orders/a%2Fb%3Fc%23d%20e%25/credits')
  const query: Arguments<'exportCSV'>['query'] = {
    start_date: '2026-11-01',
    channels: ['paid_search', 'direct'],
    currency: undefined,
  }
  const exported = await sent((api) => api.exportCSV({ query }))
  expect(exported.url).toBe('/api/export/csv?start_date=2026-11-01&channels=paid_search&channels=direct')
  expect((await sent((api) => api.listSessions({ query: { cursor: 'a&b=c' } }))).url).toBe(
    '/api/auth/sessions?cursor=a%26b%3Dc',
  )
})

test.each(['', '.', '..', undefined])(
  'a path parameter %j would call another operation, so nothing is sent',
  async (id) => {
    const { api, seen } = await startEcho()
    const call = api.revokeSession({ params: { session_id: id as string } })
    await expect(call).rejects.toThrow(/^revokeSession: the path parameter session_id is /)
    expect(seen).toHaveLength(0)
  },
)

test('headers of the client, the call and the operation are sent, the narrower winning', async () => {
  const { sent } = await startEcho()
  const args = { headers: { 'x-correlation-id': '163abffd-b49e-44aa-9a0f-2e11d97d5317' } }
  const { headers, method } = await sent((api) =>
    api.getLiveness({}, { headers: { prefer: 'code=200', 'x-app': 'test' } }),
  )
  expect(method).toBe('GET')
  expect(headers).toMatchObject({
    prefer: 'code=200',
    'x-app': 'test',
    accept: 'application/json, application/problem+json',
  })
  expect((await sent((api) => api.listSessions(args))).headers).toMatchObject({ 'x-app': 'console', ...args.headers })
})

test('bodies are sent by their media type', async () => {
  const { sent } = await startEcho()
  const json = await sent((api) => api.login({ body: { email: 'ä@example.com', password: 'p' } }))
  expect(json.headers['content-type']).toBe('application/json')
  expect(JSON.parse(Buffer.from(json.body, 'latin1').toString())).toEqual({ email: 'ä@example.com', password: 'p' })
  const csv = await sent((api) => api.ingestSpend({ body: 'date,channel\n', contentType: 'text/csv' }))
  expect(csv).toMatchObject({ body: 'date,channel\n', headers: { 'content-type': 'text/csv' } })
  const ping = await sent((api) =>
    api.receiveWoocommerceWebhook({
      params: { endpoint_key: 'k' },
      body: { webhook_id: '7' },
      contentType: 'application/x-www-form-urlencoded',
    }),
  )
  expect(ping.body).toBe('webhook_id=7')
})

test('a body that is signed is sent byte for byte', async () => {
  const { sent } = await startEcho()
  const bytes = new Uint8Array([0x7b, 0x20, 0xff, 0x7d])
  const args = { params: { endpoint_key: 'k' }, body: bytes }
  const { body, headers } = await sent((api) =>
    api.receiveStripeWebhook(args, { headers: { 'stripe-signature': 't=1' } }),
  )
  expect(Buffer.from(body, 'latin1')).toEqual(Buffer.from(bytes))
  expect(headers).toMatchObject({ 'stripe-signature': 't=1', 'content-type': 'application/json' })
  const text = await sent((api) => api.receiveStripeWebhook({ ...args, body: '{ "a": 1 }' }))
  expect(text.body).toBe('{ "a": 1 }')
})

test.each([undefined, '', 'api.example.com', 'ftp://api.example.com', 'https://api.example.com/?a=1', 'https://'])(
  'the address %j is refused at once',
  (baseUrl) => {
    expect(() => createClient({ baseUrl })).toThrow(/^baseUrl is /)
  },
)

test('another fetch may be given', async () => {
  const asked: [string, string | undefined][] = []
  const api = createClient({
    baseUrl: 'https://api.example.com/base/',
    credentials: 'include',
    fetch: async (input, init) => {
      asked.push([String(input), init?.credentials])
      return Response.json({ status: 'alive' })
    },
  })
  expect(await api.getLiveness()).toMatchObject({ ok: true, data: { status: 'alive' } })
  expect(asked).toEqual([['https://api.example.com/base/health/live', 'include']])
})
