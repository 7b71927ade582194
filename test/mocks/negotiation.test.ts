import { describe, expect, test } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { replies } from '../../generated/validators.js'
import { readPreferences, toApplied } from '../../mocks/prefer.ts'
import { useMocks } from '../support/mocks.ts'

const mocks = useMocks()

describe('the header Prefer', () => {
  test.each([
    ['code=404', { code: 404 }],
    ['code="404"', { code: 404 }],
    ['Code = 404 , example=sold_out', { code: 404, example: 'sold_out' }],
    ['example="with, comma and \\"quotes\\""', { example: 'with, comma and "quotes"' }],
    ['dynamic', { dynamic: true }],
    ['dynamic=true, seed=a', { dynamic: true, seed: 'a' }],
    ['dynamic=false', { dynamic: false }],
    ['delay=0', { delay: 0 }],
    ['fault=reset', { fault: 'reset' }],
    ['code=404, code=500', { code: 404 }],
    ['return=minimal; foo="a,b", respond-async, wait=10, code=401; x=y', { code: 401 }],
    ['', {}],
    ['handling=lenient', {}],
  ])('%s', (header, expected) => {
    expect(readPreferences(header)).toEqual(expected)
  })

  test.each([
    'code=abc',
    'code=99',
    'code=',
    'delay=30001',
    'delay=-1',
    'fault=nope',
    'example=',
    'dynamic=perhaps',
    'code=404 "',
  ])('%s cannot be meant', (header) => {
    expect(() => readPreferences(header)).toThrow(/Prefer/)
  })

  test('is said to have been applied', () => {
    expect(toApplied({ code: 404, example: 'not found' })).toBe('code=404, example="not found"')
    expect(toApplied({})).toBeUndefined()
  })
})

describe('a status that is asked for', () => {
  const cells = Object.entries(operations).flatMap(([id, { method, path, replies: declared }]) =>
    Object.keys(declared).map((status) => ({ id, method, path, status: Number(status) })),
  )

  test('is given for every operation without a request that would lead to it', async () => {
    for (const { id, method, path, status } of cells) {
      const answer = await mocks.ask(path.replaceAll(/\{[^}]+\}/g, 'x'), {
        method: method.toUpperCase(),
        headers: { prefer: `code=${status}`, authorization: null },
      })
      expect([id, answer.status, answer.headers.get('preference-applied')]).toEqual([id, status, `code=${status}`])
    }
    expect(mocks.lines).toEqual([])
    expect(cells.length).toBeGreaterThan(700)
  })

  test.each([
    [405, 'method_not_allowed'],
    [500, 'internal_error'],
    [501, 'not_implemented'],
  ])('%i belongs to the server, and is given too', async (status, code) => {
    const answer = await mocks.ask('/api/tenant', { headers: { prefer: `code=${status}` } })
    expect([answer.status, answer.body.code]).toEqual([status, code])
    if (status === 405) expect(answer.headers.get('allow')).toBeTruthy()
  })

  test('that is not documented is a problem that lists those that are', async () => {
    const { status, body, headers } = await mocks.ask('/health/live', { headers: { prefer: 'code=404' } })
    expect([status, body.code, headers.get('preference-applied')]).toEqual([400, 'malformed_request', null])
    expect(body.detail).toBe('getLiveness can answer 200, 405, 406, 500, 501; not 404.')
    expect(body.errors).toEqual([{ pointer: '/header/prefer', code: 'undocumented_status', detail: body.detail }])
  })

  test.each([
    [401, 'www-authenticate', /./],
    [429, 'retry-after', /^[1-9]\d*$/],
    [503, 'retry-after', /^[1-9]\d*$/],
    [304, 'etag', /^"/],
  ])('%i has the headers that the contract requires', async (status, name, pattern) => {
    const target = status === 429 ? '/api/attribution/revenue/realtime' : '/api/v1/revenue/realtime'
    const answer = await mocks.ask(target, { headers: { prefer: `code=${status}` } })
    expect([answer.status, answer.headers.get(name)]).toEqual([status, expect.stringMatching(pattern)])
  })

  test('201 has its Location, and 204 no body and no type', async () => {
    const created = await mocks.ask('/api/webhook-endpoints', { method: 'POST', headers: { prefer: 'code=201' } })
    expect([created.status, created.headers.get('location')]).toEqual([201, expect.stringMatching(/^\//)])
    const gone = await mocks.ask('/api/auth/logout', { method: 'POST', headers: { prefer: 'code=204' } })
    expect([gone.status, gone.text, gone.headers.get('content-type')]).toEqual([204, '', null])
  })
})

describe('an example that is asked for', () => {
  test('is given; the first one otherwise', async () => {
    const plain = await mocks.ask(
      '/api/attribution/channels?model=last_touch&start_date=2026-11-19&end_date=2026-11-20',
    )
    expect(plain.status).toBe(200)
    const named = (name: string) =>
      mocks.ask('/api/attribution/channels', { headers: { prefer: `code=200, example=${name}` } })
    expect((await named('two_days')).body).toEqual(plain.body)
    expect((await named('no_orders')).body.channels).toEqual([])
  })

  test('of a refusal brings its status along', async () => {
    const { status, body, headers } = await mocks.ask('/api/auth/login', {
      method: 'POST',
      headers: { prefer: 'example=tenant_selection_required' },
    })
    expect([status, body.code, headers.get('preference-applied')]).toEqual([
      409,
      'tenant_selection_required',
      'example=tenant_selection_required',
    ])
  })

  test('that does not exist is a problem that lists those that do', async () => {
    const { status, body } = await mocks.ask('/health/live', { headers: { prefer: 'code=200, example=nope' } })
    expect([status, body.errors[0].code]).toEqual([400, 'unknown_example'])
    expect(body.detail).toMatch(/^getLiveness has no example nope\. It has \w+ \(200\)\.$/)
  })

  test('does not spare the request its checks when it is one of success', async () => {
    const headers = { prefer: 'example=two_days', authorization: null }
    expect((await mocks.ask('/api/attribution/channels', { headers })).status).toBe(401)
  })
})

describe('a body that is made from the schema', () => {
  const target = '/api/attribution/channels'

  test('is valid, and the same for the same seed', async () => {
    const headers = (seed: string) => ({ prefer: `code=200, dynamic=true, seed=${seed}` })
    const [one, same, other] = [
      await mocks.ask(target, { headers: headers('a') }),
      await mocks.ask(target, { headers: headers('a') }),
      await mocks.ask(target, { headers: headers('b') }),
    ]
    expect(replies.getChannelAttribution[200]?.['application/json']?.(one.body)).toBe(true)
    expect([same.text === one.text, other.text === one.text]).toEqual([true, false])
  })

  test('is valid for every operation that answers JSON', async () => {
    for (const [id, { method, path, replies: declared }] of Object.entries(operations)) {
      const status = Object.entries(declared).find(([, { mediaTypes }]) =>
        (mediaTypes as readonly string[]).includes('application/json'),
      )?.[0]
      if (status === undefined) continue
      const answer = await mocks.ask(path.replaceAll(/\{[^}]+\}/g, 'x'), {
        method: method.toUpperCase(),
        headers: { prefer: `code=${status}, dynamic=true`, accept: 'application/json' },
      })
      expect([id, answer.status, answer.text.slice(0, 300)]).toEqual([id, Number(status), expect.any(String)])
    }
    expect(mocks.lines).toEqual([])
  })
})

describe('media types', () => {
  const exportOf = (query: string, accept?: string) =>
    mocks.ask(`/api/export/revenue?start_date=2026-11-19&end_date=2026-11-19${query}`, {
      headers: accept === undefined ? {} : { accept },
    })

  test.each([
    ['the first without a wish', '', undefined, 'text/csv'],
    ['by Accept', '', 'application/json', 'application/json'],
    ['by weight', '', 'text/csv;q=0.1, application/json', 'application/json'],
    ['by the parameter `format`', '&format=json', undefined, 'application/json'],
    ['a file', '&format=xlsx', undefined, 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
  ])('%s', async (_what, query, accept, expected) => {
    const answer = await exportOf(query, accept)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expected])
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename=/)
    if (expected === 'text/csv') expect(answer.text).toMatch(/^date,channel,currency,/)
  })

  test('one that is not offered is 406', async () => {
    expect((await exportOf('', 'image/png')).status).toBe(406)
  })

  test('a metric page with a parameter in its type', async () => {
    const answer = await mocks.ask('/metrics')
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4'])
  })
})
