import { expect, test } from 'vitest'
import { createClient } from '../../../generated/client/index.js'
import { toOutcome } from './outcome.ts'

const PROBLEM = {
  type: '/docs/problems/not_implemented',
  title: 'Not implemented',
  status: 501,
  detail: 'This operation is not available yet.',
  instance: 'urn:uuid:163abffd-b49e-44aa-9a0f-2e11d97d5317',
  code: 'not_implemented',
  correlation_id: '163abffd-b49e-44aa-9a0f-2e11d97d5317',
}

/** What the page makes of one answer to `getLiveness`. */
function outcomeOf(answer: () => Promise<Response>, signal?: AbortSignal) {
  const api = createClient({ baseUrl: 'https://api.example.com', fetch: answer, retries: 0 })
  return toOutcome(api.getLiveness({}, { signal }))
}

function json(status: number, body: unknown, headers: Record<string, string> = {}) {
  const type = status < 400 ? 'application/json' : 'application/problem+json'
  return async () => new Response(JSON.stringify(body), { status, headers: { 'content-type': type, ...headers } })
}

test('an answer is data, with who gave it', async () => {
  const headers = { 'x-served-by': 'mock', etag: '"a"' }
  expect(await outcomeOf(json(200, { status: 'ok' }, headers))).toEqual({
    kind: 'data',
    data: { status: 'ok' },
    status: 200,
    etag: '"a"',
    servedBy: 'mock',
  })
  expect(await outcomeOf(json(200, { status: 'ok' }, { 'x-served-by': 'oracle' }))).toMatchObject({ servedBy: null })
})

test('501 is something that the server does not have', async () => {
  expect(await outcomeOf(json(501, PROBLEM, { 'x-served-by': 'real' }))).toEqual({
    kind: 'missing',
    problem: PROBLEM,
    servedBy: 'real',
  })
})

test('a problem is a problem, documented or not', async () => {
  const problem = { ...PROBLEM, status: 500, code: 'internal' }
  const outcome = { kind: 'problem', problem, retryAfterS: null, servedBy: null }
  expect(await outcomeOf(json(500, problem))).toEqual(outcome)
  expect(await outcomeOf(json(500, problem, { 'retry-after': '7' }))).toEqual({ ...outcome, retryAfterS: 7 })
  expect(await outcomeOf(json(500, problem, { 'retry-after': 'soon' }))).toEqual(outcome)
})

test('another program at the address is not taken for the platform', async () => {
  const page = async () => new Response('<h1>It works</h1>', { headers: { 'content-type': 'text/html' } })
  expect(await outcomeOf(page)).toEqual({ kind: 'foreign', status: 200, correlationId: null, servedBy: null })
})

test('no answer', async () => {
  const fail = () => Promise.reject(new TypeError('Failed to fetch'))
  expect(await outcomeOf(fail)).toEqual({ kind: 'unreachable', reason: 'connection' })
  expect(await outcomeOf(fail, AbortSignal.abort())).toEqual({ kind: 'aborted' })
})
