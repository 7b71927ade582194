import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { METRICS_TOKEN, signStripe, startPlatform, type TestPlatform, until } from '../support/platform.ts'

const SECRET = 'whsec_only_for_tests'

async function figureOf(platform: TestPlatform, series: string): Promise<number | undefined> {
  const { text } = await platform.call('getMetrics', { token: METRICS_TOKEN })
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

test('a transaction that is open keeps the horizon, and its end lets it go', async () => {
  const platform = await startPlatform(onTestFinished)
  const AGE = 'skd_pg_oldest_xmin_age_seconds'
  // Somebody whose sessions the API may not look into.
  const client = new Client({ connectionString: platform.database.adminUrl })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin isolation level repeatable read')
  await client.query('select 1 from tenants')
  await platform.query('update pgboss.queue set updated_on = now()')
  await until(
    () => figureOf(platform, AGE),
    (age) => age !== undefined && age > 0,
  )
  await until(
    () => figureOf(platform, 'skd_queue_dead_tuples'),
    (rows) => rows !== undefined && rows > 0,
  )
  await client.query('commit')
  await until(
    () => figureOf(platform, AGE),
    (age) => age === 0,
  )
})

test('dead events are counted by vendor and class', async () => {
  const platform = await startPlatform(onTestFinished)
  const { body: endpoint } = await platform.call('createWebhookEndpoint', {
    body: { vendor: 'stripe', name: 'Test', secret: SECRET },
  })
  const send = (payload: string) =>
    platform.call('receiveStripeWebhook', {
      params: { endpoint_key: endpoint.endpoint_key },
      headers: signStripe(payload, SECRET),
      body: payload,
      token: null,
    })
  const payment = (amount: number) =>
    JSON.stringify({
      id: 'evt_one',
      object: 'event',
      type: 'payment_intent.succeeded',
      created: 1_750_000_000,
      livemode: true,
      data: {
        object: {
          id: 'pi_one',
          object: 'payment_intent',
          amount,
          amount_received: amount,
          currency: 'usd',
          created: 1_750_000_000,
          status: 'succeeded',
          metadata: {},
        },
      },
    })
  for (const payload of ['{', '[', payment(100), payment(200)]) expect((await send(payload)).status).toBe(200)
  expect(await figureOf(platform, 'skd_failed_event_total{vendor="stripe",class="malformed"}')).toBe(2)
  expect(await figureOf(platform, 'skd_failed_event_total{vendor="stripe",class="conflict"}')).toBe(1)
  expect(await figureOf(platform, 'skd_failed_event_total{vendor="stripe",class="schema"}')).toBe(0)
})
