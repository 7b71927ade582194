import { randomInt } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import type { Vendor } from '../../src/context.ts'
import type { OperationId } from '../../src/contract.ts'
import { type Signing, toRequest } from '../../src/webhooks/simulator/attempt.ts'
import type { Delivery } from '../../src/webhooks/simulator/delivery.ts'
import { makeDelivery } from '../../src/webhooks/simulator/simulators.ts'
import { expectProblem, masked } from './answer.ts'
import { givenEndpoint, HOUR, inventSecret, type TestEndpoint } from './given.ts'
import { exhaustPermits, expectQuotaUsedUp } from './limits.ts'
import { paypalCertificate } from './paypal.ts'
import { type Answer, type TestPlatform, type TestTenant, usePlatform } from './platform.ts'
import { countStored } from './stored.ts'

const SHOP = 'north-fjord.myshopify.com'

/** One moment for all: vendors tell whole seconds, and a delivery made again in the next one would be another. */
const STARTED_AT = Date.now() - HOUR

/** What a vendor sends about an order of an hour ago, the same for the same seed. */
export function simulate(vendor: Vendor, topic: string, seed: number = randomInt(2 ** 40)): Delivery {
  return makeDelivery(vendor, topic, seed, { currency: 'USD', shopDomain: SHOP, startedAt: STARTED_AT })
}

export interface SignedDelivery {
  /** Names in lower case. */
  headers: Record<string, string>
  body: Buffer<ArrayBuffer>
}

/** A delivery as its vendor signs it. */
export function signed(
  delivery: Delivery,
  secret: string,
  { at = new Date(), mode = 'live', ...changes }: { at?: Date; mode?: 'live' | 'test' } & Partial<Signing> = {},
): SignedDelivery {
  const certificate = delivery.vendor === 'paypal' ? paypalCertificate(mode) : null
  const signing: Signing = { scheme: 'vendor', secret, certificate, tamper: null, ageS: 0, ...changes }
  const { headers, body } = toRequest(delivery, signing, at)
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  return { headers: Object.fromEntries(lower), body: Buffer.from(body) }
}

/** The header that holds the signature. */
export const SIGNATURE_HEADERS: Record<Vendor, string> = {
  stripe: 'stripe-signature',
  shopify: 'x-shopify-hmac-sha256',
  paypal: 'paypal-transmission-sig',
  woocommerce: 'x-wc-webhook-signature',
}

export interface TopicRoute {
  vendor: Vendor
  topic: string
  /** What an honest delivery is answered. */
  result?: 'accepted' | 'ignored'
  /** Another one, whose deliveries this route must not take; none where the path alone decides. */
  otherTopic?: string
  /** What its answers carry besides. */
  headers?: Record<string, RegExp>
}

/**
 * What holds for every path that takes one topic of the tenant that a key names: one claim per method, for the tests of
 * the operation's file. Each makes tenants of its own.
 */
export function useTopicRoute(operationId: OperationId, route: TopicRoute) {
  const { vendor, topic, result = 'accepted', otherTopic, headers: expectedHeaders = {} } = route
  const platform = usePlatform()
  const send = (tenant: TestTenant, { headers, body }: SignedDelivery, token?: null): Promise<Answer> =>
    platform.call(operationId, { tenant, headers, body, ...(token === null && { token }) })
  const sendSigned = ({ tenant, secret }: TestEndpoint, delivery = simulate(vendor, topic)): Promise<Answer> =>
    send(tenant, signed(delivery, secret))

  return {
    /** It is stored for the endpoint whose secret signed it, whichever the tenant has; and once. */
    async expectTaken(): Promise<void> {
      const elder = await givenEndpoint(platform, vendor)
      const { tenant } = elder
      // Of WooCommerce only one endpoint may be without a shop.
      await givenEndpoint(platform, vendor, {
        tenant,
        ...(vendor === 'woocommerce' && { shopDomain: 'outlet.example.com' }),
      })
      const delivery = simulate(vendor, topic)
      const first = await sendSigned(elder, delivery)
      expect(first.body).toEqual({ result, receipt_id: expect.any(String), code: null })
      for (const [name, pattern] of Object.entries(expectedHeaders)) expect(first.headers.get(name)).toMatch(pattern)
      const receipt = { result: 'duplicate', receipt_id: first.body.receipt_id }
      expect((await sendSigned(elder, delivery)).body).toMatchObject(receipt)
      expect(await storedOf(platform, tenant)).toEqual([{ topic, endpoint: elder.endpointId }])
    },

    /** A relay may leave out the header that names the topic: the path does. */
    async expectTopicByPath(header: string, sent?: string): Promise<void> {
      const endpoint = await givenEndpoint(platform, vendor)
      const { headers, body } = signed(simulate(vendor, topic), endpoint.secret)
      const { [header]: _, ...others } = headers
      const named = sent === undefined ? others : { ...others, [header]: sent }
      expect((await send(endpoint.tenant, { headers: named, body })).body).toMatchObject({ result })
      expect(await storedOf(platform, endpoint.tenant)).toMatchObject([{ topic }])
    },

    async expectOtherTopicDead(): Promise<void> {
      const endpoint = await givenEndpoint(platform, vendor)
      const answer = await sendSigned(endpoint, simulate(vendor, otherTopic as string))
      expect(answer.body).toMatchObject({ result: 'dead', code: 'schema' })
      expect(await storedOf(platform, endpoint.tenant)).toEqual([])
      expect(await deadOf(platform, endpoint.tenant)).toMatchObject([{ code: 'topic_path_mismatch' }])
    },

    /** Whatever is wrong, the answer is one and the same, and nothing is stored. */
    async expectRefused(): Promise<void> {
      const [endpoint, foreign] = [await givenEndpoint(platform, vendor), await givenEndpoint(platform, vendor)]
      const shopDomain = vendor === 'woocommerce' ? { shopDomain: 'outlet.example.com' } : {}
      const deleted = await givenEndpoint(platform, vendor, { tenant: endpoint.tenant, ...shopDomain })
      const params = { endpoint_id: deleted.endpointId }
      expect((await platform.call('deleteWebhookEndpoint', { tenant: endpoint.tenant, params })).status).toBe(204)
      const delivery = simulate(vendor, topic)
      const good = signed(delivery, endpoint.secret)
      const { [SIGNATURE_HEADERS[vendor]]: _, ...unsigned } = good.headers
      const attempts: Record<string, () => Promise<Answer>> = {
        'no key': () => send(endpoint.tenant, good, null),
        'a key that nobody made': () => send({ ...endpoint.tenant, apiKey: `skd_${'A'.repeat(43)}` }, good),
        'the key of another tenant': () => send(foreign.tenant, good),
        "another tenant's secret": () => sendSigned({ ...endpoint, secret: foreign.secret }, delivery),
        'a secret that nobody has': () => sendSigned({ ...endpoint, secret: inventSecret(vendor) }, delivery),
        "a deleted endpoint's secret": () => sendSigned(deleted, delivery),
        'another body': () => send(endpoint.tenant, signed(delivery, endpoint.secret, { tamper: 'body' })),
        'no signature': () => send(endpoint.tenant, { ...good, headers: unsigned }),
        'nothing at all': () => send(endpoint.tenant, { headers: {}, body: good.body }, null),
      }
      const before = await countStored(platform)
      const expected = await platform.call(operationId, { tenant: endpoint.tenant, token: null, body: '{}' })
      expectProblem(expected, 'unauthorized')
      for (const [name, attempt] of Object.entries(attempts)) {
        expect(masked(await attempt()), name).toBe(masked(expected))
      }
      expect(await countStored(platform)).toEqual(before)
      expect((await sendSigned(endpoint, delivery)).body).toMatchObject({ result })
    },

    async expectTooLarge(): Promise<void> {
      const endpoint = await givenEndpoint(platform, vendor)
      const delivery = simulate(vendor, topic)
      const body = Buffer.concat([delivery.body, Buffer.alloc(1_048_577 - delivery.body.length, ' ')])
      expectProblem(await sendSigned(endpoint, { ...delivery, body }), 'payload_too_large')
      expect(await storedOf(platform, endpoint.tenant)).toEqual([])
    },

    async expectNotCompressed(): Promise<void> {
      const endpoint = await givenEndpoint(platform, vendor)
      const delivery = simulate(vendor, topic)
      const { headers, body } = signed({ ...delivery, body: gzipSync(delivery.body) }, endpoint.secret)
      const answer = await send(endpoint.tenant, { headers: { ...headers, 'content-encoding': 'gzip' }, body })
      expectProblem(answer, 'unsupported_media_type')
      expect(await storedOf(platform, endpoint.tenant)).toEqual([])
    },

    async expectLimited(): Promise<void> {
      const endpoint = await givenEndpoint(platform, vendor)
      await exhaustPermits(platform, endpoint.tenant, 'ingest')
      expectQuotaUsedUp(await sendSigned(endpoint), 'ingest')
      expect(await storedOf(platform, endpoint.tenant)).toEqual([])
    },

    /** What cannot be stored is not acknowledged, and taken when it is sent again. */
    async expectUnavailable(): Promise<void> {
      const endpoint = await givenEndpoint(platform, vendor)
      const delivery = simulate(vendor, topic)
      const gone = await platform.withoutDatabase(() => sendSigned(endpoint, delivery))
      expectProblem(gone, 'service_unavailable')
      expect((await sendSigned(endpoint, delivery)).body).toMatchObject({ result })
    },
  }
}

export function storedOf(platform: TestPlatform, { tenantId }: TestTenant) {
  return platform.query<{ topic: string; endpoint: string }>(
    'select topic, endpoint_id as endpoint from webhook_events where tenant_id = $1 order by received_at',
    [tenantId],
  )
}

export function deadOf(platform: TestPlatform, { tenantId }: TestTenant) {
  return platform.query<{ id: string; class: string; code: string; topic: string | null }>(
    'select dead_event_id as id, class, code, topic from dead_events where tenant_id = $1 order by received_at',
    [tenantId],
  )
}
