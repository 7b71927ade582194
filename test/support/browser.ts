import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, type TestContext } from 'vitest'

const SCREENSHOTS = fileURLToPath(new URL('../__screenshots__', import.meta.url))
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const LOCAL_HOSTS = new Set(['127.0.0.1', 'localhost', '[::1]'])
const ACTION_TIMEOUT_MS = 15_000
/**
 * The first two make two more pages for each window, for suggestions in its address bar: half of what a page costs
 * (measured). The others are those that Playwright disables: of two such lists only the last one counts.
 */
const DISABLED_FEATURES = [
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'AimEnabled',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  'LensOverlay',
  'MediaRouter',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PaintHolding',
  'PreconnectToSearch',
  'ThirdPartyStoragePartitioning',
]

/** The system's Chromium (`SKELDIR_CHROMIUM` or the first on the PATH), null where there is none. */
export const chromiumPath: string | null = findChromium()

/** For `describe.skipIf(noBrowser)`; says why once, because a skipped test says nothing by itself. */
export const noBrowser = chromiumPath === null
if (noBrowser) {
  process.stderr.write('skipped: no Chromium on this machine (apt-get install chromium, or set SKELDIR_CHROMIUM)\n')
}

function findChromium(): string | null {
  const named = process.env.SKELDIR_CHROMIUM
  if (named) return named
  const folders = (process.env.PATH ?? '').split(delimiter)
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
  return paths.find((path) => existsSync(path)) ?? null
}

export interface OpenPage {
  page: Page
  /** What went wrong in the page so far: console errors, exceptions, refused by the CSP, requests that would leave the machine. */
  problems: string[]
}

export interface TestBrowser {
  /**
   * A page of its own context, closed with the test. The test fails when the page logged an error, threw, broke its own
   * content security policy, or asked for anything outside this machine (which is blocked); `expected` takes out what
   * the test provokes, e.g. the browser's own line about a 401. A failing test leaves `test/__screenshots__/<name>.png`.
   */
  open(test: TestContext, options?: BrowserContextOptions & { expected?: RegExp }): Promise<OpenPage>
}

/** One browser for all tests of a file. Put the tests under `describe.skipIf(noBrowser)`. */
export function useBrowser(): TestBrowser {
  let browser: Browser | undefined
  beforeAll(async () => {
    if (chromiumPath === null) return
    // A sandbox needs a user namespace that root in a container does not have; the pages are our own.
    const args = ['--no-sandbox', '--disable-dev-shm-usage', `--disable-features=${DISABLED_FEATURES.join()}`]
    browser = await chromium.launch({ executablePath: chromiumPath, args })
  })
  afterAll(() => browser?.close())

  return {
    async open(test, { expected, ...options } = {}) {
      const context = await (browser as Browser).newContext(options)
      context.setDefaultTimeout(ACTION_TIMEOUT_MS)
      const problems: string[] = []
      const report = (text: string) => {
        if (expected?.test(text) !== true) problems.push(text)
      }
      await context.route(
        (url) => /^(https?|wss?):$/.test(url.protocol) && !LOCAL_HOSTS.has(url.hostname),
        (route) => {
          problems.push(`left the machine: ${route.request().url()}`)
          return route.abort()
        },
      )
      const page = await context.newPage()
      page.on('console', (message) => {
        if (message.type() === 'error') report(`console: ${message.text()} (${message.location().url})`)
      })
      page.on('pageerror', (error) => report(`exception: ${error.message}`))
      test.onTestFailed(() => screenshot(page, test.task.name))
      test.onTestFinished(async () => {
        const failed = test.task.result?.state === 'fail'
        if (!failed && problems.length > 0) await screenshot(page, test.task.name)
        await context.close()
        if (problems.length > 0) throw new Error(`the page had problems:\n  ${problems.join('\n  ')}`)
      })
      return { page, problems }
    },
  }
}

async function screenshot(page: Page, name: string): Promise<void> {
  if (page.isClosed()) return
  await mkdir(SCREENSHOTS, { recursive: true })
  const file = `${name.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 100)}.png`
  await page.screenshot({ path: join(SCREENSHOTS, file), fullPage: true }).catch(() => {})
}
