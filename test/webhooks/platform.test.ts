import { expect, test } from 'vitest'
import { fieldMaps } from '../../src/webhooks/normalize/field-map.ts'
import { isPrivacyTopic } from '../../src/webhooks/privacy/request.ts'
import { SIMULATED_VENDORS } from '../../src/webhooks/simulator/contract-topics.ts'
import type { SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { type PlanOptions, plan } from '../../src/webhooks/simulator/plan.ts'
import { type SendOptions, send } from '../../src/webhooks/simulator/send.ts'
import { makeDelivery, simulators } from '../../src/webhooks/simulator/simulators.ts'
import { expectProblem } from '../support/answer.ts'
import { givenEndpoint, type TestEndpoint } from '../support/given.ts'
import { paypalCertificate } from '../support/paypal.ts'
import { usePlatform } from '../support/platform.ts'
import { deadOf, signed, storedOf } from '../support/signed-deliveries.ts'
import { listTablesHolding } from '../support/stored.ts'

const platform = usePlatform()

const RECEIVERS = {
  stripe: ['receiveStripeWebhook', 'charge.succeeded'],
  shopify: ['receiveShopifyWebhook', 'orders/paid'],
  paypal: ['receivePaypalWebhook', 'PAYMENT.CAPTURE.COMPLETED'],
  woocommerce: ['receiveWoocommerceWebhook', 'order.updated'],
} as const
const SHOP = 'north-fjord.myshopify.com'
const story = { currency: 'USD', shopDomain: SHOP }

const openEndpoint = (vendor: SimulatedVendor) =>
  givenEndpoint(platform, vendor, vendor === 'shopify' ? { shopDomain: SHOP } : {})

function deliver(
  endpoint: TestEndpoint,
  topic: string,
  planned: Partial<PlanOptions> = {},
  signing: Partial<SendOptions['signing']> = {},
) {
  const vendor: SimulatedVendor = endpoint.vendor
  const make = (seed: number) => makeDelivery(vendor, topic, seed, story)
  const certificate = vendor === 'paypal' ? paypalCertificate() : null
  return send(plan(make, { seed: 1, count: 1, duplicate: 0, window: 1, ...planned }), {
    url: new URL(`/api/webhooks/${vendor}/in/${endpoint.endpointKey}`, platform.url),
    signing: { scheme: 'vendor', secret: endpoint.secret, certificate, tamper: null, ageS: 0, ...signing },
    concurrency: 4,
    ratePerS: null,
    retrySpeed: null,
  })
}

/** What says something of money or asks to erase; the others are acknowledged and counted. */
const isUsed = (vendor: SimulatedVendor, topic: string): boolean =>
  Object.hasOwn(fieldMaps.vendors[vendor]?.events ?? {}, topic) || isPrivacyTopic(vendor, topic)

test.each(SIMULATED_VENDORS)('every topic of %s is accepted or ignored', async (vendor) => {
  const endpoint = await openEndpoint(vendor)
  const topics = simulators[vendor].topics.filter((topic) => topic !== 'ping')
  expect(topics.length).toBeGreaterThan(8)
  for (const topic of topics) {
    const { results, unexpected } = await deliver(endpoint, topic)
    expect([topic, results]).toEqual([topic, { [isUsed(vendor, topic) ? 'accepted' : 'ignored']: 1 }])
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

/** Ways in which a parser and a printer in between say the same in other bytes. */
const RESERIALISED: Record<string, (text: string) => string> = {
  'its members in another order': (text) => JSON.stringify(reversed(JSON.parse(text))),
  'other spaces': (text) => JSON.stringify(JSON.parse(text), null, 3),
  'slashes escaped or not': (text) =>
    text.includes('\\/') ? text.replaceAll('\\/', '/') : text.replaceAll('/', '\\/'),
  'a number beyond 2^53 rounded': (text) => text.replace(BEYOND, '9007199254740992'),
}
/** Stands in each body. */
const BEYOND = '9007199254740993'

function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).reverse())
}

test.each(SIMULATED_VENDORS.flatMap((vendor) => Object.keys(RESERIALISED).map((change) => [vendor, change] as const)))(
  'a delivery of %s is verified over its bytes: %s are answered 401 and not stored',
  async (vendor, change) => {
    const endpoint = await openEndpoint(vendor)
    const [operation, topic] = RECEIVERS[vendor]
    const delivery = makeDelivery(vendor, topic, 1, { ...story, startedAt: Date.now() - 3_600_000 })
    const text = delivery.body.toString().replace('{', `{"a_link":"https://shop.example/","a_number":${BEYOND},`)
    const { headers, body } = signed({ ...delivery, body: Buffer.from(text) }, endpoint.secret)
    const params = { endpoint_key: endpoint.endpointKey }
    const resent = RESERIALISED[change]?.(text) ?? text
    expect(resent).not.toBe(text)
    expectProblem(await platform.call(operation, { params, headers, body: resent }), 'unauthorized')
    expect(await storedOf(platform, endpoint.tenant)).toEqual([])
    expect(await deadOf(platform, endpoint.tenant)).toEqual([])
    expect((await platform.call(operation, { params, headers, body })).body.result).toBe('accepted')
  },
)

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
  // biome-ignore lint/suspicious/noExplicitAny: parts of a vendor's body
  const stored = await platform.query<{ topic: string; data: any }>(
    "select topic, payload -> 'body' -> 'data' as data from webhook_events where tenant_id = $1 order by topic",
    [tenantId],
  )
  expect(stored.map(({ topic }) => topic)).toEqual(['charge.refunded', 'charge.succeeded', 'payment_intent.succeeded'])
  const [refund, charge, intent] = stored.map(({ data }) => data.object)
  expect(charge.payment_intent).toBe(intent.id)
  expect(charge.amount_captured).toBe(intent.amount_received)
  expect(refund.id).toBe(charge.id)
  expect(refund.amount_refunded).toBeGreaterThan(0)
  expect(refund.amount_refunded).toBeLessThanOrEqual(charge.amount_captured)
})

test('nothing of the buyer is kept', async () => {
  for (const vendor of SIMULATED_VENDORS) {
    const endpoint = await openEndpoint(vendor)
    for (const topic of simulators[vendor].topics.filter((each) => each !== 'ping'))
      await deliver(endpoint, topic, { seed: 77 })
  }
  const { data } = JSON.parse(makeDelivery('stripe', 'charge.succeeded', 77, story).body.toString())
  const { billing_details: buyer, id } = data.object
  const { billing } = JSON.parse(makeDelivery('woocommerce', 'order.updated', 77, story).body.toString())
  expect(buyer.email).toMatch(/@example\.com$/)
  const texts = [buyer.email, buyer.address.line1, buyer.phone, billing.last_name, billing.email, billing.phone]
  for (const text of texts.filter((each) => typeof each === 'string' && each.length > 4)) {
    expect(await listTablesHolding(platform, text), text).toEqual([])
  }
  // The search finds what is there.
  expect(await listTablesHolding(platform, id)).toContain('public.webhook_events')
})
