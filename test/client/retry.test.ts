import { expect, test } from 'vitest'
import { type Arguments, createClient, SkeldirNetworkError } from '../../generated/client/index.js'
import { problem, startTinyApi } from './tiny-api.ts'

const ok = { body: { items: [], next_cursor: null } }
const busy = (retryAfter?: string) => ({
  ...problem(503, 'service_unavailable'),
  headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
})
const limited = (retryAfter: string) => ({ ...problem(429, 'rate_limited'), headers: { 'retry-after': retryAfter } })
const sync: Arguments<'triggerSync'> = { body: { platforms: ['google_ads'] } }

test('429 and 503 are asked again, not before Retry-After', async () => {
  const { url, seen } = await startTinyApi([limited('1'), busy('0'), ok])
  const result = await createClient({ baseUrl: url }).listSessions()
  expect(result).toMatchObject({ ok: true, status: 200, data: { items: [] } })
  expect(seen).toHaveLength(3)
  expect((seen[1]?.at ?? 0) - (seen[0]?.at ?? 0)).toBeGreaterThanOrEqual(990)
  expect((seen[2]?.at ?? 0) - (seen[1]?.at ?? 0)).toBeLessThan(900)
})

test('a date in Retry-After counts by the clock of the server', async () => {
  // The server's clock is a day behind, and it names a moment one second ahead.
  const date = new Date(Date.now() - 86_400_000)
  const headers = { date: date.toUTCString(), 'retry-after': new Date(date.getTime() + 1_000).toUTCString() }
  const { url, seen } = await startTinyApi([{ ...problem(503, 'service_unavailable'), headers }, ok])
  expect((await createClient({ baseUrl: url }).listSessions()).status).toBe(200)
  const waited = (seen[1]?.at ?? 0) - (seen[0]?.at ?? 0)
  expect(waited).toBeGreaterThanOrEqual(990)
  expect(waited).toBeLessThan(5_000)
})

test('without Retry-After the wait grows by itself', async () => {
  const { url, seen } = await startTinyApi([busy(), busy(), ok])
  expect((await createClient({ baseUrl: url }).listSessions()).status).toBe(200)
  const [first = 0, second = 0] = seen.slice(1).map(({ at }, index) => at - (seen[index]?.at ?? 0))
  expect(first).toBeGreaterThanOrEqual(120)
  expect(second).toBeGreaterThanOrEqual(245)
})

test.each([
  ['the attempts are used up', { retries: 1 }, '0', 2],
  ['there are none', { retries: 0 }, '0', 1],
  ['Retry-After is longer than the waits may be', { maxRetryWaitMs: 1_500 }, '2', 1],
  ['Retry-After is unreadable and there is no time', { maxRetryWaitMs: 10 }, 'soon', 1],
])('the refusal is the result when %s', async (_name, options, retryAfter, attempts) => {
  const { url, seen } = await startTinyApi([busy(retryAfter)])
  const result = await createClient({ baseUrl: url, ...options }).listSessions()
  expect(result).toMatchObject({ ok: false, status: 503, problem: { code: 'service_unavailable' } })
  expect(seen).toHaveLength(attempts)
})

test('the options of a call win over those of the client', async () => {
  const { url, seen } = await startTinyApi([busy('0')])
  await createClient({ baseUrl: url, retries: 5 }).listSessions({}, { retries: 1 })
  expect(seen).toHaveLength(2)
})

test('other errors are not asked again', async () => {
  const { url, seen } = await startTinyApi([problem(422, 'validation_failed')])
  expect((await createClient({ baseUrl: url }).listSessions()).status).toBe(422)
  expect(seen).toHaveLength(1)
})

test.each([
  ['PATCH', 503, (api: ReturnType<typeof createClient>) => api.updateLlmPolicy({ body: {} })],
  ['POST without a key', 429, (api: ReturnType<typeof createClient>) => api.logout()],
  [
    'POST that takes no key, with one',
    429,
    (api: ReturnType<typeof createClient>) => api.logout({}, { headers: { 'idempotency-key': 'x' } }),
  ],
])('%s is sent once', async (_name, status, call) => {
  const { url, seen } = await startTinyApi([{ ...problem(status, 'rate_limited'), headers: { 'retry-after': '0' } }])
  expect((await call(createClient({ baseUrl: url }))).status).toBe(status)
  expect(seen).toHaveLength(1)
})

test('a POST with an idempotency key is repeated with the same key, and each call has its own', async () => {
  const accepted = { status: 202, body: {}, headers: { location: '/x' } }
  const { url, seen } = await startTinyApi([busy('0'), 'drop', accepted])
  const api = createClient({ baseUrl: url })
  expect((await api.triggerSync(sync)).status).toBe(202)
  expect((await api.triggerSync(sync)).status).toBe(202)
  const keys = seen.map(({ headers }) => headers['idempotency-key'])
  expect(keys[0]).toMatch(/^[0-9a-f]{8}-/)
  expect(new Set(keys.slice(0, 3))).toHaveLength(1)
  expect(keys[3]).not.toBe(keys[0])
  expect(new Set(seen.map(({ body }) => body))).toHaveLength(1)
})

test("the caller's own idempotency key is kept", async () => {
  const { url, seen } = await startTinyApi([busy('0'), { status: 202, body: {} }])
  await createClient({ baseUrl: url }).triggerSync({ ...sync, headers: { 'idempotency-key': 'mine' } })
  expect(seen.map(({ headers }) => headers['idempotency-key'])).toEqual(['mine', 'mine'])
})

test('a repeated request that finds the first still at work waits for it', async () => {
  const { url, seen } = await startTinyApi(['drop', problem(409, 'idempotency_in_flight'), { status: 202, body: {} }])
  expect((await createClient({ baseUrl: url }).triggerSync(sync)).status).toBe(202)
  expect(seen).toHaveLength(3)
})

test('a first request that finds another at work is answered so', async () => {
  const { url, seen } = await startTinyApi([problem(409, 'idempotency_in_flight')])
  const result = await createClient({ baseUrl: url }).triggerSync(sync)
  expect(result).toMatchObject({ status: 409, problem: { code: 'idempotency_in_flight' } })
  expect(seen).toHaveLength(1)
})

test('a lost connection is tried again, and then told with its cause', async () => {
  const { url, seen } = await startTinyApi(['drop', 'drop', ok])
  expect((await createClient({ baseUrl: url }).listSessions()).status).toBe(200)
  expect(seen).toHaveLength(3)
  const lost = await createClient({ baseUrl: 'http://127.0.0.1:1', retries: 1 })
    .listSessions()
    .catch((error) => error)
  expect(lost).toBeInstanceOf(SkeldirNetworkError)
  expect(lost).toMatchObject({
    name: 'SkeldirNetworkError',
    kind: 'connection',
    attempts: 2,
    operationId: 'listSessions',
  })
  expect(lost.cause).toBeInstanceOf(TypeError)
})

test('a lost connection is not tried again where that is not safe', async () => {
  const { url, seen } = await startTinyApi(['drop'])
  await expect(createClient({ baseUrl: url }).logout()).rejects.toMatchObject({ kind: 'connection', attempts: 1 })
  expect(seen).toHaveLength(1)
})

test('an attempt ends when its time is up, the body included', async () => {
  const { url, seen } = await startTinyApi(['hang'])
  const api = createClient({ baseUrl: url, timeoutMs: 60, retries: 1 })
  await expect(api.listSessions()).rejects.toMatchObject({ kind: 'timeout', attempts: 2 })
  expect(seen).toHaveLength(2)
  const slow = await startTinyApi([
    { headers: { 'content-type': 'application/json', 'content-length': '9' }, body: '{' },
  ])
  await expect(createClient({ baseUrl: slow.url, timeoutMs: 60, retries: 0 }).listSessions()).rejects.toMatchObject({
    kind: 'timeout',
  })
})

test('the caller can give up while a request is on its way, and during a wait', async () => {
  const hanging = await startTinyApi(['hang'])
  const reason = new Error('enough')
  const first = new AbortController()
  const pending = createClient({ baseUrl: hanging.url }).listSessions({}, { signal: first.signal })
  await expect.poll(() => hanging.seen.length).toBe(1)
  first.abort(reason)
  await expect(pending).rejects.toMatchObject({ kind: 'aborted', attempts: 1, cause: reason })

  const waiting = await startTinyApi([busy('20')])
  const second = new AbortController()
  const started = performance.now()
  const asleep = createClient({ baseUrl: waiting.url }).listSessions({}, { signal: second.signal })
  await expect.poll(() => waiting.seen.length).toBe(1)
  second.abort(reason)
  await expect(asleep).rejects.toMatchObject({ kind: 'aborted', cause: reason })
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(waiting.seen).toHaveLength(1)
})

test('a signal that is aborted already sends nothing', async () => {
  const { url, seen } = await startTinyApi([ok])
  const call = createClient({ baseUrl: url }).listSessions({}, { signal: AbortSignal.abort() })
  await expect(call).rejects.toMatchObject({ kind: 'aborted' })
  expect(seen).toHaveLength(0)
})
