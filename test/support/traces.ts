import { randomUUID } from 'node:crypto'
import { DAY, deliverShopify, givenEndpoint, nextNumber, shopifyOrder, type TestEndpoint, ulid } from './given.ts'
import type { TestPlatform, TestTenant } from './platform.ts'

/** A shop of a tenant of its own, or another one of the same tenant. */
export function givenShopifyShop(platform: TestPlatform, tenant?: TestTenant): Promise<TestEndpoint> {
  return givenEndpoint(platform, 'shopify', tenant === undefined ? {} : { tenant })
}

export interface Buyer {
  visitorId: string
  orderId: number
  orderKey: string
}

/** Somebody who came by two touches, one of them with a click id, and then bought; all of it over HTTP. */
export async function givenBuyer(
  platform: TestPlatform,
  endpoint: TestEndpoint,
  { at = new Date(Date.now() - DAY) }: { at?: Date } = {},
): Promise<Buyer> {
  const { tenant } = endpoint
  const visitorId = ulid()
  const touchpoints = ['email', 'paid_search'].map((channel, index) => ({
    event_id: randomUUID(),
    visitor_id: visitorId,
    occurred_at: new Date(at.getTime() - (2 - index) * 60_000).toISOString(),
    channel,
  }))
  const touched = await platform.call('ingestTouchpoints', { tenant, body: { touchpoints } })
  if (touched.body.accepted !== 2) throw new Error(`no touches: ${touched.text}`)
  const orderId = nextNumber()
  const order = {
    ...shopifyOrder({ id: orderId, total: '132.00', at, visitorId }),
    landing_site: `/tent?utm_source=google&utm_medium=cpc&gclid=Gclid-${visitorId}`,
  }
  const { body } = await deliverShopify(platform, endpoint, order, { topic: 'orders/paid' })
  if (body.result !== 'accepted') throw new Error(`no order: ${JSON.stringify(body)}`)
  return { visitorId, orderId, orderKey: `shopify:${orderId}` }
}

export interface Ties {
  touchpoints: number
  identities: number
  payloads: number
}

/** What ties a tenant's rows to visitors. */
export async function countTies(platform: TestPlatform, { tenantId }: { tenantId: string }): Promise<Ties> {
  const [ties] = await platform.query<Ties & Record<string, unknown>>(
    `select (select count(*)::int from touchpoints where tenant_id = $1) as touchpoints,
            (select count(*)::int from order_facts where tenant_id = $1 and identity is not null)
              + (select count(*)::int from conversions where tenant_id = $1 and identity is not null) as identities,
            (select count(*)::int from webhook_events
             where tenant_id = $1 and (payload ? 'attribution' or payload::text ~ 'id1\\.')) as payloads`,
    [tenantId],
  )
  return ties as Ties
}

/** What the books hold, which no erasure changes. */
export function readBooks(platform: TestPlatform, { tenantId }: { tenantId: string }) {
  return platform.query(
    `select entry_key, order_key, kind, amount_minor::text as amount, currency from ledger_entries
     where tenant_id = $1 order by entry_key`,
    [tenantId],
  )
}
