import { beforeAll, describe, expect, test } from 'vitest'
import { type MockHost, startMocks } from '../../mocks/host.ts'
import { noBrowser, useBrowser } from '../support/browser.ts'
import {
  findViolations,
  focused,
  MOCK_USER,
  overflow,
  panel,
  readFocus,
  settled,
  show,
  signIn,
  VIEWS,
} from '../support/console.ts'
import { usePlatform } from '../support/platform.ts'

const STATUS_LINE = /Failed to load resource: the server responded with a status of/
const GONE =
  /net::ERR_(?:CONNECTION_REFUSED|CONNECTION_RESET|INTERNET_DISCONNECTED|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)/

/** axe looks at every element several times; on a busy machine that takes most of a test's usual time. */
const AXE_TIMEOUT_MS = 90_000

describe.skipIf(noBrowser)('the console', () => {
  const browser = useBrowser()
  const platform = usePlatform()
  let mocks: MockHost
  beforeAll(async () => {
    mocks = await startMocks({ ports: 'free' })
    return () => mocks.stop()
  })

  test('can be used by keyboard alone', async (context) => {
    const { page } = await browser.open(context)
    await page.goto(mocks.gatewayUrl)
    await page.locator('[name=email]:focus').waitFor()
    await page.keyboard.type(MOCK_USER.email)
    await page.keyboard.press('Tab')
    await page.keyboard.type(MOCK_USER.password)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    await settled(page)

    // What has just come is where the reader goes on; from the top, the first stop skips the menu.
    await focused(page, 'main')
    await page.reload()
    await settled(page)
    const stops: string[] = []
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press('Tab')
      const stop = await readFocus(page)
      if (stop === null) break
      expect(stop.isSeen, `${stop.name} shows no focus`).toBe(true)
      stops.push(stop.name)
    }
    // It came out at the end again: no trap.
    expect(stops.length).toBeLessThan(60)
    expect(stops.slice(0, 3)).toEqual(['Skip to content', 'Sign out', 'Revenue'])
    expect(stops).toContain('Show its credits')

    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await focused(page, 'main')
    await page.locator('nav a[href="#/system"]').focus()
    await page.keyboard.press('Enter')
    await panel(page, 'Worker').waitFor()
    await focused(page, 'main')
    await expect.poll(() => page.title()).toBe('System · Skeldir console')
  })

  test('fits a phone, and a table scrolls within itself', async (context) => {
    const { page } = await browser.open(context, {
      viewport: { width: 360, height: 740 },
      hasTouch: true,
      isMobile: true,
    })
    await page.goto(mocks.gatewayUrl)
    await page.getByLabel('E-mail').waitFor()
    expect(await overflow(page)).toBe(0)
    await signIn(page, mocks.gatewayUrl, MOCK_USER)
    for (const view of VIEWS) {
      await show(page, view)
      for (const button of await page.getByRole('button', { name: 'Show as table' }).all()) await button.click()
      expect(await overflow(page), view).toBe(0)
    }
  })

  test('axe finds nothing in the form', async (context) => {
    const { page } = await browser.open(context)
    await page.goto(mocks.gatewayUrl)
    await page.getByText('A mock answers here').waitFor()
    expect(await findViolations(page)).toEqual([])
  })

  test.for(VIEWS)('axe finds nothing in %s, in light or dark', { timeout: AXE_TIMEOUT_MS }, async (view, context) => {
    const { page } = await browser.open(context, { colorScheme: 'light', reducedMotion: 'reduce' })
    await signIn(page, mocks.gatewayUrl, MOCK_USER)
    await show(page, view)
    if (view === 'revenue') {
      await page.getByLabel('Order id').fill('shopify:5678901234567')
      await page.getByLabel('Order id').press('Enter')
      await page.getByRole('table', { name: /^Credits of/ }).waitFor()
    }
    expect(await findViolations(page)).toEqual([])
    for (const button of await page.getByRole('button', { name: 'Show as table' }).all()) await button.click()
    for (const summary of await page.locator('summary').all()) await summary.click()
    expect(await findViolations(page), 'opened').toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await findViolations(page, ['color-contrast']), 'dark').toEqual([])
  })

  test('axe finds nothing in what is missing or wrong', { timeout: AXE_TIMEOUT_MS }, async (context) => {
    const { page } = await browser.open(context, { expected: STATUS_LINE })
    await page.goto(`${platform.url}/?api=https://api.example.com`)
    await page.getByRole('heading', { name: 'Talk to another server?' }).waitFor()
    expect(await findViolations(page)).toEqual([])
    await page.goto(`${platform.url}/?api=nowhere`)
    await page.getByLabel('E-mail').fill('nobody@example.test')
    await page.getByLabel('Password').fill('not the password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('correlation id').waitFor()
    expect(await findViolations(page)).toEqual([])
    await signIn(page, platform.url, platform.tenant)
    for (const view of ['reconciliation', 'revenue'] as const) {
      await show(page, view)
      expect(await findViolations(page), view).toEqual([])
    }
  })

  test('a server that goes away leaves the last figures, says so, and is asked again on demand', async (context) => {
    const { page } = await browser.open(context, { expected: GONE })
    await signIn(page, mocks.gatewayUrl, MOCK_USER)
    await settled(page)
    await page.context().setOffline(true)
    await panel(page, 'Revenue now').getByText('No answer').waitFor()
    await panel(page, 'Revenue now').getByText('Below is the answer of').waitFor()
    await page.locator('.big').waitFor()
    await page.getByRole('status').getByText('Revenue now: No answer').waitFor({ state: 'attached' })
    // A figure that was never there is not made up.
    await page.locator('nav a[href="#/llm-budget"]').click()
    const budget = panel(page, 'What language models may cost')
    await budget.getByText('No answer').waitFor()
    expect(await page.locator('.meter').count()).toBe(0)
    expect(await findViolations(page)).toEqual([])
    await page.context().setOffline(false)
    await budget.getByRole('button', { name: 'Try again' }).click()
    await page.locator('.meter').first().waitFor()
    await page.getByRole('status').getByText('answered again').waitFor({ state: 'attached' })
  })

  test('a server that is stopped is told from one that answers nonsense', async (context) => {
    const stopped = await startMocks({ ports: 'free' })
    const { page } = await browser.open(context, { expected: GONE })
    await page.goto(stopped.gatewayUrl)
    await page.getByText('A mock answers here').waitFor()
    await stopped.stop()
    await page.getByLabel('E-mail').fill(MOCK_USER.email)
    await page.getByLabel('Password').fill(MOCK_USER.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('cannot be reached. It may be stopped.').waitFor()
    await page.route('**/api/auth/login', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<p>It works</p>' }),
    )
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('Not an answer of this API').waitFor()
  })

  test('nothing moves for those who asked for that, and no font comes from elsewhere', async (context) => {
    const { page } = await browser.open(context, { reducedMotion: 'reduce' })
    await signIn(page, mocks.gatewayUrl, MOCK_USER)
    const moving = await page.evaluate<number>(`[...document.querySelectorAll('*')].filter((element) => {
      const { transitionDuration, animationName } = getComputedStyle(element)
      return transitionDuration !== '0s' || animationName !== 'none'
    }).length`)
    expect(moving).toBe(0)
    expect(await page.evaluate('document.fonts.size')).toBe(0)
  })
})
