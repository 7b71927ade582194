import { expect, test } from 'vitest'
import { createClient, SkeldirProblem, SkeldirUnexpectedResponse } from '../../generated/client/index.js'
import { problem, type Seen, startTinyApi } from './tiny-api.ts'

/** Answers `cursors[cursor]`: where to go on. */
async function startList(cursors: Record<string, string | null>) {
  const { url, seen } = await startTinyApi(({ url }: Seen) => {
    const cursor = new URL(url, 'http://x').searchParams.get('cursor') ?? ''
    return { body: { items: [{ at: cursor }], next_cursor: cursors[cursor] } }
  })
  return { api: createClient({ baseUrl: url }), seen }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

test('iterate gives the items of all pages, and keeps the filters', async () => {
  const { api, seen } = await startList({ '': 'a', a: 'b', b: null })
  const items = await collect(api.iterate('listDeadEvents', { query: { vendor: 'stripe', limit: 1 } }))
  expect(items).toEqual([{ at: '' }, { at: 'a' }, { at: 'b' }])
  expect(seen.map(({ url }) => url)).toEqual([
    '/api/dead-events?vendor=stripe&limit=1',
    '/api/dead-events?vendor=stripe&limit=1&cursor=a',
    '/api/dead-events?vendor=stripe&limit=1&cursor=b',
  ])
})

test('pages begin at the cursor that is given, and are asked for one by one', async () => {
  const { api, seen } = await startList({ a: 'b', b: 'c', c: null })
  for await (const page of api.pages('listDeadEvents', { query: { cursor: 'a' } })) {
    expect(page.next_cursor).toBe('b')
    break
  }
  expect(seen).toHaveLength(1)
})

test.each([
  ['stays', { '': 'a', a: 'a' }],
  ['goes back to the start', { a: 'a' }],
  ['goes round in a circle', { '': 'a', a: 'b', b: 'c', c: 'd', d: 'b' }],
])('a cursor that %s ends the list', async (_name, cursors) => {
  const { api, seen } = await startList(cursors)
  const query = '' in cursors ? {} : { cursor: 'a' }
  const error = await collect(api.pages('listDeadEvents', { query })).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SkeldirUnexpectedResponse)
  expect(error).toMatchObject({ reason: 'cursor', operationId: 'listDeadEvents' })
  expect(seen.length).toBeLessThan(20)
})

test('a long list is no circle', async () => {
  const cursors = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [n === 0 ? '' : `c${n}`, n === 299 ? null : `c${n + 1}`]),
  )
  const { api } = await startList(cursors)
  expect(await collect(api.iterate('listDeadEvents'))).toHaveLength(300)
})

test('a page that is refused throws its problem', async () => {
  const { url } = await startTinyApi([{ body: { items: [1], next_cursor: 'a' } }, problem(422, 'validation_failed')])
  const list = createClient({ baseUrl: url }).iterate('listDeadEvents')
  expect((await list.next()).value).toBe(1)
  const error = await list.next().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SkeldirProblem)
  expect(error).toMatchObject({ status: 422, problem: { code: 'validation_failed' } })
})

test('a page that is busy is asked for again', async () => {
  const busy = { ...problem(503, 'service_unavailable'), headers: { 'retry-after': '0' } }
  const { url, seen } = await startTinyApi([busy, { body: { items: [1], next_cursor: null } }])
  expect(await collect(createClient({ baseUrl: url }).iterate('listDeadEvents'))).toEqual([1])
  expect(seen).toHaveLength(2)
})

test('an operation that is no list is refused', () => {
  const api = createClient({ baseUrl: 'https://api.example.com' })
  expect(() => api.pages('getTenant' as 'listDeadEvents')).toThrow('getTenant is not a list')
})
