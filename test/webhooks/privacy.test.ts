import { beforeAll, describe, expect, test } from 'vitest'
import { adminOf } from '../support/admin.ts'
import { deliverShopify, givenEndpoint, givenTouches, shopifyOrder, type TestEndpoint } from '../support/given.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'
import { deadOf } from '../support/signed-deliveries.ts'
import { readAudit } from '../support/tenants.ts'
import { type Buyer, countTies, givenBuyer, givenShopifyShop, readBooks } from '../support/traces.ts'

const platform = usePlatform()
beforeAll(async () => void (await platform.startWorker()))

const PERSON = { id: 207119551, email: 'buyer.canary@example.com', phone: '+1 212 555 0142' }
/** As the deliveries of these tests name it in their header. */
const shop = { shop_id: 954889, shop_domain: 'test-shop.myshopify.com' }
const givenBoundShop = () => givenEndpoint(platform, 'shopify', { shopDomain: shop.shop_domain })

async function settled(endpoint: TestEndpoint): Promise<void> {
  await untilObeyed(endpoint.tenant)
}

/** Until the tenant's deliveries, and what they ask for, are done. */
const untilObeyed = ({ tenantId }: TestTenant) =>
  until(
    () =>
      platform.query(
        `select data, output from pgboss.job
         where name in ('webhook', 'maintenance') and state in ('created', 'retry', 'active') and data ->> 'tenantId' = $1`,
        [tenantId],
      ),
    (jobs) => jobs.length === 0,
    10_000,
  )

/** Sends the request and waits until it is done. */
async function ask(endpoint: TestEndpoint, topic: string, body: object, webhookId?: string) {
  const answer = await deliverShopify(platform, endpoint, body, {
    topic,
    ...(webhookId !== undefined && { webhookId }),
  })
  await untilObeyed(endpoint.tenant)
  return answer.body
}

const redact = (...buyers: Buyer[]) => ({
  ...shop,
  customer: PERSON,
  orders_to_redact: buyers.map(({ orderId }) => orderId),
})

describe('customers/redact', () => {
  test('cuts what ties the orders to the buyer, keeps the money and everybody else, and says so in the audit log', async () => {
    const endpoint = await givenShopifyShop(platform)
    const { tenant } = endpoint
    const [gone, stays] = [await givenBuyer(platform, endpoint), await givenBuyer(platform, endpoint)]
    await settled(endpoint)
    const [books, before] = [await readBooks(platform, tenant), await countTies(platform, tenant)]
    expect(before).toMatchObject({ identities: 2, payloads: 2 })

    expect((await ask(endpoint, 'customers/redact', redact(gone))).result).toBe('accepted')

    const after = await countTies(platform, tenant)
    expect(after).toEqual({ touchpoints: before.touchpoints / 2, identities: 1, payloads: 1 })
    expect(await readBooks(platform, tenant)).toEqual(books)
    const [line] = (await readAudit(platform, tenant)).filter(({ action }) => action === 'privacy.customer_erased')
    expect(line).toMatchObject({ actorKind: 'system', targetKind: 'webhook_event' })
    expect(line?.changes).toContainEqual({ pointer: '/touchpoints', before: null, after: String(after.touchpoints) })
    const identities = await platform.query(
      'select order_key from order_facts where tenant_id = $1 and identity is not null',
      [tenant.tenantId],
    )
    expect(identities).toEqual([{ order_key: stays.orderKey }])

    // A second time, and the order again: nothing comes back.
    await ask(endpoint, 'customers/redact', { ...redact(gone), shop_id: 1 })
    await deliverShopify(
      platform,
      endpoint,
      {
        id: gone.orderId,
        currency: 'USD',
        total_price: '132.00',
        financial_status: 'paid',
        created_at: new Date().toISOString(),
        processed_at: new Date().toISOString(),
        note_attributes: [{ name: 'skeldir', value: `av1.${gone.visitorId}.${gone.visitorId}` }],
      },
      { topic: 'orders/create' },
    )
    await untilObeyed(tenant)
    expect((await countTies(platform, tenant)).identities).toBe(1)
  })

  test('finds the touches of the same person under another visitor id by the click they share', async () => {
    const endpoint = await givenShopifyShop(platform)
    const { tenantId } = endpoint.tenant
    const buyer = await givenBuyer(platform, endpoint)
    await settled(endpoint)
    const [order] = await platform.query<{ hash: Buffer }>(
      'select click_hash as hash from touchpoints where tenant_id = $1 and click_hash is not null',
      [tenantId],
    )
    expect(order?.hash).toHaveLength(32)
    const other = '0123456789ABCDEFGHJKMNPQRS'
    const touches = [
      { visitorId: other, at: new Date(), channel: 'email' },
      { visitorId: other, at: new Date(), channel: 'direct' },
    ]
    await givenTouches(platform, endpoint.tenant, touches)
    await platform.query(
      `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256, click_kind, click_hash)
       select tenant_id, 'browser', 'click', identity, occurred_at, channel, item_sha256, 'gclid', $2 from touchpoints
       where tenant_id = $1 and origin = 'server' and channel = 'direct'`,
      [tenantId, order?.hash],
    )
    await ask(endpoint, 'customers/redact', redact(buyer))
    expect((await countTies(platform, endpoint.tenant)).touchpoints).toBe(0)
  })

  test('what comes again of an erased order, with other bytes, is a duplicate, and brings nothing back', async () => {
    const endpoint = await givenShopifyShop(platform)
    const [buyer, webhookId] = [await givenBuyer(platform, endpoint), 'again-1']
    const order = {
      ...shopifyOrder({ id: buyer.orderId, total: '132.00', at: new Date(), visitorId: buyer.visitorId }),
      landing_site: '/tent?utm_source=google&gclid=Gclid-again',
    }
    const sent = { topic: 'orders/create', webhookId }
    const first = await deliverShopify(platform, endpoint, order, sent)
    expect(first.body.result).toBe('accepted')
    await settled(endpoint)
    await ask(endpoint, 'customers/redact', redact(buyer))
    const again = await deliverShopify(platform, endpoint, JSON.stringify(order, null, 1), sent)
    expect(again.body).toEqual({ ...first.body, result: 'duplicate' })
    expect(await countTies(platform, endpoint.tenant)).toEqual({ touchpoints: 0, identities: 0, payloads: 0 })
  })

  test('another tenant with the same order keeps it', async () => {
    const [ours, theirs] = [await givenShopifyShop(platform), await givenShopifyShop(platform)]
    const buyer = await givenBuyer(platform, theirs)
    await settled(theirs)
    const before = await countTies(platform, theirs.tenant)
    await ask(ours, 'customers/redact', redact(buyer))
    expect(await countTies(platform, theirs.tenant)).toEqual(before)
  })
})

/** Neither of the tenant's orders nor of its endpoints. */
async function expectNothingErased({ tenant, endpointId }: TestEndpoint): Promise<void> {
  const [row] = await platform.query<{ deleted: boolean }>(
    'select deleted_at is not null as deleted from webhook_endpoints where endpoint_id = $1',
    [endpointId],
  )
  expect(row?.deleted).toBe(false)
  const actions = (await readAudit(platform, tenant)).map(({ action }) => action)
  expect(actions.filter((action) => action.startsWith('privacy.'))).toEqual([])
}

describe('the shop is not signed but in the body', () => {
  const requests: Record<string, (buyer: Buyer) => object> = {
    'shop/redact': () => ({ shop_id: 954889 }),
    'customers/redact': ({ orderId }) => ({ customer: PERSON, orders_to_redact: [orderId] }),
    'customers/data_request': ({ orderId }) => ({
      customer: PERSON,
      orders_requested: [orderId],
      data_request: { id: 1 },
    }),
  }
  const named: [string, object, string][] = [
    ['of another shop of the same app', { shop_domain: 'former-shop.myshopify.com' }, 'shop_mismatch'],
    ['that names no shop', {}, 'missing_field'],
    ['whose shop is no text', { shop_domain: [shop.shop_domain] }, 'wrong_type'],
  ]
  test.each(Object.keys(requests).flatMap((topic) => named.map((row) => [topic, ...row] as const)))(
    '%s %s, sent again under the header of this one, erases nobody',
    async (topic, _, change, code) => {
      const endpoint = await givenBoundShop()
      const buyer = await givenBuyer(platform, endpoint)
      await settled(endpoint)
      const ties = await countTies(platform, endpoint.tenant)
      const body = { ...requests[topic]?.(buyer), ...change }
      expect(await ask(endpoint, topic, body)).toMatchObject({ result: 'dead', code: 'schema' })
      expect(await deadOf(platform, endpoint.tenant)).toMatchObject([{ code, topic }])
      expect(await countTies(platform, endpoint.tenant)).toEqual(ties)
      await expectNothingErased(endpoint)
    },
  )

  test('an endpoint of no shop is ended by none: an operator is told', async () => {
    const endpoint = await givenShopifyShop(platform)
    await givenBuyer(platform, endpoint)
    expect(await ask(endpoint, 'shop/redact', shop)).toMatchObject({ result: 'dead', code: 'schema' })
    expect(await deadOf(platform, endpoint.tenant)).toMatchObject([{ code: 'shop_unknown' }])
    await expectNothingErased(endpoint)
  })
})

describe('the topic is not signed', () => {
  test.each([
    ['shop/redact', { ...shop, customer: PERSON, orders_to_redact: [1] }],
    ['shop/redact', { ...shop, customer: PERSON, orders_requested: [1], data_request: { id: 1 } }],
    ['customers/redact', shop],
    ['customers/redact', { ...shop, customer: PERSON, orders_requested: [1], data_request: { id: 1 } }],
    ['customers/data_request', { ...shop, customer: PERSON, orders_to_redact: [1] }],
    ['customers/redact', { ...shop, orders_to_redact: [PERSON.email] }],
    ['customers/redact', []],
  ])('%s with another body is a dead event, and nobody is erased', async (topic, body) => {
    const endpoint = await givenBoundShop()
    expect(await ask(endpoint, topic, body)).toMatchObject({ result: 'dead', code: 'schema' })
    await expectNothingErased(endpoint)
  })

  test('the test header, which is not signed either, switches no erasure off', async () => {
    const endpoint = await givenShopifyShop(platform)
    const { body } = await deliverShopify(platform, endpoint, redact(), {
      topic: 'customers/redact',
      headers: { 'x-shopify-test': 'true' },
    })
    expect(body.result).toBe('accepted')
  })
})

test('customers/data_request makes a sealed report that an operator fetches, once more without effect, and nothing of the person is stored', async () => {
  const endpoint = await givenShopifyShop(platform)
  const { tenant } = endpoint
  const buyer = await givenBuyer(platform, endpoint)
  await settled(endpoint)
  const request = { ...shop, customer: PERSON, orders_requested: [buyer.orderId], data_request: { id: 9999 } }
  await ask(endpoint, 'customers/data_request', request, 'request-1')
  await ask(endpoint, 'customers/data_request', request, 'request-1')

  const { items } = await adminOf(platform).json('data-request', '--tenant', tenant.slug, '--order-id', buyer.orderKey)
  expect(items).toHaveLength(1)
  expect(items[0].report).toMatchObject({ requested_orders: 1, is_complete: true })
  const [order] = items[0].report.orders
  expect(order).toMatchObject({ order_id: buyer.orderKey, ledger: [{ kind: 'capture', amount_minor: '13200' }] })
  expect(order.touchpoints.length).toBeGreaterThanOrEqual(2)
  expect(order.events[0].topic).toBe('orders/paid')

  const [stored] = await platform.query<{ held: boolean }>(
    "select strpos(encode(sealed, 'escape'), 'order_id') > 0 as held from data_requests where tenant_id = $1",
    [tenant.tenantId],
  )
  expect(stored?.held).toBe(false)
  const actions = (await readAudit(platform, tenant)).map(({ action }) => action)
  expect(actions.filter((action) => action.startsWith('privacy.'))).toEqual([
    'privacy.data_requested',
    'privacy.report_read',
  ])
  const refused = await adminOf(platform).refusal('data-request', '--tenant', tenant.slug, '--order-id', 'shopify:1')
  expect(refused.sentence).toContain('no report about shopify:1')

  // An erasure takes the report with it.
  await ask(endpoint, 'customers/redact', redact(buyer))
  expect(await platform.query('select 1 from data_requests where tenant_id = $1', [tenant.tenantId])).toEqual([])
})

test("shop/redact ends the endpoint, destroys its secret, cuts the ties of its orders, and leaves the tenant's other shop alone", async () => {
  const ended = await givenBoundShop()
  const { tenant } = ended
  const other = await givenShopifyShop(platform, tenant)
  const [gone, stays] = [await givenBuyer(platform, ended), await givenBuyer(platform, other)]
  await deliverShopify(platform, ended, '{"email":"buyer.canary@example.com"', { topic: 'orders/paid' })
  await settled(ended)
  const books = await readBooks(platform, tenant)
  expect(books).toHaveLength(2)

  expect((await ask(ended, 'shop/redact', shop)).result).toBe('accepted')

  const identities = await platform.query(
    'select order_key from order_facts where tenant_id = $1 and identity is not null',
    [tenant.tenantId],
  )
  expect(identities).toEqual([{ order_key: stays.orderKey }])
  expect(gone.orderKey).not.toBe(stays.orderKey)
  expect(await readBooks(platform, tenant)).toEqual(books)
  const left = await platform.query<{ secrets: number; bodies: number }>(
    `select (select count(*)::int from webhook_secrets where endpoint_id = $1) as secrets,
            (select count(*)::int from dead_event_bodies as b join dead_events as d using (tenant_id, dead_event_id)
             where d.endpoint_id = $1) as bodies`,
    [ended.endpointId],
  )
  expect(left).toEqual([{ secrets: 0, bodies: 0 }])
  await until(
    () => deliverShopify(platform, ended, shop, { topic: 'app/uninstalled' }),
    ({ status }) => status === 401,
  )
  const actions = (await readAudit(platform, tenant)).map(({ action }) => action)
  expect(actions).toContain('privacy.shop_erased')
  expect(actions).toContain('privacy.shop_ended')
})
