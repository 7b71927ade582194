import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { expectRateLimited } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { callAsAdmin } from '../support/tenants.ts'

const platform = usePlatform()
const FIELDS = ['alert_targets', 'allowed_origins', 'channel_rules', 'lookback_days', 'reconciliation_thresholds']

test('200: a new tenant, with the settings that hold without a choice', async () => {
  const tenant = await platform.createTenant({ currency: 'EUR', timeZone: 'Europe/Berlin' })
  const { status, headers, body } = await callAsAdmin(platform, 'getTenant', { tenant })
  expect(status).toBe(200)
  expect(headers.get('cache-control')).toBe('private, no-cache')
  expect(headers.get('etag')).toMatch(/^"[A-Za-z0-9_-]{43}"$/)
  expect(body).toEqual({
    tenant_id: tenant.tenantId,
    slug: tenant.slug,
    name: 'Test shop',
    created_at: expect.any(String),
    updated_at: body.created_at,
    version: 1,
    settings: {
      time_zone: 'Europe/Berlin',
      reporting_currency: 'EUR',
      lookback_days: 30,
      retention_days: 730,
      revenue_definition: {
        version: 1,
        effective_at: body.created_at,
        includes_tax: true,
        includes_shipping: true,
        includes_tips: true,
        subtracts_discounts: true,
      },
      allowed_origins: [],
      channel_rules: { version: 1, effective_at: body.created_at, rules: [] },
      attribution: { version: 1, effective_at: body.created_at, models: {}, path_transform: { name: 'identity' } },
      reconciliation_thresholds: {
        matched_from: 0.9,
        minor_from: 0.75,
        severe_below: 0.5,
        min_completeness: 0.9,
        min_conversions: 30,
      },
      alert_targets: { emails: [], webhooks: [] },
    },
  })
})

test('200: shows the tenant of the token and no other one', async () => {
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  const seen = await Promise.all([one, other].map((tenant) => callAsAdmin(platform, 'getTenant', { tenant })))
  expect(seen.map(({ body }) => body.slug)).toEqual([one.slug, other.slug])
  expect(seen[0]?.headers.get('etag')).not.toBe(seen[1]?.headers.get('etag'))
})

test('304: the tag of what the caller holds, alone, in a list, weak, or any', async () => {
  const { headers } = await callAsAdmin(platform, 'getTenant')
  const etag = headers.get('etag') as string
  for (const tag of [etag, `"other", ${etag}`, `W/${etag}`, '*']) {
    const {
      status,
      text,
      headers: cache,
    } = await callAsAdmin(platform, 'getTenant', { headers: { 'if-none-match': tag } })
    expect([status, text]).toEqual([304, ''])
    expect(cache.get('etag')).toBe(etag)
    expect(cache.get('cache-control')).toBe('private, no-cache')
  }
})

test('200: the tag of an older representation, or of another tenant', async () => {
  const tenant = await platform.createTenant()
  const { headers } = await callAsAdmin(platform, 'getTenant', { tenant })
  const stale = { 'if-none-match': headers.get('etag') as string }
  expect((await callAsAdmin(platform, 'getTenant', { tenant, headers: stale })).status).toBe(304)
  await callAsAdmin(platform, 'updateTenantSettings', {
    tenant,
    headers: { 'if-match': headers.get('etag') as string },
    body: { lookback_days: 7 },
  })
  expect((await callAsAdmin(platform, 'getTenant', { tenant, headers: stale })).status).toBe(200)
  expect((await callAsAdmin(platform, 'getTenant', { headers: stale })).status).toBe(200)
})

test('401: no token', async () => {
  expectProblem(await platform.call('getTenant', { token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s', async (role) => {
  const answer = await platform.call('getTenant', { token: platform.tenant.tokens[role] })
  expectProblem(answer, 'forbidden')
  for (const field of FIELDS) expect(answer.text).not.toContain(field)
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await callAsAdmin(platform, 'getTenant', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test('422: a parameter that there is not', async () => {
  const answer = await callAsAdmin(platform, 'getTenant', { query: { tenant_id: platform.tenant.tenantId } })
  expectProblem(answer, 'validation_failed', ['/query/tenant_id'])
})

test('429: a tenant whose quota is used up', async () => {
  const tenant = await platform.createTenant()
  await expectRateLimited(platform, 'getTenant', { tenant, token: tenant.tokens.admin })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => callAsAdmin(platform, 'getTenant'))
  expectProblem(answer, 'service_unavailable')
})
