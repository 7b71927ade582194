import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { type OperationId, operations } from '../../generated/operations.ts'
import { type MockHost, startMocks } from '../../mocks/host.ts'
import { exportPortal } from '../../scripts/docs/export.ts'
import { TEXT_TYPES } from '../../src/http/static/file.ts'
import { startPortal } from '../docs/portal.ts'
import { noBrowser, useBrowser } from '../support/browser.ts'

const OPERATIONS = Object.keys(operations).length
const PHONE = { width: 390, height: 800 }
const DESKTOP = { width: 1440, height: 900 }
/** One of each kind, the widest among them. */
const OWN_PAGES = [
  '/docs',
  '/docs/guides',
  '/docs/guides/webhooks',
  '/docs/guides/errors',
  '/docs/operations',
  '/docs/operations/getOrderCredits',
  '/docs/operations/shopifyOrderCreate',
  '/docs/problems',
  '/docs/problems/validation_failed',
  '/docs/changelog',
  '/docs/deprecations',
]
/** One of each kind, the longest left out: axe takes seconds for a page of thousands of elements. */
const ACCESSIBLE_PAGES = [
  '/docs',
  '/docs/guides/webhooks',
  '/docs/guides/errors',
  '/docs/operations/getRecomputeJob',
  '/docs/problems/last_admin',
  '/docs/deprecations',
]

describe.skipIf(noBrowser)('the documentation in a browser', { timeout: 120_000 }, () => {
  const browser = useBrowser()
  let mocks: MockHost
  let url = ''
  const closing: (() => Promise<void>)[] = []

  beforeAll(async () => {
    mocks = await startMocks({ ports: 'free' })
    closing.push(() => mocks.stop())
    url = await startPortal((close) => void closing.push(close), mocks.gatewayUrl)
  }, 60_000)
  afterAll(async () => {
    for (const close of closing) await close()
  })

  test('the home leads to every part, and says how many operations are real', async (context) => {
    const { page } = await browser.open(context)
    await page.goto(`${url}/docs`)
    expect(await page.textContent('h1')).toContain('Skeldir API')
    expect(await page.textContent('.facts')).toMatch(new RegExp(`${OPERATIONS} operations \\d+ real on this server`))
    const menu = page.getByRole('navigation', { name: 'Documentation' })
    for (const name of ['Operations', 'Quick start', 'Problem types', 'Changelog', 'Deprecations', 'Typed client']) {
      await menu.getByRole('link', { name, exact: true }).click()
      await expect.poll(() => page.locator('main h1').textContent()).toContain(name)
      expect(await menu.locator('[aria-current="page"]').textContent()).toBe(name)
    }
  })

  test('everything but the reference works without JavaScript', async (context) => {
    const { page } = await browser.open(context, { javaScriptEnabled: false, viewport: PHONE })
    await page.goto(`${url}/docs`)
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.getByRole('link', { name: 'Errors', exact: true }).click()
    await page.waitForURL('**/docs/guides/errors')
    await page.goto(`${url}/docs/reference`)
    expect(await page.textContent('noscript')).toContain('Every operation also has a page of its own')
  })

  test('on a phone the menu opens, and no page is wider than the screen', async (context) => {
    const { page } = await browser.open(context, { viewport: PHONE })
    for (const path of OWN_PAGES) {
      await page.goto(url + path)
      const widths = await page.evaluate<number[]>(
        '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
      )
      expect(widths[0], path).toBeLessThanOrEqual(widths[1] as number)
      expect(await page.locator('#menu').isVisible(), path).toBe(false)
    }
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.locator('#menu').getByRole('link', { name: 'Money', exact: true }).click()
    await page.waitForURL('**/docs/guides/money')
  })

  test('our own pages are accessible', async (context) => {
    const { page } = await browser.open(context, { colorScheme: 'light' })
    for (const path of ACCESSIBLE_PAGES) {
      await page.goto(url + path)
      expect(await faultsOfAccess(page), path).toEqual([])
    }
  })

  test('in the dark, our own pages have contrast enough', async (context) => {
    const { page } = await browser.open(context, { colorScheme: 'dark' })
    for (const path of ACCESSIBLE_PAGES) {
      await page.goto(url + path)
      expect(await faultsOfAccess(page, ['color-contrast']), path).toEqual([])
    }
  })

  test('the reference renders every operation, and leads to nobody', async (context) => {
    const { page } = await browser.open(context, { viewport: DESKTOP })
    await openReference(page, '')
    for (;;) {
      const closed = page.getByRole('button', { name: /^Open Group - (?!Models)/ }).first()
      if ((await closed.count()) === 0) break
      await closed.click()
    }
    const listed = page.locator(
      'aside a[href*="/GET/"], aside a[href*="/POST/"], aside a[href*="/PATCH/"], aside a[href*="/DELETE/"], aside a[href*="/PUT/"]',
    )
    await expect.poll(() => listed.count()).toBe(OPERATIONS)
    const foreign = page.locator('a[href^="http"]').filter({ visible: true })
    const own = new URL(url).origin
    for (const link of await foreign.all()) expect(await link.getAttribute('href')).toContain(own)
    for (const text of ['Powered by Scalar', 'Ask AI', 'Generate MCP', 'Open API Client'])
      expect(await page.getByText(text).filter({ visible: true }).count(), text).toBe(0)
  })

  test('an operation is badged with its state and its latency objective', async (context) => {
    const { page } = await browser.open(context, { viewport: DESKTOP })
    // An address as our own pages have it: Markdown encodes the braces.
    const section = await openReference(page, '#tag/attribution/GET/api/attribution/orders/%7Border_id%7D/credits')
    await expect.poll(() => section.textContent()).toContain('getOrderCredits')
    await expectBadges(section, 'getOrderCredits', 'real')
  })

  test('trying out sends the request to the mocks and shows their answer', async (context) => {
    const { page } = await browser.open(context, { viewport: DESKTOP })
    const section = await openReference(page, '#tag/reconciliation/GET/api/reconciliation/status')
    await expectBadges(section, 'getReconciliationStatus', 'mock')
    await section.getByRole('button', { name: 'Test Request' }).click()
    const answered = page.waitForResponse(
      (response) => response.url().startsWith(mocks.gatewayUrl) && response.request().method() === 'GET',
    )
    await page.getByRole('button', { name: /^Send/ }).first().click()
    const response = await answered
    expect(response.status()).toBe(200)
    expect(response.headers()['x-served-by']).toBe('mock')
    const dialog = page.getByRole('dialog')
    await expect.poll(() => dialog.textContent()).toContain('200 OK')
    await expect.poll(() => dialog.textContent()).toContain('"amount_minor"')
  })

  test('Redoc renders every operation', async (context) => {
    const { page } = await browser.open(context)
    await page.goto(`${url}/docs/redoc`)
    await expect
      .poll(() => page.locator('[id^="tag/"][id*="/operation/"]').count(), { timeout: 30_000 })
      .toBe(OPERATIONS)
    expect(await page.locator('a[href*="redocly"]').filter({ visible: true }).count()).toBe(0)
  })

  test('the folder of docs:build works below any path of any server', async (context) => {
    const { page } = await browser.open(context)
    const home = await serveFolder(context)
    await page.goto(home)
    await page.getByRole('link', { name: 'Problem types', exact: true }).first().click()
    await page.getByRole('link', { name: 'forbidden', exact: true }).click()
    expect(await page.textContent('h1')).toBe('Forbidden')
    await page.getByRole('link', { name: 'createApiKey', exact: true }).click()
    await page.getByRole('link', { name: 'createApiKey', exact: true }).click()
    await page.waitForURL('**/reference.html#tag/tenants/operation/createApiKey')
    await expect
      .poll(() => page.locator('[id^="tag/"][id*="/operation/"]').count(), { timeout: 30_000 })
      .toBe(OPERATIONS)
  })

  /** The section of the operation that the hash names, or the whole page. */
  async function openReference(page: Page, hash: string) {
    await page.goto(`${url}/docs/reference${hash}`)
    await page.locator('#reference h1').first().waitFor()
    if (hash === '') return page.locator('#reference')
    const id = decodeURI(hash.slice(1))
    const section = page.locator(`section[id$=${JSON.stringify(id)}]`).first()
    await section.waitFor()
    return section
  }
})

async function expectBadges(section: Locator, id: OperationId, state: 'real' | 'mock'): Promise<void> {
  expect(await section.textContent()).toContain(`p99 ≤ ${operations[id].latencyObjectiveMs} ms`)
  expect(await section.getByText(state, { exact: true }).first().isVisible()).toBe(true)
}

/** Of the page alone, which has no frames: to put frames together opens one more page. `rules` are all, unless some are named. */
async function faultsOfAccess(page: Page, rules: string[] = []): Promise<string[]> {
  expect(page.frames()).toHaveLength(1)
  const axe = new AxeBuilder({ page }).setLegacyMode()
  const { violations } = await (rules.length === 0 ? axe : axe.withRules(rules)).analyze()
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}

/** The exported portal under `/some/path/`; other requests are 404, so that a link out of the folder shows. */
async function serveFolder({ onTestFinished }: TestContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir docs '))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const options = { implementationOf: () => 'mock' as const, apiUrl: 'http://localhost:8000', baseUrl: null }
  for (const [name, content] of exportPortal(options)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  const server = createServer(async (req, res) => {
    const path = decodeURI((req.url ?? '').split('?')[0] as string)
    const name = path.startsWith('/some/path/') ? path.slice('/some/path/'.length) || 'index.html' : '-'
    const content = await readFile(join(folder, name)).catch(() => null)
    if (content === null) return void res.writeHead(404).end()
    res.writeHead(200, { 'Content-Type': TEXT_TYPES[extname(name).slice(1)] ?? 'application/octet-stream' })
    res.end(content)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/path/`
}
