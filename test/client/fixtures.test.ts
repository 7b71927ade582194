import { setupServer } from 'msw/node'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { fixture, fixtures, replyHeaders, requests } from '../../generated/client/fixtures.js'
import { createClient } from '../../generated/client/index.js'
import { handlers } from '../../generated/client/msw.js'
import * as clientOperations from '../../generated/client/operations.js'
import { type OperationId, operations } from '../../generated/operations.ts'
import { replyHeaders as headerValidators, replies, requests as requestValidators } from '../../generated/validators.js'
import { callAny } from './call-any.ts'

const ORIGIN = 'https://api.example.test'
const ids = Object.keys(operations) as OperationId[]
type Bodies = Record<number, Record<string, Record<string, unknown>>>

/** Every operation, status, media type and example. */
const cells = ids.flatMap((id) =>
  Object.entries(fixtures[id] as Bodies).flatMap(([status, byMedia]) =>
    Object.entries(byMedia).flatMap(([mediaType, bodies]) =>
      Object.entries(bodies).map(([name, body]) => ({ id, status: Number(status), mediaType, name, body })),
    ),
  ),
)

test('there is an example for every status and media type of the contract, and each is valid', () => {
  expect(cells.length).toBeGreaterThan(800)
  for (const id of ids) {
    const documented = Object.entries(operations[id].replies).map(([status, { mediaTypes }]) => [
      status,
      [...mediaTypes].sort(),
    ])
    const own = Object.entries(fixtures[id] as Bodies).map(([status, byMedia]) => [status, Object.keys(byMedia).sort()])
    expect(Object.fromEntries(own), id).toEqual(Object.fromEntries(documented))
  }
  for (const { id, status, mediaType, name, body } of cells) {
    const validate = replies[id][status]?.[mediaType]
    if (validate === undefined) expect(typeof body, `${id} ${status} ${mediaType}`).toBe('string')
    else expect(validate(body) ? [] : validate.errors, `${id} ${status} ${name}`).toEqual([])
  }
})

test('the headers of each reply are valid', () => {
  for (const id of ids) {
    for (const [status, headers] of Object.entries(replyHeaders[id] as Record<number, Record<string, string>>)) {
      const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
      const validate = headerValidators[id][Number(status)]
      expect(validate?.(lower) === false ? validate.errors : [], `${id} ${status}`).toEqual([])
    }
  }
})

test('there is a valid request for every operation', () => {
  for (const id of ids) {
    const own = Object.entries(
      requests[id] as Record<string, { params?: object; query?: object; headers?: object; body?: unknown }>,
    )
    expect(own.length, id).toBeGreaterThan(0)
    for (const [name, { params: path = {}, query = {}, headers: header = {}, body }] of own) {
      const { parameters, body: bodyValidator } = requestValidators[id]
      expect(parameters?.({ path, query, header }) === false ? parameters.errors : [], `${id} ${name}`).toEqual([])
      if (name.includes('(')) continue
      expect(bodyValidator?.(body) === false ? bodyValidator.errors : [], `${id} ${name}`).toEqual([])
    }
  }
})

test('fixture gives a copy, by name or the first', () => {
  const first = fixture('listSessions', 200)
  expect(first).toEqual(Object.values(fixtures.listSessions[200]['application/json'])[0])
  first.items.length = 0
  expect(fixture('listSessions', 200).items.length).toBeGreaterThan(0)
  expect(fixture('exportRevenue', 200, { mediaType: 'text/csv' })).toMatch(/^date,/)
  expect(() => fixture('listSessions', 200, { name: 'nothing' as never })).toThrow(
    'listSessions 200 has no example nothing',
  )
  expect(() => fixture('logout', 204)).toThrow(RangeError)
  expect(() => fixture('logout', 204, { name: 'toString' as never })).toThrow(RangeError)
})

describe('the handlers for MSW', () => {
  const server = setupServer()
  beforeAll(() => server.listen({ onUnhandledFrame: 'error' }))
  afterAll(() => server.close())
  const api = createClient({ baseUrl: ORIGIN, retries: 0 })
  const call = (id: OperationId, headers: Record<string, string> = {}) => callAny(api, id, { headers })

  test('answer every status of every operation, as the contract says', async () => {
    server.use(...handlers({ baseUrl: ORIGIN }))
    for (const [id, row] of Object.entries(clientOperations)) {
      for (const status of Object.keys(row.replies).map(Number)) {
        const result = await call(id as OperationId, { prefer: `code=${status}` })
        expect(result, `${id} ${status}`).toMatchObject({ operationId: id, status, ok: status < 300 })
        const validateHeaders = headerValidators[id as OperationId][status]
        expect(validateHeaders?.(Object.fromEntries(result.response.headers)) ?? true, `${id} ${status}`).toBe(true)
        const validate = replies[id as OperationId][status]?.[result.mediaType ?? '']
        const body = result.data ?? result.problem
        if (validate !== undefined) expect(validate(body) ? [] : validate.errors, `${id} ${status}`).toEqual([])
      }
    }
  })

  test('by themselves answer the first success', async () => {
    server.resetHandlers(...handlers())
    expect(await api.getLiveness()).toMatchObject({ ok: true, data: { status: 'alive' } })
    expect(await api.logout()).toMatchObject({ ok: true, status: 204 })
    const excel = await api.exportExcel()
    expect(new Uint8Array(await (excel.data as Blob).arrayBuffer()).subarray(0, 4)).toEqual(
      new Uint8Array([80, 75, 5, 6]),
    )
  })

  test('say so when they are told to answer what is not documented', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => said.mockRestore())
    server.resetHandlers(...handlers({ baseUrl: ORIGIN }))
    for (const prefer of ['code=418', 'code=200, example=nothing']) {
      await expect(call('getTenant', { prefer })).rejects.toMatchObject({ reason: 'status', status: 500 })
    }
    const messages = said.mock.calls.flat().map(String)
    expect(messages.some((message) => /getTenant documents 200, .*, not 418/.test(message))).toBe(true)
    expect(messages.some((message) => message.includes('getTenant 200 has no example nothing'))).toBe(true)
  })

  test('can be told what to answer, for good or once', async () => {
    let sessions = 0
    server.resetHandlers(
      ...handlers({
        baseUrl: `${ORIGIN}/`,
        overrides: {
          getTenant: { status: 403 },
          getRealtimeRevenueV1: { status: 304 },
          login: { status: 409, example: Object.keys(fixtures.login[409]['application/problem+json'])[0] as never },
          listSessions: () => {
            sessions += 1
            return sessions === 1 ? Response.json({ items: [], next_cursor: null }) : undefined
          },
          getOrderCredits: ({ params }) => Response.json({ order_id: params.order_id }),
        },
      }),
    )
    expect((await api.getTenant()).status).toBe(403)
    expect((await api.getRealtimeRevenueV1()).status).toBe(304)
    expect((await call('login')).status).toBe(409)
    expect((await api.listSessions()).data).toEqual({ items: [], next_cursor: null })
    expect((await api.listSessions()).data).toEqual(fixture('listSessions', 200))
    const credits = await api.getOrderCredits({ params: { order_id: 'a/b' } })
    expect(credits.data).toEqual({ order_id: 'a/b' })
  })
})
