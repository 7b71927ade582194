import { randomBytes, randomUUID } from 'node:crypto'
import { readFile, readlink, stat } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createUser } from '../../src/tenants/service.ts'
import type { Apart } from '../support/apart.ts'
import { openDoor } from '../support/door.ts'
import { nextNumber, shopifyOrder, ulid } from '../support/given.ts'
import { METRICS_TOKEN, signShopify, signStripe, type TestTenant, until, usePlatform } from '../support/platform.ts'
import { untilIdle } from '../support/stored.ts'
import { startTalking } from './support/process.ts'
import { listTables } from './support/row-counts.ts'
import { findSecrets, listColumnsHolding } from './support/secrets.ts'
import { openWireTap, type WireTap } from './support/wire-tap.ts'

const platform = usePlatform()

/** What must be nowhere but with its owner. */
const secrets = new Map<string, string>()
/** What has one place in the database, and none in logs, errors and texts of statements. */
const personal = new Map<string, string>()

interface Exchange {
  what: string
  status: number
  text: string
}
const exchanges: Exchange[] = []
let api: Apart
let worker: Apart
let tap: WireTap
let tenant: TestTenant
let databaseLog: { read: () => Promise<string> }

/** From now on the database writes down each statement, without its parameters: `tap` sees those. */
async function followDatabaseLog(): Promise<{ read: () => Promise<string> }> {
  await platform.query(`alter database ${platform.database.name} set log_statement = 'all'`)
  await platform.query(`alter database ${platform.database.name} set log_parameter_max_length = 0`)
  const [row] = await platform.query<{ pid: number }>('select pg_backend_pid() as pid')
  const path = `/proc/${row?.pid}/fd/2`
  const start = process.platform === 'linux' ? (await stat(path)).size : 0
  const file = process.platform === 'linux' ? await readlink(path) : ''
  return { read: async () => (await readFile(file)).subarray(start).toString() }
}

const cleaners: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const clean of cleaners.reverse()) await clean()
})

beforeAll(async () => {
  const door = await openDoor(platform.database.adminUrl)
  cleaners.push(door.close)
  tap = await openWireTap(door.through(platform.database.adminUrl))
  cleaners.push(tap.close)
  databaseLog = await followDatabaseLog()
  const url = tap.through(platform.database.urlOf('app_user'))
  api = await startTalking(platform, 'serve', url, /listening on (http:\S+?)["\s]/, {
    SKELDIR_METRICS_TOKEN: METRICS_TOKEN,
  })
  cleaners.push(api.stop)
  worker = await startTalking(platform, 'worker', url, /takes jobs/)
  cleaners.push(worker.stop)
  tenant = await platform.createTenant()
  for (const key of platform.config.masterKeys) {
    secrets.set('master key', key.toString('base64'))
    secrets.set('bytes of the master key', key.toString('hex'))
  }
  secrets.set('password of the database', new URL(url).password)
  await liveThrough()
  await untilIdle(platform)
  await liveThroughFaults(door)
}, 120_000)

const word = (name: string) => `canary-${name}-${randomBytes(12).toString('hex')}`

/** A new secret, known to the search from now on. */
function plant(name: string, value: string, among: Map<string, string> = secrets): string {
  among.set(`${name} ${among.size + 1}`, value)
  return value
}

async function ask(
  what: string,
  method: string,
  path: string,
  { body, headers = {}, token }: { body?: unknown; headers?: Record<string, string>; token?: string | undefined } = {},
  // biome-ignore lint/suspicious/noExplicitAny: whatever the operation answers
): Promise<{ status: number; body: any }> {
  const isRaw = typeof body === 'string' || Buffer.isBuffer(body)
  const response = await fetch(`${api.told}${path}`, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: body === undefined ? null : isRaw ? (body as string) : JSON.stringify(body),
  })
  const text = await response.text()
  exchanges.push({ what, status: response.status, text: `${JSON.stringify([...response.headers])}\n${text}` })
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

/** Throws unless it went as it should: a canary that got nowhere proves nothing. */
function must(answer: { status: number; body: unknown }, status: number): void {
  if (answer.status !== status) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
}

let token: string
let refreshToken: string
let email: string
let password: string
let apiKey: string
let endpoints: { vendor: 'stripe' | 'shopify'; key: string; secret: string }[] = []

/** Every secret of the platform goes its way, with what goes wrong on it. */
async function liveThrough(): Promise<void> {
  email = plant('e-mail', `${word('owner')}@example.test`, personal)
  password = plant(
    'password',
    (await createUser(platform.admin, { tenantSlug: tenant.slug, email, role: 'admin' })).password ?? '',
  )
  await logInAndOut()
  await manageKeys()
  await inviteSomebody()
  await ingest()
  await deliver()
}

async function logIn(): Promise<void> {
  const answer = await ask('login', 'POST', '/api/auth/login', { body: { email, password, tenant: tenant.slug } })
  must(answer, 200)
  token = plant('access token', answer.body.access_token)
  refreshToken = plant('refresh token', answer.body.refresh_token)
}

async function logInAndOut(): Promise<void> {
  await logIn()
  const wrong = plant('wrong password', word('wrong'))
  await ask('wrong password', 'POST', '/api/auth/login', { body: { email, password: wrong } })
  const nobody = plant('unknown e-mail', `${word('nobody')}@example.test`, personal)
  await ask('unknown e-mail', 'POST', '/api/auth/login', { body: { email: nobody, password: wrong } })
  for (const broken of [
    `{"email":"${email}","password":"${password}`,
    `{"email":"${email}","password":"${password}","password":"${wrong}"}`,
    JSON.stringify({ email: password, password: email }),
    JSON.stringify({ email, password, [wrong]: wrong }),
    JSON.stringify({ email: [email], password: { value: password } }),
    JSON.stringify([email, password, token, refreshToken]),
    JSON.stringify(`${email}${password}`.repeat(20_000)),
  ])
    must(await expectRefusal('broken login', '/api/auth/login', broken), 0)
  await ask('as a form', 'POST', '/api/auth/login', {
    body: `email=${email}&password=${password}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  must(await ask('verify', 'GET', '/api/auth/verify', { token }), 200)
  await ask('a token in the query', 'GET', `/api/auth/verify?access_token=${token}`)
  await ask('a token as another scheme', 'GET', '/api/auth/verify', { headers: { authorization: `Basic ${token}` } })
  await ask('half a token', 'GET', '/api/auth/verify', { token: token.slice(0, -10) })
  const old = refreshToken
  const next = await ask('refresh', 'POST', '/api/auth/refresh', { body: { refresh_token: old } })
  must(next, 200)
  token = plant('access token', next.body.access_token)
  refreshToken = plant('refresh token', next.body.refresh_token)
  await ask('refresh with rubbish', 'POST', '/api/auth/refresh', { body: { refresh_token: `${old}x`, [old]: old } })
  const changed = plant('new password', word('changed'))
  const change = { current_password: wrong, new_password: changed }
  await ask('change with the wrong password', 'POST', '/api/auth/password', { token, body: change })
  must(
    await ask('change', 'POST', '/api/auth/password', { token, body: { ...change, current_password: password } }),
    200,
  )
  password = changed
  must(await ask('logout', 'POST', '/api/auth/logout', { token }), 204)
  await ask('after logout', 'GET', '/api/auth/verify', { token })
  await ask('refresh after logout', 'POST', '/api/auth/refresh', { body: { refresh_token: refreshToken } })
  await logIn()
}

/** Anything but success; 0 stands for it, so that `must` can tell. */
async function expectRefusal(what: string, path: string, body: string): Promise<{ status: number; body: unknown }> {
  const answer = await ask(what, 'POST', path, { body, token })
  return answer.status >= 400 && answer.status < 500 ? { ...answer, status: 0 } : answer
}

async function manageKeys(): Promise<void> {
  const body = { name: 'canary', scopes: ['events:write'] }
  const headers = { 'idempotency-key': randomUUID() }
  const made = await ask('key', 'POST', '/api/tenant/api-keys', { token, body, headers })
  must(made, 201)
  apiKey = plant('API key', made.body.api_key)
  // The stored answer holds the key, sealed.
  must(await ask('key', 'POST', '/api/tenant/api-keys', { token, body, headers }), 201)
  must(await ask('keys', 'GET', '/api/tenant/api-keys', { token }), 200)
  must(
    await expectRefusal('a key as a scope', '/api/tenant/api-keys', JSON.stringify({ ...body, scopes: [apiKey] })),
    0,
  )
  await ask('a key as a token', 'GET', '/api/auth/verify', { token: apiKey })
}

async function inviteSomebody(): Promise<void> {
  const invited = plant('invited e-mail', `${word('invited')}@example.test`, personal)
  const body = { email: invited, role: 'viewer' }
  const headers = { 'idempotency-key': randomUUID() }
  const made = await ask('invitation', 'POST', '/api/tenant/members', { token, body, headers })
  must(made, 201)
  const invite = plant('invitation token', made.body.invite_token)
  must(await ask('invitation', 'POST', '/api/tenant/members', { token, body, headers }), 201)
  const chosen = plant('chosen password', word('chosen'))
  const accept = (what: string, fields: object) => ask(what, 'POST', '/api/auth/invites/accept', { body: fields })
  await accept('a wrong invitation', { token: `${invite.slice(0, -4)}AAAA`, password: chosen })
  await accept('an easy password', { token: invite, password: invited })
  const accepted = await accept('accept', { token: invite, password: chosen })
  must(accepted, 200)
  plant('access token', accepted.body.access_token)
  plant('refresh token', accepted.body.refresh_token)
  await accept('accept twice', { token: invite, password: chosen })
}

const touchpoint = (visitorId: string) => ({
  event_id: randomUUID(),
  visitor_id: visitorId,
  session_id: ulid(),
  occurred_at: new Date(Date.now() - 60_000).toISOString(),
  channel: 'email',
})

async function ingest(): Promise<void> {
  const visitor = plant('visitor id', ulid())
  const send = (what: string, touchpoints: unknown, key = apiKey) =>
    ask(what, 'POST', '/api/events/touchpoints', {
      body: { touchpoints },
      headers: { 'x-skeldir-tenant-key': key },
    })
  must(await send('touchpoints', [touchpoint(visitor)]), 200)
  await send('a touchpoint with an e-mail', [{ ...touchpoint(visitor), campaign: email }])
  await send('a touchpoint with more', [{ ...touchpoint(visitor), [visitor]: visitor, token, password }])
  await send('a touchpoint twice', [touchpoint(visitor), touchpoint(visitor)])
  await send('with half a key', [touchpoint(visitor)], apiKey.slice(0, 20))
  await send(
    'with an unknown key',
    [touchpoint(visitor)],
    plant('unknown key', `skd_${randomBytes(32).toString('base64url')}`),
  )
}

async function deliver(): Promise<void> {
  for (const vendor of ['stripe', 'shopify'] as const) {
    const secret = plant('webhook secret', `whsec_${word(vendor)}`)
    const made = await ask('endpoint', 'POST', '/api/webhook-endpoints', {
      token,
      body: { vendor, name: 'canary', secret },
    })
    must(made, 201)
    endpoints = [...endpoints, { vendor, key: plant('endpoint key', made.body.endpoint_key, personal), secret }]
    must(
      await expectRefusal(
        'a bad endpoint',
        '/api/webhook-endpoints',
        JSON.stringify({ vendor: secret, name: secret, secret }),
      ),
      0,
    )
  }
  await deliverAll(200)
  await deliverAll(401, plant('forger secret', `whsec_${word('forger')}`))
}

/** To each endpoint: an order with personal data, one that is broken, and one that is no JSON. */
async function deliverAll(status: number | null, signedWith?: string): Promise<void> {
  const visitor = plant('visitor id', ulid())
  const buyer = plant('buyer', `${word('buyer')}@example.test`)
  for (const { vendor, key, secret } of endpoints) {
    const good =
      vendor === 'stripe'
        ? stripeCharge(visitor, buyer)
        : shopifyOrder({ total: '132.00', at: new Date(), visitorId: visitor })
    const bodies = [
      JSON.stringify({ ...good, email: buyer, note: `${buyer} ${password}` }),
      JSON.stringify({ ...good, id: [buyer], email: buyer, created: password }),
      `{"email":"${buyer}", ${visitor}`,
    ]
    for (const text of bodies) {
      const signature =
        vendor === 'stripe'
          ? signStripe(text, signedWith ?? secret)
          : signShopify(text, signedWith ?? secret, { topic: 'orders/paid' })
      const answer = await ask('delivery', 'POST', `/api/webhooks/${vendor}/in/${key}`, {
        body: text,
        headers: signature,
      })
      if (status !== null) must(answer, status)
    }
  }
}

function stripeCharge(visitorId: string, buyer: string): object {
  const created = Math.floor(Date.now() / 1000) - 60
  const id = `ch_${nextNumber()}`
  return {
    id: `evt_${nextNumber()}`,
    object: 'event',
    type: 'charge.succeeded',
    created,
    livemode: true,
    data: {
      object: {
        id,
        object: 'charge',
        amount: 13_200,
        amount_captured: 13_200,
        amount_refunded: 0,
        captured: true,
        created,
        currency: 'usd',
        livemode: true,
        paid: true,
        payment_intent: `pi_${nextNumber()}`,
        status: 'succeeded',
        billing_details: { email: buyer, name: buyer },
        receipt_email: buyer,
        metadata: { skeldir: `av1.${visitorId}.${ulid()}`, note: buyer },
      },
    },
  }
}

/** The same while nothing can be stored, and then while there is no database. */
async function liveThroughFaults(door: { shut: () => void; open: () => void }): Promise<void> {
  const tables = (await listTables(platform)).filter((name) => !/^pgboss\.|schema_migrations/.test(name))
  const plain = await platform.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class where relkind = 'r' and oid::regclass::text = any ($1)`,
    [tables],
  )
  // Postgres then tells the whole row in the error's detail.
  for (const { name } of plain)
    await platform.query(`alter table ${name} add constraint canary_refuses check (false) not valid`)
  await tryEverything()
  for (const { name } of plain) await platform.query(`alter table ${name} drop constraint canary_refuses`)
  door.shut()
  await tryEverything()
  door.open()
  await until(
    () => ask('again', 'GET', '/api/auth/verify', { token }),
    ({ status }) => status === 200,
  )
}

async function tryEverything(): Promise<void> {
  const secret = plant('webhook secret', `whsec_${word('lost')}`)
  const invited = plant('lost e-mail', `${word('lost')}@example.test`, personal)
  const chosen = plant('lost password', word('lost'))
  const visitor = plant('visitor id', ulid())
  const key = { 'x-skeldir-tenant-key': apiKey }
  const requests: [string, object, Record<string, string>?][] = [
    ['/api/auth/login', { email, password, tenant: tenant.slug }],
    ['/api/auth/login', { email: invited, password: chosen }],
    ['/api/auth/refresh', { refresh_token: refreshToken }],
    ['/api/auth/password', { current_password: password, new_password: chosen }],
    [
      '/api/auth/invites/accept',
      { token: plant('lost invitation', randomBytes(32).toString('base64url')), password: chosen },
    ],
    ['/api/tenant/members', { email: invited, role: 'viewer' }],
    ['/api/tenant/api-keys', { name: 'lost', scopes: ['events:write'] }, { 'idempotency-key': randomUUID() }],
    ['/api/webhook-endpoints', { vendor: 'stripe', name: 'lost', secret }],
    ['/api/events/touchpoints', { touchpoints: [touchpoint(visitor)] }, key],
  ]
  for (const [path, body, headers = {}] of requests) await ask('fault', 'POST', path, { body, headers, token })
  await deliverAll(null)
}

/** What a successful answer gives to its caller, because that is what it was asked for. */
const GIVING: Readonly<Record<string, RegExp>> = {
  login: /^(access token|refresh token|e-mail) /,
  refresh: /^(access token|refresh token|e-mail) /,
  accept: /^(access token|refresh token|invited e-mail) /,
  key: /^API key /,
  invitation: /^(invitation token|invited e-mail) /,
  endpoint: /^endpoint key /,
}

/** Without what repeats the request by its nature: the name of a member, and the path, of which an endpoint's key is part. */
function withoutEcho({ what, text }: Exchange): string {
  const told = text.replace(/"pointer":"[^"]*"/g, '')
  return what === 'delivery' ? told.replace(/"instance":"[^"]*"/, '') : told
}

describe('no secret is told', () => {
  test('the canaries went everywhere: into success, refusal and faults', () => {
    expect(secrets.size).toBeGreaterThan(25)
    const statuses = new Set(exchanges.map(({ status }) => status))
    for (const status of [200, 201, 204, 400, 401, 413, 415, 422, 500, 503]) expect([...statuses]).toContain(status)
    // The faults left their marks in the log, so a secret in them would have had the chance.
    expect(api.output()).toContain('canary_refuses')
    expect(api.output().split('\n').length).toBeGreaterThan(10)
    expect(tap.statements().length).toBeGreaterThan(100)
  })

  test('in what the API and the worker write, at the level trace', () => {
    for (const { output } of [api, worker])
      expect(findSecrets(new Map([...secrets, ...personal]), output())).toEqual([])
  })

  test('in the metrics of the process, which know nobody', async () => {
    const headers = { authorization: `Bearer ${METRICS_TOKEN}`, accept: 'application/openmetrics-text; version=1.0.0' }
    const text = await (await fetch(`${api.told}/metrics`, { headers })).text()
    expect(text).toContain('skd_http_failures_total{')
    expect(findSecrets(new Map([...secrets, ...personal]), text)).toEqual([])
    for (const id of [tenant.tenantId, tenant.slug, tenant.userId]) expect(text).not.toContain(id)
  })

  test('in an answer, but to whom it was made for', () => {
    const all = new Map([...secrets, ...personal])
    for (const exchange of exchanges) {
      const { what, status } = exchange
      const text = withoutEcho(exchange)
      const given = status < 300 ? GIVING[what] : undefined
      const told = findSecrets(all, text).filter((name) => given?.test(name) !== true)
      expect(told, `${what}: ${status} ${text}`).toEqual([])
    }
  })

  test('on the way to the database, not even as a parameter', () => {
    const bytes = tap.bytes().toString('latin1')
    expect(findSecrets(secrets, bytes)).toEqual([])
    // Addresses are parameters: what goes by is really seen.
    expect(findSecrets(personal, bytes)).toContain('e-mail 1')
    expect(findSecrets(personal, tap.statements().join('\n'))).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')('in what the database writes, every statement included', async () => {
    const log = await databaseLog.read()
    expect(log).toContain(platform.database.name)
    expect(log).toContain('canary_refuses')
    expect(findSecrets(secrets, log)).toEqual([])
    expect(findSecrets(personal, log)).toEqual([])
  })

  test('in any column of any table', async () => {
    for (const [name, secret] of secrets) expect(await listColumnsHolding(platform, secret), name).toEqual([])
  })

  test('what is personal has its one column', async () => {
    for (const [name, value] of personal) {
      const place = name.startsWith('endpoint key') ? ['webhook_endpoints.endpoint_key'] : ['users.email']
      const isStored = !/^(unknown|lost)/.test(name)
      expect(await listColumnsHolding(platform, value), name).toEqual(isStored ? place : [])
    }
  })
})
