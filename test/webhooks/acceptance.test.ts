import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Vendor } from '../../src/context.ts'
import type { OperationId } from '../../src/contract.ts'
import { expectProblem } from '../support/answer.ts'
import { givenEndpoint, type TestEndpoint } from '../support/given.ts'
import { HANGING_URL } from '../support/paypal.ts'
import { type Answer, until, usePlatform } from '../support/platform.ts'
import { type SignedDelivery, signed, simulate } from '../support/signed-deliveries.ts'

// Shopify waits for five seconds. That this is enough does not show in a measured time, but in what is not waited for.

/** Without a worker. */
const platform = usePlatform()

const RECEIVERS: Record<Vendor, [operation: OperationId, topic: string]> = {
  stripe: ['receiveStripeWebhook', 'charge.succeeded'],
  shopify: ['receiveShopifyWebhook', 'orders/paid'],
  paypal: ['receivePaypalWebhook', 'PAYMENT.CAPTURE.COMPLETED'],
  woocommerce: ['receiveWoocommerceWebhook', 'order.updated'],
}
const VENDORS = Object.keys(RECEIVERS) as Vendor[]

function send({ vendor, endpointKey }: TestEndpoint, { headers, body }: SignedDelivery): Promise<Answer> {
  return platform.call(RECEIVERS[vendor][0], { params: { endpoint_key: endpointKey }, headers, body })
}

async function deliver(endpoint: TestEndpoint): Promise<string> {
  const delivery = signed(simulate(endpoint.vendor, RECEIVERS[endpoint.vendor][1]), endpoint.secret)
  return (await send(endpoint, delivery)).body.result
}

/** Nobody reads or writes anything but deliveries, and what they belong to, until the test ends. */
async function lockAllElse(): Promise<void> {
  const client = new pg.Client({ connectionString: platform.database.adminUrl })
  await client.connect()
  onTestFinished(() => client.end())
  const { rows } = await client.query<{ names: string }>(
    `select string_agg(quote_ident(tablename), ', ') as names from pg_tables
     where schemaname = 'public' and tablename <> all ('{webhook_events,webhook_endpoints,tenants}')`,
  )
  await client.query('begin')
  await client.query(`lock table ${rows[0]?.names} in access exclusive mode`)
}

describe.each(VENDORS)('a delivery of %s', (vendor) => {
  test('is accepted with no worker, and while every other table is locked', async () => {
    const endpoint = await givenEndpoint(platform, vendor)
    expect(await deliver(endpoint)).toBe('accepted')
    await lockAllElse()
    expect(await deliver(endpoint)).toBe('accepted')
  })

  test('is accepted by one statement', async () => {
    const endpoint = await givenEndpoint(platform, vendor)
    const query = vi.spyOn(platform.ctx.db.ingest.pool, 'query')
    onTestFinished(() => query.mockRestore())
    expect(await deliver(endpoint)).toBe('accepted')
    expect(query.mock.calls.map(([asked]) => asked)).toMatchObject([{ name: 'ingest-deliveries' }])
  })
})

test("what waits for a certificate holds up nobody else's delivery, nor another one of its own endpoint", async () => {
  const [waiting, ...others] = [
    await givenEndpoint(platform, 'paypal'),
    ...(await Promise.all(VENDORS.map((vendor) => givenEndpoint(platform, vendor)))),
  ]
  const { headers, body } = signed(simulate('paypal', 'PAYMENT.CAPTURE.COMPLETED'), waiting.secret)
  const answer = send(waiting, { headers: { ...headers, 'paypal-cert-url': HANGING_URL }, body })
  await until(
    async () => platform.paypal.downloads,
    (downloads) => downloads.includes(HANGING_URL),
  )
  for (const endpoint of [waiting, ...others]) {
    expect([endpoint.vendor, await deliver(endpoint)]).toEqual([endpoint.vendor, 'accepted'])
  }
  expect(await Promise.race([answer, 'it waits'])).toBe('it waits')
  platform.paypal.letGo()
  expectProblem(await answer, 'service_unavailable')
})
