import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Vendor } from '../../src/context.ts'
import { createApiKey, replaceTenantOrigins } from '../../src/tenants/service.ts'
import type { Delivery } from '../../src/webhooks/simulator/delivery.ts'
import { listTopics } from '../../src/webhooks/simulator/simulators.ts'
import type { Apart } from '../support/apart.ts'
import { issueCertificate } from '../support/certificates.ts'
import { givenEndpoint, MINUTE, type TestEndpoint, ulid } from '../support/given.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'
import { signed, simulate } from '../support/signed-deliveries.ts'
import {
  followWal,
  inventCanary,
  kindsIn,
  kindsInBytes,
  personalHeaders,
  plantIn,
  scanColumns,
} from './support/personal.ts'
import { startTalking } from './support/process.ts'

const platform = usePlatform()
const VENDORS: readonly Vendor[] = ['stripe', 'shopify', 'paypal', 'woocommerce']
const canary = inventCanary()
const KINDS = Object.keys(canary)
const answers: { what: string; status: number; text: string }[] = []

let api: Apart
let worker: Apart
let wal: Awaited<ReturnType<typeof followWal>>
let walBytes: Buffer
let columns: string[]
let tenant: TestTenant

const cleaners: (() => unknown)[] = []
afterAll(async () => {
  for (const clean of cleaners.reverse()) await clean()
})

/** PayPal's: of an operator's own, which endpoints in test mode take. */
const signer = issueCertificate({ commonName: 'messageverificationcerts.sandbox.paypal.com' })
const certificate = { privateKey: signer.privateKey, url: 'https://certificates.test/canary' }

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skeldir-canary-'))
  cleaners.push(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'paypal.pem'), signer.pem)
  wal = await followWal(platform)
  cleaners.push(wal.close)
  const url = platform.database.urlOf('app_user')
  const env = { SKELDIR_PAYPAL_TEST_CERTIFICATES: join(folder, 'paypal.pem'), SKELDIR_TRUSTED_PROXIES: '127.0.0.1' }
  api = await startTalking(platform, 'serve', url, /listening on (http:\S+?)["\s]/, env)
  cleaners.push(api.stop)
  worker = await startTalking(platform, 'worker', url, /takes jobs/)
  cleaners.push(worker.stop)
  tenant = await platform.createTenant()
  for (const vendor of VENDORS)
    await deliverAll(await givenEndpoint(platform, vendor, { tenant, mode: modeOf(vendor) }))
  // The same of PayPal in live mode, which only an API with PayPal's certificates takes.
  await deliverAll(await givenEndpoint(platform, 'paypal', { tenant }), platform.url)
  await sendEvents()
  await send('metrics', 'GET', '/metrics')
  await send('nowhere', 'GET', `/api/${canary.email}?token=${canary['token in a URL']}`)
  await until(
    () =>
      platform.query(
        "select data from pgboss.job where state in ('created', 'retry', 'active') and name in ('webhook', 'attribution', 'maintenance')",
      ),
    (jobs) => jobs.length === 0,
    40_000,
  )
  columns = await scanColumns(platform, canary)
  walBytes = await wal.read()
}, 120_000)

const modeOf = (vendor: Vendor) => (vendor === 'paypal' ? 'test' : 'live')

async function send(
  what: string,
  method: string,
  path: string,
  {
    headers = {},
    body,
    base = api.told,
  }: { headers?: Record<string, string>; body?: string | Buffer; base?: string } = {},
): Promise<{ status: number; body: { result?: string; code?: string } }> {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: { ...personalHeaders(canary), ...headers },
    body: body === undefined ? null : new Uint8Array(Buffer.from(body)),
  })
  const text = await response.text()
  answers.push({ what, status: response.status, text: `${JSON.stringify([...response.headers])}\n${text}` })
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : {} }
}

const results = new Map<string, number>()

async function deliver(endpoint: TestEndpoint, delivery: Delivery, base?: string): Promise<void> {
  const mode = base === undefined ? modeOf(endpoint.vendor) : 'live'
  const own = endpoint.vendor === 'paypal' && base === undefined ? { certificate } : {}
  const { headers, body } = signed(delivery, endpoint.secret, { mode, ...own })
  const path = `/api/webhooks/${endpoint.vendor}/in/${endpoint.endpointKey}`
  const answer = await send(`${endpoint.vendor} ${delivery.topic}`, 'POST', path, {
    headers,
    body,
    ...(base !== undefined && { base }),
  })
  const what = answer.body.code ?? answer.body.result ?? String(answer.status)
  results.set(what, (results.get(what) ?? 0) + 1)
}

/** Every topic of the vendor as it comes, and with the canary in place of what it reads; and what nobody can read. */
async function deliverAll(endpoint: TestEndpoint, base?: string): Promise<void> {
  for (const { topic: written } of listTopics(endpoint.vendor)) {
    const topic = written.replace('<hook>', 'canary')
    const delivery = simulate(endpoint.vendor, topic)
    const text = delivery.body.toString()
    if (!text.startsWith('{')) {
      await deliver(endpoint, delivery, base)
      continue
    }
    const planted = plantIn(text, canary)
    await deliver(endpoint, { ...delivery, body: Buffer.from(planted) }, base)
    // Amounts, currencies and times become personal data too: what is kept of a dead delivery.
    const spoilt = planted.replaceAll(
      /"(currency|created_at|date_created_gmt|create_time|value|total_price|reason|status)"\s*:\s*"[^"]*"/g,
      (_, name) =>
        `"${name}":"${name === 'status' ? canary['first name'] : `${canary.email} ${canary.phone} ${canary.IPv6}`}"`,
    )
    const anew = simulate(endpoint.vendor, topic)
    await deliver(endpoint, { ...anew, body: Buffer.from(spoilt.replace(/"evt_/, '"evt_9')) }, base)
  }
  const any = simulate(endpoint.vendor, listTopics(endpoint.vendor)[0]?.topic.replace('<hook>', 'canary') ?? '')
  const member = `"email":${JSON.stringify(canary.email)},"street":${JSON.stringify(canary.street)}`
  for (const broken of [
    `{${member}`,
    `{${member},"nul":"\\u0000"}`,
    `{${member},"deep":${'['.repeat(200)}${']'.repeat(200)}}`,
    `{${member},"object":"v2.core.event","id":"evt_1","type":"charge.succeeded"}`,
    JSON.stringify(Object.values(canary)),
  ])
    await deliver(endpoint, { ...any, body: Buffer.from(broken) }, base)
  // The same id with another body.
  const twice = simulate(endpoint.vendor, listTopics(endpoint.vendor)[0]?.topic.replace('<hook>', 'canary') ?? '')
  for (const tail of [' ', '  '])
    await deliver(endpoint, { ...twice, body: Buffer.from(plantIn(twice.body.toString(), canary) + tail) }, base)
}

/** What says of itself that it is personal. A name of somebody may as well be that of a campaign. */
const RECOGNISABLE: ReadonlySet<string> = new Set(['email', 'phone', 'phone of North America', 'IPv4', 'IPv6'])

/**
 * What pages and servers of the tenant send: all of the canary where only what is known is read, and in the texts that
 * the tenant itself words (campaigns, ids) all that can be recognised.
 */
async function sendEvents(): Promise<void> {
  const origin = 'https://shop.example'
  await replaceTenantOrigins(platform.admin, { tenantSlug: tenant.slug, origins: [origin] })
  const { apiKey: key } = await createApiKey(platform.admin, {
    tenantSlug: tenant.slug,
    name: 'page',
    scopes: ['events:collect'],
  })
  const { apiKey } = await createApiKey(platform.admin, {
    tenantSlug: tenant.slug,
    name: 'server',
    scopes: ['events:write', 'spend:write'],
  })
  const at = new Date(Date.now() - MINUTE).toISOString()
  const query = `utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=${canary['token in a URL']}`
  for (const [kind, value] of [['none', ''], ...Object.entries(canary)] as const) {
    const told = encodeURIComponent(value)
    const worded = RECOGNISABLE.has(kind) ? value : ''
    const term = encodeURIComponent(worded || 'spring')
    const pages = [
      `${origin}/tent?${query}&contact=${told}`,
      `${origin}/?utm_source=${term}&utm_campaign=${term}&utm_id=${told}&name=${told}#${told}`,
    ]
    const touches = pages.map((page_url) => ({
      event_id: randomUUID(),
      occurred_at: at,
      page_url,
      referrer: `https://mail.example/${told}`,
    }))
    const collected = { key, visitor_id: ulid(), session_id: ulid(), touchpoints: touches }
    await post('collect', '/api/events/collect', collected, { origin })
    const text = worded || 'spring'
    const touch = {
      event_id: randomUUID(),
      visitor_id: ulid(),
      occurred_at: at,
      channel: 'email',
      source: text,
      campaign: text,
    }
    await post('touchpoints', '/api/events/touchpoints', { touchpoints: [touch] }, { 'x-skeldir-tenant-key': apiKey })
    const conversion = {
      // What an id may be made of has room for no address of a person; it is stored as it is sent.
      conversion_id: kind.startsWith('IP') ? randomUUID() : worded || randomUUID(),
      kind: 'purchase',
      order_id: worded || '1',
      occurred_at: at,
      total: { amount_minor: 100, currency: 'USD' },
    }
    await post(
      'conversions',
      '/api/events/conversions',
      { conversions: [conversion] },
      { 'x-skeldir-tenant-key': apiKey },
    )
    const spend = {
      day: at.slice(0, 10),
      channel: 'email',
      source: text,
      campaign: text,
      amount: { amount_minor: 1, currency: 'USD' },
    }
    await post('spend', '/api/events/spend', { items: [spend], spend: [spend] }, { 'x-skeldir-tenant-key': apiKey })
  }
}

function post(what: string, path: string, body: object, headers: Record<string, string>) {
  return send(what, 'POST', path, {
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  })
}

describe('personal data in all payloads', () => {
  test('went everywhere: into every vendor, every way in and every class of dead events', async () => {
    expect(results.get('accepted')).toBeGreaterThan(20)
    for (const fault of ['malformed', 'schema', 'poison', 'unsupported', 'conflict'])
      expect([...results.keys()], fault).toContain(fault)
    const counts = await platform.query<Record<string, number>>(
      `select (select count(distinct vendor)::int from webhook_events) as vendors,
              (select count(distinct topic)::int from webhook_events) as topics,
              (select count(*)::int from dead_events) as dead,
              (select count(*)::int from dead_event_bodies) as bodies,
              (select count(*)::int from ledger_entries) as money,
              (select count(*)::int from touchpoints where origin = 'browser') as touches`,
    )
    expect(counts[0]).toMatchObject({ vendors: 4 })
    expect(counts[0]?.topics).toBeGreaterThan(50)
    for (const name of ['dead', 'bodies', 'money', 'touches']) expect(counts[0]?.[name], name).toBeGreaterThan(4)
    expect(api.output().split('\n').length).toBeGreaterThan(10)
  })

  test('is in no column of any table', () => {
    expect(columns).toEqual([])
  })

  test('is in no line of the API or the worker, at the level trace', () => {
    for (const { output } of [api, worker]) expect(kindsIn(canary, output())).toEqual([])
  })

  test('is in no answer: neither in errors nor in metrics', () => {
    for (const { what, status, text } of answers) {
      // A problem names the path that was asked for, and a result the id by which its item was sent.
      const told = text.replace(/"instance":"[^"]*"/, '').replace(/"(conversion_id|pointer)":"[^"]*"/g, '')
      expect(kindsIn(canary, told), `${what}: ${status} ${text}`).toEqual([])
    }
    expect(answers.length).toBeGreaterThan(200)
  })

  test('was never written to the log of the database either, not even to be rolled back', () => {
    expect(walBytes.length).toBeGreaterThan(100_000)
    expect(kindsInBytes(canary, walBytes)).toEqual([])
  })
})

describe('the search', () => {
  test('finds each kind in a text, in JSON and in bytes, and in the log of the database', async () => {
    const other = inventCanary()
    expect(kindsIn(other, JSON.stringify(canary))).toEqual([])
    expect(kindsIn(canary, JSON.stringify(canary))).toEqual(KINDS)
    const log = await followWal(platform)
    try {
      await platform.query('create table canary_probe (words text, document jsonb, bytes bytea)')
      for (const value of Object.values(other)) {
        await platform.query('insert into canary_probe values ($1, $2, $3)', [
          `said ${value}.`,
          JSON.stringify({ deep: [{ text: value }] }),
          Buffer.from(`x${value}x`),
        ])
      }
      const found = await scanColumns(platform, other)
      const expected = ['bytes', 'document', 'words'].flatMap((column) =>
        KINDS.map((kind) => `public.canary_probe.${column}: ${kind}`),
      )
      expect(found.map((hit) => hit.replace(/^canary/, 'public.canary')).sort()).toEqual(expected.sort())
      expect(kindsInBytes(other, await log.read()).sort()).toEqual([...KINDS].sort())
    } finally {
      await platform.query('drop table if exists canary_probe')
      await log.close()
    }
  })

  test('plants each kind in each object of a body', () => {
    const planted = plantIn('{"a":{"b":[{},{"c":"{"}]}}', canary)
    const parsed = JSON.parse(planted)
    for (const object of [parsed, parsed.a, ...parsed.a.b])
      expect(kindsIn(canary, JSON.stringify(object))).toEqual(KINDS)
    expect(parsed.a.b[1].c).toBe('{')
  })
})
