import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { deliverStripe, givenEndpoint, stripeCharge } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type Answer, type TestTenant, until, usePlatform } from '../support/platform.ts'
import { listTablesHolding } from '../support/stored.ts'
import { callAsAdmin, readAudit } from '../support/tenants.ts'

const platform = usePlatform()

async function getTag(tenant: TestTenant): Promise<string> {
  const { headers } = await callAsAdmin(platform, 'getTenant', { tenant })
  return headers.get('etag') as string
}

/** With the current tag unless another one is given. */
async function change(tenant: TestTenant, body: unknown, tag?: string): Promise<Answer> {
  const headers = { 'if-match': tag ?? (await getTag(tenant)) }
  return callAsAdmin(platform, 'updateTenantSettings', { tenant, body, headers })
}

const ALL = {
  time_zone: 'America/New_York',
  reporting_currency: 'JPY',
  lookback_days: 7,
  retention_days: 3650,
  revenue_definition: { includes_tax: false, includes_shipping: true, includes_tips: false, subtracts_discounts: true },
  allowed_origins: ['https://shop.example', 'http://localhost:5173'],
  channel_rules: [
    {
      name: 'Partners',
      channel: 'affiliates',
      conditions: [{ field: 'source', operator: 'starts_with', value: 'p-' }],
    },
    { name: 'Mails', channel: 'email', conditions: [{ field: 'medium', operator: 'equals', value: 'mail' }] },
  ],
  attribution: {
    models: {
      position: { first: 30, middle: 30, last: 40 },
      custom: { oldest: [5, 2], between: 0, newest: [] },
      last_non_direct: { direct_channel: 'email' },
      markov: { order: 2, uses_nulls: false, value_rule: 'share' },
    },
    path_transform: { name: 'last_n', touches: 4 },
  },
  reconciliation_thresholds: {
    matched_from: 0.95,
    minor_from: 0.1234567890123,
    severe_below: 1e-7,
    min_completeness: 1,
    min_conversions: 0,
  },
  alert_targets: {
    emails: [{ email: 'alerts@northwind.example', alerts: ['dead_events', 'failed_jobs'] }],
    webhooks: [{ url: 'https://hooks.northwind.example/x?token=s3cr3t', alerts: ['reconciliation'] }],
  },
}

test('200: all settings at once, which getTenant then shows', async () => {
  const tenant = await platform.createTenant()
  const before = await getTag(tenant)
  const { status, body, headers } = await change(tenant, ALL)
  expect(status).toBe(200)
  const { revenue_definition, channel_rules, attribution, ...rest } = body.settings
  const { revenue_definition: parts, channel_rules: rules, attribution: set, ...others } = ALL
  expect(rest).toEqual(others)
  expect(revenue_definition).toEqual({ ...parts, version: 2, effective_at: body.updated_at })
  expect(channel_rules).toEqual({ rules, version: 2, effective_at: body.updated_at })
  expect(attribution).toEqual({ ...set, version: 2, effective_at: body.updated_at })
  expect(body.version).toBe(2)
  expect(Date.parse(body.updated_at)).toBeGreaterThanOrEqual(Date.parse(body.created_at))
  expect(headers.get('etag')).not.toBe(before)

  const read = await callAsAdmin(platform, 'getTenant', { tenant })
  expect(read.body).toEqual(body)
  expect(read.headers.get('etag')).toBe(headers.get('etag'))
})

test.each(Object.entries(ALL))('200: %s alone leaves the others as they are', async (name, value) => {
  const tenant = await platform.createTenant()
  const before = (await callAsAdmin(platform, 'getTenant', { tenant })).body.settings
  const { status, body } = await change(tenant, { [name]: value })
  expect(status).toBe(200)
  const { [name]: _, ...kept } = before
  expect(body.settings).toMatchObject(kept)
  expect(body.settings[name]).not.toEqual(before[name])
})

test('200: what is as it was changes nothing, not even the version', async () => {
  const tenant = await platform.createTenant()
  const first = await change(tenant, ALL)
  const again = await change(tenant, ALL)
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('etag')).toBe(first.headers.get('etag'))
  const { status, body } = await change(tenant, { ...ALL, lookback_days: 8 })
  expect(status).toBe(200)
  expect(body).toMatchObject({ version: 3, settings: { lookback_days: 8, revenue_definition: { version: 2 } } })
  expect(await readAudit(platform, tenant)).toHaveLength(2)
})

test('200: every revenue definition, rule list and setting of models is kept, and none can be rewritten', async () => {
  const tenant = await platform.createTenant()
  await change(tenant, { revenue_definition: { ...ALL.revenue_definition, includes_tips: true } })
  await change(tenant, { revenue_definition: ALL.revenue_definition, channel_rules: ALL.channel_rules })
  const { status, body } = await change(tenant, { channel_rules: [] })
  expect(status).toBe(200)
  expect(body.settings).toMatchObject({ revenue_definition: { version: 3 }, channel_rules: { version: 3, rules: [] } })
  const definitions = await platform.query(
    'select version, includes_tax, includes_tips from revenue_definitions where tenant_id = $1 order by version',
    [tenant.tenantId],
  )
  expect(definitions).toEqual([
    { version: 1, includes_tax: true, includes_tips: true },
    { version: 2, includes_tax: false, includes_tips: true },
    { version: 3, includes_tax: false, includes_tips: false },
  ])
  for (const table of ['revenue_definitions', 'channel_rule_versions', 'attribution_setting_versions']) {
    await expect(platform.query(`update ${table} set version = 9`)).rejects.toThrow('never changed')
    await expect(platform.query(`delete from ${table}`)).rejects.toThrow('never changed')
  }
})

test('200: the audit log says who changed what, with the versions before and after', async () => {
  const tenant = await platform.createTenant()
  const id = '163abffd-b49e-44aa-9a0f-2e11d97d5317'
  const { status } = await callAsAdmin(platform, 'updateTenantSettings', {
    tenant,
    body: ALL,
    headers: { 'if-match': await getTag(tenant), 'x-correlation-id': id },
  })
  expect(status).toBe(200)
  const [entry, ...more] = await readAudit(platform, tenant)
  expect(more).toEqual([])
  expect(entry).toMatchObject({
    action: 'settings.updated',
    actorKind: 'user',
    actorId: tenant.userId,
    targetKind: 'tenant',
    targetId: tenant.tenantId,
    correlationId: id,
  })
  expect(Object.fromEntries((entry?.changes ?? []).map(({ pointer, ...values }) => [pointer, values]))).toEqual({
    '/version': { before: '1', after: '2' },
    '/settings/time_zone': { before: '"UTC"', after: '"America/New_York"' },
    '/settings/reporting_currency': { before: '"USD"', after: '"JPY"' },
    '/settings/lookback_days': { before: '30', after: '7' },
    '/settings/retention_days': { before: '730', after: '3650' },
    '/settings/revenue_definition': {
      before: expect.stringContaining('"version":1,"includes_tax":true'),
      after: JSON.stringify({ version: 2, ...ALL.revenue_definition }),
    },
    '/settings/allowed_origins': { before: '[]', after: JSON.stringify(ALL.allowed_origins) },
    '/settings/channel_rules/version': { before: '1', after: '2' },
    '/settings/attribution/version': { before: '1', after: '2' },
    '/settings/attribution/models': { before: '{}', after: expect.stringContaining('"direct_channel":"email"') },
    '/settings/attribution/path_transform': { before: '{"name":"identity"}', after: '{"name":"last_n","touches":4}' },
    '/settings/reconciliation_thresholds': {
      before: expect.any(String),
      after: JSON.stringify(ALL.reconciliation_thresholds),
    },
    '/settings/alert_targets': { before: null, after: null },
  })
})

test('200: addresses and hooks of alerts lie nowhere in clear, and are gone when they are taken out', async () => {
  const tenant = await platform.createTenant()
  await change(tenant, { alert_targets: ALL.alert_targets })
  expect(await listTablesHolding(platform, 'alerts@northwind.example')).toEqual([])
  expect(await listTablesHolding(platform, 'hooks.northwind.example')).toEqual([])
  const { status, body } = await change(tenant, { alert_targets: { emails: [], webhooks: [] } })
  expect(status).toBe(200)
  expect(body.settings.alert_targets).toEqual({ emails: [], webhooks: [] })
  const rows = await platform.query('select from tenant_alert_targets where tenant_id = $1', [tenant.tenantId])
  expect(rows).toEqual([])
})

test('200: origins are stored as browsers send them, and admit pages at once or within seconds', async () => {
  const tenant = await platform.createTenant()
  const { status, body } = await change(tenant, {
    allowed_origins: ['https://pages.example:443', 'https://pages.example'],
  })
  expect(status).toBe(200)
  expect(body.settings.allowed_origins).toEqual(['https://pages.example'])
  const headers = { origin: 'https://pages.example' }
  const token = tenant.tokens.viewer
  const answer = await platform.call('verifyToken', { tenant, token, headers })
  expect(answer.headers.get('access-control-allow-origin')).toBe('https://pages.example')
})

test('200: another reporting currency converts nothing, and figures say so', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const { tenant } = endpoint
  await platform.startWorker()
  await deliverStripe(platform, endpoint, stripeCharge({ amount: 1999, at: new Date() }))
  const read = () => platform.call('getRealtimeRevenueV1', { tenant })
  const before = await until(read, ({ body }) => body.revenue.amount_minor === 1999)
  const { status, body } = await change(tenant, { reporting_currency: 'EUR' })
  expect(status).toBe(200)
  expect(body.settings.reporting_currency).toBe('EUR')
  const after = await read()
  expect(after.headers.get('etag')).not.toBe(before.headers.get('etag'))
  expect(after.body.revenue).toEqual({ amount_minor: 0, currency: 'EUR' })
  expect(after.body.other_currencies).toEqual([{ amount_minor: 1999, currency: 'USD' }])
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await change(platform.tenant, body, '"any"'), 'malformed_request')
})

test('401: no token', async () => {
  const headers = { 'if-match': '"any"' }
  const answer = await platform.call('updateTenantSettings', { body: ALL, headers, token: null })
  expectProblem(answer, 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s, who changes nothing', async (role) => {
  const tag = await getTag(platform.tenant)
  const answer = await platform.call('updateTenantSettings', {
    body: { lookback_days: 1 },
    headers: { 'if-match': tag },
    token: platform.tenant.tokens[role],
  })
  expectProblem(answer, 'forbidden')
  expect(await getTag(platform.tenant)).toBe(tag)
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/html', 'if-match': '"any"' }
  expectProblem(await callAsAdmin(platform, 'updateTenantSettings', { body: ALL, headers }), 'not_acceptable')
})

test('412: a tag that never was', async () => {
  const tenant = await platform.createTenant()
  expectProblem(await change(tenant, ALL, '"b736acae4fe7bf9942b4cc2af8f53057"'), 'precondition_failed')
  expect((await callAsAdmin(platform, 'getTenant', { tenant })).body.version).toBe(1)
})

test('412: the tag of another tenant, and one that was good before', async () => {
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  expectProblem(await change(one, { lookback_days: 9 }, await getTag(other)), 'precondition_failed')
  const stale = await getTag(one)
  expect((await change(one, { lookback_days: 9 }, stale)).status).toBe(200)
  expectProblem(await change(one, { lookback_days: 10 }, stale), 'precondition_failed')
})

test('412: of twenty changes of one representation at once, all but one', async () => {
  const tenant = await platform.createTenant()
  const tag = await getTag(tenant)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => change(tenant, { lookback_days: 100 + index }, tag)),
  )
  const statuses = answers.map(({ status }) => status).sort()
  expect(statuses).toEqual([200, ...Array(19).fill(412)])
  const { body } = await callAsAdmin(platform, 'getTenant', { tenant })
  const winner = answers.find(({ status }) => status === 200)
  expect(body).toEqual(winner?.body)
  expect(body.version).toBe(2)
})

test('413: more than 1 MiB', async () => {
  expectProblem(await change(platform.tenant, OVERSIZED, '"any"'), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const answer = await callAsAdmin(platform, 'updateTenantSettings', {
    body: encode(JSON.stringify(ALL)),
    headers: { 'if-match': '"any"', ...headers },
  })
  expectProblem(answer, 'unsupported_media_type')
})

const rule = (value: string, field = 'source') => ({
  name: 'r',
  channel: 'email',
  conditions: [{ field, operator: 'equals', value }],
})
const thresholds = (values: object) => ({
  reconciliation_thresholds: { ...ALL.reconciliation_thresholds, ...values },
})
const hook = (url: string) => ({ alert_targets: { emails: [], webhooks: [{ url, alerts: ['llm_budget'] }] } })

test.each([
  ['no setting', {}, ['/body']],
  ['an unknown setting', { currency: 'EUR' }, ['/body/currency']],
  ['the tenant itself', { slug: 'mine' }, ['/body/slug']],
  ['no time zone', { time_zone: 'Mars/Olympus' }, ['/body/time_zone']],
  ['a currency that is none', { reporting_currency: 'ZZZ' }, ['/body/reporting_currency']],
  ['no lookback', { lookback_days: 0 }, ['/body/lookback_days']],
  ['a long lookback', { lookback_days: 366 }, ['/body/lookback_days']],
  ['half a day', { lookback_days: 1.5 }, ['/body/lookback_days']],
  ['a short retention', { retention_days: 29 }, ['/body/retention_days']],
  [
    'half a definition',
    { revenue_definition: { includes_tax: true } },
    [
      '/body/revenue_definition/includes_shipping',
      '/body/revenue_definition/includes_tips',
      '/body/revenue_definition/subtracts_discounts',
    ],
  ],
  [
    'a version of the own choice',
    { revenue_definition: { ...ALL.revenue_definition, version: 7 } },
    ['/body/revenue_definition/version'],
  ],
  ['a wildcard', { allowed_origins: ['https://*.example'] }, ['/body/allowed_origins/0']],
  [
    'a port that there is not',
    { allowed_origins: ['https://a.example', 'https://a.example:99999'] },
    ['/body/allowed_origins/1'],
  ],
  [
    '51 origins',
    { allowed_origins: Array.from({ length: 51 }, (_, i) => `https://a${i}.example`) },
    ['/body/allowed_origins'],
  ],
  [
    'an unknown channel',
    { channel_rules: [{ ...rule('a'), channel: 'telepathy' }] },
    ['/body/channel_rules/0/channel'],
  ],
  [
    'a rule without a condition',
    { channel_rules: [{ ...rule('a'), conditions: [] }] },
    ['/body/channel_rules/0/conditions'],
  ],
  [
    'an address in a rule',
    { channel_rules: [rule('a'), rule('mira@shop.example')] },
    ['/body/channel_rules/1/conditions/0/value'],
  ],
  [
    'weights that give nothing to anybody',
    { attribution: { ...ALL.attribution, models: { position: { first: 0, middle: 0, last: 0 } } } },
    ['/body/attribution/models/position'],
  ],
  [
    'half of the weights',
    { attribution: { ...ALL.attribution, models: { position: { first: 1 } } } },
    ['/body/attribution/models/position/last', '/body/attribution/models/position/middle'],
  ],
  [
    'a chain of order 4',
    { attribution: { ...ALL.attribution, models: { markov: { order: 4, uses_nulls: true, value_rule: 'reward' } } } },
    ['/body/attribution/models/markov/order'],
  ],
  [
    'a model that there is not',
    { attribution: { ...ALL.attribution, models: { magic: { first: 1 } } } },
    ['/body/attribution/models/magic'],
  ],
  [
    'a transform without its number',
    { attribution: { models: {}, path_transform: { name: 'last_n' } } },
    ['/body/attribution/path_transform/touches'],
  ],
  [
    'a transform with a channel that it has no use for',
    { attribution: { models: {}, path_transform: { name: 'first', channel: 'direct' } } },
    ['/body/attribution/path_transform/channel'],
  ],
  [
    'thresholds in disorder',
    thresholds({ minor_from: 0.4, severe_below: 0.5 }),
    ['/body/reconciliation_thresholds/severe_below'],
  ],
  [
    'equal thresholds',
    thresholds({ matched_from: 0.5, minor_from: 0.5 }),
    ['/body/reconciliation_thresholds/minor_from'],
  ],
  ['a ratio above 1', thresholds({ matched_from: 1.1 }), ['/body/reconciliation_thresholds/matched_from']],
  [
    'no address',
    { alert_targets: { emails: [{ email: 'nobody', alerts: ['llm_budget'] }], webhooks: [] } },
    ['/body/alert_targets/emails/0/email'],
  ],
  ['a hook without TLS', hook('http://hooks.example/x'), ['/body/alert_targets/webhooks/0/url']],
  ['a hook at home', hook('https://localhost/x'), ['/body/alert_targets/webhooks/0/url']],
  ['a hook at an address', hook('https://169.254.169.254/latest'), ['/body/alert_targets/webhooks/0/url']],
  ['a hook at an address in one number', hook('https://2852039166/'), ['/body/alert_targets/webhooks/0/url']],
  ['a hook with a password', hook('https://me:pw@hooks.example/x'), ['/body/alert_targets/webhooks/0/url']],
])('422: %s', async (_, body, pointers) => {
  const tag = await getTag(platform.tenant)
  expectProblem(await change(platform.tenant, body, tag), 'validation_failed', pointers as string[])
  expect(await getTag(platform.tenant)).toBe(tag)
})

test.each([
  ['none', {}],
  ['any', { 'if-match': '*' }],
  ['a weak one', { 'if-match': 'W/"b736acae"' }],
  ['two', { 'if-match': '"a", "b"' }],
])('422: a tag is needed, not %s', async (_, headers) => {
  const answer = await callAsAdmin(platform, 'updateTenantSettings', { body: { lookback_days: 9 }, headers })
  expectProblem(answer, 'validation_failed', ['/header/if-match'])
})

test('429: a tenant whose quota is used up, which changes nothing', async () => {
  const tenant = await platform.createTenant()
  const call = { tenant, token: tenant.tokens.admin, body: ALL, headers: { 'if-match': await getTag(tenant) } }
  await expectRateLimited(platform, 'updateTenantSettings', call)
  expect(await readAudit(platform, tenant)).toEqual([])
})

test('503: the database is gone, and nothing has changed', async () => {
  const tenant = await platform.createTenant()
  const tag = await getTag(tenant)
  const answer = await platform.withoutDatabase(() => change(tenant, ALL, tag))
  expectProblem(answer, 'service_unavailable')
  expect(await getTag(tenant)).toBe(tag)
})
