import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import type { AxeBuilder as Axe } from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import { consoleFiles } from '../../src/http/static/console.ts'

/** The views, by the fragment of their address. */
export const VIEWS = ['revenue', 'reconciliation', 'dead-letters', 'llm-budget', 'system'] as const
export type View = (typeof VIEWS)[number]

/** Any of these does for a mock. */
export const MOCK_USER = { email: 'mira@northwind-outdoor.example', password: 'correct horse battery staple' }

/** Opens the console at `url` and signs in, up to the first view. */
export async function signIn(page: Page, url: string, user: { email: string; password: string }): Promise<void> {
  await page.goto(url)
  await page.getByLabel('E-mail').fill(user.email)
  await page.getByLabel('Password').fill(user.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
}

/** Goes to a view by the menu, and waits until none of its panels is being asked for. */
export async function show(page: Page, view: View): Promise<void> {
  await page.locator(`nav a[href="#/${view}"]`).click()
  await page.locator(`nav a[href="#/${view}"][aria-current=page]`).waitFor()
  await settled(page)
}

export async function settled(page: Page): Promise<void> {
  await page.locator('main section').first().waitFor()
  await expect.poll(() => page.locator('main [aria-busy=true]').count(), { timeout: 15_000 }).toBe(0)
}

/** A panel by its heading. */
export function panel(page: Page, title: string) {
  return page.getByRole('region', { name: title })
}

/** The cells of a table by its caption, row by row, spaces of all kinds alike; all of one moment. */
export function readTable(page: Page, caption: string | RegExp): Promise<string[][]> {
  return page
    .getByRole('table', { name: caption })
    .getByRole('row')
    .evaluateAll((rows) =>
      rows.map((row) =>
        [...row.querySelectorAll('th, td')].map(({ textContent }) => String(textContent).replace(/\s/g, ' ')),
      ),
    )
}

/** What axe finds, for the eyes of whoever mends it; `rules` are all, unless some are named. */
export async function findViolations(page: Page, rules: string[] = []): Promise<string[]> {
  // The types of the package name an export that only its CommonJS form has.
  const { AxeBuilder } = createRequire(import.meta.url)('@axe-core/playwright') as { AxeBuilder: typeof Axe }
  // It looks into the page alone, which has no frames; the other way opens one more page to put frames together.
  expect(page.frames()).toHaveLength(1)
  const axe = new AxeBuilder({ page }).setLegacyMode()
  const { violations } = await (rules.length === 0 ? axe : axe.withRules(rules)).analyze()
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  )
}

/*
 * What is asked of the page itself is given as text: the types of browsers are not those of this project, and must not
 * become so, or server code could name `document`.
 */

/** By how many pixels the page is wider than the window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
}

/** Waits until the element of this id has the focus. */
export async function focused(page: Page, id: string): Promise<void> {
  await page.locator(`#${id}:focus`).waitFor()
}

/** What has the focus, and whether one can see that; null where nothing has. */
export function readFocus(page: Page): Promise<{ name: string; isSeen: boolean } | null> {
  return page.evaluate(`(() => {
    const element = document.activeElement
    if (element === null || element === document.body) return null
    const { outlineStyle, outlineWidth } = getComputedStyle(element)
    return {
      name: element.getAttribute('name') ?? element.textContent.trim(),
      isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
    }
  })()`)
}

/** Does to the page what a browser does when its tab is left or entered. */
export function turn(page: Page, state: 'visible' | 'hidden'): Promise<void> {
  return page.evaluate(`(() => {
    Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  })()`)
}

/** What the tab keeps of the session; null: nothing. */
export async function readSession(page: Page): Promise<Record<string, unknown> | null> {
  return JSON.parse(await page.evaluate<string>("sessionStorage.getItem('skeldir.session') ?? 'null'"))
}

export async function writeSession(page: Page, session: Record<string, unknown>): Promise<void> {
  const text = JSON.stringify(JSON.stringify(session))
  await page.evaluate(`sessionStorage.setItem('skeldir.session', ${text})`)
}

/** The console's files on a server of their own, which answers nothing else; its URL names `localhost`. */
export async function serveConsole(onTestFinished: (clean: () => Promise<void>) => void): Promise<string> {
  const files = new Map(consoleFiles().map(({ path, find }) => [path, find({})]))
  const server = createServer((req, res) => {
    const found = files.get(new URL(req.url ?? '/', 'http://localhost').pathname)
    if (found === undefined) res.writeHead(404).end()
    else res.writeHead(200, { ...found.headers, 'Content-Type': found.contentType }).end(found.body)
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  onTestFinished(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return `http://localhost:${(server.address() as AddressInfo).port}`
}
