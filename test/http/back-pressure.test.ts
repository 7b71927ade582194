import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { expect, type TestContext, test } from 'vitest'
import { closeServer, createServer } from '../../src/http/bind.ts'
import { authenticators, createLimits, handlers } from '../../src/main/app.ts'
import { createApiKey } from '../../src/tenants/service.ts'
import { createDeliveryStore } from '../../src/webhooks/ingest/delivery-store.ts'
import { givenEndpoint, type TestEndpoint, ulid } from '../support/given.ts'
import { type Answer, checkAgainstContract, type TestPlatform, until, usePlatform } from '../support/platform.ts'
import { signed, simulate } from '../support/signed-deliveries.ts'

const platform = usePlatform()

/** The platform's API once more, with bounds of its own. */
async function serve(
  ingest: { maxWaiting: number; maxWaitMs: number },
  { onTestFinished }: TestContext,
): Promise<string> {
  const { ctx } = platform
  const config = { ...ctx.config, ingest }
  const deliveries = createDeliveryStore(ctx.db.ingest, ingest)
  const server = createServer({ ...ctx, config, deliveries }, { handlers, authenticators, limits: createLimits() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => closeServer(server, 1_000))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Nobody writes events until it is let go: what a stuck disk or a long migration looks like from here. */
async function lockEvents({ database }: TestPlatform, { onTestFinished }: TestContext): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin')
  await client.query('lock table webhook_events in exclusive mode')
  return async () => void (await client.query('rollback'))
}

/** What waits for that lock now. */
async function countBlocked(): Promise<number> {
  const [row] = await platform.query<{ blocked: number }>(
    `select count(*)::integer as blocked from pg_stat_activity
     where datname = current_database() and usename = 'app_ingest' and wait_event_type = 'Lock'`,
  )
  return row?.blocked ?? 0
}

type Sent = Pick<Answer, 'status' | 'headers' | 'body'> & { seed: number }

async function deliver(url: string, { endpointKey, secret }: TestEndpoint, seed: number): Promise<Sent> {
  const { headers, body } = signed(simulate('stripe', 'charge.succeeded', seed), secret)
  const response = await fetch(`${url}/api/webhooks/stripe/in/${endpointKey}`, { method: 'POST', headers, body })
  const answer = { status: response.status, headers: response.headers, body: await response.json() }
  checkAgainstContract('receiveStripeWebhook', answer)
  return { ...answer, seed }
}

function collect(url: string, key: string): Promise<Response> {
  const touch = { event_id: randomUUID(), occurred_at: new Date().toISOString(), page_url: 'https://shop.example/' }
  return fetch(`${url}/api/events/collect`, {
    method: 'POST',
    headers: { origin: 'https://shop.example', 'content-type': 'application/json' },
    body: JSON.stringify({ key, visitor_id: ulid(), touchpoints: [touch] }),
  })
}

async function countEvents({ tenant }: TestEndpoint): Promise<number> {
  const [row] = await platform.query<{ count: number }>(
    'select count(*)::integer as count from webhook_events where tenant_id = $1',
    [tenant.tenantId],
  )
  return row?.count ?? 0
}

const seeds = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index)

test('so many wait, and no more: the rest is told at once to come again, while health and reports go on', async (context) => {
  const url = await serve({ maxWaiting: 8, maxWaitMs: 60_000 }, context)
  const endpoint = await givenEndpoint(platform, 'stripe')
  const unlock = await lockEvents(platform, context)
  const answers: Sent[] = []
  const sending = seeds(13).map(async (seed) => void answers.push(await deliver(url, endpoint, seed)))

  await until(
    async () => answers.length,
    (count) => count === 5,
  )
  for (const { status, headers } of answers) expect([status, headers.get('retry-after')]).toEqual([503, '5'])
  // What else comes in has no place either; what is only read needs none.
  const touches = await fetch(`${url}/api/events/touchpoints`, {
    method: 'POST',
    headers: { 'x-skeldir-tenant-key': endpoint.tenant.apiKey, 'content-type': 'application/json' },
    body: JSON.stringify({ touchpoints: [] }),
  })
  expect(touches.status).toBe(503)
  const { apiKey } = await createApiKey(platform.admin, {
    tenantSlug: endpoint.tenant.slug,
    name: 'page',
    scopes: ['events:collect'],
  })
  expect((await collect(url, apiKey)).status).toBe(503)
  expect((await collect(url, `${apiKey}x`)).status).toBe(401)
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  expect((await fetch(`${url}/health/ready`)).status).toBe(200)
  const headers = { authorization: `Bearer ${endpoint.tenant.tokens.viewer}` }
  expect((await fetch(`${url}/api/v1/revenue/realtime`, { headers })).status).toBe(200)

  await unlock()
  await Promise.all(sending)
  const refused = answers.filter(({ status }) => status === 503).map(({ seed }) => seed)
  expect(refused).toHaveLength(5)
  expect(answers.filter(({ body }) => body.result === 'accepted')).toHaveLength(8)
  expect(await countEvents(endpoint)).toBe(8)
  // Nothing is kept of the others: sent again they are new, and there is room for them.
  const again = await Promise.all(refused.map((seed) => deliver(url, endpoint, seed)))
  expect(again.map(({ body }) => body.result)).toEqual(Array(5).fill('accepted'))
})

test('nobody waits longer than the bound, and what was refused for that is not stored', async (context) => {
  const url = await serve({ maxWaiting: 1_000, maxWaitMs: 200 }, context)
  const endpoint = await givenEndpoint(platform, 'stripe')
  const unlock = await lockEvents(platform, context)
  const first = deliver(url, endpoint, 1)
  await until(countBlocked, (count) => count === 1)
  const waiting = await Promise.all(seeds(5, 100).map((seed) => deliver(url, endpoint, seed)))
  for (const { status, headers } of waiting) expect([status, headers.get('retry-after')]).toEqual([503, '5'])
  await unlock()
  expect((await first).body.result).toBe('accepted')
  expect(await countEvents(endpoint)).toBe(1)
  expect((await deliver(url, endpoint, 100)).body.result).toBe('accepted')
})

test('strangers take no place: what is not signed is refused as ever, however full it is', async (context) => {
  const url = await serve({ maxWaiting: 1, maxWaitMs: 60_000 }, context)
  const endpoint = await givenEndpoint(platform, 'stripe')
  const unlock = await lockEvents(platform, context)
  const first = deliver(url, endpoint, 1)
  await until(countBlocked, (count) => count === 1)
  expect((await deliver(url, { ...endpoint, secret: 'whsec_wrong' }, 2)).status).toBe(401)
  expect((await deliver(url, endpoint, 2)).status).toBe(503)
  await unlock()
  expect((await first).status).toBe(200)
})

test('several tenants share a transaction, and each finds its own in the end', async (context) => {
  const url = await serve({ maxWaiting: 1_000, maxWaitMs: 60_000 }, context)
  const [ours, theirs] = [await givenEndpoint(platform, 'stripe'), await givenEndpoint(platform, 'stripe')]
  const unlock = await lockEvents(platform, context)
  const first = deliver(url, ours, 1)
  await until(countBlocked, (count) => count === 1)
  // All of these wait, and so go together: the same ids in both, and two of them once more.
  const together = [
    ...seeds(20, 1).flatMap((seed) => [deliver(url, ours, seed), deliver(url, theirs, seed)]),
    deliver(url, theirs, 7),
  ]
  await unlock()
  expect((await first).body.result).toBe('accepted')
  const results = (await Promise.all(together)).map(({ body }) => body.result)
  expect(results.filter((result) => result === 'accepted')).toHaveLength(39)
  expect(results.filter((result) => result === 'duplicate')).toHaveLength(2)
  expect([await countEvents(ours), await countEvents(theirs)]).toEqual([20, 20])
  const jobs = await platform.query<{ tenant: string; jobs: number }>(
    `select data ->> 'tenantId' as tenant, count(distinct data ->> 'eventId')::integer as jobs from pgboss.job
     where name = 'webhook' and data ->> 'tenantId' = any ($1) group by 1`,
    [[ours.tenant.tenantId, theirs.tenant.tenantId]],
  )
  expect(jobs.map(({ jobs: count }) => count)).toEqual([20, 20])
})
