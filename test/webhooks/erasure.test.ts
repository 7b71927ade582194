import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { operatorIn } from '../../src/tenants/operator.ts'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import { ordersNamedIn } from '../../src/webhooks/normalize/named-orders.ts'
import { erase } from '../../src/webhooks/privacy/erase.ts'
import {
  deliverShopify,
  deliverStripe,
  givenEndpoint,
  nextNumber,
  shopifyOrder,
  stripeCharge,
  type TestEndpoint,
  ulid,
} from '../support/given.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { countTies, givenBuyer, givenShopifyShop, readBooks } from '../support/traces.ts'
import { workerContext } from '../support/worker.ts'

const platform = usePlatform()

async function enterAll({ tenantId }: TestTenant): Promise<void> {
  const ids = await platform.query<{ id: string }>('select event_id as id from webhook_events where tenant_id = $1', [
    tenantId,
  ])
  const ctx = workerContext(platform, { tenantId } as TestTenant, onTestFinished)
  await normalizeEvents(
    ctx,
    ids.map(({ id }) => id),
  )
}

/** As an operator does, or a vendor's request. */
const eraseOrders = ({ tenantId }: TestTenant, ...keys: string[]) =>
  erase(
    operatorIn(platform.admin, tenantId),
    { keys },
    { act: 'privacy.customer_erased', kind: 'tenant', thing: tenantId, isSilent: false },
  )

/** What is kept of dead deliveries: whether each still ties to a person, and whether a sealed body is there. */
const remains = ({ tenantId }: TestTenant) =>
  platform.query<{ ties: boolean | null; sealed: boolean }>(
    `select internal.has_identity(d.payload) as ties, b.sealed_body is not null as sealed
     from dead_events as d left join dead_event_bodies as b using (tenant_id, dead_event_id)
     where d.tenant_id = $1 order by d.received_at, d.dead_event_id`,
    [tenantId],
  )

const NONE = { touchpoints: 0, identities: 0, payloads: 0 }

describe('after its ties were cut', () => {
  test('an order that comes late, readable or not, keeps nothing that ties it, and its money counts', async () => {
    const endpoint = await givenShopifyShop(platform)
    const { tenant } = endpoint
    const buyer = await givenBuyer(platform, endpoint)
    await enterAll(tenant)
    await eraseOrders(tenant, buyer.orderKey)
    const order = {
      ...shopifyOrder({ id: buyer.orderId, total: '132.00', at: new Date(), visitorId: buyer.visitorId }),
      landing_site: '/tent?utm_source=google&utm_medium=cpc&gclid=Gclid-late',
    }
    for (const body of [order, { ...order, total_price: '132,00' }])
      await deliverShopify(platform, endpoint, body, { topic: 'orders/create', webhookId: randomUUID() })
    await deliverShopify(platform, endpoint, { ...order, total_price: 'much' }, { topic: 'orders/paid' })
    await enterAll(tenant)
    expect(await countTies(platform, tenant)).toEqual(NONE)
    expect((await remains(tenant)).filter(({ ties }) => ties !== false)).toEqual([])
    expect(await readBooks(platform, tenant)).toMatchObject([{ amount: '13200' }])
  })

  test('a conversion of the order keeps no visitor', async () => {
    const tenant = await platform.createTenant()
    const order_id = String(nextNumber())
    await eraseOrders(tenant, `own:${order_id}`)
    const item = { conversion_id: randomUUID(), kind: 'purchase', order_id, occurred_at: new Date().toISOString() }
    const conversions = [{ ...item, total: { amount_minor: 100, currency: 'USD' }, visitor_id: ulid() }]
    expect((await platform.call('ingestConversions', { tenant, body: { conversions } })).body.accepted).toBe(1)
    expect((await countTies(platform, tenant)).identities).toBe(0)
  })

  test('a payment that is known to be of the order only later is forgotten with it', async () => {
    const endpoint = await givenEndpoint(platform, 'stripe')
    const { tenant } = endpoint
    const order = `woocommerce:${nextNumber()}`
    await eraseOrders(tenant, order)
    const charge = stripeCharge({ amount: 4_850, at: new Date(), visitorId: ulid() })
    Object.assign(charge.data.object.metadata, { skeldir_order: order })
    expect((await deliverStripe(platform, endpoint, charge)).body.result).toBe('accepted')
    await enterAll(tenant)
    expect(await countTies(platform, tenant)).toEqual(NONE)
    expect(await readBooks(platform, tenant)).toMatchObject([{ amount: '4850' }])
  })
})

describe('what was kept of dead deliveries', () => {
  const click = 'https://shop.example/tent?utm_source=google&gclid=Gclid-dead'

  /** A delivery of each vendor that cannot be read and has a visitor, and the order that it is about. */
  const dead = {
    shopify: async (endpoint: TestEndpoint) => {
      const id = nextNumber()
      const order = { ...shopifyOrder({ id, total: 'much', at: new Date(), visitorId: ulid() }), landing_site: click }
      await deliverShopify(platform, endpoint, order, { topic: 'orders/paid' })
      return { orderKey: `shopify:${id}` }
    },
    stripe: async (endpoint: TestEndpoint) => {
      const charge = stripeCharge({ amount: 4_850, at: new Date(), visitorId: ulid() })
      Object.assign(charge.data.object, { amount_captured: 'much', amount: 'much' })
      await deliverStripe(platform, endpoint, charge)
      return { orderKey: `stripe:${charge.data.object.payment_intent}` }
    },
  }

  test.each(['shopify', 'stripe'] as const)(
    '%s: that of the order ties to nobody any more, and that of another one does',
    async (vendor) => {
      const endpoint = await givenEndpoint(platform, vendor)
      const { tenant } = endpoint
      const gone = await dead[vendor](endpoint)
      await dead[vendor](endpoint)
      expect(await remains(tenant)).toEqual([
        { ties: true, sealed: false },
        { ties: true, sealed: false },
      ])
      const { deadPayloads } = await eraseOrders(tenant, gone.orderKey)
      expect(deadPayloads).toBe(1)
      expect((await remains(tenant)).map(({ ties }) => ties).sort()).toEqual([false, true])
    },
  )

  test("an order of the tenant's own with the same number reaches none", async () => {
    const endpoint = await givenShopifyShop(platform)
    const { orderKey } = await dead.shopify(endpoint)
    await eraseOrders(endpoint.tenant, orderKey.replace('shopify', 'own'), orderKey.replace('shopify', 'woocommerce'))
    expect(await remains(endpoint.tenant)).toEqual([{ ties: true, sealed: false }])
  })

  test('a sealed body that names the order goes, whether it is JSON or not', async () => {
    const endpoint = await givenShopifyShop(platform)
    const { tenant } = endpoint
    const [gone, stays] = [nextNumber(), nextNumber()]
    for (const id of [gone, stays])
      await deliverShopify(platform, endpoint, `{"id":${id},"email":"jane@example.org"`, { topic: 'orders/paid' })
    expect((await remains(tenant)).map(({ sealed }) => sealed)).toEqual([true, true])
    expect(await eraseOrders(tenant, `shopify:${gone}`)).toMatchObject({ deadBodies: 1 })
    expect((await remains(tenant)).map(({ sealed }) => sealed).sort()).toEqual([false, true])
  })
})

test('names the orders of a body of each vendor where its map looks for them, whatever else is in it', () => {
  const bodies: [Parameters<typeof ordersNamedIn>[0], string[]][] = [
    [{ vendor: 'shopify', topic: 'orders/paid', body: { id: 1001, total_price: {} } }, ['shopify:1001']],
    [{ vendor: 'shopify', topic: 'refunds/create', body: { id: 7, order_id: 1001 } }, ['shopify:1001']],
    [
      { vendor: 'stripe', topic: 'payment_intent.succeeded', body: { data: { object: { id: 'pi_1abc' } } } },
      ['stripe:pi_1abc'],
    ],
    [
      { vendor: 'woocommerce', topic: 'order.updated', body: { id: 1001 }, shop: 'a_example' },
      ['woocommerce:a_example-1001'],
    ],
    [{ vendor: 'shopify', topic: 'products/update', body: { id: 1001 } }, []],
    [{ vendor: 'shopify', topic: 'orders/paid', body: { id: { no: 'id' } } }, []],
  ]
  for (const [named, keys] of bodies) expect(ordersNamedIn(named), named.topic).toEqual(expect.arrayContaining(keys))
  for (const [named, keys] of bodies.slice(-2)) expect(ordersNamedIn(named)).toEqual(keys)
})
