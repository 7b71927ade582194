import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { beforeAll, expect, test } from 'vitest'
import { inTenant } from '../../src/db/tenant.ts'
import { clickIdHasher, identityHasher, unwrapTenantKey } from '../../src/secrets/keyring.ts'
import { setAllowedOrigins } from '../../src/tenants/allowed-origins.ts'
import { getIdentityKey } from '../../src/tenants/queries.ts'
import { createApiKey } from '../../src/tenants/service.ts'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { DAY, givenApiKey, MINUTE, ulid } from '../support/given.ts'
import { type CallOptions, type TestTenant, usePlatform } from '../support/platform.ts'
import { countStored, listTablesHolding } from '../support/stored.ts'

const platform = usePlatform()

const ORIGIN = 'https://shop.northwind.example'
let key: string

beforeAll(async () => {
  key = await givenSite(platform.tenant)
})

/** A tenant whose shop may send touches; its publishable key. */
async function givenSite(tenant: TestTenant, origins: string[] = [ORIGIN]): Promise<string> {
  const scope = { tenantId: tenant.tenantId, correlationId: randomUUID() }
  await inTenant(platform.admin.db.main, scope, (tx) => setAllowedOrigins(tx, tenant.tenantId, origins))
  const made = await createApiKey(platform.admin, { tenantSlug: tenant.slug, name: 'page', scopes: ['events:collect'] })
  return made.apiKey
}

function seen(change: Record<string, unknown> = {}) {
  return {
    event_id: randomUUID(),
    occurred_at: new Date(Date.now() - MINUTE).toISOString(),
    page_url: `${ORIGIN}/jackets?utm_source=google&utm_medium=cpc&utm_campaign=autumn-jackets`,
    ...change,
  }
}

function batch(touchpoints: unknown[] = [seen()], change: Record<string, unknown> = {}) {
  return { key, visitor_id: ulid(), session_id: ulid(), sent_at: new Date().toISOString(), touchpoints, ...change }
}

function send(body: unknown, headers: Record<string, string> = {}, options: CallOptions = {}) {
  return platform.call('collectBrowserTouchpoints', { ...options, body, headers: { origin: ORIGIN, ...headers } })
}

/** As `navigator.sendBeacon` sends a string. */
const BEACON = { 'content-type': 'text/plain;charset=UTF-8' }

async function storedOf(tenantId: string, eventId: string) {
  const [row] = await platform.query<{
    channel: string
    source: string | null
    medium: string | null
    campaign: string | null
    occurred_at: Date
    identity: Buffer
    session: Buffer | null
    click_kind: string | null
    click_hash: Buffer | null
    channel_rules: string | null
    landing_path: string | null
    referrer_host: string | null
    origin: string
    tier: string
  }>('select * from touchpoints where tenant_id = $1 and external_id = $2', [tenantId, eventId])
  return row
}

test('200: a beacon, with the channel of its page; neither page, referrer nor visitor is stored', async () => {
  const canary = `canary${randomUUID().replaceAll('-', '')}`
  const item = seen({
    page_url: `${ORIGIN}/j/${canary}?utm_source=google&utm_medium=cpc&utm_campaign=Brand&gclid=${canary}Id&x=${canary}`,
    referrer: `https://www.google.com/search?q=${canary}`,
  })
  const sent = batch([item])
  const answer = await send(JSON.stringify(sent), BEACON)
  expect(answer.status).toBe(200)
  expect(answer.body).toEqual({
    accepted: 1,
    duplicates: 0,
    rejected: 0,
    results: [{ event_id: item.event_id, result: 'accepted', code: null }],
  })
  expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN)
  expect(answer.headers.get('vary')).toBe('Origin')
  const { tenantId } = platform.tenant
  const tenantKey = await inTenant(platform.ctx.db.ingest, platform.tenant.ctx, async (tx) =>
    unwrapTenantKey(platform.ctx.keys, await getIdentityKey(tx, tenantId)),
  )
  expect(await storedOf(tenantId, item.event_id)).toMatchObject({
    origin: 'browser',
    channel: 'paid_search',
    source: 'google',
    medium: 'cpc',
    campaign: 'Brand',
    occurred_at: new Date(item.occurred_at),
    // So that an order with the visitor, or else with the click id, finds the touch.
    identity: identityHasher(tenantKey)(sent.visitor_id),
    tier: 'visitor_id',
    click_kind: 'gclid',
    click_hash: clickIdHasher(tenantKey)('gclid', `${canary}Id`),
    channel_rules: 'ga4.1/1',
    landing_path: null,
    referrer_host: null,
  })
  for (const text of [canary, sent.visitor_id, sent.session_id])
    expect(await listTablesHolding(platform, text)).toEqual([])
})

test.each([
  ['a click id alone', '?gclid=x', undefined, 'paid_search', 'google'],
  ['fbclid alone', '?fbclid=x', undefined, 'organic_social', 'facebook'],
  ['a referrer', '', 'https://www.bing.com/', 'organic_search', 'bing'],
  ['nothing', '', undefined, 'direct', null],
  ['an app', '', 'android-app://com.google.android.googlequicksearchbox/', 'organic_search', 'google'],
])('200: %s', async (_name, query, referrer, channel, source) => {
  const item = seen({ page_url: `${ORIGIN}/${query}`, ...(referrer !== undefined && { referrer }) })
  expect((await send(batch([item]))).body.accepted).toBe(1)
  expect(await storedOf(platform.tenant.tenantId, item.event_id)).toMatchObject({ channel, source })
})

test("200: the tenant's own rules come first, in the version that the touch names", async () => {
  const tenant = await platform.createTenant()
  const own = await givenSite(tenant)
  await platform.query(`insert into channel_rule_versions (tenant_id, version, rules) values ($1, 2, $2)`, [
    tenant.tenantId,
    JSON.stringify([
      { name: 'Fair', channel: 'display', conditions: [{ field: 'source', operator: 'equals', value: 'GOOGLE' }] },
    ]),
  ])
  const item = seen()
  expect((await send(batch([item], { key: own }))).body.accepted).toBe(1)
  expect(await storedOf(tenant.tenantId, item.event_id)).toMatchObject({ channel: 'display', channel_rules: 'ga4.1/2' })
})

test('200: sent again, also later and by a clock that is wrong, it is a duplicate; with other content a conflict', async () => {
  const sent = batch()
  expect((await send(sent)).body.accepted).toBe(1)
  const again = { ...sent, sent_at: new Date(Date.now() + DAY).toISOString() }
  expect((await send(again)).body.results).toMatchObject([{ result: 'duplicate', code: null }])
  const { body } = await send({ ...sent, visitor_id: ulid() })
  expect(body.results).toMatchObject([{ result: 'rejected', code: 'conflict' }])
})

test('200: no hash that is stored can be made without a key of the tenant', async () => {
  const item = seen()
  const visitor = { visitor_id: ulid(), session_id: ulid() }
  const stored = async () => {
    const tenant = await platform.createTenant()
    const { body } = await send(batch([item], { ...visitor, key: await givenSite(tenant, [ORIGIN]) }))
    expect(body.accepted).toBe(1)
    const rows = await platform.query<Record<string, Buffer>>(
      'select identity, session, item_sha256 from touchpoints where tenant_id = $1',
      [tenant.tenantId],
    )
    return Object.values(rows[0] ?? {}).map((hash) => hash.toString('hex'))
  }
  const hashes = [...(await stored()), ...(await stored())]
  expect([hashes.length, new Set(hashes).size]).toEqual([6, 6])
})

test('200: each is judged by itself, in order', async () => {
  const tenant = await platform.createTenant()
  const own = await givenSite(tenant, [ORIGIN, 'https://www.northwind-outlet.example'])
  const items = [
    seen({ occurred_at: new Date(Date.now() + 6 * MINUTE).toISOString() }),
    seen(),
    seen({ occurred_at: new Date(Date.now() - 8 * DAY).toISOString() }),
    seen({ page_url: `${ORIGIN}/?utm_campaign=for+ada.buyer%40example.com` }),
    seen({ page_url: `${ORIGIN}/cart`, referrer: `${ORIGIN}/` }),
    seen({ page_url: `${ORIGIN}/thanks`, referrer: 'https://www.paypal.com/checkoutnow' }),
    seen({ page_url: `${ORIGIN}/`, referrer: 'https://northwind-outlet.example/' }),
    seen({ page_url: 'ftp://shop.example/' }),
    // What is not kept may be personal: it is dropped.
    seen({ page_url: `${ORIGIN}/?email=ada.buyer@example.com&utm_source=news&utm_medium=email` }),
  ]
  const { body } = await send(batch(items, { key: own }))
  expect(body.results.map(({ result, code }: { result: string; code: string | null }) => code ?? result)).toEqual([
    'occurred_in_future',
    'accepted',
    'occurred_too_long_ago',
    'personal_data',
    'not_a_touch',
    'not_a_touch',
    'not_a_touch',
    'not_a_touch',
    'accepted',
  ])
  expect(body).toMatchObject({ accepted: 2, duplicates: 0, rejected: 7 })
  expect(await listTablesHolding(platform, 'ada.buyer')).toEqual([])
})

test('200: a clock that is two hours behind is corrected by what it showed when it sent', async () => {
  const at = (hoursAgo: number) => new Date(Date.now() - hoursAgo * 60 * MINUTE).toISOString()
  const item = seen({ occurred_at: at(3) })
  expect((await send(batch([item], { sent_at: at(2) }))).body.accepted).toBe(1)
  const stored = await storedOf(platform.tenant.tenantId, item.event_id)
  expect(Math.abs(Date.now() - 60 * MINUTE - (stored?.occurred_at.getTime() ?? 0))).toBeLessThan(MINUTE)
})

test.each(['sec-gpc', 'dnt'])('200: with %s, touches of one visitor are linked to nobody', async (header) => {
  const items = [seen({ page_url: `${ORIGIN}/?gclid=abc` }), seen({ page_url: `${ORIGIN}/?gclid=abc` })]
  const sent = batch(items)
  expect((await send(sent, { [header]: '1' })).body.accepted).toBe(2)
  expect((await send(sent, { [header]: '1' })).body.duplicates).toBe(2)
  const open = batch([seen()], { visitor_id: sent.visitor_id })
  expect((await send(open, { [header]: '0' })).body.accepted).toBe(1)
  const rows = await platform.query<{ identity: string; session: Buffer | null; click_hash: Buffer | null }>(
    `select encode(identity, 'hex') as identity, session, click_hash from touchpoints where external_id = any ($1)`,
    [[...items, ...open.touchpoints].map((item) => (item as { event_id: string }).event_id)],
  )
  expect(new Set(rows.map(({ identity }) => identity)).size).toBe(3)
  expect(rows.filter(({ session }) => session === null)).toHaveLength(2)
  expect(rows.filter(({ click_hash: hash }) => hash !== null)).toEqual([])
})

test('200: the browser is given leave to send it', async () => {
  const preflight = await fetch(`${platform.url}/api/events/collect`, {
    method: 'OPTIONS',
    headers: {
      origin: ORIGIN,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-origin')).toBe(ORIGIN)
  expect(preflight.headers.get('access-control-allow-headers')?.split(', ')).toContain('Content-Type')
  expect(preflight.headers.get('access-control-allow-credentials')).toBeNull()
})

test.each(MALFORMED)('400: %s, as JSON and as text', async (_, body) => {
  expectProblem(await send(body), 'malformed_request')
  expectProblem(await send(body, BEACON), 'malformed_request')
})

test('401: whatever is wrong with the key, the answer is one and the same', async () => {
  const { tenant } = platform
  const keys = {
    unknown: `skp_${'A'.repeat(43)}`,
    short: `skp_${'A'.repeat(32)}`,
    'for servers': tenant.apiKey.replace('skd_', 'skp_'),
    revoked: await givenPublishable({ revokedAt: new Date() }),
    expired: await givenPublishable({ expiresAt: new Date(Date.now() - 1_000) }),
    'with another scope': await givenPublishable({ scopes: ['reports:read'] }),
  }
  const expected = await send(batch([seen()], { key: `skp_${'B'.repeat(43)}` }))
  expectProblem(expected, 'unauthorized')
  for (const [name, wrong] of Object.entries(keys)) {
    expect(masked(await send(batch([seen()], { key: wrong }))), name).toBe(masked(expected))
  }
})

function givenPublishable(options: { scopes?: string[]; expiresAt?: Date; revokedAt?: Date }): Promise<string> {
  return givenApiKey(platform, platform.tenant, { scopes: ['events:collect'], prefix: 'skp_', ...options })
}

test("403: no origin, one that nobody allows, and another tenant's; nothing is stored", async () => {
  const other = await platform.createTenant()
  await givenSite(other, ['https://other-shop.example'])
  const before = await countStored(platform)
  for (const origin of ['null', 'https://evil.example', 'https://other-shop.example', `${ORIGIN}.evil.example`]) {
    const answer = await send(batch(), { origin })
    expectProblem(answer, 'forbidden')
    if (origin === 'https://evil.example') expect(answer.headers.get('access-control-allow-origin')).toBeNull()
  }
  expectProblem(await platform.call('collectBrowserTouchpoints', { body: batch() }), 'forbidden')
  expect(await countStored(platform)).toEqual(before)
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await send(batch(), { accept: 'text/csv' }), 'not_acceptable')
})

test('413: more than 1 MiB, and text of more than a beacon may carry', async () => {
  expectProblem(await send(OVERSIZED), 'payload_too_large')
  const long = JSON.stringify(batch()).padEnd(65_537, ' ')
  expectProblem(await send(long, BEACON), 'payload_too_large')
  expect((await send(long.slice(0, -1), BEACON)).body.accepted).toBe(1)
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  expectProblem(await send(encode(JSON.stringify(batch())), headers), 'unsupported_media_type')
})

test.each([
  ['no touchpoint', batchOf([]), ['/body/touchpoints']],
  ['51', batchOf(Array.from({ length: 51 }, () => seen())), ['/body/touchpoints']],
  ['a key for servers', batchOf([seen()], { key: `skd_${'A'.repeat(43)}` }), ['/body/key']],
  ['no key', batchOf([seen()], { key: undefined }), ['/body/key']],
  ['a visitor that is no ULID', batchOf([seen()], { visitor_id: 'ada' }), ['/body/visitor_id']],
  ['a page that is no URL', batchOf([seen({ page_url: 'jackets' })]), ['/body/touchpoints/0/page_url']],
  ['a long page', batchOf([seen({ page_url: `${ORIGIN}/${'x'.repeat(2_048)}` })]), ['/body/touchpoints/0/page_url']],
  ['a surplus member', batchOf([seen({ channel: 'email' })]), ['/body/touchpoints/0/channel']],
])('422: %s, of the whole batch, also as text', async (_, make, pointers) => {
  const before = await countStored(platform)
  expectProblem(await send(make()), 'validation_failed', pointers)
  expectProblem(await send(JSON.stringify(make()), BEACON), 'validation_failed', pointers)
  expect(await countStored(platform)).toEqual(before)
})

/** The key is known only when the tests run. */
function batchOf(touchpoints: unknown[], change: Record<string, unknown> = {}) {
  return () => batch(touchpoints, change)
}

test('429: the quota of the tenant is used up, and that of its servers is not', async () => {
  const tenant = await platform.createTenant()
  const own = await givenSite(tenant)
  await platform.query(
    `insert into rate_limits (tenant_id, policy, full_at) values ($1, 'collect', now() + interval '1 hour')`,
    [tenant.tenantId],
  )
  const answer = await send(batch([seen()], { key: own }))
  expectProblem(answer, 'rate_limited')
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect((await platform.call('ingestTouchpoints', { tenant, body: '' })).status).toBe(400)
  expect((await send(batch())).status).toBe(200)
})

test('429: the quota of the address is used up, whatever the key', async () => {
  const known = () => platform.query<{ subject: Buffer }>('select subject from internal.address_limits')
  const before = (await known()).map(({ subject }) => subject.toString('hex'))
  expect(await sendFrom('127.0.0.2', batch())).toMatchObject({ status: 200 })
  const [own] = (await known()).filter(({ subject }) => !before.includes(subject.toString('hex')))
  await platform.query(`update internal.address_limits set full_at = now() + interval '1 hour' where subject = $1`, [
    own?.subject,
  ])
  const refused = await sendFrom('127.0.0.2', batch([seen()], { key: `skp_${'A'.repeat(43)}` }))
  expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
  expect(refused.retryAfter).toBeGreaterThanOrEqual(1)
  expect((await send(batch())).status).toBe(200)
})

async function sendFrom(localAddress: string, body: object) {
  const headers = { origin: ORIGIN, 'content-type': 'application/json' }
  const call = request(`${platform.url}/api/events/collect`, { method: 'POST', localAddress, headers, agent: false })
  call.end(JSON.stringify(body))
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  const answered = { status: answer.statusCode, retryAfter: Number(answer.headers['retry-after']) }
  return { ...answered, body: JSON.parse(await text(answer)) as object }
}

test('503: the database is gone; sent again when it is back, it is accepted', async () => {
  const sent = batch()
  expectProblem(await platform.withoutDatabase(() => send(sent)), 'service_unavailable')
  expect((await send(sent)).body.accepted).toBe(1)
})
