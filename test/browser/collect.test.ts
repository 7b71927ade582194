import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { inTenant } from '../../src/db/tenant.ts'
import { identityHasher, unwrapTenantKey } from '../../src/secrets/keyring.ts'
import { setAllowedOrigins } from '../../src/tenants/allowed-origins.ts'
import { getIdentityKey } from '../../src/tenants/queries.ts'
import { createApiKey } from '../../src/tenants/service.ts'
import { noBrowser, useBrowser } from '../support/browser.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'

const TOKEN = /^av1\.([0-9A-HJKMNP-TV-Z]{26})\.[0-9A-HJKMNP-TV-Z]{26}$/
/** More than the script waits before it sends. */
const QUIET_MS = 700

describe.skipIf(noBrowser)('/collect.js in a page of a shop', () => {
  const platform = usePlatform()
  const browser = useBrowser()
  const shop = useShop(() => platform.url)

  test('before consent: a beacon of text with the campaign alone, no cookie, nothing stored, no token', async (context) => {
    const { page, touches, sent } = await openShop(context)
    await page.goto(
      `${shop.url}/jackets/secret?utm_source=google&utm_medium=cpc&utm_campaign=Brand&email=ada@shop.example`,
    )
    const [touch] = await touches(1)
    expect(touch).toMatchObject({
      channel: 'paid_search',
      source: 'google',
      medium: 'cpc',
      campaign: 'Brand',
      origin: 'browser',
    })
    const [beacon, ...others] = sent()
    expect(others).toEqual([])
    expect(beacon).toMatchObject({ method: 'POST', type: 'text/plain;charset=UTF-8', resource: 'ping' })
    expect(beacon?.body.touchpoints).toMatchObject([
      { page_url: `${shop.url}/?utm_source=google&utm_medium=cpc&utm_campaign=Brand` },
    ])
    expect(await storedIn(page)).toEqual({ cookies: '', local: 0, session: 0, token: null })
    expect(shop.cartAttributes).toEqual([])
    // The next page is another visitor, as far as anybody can tell.
    await page.goto(`${shop.url}/?utm_source=news&utm_medium=email`)
    const identities = (await touches(2)).map(({ identity }) => identity)
    expect(new Set(identities).size).toBe(2)
  })

  test('with consent: one visitor over pages, one touch for each arrival, and the order carries both', async (context) => {
    const { page, touches, sent, tenant } = await openShop(context)
    await page.goto(`${shop.url}/?utm_source=google&utm_medium=cpc`)
    const [first] = await touches(1)
    await page.evaluate(`skeldir('consent', 'granted')`)
    const { token, cookies } = await storedIn(page)
    const [, visitor = ''] = TOKEN.exec(token as string) ?? []
    // The touch of before is the visitor's too: the id of the page has become one that is kept.
    expect(first?.identity).toBe(await identityOf(tenant, visitor))
    expect(cookies).toContain(`skeldir_v=${visitor}`)
    const [kept] = (await page.context().cookies()).filter(({ name }) => name === 'skeldir_v')
    expect(kept).toMatchObject({ sameSite: 'Lax', path: '/' })
    expect((kept?.expires ?? 0) - Date.now() / 1000).toBeLessThanOrEqual(400 * 86_400)

    // The ways of each shop system.
    await until(
      async () => shop.cartAttributes,
      (told) => told.length === 1,
    )
    expect(shop.cartAttributes).toEqual([{ skeldir: token }])
    expect(await page.locator('form.checkout input[name=skeldir]').inputValue()).toBe(token)
    await page.locator('#pay').click()
    const paid = new URL((await page.locator('#pay').getAttribute('href')) as string)
    expect(paid.searchParams.get('client_reference_id')).toBe(token?.replaceAll('.', '_'))
    expect(await page.locator('#own-reference').getAttribute('href')).toContain('client_reference_id=mine')
    expect(await page.locator('stripe-buy-button').getAttribute('client-reference-id')).toBe(
      token?.replaceAll('.', '_'),
    )

    // A page of the same session, from the shop itself: no touch, and the cart knows already.
    await page.locator('#inside').click()
    await page.waitForURL('**/inside')
    await page.waitForTimeout(QUIET_MS)
    expect((await storedIn(page)).token).toBe(token)
    expect([sent().length, shop.cartAttributes.length]).toEqual([1, 1])
    // Another campaign: one more touch of the same visitor; loading the page again is none.
    await page.goto(`${shop.url}/?utm_source=news&utm_medium=email`)
    expect((await touches(2)).map(({ identity }) => identity)).toEqual([first?.identity, first?.identity])
    await page.reload()
    await page.waitForTimeout(QUIET_MS)
    expect(await touches(2)).toHaveLength(2)
    expect((await storedIn(page)).local).toBe(0)

    await page.evaluate(`skeldir('consent', 'denied')`)
    expect(await storedIn(page)).toMatchObject({ cookies: '', local: 0, token: null })
    await page.reload()
    expect((await storedIn(page)).cookies).toBe('')
  })

  test('withdrawn consent: nothing that was marked stays marked, the cart included, and nothing that waited is sent', async (context) => {
    const { page, sent } = await openShop(context)
    await page.goto(`${shop.url}/?stub=granted`)
    await until(
      async () => shop.cartAttributes,
      (told) => told.length === 1,
    )
    await page.locator('#pay').click()
    expect(await page.locator('#pay').getAttribute('href')).toContain('client_reference_id=av1_')
    await page.evaluate(`skeldir('consent', 'denied')`)
    await until(
      async () => shop.cartAttributes,
      (told) => told.length === 2,
    )
    expect(shop.cartAttributes[1]).toEqual({ skeldir: '' })
    expect(await page.locator('form.checkout input[name=skeldir]').inputValue()).toBe('')
    expect(await page.locator('#pay').getAttribute('href')).toBe('https://buy.stripe.com/test_1?locale=de')
    expect(await page.locator('#own-reference').getAttribute('href')).toContain('client_reference_id=mine')
    expect(await page.locator('stripe-buy-button').getAttribute('client-reference-id')).toBeNull()
    await until(
      () => storedIn(page),
      ({ session }) => session === 0,
    )
    // The checkout button is clicked with an empty field, and the next page tells the cart nothing more.
    await page.locator('form.checkout button').click()
    expect(await page.locator('form.checkout input[name=skeldir]').inputValue()).toBe('')
    const before = sent().length
    await page.goto(`${shop.url}/?utm_source=news&utm_medium=email&stub=denied`)
    await page.waitForTimeout(QUIET_MS)
    expect([sent().length, shop.cartAttributes.length]).toEqual([before, 2])
  })

  test('a session that has ended is followed by another one, which all tabs share', async (context) => {
    const { page } = await openShop(context)
    await page.goto(`${shop.url}/?stub=granted`)
    const sessionOf = ({ token }: Stored) => token?.split('.')[2]
    const first = sessionOf(await storedIn(page))
    await page.locator('h1').click()
    expect(sessionOf(await storedIn(page))).toBe(first)

    await page.context().clearCookies({ name: 'skeldir_s' })
    await page.locator('h1').click()
    const second = sessionOf(await storedIn(page))
    expect(second).not.toBe(first)
    expect((await storedIn(page)).cookies).toContain(`skeldir_s=${second}`)

    const other = await page.context().newPage()
    await other.goto(`${shop.url}/inside`)
    expect(sessionOf(await storedIn(other))).toBe(second)
    await page.context().clearCookies({ name: 'skeldir_s' })
    await other.locator('h1').click()
    const third = sessionOf(await storedIn(other))
    await page.locator('h1').click()
    expect([third, sessionOf(await storedIn(page))]).toEqual([third, third])
  })

  test('in one document: a later address is an arrival by another campaign, or none, however the document was loaded', async (context) => {
    const { page, sent } = await openShop(context)
    await page.goto(`${shop.url}/`, { referer: 'https://news.example/' })
    await page.reload()
    const go = async (address: string) => {
      await page.evaluate(`history.pushState({}, '', ${JSON.stringify(address)}); skeldir('page')`)
      await page.waitForTimeout(QUIET_MS)
      return sent().flatMap(({ body }) => body.touchpoints) as { page_url: string; referrer?: string }[]
    }
    const before = (await go('/shoes')).length
    const [touch, ...others] = (await go('/?utm_source=a+b&utm_medium=email&utm_term=%2B49')).slice(before)
    expect(others).toEqual([])
    expect(touch?.page_url).toBe(`${shop.url}/?utm_source=a+b&utm_medium=email&utm_term=%2B49`)
    expect(touch).not.toHaveProperty('referrer')
    await go('/shoes')
    expect(await go('/?utm_source=a+b&utm_medium=email&utm_term=%2B49')).toHaveLength(before + 1)
    expect(await go('/?utm_source=other')).toHaveLength(before + 2)
  })

  test('without the script, and with one that finds no API, the page goes on; the next page sends again', async (context) => {
    const { page, touches } = await openShop(context, { expected: /Failed to load resource: net::ERR_FAILED/ })
    await page.route('**/collect.js', (route) => route.abort())
    await page.goto(`${shop.url}/?stub=granted`)
    expect(await page.evaluate('typeof skeldir')).toBe('function')
    await page.unroute('**/collect.js')

    await page.route('**/api/events/collect', (route) => route.abort())
    await page.goto(`${shop.url}/?utm_source=news&utm_medium=email&stub=granted`)
    await page.waitForEvent('requestfailed')
    await page.locator('form.checkout button').click()
    expect(await page.locator('h1').textContent()).toBe('Shop')
    expect(await storedIn(page)).toMatchObject({ local: 1, token: expect.stringMatching(TOKEN) })

    await page.unroute('**/api/events/collect')
    await page.goto(`${shop.url}/inside`)
    expect(await touches(1)).toMatchObject([{ channel: 'email' }])
    await until(
      () => storedIn(page),
      ({ local }) => local === 0,
    )
  })

  test.for(['globalPrivacyControl', 'doNotTrack'])(
    '%s is no consent, whatever the shop says',
    async (signal, context) => {
      const { page, touches } = await openShop(context)
      await page.addInitScript(
        `Object.defineProperty(Navigator.prototype, '${signal}', { get: () => ${signal === 'doNotTrack' ? "'1'" : true} })`,
      )
      await page.goto(`${shop.url}/?utm_source=google&utm_medium=cpc&stub=granted`)
      await touches(1)
      expect(await storedIn(page)).toEqual({ cookies: '', local: 0, session: 0, token: null })
    },
  )

  test('data-wait: nothing is sent before consent; what a stub has remembered holds from the start', async (context) => {
    const { page, touches, sent } = await openShop(context)
    await page.goto(`${shop.url}/?utm_source=google&utm_medium=cpc&wait=1`)
    await page.waitForTimeout(QUIET_MS)
    expect(sent()).toEqual([])
    await page.evaluate(`skeldir('consent', 'granted')`)
    await touches(1)
    await page.goto(`${shop.url}/?utm_source=google&utm_medium=cpc&wait=1&stub=token`)
    await until(
      () => page.evaluate('window.tokens.join()'),
      (told) => TOKEN.test(told as string),
    )
  })

  /** A page of a tenant of its own, under the one shop. */
  async function openShop(context: TestContext, options: BrowserContextOptions & { expected?: RegExp } = {}) {
    const tenant = await platform.createTenant()
    const scope = { tenantId: tenant.tenantId, correlationId: randomUUID() }
    await inTenant(platform.admin.db.main, scope, (tx) => setAllowedOrigins(tx, tenant.tenantId, [shop.url]))
    const made = await createApiKey(platform.admin, {
      tenantSlug: tenant.slug,
      name: 'page',
      scopes: ['events:collect'],
    })
    shop.serve(made.apiKey)
    const { page } = await browser.open(context, options)
    const requests: { method: string; type: string | undefined; resource: string; body: { touchpoints: object[] } }[] =
      []
    page.on('request', (request) => {
      if (!request.url().endsWith('/api/events/collect')) return
      const type = request.headers()['content-type']
      const body = JSON.parse(request.postData() ?? '{}') as { touchpoints: object[] }
      requests.push({ method: request.method(), type, resource: request.resourceType(), body })
    })
    return { page, tenant, sent: () => requests, touches: (count: number) => touchesOf(tenant, count) }
  }

  async function touchesOf(tenant: TestTenant, count: number) {
    return until(
      () =>
        platform.query<{ channel: string; source: string; identity: string }>(
          `select channel, source, medium, campaign, origin, encode(identity, 'hex') as identity
           from touchpoints where tenant_id = $1 order by received_at, external_id`,
          [tenant.tenantId],
        ),
      (rows) => rows.length >= count,
    )
  }

  function identityOf(tenant: TestTenant, visitor: string): Promise<string> {
    return inTenant(platform.ctx.db.ingest, tenant.ctx, async (tx) => {
      const key = unwrapTenantKey(platform.ctx.keys, await getIdentityKey(tx, tenant.tenantId))
      return identityHasher(key)(visitor).toString('hex')
    })
  }
})

interface Stored {
  cookies: string
  local: number
  session: number
  token: string | null
}

function storedIn(page: Page): Promise<Stored> {
  return page.evaluate(
    `({ cookies: document.cookie, local: localStorage.length, session: sessionStorage.length, token: skeldir('token') ?? null })`,
  ) as Promise<Stored>
}

/** A shop of another origin than the API, with a policy that allows nothing inline, no `eval`, and no request but to these two. */
function useShop(apiUrl: () => string) {
  let key = ''
  const shop = {
    url: '',
    cartAttributes: [] as object[],
    serve(own: string) {
      key = own
      shop.cartAttributes = []
    },
  }
  const server = createServer(async (req, res) => {
    const url = new URL(req.url ?? '/', 'http://localhost')
    if (url.pathname === '/favicon.ico') return void res.writeHead(204).end()
    if (url.pathname === '/en/cart/update.js') {
      shop.cartAttributes.push((JSON.parse(await text(req)) as { attributes: object }).attributes)
      return void res.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')
    }
    if (url.pathname === '/shop.js')
      return void res.writeHead(200, { 'Content-Type': 'text/javascript' }).end(SHOP_SCRIPT)
    const policy = `default-src 'none'; script-src 'self' ${apiUrl()}; connect-src 'self' ${apiUrl()}; form-action 'self'; require-trusted-types-for 'script'`
    res.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': policy })
    res.end(pageOf(key, apiUrl(), url.searchParams))
  })
  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    shop.url = `http://localhost:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => void server.close())
  return shop
}

/** What the shop itself has: the queue, its consent banner, and the object that Shopify gives to themes. */
const SHOP_SCRIPT = `
  window.Shopify = { routes: { root: '/en/' } }
  window.tokens = []
  window.skeldir = window.skeldir || function () { (skeldir.q = skeldir.q || []).push(arguments) }
  const stub = new URLSearchParams(location.search).get('stub')
  if (stub === 'granted') skeldir('consent', 'granted')
  if (stub === 'denied') skeldir('consent', 'denied')
  if (stub === 'token') skeldir('token', (token) => window.tokens.push(token))
  addEventListener('click', (event) => { if (event.target.matches('[href*=stripe]')) event.preventDefault() })
  addEventListener('submit', (event) => event.preventDefault())
`

function pageOf(key: string, apiUrl: string, query: URLSearchParams): string {
  return `<!doctype html><title>Shop</title>
    <script src="/shop.js"></script>
    <script async src="${apiUrl}/collect.js" data-key="${key}"${query.has('wait') ? ' data-wait' : ''}></script>
    <h1>Shop</h1>
    <a id="inside" href="/inside">More</a>
    <a id="pay" href="https://buy.stripe.com/test_1?locale=de">Pay</a>
    <a id="own-reference" href="https://buy.stripe.com/test_1?client_reference_id=mine">Pay</a>
    <stripe-buy-button></stripe-buy-button>
    <form class="checkout"><button>Order</button></form>`
}
