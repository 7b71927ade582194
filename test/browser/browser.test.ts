import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, type TestContext, test } from 'vitest'
import { noBrowser, useBrowser } from '../support/browser.ts'

// The harness itself: without these, "no console errors" could mean that nobody listened.
describe.skipIf(noBrowser)('what a page does wrong fails its test', () => {
  const browser = useBrowser()

  const wrongs: [string, string, RegExp][] = [
    ['a console error', '<script>console.error("spilled")</script>', /console: spilled/],
    ['an exception', '<script>throw new Error("tripped")</script>', /exception: tripped/],
    ['a request that would leave the machine', '<img src="https://example.com/a.png">', /left the machine: https/],
    ['what the content security policy refuses', '<style>h1 { color: red }</style>', /Content Security Policy/],
  ]
  for (const [name, html, problem] of wrongs) {
    test(name, async (context) => {
      const { page, problems } = await browser.open(context)
      await page.goto(await serve(context, html))
      await expect.poll(() => problems.join('\n')).toMatch(problem)
      problems.length = 0
    })
  }

  test('a page that does nothing wrong does not', async (context) => {
    const { page, problems } = await browser.open(context)
    await page.goto(await serve(context, '<h1>Hello</h1>'))
    expect(await page.textContent('h1')).toBe('Hello')
    expect(problems).toEqual([])
  })
})

async function serve({ onTestFinished }: TestContext, html: string): Promise<string> {
  const csp = "default-src 'none'; script-src 'unsafe-inline'; img-src *"
  const server = createServer((req, res) => {
    if (req.url === '/favicon.ico') return void res.writeHead(204).end()
    res.setHeader('Content-Type', 'text/html').setHeader('Content-Security-Policy', csp)
    res.end(`<!doctype html><title>Test</title>${html}`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
