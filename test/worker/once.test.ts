import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { RequestContext, TenantContext } from '../../src/context.ts'
import type { MaybeJob } from '../../src/queue/once.ts'
import { requestRetention } from '../../src/tenants/retention/service.ts'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import { requestScans, scanTenant } from '../../src/webhooks/privacy/scan.ts'
import { obeyRequest } from '../../src/webhooks/privacy/service.ts'
import { deliverShopify, givenEndpoint } from '../support/given.ts'
import { startPlatform, type TestPlatform, type TestTenant } from '../support/platform.ts'
import { readAudit } from '../support/tenants.ts'
import { workerContext } from '../support/worker.ts'

const signal = new AbortController().signal
const shop = { shop_id: 954889, shop_domain: 'test-shop.myshopify.com' }

/** The same job, in each of its attempts. */
function givenAttempts(platform: TestPlatform, tenant: TestTenant): (TenantContext & Required<MaybeJob>)[] {
  const ctx = workerContext(platform, tenant, onTestFinished)
  const jobId = randomUUID()
  return [1, 2, 3].map((number) => ({ ...ctx, attempts: [{ jobId, number }] }))
}

const countJobs = (platform: TestPlatform, job: string) =>
  platform.query<{ tenant: string }>(`select data ->> 'tenantId' as tenant from pgboss.job where data ->> 'job' = $1`, [
    job,
  ])

test('a request about personal data is handed on once, and written down once, however often its jobs run', async () => {
  const platform = await startPlatform(onTestFinished)
  const endpoint = await givenEndpoint(platform, 'shopify', { shopDomain: shop.shop_domain })
  const { tenant } = endpoint
  const ask = async (topic: string, body: object) =>
    (await deliverShopify(platform, endpoint, body, { topic })).body.receipt_id as string
  const redact = await ask('customers/redact', {
    ...shop,
    customer: { id: 1, email: 'buyer@example.com' },
    orders_to_redact: [1001],
  })
  for (const ctx of givenAttempts(platform, tenant)) await normalizeEvents(ctx, [redact])
  expect(await countJobs(platform, 'webhooks.obey_privacy_request')).toHaveLength(1)

  const actions = async () => (await readAudit(platform, tenant)).map(({ action }) => action)
  for (const ctx of givenAttempts(platform, tenant)) await obeyRequest(ctx, redact, signal)
  expect((await actions()).filter((action) => action === 'privacy.customer_erased')).toHaveLength(1)

  const end = await ask('shop/redact', shop)
  for (const ctx of givenAttempts(platform, tenant)) await obeyRequest(ctx, end, signal)
  expect((await actions()).filter((action) => action === 'privacy.shop_ended')).toHaveLength(1)
})

test('what a scan finds is told once, however often its job runs', async () => {
  const platform = await startPlatform(onTestFinished)
  const { tenant, endpointId } = await givenEndpoint(platform, 'stripe')
  await platform.query('alter table dead_events disable trigger no_personal_data')
  await platform.query(
    `insert into dead_events (tenant_id, vendor, endpoint_id, class, code, detail, body_sha256, payload, correlation_id)
     values ($1, 'stripe', $2, 'schema', 'planted', 'planted', sha256('1'), '{"to":"somebody@example.com"}', gen_random_uuid())`,
    [tenant.tenantId, endpointId],
  )
  for (const ctx of givenAttempts(platform, tenant)) await scanTenant(ctx, signal)
  const told = (await readAudit(platform, tenant)).filter(({ action }) => action === 'privacy.stored_data_found')
  expect(told).toHaveLength(1)
})

const FAN_OUTS: [job: string, ask: (ctx: RequestContext & MaybeJob) => Promise<void>][] = [
  ['webhooks.scan_stored_data', (ctx) => requestScans(ctx, signal)],
  ['tenants.apply_retention', (ctx) => requestRetention(ctx, signal)],
]

test.each(FAN_OUTS)('%s is asked for once of each tenant, by a clock that is asked again', async (job, ask) => {
  const platform = await startPlatform(onTestFinished)
  await platform.createTenant()
  for (const ctx of givenAttempts(platform, platform.tenant)) await ask(ctx)
  const tenants = await platform.query<{ tenant: string }>('select tenant_id as tenant from tenants')
  const asked = (await countJobs(platform, job)).map(({ tenant }) => tenant)
  expect(asked.toSorted()).toEqual(tenants.map(({ tenant }) => tenant).toSorted())
})
