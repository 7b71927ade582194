import { expect, test } from 'vitest'
import type { SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { type PlanOptions, plan } from '../../src/webhooks/simulator/plan.ts'
import { type SendOptions, send } from '../../src/webhooks/simulator/send.ts'
import { listTopics, makeDelivery } from '../../src/webhooks/simulator/simulators.ts'
import { givenEndpoint, type TestEndpoint } from '../support/given.ts'
import { usePlatform } from '../support/platform.ts'
import { listTablesHolding } from '../support/stored.ts'

const platform = usePlatform()
const SHOP = 'north-fjord.myshopify.com'
const story = { currency: 'USD', shopDomain: SHOP }

const openEndpoint = (vendor: 'stripe' | 'shopify') =>
  givenEndpoint(platform, vendor, vendor === 'shopify' ? { shopDomain: SHOP } : {})

function deliver(
  endpoint: TestEndpoint,
  topic: string,
  planned: Partial<PlanOptions> = {},
  signing: Partial<SendOptions['signing']> = {},
) {
  const vendor: SimulatedVendor = endpoint.vendor
  const make = (seed: number) => makeDelivery(vendor, topic, seed, story)
  return send(plan(make, { seed: 1, count: 1, duplicate: 0, window: 1, ...planned }), {
    url: new URL(`/api/webhooks/${vendor}/in/${endpoint.endpointKey}`, platform.url),
    signing: { scheme: 'vendor', secret: endpoint.secret, certificate: null, tamper: null, ageS: 0, ...signing },
    concurrency: 4,
    ratePerS: null,
    retrySpeed: null,
  })
}

/** What each topic is worth to the platform; the others are acknowledged and counted. */
const USED = new Set([
  'charge.succeeded',
  'charge.refunded',
  'payment_intent.succeeded',
  'orders/create',
  'orders/paid',
  'refunds/create',
])

test.each(['stripe', 'shopify'] as const)('every topic of %s is accepted or ignored', async (vendor) => {
  const endpoint = await openEndpoint(vendor)
  for (const { topic } of listTopics(vendor)) {
    const { results, unexpected } = await deliver(endpoint, topic)
    expect([topic, results]).toEqual([topic, { [USED.has(topic) ? 'accepted' : 'ignored']: 1 }])
    expect(unexpected).toBe(0)
  }
})

test.each([
  ['stripe', 'charge.succeeded'],
  ['shopify', 'orders/paid'],
] as const)('of %s, what is sent twice counts once, in any order', async (vendor, topic) => {
  const endpoint = await openEndpoint(vendor)
  const tally = await deliver(endpoint, topic, { count: 20, duplicate: 1, window: 8 })
  expect(tally).toMatchObject({
    deliveries: 40,
    repeats: 20,
    statuses: { 200: 40 },
    results: { accepted: 20, duplicate: 20 },
    unexpected: 0,
  })
  // The same seeds later: the same ids.
  expect((await deliver(endpoint, topic, { count: 20 })).results).toEqual({ duplicate: 20 })
  expect((await deliver(endpoint, topic, { seed: 100 })).results).toEqual({ accepted: 1 })
})

test.each([
  ['stripe', 'charge.succeeded', { tamper: 'body' }],
  ['stripe', 'charge.succeeded', { tamper: 'signature' }],
  ['stripe', 'charge.succeeded', { tamper: 'header' }],
  ['stripe', 'charge.succeeded', { ageS: 600 }],
  ['shopify', 'orders/paid', { tamper: 'body' }],
  ['shopify', 'orders/paid', { tamper: 'signature' }],
  ['shopify', 'orders/paid', { tamper: 'header' }],
] as const)('%s %s with %o is answered 401 and not stored', async (vendor, topic, signing) => {
  const endpoint = await openEndpoint(vendor)
  const tally = await deliver(endpoint, topic, { count: 3, duplicate: 1 }, signing)
  expect(tally).toMatchObject({ statuses: { 401: 6 }, results: {}, unexpected: 0 })
  expect(
    await platform.query('select from webhook_events where tenant_id = $1', [endpoint.tenant.tenantId]),
  ).toHaveLength(0)
})

test('another secret is answered 401, which nobody expected', async () => {
  const endpoint = await openEndpoint('stripe')
  const tally = await deliver(endpoint, 'charge.succeeded', {}, { secret: 'whsec_other' })
  expect(tally.unexpected).toBe(1)
  expect(tally.examples[0]).toMatch(/^charge\.succeeded, seed 1: 2xx expected, 401: /)
})

test('a payment that two events tell is one capture, and its refund is no more than that', async () => {
  const endpoint = await openEndpoint('stripe')
  const { tenantId } = endpoint.tenant
  for (const topic of ['charge.refunded', 'charge.succeeded', 'payment_intent.succeeded']) {
    await deliver(endpoint, topic, { seed: 40 })
  }
  const stored = await platform.query<{ topic: string; payload: Record<string, unknown> }>(
    'select topic, payload from webhook_events where tenant_id = $1 order by topic',
    [tenantId],
  )
  expect(stored.map(({ topic }) => topic)).toEqual(['charge.refunded', 'charge.succeeded', 'payment_intent.succeeded'])
  const [refund, charge, intent] = stored.map(({ payload }) => payload)
  expect(charge?.payment_intent).toBe(intent?.id)
  expect(charge?.captured).toBe(intent?.captured)
  expect(refund?.id).toBe(charge?.id)
  expect(Number(refund?.refunded_to)).toBeLessThanOrEqual(Number(charge?.captured))
})

test('nothing of the buyer is kept', async () => {
  for (const vendor of ['stripe', 'shopify'] as const) {
    const endpoint = await openEndpoint(vendor)
    for (const { topic } of listTopics(vendor)) await deliver(endpoint, topic, { seed: 77 })
  }
  const { data } = JSON.parse(makeDelivery('stripe', 'charge.succeeded', 77, story).body.toString())
  const { billing_details: buyer, id } = data.object
  expect(buyer.email).toMatch(/@example\.com$/)
  for (const text of [buyer.email, buyer.address.line1]) expect(await listTablesHolding(platform, text)).toEqual([])
  // The search finds what is there.
  expect(await listTablesHolding(platform, id)).toContain('public.webhook_events')
})
