import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type Client, type ClientOptions, createClient, type Result, unwrap } from '../../generated/client/index.js'
import { signStripe } from '../../generated/client/webhooks.js'
import { type OperationId, operations } from '../../generated/operations.ts'
import { problems } from '../../generated/problems.ts'
import { replies } from '../../generated/validators.js'
import { notImplemented } from '../../src/contract.ts'
import { handlers } from '../../src/main/app.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { callAny } from './call-any.ts'

const platform = usePlatform()
const clientFor = (tenant: TestTenant, options: ClientOptions = {}): Client =>
  createClient({ baseUrl: platform.url, token: tenant.tokens.manager, tenantKey: tenant.apiKey, ...options })

test('signs in, and the token works', async () => {
  const { email, password, slug } = platform.tenant
  const anonymous = createClient({ baseUrl: platform.url })
  const session = unwrap(await anonymous.login({ body: { email, password } }))
  expect(session.tenant.slug).toBe(slug)
  const api = createClient({ baseUrl: platform.url, token: session.access_token })
  expect(await api.verifyToken()).toMatchObject({
    ok: true,
    status: 200,
    data: { tenant_id: platform.tenant.tenantId },
  })
  const refused = await anonymous.login({ body: { email, password: 'wrong password' } })
  expect(refused).toMatchObject({ ok: false, status: 401, problem: { code: 'unauthorized' } })
  expect(refused.headers).toMatchObject({ 'www-authenticate': expect.stringContaining('Bearer') })
})

test('a token that is refused is replaced once', async () => {
  let token = 'not.a.token'
  const api = clientFor(platform.tenant, {
    token: () => token,
    onUnauthorized: async () => {
      const { email, password } = platform.tenant
      token = unwrap(await createClient({ baseUrl: platform.url }).login({ body: { email, password } })).access_token
      return true
    },
  })
  const results = await Promise.all([api.verifyToken(), api.getRealtimeRevenueV1()])
  expect(results.map(({ status }) => status)).toEqual([200, 200])
})

test('reads revenue, and learns that nothing changed', async () => {
  const api = clientFor(await platform.createTenant({ currency: 'EUR' }))
  const first = await api.getRealtimeRevenueV1()
  if (!first.ok) throw new Error(`answered ${first.status}`)
  expect(first.data.captured).toEqual({ amount_minor: 0, currency: 'EUR' })
  const second = await api.getRealtimeRevenueV1({ headers: { 'if-none-match': first.headers.etag } })
  expect(second).toMatchObject({ ok: false, status: 304, data: undefined, problem: undefined })
  expect(second.headers).toMatchObject({ etag: first.headers.etag })
})

test('a signed webhook is taken, and a forged one is not', async () => {
  const tenant = await platform.createTenant()
  const api = clientFor(tenant)
  const secret = `whsec_${randomUUID().replaceAll('-', '')}`
  const endpoint = unwrap(
    await api.createWebhookEndpoint({ body: { vendor: 'stripe', secret, name: 'Stripe' } as never }),
  )
  const body = JSON.stringify({
    id: `evt_${randomUUID().replaceAll('-', '')}`,
    object: 'event',
    type: 'price.created',
    created: Math.floor(Date.now() / 1_000),
    livemode: true,
    data: { object: { id: 'price_1', object: 'price' } },
  })
  const { 'content-type': _type, ...headers } = await signStripe(body, secret)
  const args = { params: { endpoint_key: endpoint.endpoint_key }, body }
  expect(await api.receiveStripeWebhook(args, { headers })).toMatchObject({ ok: true, status: 200 })
  const forged = await api.receiveStripeWebhook({ ...args, body: `${body} ` }, { headers })
  expect(forged).toMatchObject({ ok: false, status: 401, problem: { code: 'unauthorized' } })
})

test('errors of the contract come as results, with the pointers of the faults', async () => {
  const api = clientFor(platform.tenant)
  const missing = await api.getRecomputeJob({ params: { job_id: randomUUID() } })
  expect(missing).toMatchObject({ status: 404, problem: { code: 'not_found', title: problems.not_found.title } })
  const invalid = await api.getRealtimeRevenueV1({ query: { since: 'yesterday' } })
  expect(invalid).toMatchObject({
    status: 422,
    problem: { code: 'validation_failed', errors: [{ pointer: '/query/since' }] },
  })
  const forbidden = await clientFor(platform.tenant, { token: platform.tenant.tokens.viewer }).requestRecompute({
    body: { start_date: '2026-01-01', end_date: '2026-01-31' },
  })
  expect(forbidden).toMatchObject({ status: 403, problem: { code: 'forbidden' } })
})

test('the correlation id of the caller comes back', async () => {
  const id = randomUUID()
  const result = await clientFor(platform.tenant).verifyToken({ headers: { 'x-correlation-id': id } })
  expect(result.headers['x-correlation-id']).toBe(id)
})

describe('every operation, called with the example of the contract', () => {
  const ids = Object.keys(operations) as OperationId[]
  const isBuilt = (id: OperationId) => (handlers[id] as unknown) !== notImplemented
  const call = (id: OperationId) =>
    callAny(clientFor(platform.tenant, { token: platform.tenant.tokens.admin, retries: 0 }), id)

  test.each(ids.filter(isBuilt))('%s answers as documented', async (id) => {
    const result = await call(id)
    expect(Object.keys(operations[id].replies).map(Number)).toContain(result.status)
    expect(result.ok).toBe(result.status < 300)
    const validate = replies[id][result.status]?.[result.mediaType ?? '']
    expect(validate?.(result.data ?? result.problem) === false ? validate.errors : []).toEqual([])
  })

  test('what the server has not built yet is unexpected, and says so', async () => {
    for (const id of ids.filter((id) => !isBuilt(id))) {
      await expect(call(id), id).rejects.toMatchObject({
        name: 'SkeldirUnexpectedResponse',
        status: 501,
        problem: { code: 'not_implemented' },
      })
    }
  })
})

describe('when the database is away', () => {
  test('a read is tried again, and the refusal is then the result', async () => {
    let asked = 0
    const api = clientFor(platform.tenant, {
      retries: 1,
      maxRetryWaitMs: 60_000,
      fetch: (...request) => {
        asked += 1
        return fetch(...request)
      },
    })
    const result: Result<'getRealtimeRevenueV1'> = await platform.withoutDatabase(() => api.getRealtimeRevenueV1())
    expect(result).toMatchObject({ ok: false, status: 503, problem: { code: 'service_unavailable' } })
    expect(asked).toBe(2)
    expect((await api.getLiveness()).ok).toBe(true)
  })
})
