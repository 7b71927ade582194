import { expect, onTestFinished, test } from 'vitest'
import { talk } from '../http/mini-server.ts'
import { startPortal } from './portal.ts'

const OWN_PAGES = ['/docs', '/docs/guides/errors', '/docs/operations', '/docs/problems/not_found', '/docs/changelog']

test('our own pages run nothing and take nothing from elsewhere', async () => {
  const url = await startPortal(onTestFinished)
  for (const path of OWN_PAGES) {
    const { headers } = await fetch(url + path)
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
  }
})

test('the reference may run our scripts only, and speak to this server and the mocks only', async () => {
  const url = await startPortal(onTestFinished, 'http://mocks.test:4000')
  for (const [path, connect] of [
    ['/docs/reference', "'self' http://mocks.test:4000"],
    ['/docs/redoc', "'self'"],
  ] as const) {
    const csp = (await fetch(url + path)).headers.get('content-security-policy') ?? ''
    const directives = new Map(csp.split('; ').map((each) => [each.split(' ')[0], each.slice(each.indexOf(' ') + 1)]))
    expect(directives.get('default-src')).toBe("'none'")
    expect(directives.get('script-src')).toBe("'self'")
    expect(directives.get('connect-src')).toBe(connect)
    expect(csp).not.toMatch(/unsafe-eval|\*|https:/)
  }
})

test('where there are no mocks, only this server can be tried', async () => {
  const url = await startPortal(onTestFinished, null)
  const { headers } = await fetch(`${url}/docs/reference`)
  expect(headers.get('content-security-policy')).toContain("connect-src 'self';")
  const script = await (await fetch(`${url}/docs/reference.js`)).text()
  expect(script).toContain('const mocks = []')
  expect(script).not.toContain('suits-the-mocks')
  expect(await (await fetch(`${url}/docs/operations/login.md`)).text()).toContain(
    "curl -X POST 'http://localhost:4000/",
  )
})

test('the bundle of Scalar is its own, names no file of its makers, and asks for no evaluation', async () => {
  const url = await startPortal(onTestFinished)
  const reply = await fetch(`${url}/docs/scalar.standalone.js`)
  expect(reply.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
  const text = await reply.text()
  expect(text.length).toBeGreaterThan(3_000_000)
  expect(text).toContain('createApiReference')
  expect(text).not.toContain('sourceMappingURL')
  expect(text.startsWith('globalThis.__zod_globalConfig = { jitless: true };')).toBe(true)
})

test('large files are compressed once somebody asks, each form under a tag of its own', async () => {
  const url = await startPortal(onTestFinished)
  const path = `${url}/docs/redoc.standalone.js`
  const ask = (headers: Record<string, string>) => fetch(path, { headers })
  const plain = await ask({ 'accept-encoding': 'identity' })
  const body = await plain.text()
  expect([plain.headers.get('content-encoding'), plain.headers.get('vary')]).toEqual([null, 'Accept-Encoding'])
  for (const coding of ['br', 'gzip']) {
    await expect
      .poll(async () => (await ask({ 'accept-encoding': coding })).headers.get('content-encoding'), { timeout: 20_000 })
      .toBe(coding)
    const reply = await ask({ 'accept-encoding': `${coding};q=0.5, identity;q=0.1` })
    expect(Number(reply.headers.get('content-length'))).toBeLessThan(body.length / 2)
    expect(await reply.text()).toBe(body)
    const tag = reply.headers.get('etag') ?? ''
    expect(tag).toBe(`${plain.headers.get('etag')?.slice(0, -1)}-${coding}"`)
    const again = await ask({ 'accept-encoding': coding, 'if-none-match': tag })
    expect([again.status, again.headers.get('etag'), again.headers.get('vary')]).toEqual([304, tag, 'Accept-Encoding'])
  }
  expect((await ask({ 'accept-encoding': 'br;q=0, gzip;q=0.0' })).headers.get('content-encoding')).toBe(null)
})

test('HEAD of a compressed form has its length and no body', async () => {
  const url = await startPortal(onTestFinished)
  const { port } = new URL(url)
  const request = 'HEAD /docs/openapi.json HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n'
  await expect.poll(() => talk(Number(port), request), { timeout: 20_000 }).toContain('Content-Encoding: gzip')
  const reply = await talk(Number(port), request)
  expect(Number(/Content-Length: (\d+)/.exec(reply)?.[1])).toBeGreaterThan(10_000)
  expect(reply.endsWith('\r\n\r\n')).toBe(true)
})

test.each([
  '/docs/index',
  '/docs/guides/index',
  '/docs/guides/errors.html',
  '/docs/guides/..%2Findex',
  '/docs/guides/%2e%2e%2fstyle.css',
  '/docs/operations/constructor',
  '/docs/problems/index.html',
  '/docs/shell',
  '/docs/guides/',
])('%s does not exist', async (path) => {
  const url = await startPortal(onTestFinished)
  const { port } = new URL(url)
  const reply = await talk(Number(port), `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  expect(reply).toMatch(/^HTTP\/1\.1 404 /)
})

test('the catalog is a linkset whose every link on this server is answered', async () => {
  const url = await startPortal(onTestFinished)
  const path = '/.well-known/api-catalog'
  const head = await fetch(url + path, { method: 'HEAD' })
  expect(head.headers.get('link')).toBe('</.well-known/api-catalog>; rel="api-catalog"')
  expect(head.headers.get('content-type')).toBe(
    'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"',
  )
  const { linkset } = (await (await fetch(url + path)).json()) as { linkset: Record<string, unknown>[] }
  const relations = linkset.flatMap(({ anchor, ...rest }) => {
    expect(typeof anchor).toBe('string')
    return Object.entries(rest) as [string, { href: string; type?: string }[]][]
  })
  expect(relations.map(([relation]) => relation)).toEqual([
    'service-desc',
    'service-doc',
    'status',
    'version-history',
    'deprecation',
    'item',
  ])
  for (const [relation, targets] of relations) {
    for (const { href, type } of targets) {
      const reply = await fetch(new URL(href, url))
      // Without a database nothing is ready; that there is such an operation is what counts.
      if (relation === 'status') expect(reply.status, href).toBeGreaterThanOrEqual(500)
      else expect(reply.status, href).toBe(200)
      if (relation.startsWith('service-doc') || relation === 'deprecation')
        expect(reply.headers.get('content-type'), href).toContain(type)
    }
  }
})

test('llms.txt is a title, a summary and lists of links with notes', async () => {
  const url = await startPortal(onTestFinished)
  const lines = (await (await fetch(`${url}/llms.txt`)).text()).trimEnd().split('\n')
  expect(lines[0]).toBe('# Skeldir API')
  expect(lines[2]).toMatch(/^> .*\b\d+ operations/)
  const sections = lines.filter((line) => line.startsWith('## '))
  expect(sections).toContain('## Guides')
  expect(sections.filter((line) => line.startsWith('## Operations: ')).length).toBeGreaterThan(10)
  const first = lines.indexOf(sections[0] as string)
  for (const line of lines.slice(first)) expect(line).toMatch(/^$|^## \S|^- \[[^\]]+\]\(\/[^)]+\): \S/)
})
