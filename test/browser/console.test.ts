import { beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { type MockHost, startMocks } from '../../mocks/host.ts'
import { formatCount, formatMoney, formatShare } from '../../src/console/format/money.ts'
import { replaceTenantOrigins } from '../../src/tenants/service.ts'
import { noBrowser, useBrowser } from '../support/browser.ts'
import {
  MOCK_USER,
  panel,
  readSession,
  readTable,
  serveConsole,
  settled,
  show,
  signIn,
  turn,
  VIEWS,
  writeSession,
} from '../support/console.ts'
import { givenDead, send } from '../support/dead-events.ts'
import { daysAgo, deliverShopify, givenEndpoint, HOUR, MINUTE, shopifyOrder, toDay } from '../support/given.ts'
import { givenJourneys, type Journeys } from '../support/journeys.ts'
import { type TestPlatform, usePlatform } from '../support/platform.ts'
import { untilIdle } from '../support/stored.ts'

/** The browser's own line about an answer of 400 and more. */
const STATUS_LINE = /Failed to load resource: the server responded with a status of/
const LOCALE = 'en-US'

describe.skipIf(noBrowser)('the console before the mocks', () => {
  const browser = useBrowser()
  let mocks: MockHost
  beforeAll(async () => {
    mocks = await startMocks({ ports: 'free' })
    return () => mocks.stop()
  })

  test('signs in, and every view shows what the gateway answers', async (context) => {
    const { page } = await browser.open(context, { locale: LOCALE })
    await signIn(page, mocks.gatewayUrl, MOCK_USER)
    const ask = async (path: string) =>
      // biome-ignore lint/suspicious/noExplicitAny: the contract decides the shape
      (await (await fetch(mocks.gatewayUrl + path, { headers: { authorization: 'Bearer mock' } })).json()) as any
    const { revenue } = await ask('/api/v1/revenue/realtime')
    await page.getByText(formatMoney(revenue, LOCALE), { exact: true }).waitFor()
    await page.getByText('examples from the contract, not your data').waitFor()
    for (const view of VIEWS) {
      await show(page, view)
      expect(await page.locator('main .badge.mock').count(), view).toBeGreaterThan(0)
      expect(await page.locator('main .note.bad, main .note.missing').allTextContents(), view).toEqual([])
    }
    const { tenant } = await ask('/api/llm/usage')
    await show(page, 'llm-budget')
    await page
      .getByText(`$${tenant.spent_micro_usd / 1_000_000} of $${tenant.limit_micro_usd / 1_000_000}.00`)
      .waitFor()
  })

  test('bars are as long as their values say, and an interval lies about its bar', async (context) => {
    const { page } = await browser.open(context)
    await signIn(page, mocks.gatewayUrl, MOCK_USER)
    await settled(page)
    const bars = await panel(page, 'Channels')
      .locator('rect.bar')
      .evaluateAll((rects) =>
        rects.map((rect) => [Number(rect.getAttribute('data-value')), rect.getBoundingClientRect().width] as const),
      )
    expect(bars.map(([value]) => value)).toEqual([1926128, 1203830, 963064, 481532, 240766])
    const [longest] = bars
    for (const [value, width] of bars) expect(width / (longest?.[1] ?? 0)).toBeCloseTo(value / (longest?.[0] ?? 0), 2)
    const interval = panel(page, 'Models side by side').locator('.interval').first()
    const box = await interval.boundingBox()
    const bar = await interval.locator('xpath=preceding-sibling::*').boundingBox()
    const end = (bar?.x ?? 0) + (bar?.width ?? 0)
    expect(box?.x).toBeLessThan(end)
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeGreaterThan(end)
  })

  test('an example that is no answer to the question says so', async (context) => {
    const { page } = await browser.open(context)
    await signIn(page, mocks.gatewayUrl, MOCK_USER)
    await panel(page, 'Channels').getByLabel('Model').selectOption('Linear')
    await panel(page, 'Channels')
      .getByText(/A mock gives the contract.s example.*last touch/)
      .waitFor()
  })

  test('a replay is only ever previewed, and its money shown', async (context) => {
    const { page } = await browser.open(context, { locale: LOCALE })
    const bodies: unknown[] = []
    page.on('request', (request) => {
      if (request.url().endsWith('/api/dead-events/replay') && request.method() === 'POST')
        bodies.push(request.postDataJSON())
    })
    await signIn(page, mocks.gatewayUrl, MOCK_USER)
    await show(page, 'dead-letters')
    const preview = page.getByRole('button', { name: 'Preview the replay' })
    expect(await preview.getAttribute('aria-disabled')).toBe('true')
    // It can be reached and pressed, and then does nothing.
    await preview.click({ force: true })
    await page.getByRole('checkbox', { name: /charge\.refunded/ }).check()
    await preview.click()
    await page.getByRole('table', { name: 'Change of revenue by currency' }).waitFor()
    expect(await readTable(page, 'Change of revenue by currency')).toEqual([
      ['Currency', 'Captured', 'Refunded', 'Disputed', 'Net revenue'],
      ['USD', '$0.00', '+$47.00', '$0.00', '-$47.00'],
    ])
    expect(bodies).toEqual([{ filter: { dead_event_ids: [expect.any(String)] }, dry_run: true }])
  })
})

describe.skipIf(noBrowser)('the console before the real server', () => {
  const browser = useBrowser()
  const platform = usePlatform()
  let journeys: Journeys
  beforeAll(async () => {
    await platform.startWorker()
    journeys = await givenJourneys(platform)
    await untilIdle(platform)
  })

  /** Signed in as the tenant of the journeys, with the window on their day. */
  async function openJourneys(context: TestContext, url = platform.url) {
    const opened = await browser.open(context, { locale: LOCALE, expected: STATUS_LINE })
    await signIn(opened.page, url, journeys.tenant)
    await settled(opened.page)
    return opened
  }

  /** Compares what is shown with what the API answers to the same question. */
  async function expectChannels(page: Awaited<ReturnType<typeof openJourneys>>['page'], model: string, title: string) {
    const { body } = await platform.call('getChannelAttribution', { tenant: journeys.tenant, query: { model } })
    expect(body.channels.length).toBeGreaterThan(3)
    const rows = await readTable(page, `Revenue by channel, ${title}`)
    const shown = rows.slice(1, -1).map((row) => row.slice(1))
    // biome-ignore lint/suspicious/noExplicitAny: the contract decides the shape
    const expected = body.channels.map(({ revenue, share, conversions }: any) => [
      formatMoney(revenue, LOCALE),
      formatShare(share, LOCALE),
      formatCount(conversions, LOCALE),
    ])
    expect(shown).toEqual(expected)
    expect(rows.at(-1)).toEqual(['All channels', formatMoney(body.credited_revenue, LOCALE), '', '6'])
    await panel(page, 'Channels').getByText('$135.10', { exact: true }).first().waitFor()
  }

  test('shows the ledger and the channels of each model, to the cent', async (context) => {
    const { page } = await openJourneys(context)
    await expectChannels(page, 'last_touch', 'Last touch')
    const titles = { first_touch: 'First touch', linear: 'Linear' }
    for (const [model, title] of Object.entries(titles)) {
      await panel(page, 'Channels').getByLabel('Model').selectOption(model)
      await page.getByRole('table', { name: `Revenue by channel, ${title}` }).waitFor({ state: 'attached' })
      await settled(page)
      await expectChannels(page, model, title)
    }
    expect(await page.locator('.badge').count()).toBe(0)
    await page.getByText('the server’s own', { exact: false }).waitFor()
  })

  test('a window, and another currency', async (context) => {
    const { page } = await openJourneys(context)
    const channels = panel(page, 'Channels')
    await channels.getByRole('button', { name: 'show EUR' }).click()
    await channels.getByText('€40.00', { exact: true }).first().waitFor()
    await channels.getByLabel('Window').selectOption('From … to …')
    await channels.getByLabel('First day').fill(toDay(daysAgo(2)))
    await channels.getByText('No order in this window has been attributed.').waitFor()
    await channels.getByLabel('First day').fill(toDay(daysAgo(-2)))
    await channels.getByText('(422)').waitFor()
    await channels.getByText(/correlation id/i).waitFor()
    expect(await channels.locator('rect.bar').count()).toBe(0)
  })

  test('divides one order by every model, and says when there is none', async (context) => {
    const { page } = await openJourneys(context)
    const field = page.getByLabel('Order id')
    await field.fill(journeys.orders.repeated)
    await field.press('Enter')
    const caption = `Credits of ${journeys.orders.repeated} by touchpoint and model`
    await page.getByRole('table', { name: caption }).waitFor()
    const rows = await readTable(page, caption)
    const models = ['First touch', 'Last touch', 'Linear', 'Position']
    expect(rows[0]).toEqual(expect.arrayContaining(['Touchpoint', ...models, 'Shapley', 'Time decay']))
    const places = models.map((model) => rows[0]?.indexOf(model) ?? -1)
    expect(rows.slice(1).map((row) => places.map((place) => row[place]))).toEqual([
      ['$89.99', 'none', '$30.00', '$35.99'],
      ['none', 'none', '$29.99', '$18.00'],
      ['none', '$89.99', '$30.00', '$36.00'],
      ['$89.99', '$89.99', '$89.99', '$89.99'],
    ])
    await field.fill('shopify:1')
    await field.press('Enter')
    await panel(page, 'shopify:1').getByText('(404)').waitFor()
  })

  test('dead letters: how often each came, and to the cent what a replay would change', async (context) => {
    const endpoint = await givenEndpoint(platform, 'shopify', { tenant: journeys.tenant })
    const { delivery, tenant, deadEventId } = await givenDead(platform, { endpoint })
    await send(platform, endpoint, delivery)
    const { page } = await openJourneys(context)
    await show(page, 'dead-letters')
    await page.getByText(/came\s+2\s+times, last/).waitFor()
    await page.getByRole('checkbox', { name: /orders\/paid/ }).check()
    await page.getByRole('button', { name: 'Preview the replay' }).click()
    const caption = 'Change of revenue by currency'
    await page.getByRole('table', { name: caption }).waitFor()
    const request = { filter: { dead_event_ids: [deadEventId] }, dry_run: true }
    const { body } = await platform.call('replayDeadEvents', { tenant, body: request })
    const captured = formatMoney(body.revenue_changes[0].captured, LOCALE)
    const [, row] = await readTable(page, caption)
    expect(row).toEqual(['USD', `+${captured}`, '$0.00', '$0.00', `+${captured}`])
  })

  test('what the server does not have yet is said, with a way to its description', async (context) => {
    const { page } = await openJourneys(context)
    const missing = {
      reconciliation: 'getReconciliationStatus',
      'llm-budget': 'getLlmUsage',
    }
    for (const [view, operationId] of Object.entries(missing)) {
      await show(page, view as 'reconciliation')
      const note = page.locator('.note.missing')
      expect(await note.textContent()).toContain('This server does not have it yet.')
      const link = note.getByRole('link', { name: operationId })
      const target = await link.getAttribute('href')
      expect(target).toBe(`${platform.url}/docs/operations/${operationId}`)
      expect((await fetch(target as string)).status).toBe(200)
      expect(await page.locator('main .big, main .bars, main .meter, main table').count(), view).toBe(0)
    }
    await show(page, 'system')
    await panel(page, 'Worker')
      .getByText(/back in\s+[\d.,]+\s+ms/)
      .waitFor()
  })

  test('revenue follows the ledger; an unchanged figure costs a 304, a hidden page nothing', async (context) => {
    const shop = await givenEndpoint(platform, 'shopify', { tenant: await platform.createTenant() })
    const { page } = await browser.open(context, { locale: LOCALE, expected: STATUS_LINE })
    await page.clock.install()
    const statuses: number[] = []
    page.on('response', (response) => {
      if (response.url().endsWith('/revenue/realtime') && response.request().method() === 'GET')
        statuses.push(response.status())
    })
    await signIn(page, platform.url, shop.tenant)
    await page.locator('.big').getByText('$0.00').waitFor()
    // From here on time passes only when it is told to.
    await page.clock.pauseAt(Date.now() + 1_000)
    expect(statuses).toEqual([200])
    /** One pause of five seconds, and the moment in which the page begins it. */
    const poll = async (...expected: number[]) => {
      await page.clock.runFor(6_000)
      await expect.poll(() => statuses).toEqual(expected)
    }
    await poll(200, 304)

    const at = new Date(Date.now() - MINUTE)
    await deliverShopify(platform, shop, shopifyOrder({ total: '12.34', at }), { topic: 'orders/paid' })
    await untilIdle(platform)
    await poll(200, 304, 200)
    await page.locator('.big').getByText('$12.34').waitFor()
    await page.clock.runFor(100)
    await page.getByRole('status').getByText('Revenue is now $12.34').waitFor({ state: 'attached' })

    await turn(page, 'hidden')
    await page.clock.runFor(60_000)
    expect(statuses).toEqual([200, 304, 200])
    await turn(page, 'visible')
    await page.clock.runFor(100)
    await expect.poll(() => statuses).toEqual([200, 304, 200, 304])
  })

  test('at a gateway that hands over, the same page shows real figures beside mocked ones', async (context) => {
    const gateway = await startMocks({ ports: 'free', real: platform.url })
    context.onTestFinished(() => gateway.stop())
    const { page } = await openJourneys(context, gateway.gatewayUrl)
    await expectChannels(page, 'last_touch', 'Last touch')
    const badgeOf = (title: string) => panel(page, title).locator('h2 .badge').textContent()
    expect([await badgeOf('Channels'), await badgeOf('Models side by side')]).toEqual(['real', 'real'])
    await show(page, 'reconciliation')
    expect(await badgeOf('What platforms claim')).toBe('mock')
    await page.getByText(/some\s*mock\s*and some\s*real/).waitFor()
  })

  test('from another origin, as the tenant allows it', async (context) => {
    const other = await serveConsole((clean) => context.onTestFinished(clean))
    await replaceTenantOrigins(platform.admin, { tenantSlug: journeys.tenant.slug, origins: [other] })
    const { page } = await openJourneys(context, `${other}/?api=${platform.url}`)
    await expectChannels(page, 'last_touch', 'Last touch')
    expect(await page.locator('aside.server').textContent()).toContain(platform.url)
    // What was chosen stays for the tab, and so does the session; an answer 501 can be read as well.
    await page.goto(`${other}/#/llm-budget`)
    await page.reload()
    await page.getByText('This server does not have it yet.').waitFor()
  })

  test('from an origin that the tenant does not allow, it says what may be wrong', async (context) => {
    const other = await serveConsole((clean) => context.onTestFinished(clean))
    const { page } = await browser.open(context, { expected: /CORS policy|net::ERR_FAILED/ })
    await page.goto(`${other}/?api=${platform.url}`)
    await page.getByLabel('E-mail').fill(journeys.tenant.email)
    await page.getByLabel('Password').fill(journeys.tenant.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page
      .getByRole('alert')
      .getByText(/allowed origins/)
      .waitFor()
  })
})

describe.skipIf(noBrowser)('signing in', () => {
  const browser = useBrowser()
  const platform = usePlatform()

  test('a wrong password is answered with the server’s own words', async (context) => {
    const { page } = await browser.open(context, { expected: STATUS_LINE })
    await page.goto(platform.url)
    await page.getByLabel('E-mail').fill(platform.tenant.email)
    await page.getByLabel('Password').fill('not the password')
    const answered = page.waitForResponse('**/api/auth/login')
    await page.getByRole('button', { name: 'Sign in' }).click()
    const problem = (await (await answered).json()) as { detail: string; correlation_id: string }
    const alert = page.getByRole('alert')
    await alert.getByText(problem.detail).waitFor()
    await alert.getByText(problem.correlation_id).waitFor()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
  })

  test('who belongs to several tenants names one', async (context) => {
    const [first, second] = [await platform.createTenant(), await platform.createTenant()]
    await givenSecondTenant(platform, first.email, second.slug)
    const { page } = await browser.open(context, { expected: STATUS_LINE })
    await page.goto(platform.url)
    await page.getByLabel('E-mail').fill(first.email)
    await page.getByLabel('Password').fill(first.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    const tenant = page.getByLabel('Tenant')
    await tenant.waitFor()
    await page.locator('[name=tenant]:focus').waitFor()
    await page.keyboard.type(second.slug)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    expect(await readSession(page)).toMatchObject({ tenantSlug: second.slug, api: platform.url })
  })

  test('a session outlives a reload, ends with its token, and leaves nothing behind', async (context) => {
    const { page } = await browser.open(context, { expected: STATUS_LINE })
    await page.clock.install()
    await signIn(page, platform.url, platform.tenant)
    await show(page, 'system')
    await page.reload()
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    await page.clock.fastForward(HOUR)
    await page.getByText('Your session has ended.').waitFor()
    expect(await readSession(page)).toBeNull()
    expect(page.url()).toContain('#/system')
  })

  test('a token that the server refuses ends the session', async (context) => {
    const { page } = await browser.open(context, { expected: STATUS_LINE })
    await signIn(page, platform.url, platform.tenant)
    await writeSession(page, { ...(await readSession(page)), token: 'no.such.token' })
    await page.reload()
    await page.getByText('The server no longer accepts the token.').waitFor()
  })

  test('signing out forgets the token', async (context) => {
    const { page } = await browser.open(context, { expected: STATUS_LINE })
    await signIn(page, platform.url, platform.tenant)
    const told = page.waitForRequest('**/api/auth/logout')
    await page.getByRole('button', { name: 'Sign out' }).click()
    expect((await told).headers().authorization).toMatch(/^Bearer /)
    await page.getByText('You are signed out').waitFor()
    expect(await readSession(page)).toBeNull()
    await page.reload()
    await page.getByLabel('E-mail').waitFor()
  })

  test('a link to a server elsewhere asks first, and nothing is sent there', async (context) => {
    const { page } = await browser.open(context)
    await page.goto(`${platform.url}/?api=https://api.example.com`)
    await page.getByRole('heading', { name: 'Talk to another server?' }).waitFor()
    expect(await page.getByLabel('E-mail').count()).toBe(0)
    await page.getByRole('button', { name: `Stay with ${new URL(platform.url).host}` }).click()
    await page.getByLabel('E-mail').waitFor()
    expect(await page.locator('aside.server').textContent()).toContain(platform.url)
  })

  test('an address that is no origin is refused by name', async (context) => {
    const { page } = await browser.open(context)
    await page.goto(`${platform.url}/?api=javascript:alert(1)`)
    await page.locator('aside.server').getByText('javascript:alert(1)').waitFor()
    await page.getByLabel('E-mail').waitFor()
  })
})

/** Lets a known user into one more tenant. */
async function givenSecondTenant(platform: TestPlatform, email: string, tenantSlug: string): Promise<void> {
  const { createUser } = await import('../../src/tenants/service.ts')
  await createUser(platform.admin, { tenantSlug, email, role: 'viewer', isExisting: true })
}
