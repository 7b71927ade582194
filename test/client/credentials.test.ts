import { expect, test, vi } from 'vitest'
import { createClient } from '../../generated/client/index.js'
import * as operations from '../../generated/client/operations.js'
import { problem, startTinyApi } from './tiny-api.ts'

const sessions = { body: { items: [], next_cursor: null } }
const refused = problem(401, 'unauthorized')

test('each credential goes with the operations that take it, and with no other', async () => {
  const { url, seen } = await startTinyApi([sessions])
  const api = createClient({ baseUrl: url, token: 'user', tenantKey: async () => 'key', metricsToken: 'operator' })
  const sent = async (call: Promise<unknown>) => {
    await call.catch(() => {})
    const { authorization, 'x-skeldir-tenant-key': key } = seen.at(-1)?.headers ?? {}
    return { authorization, key }
  }
  expect(await sent(api.listSessions())).toEqual({ authorization: 'Bearer user', key: undefined })
  expect(await sent(api.getLiveness())).toEqual({ authorization: undefined, key: undefined })
  expect(await sent(api.login({ body: { email: 'a', password: 'b' } }))).toEqual({
    authorization: undefined,
    key: undefined,
  })
  expect(await sent(api.ingestTouchpoints({ body: { touchpoints: [] } as never }))).toEqual({
    authorization: undefined,
    key: 'key',
  })
  expect(await sent(api.getMetrics())).toEqual({ authorization: 'Bearer operator', key: undefined })
  // One of two is enough, and the first for which there is a credential is taken.
  expect(await sent(api.ingestSpend({ body: '', contentType: 'text/csv' }))).toEqual({
    authorization: undefined,
    key: 'key',
  })
  const userOnly = createClient({ baseUrl: url, token: 'user', tenantKey: null })
  expect(await sent(userOnly.ingestSpend({ body: '', contentType: 'text/csv' }))).toEqual({
    authorization: 'Bearer user',
    key: undefined,
  })
})

test('without a credential the request goes without', async () => {
  const { url, seen } = await startTinyApi([refused])
  expect((await createClient({ baseUrl: url, token: () => null }).listSessions()).status).toBe(401)
  expect(seen[0]?.headers.authorization).toBeUndefined()
})

test('the schemes of the contract are those that the client knows, or signatures', () => {
  const schemes = new Set(Object.values(operations).flatMap(({ security }) => security.flat()))
  const own = [...schemes].filter((scheme) => !scheme.endsWith('Signature')).sort()
  expect(own).toEqual(['bearerAuth', 'metricsToken', 'tenantKey'])
})

/** Takes the newest token only. */
async function startGuardedApi() {
  const state = { valid: 'new' }
  const api = await startTinyApi(({ headers }) =>
    headers.authorization === `Bearer ${state.valid}` ? sessions : refused,
  )
  return { ...api, state }
}

test('after a 401 one call gets a new token, and each request is sent once more', async () => {
  const { url, seen } = await startGuardedApi()
  let token = 'old'
  const onUnauthorized = vi.fn(async () => {
    await new Promise((resolve) => setTimeout(resolve, 30))
    token = 'new'
    return true
  })
  const api = createClient({ baseUrl: url, token: async () => token, onUnauthorized })
  const results = await Promise.all([api.listSessions(), api.listApiKeys(), api.listMembers()])
  expect(results.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(onUnauthorized).toHaveBeenCalledTimes(1)
  expect(seen).toHaveLength(6)
})

test('a request that was refused with a token since replaced asks for none', async () => {
  const { url } = await startGuardedApi()
  const tokens = ['old', 'new']
  const onUnauthorized = vi.fn(() => true)
  const api = createClient({ baseUrl: url, token: () => tokens.shift() ?? 'new', onUnauthorized })
  expect((await api.listSessions()).status).toBe(200)
  expect(onUnauthorized).not.toHaveBeenCalled()
})

test('a second 401 is the result, and so is the first where there is no new token', async () => {
  const { url, seen } = await startTinyApi([refused])
  const again = vi.fn(() => true)
  expect((await createClient({ baseUrl: url, token: 'old', onUnauthorized: again }).listSessions()).status).toBe(401)
  expect(seen).toHaveLength(2)
  expect(again).toHaveBeenCalledTimes(1)
  const none = createClient({ baseUrl: url, token: 'old', onUnauthorized: () => false })
  expect((await none.listSessions()).status).toBe(401)
  expect(seen).toHaveLength(3)
})

test('a 401 of a public operation is no matter of tokens', async () => {
  const { url } = await startTinyApi([refused])
  const onUnauthorized = vi.fn(() => true)
  const api = createClient({ baseUrl: url, token: 'old', onUnauthorized })
  expect((await api.login({ body: { email: 'a', password: 'b' } })).status).toBe(401)
  expect(onUnauthorized).not.toHaveBeenCalled()
})

test('what onUnauthorized throws reaches every caller that waited for it', async () => {
  const { url } = await startTinyApi([refused])
  const api = createClient({
    baseUrl: url,
    token: 'old',
    onUnauthorized: async () => {
      throw new Error('signed out')
    },
  })
  const results = await Promise.allSettled([api.listSessions(), api.listMembers()])
  expect(results.map((result) => result.status === 'rejected' && result.reason.message)).toEqual([
    'signed out',
    'signed out',
  ])
})

test('redirects are not followed, so no credential leaves the API', async () => {
  const other = await startTinyApi([sessions])
  const { url } = await startTinyApi([{ status: 302, headers: { location: other.url } }])
  const call = createClient({ baseUrl: url, tenantKey: 'key', token: 'user' }).listSessions()
  await expect(call).rejects.toMatchObject({ name: 'SkeldirUnexpectedResponse', reason: 'redirect', status: 302 })
  expect(other.seen).toHaveLength(0)
})
