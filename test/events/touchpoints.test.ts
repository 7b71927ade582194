import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import type { TenantContext } from '../../src/context.ts'
import { inTenant } from '../../src/db/tenant.ts'
import {
  loadTouchHasher,
  storeTouchpoints,
  type Touch,
  type TouchHasher,
  type TouchOrigin,
} from '../../src/events/touchpoints.ts'
import { operatorIn } from '../../src/tenants/operator.ts'
import { DAY, HOUR, ulid } from '../support/given.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { countStored, untilIdle } from '../support/stored.ts'

const platform = usePlatform()
beforeAll(async () => {
  await platform.startWorker()
})

const NOON = new Date(Math.floor(Date.now() / DAY - 2) * DAY + 12 * HOUR)

function touch(change: Partial<Touch> = {}): Touch {
  return {
    eventId: randomUUID(),
    occurredAt: new Date(NOON.getTime() - HOUR),
    channel: 'email',
    source: 'news',
    medium: null,
    campaign: null,
    identity: Buffer.alloc(32, 1),
    session: null,
    tier: 'visitor_id',
    orderKey: null,
    click: null,
    landingPath: null,
    referrerHost: null,
    channelRules: 'ga4.1/1',
    ...change,
  }
}

const as = (tenant: TestTenant): TenantContext => operatorIn(platform.ctx, tenant.tenantId)

function store(tenant: TestTenant, origin: TouchOrigin, ...touches: Touch[]) {
  const ctx = as(tenant)
  return inTenant(ctx.db.ingest, ctx, (tx) => storeTouchpoints(tx, ctx, origin, touches))
}

const codesOf = (results: Awaited<ReturnType<typeof store>>) => results.map(({ code, result }) => code ?? result)

const hasherOf = (tenant: TestTenant): Promise<TouchHasher> => {
  const ctx = as(tenant)
  return inTenant(ctx.db.ingest, ctx, (tx) => loadTouchHasher(tx, ctx))
}

test('an id is known within its origin: what another origin calls the same is another touch', async () => {
  const tenant = await platform.createTenant()
  const one = touch()
  for (const origin of ['server', 'browser', 'order', 'import'] as const)
    expect(codesOf(await store(tenant, origin, one))).toEqual(['accepted'])
  expect(codesOf(await store(tenant, 'browser', one, one))).toEqual(['duplicate', 'duplicate'])
})

test.each<[string, Partial<Touch>]>([
  ['time', { occurredAt: new Date(NOON.getTime() - 2 * HOUR) }],
  ['source', { source: null }],
  ['medium', { medium: 'cpc' }],
  ['campaign', { campaign: 'c' }],
  ['identity', { identity: Buffer.alloc(32, 2) }],
  ['session', { session: Buffer.alloc(32, 2) }],
  ['tier', { tier: 'click_id' }],
  ['order', { orderKey: 'own:1' }],
  ['click', { click: { kind: 'gclid', hash: null } }],
  ['landing path', { landingPath: '/' }],
  ['referrer', { referrerHost: 'a.example' }],
])('another %s under a known id is a conflict, and the first one stands', async (_, change) => {
  const one = touch()
  await store(platform.tenant, 'browser', one)
  const before = await countStored(platform)
  expect(codesOf(await store(platform.tenant, 'browser', { ...one, ...change }, one))).toEqual([
    'conflict',
    'duplicate',
  ])
  expect(await countStored(platform)).toEqual(before)
})

test('newer rules make no conflict, another channel by the sender does; a hash of the sender decides alone', async () => {
  const [ruled, named, hashed] = [touch(), touch({ channelRules: null }), touch({ itemSha256: Buffer.alloc(32, 7) })]
  await store(platform.tenant, 'browser', ruled, named, hashed)
  const again = [
    { ...ruled, channel: 'display', channelRules: 'ga4.2/9' },
    { ...named, channel: 'display' },
    { ...hashed, occurredAt: NOON, source: 'other' },
    { ...hashed, itemSha256: Buffer.alloc(32, 8) },
  ]
  expect(codesOf(await store(platform.tenant, 'browser', ...again))).toEqual([
    'duplicate',
    'conflict',
    'duplicate',
    'conflict',
  ])
})

test.each<[string, Partial<Touch>]>([
  ['a landing path', { landingPath: '/welcome/ada@example.com' }],
  ['a referrer', { referrerHost: '203.0.113.7' }],
  ['a campaign', { campaign: 'call +49 30 1234567' }],
  ['an id', { eventId: '203.0.113.7' }],
])('personal data in %s is rejected, and holds up no other touch', async (_, change) => {
  expect(codesOf(await store(platform.tenant, 'order', touch(change), touch()))).toEqual(['personal_data', 'accepted'])
})

test('accepted touches note their visitor and times and queue one publication; repeats do neither', async () => {
  const tenant = await platform.createTenant()
  const read = (what: string) => platform.query<Record<string, unknown>>(what, [tenant.tenantId])
  const touches = [touch({ occurredAt: NOON }), touch({ occurredAt: new Date(NOON.getTime() - DAY) })]
  await store(tenant, 'import', ...touches)
  await store(tenant, 'import', ...touches)
  const queued = "select data ->> 'job' as job from pgboss.job where data ->> 'tenantId' = $1"
  expect(await read(queued)).toEqual([{ job: 'attribution.recompute_touched' }])
  const noted =
    'select identity is not null as "isVisitors", from_at, until_at from attribution_changes where tenant_id = $1'
  expect(await read(noted)).toEqual([{ isVisitors: true, from_at: new Date(NOON.getTime() - DAY), until_at: NOON }])
})

test('hashes are of the tenant, and of one kind of thing each', async () => {
  const [one, other] = [await hasherOf(platform.tenant), await hasherOf(await platform.createTenant())]
  const hashes = [one, other].flatMap((hash) => [
    hash.visitor('x'),
    hash.session('x'),
    hash.click('gclid', 'x'),
    hash.click('gclid', 'X'),
    hash.click('fbclid', 'x'),
  ])
  expect(new Set(hashes.map((hash) => hash.toString('hex'))).size).toBe(10)
  expect((await hasherOf(platform.tenant)).visitor('x')).toEqual(one.visitor('x'))
})

test('a touch of nobody counts for the order that brought it, until one of the visitor is known', async () => {
  const tenant = await platform.createTenant({ currency: 'EUR' })
  const visitorId = ulid()
  const order = (id: string, visitor?: string) => ({
    conversion_id: id,
    kind: 'purchase',
    order_id: id,
    occurred_at: NOON.toISOString(),
    total: { amount_minor: 1_000, currency: 'EUR' },
    ...(visitor !== undefined && { visitor_id: visitor }),
  })
  const own = (orderKey: string, change: Partial<Touch> = {}) =>
    touch({ identity: null, orderKey, channel: 'referral', tier: 'landing_page', ...change })
  await store(tenant, 'order', own('own:a'), own('own:b'), own('own:c', { occurredAt: new Date(NOON.getTime() + 1) }))
  const conversions = [order('a'), order('b', visitorId), order('c')]
  expect((await platform.call('ingestConversions', { tenant, body: { conversions } })).body.accepted).toBe(3)
  await untilIdle(platform)
  const channelsOf = async (id: string) => {
    const params = { order_id: `own:${id}` }
    const { body } = await platform.call('getOrderCredits', { tenant, token: tenant.tokens.viewer, params })
    return body.models[0].credits.map(({ channel }: { channel: string }) => channel)
  }
  expect([await channelsOf('a'), await channelsOf('b'), await channelsOf('c')]).toEqual([
    ['referral'],
    ['referral'],
    ['(unattributed)'],
  ])
  const { visitor } = await hasherOf(tenant)
  await store(tenant, 'browser', touch({ identity: visitor(visitorId), channel: 'paid_search' }))
  await untilIdle(platform)
  expect([await channelsOf('a'), await channelsOf('b')]).toEqual([['referral'], ['paid_search']])
})

test('what the database refuses, such as a touch of nobody, refuses no other touch', async () => {
  const tenant = await platform.createTenant()
  const touches = Array.from({ length: 7 }, (_, at) => touch(at === 2 || at === 5 ? { identity: null } : {}))
  const expected = touches.map(({ identity }) => (identity === null ? 'personal_data' : 'accepted'))
  expect(codesOf(await store(tenant, 'order', ...touches))).toEqual(expected)
  const again = expected.map((code) => (code === 'accepted' ? 'duplicate' : code))
  expect(codesOf(await store(tenant, 'order', ...touches))).toEqual(again)
})

test('a fault of the database itself is no fault of a touch', async ({ onTestFinished }) => {
  await platform.query('revoke insert on touchpoints from app_ingest')
  onTestFinished(async () => void (await platform.query('grant insert on touchpoints to app_ingest')))
  await expect(store(platform.tenant, 'server', touch())).rejects.toMatchObject({ code: '42501' })
})
