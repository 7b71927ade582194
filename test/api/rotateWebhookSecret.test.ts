import { randomUUID } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { deliverShopify, givenEndpoint, inventSecret, MINUTE, type TestEndpoint } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type Answer, type CallOptions, usePlatform } from '../support/platform.ts'
import { listTablesHolding } from '../support/stored.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

function rotate({ tenant, endpointId }: TestEndpoint, body: unknown, options: CallOptions = {}): Promise<Answer> {
  return platform.call('rotateWebhookSecret', { tenant, params: { endpoint_id: endpointId }, body, ...options })
}

/** Whether a delivery that is signed with each of the secrets is taken. */
async function taken(endpoint: TestEndpoint, secrets: readonly string[]): Promise<boolean[]> {
  const answers = []
  for (const secret of secrets) {
    answers.push(await deliverShopify(platform, { ...endpoint, secret }, {}, { topic: 'app/uninstalled' }))
  }
  return answers.map(({ status }) => status === 200)
}

const secretsOf = ({ endpointId }: TestEndpoint) =>
  platform.query('select from webhook_secrets where endpoint_id = $1', [endpointId])

test('200: both secrets are taken until the overlap ends, also where the endpoint is remembered', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const secret = inventSecret('shopify')
  expect(await taken(endpoint, [endpoint.secret, secret])).toEqual([true, false])
  const { status, body } = await rotate(endpoint, { secret, overlap_seconds: 60 })
  expect(status).toBe(200)
  expect(body).toEqual({
    endpoint_id: endpoint.endpointId,
    rotated_at: expect.any(String),
    previous_secret_valid_until: expect.any(String),
  })
  const overlapMs = Date.parse(body.previous_secret_valid_until) - Date.now()
  expect(overlapMs).toBeGreaterThan(30_000)
  expect(overlapMs).toBeLessThanOrEqual(60_000)
  expect(await taken(endpoint, [endpoint.secret, secret])).toEqual([true, true])
  platform.setNow(new Date(Date.now() + 2 * MINUTE))
  expect(await taken(endpoint, [endpoint.secret, secret])).toEqual([false, true])
})

test('200: without an overlap the former secret ends at once and is destroyed', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const secret = inventSecret('shopify')
  expect(await taken(endpoint, [endpoint.secret])).toEqual([true])
  const { body } = await rotate(endpoint, { secret, overlap_seconds: 0 })
  expect(body).toMatchObject({ previous_secret_valid_until: null })
  expect(await taken(endpoint, [endpoint.secret, secret])).toEqual([false, true])
  expect(await secretsOf(endpoint)).toHaveLength(1)
})

test('200: at most two secrets are live, and the overlap is a day where nothing is said', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const [second, third] = [inventSecret('shopify'), inventSecret('shopify')]
  const { body } = await rotate(endpoint, { secret: second })
  expect(Math.abs(Date.parse(body.previous_secret_valid_until) - Date.now() - 86_400_000)).toBeLessThan(MINUTE)
  expect((await rotate(endpoint, { secret: third })).status).toBe(200)
  expect(await taken(endpoint, [endpoint.secret, second, third])).toEqual([false, true, true])
  expect(await secretsOf(endpoint)).toHaveLength(2)
})

test('200: the current secret again changes nothing', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const secret = inventSecret('shopify')
  const first = await rotate(endpoint, { secret, overlap_seconds: 600 })
  const again = await rotate(endpoint, { secret, overlap_seconds: 0 })
  expect(again.body).toEqual(first.body)
  expect(await taken(endpoint, [endpoint.secret, secret])).toEqual([true, true])
  const log = await readAudit(platform, endpoint.tenant)
  expect(log.filter(({ action }) => action === 'webhook_secret.rotated')).toHaveLength(1)
})

test('200: of two rotations at once both happen, one after the other', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const secrets = [inventSecret('shopify'), inventSecret('shopify')]
  const answers = await Promise.all(secrets.map((secret) => rotate(endpoint, { secret })))
  expect(answers.map(({ status }) => status)).toEqual([200, 200])
  expect(await taken(endpoint, [...secrets, endpoint.secret])).toEqual([true, true, false])
})

test('200: the log says who did it, and the secret lies nowhere in clear', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const secret = inventSecret('stripe')
  const { status, text } = await rotate(endpoint, { secret, overlap_seconds: 0 })
  expect(status).toBe(200)
  expect(text).not.toContain(secret)
  expect(await listTablesHolding(platform, secret)).toEqual([])
  expect((await readAudit(platform, endpoint.tenant)).at(-1)).toMatchObject({
    action: 'webhook_secret.rotated',
    actorId: endpoint.tenant.userId,
    targetKind: 'webhook_endpoint',
    targetId: endpoint.endpointId,
    changes: [
      { pointer: '/vendor', before: null, after: '"stripe"' },
      { pointer: '/overlap_seconds', before: null, after: '0' },
    ],
  })
})

const request = () => ({ secret: inventSecret('stripe') })

test.each(MALFORMED)('400: %s', async (_, body) => {
  const params = { endpoint_id: randomUUID() }
  expectProblem(await platform.call('rotateWebhookSecret', { params, body }), 'malformed_request')
})

test('401: no token', async () => {
  const params = { endpoint_id: randomUUID() }
  const answer = await platform.call('rotateWebhookSecret', { params, body: request(), token: null })
  expectProblem(answer, 'unauthorized')
})

test('403: a viewer; the secret stays', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const answer = await rotate(endpoint, request(), { token: endpoint.tenant.tokens.viewer })
  expectProblem(answer, 'forbidden')
  expect(await taken(endpoint, [endpoint.secret])).toEqual([true])
})

test("404: no endpoint, another tenant's, and a deleted one are all the same", async () => {
  const [own, foreign] = [await givenEndpoint(platform, 'shopify'), await givenEndpoint(platform, 'shopify')]
  const { tenant } = own
  const gone = await givenEndpoint(platform, 'shopify', { tenant })
  const params = { endpoint_id: gone.endpointId }
  expect((await platform.call('deleteWebhookEndpoint', { tenant, params })).status).toBe(204)
  const answers = []
  for (const endpointId of [randomUUID(), foreign.endpointId, gone.endpointId]) {
    answers.push(await rotate({ ...own, endpointId }, request()))
  }
  for (const answer of answers) expectProblem(answer, 'not_found')
  expect(new Set(answers.map(masked)).size).toBe(1)
  expect(await taken(foreign, [foreign.secret])).toEqual([true])
})

test('406: an answer that is not JSON', async () => {
  const options = { params: { endpoint_id: randomUUID() }, body: request(), headers: { accept: 'text/csv' } }
  expectProblem(await platform.call('rotateWebhookSecret', options), 'not_acceptable')
})

test('413: more than 1 MiB', async () => {
  const options = { params: { endpoint_id: randomUUID() }, body: OVERSIZED }
  expectProblem(await platform.call('rotateWebhookSecret', options), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const options = { params: { endpoint_id: randomUUID() }, body: encode(JSON.stringify(request())), headers }
  expectProblem(await platform.call('rotateWebhookSecret', options), 'unsupported_media_type')
})

test.each([
  ['a short secret', { secret: '1234567' }, ['/body/secret']],
  ['a long secret', { secret: 's'.repeat(257) }, ['/body/secret']],
  ['a blank in it', { secret: 'whsec_ 12345678' }, ['/body/secret']],
  ['no secret', { secret: undefined }, ['/body/secret']],
  ['an overlap of more than a day', { overlap_seconds: 86_401 }, ['/body/overlap_seconds']],
  ['an overlap that is none', { overlap_seconds: -1 }, ['/body/overlap_seconds']],
  ['a member that is not known', { not_after: null }, ['/body/not_after']],
])('422: %s', async (_, change, pointers) => {
  const endpoint = await givenEndpoint(platform, 'shopify', { tenant: platform.tenant })
  expectProblem(await rotate(endpoint, { ...request(), ...change }), 'validation_failed', pointers)
  expect(await taken(endpoint, [endpoint.secret])).toEqual([true])
})

test.each(['WEBHOOK_ID', '8PT597110X687430L|'])('422: %s, which is no id of a webhook of PayPal', async (secret) => {
  const endpoint = await givenEndpoint(platform, 'paypal', { tenant: platform.tenant })
  expectProblem(await rotate(endpoint, { secret }), 'validation_failed', ['/body/secret'])
  expect(await secretsOf(endpoint)).toHaveLength(1)
})

test('422: no id of an endpoint', async () => {
  const options = { params: { endpoint_id: '1' }, body: request() }
  expectProblem(await platform.call('rotateWebhookSecret', options), 'validation_failed', ['/path/endpoint_id'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'rotateWebhookSecret', { params: { endpoint_id: randomUUID() }, body: request() })
})

test('503: the database is gone', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const answer = await platform.withoutDatabase(() => rotate(endpoint, request()))
  expectProblem(answer, 'service_unavailable')
  expect(await taken(endpoint, [endpoint.secret])).toEqual([true])
})
