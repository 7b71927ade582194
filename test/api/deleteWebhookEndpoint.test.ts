import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, masked } from '../support/answer.ts'
import { deliverShopify, givenEndpoint, type TestEndpoint } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type Answer, type CallOptions, usePlatform } from '../support/platform.ts'
import { storedOf } from '../support/signed-deliveries.ts'
import { readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const remove = ({ tenant, endpointId }: TestEndpoint, options: CallOptions = {}): Promise<Answer> =>
  platform.call('deleteWebhookEndpoint', { tenant, params: { endpoint_id: endpointId }, ...options })
const deliver = (endpoint: TestEndpoint) => deliverShopify(platform, endpoint, {}, { topic: 'app/uninstalled' })

test('204: it stops here at once, however warm it was; its secrets are destroyed, and what came stays', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const other = await givenEndpoint(platform, 'shopify', { tenant: endpoint.tenant })
  for (const one of [endpoint, other]) expect((await deliver(one)).status).toBe(200)
  const { status, text } = await remove({ ...endpoint, endpointId: endpoint.endpointId.toUpperCase() })
  expect([status, text]).toEqual([204, ''])
  const refused = await deliver(endpoint)
  expectProblem(refused, 'unauthorized')
  expect(masked(refused)).toBe(masked(await deliver({ ...endpoint, endpointKey: 'A'.repeat(43) })))
  expect((await deliver(other)).status).toBe(200)
  expect(
    await platform.query('select from webhook_secrets where endpoint_id = $1', [endpoint.endpointId]),
  ).toHaveLength(0)
  expect(await storedOf(platform, endpoint.tenant)).toHaveLength(3)
})

test('204: the log says who did it', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  expect((await remove(endpoint)).status).toBe(204)
  expect((await readAudit(platform, endpoint.tenant)).at(-1)).toMatchObject({
    action: 'webhook_endpoint.deleted',
    actorId: endpoint.tenant.userId,
    targetKind: 'webhook_endpoint',
    targetId: endpoint.endpointId,
    changes: [{ pointer: '/vendor', before: null, after: '"stripe"' }],
  })
})

test('401: no token', async () => {
  const params = { endpoint_id: randomUUID() }
  expectProblem(await platform.call('deleteWebhookEndpoint', { params, token: null }), 'unauthorized')
})

test('403: a viewer; the endpoint goes on', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  expectProblem(await remove(endpoint, { token: endpoint.tenant.tokens.viewer }), 'forbidden')
  expect((await deliver(endpoint)).status).toBe(200)
})

test("404: no endpoint, another tenant's, and one that was deleted before are all the same", async () => {
  const [own, foreign] = [await givenEndpoint(platform, 'shopify'), await givenEndpoint(platform, 'shopify')]
  expect((await remove(own)).status).toBe(204)
  const answers = []
  for (const endpointId of [randomUUID(), foreign.endpointId, own.endpointId]) {
    answers.push(await remove({ ...own, endpointId }))
  }
  for (const answer of answers) expectProblem(answer, 'not_found')
  expect(new Set(answers.map(masked)).size).toBe(1)
  expect((await deliver(foreign)).status).toBe(200)
})

test('404: of ten deletions at once, all but one', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const answers = await Promise.all(Array.from({ length: 10 }, () => remove(endpoint)))
  const statuses = answers.map(({ status }) => status).sort()
  expect(statuses).toEqual([204, ...Array(9).fill(404)])
})

test('422: no id', async () => {
  const answer = await platform.call('deleteWebhookEndpoint', { params: { endpoint_id: 'mine' } })
  expectProblem(answer, 'validation_failed', ['/path/endpoint_id'])
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'deleteWebhookEndpoint', { params: { endpoint_id: randomUUID() } })
})

test('503: the database is gone; the endpoint goes on', async () => {
  const endpoint = await givenEndpoint(platform, 'shopify')
  const answer = await platform.withoutDatabase(() => remove(endpoint))
  expectProblem(answer, 'service_unavailable')
  expect((await deliver(endpoint)).status).toBe(200)
})
