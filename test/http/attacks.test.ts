import { connect, type Socket } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CorsPolicy } from '../../src/http/cors.ts'
import { asJson, type MiniServer, manager, startMini, talk } from './mini-server.ts'

const CREATE = `POST /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer manager\r\nContent-Type: application/json\r\n`
const BODY = '{"name":"a"}'
const CHUNKED_BODY = `c\r\n${BODY}\r\n0\r\n\r\n`
/** What an attacker hides behind a request: it must never run. */
const SMUGGLED = 'GET /probe HTTP/1.1\r\nHost: x\r\nX-Smuggled: 1\r\n\r\n'

function statusesOf(reply: string): number[] {
  return [...reply.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status))
}

function impatient({ server }: MiniServer, ms: number): void {
  Object.assign(server, { headersTimeout: ms, requestTimeout: ms, keepAliveTimeout: ms })
}

/** An honest client still gets what it asks for. */
async function expectHonestAnswer({ url }: MiniServer): Promise<void> {
  const reply = await fetch(`${url}/things`, { method: 'POST', body: BODY, headers: { ...manager, ...asJson } })
  expect(reply.status).toBe(201)
}

/** A page's origin is looked up before the request is routed, and takes its time. */
const ORIGINS: [string, string][] = [
  ['', ''],
  [' of a page', 'Origin: https://shop.example\r\n'],
]
const cors: CorsPolicy = {
  isAllowed: () => new Promise((resolve) => setTimeout(resolve, 20, false)),
  isAllowedFor: async () => false,
}

describe.each(ORIGINS)(
  'bytes%s that two readers may divide differently are refused, and the connection ends',
  (_, origin) => {
    test.each<[string, string]>([
      ['length and chunks', `${CREATE}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
      ['chunks and length', `${CREATE}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`],
      ['two equal lengths', `${CREATE}Content-Length: 12\r\nContent-Length: 12\r\n\r\n${BODY}`],
      ['two other lengths', `${CREATE}Content-Length: 12\r\nContent-Length: 2\r\n\r\n${BODY}`],
      ['a list of lengths', `${CREATE}Content-Length: 12, 12\r\n\r\n${BODY}`],
      ['a signed length', `${CREATE}Content-Length: +12\r\n\r\n${BODY}`],
      ['a negative length', `${CREATE}Content-Length: -1\r\n\r\n${BODY}`],
      ['a length in hex', `${CREATE}Content-Length: 0xc\r\n\r\n${BODY}`],
      ['a length beyond 64 bits', `${CREATE}Content-Length: 99999999999999999999\r\n\r\n${BODY}`],
      ['no length in the header', `${CREATE}Content-Length:\r\n\r\n${BODY}`],
      ['a space inside the length', `${CREATE}Content-Length: 1 2\r\n\r\n${BODY}`],
      ['a space before the colon', `${CREATE}Transfer-Encoding : chunked\r\n\r\n${CHUNKED_BODY}`],
      ['another coding', `${CREATE}Transfer-Encoding: xchunked\r\n\r\n${CHUNKED_BODY}`],
      ['identity', `${CREATE}Transfer-Encoding: identity\r\n\r\n`],
      ['chunked, then identity', `${CREATE}Transfer-Encoding: chunked, identity\r\n\r\n${CHUNKED_BODY}`],
      ['gzip, then chunked', `${CREATE}Transfer-Encoding: gzip, chunked\r\n\r\n${CHUNKED_BODY}`],
      ['chunked twice', `${CREATE}Transfer-Encoding: chunked, chunked\r\n\r\n${CHUNKED_BODY}`],
      [
        'chunked on two lines',
        `${CREATE}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`,
      ],
      ['chunked in quotes', `${CREATE}Transfer-Encoding: "chunked"\r\n\r\n${CHUNKED_BODY}`],
      ['a vertical tab before chunked', `${CREATE}Transfer-Encoding: \x0bchunked\r\n\r\n${CHUNKED_BODY}`],
      ['chunks in HTTP/1.0', `${CREATE.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}`],
      ['a folded header', 'GET /probe HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n'],
      ['a folded coding', `${CREATE}Transfer-Encoding:\r\n chunked\r\n\r\n${CHUNKED_BODY}`],
      ['a first header that is indented', 'GET /probe HTTP/1.1\r\n Host: x\r\n\r\n'],
      ['lines that end in LF', 'GET /probe HTTP/1.1\nHost: x\n\n'],
      ['one line that ends in LF', 'GET /probe HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n'],
      ['lines that end in CR', 'GET /probe HTTP/1.1\rHost: x\r\r'],
      ['CR inside a value', 'GET /probe HTTP/1.1\r\nHost: x\r\nX-A: a\rX-B: b\r\n\r\n'],
      ['LF inside the target', 'GET /probe\nX-A: b HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a request without a version', 'GET /probe\r\n\r\n'],
      ['another version', 'GET /probe HTTP/3.0\r\nHost: x\r\n\r\n'],
      ['a space inside the target', 'GET /probe x HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['a header without a colon', 'GET /probe HTTP/1.1\r\nHost: x\r\nX-A\r\n\r\n'],
      ['a header without a name', 'GET /probe HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n'],
      ['a space inside a name', 'GET /probe HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n'],
      ['a chunk size that is none', `${CREATE}Transfer-Encoding: chunked\r\n\r\nzz\r\n${BODY}\r\n0\r\n\r\n`],
      ['a negative chunk size', `${CREATE}Transfer-Encoding: chunked\r\n\r\n-c\r\n${BODY}\r\n0\r\n\r\n`],
      ['a chunk size with 0x', `${CREATE}Transfer-Encoding: chunked\r\n\r\n0xc\r\n${BODY}\r\n0\r\n\r\n`],
      ['a chunk size beyond 64 bits', `${CREATE}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n${BODY}\r\n`],
      ['a chunk size that ends in LF', `${CREATE}Transfer-Encoding: chunked\r\n\r\nc\n${BODY}\r\n0\r\n\r\n`],
      ['a chunk longer than its size', `${CREATE}Transfer-Encoding: chunked\r\n\r\n2\r\n${BODY}\r\n0\r\n\r\n`],
      [
        '20 kB of a chunk extension',
        `${CREATE}Transfer-Encoding: chunked\r\n\r\nc;${'a'.repeat(20_000)}\r\n${BODY}\r\n`,
      ],
    ])('%s', async (_, bytes) => {
      const mini = await startMini(onTestFinished, { cors })
      impatient(mini, 1_000)
      // Before the last line break of the headers, where there are lines as they should be.
      const sent = bytes.replace('\r\n\r\n', `\r\n${origin}\r\n`)
      const reply = await talk(mini.port, sent, SMUGGLED)
      expect(statusesOf(reply).filter((status) => status < 400)).toEqual([])
      expect(statusesOf(reply).length).toBeGreaterThan(0)
      expect(mini.ran).toEqual([])
      await expectHonestAnswer(mini)
    })

    test.each(['Host: y', 'Authorization: Bearer admin', 'Content-Type: text/plain', 'CONTENT-TYPE: application/json'])(
      'a second %s',
      async (line) => {
        const mini = await startMini(onTestFinished, { cors })
        const head = `${CREATE}${origin}${line}\r\nConnection: close\r\nContent-Length: 12\r\n\r\n`
        const reply = await talk(mini.port, `${head}${BODY}`)
        expect(statusesOf(reply)).toEqual([400])
        expect(reply).toContain('repeated_header')
        expect(mini.ran).toEqual([])
      },
    )
  },
)

test('chunks in capitals, with extensions and trailers, are HTTP', async () => {
  const mini = await startMini(onTestFinished)
  const head = `${CREATE}Connection: close\r\nTransfer-Encoding: CHUNKED\r\n\r\n`
  const reply = await talk(mini.port, `${head}c;a=b\r\n${BODY}\r\n0\r\nAuthorization: Bearer nobody\r\n\r\n`)
  expect(statusesOf(reply)).toEqual([201])
})

describe('slow clients', () => {
  /** Opens `count` sockets that send `head` and then a byte now and then, until the server ends them. */
  async function drip({ port }: MiniServer, count: number, head: string, byte: string): Promise<string[]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const socket = connect(port, '127.0.0.1')
        const received: Buffer[] = []
        socket.on('data', (chunk) => received.push(chunk))
        const timer = setInterval(() => socket.writable && socket.write(byte), 100)
        socket.write(head)
        await closed(socket)
        clearInterval(timer)
        return Buffer.concat(received).toString('latin1')
      }),
    )
  }

  test.each<[string, string, string]>([
    ['headers', 'GET /probe HTTP/1.1\r\nHost: x\r\nX-Slow: ', 'a'],
    ['a body of a known length', `${CREATE}Content-Length: 1000000\r\n\r\n`, ' '],
    ['chunks without end', `${CREATE}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
    ['a length that is not met', `${CREATE}Content-Length: 13\r\n\r\n${BODY}`, ''],
  ])('%s: 200 of them are cut off while an honest client is answered', async (_, head, byte) => {
    const mini = await startMini(onTestFinished)
    impatient(mini, 500)
    const started = performance.now()
    let isOver = false
    const slow = drip(mini, 200, head, byte).finally(() => {
      isOver = true
    })
    let honest = 0
    for (; !isOver; honest++) await expectHonestAnswer(mini)
    expect(honest).toBeGreaterThan(0)
    // Half a second, the interval of a second at which the server looks, and as much again for a busy machine.
    expect(performance.now() - started).toBeLessThan(10_000)
    for (const reply of await slow) expect(statusesOf(reply)).toEqual([408])
    expect(mini.ran).toEqual(new Array(honest).fill('createThing'))
    expect(mini.logs.filter(({ level }) => Number(level) >= 40)).toEqual([])
  })
})

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => {})
    socket.once('close', () => resolve())
  })
}

describe('compressed bombs are refused unread', () => {
  const zeros = Buffer.alloc(50_000_000)
  test.each<[string, Buffer]>([
    ['gzip', gzipSync(zeros)],
    ['x-gzip', gzipSync(zeros)],
    ['deflate', deflateSync(zeros)],
    ['br', brotliCompressSync(zeros)],
    ['zstd', zstdCompressSync(zeros)],
    ['gzip, gzip', gzipSync(gzipSync(zeros))],
    ['identity, gzip', gzipSync(zeros)],
  ])('%s', async (coding, bomb) => {
    const mini = await startMini(onTestFinished)
    expect(bomb.length).toBeLessThan(1_048_576)
    const before = process.memoryUsage().rss
    const reply = await fetch(`${mini.url}/things`, {
      method: 'POST',
      body: new Uint8Array(bomb),
      headers: { ...manager, ...asJson, 'content-encoding': coding },
    })
    expect(reply.status).toBe(415)
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000)
    const hook = await fetch(`${mini.url}/hooks/k`, {
      method: 'POST',
      body: new Uint8Array(bomb),
      headers: { 'x-signature': 'good', 'content-encoding': coding },
    })
    expect(hook.status).toBe(415)
    expect(mini.ran).toEqual([])
  })
})

describe('prototypes are not polluted', () => {
  const polluted = () => (({}) as Record<string, unknown>).polluted
  test.each([
    '{"name":"a","__proto__":{"polluted":1}}',
    '{"name":"a","constructor":{"prototype":{"polluted":1}}}',
    '{"__proto__":{"name":"a"}}',
    '{"name":"a","parts":[],"\\u005f_proto__":{"polluted":1}}',
    '{"name":"a","toString":null,"hasOwnProperty":1}',
  ])('by the body %s', async (body) => {
    const mini = await startMini(onTestFinished)
    const reply = await fetch(`${mini.url}/things`, { method: 'POST', body, headers: { ...manager, ...asJson } })
    expect(reply.status).toBe(422)
    expect(mini.ran).toEqual([])
    expect(polluted()).toBeUndefined()
    await expectHonestAnswer(mini)
  })

  test.each([
    '?__proto__=1',
    '?__proto__[polluted]=1',
    '?constructor[prototype][polluted]=1',
    '?constructor.prototype.polluted=1',
    '?tag=a&tag=__proto__&hasOwnProperty=1',
    '?toString=1',
  ])('by the query %s', async (query) => {
    const mini = await startMini(onTestFinished)
    expect((await fetch(`${mini.url}/things/a${query}`)).status).toBe(422)
    expect(polluted()).toBeUndefined()
  })

  test('by headers, a path, or an array that holds the name', async () => {
    const mini = await startMini(onTestFinished)
    const raw = 'GET /things/__proto__?tag=__proto__ HTTP/1.1\r\nHost: x\r\n__proto__: polluted\r\nconstructor: x\r\n'
    const reply = await talk(mini.port, `${raw}Connection: close\r\n\r\n`)
    expect(statusesOf(reply)).toEqual([200])
    expect(JSON.parse(reply.slice(reply.indexOf('\r\n\r\n')))).toEqual({
      thing_id: '__proto__',
      seen: { query: { tag: ['__proto__'] }, headers: {} },
    })
    expect(polluted()).toBeUndefined()
  })
})

describe('deep and wide JSON takes no time', () => {
  test.each<[string, string]>([
    ['arrays', '['.repeat(500_000)],
    ['arrays that close', `${'['.repeat(500_000)}${']'.repeat(500_000)}`],
    ['objects', '{"a":'.repeat(200_000)],
    ['members', `{${Array.from({ length: 100_000 }, (_, i) => `"${i}":0`).join()}}`],
    ['the same member', `{${'"a":0,'.repeat(150_000)}"a":0}`],
    ['a number of a million digits', `{"size":${'9'.repeat(1_000_000)}}`],
    ['a string of escapes', `"${'\\u0041'.repeat(170_000)}"`],
    ['open strings', '"\\'.repeat(500_000)],
  ])('%s', async (_, body) => {
    const mini = await startMini(onTestFinished)
    await expectHonestAnswer(mini)
    const started = process.cpuUsage()
    const reply = await fetch(`${mini.url}/things`, { method: 'POST', body, headers: { ...manager, ...asJson } })
    const { user, system } = process.cpuUsage(started)
    expect([400, 422]).toContain(reply.status)
    // CPU time of client and server together; a bound that only something quadratic misses.
    expect((user + system) / 1000).toBeLessThan(1_500)
    expect(mini.ran).toEqual(['createThing'])
  })
})
