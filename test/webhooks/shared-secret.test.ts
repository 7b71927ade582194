import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { RequestContext, Vendor } from '../../src/context.ts'
import type { OperationId } from '../../src/contract.ts'
import { ProblemError } from '../../src/problem/problem.ts'
import { authenticateDelivery } from '../../src/webhooks/endpoints/authenticate.ts'
import { verifiers } from '../../src/webhooks/signatures/index.ts'
import { givenEndpoint, inventSecret, type TestEndpoint } from '../support/given.ts'
import { type Answer, usePlatform } from '../support/platform.ts'
import { deadOf, type SignedDelivery, signed, simulate, storedOf } from '../support/signed-deliveries.ts'

const platform = usePlatform()

afterEach(() => void vi.restoreAllMocks())

/** As the simulator's deliveries name it. */
const OWN = 'north-fjord.myshopify.com'
const OTHER = 'south-fjord.myshopify.com'
const THIRD = 'west-fjord.myshopify.com'

const ROUTES: Record<Vendor, [operation: OperationId, topic: string]> = {
  stripe: ['stripeChargeSucceeded', 'charge.succeeded'],
  shopify: ['shopifyOrderPaid', 'orders/paid'],
  paypal: ['paypalPaymentCaptureCompleted', 'PAYMENT.CAPTURE.COMPLETED'],
  woocommerce: ['woocommerceOrderUpdated', 'order.updated'],
}

type Described = { mode?: 'live' | 'test'; shopDomain?: string }

/** Endpoints of one tenant with one secret, in the order in which they were made. */
async function givenSharing(vendor: Vendor, described: readonly Described[]): Promise<TestEndpoint[]> {
  const tenant = await platform.createTenant()
  const secret = inventSecret(vendor)
  const endpoints: TestEndpoint[] = []
  for (const options of described) endpoints.push(await givenEndpoint(platform, vendor, { ...options, tenant, secret }))
  return endpoints
}

/** To the path of the topic, which says no more than whose it is. */
function sendByTopic({ vendor, tenant, secret }: TestEndpoint): Promise<Answer> {
  const [operation, topic] = ROUTES[vendor]
  return platform.call(operation, { tenant, ...signed(simulate(vendor, topic), secret) })
}

describe('where several endpoints have one secret, a path of a topic takes a delivery for', () => {
  test.each<[string, Vendor, Described[], number, string]>([
    ['the live one, not for the newer of tests', 'shopify', [{}, { mode: 'test' }], 0, 'accepted'],
    ['the live one, not for the elder of tests', 'shopify', [{ mode: 'test' }, {}], 1, 'accepted'],
    ['that of its shop', 'shopify', [{ shopDomain: OWN }, { shopDomain: OTHER }], 0, 'accepted'],
    ['that of its shop, not for one of no shop', 'shopify', [{ shopDomain: OWN }, {}], 0, 'accepted'],
    ['one of no shop, not for that of another', 'shopify', [{}, { shopDomain: OTHER }], 0, 'accepted'],
    ['that of its shop, though that is one of tests', 'shopify', [{ shopDomain: OWN, mode: 'test' }, {}], 0, 'ignored'],
    ['the newest of the same kind', 'shopify', [{}, {}], 1, 'accepted'],
    ['the live one of Stripe', 'stripe', [{}, { mode: 'test' }], 0, 'accepted'],
    ['the live one of a shop whose copy is for tests', 'woocommerce', [{}, { mode: 'test' }], 0, 'accepted'],
    ["the live one of PayPal's", 'paypal', [{}, { mode: 'test' }], 0, 'accepted'],
  ])('%s', async (_, vendor, described, expected, result) => {
    const endpoints = await givenSharing(vendor, described)
    const [first] = endpoints as [TestEndpoint]
    expect((await sendByTopic(first)).body).toMatchObject({ result })
    expect(await storedOf(platform, first.tenant)).toMatchObject([{ endpoint: endpoints[expected]?.endpointId }])
  })

  test('that of its shop, however many others there are', async () => {
    const others = Array.from({ length: 21 }, (_, index) => ({ shopDomain: `other-${index}.myshopify.com` }))
    const [own] = (await givenSharing('shopify', [{ shopDomain: OWN }, ...others])) as [TestEndpoint]
    expect((await sendByTopic(own)).body).toMatchObject({ result: 'accepted' })
    expect(await storedOf(platform, own.tenant)).toMatchObject([{ endpoint: own.endpointId }])
  })

  test('none, but keeps it as a dead event, when all are of other shops', async () => {
    const [one] = (await givenSharing('shopify', [{ shopDomain: OTHER }, { shopDomain: THIRD }])) as [TestEndpoint]
    expect((await sendByTopic(one)).body).toMatchObject({ result: 'dead', code: 'schema' })
    expect(await deadOf(platform, one.tenant)).toMatchObject([{ code: 'shop_mismatch' }])
  })

  test('another one as soon as there is one', async () => {
    const [first] = (await givenSharing('shopify', [{}])) as [TestEndpoint]
    expect((await sendByTopic(first)).body).toMatchObject({ result: 'accepted' })
    const { tenant, secret } = first
    const own = await givenEndpoint(platform, 'shopify', { tenant, secret, shopDomain: OWN })
    await sendByTopic(first)
    expect((await storedOf(platform, tenant)).map(({ endpoint }) => endpoint)).toEqual([
      first.endpointId,
      own.endpointId,
    ])
  })
})

test('what is refused is checked with as many secrets as what is taken, whatever is wrong with it', async () => {
  const [endpoint] = (await givenSharing('shopify', [{ shopDomain: OWN }, { shopDomain: OTHER }, {}])) as [TestEndpoint]
  const { tenant, secret } = endpoint
  const good = signed(simulate('shopify', 'orders/paid'), secret)
  const { 'x-shopify-hmac-sha256': signature = '', ...unsigned } = good.headers
  const deliveries: Record<string, [SignedDelivery, status: number]> = {
    'a good one': [good, 200],
    'one without a signature': [{ ...good, headers: unsigned }, 401],
    'one whose signature is none': [{ ...good, headers: { ...unsigned, 'x-shopify-hmac-sha256': 'none' } }, 401],
    'one with another secret': [signed(simulate('shopify', 'orders/paid'), 'another'), 401],
    'one with another body': [{ ...good, body: Buffer.from(`${good.body} `) }, 401],
    'one of no shop': [{ ...good, headers: { ...unsigned, 'x-shopify-hmac-sha256': signature.toLowerCase() } }, 401],
  }
  const verify = vi.spyOn(verifiers, 'shopify')
  for (const [name, [delivery, status]] of Object.entries(deliveries)) {
    verify.mockClear()
    const answer = await platform.call('shopifyOrderPaid', { tenant, ...delivery })
    expect([name, answer.status]).toEqual([name, status])
    expect([name, verify.mock.calls.map(([{ secrets }]) => secrets)]).toEqual([name, [[secret], [secret], [secret]]])
  }
})

test('an endpoint that cannot be checked at the moment holds up no other; alone it is asked for again', async () => {
  const [one, other] = (await givenSharing('paypal', [{}, {}])) as [TestEndpoint, TestEndpoint]
  const { headers, body: rawBody } = signed(simulate('paypal', ROUTES.paypal[1]), one.secret)
  const authenticate = (unavailable: readonly TestEndpoint[]) => {
    const ctx: RequestContext = {
      ...platform.ctx,
      correlationId: randomUUID(),
      clientAddress: null,
      paypalCertificates: {
        find: async (url, asker, now) => {
          if (unavailable.some(({ endpointId }) => endpointId === asker?.endpointId))
            throw new ProblemError('service_unavailable', 'Its certificates are used up.')
          return platform.ctx.paypalCertificates.find(url, asker, now)
        },
      },
    }
    const address = { endpointKey: undefined, tenantKey: one.tenant.apiKey }
    return authenticateDelivery(ctx, 'paypal', address, { headers, rawBody })
  }
  expect(await authenticate([])).toMatchObject({ endpointId: other.endpointId })
  expect(await authenticate([other])).toMatchObject({ endpointId: one.endpointId })
  await expect(authenticate([one, other])).rejects.toMatchObject({ code: 'service_unavailable' })
})
