import { randomUUID } from 'node:crypto'
import type { KyselyPlugin } from 'kysely'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { RequestContext } from '../../src/context.ts'
import { connect } from '../../src/db/connect.ts'
import { createAuthentication } from '../../src/main/context.ts'
import { authenticateDelivery } from '../../src/webhooks/endpoints/authenticate.ts'
import { givenEndpoint, inventSecret, type TestEndpoint } from '../support/given.ts'
import { until, usePlatform } from '../support/platform.ts'
import { signed, simulate } from '../support/signed-deliveries.ts'

const platform = usePlatform()

/** Another process on the same database, and how many look-ups it has made for itself. */
function startOther(): { ctx: RequestContext; lookups: () => number } {
  const log = pino({ level: 'silent' })
  const main = connect({ url: platform.config.databaseUrls.app_user, applicationName: 'other', log, max: 2 })
  const { start, stop, ...authentication } = createAuthentication(platform.config, {
    name: 'other',
    lookup: main.lookup,
    log,
  })
  start()
  onTestFinished(async () => {
    await stop()
    await main.close()
  })
  let lookups = 0
  const counting: KyselyPlugin = {
    transformQuery: ({ node }) => {
      lookups += 1
      return node
    },
    transformResult: async ({ result }) => result,
  }
  const db = { ...platform.ctx.db, main: { ...main, lookup: main.lookup.withPlugin(counting) } }
  const ctx = { ...platform.ctx, ...authentication, db, correlationId: randomUUID(), clientAddress: null }
  return { ctx, lookups: () => lookups }
}

async function isTaken(ctx: RequestContext, { endpointKey, secret }: TestEndpoint): Promise<boolean> {
  const { headers, body: rawBody } = signed(simulate('shopify', 'orders/paid'), secret)
  const address = { endpointKey, tenantKey: undefined }
  return (await authenticateDelivery(ctx, 'shopify', address, { headers, rawBody })) !== null
}

test('a process remembers an endpoint: one look-up for many deliveries, good and bad', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { ctx, lookups } = startOther()
  for (let i = 0; i < 10; i++) expect(await isTaken(ctx, endpoint)).toBe(true)
  expect(await isTaken(ctx, { ...endpoint, secret: 'another' })).toBe(false)
  expect(lookups()).toBe(1)
})

test('a rotation and a deletion on one process are known on the others within a second', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { tenant, endpointId } = endpoint
  const { ctx } = startOther()
  expect(await isTaken(ctx, endpoint)).toBe(true)

  const params = { endpoint_id: endpointId }
  const secret = inventSecret('shopify')
  const body = { secret, overlap_seconds: 0 }
  expect((await platform.call('rotateWebhookSecret', { tenant, params, body })).status).toBe(200)
  const rotated = { ...endpoint, secret }
  await until(
    () => isTaken(ctx, rotated),
    (taken) => taken,
    2_000,
  )
  expect(await isTaken(ctx, endpoint)).toBe(false)

  expect((await platform.call('deleteWebhookEndpoint', { tenant, params })).status).toBe(204)
  await until(
    () => isTaken(ctx, rotated),
    (taken) => !taken,
    2_000,
  )
})

test('two endpoints with one secret are remembered apart, each by its own address', async () => {
  const one = await givenEndpoint(platform, 'shopify', { shopDomain: 'one.myshopify.com' })
  const { tenant, secret } = one
  const test = await givenEndpoint(platform, 'shopify', { tenant, secret, mode: 'test' })
  const { ctx, lookups } = startOther()
  const { headers, body: rawBody } = signed(simulate('shopify', 'orders/paid'), secret)
  for (const { endpointId, endpointKey } of [one, test, one, test]) {
    const principal = await authenticateDelivery(
      ctx,
      'shopify',
      { endpointKey, tenantKey: undefined },
      { headers, rawBody },
    )
    expect(principal).toMatchObject({ endpointId })
  }
  expect(lookups()).toBe(2)
})

test('an endpoint that is not there is looked up each time, so that one that is made works at once', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const { ctx, lookups } = startOther()
  const unknown = { ...endpoint, endpointKey: 'A'.repeat(43) }
  for (let i = 0; i < 3; i++) expect(await isTaken(ctx, unknown)).toBe(false)
  expect(lookups()).toBe(3)
  expect(await isTaken(ctx, { ...endpoint, endpointKey: 'short' })).toBe(false)
  expect(lookups()).toBe(3)
})
