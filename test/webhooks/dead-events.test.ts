import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Vendor } from '../../src/context.ts'
import { nameOf, recipes } from '../../src/webhooks/dead-events/replay/recipes.ts'
import { enterAll, finishReplay, givenDead, readMoney, SPOILS, send, spoil, toChanges } from '../support/dead-events.ts'
import { deliverShopify, givenEndpoint, shopifyOrder, shopifyRefund, type TestEndpoint } from '../support/given.ts'
import { startPlatform, type TestTenant, until, usePlatform } from '../support/platform.ts'
import { connectAs, type OnTestFinished } from '../support/rows.ts'
import { givenPerson, logIn } from '../support/sessions.ts'
import { simulate } from '../support/signed-deliveries.ts'
import { untilIdle } from '../support/stored.ts'
import { killHard } from '../support/worker.ts'

const platform = usePlatform()

const dryRun = async (tenant: TestTenant, filter: object) =>
  (await platform.call('replayDeadEvents', { tenant, body: { filter, dry_run: true } })).body

/** Asks for a run and carries it out; the id of the run. */
async function run(tenant: TestTenant, filter: object, onTestFinished: OnTestFinished): Promise<string> {
  const { body } = await platform.call('replayDeadEvents', { tenant, body: { filter, dry_run: false } })
  await finishReplay(platform, tenant, body.replay_id, onTestFinished)
  return body.replay_id
}

const outcomesOf = (replayId: string) =>
  platform.query<{ id: string; outcome: string; code: string | null; event: string | null; recipes: string[] }>(
    `select dead_event_id as id, outcome, code, event_id as event, recipes from dead_event_outcomes
     where replay_id = $1 order by finished_at`,
    [replayId],
  )

const ALL = { since: '2026-01-01T00:00:00Z' }
const VENDORS: readonly Vendor[] = ['shopify', 'stripe', 'paypal', 'woocommerce']
const PAID: Record<Vendor, string> = {
  shopify: 'orders/paid',
  stripe: 'charge.succeeded',
  paypal: 'PAYMENT.CAPTURE.COMPLETED',
  woocommerce: 'order.completed',
}

test('the guide lists every repair', () => {
  const guide = readFileSync(new URL('../../api-contracts/guides/dead-letters.md', import.meta.url), 'utf8')
  const listed = [...guide.matchAll(/^\| `(\w+@\d+)` \|/gm)].map(([, name]) => name)
  expect(listed).toEqual(recipes.map(nameOf))
})

/** The topics that move money, as all vendors tell it of one purchase. */
const TOPICS: Record<Vendor, readonly string[]> = {
  shopify: ['orders/create', 'orders/paid', 'refunds/create', 'disputes/create', 'disputes/update'],
  stripe: [
    'charge.succeeded',
    'payment_intent.succeeded',
    'charge.refunded',
    'charge.dispute.created',
    'charge.dispute.closed',
  ],
  paypal: ['PAYMENT.CAPTURE.COMPLETED', 'PAYMENT.CAPTURE.REFUNDED', 'PAYMENT.SALE.COMPLETED', 'PAYMENT.SALE.REFUNDED'],
  woocommerce: ['order.created', 'order.updated', 'order.completed', 'order.refunded'],
}

test('each way in which bodies go wrong, of each vendor: mended where the meaning is plain, dead otherwise', async ({
  onTestFinished,
}) => {
  const tenant = await platform.createTenant()
  const expected = new Map<string, string>()
  for (const vendor of VENDORS) {
    const endpoint = await givenEndpoint(platform, vendor, { tenant })
    for (const [name, { vendors, isMendable }] of Object.entries(SPOILS)) {
      if (!vendors.includes(vendor)) continue
      const delivery = simulate(vendor, PAID[vendor])
      const { body } = await send(platform, endpoint, spoil(delivery, name))
      expect(body.result, `${vendor}: ${name}`).toBe('dead')
      expected.set(body.receipt_id, isMendable ? 'recovered' : 'still_dead')
    }
  }
  const outcomes = await outcomesOf(await run(tenant, ALL, onTestFinished))
  expect(Object.fromEntries(outcomes.map(({ id, outcome }) => [id, outcome]))).toEqual(Object.fromEntries(expected))
  for (const { outcome, recipes } of outcomes) if (outcome === 'recovered') expect(recipes.length).toBeGreaterThan(0)
})

test('a dry run says to the cent what the run then does, whatever happened before', { timeout: 60_000 }, async ({
  onTestFinished,
}) => {
  const step = fc.record({
    vendor: fc.constantFrom(...VENDORS),
    /** Few, so that deliveries are about each other. */
    seed: fc.integer({ min: 1, max: 4 }),
    topic: fc.nat(4),
    spoiled: fc.option(fc.constantFrom(...Object.keys(SPOILS)), { freq: 3 }),
  })
  const story = fc.array(step, { minLength: 4, maxLength: 16 })
  let changed = 0
  await fc.assert(
    fc.asyncProperty(story, async (steps) => {
      const tenant = await platform.createTenant()
      const endpoints = new Map<Vendor, TestEndpoint>()
      for (const { vendor, seed, topic, spoiled } of steps) {
        const endpoint = endpoints.get(vendor) ?? (await givenEndpoint(platform, vendor, { tenant }))
        endpoints.set(vendor, endpoint)
        const topics = TOPICS[vendor]
        const delivery = simulate(vendor, topics[topic % topics.length] as string, seed)
        const isSpoiled = spoiled !== null && SPOILS[spoiled]?.vendors.includes(vendor)
        await send(platform, endpoint, isSpoiled ? spoil(delivery, spoiled) : delivery)
      }
      await enterAll(platform, tenant, onTestFinished)
      const before = await readMoney(platform, tenant)
      const dry = await dryRun(tenant, ALL)
      expect(await readMoney(platform, tenant)).toEqual(before)
      const outcomes = await outcomesOf(await run(tenant, ALL, onTestFinished))
      const after = await readMoney(platform, tenant)
      const count = (name: string) => outcomes.filter(({ outcome }) => outcome === name).length
      expect(dry).toMatchObject({
        matched: outcomes.length,
        recovered: count('recovered'),
        duplicates: count('duplicate'),
        still_dead: count('still_dead'),
        revenue_changes: toChanges(before, after),
      })
      if (dry.revenue_changes.length > 0) changed += 1
      // The jobs of what became events come after it, and find nothing left to do.
      await enterAll(platform, tenant, onTestFinished)
      expect(await readMoney(platform, tenant)).toEqual(after)
    }),
    { numRuns: 12 },
  )
  expect(changed).toBeGreaterThan(0)
})

test('a run that is carried out twice, by two workers at once, has the effect of once', async ({ onTestFinished }) => {
  const { endpoint, tenant } = await givenDead(platform)
  for (let n = 0; n < 7; n += 1) await givenDead(platform, { endpoint, spoiled: n % 2 ? 'no currency' : 'UTF-16' })
  const { body } = await platform.call('replayDeadEvents', { tenant, body: { filter: ALL, dry_run: false } })
  const work = () => finishReplay(platform, tenant, body.replay_id, onTestFinished)
  await Promise.all([work(), work(), work()])
  const money = await readMoney(platform, tenant)
  await work()
  const outcomes = await outcomesOf(body.replay_id)
  expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual([
    ...new Array(5).fill('recovered'),
    ...new Array(3).fill('still_dead'),
  ])
  expect(await readMoney(platform, tenant)).toEqual(money)
  const events = await platform.query('select from webhook_events where tenant_id = $1', [tenant.tenantId])
  expect(events).toHaveLength(5)
})

test('a delivery that is an event already adds nothing', async ({ onTestFinished }) => {
  const { tenant, deadEventId } = await givenDead(platform)
  const [first] = await outcomesOf(await run(tenant, ALL, onTestFinished))
  expect(first).toMatchObject({ outcome: 'recovered', recipes: ['trim_blanks@1'] })
  const money = await readMoney(platform, tenant)
  // As if the outcome had been lost: only the event tells.
  await platform.query(`update dead_event_states set status = 'pending', resolved_at = null where dead_event_id = $1`, [
    deadEventId,
  ])
  expect(await dryRun(tenant, ALL)).toMatchObject({ recovered: 0, duplicates: 1, revenue_changes: [] })
  const [second] = await outcomesOf(await run(tenant, ALL, onTestFinished))
  expect(second).toMatchObject({ outcome: 'duplicate', event: first?.event })
  expect(await readMoney(platform, tenant)).toEqual(money)
})

test('what came under a known id with another body stays dead, and the first stands', async ({ onTestFinished }) => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { tenant } = endpoint
  const delivery = simulate('shopify', 'orders/paid')
  const dearer = Buffer.from(delivery.body.toString().replace(/"total_price":\s*"/, (name) => `${name}9`))
  const dead = await send(platform, endpoint, spoil(delivery, 'blanks around amounts'))
  const first = await send(platform, endpoint, { ...delivery, body: dearer })
  const conflict = await send(platform, endpoint, delivery)
  expect([dead, first, conflict].map(({ body }) => body.result)).toEqual(['dead', 'accepted', 'dead'])
  await enterAll(platform, tenant, onTestFinished)
  const money = await readMoney(platform, tenant)
  expect(await dryRun(tenant, ALL)).toMatchObject({ matched: 2, recovered: 0, still_dead: 2, revenue_changes: [] })
  const outcomes = await outcomesOf(await run(tenant, ALL, onTestFinished))
  const still = { outcome: 'still_dead', code: 'same_id_other_body', event: null }
  expect(outcomes).toHaveLength(2)
  for (const outcome of outcomes) expect(outcome).toMatchObject(still)
  expect(await readMoney(platform, tenant)).toEqual(money)
  const { body } = await platform.call('listDeadEvents', { tenant })
  expect(body.items).toMatchObject([
    { status: 'pending', seen: 1, code: 'same_id_other_body' },
    { status: 'pending', seen: 1, code: 'bad_amount' },
  ])
})

test('what contradicts the ledger is known as an event, and stays dead for as long as it does', async ({
  onTestFinished,
}) => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { tenant } = endpoint
  const refund = (amount: string) => shopifyRefund({ id: 77, orderId: 4850, amount, at: new Date() })
  for (const amount of ['10.00', '20.00'])
    await deliverShopify(platform, endpoint, refund(amount), { topic: 'refunds/create' })
  await enterAll(platform, tenant, onTestFinished)
  const money = await readMoney(platform, tenant)
  const { body } = await platform.call('listDeadEvents', { tenant })
  expect(body.items).toMatchObject([{ class: 'conflict', code: 'contradicts_ledger' }])
  expect(await dryRun(tenant, ALL)).toMatchObject({ still_dead: 1, revenue_changes: [] })
  const outcomes = await outcomesOf(await run(tenant, ALL, onTestFinished))
  expect(outcomes).toMatchObject([{ outcome: 'still_dead', code: 'contradicts_ledger' }])
  expect(await readMoney(platform, tenant)).toEqual(money)
})

test('test endpoints bring no money back either', async ({ onTestFinished }) => {
  const endpoint = await givenEndpoint(platform, 'shopify', { mode: 'test' })
  const { tenant } = await givenDead(platform, { endpoint })
  expect(await dryRun(tenant, ALL)).toMatchObject({ recovered: 1, revenue_changes: [] })
  await run(tenant, ALL, onTestFinished)
  expect(
    await platform.query('select is_test as test from webhook_events where tenant_id = $1', [tenant.tenantId]),
  ).toEqual([{ test: true }])
  expect(await readMoney(platform, tenant)).toEqual([])
})

test('a body whose time is up, and one that does not open, stay dead and hold up no other', async ({
  onTestFinished,
}) => {
  const { endpoint, tenant, deadEventId: gone } = await givenDead(platform, { spoiled: 'UTF-16' })
  const { deadEventId: broken } = await givenDead(platform, { endpoint, spoiled: 'UTF-16' })
  const { deadEventId: good } = await givenDead(platform, { endpoint, spoiled: 'UTF-16' })
  await platform.query('delete from dead_event_bodies where dead_event_id = $1', [gone])
  await platform.query(
    `update dead_event_bodies set sealed_body = overlay(sealed_body placing '\\x00' from 40) where dead_event_id = $1`,
    [broken],
  )
  expect(await dryRun(tenant, ALL)).toMatchObject({ recovered: 1, still_dead: 2 })
  const outcomes = await outcomesOf(await run(tenant, ALL, onTestFinished))
  expect(new Map(outcomes.map(({ id, code }) => [id, code]))).toEqual(
    new Map([
      [gone, 'nothing_kept'],
      [broken, 'nothing_kept'],
      [good, null],
    ]),
  )
})

test('kill -9 of the worker between two dead events: another one goes on, and each counts once', {
  timeout: 60_000,
}, async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const endpoint = await givenEndpoint(own, 'shopify', { tenant: own.tenant })
  const dead = []
  for (let n = 0; n < 8; n += 1) dead.push(await givenDead(own, { endpoint }))
  const { accessToken: token } = await logIn(own, await givenPerson(own, { tenant: own.tenant, role: 'manager' }))
  const ask = async (dry_run: boolean) =>
    (await own.call('replayDeadEvents', { token, body: { filter: ALL, dry_run } })).body
  const dry = await ask(true)
  // The fifth cannot become an event: its id is being written by somebody else.
  const blocker = await connectAs(own.database, 'admin', onTestFinished)
  await blocker.query('begin')
  await blocker.query(
    `insert into webhook_events (tenant_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, is_test, is_handled, correlation_id)
     select tenant_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, true, false, correlation_id
     from dead_events where dead_event_id = $1`,
    [dead[4]?.deadEventId],
  )
  const { replay_id: replayId } = await ask(false)
  const first = await own.startWorker()
  const done = async () => (await own.query('select from dead_event_outcomes where replay_id = $1', [replayId])).length
  await until(done, (count) => count === 4)
  await until(
    () => own.query(`select from pg_stat_activity where usename = 'app_ingest' and wait_event_type = 'Lock'`),
    (stuck) => stuck.length > 0,
  )
  await killHard(first)
  await blocker.query('rollback')
  expect(await done()).toBe(4)
  await own.startWorker()
  await until(done, (count) => count === 8, 30_000)
  await untilIdle(own, ['webhook'])
  expect(toChanges([], await readMoney(own, own.tenant))).toEqual(dry.revenue_changes)
  const rows = await own.query<{ outcome: string; events: number }>(
    'select outcome, count(distinct event_id)::integer as events from dead_event_outcomes where replay_id = $1 group by 1',
    [replayId],
  )
  expect(rows).toEqual([{ outcome: 'recovered', events: 8 }])
})

test('what was refused for a value that is not kept is no money by a replay either', async ({ onTestFinished }) => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { tenant } = endpoint
  const money = { kind: 'refund', status: 'success', currency: 'USD' }
  const refund = shopifyRefund({ orderId: 4850, amount: '10.00', at: new Date() })
  const parts = [
    { ...money, id: 1, amount: '10.00' },
    { ...money, id: 2, amount: '90,00' },
  ]
  const order = { ...shopifyOrder({ total: '12.00', at: new Date() }), test: 'true' }
  const dead = [
    await deliverShopify(platform, endpoint, order, { topic: 'orders/paid' }),
    await deliverShopify(platform, endpoint, { ...refund, transactions: parts }, { topic: 'refunds/create' }),
  ]
  expect(dead.map(({ body }) => body.result)).toEqual(['dead', 'dead'])
  expect(await dryRun(tenant, ALL)).toMatchObject({ recovered: 0, still_dead: 2, revenue_changes: [] })
  const outcomes = await outcomesOf(await run(tenant, ALL, onTestFinished))
  expect(outcomes.map(({ code }) => code)).toEqual(['nothing_kept', 'nothing_kept'])
  expect(await platform.query('select from webhook_events where tenant_id = $1', [tenant.tenantId])).toEqual([])
  expect(await readMoney(platform, tenant)).toEqual([])
})
