import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { type Apart, startApart } from '../support/apart.ts'
import { signStripe, startPlatform, type TestPlatform, until } from '../support/platform.ts'

const SECRET = 'whsec_only_for_tests'
const DELIVERIES = 40

function start({ config, database }: TestPlatform, command: 'serve' | 'worker', ready: RegExp): Promise<Apart> {
  const env = {
    DATABASE_URL: database.urlOf('app_user'),
    SKELDIR_MASTER_KEY: config.masterKeys[0]?.toString('base64') as string,
    SKELDIR_SHUTDOWN_MS: '20000',
    PORT: '0',
  }
  return startApart(['src/cli/main.ts', command], ready, { env })
}

async function startFour(platform: TestPlatform) {
  const [api1, api2, worker1, worker2] = await Promise.all([
    start(platform, 'serve', /listening on (http:\S+)/),
    start(platform, 'serve', /listening on (http:\S+)/),
    start(platform, 'worker', /takes jobs/),
    start(platform, 'worker', /takes jobs/),
  ])
  for (const one of [api1, api2, worker1, worker2]) onTestFinished(one.kill)
  return { api1, api2, worker1, worker2 }
}

/** An endpoint, and how its vendor delivers the charge of an order. */
async function givenVendor(platform: TestPlatform) {
  const { body } = await platform.call('createWebhookEndpoint', {
    body: { vendor: 'stripe', name: 'Test', secret: SECRET },
  })
  const path = operations.receiveStripeWebhook.path.replace('{endpoint_key}', body.endpoint_key)
  return (url: string, order: number) => {
    const created = 1_790_000_000 + order
    const charge = {
      id: `ch_${order}`,
      object: 'charge',
      currency: 'usd',
      created,
      status: 'succeeded',
      payment_intent: `pi_${order}`,
      amount: 1_000 + order,
      amount_captured: 1_000 + order,
      captured: true,
      metadata: {},
    }
    const event = { id: `evt_${order}`, object: 'event', type: 'charge.succeeded', created, livemode: true }
    const text = JSON.stringify({ ...event, data: { object: charge } })
    return fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...signStripe(text, SECRET) },
      body: text,
    })
  }
}

/** What the deliveries came to when the workers have nothing left to do. */
async function settle(platform: TestPlatform) {
  await until(
    () =>
      platform.query<{ left: number }>(
        "select count(*)::integer as left from pgboss.job where name in ('webhook', 'attribution') and state < 'completed'",
      ),
    ([row]) => row?.left === 0,
    40_000,
  )
  const [sums] = await platform.query(
    `select (select count(*)::integer from webhook_events) as events,
            (select count(*)::integer from dead_events) as dead,
            (select count(*)::integer from ledger_entries) as entries,
            (select sum(amount_minor)::integer from ledger_entries) as total`,
  )
  return sums
}

/** A request that is sent to both with one Idempotency-Key has one effect. */
async function expectOneEffect(platform: TestPlatform, api1: Apart, api2: Apart): Promise<void> {
  const key = randomUUID()
  const { method, path } = operations.createWebhookEndpoint
  const send = ({ told }: Apart) =>
    fetch(`${told}${path}`, {
      method: method.toUpperCase(),
      headers: {
        authorization: `Bearer ${platform.tenant.tokens.manager}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ vendor: 'stripe', name: 'Twice', secret: SECRET }),
    })
  const answers = await Promise.all([send(api1), send(api2), send(api1), send(api2)])
  // Whoever comes while the first is at work is told so; nobody else makes another one.
  for (const { status } of answers) expect([201, 409]).toContain(status)
  expect(await send(api2)).toMatchObject({ status: 201 })
  const rows = await platform.query("select from webhook_endpoints where name = 'Twice'")
  expect(rows).toHaveLength(1)
}

const ORDERS = Array.from({ length: DELIVERIES }, (_, order) => order)
const EXPECTED = {
  events: DELIVERIES,
  dead: 0,
  entries: DELIVERIES,
  total: ORDERS.reduce((sum, order) => sum + 1_000 + order, 0),
}

test('what two API processes are given at once, each the same, is done once, by them and by two workers', async () => {
  const platform = await startPlatform(onTestFinished)
  const deliver = await givenVendor(platform)
  const { api1, api2 } = await startFour(platform)
  await expectOneEffect(platform, api1, api2)
  const answers = await Promise.all(
    ORDERS.flatMap((order) => [deliver(api1.told, order), deliver(api2.told, order), deliver(api1.told, order)]),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  expect(await settle(platform)).toEqual(EXPECTED)
})

test('one of each goes in peace while vendors deliver: nothing is lost, nothing doubled, and the others go on', async () => {
  const platform = await startPlatform(onTestFinished)
  const deliver = await givenVendor(platform)
  const { api1, api2, worker1, worker2 } = await startFour(platform)
  /** As a balancer does: whoever does not take the connection is passed over. */
  const balance = (order: number) => deliver(api1.told, order).catch(() => deliver(api2.told, order))
  const half = DELIVERIES / 2
  const first = Promise.all(ORDERS.slice(0, half).map(balance))
  const gone = Promise.all([api1.stop(), worker1.stop()])
  const second = Promise.all(ORDERS.slice(half).map(balance))
  const answers = [...(await first), ...(await second)]
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  expect(await gone).toEqual([0, 0])
  expect(await settle(platform)).toEqual(EXPECTED)
  expect(await Promise.all([api2.stop(), worker2.stop()])).toEqual([0, 0])
})
