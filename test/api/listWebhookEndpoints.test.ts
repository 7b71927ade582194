import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { deliverShopify, givenEndpoint, MINUTE } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { startPlatform, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

test('200: the newest first, without their secrets', async () => {
  const stripe = await givenEndpoint(platform, 'stripe', { mode: 'test' })
  const { tenant } = stripe
  const shop = await givenEndpoint(platform, 'shopify', { tenant, shopDomain: 'a-shop.myshopify.com' })
  const { status, body, text } = await platform.call('listWebhookEndpoints', { tenant })
  expect(status).toBe(200)
  expect(body).toEqual({
    items: [
      {
        endpoint_id: shop.endpointId,
        vendor: 'shopify',
        name: 'shopify for a test',
        mode: 'live',
        shop_domain: 'a-shop.myshopify.com',
        endpoint_key: shop.endpointKey,
        delivery_url: `https://api.example.test/api/webhooks/shopify/in/${shop.endpointKey}`,
        created_at: expect.any(String),
        last_delivery_at: null,
        previous_secret_valid_until: null,
      },
      expect.objectContaining({ endpoint_id: stripe.endpointId, vendor: 'stripe', mode: 'test', shop_domain: null }),
    ],
    next_cursor: null,
  })
  for (const { secret } of [stripe, shop]) expect(text).not.toContain(secret)
})

test('200: page by page, each one once, those of the same microsecond too; of one vendor where that is asked', async () => {
  const { tenant, endpointId: first } = await givenEndpoint(platform, 'stripe')
  const made = [first]
  for (const vendor of ['shopify', 'stripe', 'woocommerce', 'stripe'] as const) {
    made.push((await givenEndpoint(platform, vendor, { tenant })).endpointId)
  }
  await platform.query(
    `update webhook_endpoints set created_at = '2026-11-01T00:00:00.123456Z' where tenant_id = $1 and vendor = 'stripe'`,
    [tenant.tenantId],
  )
  const collect = async (filter: Record<string, string>) => {
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query = { limit: '2', ...filter, ...(cursor !== undefined && { cursor }) }
      const { body, status } = await platform.call('listWebhookEndpoints', { tenant, query })
      expect(status).toBe(200)
      seen.push(...body.items.map(({ endpoint_id }: { endpoint_id: string }) => endpoint_id))
      cursor = body.next_cursor ?? undefined
    } while (cursor !== undefined)
    return seen
  }
  expect((await collect({})).toSorted()).toEqual(made.toSorted())
  expect((await collect({ vendor: 'stripe' })).toSorted()).toEqual([made[0], made[2], made[4]].toSorted())
  expect(await collect({ vendor: 'paypal' })).toEqual([])
})

test('200: none that is deleted, and none of another tenant', async () => {
  const [kept, foreign] = [await givenEndpoint(platform, 'stripe'), await givenEndpoint(platform, 'stripe')]
  const gone = await givenEndpoint(platform, 'stripe', { tenant: kept.tenant })
  const params = { endpoint_id: gone.endpointId }
  expect((await platform.call('deleteWebhookEndpoint', { tenant: kept.tenant, params })).status).toBe(204)
  const { body, text } = await platform.call('listWebhookEndpoints', { tenant: kept.tenant })
  expect(body.items).toMatchObject([{ endpoint_id: kept.endpointId }])
  expect(text).not.toContain(foreign.endpointId)
})

test('200: when it took its last verified delivery, some seconds late; and until when the former secret is taken', async ({
  onTestFinished,
}) => {
  const own = await startPlatform(onTestFinished)
  const endpoint = await givenEndpoint(own, 'shopify', { tenant: own.tenant })
  const read = async () => (await own.call('listWebhookEndpoints')).body.items[0]
  const flush = () => (own.ctx.deliveryTimes as unknown as { flush(): Promise<void> }).flush()
  const forged = { ...endpoint, secret: 'another secret' }
  expectProblem(await deliverShopify(own, forged, {}, { topic: 'orders/paid' }), 'unauthorized')
  await flush()
  expect(await read()).toMatchObject({ last_delivery_at: null, previous_secret_valid_until: null })

  expect((await deliverShopify(own, endpoint, {}, { topic: 'app/uninstalled' })).status).toBe(200)
  const params = { endpoint_id: endpoint.endpointId }
  const body = { secret: 'another-secret', overlap_seconds: 60 }
  const rotated = await own.call('rotateWebhookSecret', { params, body })
  await flush()
  const item = await read()
  expect(Math.abs(Date.parse(item.last_delivery_at) - Date.now())).toBeLessThan(60_000)
  expect(item.previous_secret_valid_until).toBe(rotated.body.previous_secret_valid_until)
  own.setNow(new Date(Date.now() + 2 * MINUTE))
  expect(await read()).toMatchObject({ previous_secret_valid_until: null })
})

test('401: no token', async () => {
  expectProblem(await platform.call('listWebhookEndpoints', { token: null }), 'unauthorized')
})

test('403: a viewer', async () => {
  const { viewer } = platform.tenant.tokens
  expectProblem(await platform.call('listWebhookEndpoints', { token: viewer }), 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('listWebhookEndpoints', { headers }), 'not_acceptable')
})

test.each([
  ['no items', { limit: '0' }, ['/query/limit']],
  ['too many', { limit: '101' }, ['/query/limit']],
  ['no cursor of ours', { cursor: 'eyJhIjoiMjAyNiJ9' }, ['/query/cursor']],
  ['an unknown vendor', { vendor: 'magento' }, ['/query/vendor']],
  ['an unknown parameter', { deleted: 'true' }, ['/query/deleted']],
])('422: %s', async (_, query, pointers) => {
  const answer = await platform.call('listWebhookEndpoints', { query: query as Record<string, string> })
  expectProblem(answer, 'validation_failed', pointers)
})

test('422: the cursor of another vendor', async () => {
  const { tenant } = await givenEndpoint(platform, 'stripe')
  await givenEndpoint(platform, 'stripe', { tenant })
  const query = { vendor: 'stripe', limit: '1' }
  const { body } = await platform.call('listWebhookEndpoints', { tenant, query })
  const other = { vendor: 'shopify', cursor: body.next_cursor }
  const answer = await platform.call('listWebhookEndpoints', { tenant, query: other })
  expectProblem(answer, 'validation_failed', ['/query/cursor'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'listWebhookEndpoints')
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('listWebhookEndpoints'))
  expectProblem(answer, 'service_unavailable')
})
