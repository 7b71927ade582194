import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { pino } from 'pino'
import { beforeAll, type onTestFinished as onTestFinishedType } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { replies, replyHeaders } from '../../generated/validators.js'
import { decoyHash, hashPassword } from '../../src/auth/password.ts'
import { issueAccessToken } from '../../src/auth/token.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import type { AppContext, Role, TenantContext } from '../../src/context.ts'
import type { OperationId } from '../../src/contract.ts'
import { connect } from '../../src/db/connect.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { closeServer, createServer } from '../../src/http/bind.ts'
import { authenticators, createCorsPolicy, createLimits, createObserver, handlers } from '../../src/main/app.ts'
import { createAuthentication } from '../../src/main/context.ts'
import { deriveKeyRing } from '../../src/secrets/keyring.ts'
import { recordAudit } from '../../src/tenants/audit.ts'
import { userIdOf } from '../../src/tenants/members/service.ts'
import { operatorIn } from '../../src/tenants/operator.ts'
import { generatePassword } from '../../src/tenants/person.ts'
import { insertMembership, insertUser } from '../../src/tenants/queries.ts'
import { createApiKey, createTenant } from '../../src/tenants/service.ts'
import { createDeliveryStore } from '../../src/webhooks/ingest/delivery-store.ts'
import { childEnvironment } from './child-environment.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { openDoor } from './door.ts'
import { type SimulatedPaypal, simulatePaypal } from './paypal.ts'
import { recordWitness } from './witness.ts'

/** Of every platform here. */
export const METRICS_TOKEN = 'metrics-token-only-for-tests'

type OnTestFinished = typeof onTestFinishedType | ((clean: () => Promise<void>) => void)

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies that were validated against the contract
  body: any
  text: string
}

export interface CallOptions {
  params?: Record<string, string>
  query?: Record<string, string>
  headers?: Record<string, string>
  /** Sent as JSON; a string or a Buffer is sent as it is. */
  body?: unknown
  /** Bearer token; by default the tenant's manager. `null`: none. */
  token?: string | null
  /** By default the platform's own tenant. */
  tenant?: TestTenant
}

export interface TestTenant {
  tenantId: string
  slug: string
  apiKey: string
  tokens: Record<Role, string>
  email: string
  password: string
  userId: string
  /** A unit of work for this tenant, for calling services and queries directly. */
  ctx: TenantContext
}

export interface TestPlatform {
  url: string
  ctx: AppContext
  /** As app_rw, for the services that provision tenants and people. */
  admin: AppContext
  database: TestDatabase
  config: Config
  /** The tenant that `call` acts for. */
  tenant: TestTenant
  /** Where the API fetches PayPal's certificates. */
  paypal: SimulatedPaypal
  /** Moves the clock of the API (not that of Postgres). */
  setNow: (now: Date | null) => void
  createTenant: (options?: { currency?: string; timeZone?: string }) => Promise<TestTenant>
  /** Calls an operation over HTTP and checks status, media type, body and headers against the contract. */
  call: (operationId: OperationId, options?: CallOptions) => Promise<Answer>
  /** A real worker process; resolves when it takes jobs. One that `losesDatabase` is cut off with the API, in silence. */
  startWorker: (options?: { losesDatabase?: boolean }) => Promise<ChildProcess>
  /** Asks the database as the superuser, whom row level security does not bind. */
  query: <Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>
  /** Runs `work` while the API cannot reach the database; it can again when that ends. */
  withoutDatabase: <T>(work: () => Promise<T>) => Promise<T>
}

/** The API on a port of its own, over a database of its own; all of it is gone when the test is. */
export async function startPlatform(onTestFinished: OnTestFinished): Promise<TestPlatform> {
  const clean = (work: () => Promise<void> | void) => onTestFinished(async () => await work())
  const database = await createTestDatabase()
  clean(database.drop)
  const door = await openDoor(database.adminUrl)
  clean(door.close)
  const config = loadConfig({
    DATABASE_URL: door.through(database.urlOf('app_user')),
    SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
    SKELDIR_PUBLIC_URL: 'https://api.example.test',
    SKELDIR_METRICS_TOKEN: METRICS_TOKEN,
    LOG_LEVEL: 'silent',
  })
  const log = pino({ level: 'silent' })
  let now: Date | null = null
  const paypal = simulatePaypal(log)
  const open = (role: 'app_user' | 'app_ingest' | 'app_rw' | 'app_retention', max = 4) => {
    const db = connect({ url: config.databaseUrls[role], applicationName: `test ${role}`, log, max })
    clean(db.close)
    return db
  }
  const main = open('app_user')
  const ingest = open('app_ingest')
  const probe = open('app_user', 2)
  const { start, stop, ...authentication } = createAuthentication(config, { name: 'test', lookup: main.lookup, log })
  const ctx: AppContext = {
    config,
    log,
    clock: () => now ?? new Date(),
    db: { main, ingest, probe },
    keys: deriveKeyRing(config.masterKeys),
    paypalCertificates: paypal.certificates,
    deliveries: createDeliveryStore(ingest, config.ingest),
    ...authentication,
  }
  clean(stop)
  start()
  const adminDb = open('app_rw', 2)
  const superuser = new pg.Pool({ connectionString: database.adminUrl, max: 2 })
  superuser.on('error', () => {})
  clean(() => superuser.end())
  const admin: AppContext = {
    ...ctx,
    db: { main: adminDb, ingest: adminDb, probe: adminDb, retention: open('app_retention', 2) },
  }
  const server = createServer(ctx, {
    handlers,
    authenticators,
    cors: createCorsPolicy(),
    limits: createLimits(),
    onAnswered: createObserver(ctx),
  })
  // As the real one does, so that no test is the one whose request pays for it.
  await decoyHash()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  clean(() => closeServer(server, 1_000))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const newTenant = (options?: { currency?: string; timeZone?: string }) => givenTenant(ctx, admin, options)
  const tenant = await newTenant()
  return {
    url,
    ctx,
    admin,
    database,
    config,
    tenant,
    paypal,
    setNow: (time) => {
      now = time
    },
    createTenant: newTenant,
    call: (operationId, options = {}) => callOperation(url, options.tenant ?? tenant, operationId, options),
    startWorker: ({ losesDatabase = false } = {}) =>
      startWorkerProcess(config, clean, {
        DATABASE_URL: losesDatabase ? config.databaseUrls.app_user : database.urlOf('app_user'),
        LOG_LEVEL: losesDatabase ? 'silent' : 'warn',
      }),
    query: async (text, values) => {
      // A long one is planned once for each connection, not each time that it is asked: it may name a hundred tables.
      const name = text.length > 1_000 ? { name: createHash('sha1').update(text).digest('hex') } : {}
      return (await superuser.query({ text, ...name, ...(values && { values: [...values] }) })).rows
    },
    async withoutDatabase(work) {
      door.shut()
      try {
        // A pool finds out about its idle connections in its own time; one that it still holds would fail a request later.
        const pools = [main.pool, ingest.pool, probe.pool, adminDb.pool]
        await until(
          async () => pools.map((pool) => pool.totalCount),
          (open) => open.every((count) => count === 0),
        )
        return await work()
      } finally {
        door.open()
      }
    },
  }
}

/**
 * One platform for all tests of a file, made before the first of them. They run in any order, so each that writes does
 * so as a tenant of its own.
 */
export function usePlatform(): TestPlatform {
  const platform = {} as TestPlatform
  beforeAll(async () => {
    const cleaners: (() => Promise<void>)[] = []
    Object.assign(platform, await startPlatform((clean: () => Promise<void>) => void cleaners.push(clean)))
    return async () => {
      for (const clean of cleaners.reverse()) await clean()
    }
  })
  return platform
}

async function givenTenant(
  ctx: AppContext,
  admin: AppContext,
  { currency = 'USD', timeZone = 'UTC' }: { currency?: string; timeZone?: string } = {},
): Promise<TestTenant> {
  const slug = `t-${randomUUID().slice(0, 8)}`
  const { tenantId } = await createTenant(admin, { slug, name: 'Test shop', reportingCurrency: currency, timeZone })
  const user = await givenManager(admin, tenantId, `${slug}@example.test`)
  const { apiKey } = await createApiKey(admin, { tenantSlug: slug, name: 'test', scopes: ['events:write'] })
  const token = async (role: Role) => {
    const now = new Date()
    const claims = { userId: user.userId, tenantId, role, sessionId: randomUUID(), openedAt: now }
    return (await issueAccessToken(ctx.keys, claims, now, 900)).token
  }
  return {
    tenantId,
    slug,
    apiKey,
    tokens: { viewer: await token('viewer'), manager: await token('manager'), admin: await token('admin') },
    email: user.email,
    password: user.password,
    userId: user.userId,
    ctx: {
      ...ctx,
      correlationId: randomUUID(),
      clientAddress: null,
      tenantId,
      principal: {
        kind: 'user',
        tenantId,
        userId: user.userId,
        role: 'manager',
        sessionId: randomUUID(),
        expiresAt: new Date(Date.now() + 900_000),
      },
    },
  }
}

const MANAGERS_PASSWORD = generatePassword()
let managersHash: Promise<string> | undefined

/**
 * What `createUser` leaves behind, but for the password: managers share one, hashed once. A hash takes 25 ms of a core,
 * on purpose, and most tests make a tenant.
 */
async function givenManager(
  admin: AppContext,
  tenantId: string,
  email: string,
): Promise<{ userId: string; email: string; password: string }> {
  managersHash ??= hashPassword(MANAGERS_PASSWORD)
  const passwordHash = await managersHash
  const work = operatorIn(admin, tenantId)
  const userId = userIdOf(admin.keys, email)
  await inTenant(admin.db.main, work, async (tx) => {
    await insertUser(tx, { userId, email, passwordHash })
    await insertMembership(tx, tenantId, userId, 'manager')
    await recordAudit(tx, {
      actor: work.principal,
      action: 'member.added',
      subject: `user:${userId}`,
      details: { role: 'manager' },
    })
  })
  return { userId, email, password: MANAGERS_PASSWORD }
}

async function callOperation(
  url: string,
  tenant: TestTenant,
  operationId: OperationId,
  options: CallOptions,
): Promise<Answer> {
  const row = operations[operationId]
  const schemes: readonly string[] = row.security.flat()
  const headers: Record<string, string> = {}
  const token = options.token === undefined ? tenant.tokens.manager : options.token
  if (schemes.includes('bearerAuth') && token !== null) headers.authorization = `Bearer ${token}`
  if (schemes.includes('metricsToken') && token !== null)
    headers.authorization = `Bearer ${options.token ?? METRICS_TOKEN}`
  if (schemes.includes('tenantKey') && token !== null) headers['x-skeldir-tenant-key'] = tenant.apiKey
  const isRaw = typeof options.body === 'string' || Buffer.isBuffer(options.body)
  if (options.body !== undefined) headers['content-type'] = 'application/json'
  const path = row.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(options.params?.[name] ?? ''))
  const query = options.query === undefined ? '' : `?${new URLSearchParams(options.query)}`
  const request = {
    target: `${path}${query}`,
    params: options.params ?? {},
    query: options.query ?? {},
    headers: { ...headers, ...options.headers },
    body: options.body === undefined ? null : isRaw ? (options.body as string) : JSON.stringify(options.body),
  }
  const response = await fetch(`${url}${request.target}`, {
    method: row.method.toUpperCase(),
    headers: request.headers,
    body: request.body,
  })
  const text = await response.text()
  recordWitness(operationId, request, { status: response.status, headers: response.headers, text })
  const answer = {
    status: response.status,
    headers: response.headers,
    body:
      text === '' ? undefined : /[/+]json\b/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text,
    text,
  }
  checkAgainstContract(operationId, answer)
  checkCorrelationId(operationId, options.headers?.['x-correlation-id'], answer)
  return answer
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Throws unless the answer carries the caller's correlation id where the operation takes one, and a problem the same. */
function checkCorrelationId(
  operationId: OperationId,
  sent: string | undefined,
  { status, headers, body }: Answer,
): void {
  const id = headers.get('x-correlation-id')
  const isTaken = operations[operationId].parameters.some(({ name }) => name === 'X-Correlation-ID')
  if (isTaken && sent !== undefined && UUID.test(sent) && id !== sent) {
    throw new Error(`${operationId} ${status}: correlation id ${id} instead of ${sent}`)
  }
  if (status >= 400 && body.correlation_id !== id) {
    throw new Error(`${operationId} ${status}: correlation id ${body.correlation_id} in the body, ${id} in the header`)
  }
}

/** Throws unless the contract declares this answer: status, media type, closed body and headers. */
export function checkAgainstContract(operationId: OperationId, { status, headers, body }: Omit<Answer, 'text'>): void {
  const declared = (operations[operationId].replies as Record<number, { mediaTypes: readonly string[] }>)[status]
  if (declared === undefined)
    throw new Error(`${operationId} answered ${status}, which its contract does not declare: ${JSON.stringify(body)}`)
  const sent = headers.get('content-type') ?? undefined
  const [usual] = declared.mediaTypes
  const expected = declared.mediaTypes.find((mediaType) => mediaType === sent) ?? usual
  const mediaType = sent === expected ? sent : sent?.split(';')[0]
  if (mediaType !== expected)
    throw new Error(`${operationId} ${status}: media type ${mediaType} instead of ${expected}`)
  // Of text the contract says no more than that it is text.
  const isText = mediaType !== undefined && !/[/+]json$/.test(mediaType)
  if (isText && typeof body !== 'string') throw new Error(`${operationId} ${status}: ${mediaType} is no text`)
  if (mediaType !== undefined && !isText) {
    const validate = replies[operationId]?.[status]?.[mediaType]
    if (validate === undefined) throw new Error(`${operationId} ${status}: no validator for ${mediaType}`)
    if (!validate(body))
      throw new Error(`${operationId} ${status}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(body)}`)
  }
  const validateHeaders = replyHeaders[operationId]?.[status]
  const present: Record<string, unknown> = Object.fromEntries(headers)
  if (present['retry-after'] !== undefined) present['retry-after'] = Number(present['retry-after'])
  if (validateHeaders !== undefined && !validateHeaders(present)) {
    throw new Error(`${operationId} ${status}: headers ${JSON.stringify(validateHeaders.errors)}`)
  }
}

async function startWorkerProcess(
  config: Config,
  clean: (work: () => Promise<void>) => void,
  env: { DATABASE_URL: string; LOG_LEVEL: string },
): Promise<ChildProcess> {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const child = spawn(process.execPath, ['src/cli/main.ts', 'worker'], {
    cwd: root,
    env: {
      ...childEnvironment(),
      SKELDIR_MASTER_KEY: config.masterKeys.map((key) => key.toString('base64')).join(','),
      SKELDIR_SUPERVISED: '1',
      ...env,
    },
    stdio: ['pipe', 'inherit', 'pipe'],
  })
  const ended = once(child, 'exit')
  clean(async () => {
    child.kill('SIGTERM')
    await ended
  })
  await new Promise<void>((resolve, reject) => {
    let seen = ''
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      seen += chunk
      if (seen.includes('takes jobs')) resolve()
    })
    ended.then(() => reject(new Error(`the worker ended: ${seen}`)))
  })
  return child
}

/** Asks until the answer satisfies, for what a worker does in its own time. Throws with the last answer after `timeoutMs`. */
export async function until<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean, timeoutMs = 15_000): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (isGood(answer)) return answer
    if (performance.now() > deadline)
      throw new Error(`not so within ${timeoutMs} ms; last: ${JSON.stringify(answer)?.slice(0, 2_000)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Headers of a Stripe delivery, as Stripe signs it. */
export function signStripe(body: string | Buffer, secret: string, at: Date = new Date()): Record<string, string> {
  const seconds = Math.floor(at.getTime() / 1000)
  const signature = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex')
  return { 'stripe-signature': `t=${seconds},v1=${signature}` }
}

/** Headers of a Shopify delivery, as Shopify signs it. */
export function signShopify(
  body: string | Buffer,
  secret: string,
  {
    topic,
    webhookId = randomUUID(),
    shop = 'test-shop.myshopify.com',
  }: { topic: string; webhookId?: string; shop?: string },
): Record<string, string> {
  return {
    'x-shopify-hmac-sha256': createHmac('sha256', secret).update(body).digest('base64'),
    'x-shopify-topic': topic,
    'x-shopify-webhook-id': webhookId,
    'x-shopify-shop-domain': shop,
    'x-shopify-api-version': '2026-10',
  }
}
