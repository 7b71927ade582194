import type { TenantContext, Vendor } from '../../src/context.ts'
import { inTenant } from '../../src/db/tenant.ts'
import type { WebhookPrincipal } from '../../src/webhooks/endpoints/authenticate.ts'
import { type DeliveryResult, receiveDelivery } from '../../src/webhooks/ingest/service.ts'
import { orderStateOf, transitionsOf } from '../../src/webhooks/ledger/order-state.ts'
import { listMovements } from '../../src/webhooks/ledger/queries.ts'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import type { Delivery } from '../../src/webhooks/simulator/delivery.ts'
import { givenEndpoint } from './given.ts'
import type { TestPlatform, TestTenant } from './platform.ts'

const VENDORS: readonly Vendor[] = ['stripe', 'shopify', 'paypal', 'woocommerce']

/** A tenant with an endpoint of each vendor, whose deliveries are taken for verified and normalised at once. */
export interface Books {
  tenant: TestTenant
  endpoints: Record<Vendor, string>
}

export async function givenBooks(platform: TestPlatform): Promise<Books> {
  const tenant = await platform.createTenant()
  const endpoints = await Promise.all(
    VENDORS.map(async (vendor) => [vendor, (await givenEndpoint(platform, vendor, { tenant })).endpointId]),
  )
  return { tenant, endpoints: Object.fromEntries(endpoints) }
}

/** What the service makes of a verified delivery, and of its job. */
export async function enter(
  { tenant, endpoints }: Books,
  delivery: Pick<Delivery, 'vendor' | 'headers' | 'body'>,
  options: { shopDomain?: string } = {},
): Promise<DeliveryResult> {
  const { vendor, body } = delivery
  const principal: WebhookPrincipal = {
    kind: 'webhook',
    tenantId: tenant.tenantId,
    endpointId: endpoints[vendor],
    vendor,
    mode: 'live',
    shopDomain: options.shopDomain ?? null,
    identityOf: (visitorId) => Buffer.from(visitorId.padEnd(32)).toString('hex').slice(0, 64),
    hashClickId: () => Buffer.alloc(32, 7),
    isPing: false,
  }
  const ctx: TenantContext = { ...tenant.ctx, principal }
  const headers = Object.fromEntries(
    Object.entries(delivery.headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
  const result = await receiveDelivery(ctx, principal, { headers, rawBody: body, topic: null })
  if (result.result === 'accepted') await normalizeEvents(ctx, [result.receiptId])
  return result
}

/** Everything in the books that must not depend on the order of arrival, as lines. */
export async function readBooks(platform: TestPlatform, { tenant }: Books): Promise<string[]> {
  const { tenantId, ctx } = tenant
  const entries = await platform.query<{ line: string }>(
    `select concat_ws(' ', coalesce(l.corrects_entry_key, l.entry_key), l.order_key, l.kind, sum(l.amount_minor), l.currency,
                      l.vendor, l.reverses_entry_key,
                      case when bool_or(u.entry_key is not null) then 'not counted' end) as line
     from ledger_entries as l
     left join uncounted_entries as u
       on u.tenant_id = l.tenant_id and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key)
     where l.tenant_id = $1
     group by coalesce(l.corrects_entry_key, l.entry_key), l.order_key, l.kind, l.currency, l.vendor, l.reverses_entry_key
     having sum(l.amount_minor) <> 0`,
    [tenantId],
  )
  const groups = await platform.query<{ line: string }>(
    "select order_key || ' is ' || group_key as line from order_groups where tenant_id = $1 and order_key <> group_key",
    [tenantId],
  )
  const facts = await platform.query<{ line: string }>(
    `select concat_ws(' ', order_key, to_char(min(ordered_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), min(currency),
                      min(encode(identity, 'hex'))) as line
     from order_facts where tenant_id = $1 group by order_key`,
    [tenantId],
  )
  const movements = await inTenant(ctx.db.main, ctx, (tx) => listMovements(tx, tenantId, null))
  const states = [...movements].map(([orderKey, moved]) => {
    const way = transitionsOf(moved).map(({ at, to }) => `${at.toISOString()} ${to}`)
    return `${orderKey}: ${orderStateOf(moved)} by ${way.join(', ')}`
  })
  return [...[...entries, ...groups, ...facts].map(({ line }) => line), ...states].sort()
}

/** Money of all orders that is counted, in minor units, by currency. */
export async function countedRevenue(platform: TestPlatform, { tenant }: Books): Promise<Record<string, bigint>> {
  const rows = await platform.query<{ currency: string; net: bigint }>(
    `select l.currency, sum(l.amount_minor)::bigint as net
     from ledger_entries as l
     where l.tenant_id = $1
       and not exists (select from uncounted_entries as u
                       where u.tenant_id = l.tenant_id and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))
     group by l.currency`,
    [tenant.tenantId],
  )
  return Object.fromEntries(rows.map(({ currency, net }) => [currency, BigInt(net)]))
}

export async function deadCodes(platform: TestPlatform, { tenant }: Books): Promise<string[]> {
  const rows = await platform.query<{ line: string }>(
    "select class || '/' || code as line from dead_events where tenant_id = $1 order by 1",
    [tenant.tenantId],
  )
  return rows.map(({ line }) => line)
}
