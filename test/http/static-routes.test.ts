import { expect, onTestFinished, test } from 'vitest'
import { problems } from '../../generated/problems.ts'
import { document, startMini, talk } from './mini-server.ts'

test.each([
  ['/', 'text/html; charset=utf-8'],
  ['/docs', 'text/html; charset=utf-8'],
  ['/docs/openapi.json', 'application/json'],
  ['/docs/guides/errors.md', 'text/markdown; charset=utf-8'],
  ['/docs/style.css', 'text/css; charset=utf-8'],
  ['/docs/icon.svg', 'image/svg+xml'],
  ['/docs/redoc.standalone.js', 'text/javascript; charset=utf-8'],
  ['/collect.js', 'text/javascript; charset=utf-8'],
  ['/llms.txt', 'text/plain; charset=utf-8'],
  ['/docs/problems/not_found', 'text/html; charset=utf-8'],
  ['/.well-known/api-catalog', 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'],
])('%s is %s, with an ETag that is honoured', async (path, type) => {
  const { url } = await startMini(onTestFinished)
  const reply = await fetch(url + path)
  expect([reply.status, reply.headers.get('content-type')]).toEqual([200, type])
  expect(reply.headers.get('x-correlation-id')).toMatch(/^[0-9a-f-]{36}$/)
  const etag = reply.headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[\w-]{27}(?:-br|-gzip)?"$/)
  for (const value of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    expect((await fetch(url + path, { headers: { 'if-none-match': value } })).status).toBe(304)
  }
  expect((await fetch(url + path, { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
})

test('pages load nothing from elsewhere, and forbid it', async () => {
  const { url } = await startMini(onTestFinished)
  for (const path of ['/docs', '/docs/reference', '/docs/redoc', '/docs/problems/not_found']) {
    const reply = await fetch(url + path)
    expect(reply.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(reply.headers.get('content-security-policy')).not.toMatch(/https?:|\*/)
    expect(await reply.text()).not.toMatch(/(?:src|rel="stylesheet" href)="https?:/)
  }
  const bundle = await (await fetch(`${url}/docs/redoc.standalone.js`)).text()
  expect(bundle).not.toContain('cdn.redoc.ly')
  expect(bundle).not.toContain('fonts.googleapis.com')
})

test('/collect.js is for pages of any origin, for a day', async () => {
  const { url } = await startMini(onTestFinished)
  const { headers } = await fetch(`${url}/collect.js`, { headers: { origin: 'https://shop.example' } })
  expect(headers.get('cache-control')).toBe('public, max-age=86400')
  expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin')
})

test('every problem type has its page; others are 404', async () => {
  const { url } = await startMini(onTestFinished)
  for (const [code, { status, title }] of Object.entries(problems)) {
    const text = await (await fetch(`${url}/docs/problems/${code}`)).text()
    expect(text).toContain(`HTTP status ${status}`)
    expect(text).toContain(title)
  }
  for (const code of ['nothing', 'toString', '__proto__']) {
    expect((await fetch(`${url}/docs/problems/${code}`)).status).toBe(404)
  }
})

test('titles are escaped, the description is the document, the catalog points to both', async () => {
  const { url } = await startMini(onTestFinished)
  for (const path of ['/docs/reference', '/docs/redoc'])
    expect(await (await fetch(url + path)).text()).toContain('<title>Mini &lt;contract&gt;: API reference</title>')
  expect(await (await fetch(`${url}/docs/openapi.json`)).json()).toEqual(document)
  const reply = await fetch(`${url}/.well-known/api-catalog`, { method: 'HEAD' })
  expect(reply.headers.get('link')).toContain('rel="api-catalog"')
  const { linkset } = (await (await fetch(`${url}/.well-known/api-catalog`)).json()) as {
    linkset: Record<string, { href: string }[]>[]
  }
  expect(linkset[0]?.['service-desc']?.[0]?.href).toBe('/docs/openapi.json')
  expect(linkset[0]?.['service-doc']?.[0]?.href).toBe('/docs')
})

test('HEAD of the largest file has its length and no body', async () => {
  const { port } = await startMini(onTestFinished)
  const reply = await talk(port, 'HEAD /docs/redoc.standalone.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  expect(Number(/Content-Length: (\d+)/.exec(reply)?.[1])).toBeGreaterThan(500_000)
  expect(reply.endsWith('\r\n\r\n')).toBe(true)
})
