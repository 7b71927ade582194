import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { callAsAdmin } from '../support/tenants.ts'

const platform = usePlatform()

const report = (more: object = {}) => ({
  name: 'TypeError',
  message: `Cannot read ${randomUUID()}`,
  stack: 'TypeError: Cannot read\n    at draw (https://a.example/console.js:1:2)',
  url: 'https://a.example/console/orders',
  release: '0.4.2',
  occurred_at: new Date().toISOString(),
  ...more,
})
const send = (body: unknown, tenant?: TestTenant, headers: Record<string, string> = {}) =>
  platform.call('logError', { body, headers, ...(tenant && { tenant, token: tenant.tokens.viewer }) })
const listed = async (tenant: TestTenant) => (await callAsAdmin(platform, 'listErrors', { tenant })).body.items

test('200: equal errors of one release are one, which is counted; the latest page and browser are told', async () => {
  const tenant = await platform.createTenant()
  const first = report()
  const again = { ...first, url: 'https://a.example/console/channels' }
  const one = await send(first, tenant)
  expect(one.status).toBe(200)
  expect(one.body.occurrences).toBe(1)
  const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
  const two = await send(again, tenant, { 'user-agent': firefox })
  expect(two.body).toEqual({ error_id: one.body.error_id, occurrences: 2 })
  for (const other of [{ release: '0.4.3' }, { message: 'another' }, { name: 'RangeError' }, { stack: 'elsewhere' }])
    expect((await send({ ...first, ...other }, tenant)).body.occurrences).toBe(1)
  const items = await listed(tenant)
  expect(items).toHaveLength(5)
  expect(items.find(({ error_id }: { error_id: string }) => error_id === one.body.error_id)).toMatchObject({
    name: 'TypeError',
    message: first.message,
    stack: first.stack,
    url: again.url,
    release: '0.4.2',
    client: 'Firefox on Linux',
    occurrences: 2,
    first_seen_at: first.occurred_at,
  })
})

test('200: reports that come at once are all counted', async () => {
  const tenant = await platform.createTenant()
  const body = report()
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(body, tenant)))
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
  expect(new Set(answers.map(({ body: { error_id } }) => error_id)).size).toBe(1)
  expect(answers.map(({ body: { occurrences } }) => occurrences).sort((a, b) => a - b)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ])
})

test('200: what may name a person or open a door is not kept, and nothing of a report lies in clear', async () => {
  const tenant = await platform.createTenant()
  const person = `${randomUUID()}@mail.example`
  const secret = `whsec_${randomUUID().replaceAll('-', '')}`
  const word = randomUUID().slice(0, 8)
  const body = report({
    message: `${word}: no ${person}, token=${secret}`,
    stack: `Error: ${person}\n    at f (https://a.example/x.js?user=${person}:1:2) ${secret}`,
    url: `https://a.example/people/${person}/edit?token=${secret}#${person}`,
  })
  const userAgent = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18 Safari/605 ${randomUUID()}`
  expect((await send(body, tenant, { 'user-agent': userAgent })).status).toBe(200)
  const [item] = await listed(tenant)
  expect(item).toMatchObject({
    message: `${word}: no [email], token=[secret]`,
    url: 'https://a.example/people/removed/edit',
    client: 'Safari on macOS',
  })
  expect(JSON.stringify(item)).not.toContain(person)
  expect(JSON.stringify(item)).not.toContain(secret)
  const rows = await platform.query('select e::text as row from browser_errors as e where tenant_id = $1', [
    tenant.tenantId,
  ])
  for (const part of [person, secret, word, 'a.example', userAgent]) expect(JSON.stringify(rows)).not.toContain(part)
})

test('200: a message is enough; the clock of a browser is believed within a day', async () => {
  const tenant = await platform.createTenant()
  const now = Date.now()
  for (const at of [now + 3_600_000, now - 90_000_000]) {
    const body = { message: `Script error ${randomUUID()}.`, occurred_at: new Date(at).toISOString() }
    expect((await send(body, tenant)).status).toBe(200)
    const [item] = await listed(tenant)
    expect(item).toMatchObject({ name: null, stack: null, url: null, release: null, message: body.message })
    expect(Math.abs(Date.parse(item.last_seen_at) - now)).toBeLessThan(60_000)
  }
})

test('200: a tenant keeps the 500 errors that were seen last', async () => {
  const tenant = await platform.createTenant()
  await platform.query(
    `insert into browser_errors (tenant_id, fingerprint, first_seen_at, last_seen_at, key_version, sealed)
     select $1, sha256(n::text::bytea), now() - n * interval '1 hour', now() - n * interval '1 hour', 1, sha256('')
     from generate_series(1, 500) as n`,
    [tenant.tenantId],
  )
  expect((await send(report(), tenant)).status).toBe(200)
  const [row] = await platform.query<{ count: number; oldest: boolean }>(
    `select count(*)::integer as count, bool_or(fingerprint = sha256('500')) as oldest from browser_errors where tenant_id = $1`,
    [tenant.tenantId],
  )
  expect(row).toEqual({ count: 500, oldest: false })
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await send(body), 'malformed_request')
})

test('401: no token', async () => {
  expectProblem(await platform.call('logError', { body: report(), token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await send(report(), undefined, { accept: 'text/plain' }), 'not_acceptable')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await send(OVERSIZED), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const answer = await platform.call('logError', { body: encode(JSON.stringify(report())), headers })
  expectProblem(answer, 'unsupported_media_type')
})

test.each([
  ['nothing', {}, ['/body/message', '/body/occurred_at']],
  ['no time', { message: 'a' }, ['/body/occurred_at']],
  ['a time without a zone', report({ occurred_at: '2026-11-20T09:20:31' }), ['/body/occurred_at']],
  ['an empty message', report({ message: '' }), ['/body/message']],
  ['a long message', report({ message: 'a'.repeat(1_001) }), ['/body/message']],
  ['a long stack', report({ stack: 'a'.repeat(16_385) }), ['/body/stack']],
  ['a page that is no URL', report({ url: 'console' }), ['/body/url']],
  ['a release with a space', report({ release: '0.4 beta' }), ['/body/release']],
  ['a member that is not known', report({ user: 'ada' }), ['/body/user']],
])('422: %s', async (_, body, pointers) => {
  expectProblem(await send(body), 'validation_failed', pointers)
})

test('429: the 31st report of a user within a minute, while another one is heard', async () => {
  const tenant = await platform.createTenant()
  const answers = await Promise.all(Array.from({ length: 31 }, () => send(report(), tenant)))
  const refused = answers.filter(({ status }) => status === 429)
  expect(refused).toHaveLength(1)
  for (const answer of refused) {
    expectProblem(answer, 'rate_limited')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  }
  expect((await send(report(), await platform.createTenant())).status).toBe(200)
})

test('429: a tenant whose quota is used up', async () => {
  await expectRateLimited(platform, 'logError', { body: report() })
})

test('503: the database is gone', async () => {
  expectProblem(await platform.withoutDatabase(() => send(report())), 'service_unavailable')
})
