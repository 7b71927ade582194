import { expect, onTestFinished, test } from 'vitest'
import type { MiniDocument } from '../../scripts/bench/http-contract.ts'
import type { RequestContext } from '../../src/context.ts'
import type { Limits } from '../../src/http/exchange.ts'
import type { AnswerStore, StoredAnswer } from '../../src/http/idempotency.ts'
import type { Problem } from '../../src/http/problem.ts'
import type { Quota, RateLimiter } from '../../src/http/rate-limit.ts'
import { ProblemError } from '../../src/problem/problem.ts'
import { asJson, document, type MiniOptions, manager, startMini } from './mini-server.ts'

/** The mini contract with limits, an Idempotency-Key and a deprecation. */
function withLimits(): MiniDocument {
  const changed = structuredClone(document)
  const { post } = changed.paths['/things'] as MiniDocument['paths'][string]
  const { get } = changed.paths['/keys'] as MiniDocument['paths'][string]
  if (post === undefined || get === undefined) throw new TypeError('the mini contract has changed')
  const problem = post.responses[401]
  if (problem === undefined) throw new TypeError('the mini contract has no 401')
  Object.assign(post.responses, { 404: problem, 409: problem, 429: problem })
  Object.assign(post.responses[201]?.headers ?? {}, { 'Idempotent-Replayed': { schema: { type: 'string' } } })
  post.parameters?.push(
    { name: 'Idempotency-Key', in: 'header', schema: { type: 'string' } },
    { name: 'a', in: 'query', schema: { type: 'string' } },
    { name: 'b', in: 'query', schema: { type: 'string' } },
  )
  const since = { required: true, schema: { type: 'string' } }
  Object.assign(get, {
    deprecated: true,
    'x-deprecated-since': '2026-11-21',
    'x-sunset': '2027-06-30',
    'x-rate-limit-policy': 'ingest',
    responses: {
      ...get.responses,
      200: { ...get.responses[200], headers: { Deprecation: since, Sunset: since } },
      429: problem,
    },
  })
  return changed
}

/** Gives out so many permits. */
function limiterOf(permits: number, isAsync = false): RateLimiter & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    take(_ctx, tenantId, policy) {
      asked.push(`${tenantId.slice(0, 4)} ${policy}`)
      const remaining = permits - asked.length
      const quota: Quota = {
        policy,
        perMinute: 10,
        remaining: Math.max(0, remaining),
        fullInS: 7,
        retryAfterS: remaining < 0 ? 42 : null,
      }
      return isAsync ? Promise.resolve(quota) : quota
    },
  }
}

/** Remembers answers, as one process alone would. */
function memory(): AnswerStore & { claims: string[]; answers: Map<string, StoredAnswer> } {
  const answers = new Map<string, StoredAnswer>()
  const claims: string[] = []
  return {
    claims,
    answers,
    async claim(_ctx, { operationId, key, requestHashes: [requestHash] }) {
      const id = `${operationId} ${key} ${requestHash.toString('hex')}`
      const answer = answers.get(id)
      if (answer !== undefined) return { answer }
      claims.push(id)
      return {
        claim: {
          beforeCommit: async () => {},
          async settle(given) {
            if (given !== null) answers.set(id, JSON.parse(JSON.stringify(given)))
          },
        },
      }
    },
  }
}

function start(limits: Partial<Limits>, options: MiniOptions = {}) {
  const all = { rates: limiterOf(1_000_000), answers: memory(), ...limits }
  return startMini(onTestFinished, { document: withLimits(), limits: all, ...options })
}

const huge = 'x'.repeat(1_048_577)

test.each<[string, RequestInit, number]>([
  ['401 takes no permit', { body: huge }, 401],
  ['nor does 403', { headers: { authorization: 'Bearer viewer' }, body: huge }, 403],
  ['429 before 406', { headers: { ...manager, accept: 'text/html' }, body: '{}' }, 429],
  ['429 before 415', { headers: { ...manager, 'content-type': 'text/plain' }, body: '{}' }, 429],
  ['429 before 413', { headers: { ...manager, ...asJson }, body: huge }, 429],
  ['429 before 400', { headers: { ...manager, ...asJson }, body: '{' }, 429],
  ['429 before 422', { headers: { ...manager, ...asJson, 'x-correlation-id': 'x' }, body: '{}' }, 429],
  ['429 before the handler', { headers: { ...manager, ...asJson }, body: '{"name":"a"}' }, 429],
])('%s', async (_name, init, status) => {
  const rates = limiterOf(0)
  const { url, ran, logs } = await start({ rates })
  const reply = await fetch(`${url}/things`, { method: 'POST', ...init })
  expect(reply.status).toBe(status)
  expect(ran).toEqual([])
  expect(rates.asked).toHaveLength(status === 429 ? 1 : 0)
  expect(reply.headers.get('ratelimit')).toBe(status === 429 ? '"default";r=0;t=7' : null)
  expect(logs.filter(({ level }) => Number(level) >= 40)).toEqual([])
  if (status !== 429) return
  expect(reply.headers.get('retry-after')).toBe('42')
  expect(reply.headers.get('ratelimit-policy')).toBe('"default";q=10;w=60')
  expect(await reply.json()).toMatchObject({ code: 'rate_limited', status: 429 })
})

test.each([false, true])('each answer after that says what is left (asked for later: %s)', async (isAsync) => {
  const { url } = await start({ rates: limiterOf(10, isAsync) })
  const statuses: number[] = []
  const left: (string | null)[] = []
  for (const body of ['{"name":"a"}', '{', '{}']) {
    const reply = await fetch(`${url}/things`, { method: 'POST', headers: { ...manager, ...asJson }, body })
    statuses.push(reply.status)
    left.push(reply.headers.get('ratelimit'))
  }
  expect(statuses).toEqual([201, 400, 422])
  expect(left).toEqual([9, 8, 7].map((remaining) => `"default";r=${remaining};t=7`))
})

test('the policy is the operation’s, the tenant that of the credentials; public operations are not counted', async () => {
  const rates = limiterOf(10)
  const { url } = await start({ rates })
  await fetch(`${url}/keys`, { headers: { 'x-key': 'things:read' } })
  await fetch(`${url}/things`, { method: 'POST', headers: manager })
  const reply = await fetch(`${url}/things/a`)
  expect(reply.headers.get('ratelimit')).toBeNull()
  expect(rates.asked).toEqual(['4f0c ingest', '4f0c default'])
})

test('a deprecated operation says so where the contract promises it', async () => {
  const { url, logs } = await start({})
  const reply = await fetch(`${url}/keys`, { headers: { 'x-key': 'things:read' } })
  expect(reply.status).toBe(200)
  expect(reply.headers.get('deprecation')).toBe(`@${Date.UTC(2026, 10, 21) / 1000}`)
  expect(reply.headers.get('sunset')).toBe('Wed, 30 Jun 2027 23:59:59 GMT')
  expect(logs.filter(({ level }) => Number(level) >= 40)).toEqual([])
  const refused = await fetch(`${url}/keys`)
  expect([refused.status, refused.headers.get('deprecation')]).toEqual([401, null])
  expect((await fetch(`${url}/probe`)).headers.get('deprecation')).toBeNull()
})

function createWith(
  url: string,
  { key = 'k', body = '{"name":"a"}', query = '', headers = {} as Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${url}/things${query}`, {
    method: 'POST',
    body,
    headers: { ...manager, ...asJson, 'idempotency-key': key, ...headers },
  })
}

test('the same key and request run the handler once', async () => {
  const { url, ran } = await start({})
  const [first, again] = [await createWith(url), await createWith(url)]
  expect(ran).toEqual(['createThing'])
  expect(await again.text()).toBe(await first.text())
  expect([first.status, again.status]).toEqual([201, 201])
  expect(again.headers.get('location')).toBe(first.headers.get('location'))
  expect([first, again].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([null, 'true'])
  expect(again.headers.get('x-correlation-id')).not.toBe(first.headers.get('x-correlation-id'))
})

test('what makes another request, and what does not', async () => {
  const answers = memory()
  const { url } = await start({ answers })
  const same = [
    { query: '?a=1&b=2' },
    { query: '?b=2&a=1' },
    { query: '?b=%32&a=%31' },
    { query: '?a=1&b=2', headers: { 'content-type': 'Application/JSON; charset=utf-8' } },
    { query: '?a=1&b=2', headers: { 'x-correlation-id': crypto.randomUUID() } },
  ]
  for (const one of same) await createWith(url, one)
  expect(answers.claims).toHaveLength(1)
  const other = [
    {},
    { query: '?a=2&b=1' },
    { query: '?a=1' },
    { query: '?a=1&b=2', body: '{"name":"b"}' },
    { query: '?a=1&b=2', body: '{ "name":"a"}' },
    { query: '?a=1&b=2', key: 'other' },
  ]
  for (const one of other) await createWith(url, one)
  expect(new Set(answers.claims).size).toBe(1 + other.length)
})

test.each<[string, { body?: string; headers?: Record<string, string> }, number]>([
  ['credentials', { headers: { authorization: 'Bearer nobody' } }, 401],
  ['role', { headers: { authorization: 'Bearer viewer' } }, 403],
  ['Accept', { headers: { accept: 'text/html' } }, 406],
  ['media type', { headers: { 'content-type': 'text/plain' } }, 415],
  ['size', { body: huge }, 413],
  ['syntax', { body: '{' }, 400],
  ['schema', { body: '{}' }, 422],
])('a request that fails for its %s claims no key', async (_what, change, status) => {
  const answers = memory()
  const { url } = await start({ answers })
  expect((await createWith(url, change)).status).toBe(status)
  expect(answers.claims).toEqual([])
})

test('without a key, and on operations that take none, nothing is stored', async () => {
  const answers = memory()
  const { url, ran } = await start({ answers })
  const headers = { ...manager, ...asJson }
  for (let i = 0; i < 2; i++) await fetch(`${url}/things`, { method: 'POST', body: '{"name":"a"}', headers })
  await fetch(`${url}/keys`, { headers: { 'x-key': 'things:read', 'idempotency-key': 'k' } })
  expect(answers.claims).toEqual([])
  expect(ran).toEqual(['createThing', 'createThing', 'getKeys'])
})

test.each<[ConstructorParameters<typeof ProblemError>[0] | 'a fault', number, boolean]>([
  ['not_found', 404, true],
  ['conflict', 409, true],
  ['unauthorized', 401, false],
  ['forbidden', 403, false],
  ['rate_limited', 429, false],
  ['service_unavailable', 503, false],
  ['a fault', 500, false],
])('%s of a handler (%i) is stored: %s', async (code, status, isStored) => {
  const answers = memory()
  const { url, ran } = await start(
    { answers },
    {
      handlers: {
        createThing: async () => {
          if (code === 'a fault') throw new TypeError('broken')
          throw new ProblemError(code, 'Because.', { errors: [{ pointer: '/body/name', code: 'x', detail: 'y' }] })
        },
      },
    },
  )
  const [first, again] = [await createWith(url), await createWith(url)]
  expect([first.status, again.status]).toEqual([status, status])
  expect(ran).toHaveLength(isStored ? 1 : 2)
  const [one, two] = (await Promise.all([first.json(), again.json()])) as [Problem, Problem]
  // A stored problem is told under the id of the request that asks for it.
  expect(two.correlation_id).toBe(again.headers.get('x-correlation-id'))
  expect({ ...two, correlation_id: null }).toEqual({ ...one, correlation_id: null })
})

test('an answer that cannot be stored is given all the same, and logged', async () => {
  const failing: AnswerStore = {
    claim: async () => ({
      claim: {
        beforeCommit: async () => {},
        settle: () => Promise.reject(new Error('the database is gone')),
      },
    }),
  }
  const { url, logs } = await start({ answers: failing })
  expect((await createWith(url)).status).toBe(201)
  expect(logs).toContainEqual(expect.objectContaining({ level: 50, msg: expect.stringContaining('Idempotency-Key') }))
})

test.each<[string, string[] | undefined, number]>([
  ['none are configured', [], 1],
  ['some are', ['10.0.0.0/8'], 0],
  ['nobody asks for them, as at a mock', undefined, 0],
])('a proxy that is not trusted is warned of once where %s', async (_, trustedProxies, warnings) => {
  const { url, logs } = await startMini(onTestFinished, trustedProxies && { trustedProxies })
  for (const name of ['x-forwarded-for', 'forwarded', 'x-forwarded-for'])
    await fetch(`${url}/probe`, { headers: { [name]: 'for=203.0.113.9' } })
  const warned = logs.filter(({ level }) => level === 40)
  expect(warned.map(({ msg }) => String(msg).includes('SKELDIR_TRUSTED_PROXIES'))).toEqual(Array(warnings).fill(true))
  expect(JSON.stringify(warned)).not.toContain('203.0.113.9')
})

test.each<[string, Record<string, string>, string[], string]>([
  ['nobody is trusted', { 'x-forwarded-for': '203.0.113.9' }, [], '127.0.0.1'],
  ['a trusted proxy', { 'x-forwarded-for': '1.1.1.1, 203.0.113.9' }, ['127.0.0.0/8'], '203.0.113.9'],
  ['another proxy than this', { 'x-forwarded-for': '203.0.113.9' }, ['10.0.0.0/8'], '127.0.0.1'],
])('the client’s address: %s', async (_, headers, trustedProxies, address) => {
  const seen: (string | null)[] = []
  const { url } = await startMini(onTestFinished, {
    trustedProxies,
    handlers: {
      probe: async (ctx) => {
        seen.push((ctx as RequestContext).clientAddress)
        return { status: 200, body: { thing_id: 'a' } }
      },
    },
  })
  await fetch(`${url}/probe`, { headers })
  expect(seen).toEqual([address])
})
