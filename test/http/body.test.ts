import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MAX_BODY_BYTES } from '../../src/http/body.ts'
import { asJson, manager, startMini, talk } from './mini-server.ts'

interface Answer {
  status: number
  code: string
  items: (string | undefined)[]
}

async function post(url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const reply = await fetch(`${url}/things`, { method: 'POST', headers: { ...manager, ...asJson, ...headers }, body })
  const { code, errors = [] } = (await reply.json()) as { code: string; errors?: { code: string; pointer: string }[] }
  return { status: reply.status, code, items: errors.map((item) => `${item.pointer} ${item.code}`) }
}

const head = (extra: string) =>
  `POST /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer manager\r\nContent-Type: application/json\r\n${extra}\r\n`

describe('a body that cannot be parsed is 400', () => {
  test.each<[string, string | Buffer, string]>([
    ['not JSON', 'hello', '/body syntax'],
    ['empty', '', '/body empty_body'],
    ['cut off', '{"name":', '/body syntax'],
    ['a raw NUL', '{"name":"a\0b"}', '/body nul_character'],
    ['an escaped NUL', '{"name":"a\\u0000b"}', '/body/name nul_character'],
    ['a lone surrogate', '{"name":"\\ud800"}', '/body/name lone_surrogate'],
    ['a byte order mark', '\uFEFF{"name":"a"}', '/body byte_order_mark'],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), '/body invalid_utf8'],
    ['depth 20,000', `${'['.repeat(20_000)}${']'.repeat(20_000)}`, '/body too_deep'],
    ['20,000 open objects', '{"a":'.repeat(20_000), '/body too_deep'],
    ['200,000 keys', `{${Array.from({ length: 80_000 }, (_, i) => `"${i}":1`).join()}}`, '/body too_many_keys'],
    ['a name twice', '{"name":"a","name":"b"}', '/body duplicate_key'],
  ])('%s', async (_name, body, item) => {
    const { url, ran, logs } = await startMini(onTestFinished)
    expect(await post(url, body)).toEqual({ status: 400, code: 'malformed_request', items: [item] })
    expect(ran).toEqual([])
    expect(logs.filter(({ level }) => (level as number) >= 40)).toEqual([])
  })
})

describe('a body that breaks the schema is 422', () => {
  test.each<[string, string, string[]]>([
    ['missing', '{}', ['/body/name required']],
    ['several faults', '{"name":"","size":-1}', ['/body/name minLength', '/body/size minimum']],
    ['no coercion of text', '{"name":"a","size":"1"}', ['/body/size type']],
    ['no coercion of numbers', '{"name":1}', ['/body/name type']],
    ['another type', '[]', ['/body type']],
    ['null', 'null', ['/body type']],
    ['not finite', '{"name":"a","size":1e400}', ['/body/size type']],
    ['unknown member', '{"name":"a","x/y~z":1}', ['/body/x~1y~0z additionalProperties']],
    ['__proto__', '{"name":"a","__proto__":{"polluted":1}}', ['/body/__proto__ additionalProperties']],
    [
      'constructor',
      '{"name":"a","constructor":{"prototype":{"polluted":1}}}',
      ['/body/constructor additionalProperties'],
    ],
  ])('%s', async (_name, body, items) => {
    const { url, ran } = await startMini(onTestFinished)
    expect(await post(url, body)).toEqual({ status: 422, code: 'validation_failed', items })
    expect(ran).toEqual([])
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test('parameters and body are reported together, with a correlation id that is not the invalid one', async () => {
    const { url } = await startMini(onTestFinished)
    const answer = await post(url, '{}', { 'x-correlation-id': 'nonsense' })
    expect(answer.items).toEqual(['/header/x-correlation-id format', '/body/name required'])
  })

  test('a name of a megabyte does not come back', async () => {
    const { url } = await startMini(onTestFinished)
    const body = JSON.stringify({ name: 'a', [`k${'x'.repeat(900_000)}`]: 1 })
    const reply = await fetch(`${url}/things`, { method: 'POST', headers: { ...manager, ...asJson }, body })
    expect(reply.status).toBe(422)
    expect((await reply.text()).length).toBeLessThan(2_000)
  })

  test('a hundred thousand faults are answered with one', async () => {
    const { url } = await startMini(onTestFinished)
    const body = JSON.stringify({ name: 'a', parts: Array.from({ length: 100_000 }, () => 'x') })
    expect(await post(url, body)).toMatchObject({ status: 422, items: ['/body/parts maxItems'] })
  })
})

describe('media types', () => {
  test.each<[string | undefined, number]>([
    ['application/json', 201],
    ['application/json; charset=utf-8', 201],
    ['Application/JSON;charset="UTF-8"', 201],
    ['application/json; charset=utf-16', 415],
    ['text/plain', 415],
    ['application/x-www-form-urlencoded', 415],
    ['application/jsonx', 415],
    ['', 415],
    [undefined, 415],
  ])('Content-Type %s: %i', async (type, status) => {
    const { port } = await startMini(onTestFinished)
    const line = type === undefined ? '' : `Content-Type: ${type}\r\n`
    const reply = await talk(
      port,
      `POST /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer manager\r\n${line}Connection: close\r\nContent-Length: 12\r\n\r\n{"name":"a"}`,
    )
    expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  test.each(['gzip', 'br', 'deflate', 'identity, gzip'])('Content-Encoding %s is 415', async (encoding) => {
    const { url, ran } = await startMini(onTestFinished)
    const body = encoding === 'gzip' ? gzipSync('{"name":"a"}') : '{"name":"a"}'
    expect((await post(url, body, { 'content-encoding': encoding })).status).toBe(415)
    expect(ran).toEqual([])
  })

  test('Content-Encoding identity is plain', async () => {
    const { url } = await startMini(onTestFinished)
    expect((await post(url, '{"name":"a"}', { 'content-encoding': 'identity' })).status).toBe(201)
  })

  test.each<[string, number]>([
    ['*/*', 200],
    ['application/*', 200],
    ['application/json', 200],
    ['text/html, application/json;q=0.1', 200],
    ['text/html, */*;q=0.1', 200],
    ['text/html', 406],
    ['application/problem+json', 406],
    ['application/json;q=0', 406],
    ['*/*;q=0', 406],
    ['nonsense', 406],
  ])('Accept %s: %i', async (accept, status) => {
    const { url } = await startMini(onTestFinished)
    const reply = await fetch(`${url}/things/a`, { headers: { accept } })
    expect(reply.status).toBe(status)
    if (status === 406) expect(reply.headers.get('content-type')).toBe('application/problem+json')
  })
})

describe('size', () => {
  test('exactly 1 MiB is read', async () => {
    const { url } = await startMini(onTestFinished)
    const body = `"${'x'.repeat(MAX_BODY_BYTES - 2)}"`
    expect((await post(url, body)).status).toBe(422)
  })

  test('one byte more is 413, and the client that still sends sees it', async () => {
    const { url, ran } = await startMini(onTestFinished)
    expect(await post(url, `"${'x'.repeat(MAX_BODY_BYTES - 1)}"`)).toMatchObject({
      status: 413,
      code: 'payload_too_large',
    })
    expect(ran).toEqual([])
  })

  test('a declared 10 MB is 413 before a byte of it is sent, and the connection ends', async () => {
    const { port } = await startMini(onTestFinished)
    const socket = connect(port, '127.0.0.1')
    const status = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString('latin1'))))
    socket.write(head('Content-Length: 10000000\r\n'))
    const reply = await status
    expect(reply).toMatch(/^HTTP\/1.1 413 /)
    expect(reply).toContain('\r\nConnection: close\r\n')
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.end()
    await closed
  })

  test('chunked without a length is cut at the limit; the client sees the 413 after sending 8 MB', async () => {
    const { url } = await startMini(onTestFinished)
    const status = await new Promise<number>((resolve, reject) => {
      const sent = httpRequest(`${url}/things`, { method: 'POST', headers: { ...manager, ...asJson } }, (reply) => {
        reply.resume().on('end', () => resolve(reply.statusCode ?? 0))
      })
      sent.on('error', reject)
      for (let i = 0; i < 8; i++) sent.write('x'.repeat(1_000_000))
      sent.end()
    })
    expect(status).toBe(413)
  })

  test('Expect: 100-continue is refused without asking for the body, and granted where it fits', async () => {
    const { port } = await startMini(onTestFinished)
    const refused = await talk(port, head('Expect: 100-continue\r\nContent-Length: 10000000\r\n'))
    expect(refused).toMatch(/^HTTP\/1.1 413 /)
    const socket = connect(port, '127.0.0.1')
    const granted = new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        if (text.endsWith('100 Continue\r\n\r\n')) socket.write('{"name":"a"}')
      })
      socket.on('close', () => resolve(text))
    })
    socket.write(head('Expect: 100-continue\r\nConnection: close\r\nContent-Length: 12\r\n'))
    expect(await granted).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
  })

  test('a Content-Length that is too small leaves bytes that are no request: 400', async () => {
    const { port } = await startMini(onTestFinished)
    const reply = await talk(port, `${head('Content-Length: 12\r\n')}{"name":"a"}{"name":"b"}`)
    expect(reply.match(/HTTP\/1.1 \d+/g)?.at(-1)).toBe('HTTP/1.1 400')
    expect(reply).toContain('"code":"malformed_request"')
  })

  test('a client that leaves before its body is complete runs no handler and logs no error', async () => {
    const { port, ran, logs, url } = await startMini(onTestFinished)
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((resolve) => socket.write(`${head('Content-Length: 100\r\n')}{"name"`, () => resolve()))
    await new Promise<void>((resolve) => socket.once('close', () => resolve()).resetAndDestroy())
    // One whole request later, the abandoned one has been seen.
    expect((await fetch(`${url}/probe`)).status).toBe(200)
    expect(ran).toEqual(['probe'])
    expect(logs.filter(({ level }) => (level as number) >= 40)).toEqual([])
  })

  test('a body on an operation without one is ignored', async () => {
    const { port } = await startMini(onTestFinished)
    const reply = await talk(
      port,
      'GET /things/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello',
      'GET /probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    expect(reply.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
  })
})

describe('what is not HTTP', () => {
  test.each([
    ['garbage', 'hello\r\n\r\n', 400],
    ['an unknown method', 'FROB / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['length and chunks', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['a header of 20 kB', `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['NUL in a header', 'GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n', 400],
  ])('%s', async (_name, bytes, status) => {
    const { port } = await startMini(onTestFinished)
    const reply = await talk(port, bytes)
    expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(reply).toContain('Content-Type: application/problem+json')
    expect(reply).toMatch(/X-Correlation-ID: [0-9a-f-]{36}/)
    const body = JSON.parse(reply.slice(reply.indexOf('\r\n\r\n') + 4))
    expect(body.status).toBe(status)
  })
})
