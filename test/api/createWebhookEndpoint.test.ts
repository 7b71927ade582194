import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { inventSecret, stripeCharge } from '../support/given.ts'
import { describeIdempotency, expectInFlight, expectKeyReused, expectRateLimited } from '../support/limits.ts'
import { signShopify, signStripe, usePlatform } from '../support/platform.ts'
import { signed, simulate } from '../support/signed-deliveries.ts'
import { countStored, listTablesHolding } from '../support/stored.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const request = () => ({
  vendor: 'stripe',
  name: 'Stripe US',
  secret: `whsec_${randomBytes(24).toString('base64url')}`,
})

test('201: an endpoint of Stripe, which takes deliveries at the address it gives', async () => {
  const { secret, ...rest } = request()
  const { status, body, headers } = await platform.call('createWebhookEndpoint', { body: { secret, ...rest } })
  expect(status).toBe(201)
  expect(headers.get('location')).toBe(`/api/webhook-endpoints/${body.endpoint_id}`)
  expect(body).toEqual({
    endpoint_id: expect.any(String),
    vendor: 'stripe',
    name: 'Stripe US',
    mode: 'live',
    shop_domain: null,
    endpoint_key: expect.any(String),
    delivery_url: `${platform.config.publicUrl}/api/webhooks/stripe/in/${body.endpoint_key}`,
    created_at: expect.any(String),
  })
  expect(Buffer.from(body.endpoint_key, 'base64url')).toHaveLength(32)

  const delivery = JSON.stringify(stripeCharge({ amount: 100, at: new Date() }))
  const response = await fetch(`${platform.url}${new URL(body.delivery_url).pathname}`, {
    method: 'POST',
    body: delivery,
    headers: signStripe(delivery, secret),
  })
  expect(await response.json()).toMatchObject({ result: 'accepted' })
})

test('201: an endpoint of one Shopify shop', async () => {
  const secret = randomBytes(16).toString('hex')
  const { status, body } = await platform.call('createWebhookEndpoint', {
    body: { vendor: 'shopify', name: 'Web shop', secret, mode: 'test', shop_domain: 'test-shop.myshopify.com' },
  })
  expect(status).toBe(201)
  expect(body).toMatchObject({ vendor: 'shopify', mode: 'test', shop_domain: 'test-shop.myshopify.com' })
  const ping = await platform.call('receiveShopifyWebhook', {
    params: { endpoint_key: body.endpoint_key },
    body: '{}',
    headers: signShopify('{}', secret, { topic: 'app/uninstalled' }),
  })
  expect(ping.body).toMatchObject({ result: 'ignored' })
})

test.each(['paypal', 'woocommerce'] as const)(
  '201: an endpoint of %s, which takes deliveries at once',
  async (vendor) => {
    const secret = inventSecret(vendor)
    const { status, body } = await platform.call('createWebhookEndpoint', { body: { vendor, name: 'Shop', secret } })
    expect(status).toBe(201)
    expect(body).toMatchObject({ vendor, mode: 'live', shop_domain: null })
    const delivery = simulate(vendor, vendor === 'paypal' ? 'BILLING.SUBSCRIPTION.ACTIVATED' : 'product.updated')
    const answer = await fetch(`${platform.url}${new URL(body.delivery_url).pathname}`, {
      method: 'POST',
      ...signed(delivery, secret),
    })
    expect(await answer.json()).toMatchObject({ result: 'ignored' })
  },
)

test('201: the secret never comes back, and lies nowhere in clear', async () => {
  const body = request()
  const { status, text, headers } = await platform.call('createWebhookEndpoint', { body })
  expect(status).toBe(201)
  expect(text + JSON.stringify([...headers])).not.toContain(body.secret)
  expect(await listTablesHolding(platform, body.secret)).toEqual([])
  expect(await listTablesHolding(platform, body.name)).toEqual(['public.webhook_endpoints'])
})

test('201: the audit log says who made it, and not its key, its name or its secret', async () => {
  const tenant = await platform.createTenant()
  const { status, body } = await platform.call('createWebhookEndpoint', { tenant, body: request() })
  expect(status).toBe(201)
  expect(await readAudit(platform, tenant)).toEqual([
    {
      action: 'webhook_endpoint.created',
      actorKind: 'user',
      actorId: tenant.userId,
      targetKind: 'webhook_endpoint',
      targetId: body.endpoint_id,
      correlationId: expect.any(String),
      changes: [
        { pointer: '/vendor', before: null, after: '"stripe"' },
        { pointer: '/mode', before: null, after: '"live"' },
        { pointer: '/shop_domain', before: null, after: null },
      ],
    },
  ])
})

test('201: two endpoints have two keys, whatever is alike', async () => {
  const body = request()
  const [one, other] = await Promise.all([1, 2].map(() => platform.call('createWebhookEndpoint', { body })))
  expect(one?.body.endpoint_id).not.toBe(other?.body.endpoint_id)
  expect(one?.body.endpoint_key).not.toBe(other?.body.endpoint_key)
})

test('201: the delivery URL starts with the public URL, whatever a proxy or a caller says', async () => {
  const headers = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'http',
    'x-forwarded-port': '8080',
    forwarded: 'for=203.0.113.9;host=evil.example;proto=http',
  }
  const { status, body } = await platform.call('createWebhookEndpoint', { body: request(), headers })
  expect(status).toBe(201)
  expect(body.delivery_url).toBe(`https://api.example.test/api/webhooks/stripe/in/${body.endpoint_key}`)
})

test('201: an admin may do what a manager may', async () => {
  const { status } = await platform.call('createWebhookEndpoint', {
    body: request(),
    token: platform.tenant.tokens.admin,
  })
  expect(status).toBe(201)
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await platform.call('createWebhookEndpoint', { body }), 'malformed_request')
})

test('401: no token', async () => {
  expectProblem(await platform.call('createWebhookEndpoint', { body: request(), token: null }), 'unauthorized')
})

test("401: a tenant's key is not a token", async () => {
  const headers = { 'x-skeldir-tenant-key': platform.tenant.apiKey }
  const answer = await platform.call('createWebhookEndpoint', { body: request(), token: null, headers })
  expectProblem(answer, 'unauthorized')
})

test('403: a viewer, who makes nothing', async () => {
  const before = await platform.query('select from webhook_endpoints')
  const answer = await platform.call('createWebhookEndpoint', { body: request(), token: platform.tenant.tokens.viewer })
  expectProblem(answer, 'forbidden')
  expect(await platform.query('select from webhook_endpoints')).toHaveLength(before.length)
})

test('403: comes before whatever is wrong with the body', async () => {
  const answer = await platform.call('createWebhookEndpoint', { body: '{', token: platform.tenant.tokens.viewer })
  expectProblem(answer, 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('createWebhookEndpoint', { body: request(), headers }), 'not_acceptable')
})

test('409: a call with the same key is at work', async () => {
  await expectInFlight(platform, 'createWebhookEndpoint', { makeBody: request })
})

test('413: more than 1 MiB', async () => {
  expectProblem(await platform.call('createWebhookEndpoint', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify(request()))
  expectProblem(await platform.call('createWebhookEndpoint', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['an unknown vendor', { vendor: 'magento' }, ['/body/vendor']],
  ['no name', { name: '' }, ['/body/name']],
  ['a long name', { name: 'n'.repeat(101) }, ['/body/name']],
  ['a short secret', { secret: '1234567' }, ['/body/secret']],
  ['a long secret', { secret: 's'.repeat(257) }, ['/body/secret']],
  ['an unknown mode', { mode: 'sandbox' }, ['/body/mode']],
  ['no shop of Shopify', { vendor: 'shopify', shop_domain: 'shop.example.com' }, ['/body/shop_domain']],
  ['a shop domain for Stripe', { shop_domain: 'test-shop.myshopify.com' }, ['/body/shop_domain']],
  ['a path for WooCommerce', { vendor: 'woocommerce', shop_domain: 'example.com/outlet' }, ['/body/shop_domain']],
  ["the id that PayPal's simulator signs with", { vendor: 'paypal', secret: 'WEBHOOK_ID' }, ['/body/secret']],
  ['no id of a webhook of PayPal', { vendor: 'paypal', secret: '8PT597110X687430L|' }, ['/body/secret']],
  ['a secret with a space', { secret: 'whsec_a b c d e f' }, ['/body/secret']],
  ['a key of the own choice', { endpoint_key: 'k'.repeat(43) }, ['/body/endpoint_key']],
  ['another tenant', { tenant_id: '00000000-0000-4000-8000-000000000000' }, ['/body/tenant_id']],
])('422: %s', async (_, change, pointers) => {
  const answer = await platform.call('createWebhookEndpoint', { body: { ...request(), ...change } })
  expectProblem(answer, 'validation_failed', pointers)
})

test('422: a second shop of WooCommerce without a name, whose orders nothing would tell from those of the first', async () => {
  const tenant = await platform.createTenant()
  const create = (change: object) =>
    platform.call('createWebhookEndpoint', { tenant, body: { ...request(), vendor: 'woocommerce', ...change } })
  const [first] = [
    await create({}),
    await create({ shop_domain: 'outlet.example.com' }),
    await create({ mode: 'test' }),
  ]
  expectProblem(await create({}), 'validation_failed', ['/body/shop_domain'])
  const at = (endpoint_id: string) => ({ tenant, params: { endpoint_id } })
  expect((await platform.call('deleteWebhookEndpoint', at(first.body.endpoint_id))).status).toBe(204)
  const both = await Promise.all([create({}), create({})])
  expect(both.map(({ status }) => status).sort()).toEqual([201, 422])
})

test('422: does not say the secret again', async () => {
  const body = { ...request(), secret: `${'s3cr3t-'.repeat(40)}`, name: 7 }
  const { status, text } = await platform.call('createWebhookEndpoint', { body })
  expect(status).toBe(422)
  expect(text).not.toContain('s3cr3t')
})

test('422: a key that came with another request', async () => {
  await expectKeyReused(platform, 'createWebhookEndpoint', { makeBody: request })
})

test('429: the quota is used up, which comes before whatever is wrong with the request', async () => {
  await expectRateLimited(platform, 'createWebhookEndpoint', { body: '{' })
})

test('503: the database is gone, and nothing was made', async () => {
  const before = await countStored(platform)
  const body = request()
  const answer = await platform.withoutDatabase(() => platform.call('createWebhookEndpoint', { body }))
  expectProblem(answer, 'service_unavailable')
  expect(await countStored(platform)).toEqual(before)
  expect(await listTablesHolding(platform, body.secret)).toEqual([])
})

describeIdempotency(platform, 'createWebhookEndpoint', {
  makeBody: request,
  count: async () => (await platform.query('select from webhook_endpoints')).length,
})
