import type { TenantContext, Vendor } from '../../src/context.ts'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import { setPollCredential } from '../../src/webhooks/poll/credential.ts'
import type { Origins } from '../../src/webhooks/poll/origins.ts'
import type { Delivery } from '../../src/webhooks/simulator/delivery.ts'
import { send } from './dead-events.ts'
import { givenEndpoint, type TestEndpoint } from './given.ts'
import type { TestPlatform, TestTenant } from './platform.ts'
import type { OnTestFinished } from './rows.ts'
import { CREDENTIALS, startVendorApi, toLoopback, type VendorApi } from './vendor-api.ts'
import { workerContext } from './worker.ts'

/** As the simulator's orders name it. */
const SHOP = 'north-fjord.myshopify.com'

export interface PolledShop {
  endpoint: TestEndpoint
  api: VendorApi
  ctx: TenantContext
  means: { send: typeof toLoopback; origins: Origins }
}

/** An endpoint with a credential for a vendor's API on loopback. */
export async function givenPolledShop(
  platform: TestPlatform,
  vendor: Vendor,
  onTestFinished: OnTestFinished,
  tenant?: TestTenant,
): Promise<PolledShop> {
  const endpoint = await givenEndpoint(platform, vendor, {
    ...(vendor === 'shopify' && { shopDomain: SHOP }),
    ...(tenant !== undefined && { tenant }),
  })
  const api = await startVendorApi(vendor)
  onTestFinished(api.close)
  const ctx = workerContext(platform, endpoint.tenant, onTestFinished)
  await setPollCredential(ctx, endpoint.endpointId, credentialOf(vendor))
  const origin = () => api.origin
  return {
    endpoint,
    api,
    ctx,
    means: { send: toLoopback, origins: { stripe: origin, paypal: origin, shopify: origin, woocommerce: origin } },
  }
}

/** A shop of WooCommerce is where its owner put it. */
function credentialOf(vendor: Vendor): Record<string, string> {
  return { ...CREDENTIALS[vendor], ...(vendor === 'woocommerce' && { site: 'https://shop.example' }) }
}

/** What tells of a payment. */
export const PAID: Record<Vendor, string> = {
  stripe: 'charge.succeeded',
  paypal: 'PAYMENT.CAPTURE.COMPLETED',
  shopify: 'orders/paid',
  woocommerce: 'order.updated',
}

export async function deliver(
  platform: TestPlatform,
  { endpoint }: Pick<PolledShop, 'endpoint'>,
  delivery: Delivery,
): Promise<string> {
  return (await send(platform, endpoint, delivery)).body.result
}

/** Enters all that is stored, as the jobs would. */
export async function enterStored(platform: TestPlatform, ctx: TenantContext): Promise<void> {
  const ids = await platform.query<{ id: string }>(
    'select event_id as id from webhook_events where tenant_id = $1 order by received_at, event_id',
    [ctx.tenantId],
  )
  await normalizeEvents(
    ctx,
    ids.map(({ id }) => id),
  )
}
