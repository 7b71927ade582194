import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import * as attribution from '../../src/attribution/recompute/queries.ts'
import * as auth from '../../src/auth/queries.ts'
import { connect } from '../../src/db/connect.ts'
import { inTenant, type Tx } from '../../src/db/tenant.ts'
import * as errors from '../../src/errors/queries.ts'
import * as events from '../../src/events/queries.ts'
import * as health from '../../src/health/queries.ts'
import type { Seal } from '../../src/revenue/queries.ts'
import * as revenue from '../../src/revenue/queries.ts'
import { createTenantKey } from '../../src/secrets/keyring.ts'
import * as tenants from '../../src/tenants/queries.ts'
import * as webhookEndpoints from '../../src/webhooks/endpoints/queries.ts'
import * as webhookIngest from '../../src/webhooks/ingest/queries.ts'
import * as webhookLedger from '../../src/webhooks/ledger/queries.ts'
import type { NewEntry } from '../../src/webhooks/ledger/settle.ts'
import { startPlatform } from '../support/platform.ts'

const webhooks = { ...webhookIngest, ...webhookLedger }
const MODULES = { attribution, auth, errors, events, health, revenue, tenants, webhooks }

const sha256 = (text: string) => createHash('sha256').update(text).digest()

/**
 * The types of raw SQL are asserted, not checked: so each function runs once here, on a real database, in the role that
 * calls it, and what it gives is compared whole. A function without a call here fails the last line.
 */
test('every function of every queries.ts runs, and gives what its type says', async ({ onTestFinished }) => {
  const platform = await startPlatform(onTestFinished)
  const { ctx, tenant, config } = platform
  const { tenantId } = tenant
  const open = (role: 'app_worker' | 'app_rw') => {
    const db = connect({ url: config.databaseUrls[role], applicationName: 'test', log: ctx.log, max: 1 })
    onTestFinished(db.close)
    return db
  }
  const dbs = { api: ctx.db.main, ingest: ctx.db.ingest, worker: open('app_worker'), admin: open('app_rw') }
  const called = new Set<string>()
  const as = <T>(role: keyof typeof dbs, work: (tx: Tx) => Promise<T>, scope = tenantId): Promise<T> =>
    inTenant(dbs[role], { tenantId: scope, correlationId: randomUUID() }, work, {
      executionContext: role === 'worker' ? 'worker' : 'request',
    })
  /** The functions of each module; a call is noted. */
  const q = Object.fromEntries(
    Object.entries(MODULES).map(([name, module]) => [
      name,
      Object.fromEntries(
        Object.entries(module).map(([key, run]) => [
          key,
          (...args: never[]) => {
            called.add(`${name}.${key}`)
            return (run as (...args: never[]) => unknown)(...args)
          },
        ]),
      ),
    ]),
  ) as typeof MODULES

  // tenants
  expect(await as('api', (tx) => q.tenants.getTenant(tx, tenantId))).toEqual({
    tenantId,
    slug: tenant.slug,
    name: 'Test shop',
    reportingCurrency: 'USD',
    timeZone: 'UTC',
  })
  const { kid } = ctx.keys.wrappingKeys[0]
  const dataKey = { tenantId, version: 1, wrappingKid: kid, wrappedKey: expect.any(Buffer) }
  expect(await as('ingest', (tx) => q.tenants.getTenantKey(tx, tenantId))).toEqual(dataKey)
  expect(await as('ingest', (tx) => q.tenants.getIdentityKey(tx, tenantId))).toEqual(dataKey)
  expect(await as('api', (tx) => q.tenants.listTenantKeys(tx, tenantId))).toEqual([dataKey])
  await as('admin', async (tx) => {
    const [key] = await q.tenants.listTenantKeys(tx, tenantId)
    if (key === undefined) throw new Error('the tenant has a key')
    expect(await q.tenants.setTenantKey(tx, key, kid)).toBe(true)
    expect(await q.tenants.setTenantKey(tx, key, 'another')).toBe(false)
  })
  expect(await as('admin', (tx) => q.tenants.listTenants(tx, '', 10))).toEqual([{ slug: tenant.slug, tenantId }])
  expect(await as('admin', (tx) => q.tenants.listTenants(tx, tenant.slug, 10))).toEqual([])
  expect(await as('admin', (tx) => q.tenants.findTenantBySlug(tx, tenant.slug))).toBe(tenantId)
  expect(await as('admin', (tx) => q.tenants.findTenantBySlug(tx, 'nobody'))).toBeUndefined()
  const other = randomUUID()
  const email = `${other}@example.test`
  await as(
    'admin',
    async (tx) => {
      const row = { tenantId: other, slug: 'other', name: 'Other', reportingCurrency: 'EUR', timeZone: 'Asia/Tokyo' }
      await q.tenants.insertTenant(tx, row)
      expect(await q.tenants.claimSlug(tx, 'other', other)).toBe(true)
      expect(await q.tenants.claimSlug(tx, tenant.slug, other)).toBe(false)
      await q.tenants.insertTenantKey(tx, createTenantKey(ctx.keys, other, 1))
      const userId = randomUUID()
      await q.tenants.insertUser(tx, { userId, email, passwordHash: 'no hash' })
      expect(await q.tenants.insertMembership(tx, other, userId, 'admin')).toBe(true)
      expect(await q.tenants.insertMembership(tx, other, userId, 'admin')).toBe(false)
      await q.tenants.replaceAllowedOrigins(tx, other, ['https://old.example'])
      await q.tenants.replaceAllowedOrigins(tx, other, ['https://b.example', 'http://localhost:5173'])
      expect(await q.tenants.listAllowedOrigins(tx, other)).toEqual(['https://b.example', 'http://localhost:5173'])
    },
    other,
  )
  for (const [origin, isAllowed] of [
    ['https://b.example', true],
    ['http://localhost:5173', true],
    ['https://old.example', false],
  ] as const) {
    expect(await q.tenants.isAllowedOrigin(dbs.api.lookup, origin)).toBe(isAllowed)
    expect(await as('api', (tx) => q.tenants.hasAllowedOrigin(tx, other, origin), other)).toBe(isAllowed)
    expect(await as('api', (tx) => q.tenants.hasAllowedOrigin(tx, tenantId, origin))).toBe(false)
  }

  // auth
  expect(await q.auth.findLogin(dbs.api.lookup, email.toUpperCase())).toEqual([
    {
      userId: expect.any(String),
      passwordHash: 'no hash',
      status: 'active',
      tenantId: other,
      slug: 'other',
      tenantName: 'Other',
      role: 'admin',
    },
  ])
  expect(await q.auth.findLogin(dbs.api.lookup, 'nobody@example.test')).toEqual([])
  const [{ userId: memberId = '' } = {}] = await q.auth.findLogin(dbs.api.lookup, email)
  expect(await as('api', (tx) => q.auth.findMember(tx, memberId), other)).toEqual({
    userId: memberId,
    email,
    status: 'active',
    role: 'admin',
    slug: 'other',
    tenantName: 'Other',
    accountNotBefore: null,
    keptSession: null,
  })
  expect(await as('api', (tx) => q.auth.findMember(tx, memberId))).toBeUndefined()
  expect(await as('api', (tx) => q.auth.findPassword(tx, memberId), other)).toBe('no hash')
  expect(await as('api', (tx) => q.auth.findPassword(tx, memberId))).toBeUndefined()
  expect(await as('api', (tx) => q.auth.confirmPassword(tx, memberId, 'no hash'), other)).toBe(true)
  expect(await as('api', (tx) => q.auth.confirmPassword(tx, memberId, 'another'), other)).toBe(false)
  const at = new Date()
  const change = { userId: memberId, oldHash: 'no hash', newHash: 'other hash', at, usedSince: at }
  const changePassword = () =>
    as('api', (tx) => q.auth.changePassword(tx, { ...change, exceptSession: randomUUID() }), other)
  expect(await changePassword()).toBe(0)
  expect(await changePassword()).toBeNull()
  const revocation = { tenantId: other, kind: 'member', id: memberId, standing: 'viewer', notBefore: at } as const
  await as('api', (tx) => q.auth.publishRevocation(tx, revocation), other)
  expect((await q.auth.readRevocations(dbs.api.lookup, '0')).at(-1)).toEqual({
    horizon: expect.stringMatching(/^\d+$/),
    subject: sha256(`member/${other}/${memberId}`).toString('base64'),
    standing: 'viewer',
    notBefore: at,
    kept: null,
    recordedAt: expect.any(Number),
  })
  const subject = sha256('address')
  const attempt = {
    at,
    address: { subject, allowed: 2, windowSeconds: 60 },
    account: { subject: sha256('account'), allowed: 5, maxSeconds: 900 },
  }
  expect(await q.auth.admitAttempt(dbs.api.lookup, attempt)).toBeLessThanOrEqual(0)
  expect(await q.auth.admitAddress(dbs.api.lookup, { at, ...attempt.address })).toBe(0)
  expect(await q.auth.admitAddress(dbs.api.lookup, { at, ...attempt.address })).toBeGreaterThan(0)
  const withdrawn = { at, address: subject, account: sha256('account'), blockedUntil: null }
  await q.auth.withdrawAttempt(dbs.api.lookup, withdrawn)
  expect(await q.auth.admitAddress(dbs.api.lookup, { at, ...attempt.address })).toBe(0)
  expect(await q.auth.admitAddress(dbs.api.lookup, { at, ...attempt.address })).toBeGreaterThan(0)
  await q.auth.forgiveAttempt(dbs.api.lookup, subject, sha256('account'))
  expect(await q.auth.admitAddress(dbs.api.lookup, { at, ...attempt.address })).toBe(0)

  // webhooks
  const endpointKey = randomBytes(32).toString('base64url')
  const endpoint = { tenantId, vendor: 'stripe', name: 'Main', mode: 'live', shopDomain: null, endpointKey } as const
  const { endpointId } = await as('api', async (tx) => {
    const row = await webhookEndpoints.insertEndpoint(tx, endpoint)
    expect(row).toEqual({ endpointId: expect.any(String), createdAt: expect.any(Date) })
    await webhookEndpoints.insertSecret(tx, {
      tenantId,
      endpointId: row.endpointId,
      keyVersion: 1,
      sealed: Buffer.from('sealed'),
    })
    return row
  })
  expect(await webhookEndpoints.findEndpoint(dbs.api.lookup, 'stripe', endpointKey)).toEqual({
    tenantId,
    endpointId,
    version: 1,
    mode: 'live',
    shopDomain: null,
    secrets: [{ secretId: expect.any(String), keyVersion: 1, sealed: Buffer.from('sealed'), notAfter: null }],
    keys: [{ tenantId, version: 1, wrappingKid: kid, wrappedKey: expect.any(Buffer) }],
  })
  const older = await as('admin', (tx) => webhookEndpoints.listSecretsBefore(tx, tenantId, 2))
  expect(older).toEqual([{ endpointId, secretId: expect.any(String), keyVersion: 1, sealed: Buffer.from('sealed') }])
  expect(await as('admin', (tx) => webhookEndpoints.listSecretsBefore(tx, tenantId, 1))).toEqual([])
  const again = {
    tenantId,
    endpointId,
    secretId: older[0]?.secretId ?? '',
    keyVersion: 1,
    sealed: Buffer.from('again'),
  }
  expect(await as('api', (tx) => webhookEndpoints.setSealedSecret(tx, again, 1))).toBe(true)
  expect(await as('api', (tx) => webhookEndpoints.setSealedSecret(tx, again, 2))).toBe(false)
  expect(await webhookEndpoints.findEndpoint(dbs.api.lookup, 'shopify', endpointKey)).toBeUndefined()
  const event = {
    tenantId,
    vendor: 'stripe' as const,
    externalId: 'evt_1',
    endpointId,
    topic: 'charge.succeeded',
    bodySha256: sha256('body'),
    payload: { id: 'ch_1' },
    isTest: false,
    isHandled: true,
    correlationId: randomUUID(),
  }
  const ingest = (changes: object) => as('ingest', (tx) => q.webhooks.ingestEvent(tx, { ...event, ...changes }))
  const { receiptId: eventId } = await ingest({})
  expect(await ingest({})).toEqual({ result: 'duplicate', receiptId: eventId })
  expect(await ingest({ externalId: 'evt_2', isTest: true })).toMatchObject({ result: 'ignored' })
  expect(await ingest({ externalId: 'evt_3', isHandled: false })).toMatchObject({ result: 'ignored' })
  expect(await q.webhooks.insertDeliveries(dbs.ingest, [{ ...event, size: 100 }])).toEqual([
    { result: 'duplicate', receiptId: eventId },
  ])
  const otherBody = { bodySha256: sha256('other body'), payload: { id: 'ch_2' } }
  const conflict = await ingest(otherBody)
  expect(conflict).toMatchObject({ result: 'dead' })
  expect(await ingest(otherBody)).toEqual(conflict)
  const { externalId, topic, bodySha256 } = event
  const dead = { tenantId, vendor: 'stripe' as const, endpointId, externalId, topic, bodySha256, payload: null }
  const sealedBody = { keyVersion: 1, sealed: randomBytes(40) }
  const bury = () =>
    as('ingest', (tx) =>
      q.webhooks.recordDeadEvent(tx, {
        ...dead,
        class: 'poison',
        code: 'x',
        detail: 'd',
        sealedBody,
        correlationId: randomUUID(),
      }),
    )
  expect(await bury()).toBe(await bury())
  expect(await as('worker', (tx) => q.webhooks.getEvents(tx, tenantId, [eventId, randomUUID()]))).toEqual([
    { eventId, vendor: 'stripe', endpointId, externalId, topic, payload: { id: 'ch_1' }, bodySha256 },
  ])
  const orderKey = 'stripe:pi_1'
  const orderedAt = new Date('2026-03-02T10:00:00.123Z')
  const identity = sha256('visitor').toString('hex')
  const said = {
    orderKey,
    sameAs: 'woocommerce:1',
    entryKey: 'e1',
    disputeKey: null,
    outcome: null,
    listKey: null,
    list: null,
    amountMinor: 1_999n,
    counts: true,
    currency: 'USD',
    occurredAt: orderedAt,
    versionAt: null,
    prevails: false,
    identity,
  }
  const entry = {
    orderKey,
    currency: 'USD',
    eventId,
    occurredAt: orderedAt,
    reversesEntryKey: null,
    correctsEntryKey: null,
  }
  await as('ingest', async (tx) => {
    expect(await q.webhooks.lockOrders(tx, tenantId, [orderKey, 'woocommerce:1'])).toEqual([orderKey, 'woocommerce:1'])
    expect(await q.webhooks.tryLockOrders(tx, tenantId, ['stripe:pi_2', 'stripe:pi_3'])).toBe(true)
    expect(await as('ingest', (other) => webhookLedger.tryLockOrders(other, tenantId, ['stripe:pi_3']))).toBe(false)
    for (let turn = 0; turn < 2; turn += 1) {
      await q.webhooks.insertCanonicalEvents(tx, tenantId, eventId, [
        { ...said, type: 'order_created', sameAs: null, entryKey: null, amountMinor: null },
        { ...said, type: 'payment_captured' },
        {
          ...said,
          type: 'payment_refunded',
          entryKey: 'e2',
          amountMinor: 500n,
          versionAt: orderedAt,
          listKey: orderKey,
          list: 'item',
        },
        { ...said, type: 'payment_refunded', entryKey: 'l1', amountMinor: 0n, listKey: orderKey, list: 'whole' },
        { ...said, type: 'dispute_closed', entryKey: 'd1:closed', disputeKey: 'd1', outcome: 'won' },
      ])
    }
    expect(await q.webhooks.lockOrders(tx, tenantId, ['woocommerce:1'])).toEqual([orderKey, 'woocommerce:1'])
    expect(await q.webhooks.listLinkedOrders(tx, tenantId, ['woocommerce:1'])).toEqual({
      orderKeys: expect.arrayContaining([orderKey, 'woocommerce:1']),
      links: [[orderKey, 'woocommerce:1']],
    })
    const order = { orderKey, orderedAt, currency: 'USD', identity }
    await q.webhooks.insertOrderFact(tx, tenantId, eventId, order)
    await q.webhooks.insertOrderFact(tx, tenantId, eventId, order)
    const amounts = { totalMinor: 1_000n, taxMinor: 100n, shippingMinor: 50n, tipMinor: 0n, discountMinor: 20n }
    await q.webhooks.insertOrderParts(tx, tenantId, eventId, { orderKey, currency: 'USD', ...amounts, versionAt: null })
    const statement = {
      eventId,
      orderKey,
      currency: 'USD',
      occurredAt: orderedAt,
      disputeKey: null,
      outcome: null,
      listKey: null,
      list: null,
      counts: true,
      versionAt: null,
      prevails: false,
    }
    const about = { eventId: randomUUID(), entryKeys: ['e1'], disputeKeys: ['d1'] }
    const items = [
      {
        ...statement,
        type: 'payment_refunded',
        entryKey: 'e2',
        amountMinor: 500n,
        versionAt: orderedAt,
        listKey: orderKey,
        list: 'item',
      },
      { ...statement, type: 'payment_refunded', entryKey: 'l1', amountMinor: 0n, listKey: orderKey, list: 'whole' },
    ]
    const none = { entryKeys: [], disputeKeys: [] }
    expect(await q.webhooks.listStatements(tx, tenantId, { ...about, ...none })).toEqual([])
    expect(await q.webhooks.listStatements(tx, tenantId, { ...about, ...none, entryKeys: ['e2'] })).toEqual(items)
    expect(await q.webhooks.listStatements(tx, tenantId, { ...about, ...none, eventId })).toEqual(items)
    expect(await q.webhooks.listStatements(tx, tenantId, about)).toEqual([
      { ...statement, type: 'payment_captured', entryKey: 'e1', amountMinor: 1_999n },
      {
        ...statement,
        type: 'dispute_closed',
        entryKey: 'd1:closed',
        disputeKey: 'd1',
        outcome: 'won',
        amountMinor: 1_999n,
      },
    ])
    const enter = (changes: Partial<NewEntry>) =>
      q.webhooks.insertLedgerEntry(
        tx,
        tenantId,
        { vendor: 'stripe', source: 'webhook' },
        { ...entry, entryKey: 'e1', kind: 'capture', amountMinor: 1_999n, ...changes },
      )
    expect(await enter({ amountMinor: 1_000n })).toBe(true)
    expect(await enter({ amountMinor: 1_999n })).toBe(false)
    expect(await enter({ entryKey: 'e1~1', amountMinor: 999n, correctsEntryKey: 'e1' })).toBe(true)
    expect(await enter({ entryKey: 'e2', kind: 'refund', amountMinor: -500n })).toBe(true)
    expect(await q.webhooks.listBooked(tx, tenantId, ['e1', 'e9'])).toEqual([
      { entryKey: 'e1', rows: 2, sums: [{ orderKey, currency: 'USD', amountMinor: 1_999n }] },
    ])
    const group = await q.webhooks.listGroupEntries(tx, tenantId, [orderKey, 'woocommerce:1'])
    const same = { orderKey, currency: 'USD', reversesEntryKey: null }
    expect(group.members).toEqual([orderKey])
    expect(group.entries.toSorted((a, b) => (a.entryKey < b.entryKey ? -1 : 1))).toEqual([
      { ...same, entryKey: 'e1', kind: 'capture', amountMinor: 1_999n },
      { ...same, entryKey: 'e2', kind: 'refund', amountMinor: -500n },
    ])
    const grouped = { groupKey: 'woocommerce:1', orderKeys: [orderKey, 'woocommerce:1'] }
    await q.webhooks.replaceGroup(tx, tenantId, { ...grouped, uncounted: ['e2'] })
    const movements = await q.webhooks.listMovements(tx, tenantId, [orderKey])
    expect(movements).toEqual(await q.webhooks.listMovements(tx, tenantId, null))
    expect(movements.get('woocommerce:1')).toMatchObject([
      { type: 'dispute_closed', disputeKey: 'd1', outcome: 'won', amountMinor: 0n },
      { type: 'order_created', disputeKey: null, outcome: null, amountMinor: 0n },
      { type: 'payment_captured', amountMinor: 1_999n, occurredAt: orderedAt },
    ])
    // As it was, for what follows.
    await q.webhooks.replaceGroup(tx, tenantId, { groupKey: orderKey, orderKeys: [orderKey], uncounted: [] })
  })

  // events
  const touch = {
    eventId: 't1',
    identity: Buffer.from(identity, 'hex'),
    session: sha256('s1'),
    tier: 'click_id',
    orderKey: 'own:1',
    occurredAt: new Date('2026-03-01T10:00:00.456Z'),
    channel: 'email',
    channelRules: 'ga4.1/1',
    source: 'news',
    medium: null,
    campaign: null,
    click: { kind: 'gclid', hash: sha256('c1') },
    landingPath: '/jackets',
    referrerHost: 'news.example',
    itemSha256: sha256('t1'),
  }
  const send = (touches: (typeof touch)[], origin = 'server') =>
    as('ingest', (tx) => q.events.insertTouchpoints(tx, tenantId, origin, touches))
  expect(await send([touch])).toEqual(new Map([['t1', { isNew: true, itemSha256: sha256('t1') }]]))
  expect(
    await send([
      { ...touch, itemSha256: sha256('changed') },
      { ...touch, eventId: 't0' },
    ]),
  ).toEqual(
    new Map([
      ['t1', { isNew: false, itemSha256: sha256('t1') }],
      ['t0', { isNew: true, itemSha256: sha256('t1') }],
    ]),
  )
  expect((await send([touch], 'import')).get('t1')).toEqual({ isNew: true, itemSha256: sha256('t1') })

  // attribution
  const day = '2026-03-02'
  const job = { tenantId, from: day, to: '2026-03-04', modelVersion: '1.0.0', requestedBy: tenant.userId }
  const request = () => as('api', (tx) => q.attribution.upsertRecomputeJob(tx, job))
  const jobId = await request()
  const work = <T>(act: (tx: Tx) => Promise<T>) => as('worker', act)
  const find = () => as('api', (tx) => q.attribution.findRecomputeJob(tx, tenantId, jobId))
  const jobRow = {
    jobId,
    status: 'queued',
    windowStart: new Date('2026-03-02T00:00:00Z'),
    windowEnd: new Date('2026-03-05T00:00:00Z'),
    runCount: 0,
    requestedAt: expect.any(Date),
    finishedAt: null,
  }
  expect(await find()).toEqual(jobRow)
  const first = { jobId, runId: randomUUID(), attempt: 1 }
  expect(await work((tx) => q.attribution.beginRecompute(tx, tenantId, first))).toBe(true)
  expect(await find()).toEqual({ ...jobRow, status: 'running' })
  await work((tx) => q.attribution.failRecompute(tx, tenantId, jobId, randomUUID()))
  expect(await find()).toEqual({ ...jobRow, status: 'running' })
  await work((tx) => q.attribution.failRecompute(tx, tenantId, jobId, first.runId))
  expect(await find()).toEqual({ ...jobRow, status: 'failed', finishedAt: expect.any(Date) })
  // The second attempt works on it: what the first one says now does not count, nor does it begin again.
  const second = { ...first, attempt: 2 }
  expect(await work((tx) => q.attribution.beginRecompute(tx, tenantId, second))).toBe(true)
  await work((tx) => q.attribution.succeedRecompute(tx, tenantId, first))
  expect(await work((tx) => q.attribution.beginRecompute(tx, tenantId, first))).toBe(false)
  expect(await find()).toEqual({ ...jobRow, status: 'running' })
  await work((tx) => q.attribution.succeedRecompute(tx, tenantId, second))
  await work((tx) => q.attribution.succeedRecompute(tx, tenantId, second))
  await work((tx) => q.attribution.failRecompute(tx, tenantId, jobId, second.runId))
  expect(await find()).toEqual({ ...jobRow, status: 'succeeded', runCount: 1, finishedAt: expect.any(Date) })
  expect(await request()).toBe(jobId)
  expect(await find()).toEqual({ ...jobRow, runCount: 1 })

  // revenue
  const since = new Date('2026-03-01T00:00:00Z')
  const noon = new Date('2026-03-29T12:00:00Z')
  const watermark = (from: Date | undefined, seal?: Seal) =>
    as('api', (tx) => q.revenue.getWatermark(tx, tenantId, { since: from, now: noon, seal }))
  const settings = { timeZone: 'UTC', reportingCurrency: 'USD' }
  const seal = { since, before: expect.any(Date), recorded: 0n }
  expect(await watermark(since)).toEqual({ since, ...settings, recorded: 9n, seal })
  const known = { since, before: new Date('2026-03-02T00:00:00Z'), recorded: 7n }
  expect(await watermark(since, known)).toMatchObject({ recorded: 16n, seal: { ...seal, recorded: 7n } })
  expect(await watermark(new Date('2026-03-01T00:00:00.001Z'), known)).toMatchObject({
    recorded: 9n,
    seal: { recorded: 0n },
  })
  expect(await watermark(new Date('2100-01-01T00:00:00Z'))).toMatchObject({ recorded: 0n })
  expect(await watermark(undefined)).toMatchObject({ since: new Date('2026-03-29T00:00:00Z'), recorded: 9n })
  const moved = { currency: 'USD', vendor: 'stripe', capturedMinor: 1_999n, refundedMinor: 500n, orders: 1 }
  expect(await as('api', (tx) => q.revenue.sumRevenue(tx, tenantId, since))).toEqual({
    rows: [{ ...moved, entries: 3, verified: 3, newest: expect.any(Date) }],
    recorded: 9n,
  })
  expect(await as('api', (tx) => q.revenue.sumRevenue(tx, tenantId, new Date()))).toEqual({ rows: [], recorded: 0n })

  // health
  expect(await q.health.isWritable(dbs.api.lookup)).toBe(true)
  expect(await q.health.getSchemaVersion(dbs.api.lookup)).toMatch(/^\d{4}_/)
  expect(await q.health.listUnprotectedTables(dbs.api.lookup)).toEqual([])
  expect(await q.health.canBypassPolicies(dbs.api.lookup)).toBe(false)
  expect(await q.health.roundTripTenantContext(dbs.api)).toBe(true)
  const probeId = randomUUID()
  expect(await q.health.askWorker(dbs.api.lookup, probeId)).toBe(probeId)
  expect(await q.health.askWorker(dbs.api.lookup, randomUUID())).toBe(probeId)
  expect(await q.health.findAnswer(dbs.api.lookup, probeId)).toBeUndefined()
  await q.health.checkOut(dbs.api.lookup)
  expect(await q.health.listMissingGrants(dbs.api.lookup, { app_user: ['sing'], app_ingest: [] })).toEqual([
    'sing, for app_user',
  ])
  expect((await q.health.measureQueues(dbs.api.lookup))[0]).toEqual({
    name: expect.any(String),
    ready: expect.any(BigInt),
    active: expect.any(BigInt),
    failed: expect.any(BigInt),
    oldestReadyAgeS: null,
  })
  const horizon = await q.health.measureHorizon(dbs.api.lookup)
  expect(horizon).toEqual({ deadTuples: expect.any(Number), oldestXmin: horizon.oldestXmin })
  expect(String(horizon.oldestXmin)).toMatch(/^(null|\d+)$/)
  await q.health.beat(dbs.worker.lookup, { workerId: 'here', activeJobs: 2 })
  expect(await q.health.listWorkers(dbs.api.lookup)).toEqual([
    { workerId: 'here', activeJobs: 2, lastSeenAt: expect.any(Date) },
  ])
  await q.health.removeHeartbeat(dbs.worker.lookup, 'here')
  expect(await q.health.listWorkers(dbs.api.lookup)).toEqual([])
  // errors
  const seenAt = new Date('2026-03-01T00:00:00Z')
  const [fingerprint, sealed] = [sha256('error'), sha256('sealed')]
  const reported = { fingerprint, release: null, client: null, seenAt, keyVersion: 1, sealed }
  const counted = await as('api', (tx) => q.errors.countError(tx, tenantId, reported))
  expect(counted).toEqual({ errorId: expect.any(String), occurrences: 1n })
  const noFilter = { release: undefined, since: undefined }
  const page = { after: undefined, limit: 2, now: seenAt }
  expect(await as('api', (tx) => q.errors.listErrorRows(tx, tenantId, noFilter, page))).toEqual([
    {
      errorId: counted.errorId,
      fingerprint,
      release: null,
      client: null,
      occurrences: 1n,
      firstSeenAt: seenAt,
      lastSeenAt: seenAt,
      lastSeenMicros: `${seenAt.getTime()}000`,
      keyVersion: 1,
      sealed,
    },
  ])
  await as('api', (tx) => q.errors.removeOldest(tx, tenantId, 0))
  expect(await as('api', (tx) => q.errors.listErrorRows(tx, tenantId, noFilter, page))).toEqual([])

  const all = Object.entries(MODULES).flatMap(([name, module]) =>
    Object.entries(module).flatMap(([key, value]) => (typeof value === 'function' ? [`${name}.${key}`] : [])),
  )
  expect([...called].sort()).toEqual(all.sort())
})

/** The nouns of a domain, and what no operation asks for: their functions are run by tests of their own. */
const BY_NOUN = [
  'attribution/engine/changes',
  'attribution/engine/editions',
  'attribution/engine/orders',
  'attribution/engine/pointers',
  'attribution/engine/runs',
  'attribution/rates',
  'attribution/reports/channels',
  'attribution/reports/editions',
  'attribution/reports/models',
  'attribution/reports/orders',
  'attribution/reports/runs',
  'attribution/windows',
  'auth/sessions',
  'events/channels',
  'events/conversions',
  'events/import',
  'events/spend',
  'jobs',
  'revenue/daily',
  'revenue/ledger',
  'rollups',
  'tenants/alerts',
  'tenants/api-keys',
  'tenants/audit',
  'tenants/idempotency',
  'tenants/limits',
  'tenants/members',
  'tenants/report-window',
  'tenants/retention',
  'tenants/settings',
  'webhooks/dead-events',
  'webhooks/dead-events/replay',
  'webhooks/endpoints',
  'webhooks/poll',
  'webhooks/privacy',
]
/** Run above as one. */
const TOGETHER: Record<string, string[]> = {
  attribution: ['attribution/recompute'],
  webhooks: ['webhooks/ingest', 'webhooks/ledger'],
}

test('every queries.ts there is takes part', () => {
  const src = fileURLToPath(new URL('../../src/', import.meta.url))
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
    (file) => basename(file) === 'queries.ts',
  )
  const run = Object.keys(MODULES).flatMap((name) => TOGETHER[name] ?? [name])
  expect(files.map(dirname).sort()).toEqual([...run, ...BY_NOUN].sort())
})
