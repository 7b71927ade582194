import { expect, test } from 'vitest'
import { ATTRIBUTION_MODELS } from '../../src/attribution/models/registry.ts'
import { expectProblem } from '../support/answer.ts'
import { expectRateLimited } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { callAsAdmin } from '../support/tenants.ts'

const platform = usePlatform()
const list = (query: Record<string, string> = {}) =>
  platform.call('listAttributionModels', { token: platform.tenant.tokens.viewer, query })

test('200: all models, each with its settings, in one order', async () => {
  const { status, body } = await list()
  expect(status).toBe(200)
  expect(body.items.map(({ model }: { model: string }) => model)).toEqual(ATTRIBUTION_MODELS.map(({ name }) => name))
  const common = {
    lookback_days: 30,
    path_transform: 'identity',
    path_transform_version: '1.0.0',
    reset_on_conversion: true,
  }
  const parametersOf = (name: string) => body.items.find(({ model }: { model: string }) => model === name).parameters
  expect(parametersOf('linear')).toEqual(common)
  expect(parametersOf('last_non_direct')).toEqual({ ...common, direct_channel: 'direct' })
  expect(parametersOf('position')).toEqual({ ...common, first_weight: 0.4, middle_weight: 0.2, last_weight: 0.4 })
  expect(parametersOf('time_decay')).toEqual({ ...common, half_life_hours: 168 })
  expect(parametersOf('time_decay_bucketed')).toEqual({ ...common, rate_percent: 50, bucket_hours: 168 })
  expect(parametersOf('decay_step')).toEqual({ ...common, half_life_touches: 1 })
  expect(parametersOf('custom')).toEqual({ ...common, oldest_weights: [3], between_weight: 1, newest_weights: [3] })
  expect(parametersOf('markov')).toEqual({ ...common, markov_order: 1, with_nulls: true, value_rule: 'reward' })
  expect(body.next_cursor).toBeNull()
})

test('200: a model that divides no orders says why', async () => {
  const { body } = await list()
  for (const { order_level, refusal, title, description } of body.items) {
    expect(refusal === null).toBe(order_level)
    expect(title.length).toBeGreaterThan(0)
    expect(description.length).toBeGreaterThan(0)
  }
  expect(body.items.filter(({ order_level }: { order_level: boolean }) => !order_level)).toMatchObject([
    { model: 'markov', title: 'Markov', refusal: expect.stringContaining('no division of single orders') },
  ])
})

test("200: the tenant's own look-back", async () => {
  const tenant = await platform.createTenant()
  await platform.query('update tenants set lookback_days = 90 where tenant_id = $1', [tenant.tenantId])
  const { body } = await platform.call('listAttributionModels', { tenant })
  expect(
    body.items.map(({ parameters }: { parameters: { lookback_days: number } }) => parameters.lookback_days),
  ).toEqual(ATTRIBUTION_MODELS.map(() => 90))
})

test("200: the tenant's own parameters, with the version of their setting", async () => {
  const tenant = await platform.createTenant()
  const { headers } = await callAsAdmin(platform, 'getTenant', { tenant })
  const models = {
    position: { first: 1, middle: 0, last: 3 },
    markov: { order: 3, uses_nulls: false, value_rule: 'share' },
  }
  const changed = await callAsAdmin(platform, 'updateTenantSettings', {
    tenant,
    headers: { 'if-match': headers.get('etag') as string },
    body: { attribution: { models, path_transform: { name: 'last_n', touches: 7 } } },
  })
  expect(changed.status, changed.text).toBe(200)
  const { body } = await platform.call('listAttributionModels', { tenant })
  const itemOf = (name: string) => body.items.find(({ model }: { model: string }) => model === name)
  expect(itemOf('position')).toMatchObject({
    attribution_settings_version: 2,
    parameters: { first_weight: 0.25, middle_weight: 0, last_weight: 0.75 },
  })
  expect(itemOf('markov').parameters).toMatchObject({ markov_order: 3, with_nulls: false, value_rule: 'share' })
  expect(itemOf('time_decay').parameters).toEqual({
    lookback_days: 30,
    path_transform: 'last_n',
    path_transform_version: '1.0.0',
    path_transform_touches: 7,
    reset_on_conversion: true,
    half_life_hours: 168,
  })
})

test('200: page by page', async () => {
  const seen: string[] = []
  let query: Record<string, string> = { limit: '5' }
  for (;;) {
    const { body } = await list(query)
    seen.push(...body.items.map(({ model }: { model: string }) => model))
    if (body.next_cursor === null) break
    query = { limit: '5', cursor: body.next_cursor }
  }
  expect(seen).toEqual(ATTRIBUTION_MODELS.map(({ name }) => name))
})

test('401: no token', async () => {
  expectProblem(await platform.call('listAttributionModels', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('listAttributionModels', { headers }), 'not_acceptable')
})

test.each([
  ['a limit of 101', { limit: '101' }, '/query/limit'],
  ['a cursor of ours for nothing', { cursor: 'abc' }, '/query/cursor'],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await list(query), 'validation_failed', [pointer])
})

test('429: the quota is used up', async () => {
  await expectRateLimited(platform, 'listAttributionModels')
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('listAttributionModels'))
  expectProblem(answer, 'service_unavailable')
})
