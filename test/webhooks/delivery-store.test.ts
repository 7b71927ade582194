import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { NewDelivery } from '../../src/context.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { closeServer, createServer } from '../../src/http/bind.ts'
import { authenticators, handlers } from '../../src/main/app.ts'
import { ingestEvent } from '../../src/webhooks/ingest/queries.ts'
import type { JsonObject } from '../../src/webhooks/lossless-json.ts'
import { deliverShopify, givenEndpoint, shopifyOrder, type TestEndpoint } from '../support/given.ts'
import { usePlatform } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'
import { deadOf, signed, simulate, storedOf } from '../support/signed-deliveries.ts'

const platform = usePlatform()

function deliveryTo({ tenant, endpointId }: TestEndpoint, changes: Partial<NewDelivery> = {}): NewDelivery {
  return {
    tenantId: tenant.tenantId,
    vendor: 'stripe',
    externalId: `evt_${randomUUID()}`,
    endpointId,
    topic: 'charge.succeeded',
    bodySha256: randomBytes(32),
    payload: { body: {} },
    isTest: false,
    isHandled: true,
    correlationId: randomUUID(),
    size: 1_000,
    ...changes,
  }
}

test('what the database refuses fails alone: the others of its transaction are stored', async () => {
  const [ours, theirs] = [await givenEndpoint(platform, 'stripe'), await givenEndpoint(platform, 'stripe')]
  const personal = deliveryTo(ours, { payload: { email: 'jane@example.org' } })
  const foreign = deliveryTo(ours, { endpointId: theirs.endpointId })
  const good = Array.from({ length: 9 }, (_, index) => deliveryTo(index % 2 === 0 ? ours : theirs))
  const all = [...good.slice(0, 3), personal, ...good.slice(3, 6), foreign, ...good.slice(6)]
  const results = await Promise.allSettled(all.map((delivery) => platform.ctx.deliveries.store(delivery)))
  expect(results.map(({ status }) => status)).toEqual(
    all.map((delivery) => (good.includes(delivery) ? 'fulfilled' : 'rejected')),
  )
  // The trigger, and the foreign key: an endpoint is looked for among those of its tenant.
  expect(results[all.indexOf(personal)]).toMatchObject({ reason: { code: '23514' } })
  expect(results[all.indexOf(foreign)]).toMatchObject({ reason: { code: '23503' } })
  const rows = await platform.query<{ id: string }>(
    'select external_id as id from webhook_events where tenant_id = any ($1)',
    [[ours.tenant.tenantId, theirs.tenant.tenantId]],
  )
  expect(rows.map(({ id }) => id).sort()).toEqual(good.map(({ externalId }) => externalId).sort())
})

test('one id with two bodies is a conflict, also when both come at once', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const first = deliveryTo(endpoint)
  const other = { ...deliveryTo(endpoint, { payload: { body: { status: 'failed' } } }), externalId: first.externalId }
  const results = await Promise.all([first, other, first, other].map((each) => platform.ctx.deliveries.store(each)))
  expect(results.map(({ result }) => result)).toEqual(['accepted', 'dead', 'duplicate', 'dead'])
  expect(results[2]?.receiptId).toBe(results[0]?.receiptId)
  expect(results[3]?.receiptId).toBe(results[1]?.receiptId)
  expect(await deadOf(platform, endpoint.tenant)).toMatchObject([{ code: 'same_id_other_body' }])
})

/** Under one id, after a first one whose payload is `{ body: { status: 'paid', total: '1.00' } }`. */
const AGAIN: [string, Partial<NewDelivery>, 'duplicate' | 'dead'][] = [
  ['other bytes that say all the same', {}, 'duplicate'],
  ['the same in another order of members', { payload: { body: { total: '1.00', status: 'paid' } } }, 'duplicate'],
  ['another value', { payload: { body: { status: 'paid', total: '9.00' } } }, 'dead'],
  ['less', { payload: { body: { status: 'paid' } } }, 'dead'],
  ['more', { payload: { body: { status: 'paid', total: '1.00', currency: 'USD' } } }, 'dead'],
  ['another topic', { topic: 'charge.captured' }, 'dead'],
  ['that it is a test', { isTest: true }, 'dead'],
]

describe('what comes again under its id with other bytes is judged by what is kept of it', () => {
  const payload = { body: { status: 'paid', total: '1.00' } }

  test.each(AGAIN)('%s', async (_, change, result) => {
    const endpoint = await givenEndpoint(platform, 'stripe')
    const first = deliveryTo(endpoint, { payload })
    const again = { ...deliveryTo(endpoint, { payload, ...change }), externalId: first.externalId }
    const { receiptId } = await platform.ctx.deliveries.store(first)
    const receipt = await platform.ctx.deliveries.store(again)
    expect([receipt.result, receipt.receiptId === receiptId]).toEqual([result, result === 'duplicate'])
    // A conflict is kept and flagged; the first one stands either way.
    const dead = await deadOf(platform, endpoint.tenant)
    expect(dead.map(({ code }) => code)).toEqual(result === 'dead' ? ['same_id_other_body'] : [])
    expect(await storedOf(platform, endpoint.tenant)).toMatchObject([{ topic: first.topic }])
  })

  test.each(AGAIN)('%s, when a replay brings it', async (_, change, result) => {
    const endpoint = await givenEndpoint(platform, 'stripe')
    const { ctx } = endpoint.tenant
    const first = deliveryTo(endpoint, { payload })
    const { receiptId } = await platform.ctx.deliveries.store(first)
    const again = { ...deliveryTo(endpoint, { payload, ...change }), externalId: first.externalId }
    const receipt = await inTenant(platform.ctx.db.ingest, ctx, (tx) =>
      ingestEvent(tx, { ...again, payload: again.payload as JsonObject }),
    )
    expect([receipt.result, receipt.receiptId === receiptId]).toEqual([result, result === 'duplicate'])
  })
})

test('a known delivery is found by its index, however small the table was when the connection was new', async ({
  onTestFinished,
}) => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const client = await connectAs(platform.database, 'app_ingest', onTestFinished)
  const store = async (count: number) => {
    const events = Array.from({ length: count }, (_, ordinal) => ({
      ordinal,
      event_id: randomUUID(),
      vendor: 'stripe',
      external_id: randomUUID(),
      endpoint_id: endpoint.endpointId,
      topic: 'charge.succeeded',
      body_sha256: randomBytes(32).toString('hex'),
      payload: {},
      is_test: false,
      is_handled: true,
      correlation_id: randomUUID(),
    }))
    const batch = JSON.stringify([{ tenant_id: endpoint.tenant.tenantId, events }])
    const { rowCount } = await client.query('select from internal.ingest_deliveries($1::jsonb)', [batch])
    expect(rowCount).toBe(count)
  }
  // After some calls the plans are kept for the life of the connection.
  for (let call = 0; call < 8; call += 1) await store(2)
  for (let call = 0; call < 4; call += 1) await store(100)
  await client.query('begin')
  await store(50)
  const { rows } = await client.query(
    `select (seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as read from pg_stat_xact_user_tables
     where relname = 'webhook_events'`,
  )
  await client.query('rollback')
  // All of them are new: none of the others has to be looked at.
  expect(rows[0]?.read).toBeLessThan(50)
})

test('of an order whose words of its visit are refused, the money counts', async ({ onTestFinished }) => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { tenantId } = endpoint.tenant
  await platform.query(
    "alter table webhook_events add constraint no_visits check (not payload ? 'attribution') not valid",
  )
  onTestFinished(async () => void (await platform.query('alter table webhook_events drop constraint no_visits')))
  const body = {
    id: 4_850,
    currency: 'USD',
    total_price: '12.00',
    financial_status: 'paid',
    processed_at: new Date().toISOString(),
    landing_site: '/?utm_source=news&utm_medium=email',
  }
  const { body: answer } = await deliverShopify(platform, endpoint, body, { topic: 'orders/paid' })
  expect(answer.result).toBe('accepted')
  const stored = await platform.query<{ members: string[] }>(
    'select array(select jsonb_object_keys(payload)) as members from webhook_events where tenant_id = $1',
    [tenantId],
  )
  expect(stored.map(({ members }) => members)).toEqual([expect.not.arrayContaining(['attribution'])])
  expect(await deadOf(platform, endpoint.tenant)).toEqual([])
})

test.each([
  ['a character that only one of two languages takes for a blank', 'a%EF%BB%BF@b.example'],
  ['one that both take for one', 'a%E3%80%80@b.example'],
  ['a control character', 'a%0B@b.example'],
])('an order whose link has %s counts', async (_, source) => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const order = shopifyOrder({ total: '12.00', at: new Date() })
  const body = { ...order, landing_site: `/?utm_source=${source}&utm_medium=email` }
  expect((await deliverShopify(platform, endpoint, body, { topic: 'orders/paid' })).body.result).toBe('accepted')
})

test('what cannot be stored is a dead event, and its body is kept', async ({ onTestFinished }) => {
  const refused = Object.assign(new Error('value overflows numeric format'), { code: '22003' })
  const deliveries = { store: () => Promise.reject(refused) }
  const server = createServer({ ...platform.ctx, deliveries }, { handlers, authenticators })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => closeServer(server, 1_000))
  const { port } = server.address() as AddressInfo
  const endpoint = await givenEndpoint(platform, 'stripe')
  const { headers, body } = signed(simulate('stripe', 'charge.succeeded'), endpoint.secret)
  const url = `http://127.0.0.1:${port}/api/webhooks/stripe/in/${endpoint.endpointKey}`
  const answer = await fetch(url, { method: 'POST', headers, body })
  expect([answer.status, await answer.json()]).toMatchObject([200, { result: 'dead', code: 'poison' }])
  const [dead] = await platform.query<{ code: string; kept: number }>(
    `select d.code, count(b.*)::integer as kept from dead_events as d
     left join dead_event_bodies as b using (tenant_id, dead_event_id) where d.tenant_id = $1 group by 1`,
    [endpoint.tenant.tenantId],
  )
  expect(dead).toEqual({ code: 'unstorable', kept: 1 })
})
