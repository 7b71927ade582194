import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { givenMember } from '../support/given.ts'
import { usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const credentials = () => ({ email: platform.tenant.email, password: platform.tenant.password })

/** Somebody who belongs to two tenants. */
async function givenPersonOfTwo() {
  const [first, second] = [await platform.createTenant(), await platform.createTenant()]
  const email = `${randomUUID()}@example.test`
  const { password } = await givenMember(platform, { tenant: first, email, role: 'viewer' })
  await givenMember(platform, { tenant: second, email, role: 'admin' })
  return { first, second, email, password }
}

test('200: a token for the only tenant, which verifyToken takes', async () => {
  const { tenant } = platform
  const { status, body, headers } = await platform.call('login', { body: credentials() })
  expect(status).toBe(200)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(body).toEqual({
    access_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: platform.config.accessTokenSeconds,
    refresh_token: expect.stringMatching(/^skr_[A-Za-z0-9_-]{43}$/),
    refresh_expires_at: expect.any(String),
    session_id: expect.any(String),
    user: { user_id: tenant.userId, email: tenant.email, role: 'manager' },
    tenant: { tenant_id: tenant.tenantId, slug: tenant.slug, name: 'Test shop' },
  })
  const verified = await platform.call('verifyToken', { token: body.access_token })
  expect(verified.body).toMatchObject({ user_id: tenant.userId, tenant_id: tenant.tenantId, role: 'manager' })
})

test('200: the e-mail address in any case', async () => {
  const { email, password } = credentials()
  const { status, body } = await platform.call('login', { body: { email: email.toUpperCase(), password } })
  expect(status).toBe(200)
  expect(body.user.email).toBe(email)
})

test('200: somebody of two tenants names one, and has their role there', async () => {
  const { first, second, email, password } = await givenPersonOfTwo()
  for (const [tenant, role] of [
    [first, 'viewer'],
    [second, 'admin'],
  ] as const) {
    const { status, body } = await platform.call('login', { body: { email, password, tenant: tenant.slug } })
    expect(status).toBe(200)
    expect(body).toMatchObject({ tenant: { tenant_id: tenant.tenantId }, user: { role } })
  }
})

test("200: the answer carries the caller's correlation id, or one of its own", async () => {
  const id = randomUUID()
  const named = await platform.call('login', { body: credentials(), headers: { 'x-correlation-id': id } })
  expect(named.headers.get('x-correlation-id')).toBe(id)
  const [one, other] = await Promise.all([1, 2].map(() => platform.call('login', { body: credentials() })))
  expect(one?.headers.get('x-correlation-id')).not.toBe(other?.headers.get('x-correlation-id'))
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await platform.call('login', { body }), 'malformed_request')
})

test('401: whatever is wrong, the answer is one and the same', async () => {
  const { email, password } = credentials()
  const other = await platform.createTenant()
  const disabled = await platform.createTenant()
  await platform.query(`update users set status = 'disabled' where user_id = $1`, [disabled.userId])
  const stranger = await platform.createTenant()
  await platform.query('delete from memberships where user_id = $1', [stranger.userId])
  const attempts = {
    'unknown person': { email: `${randomUUID()}@example.test`, password },
    'wrong password': { email, password: `${password}x` },
    "another tenant's slug": { email, password, tenant: other.slug },
    'a slug of no tenant': { email, password, tenant: 'no-such-tenant' },
    'wrong password and slug': { email, password: `${password}x`, tenant: other.slug },
    'disabled person': { email: disabled.email, password: disabled.password },
    'person without a tenant': { email: stranger.email, password: stranger.password },
  }
  const answers = await Promise.all(
    Object.entries(attempts).map(async ([name, body]) => [name, await platform.call('login', { body })] as const),
  )
  const [, expected] = answers[0] ?? []
  if (expected === undefined) throw new Error('there are attempts')
  for (const [name, answer] of answers) {
    expectProblem(answer, 'unauthorized')
    expect(masked(answer), name).toBe(masked(expected))
  }
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/html' }
  expectProblem(await platform.call('login', { body: credentials(), headers }), 'not_acceptable')
})

test('409: somebody of two tenants who names none', async () => {
  const { first, second, email, password } = await givenPersonOfTwo()
  const answer = await platform.call('login', { body: { email, password } })
  expectProblem(answer, 'tenant_selection_required')
  expect(answer.body.detail).toContain(first.slug)
  expect(answer.body.detail).toContain(second.slug)
})

test('401: somebody of two tenants with a wrong password does not learn of them', async () => {
  const { email } = await givenPersonOfTwo()
  expectProblem(await platform.call('login', { body: { email, password: 'wrong-password' } }), 'unauthorized')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await platform.call('login', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify(credentials()))
  expectProblem(await platform.call('login', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['no member', {}, ['/body/email', '/body/password']],
  ['no e-mail address', { email: 'nobody', password: 'long enough' }, ['/body/email']],
  ['a short password', { email: 'a@example.test', password: 'short' }, ['/body/password']],
  ['a long password', { email: 'a@example.test', password: 'x'.repeat(257) }, ['/body/password']],
  ['no slug', { email: 'a@example.test', password: 'long enough', tenant: 'Not A Slug' }, ['/body/tenant']],
  ['a surplus member', { email: 'a@example.test', password: 'long enough', admin: true }, ['/body/admin']],
  ['another type', ['a@example.test', 'long enough'], ['/body']],
])('422: %s', async (_, body, pointers) => {
  expectProblem(await platform.call('login', { body }), 'validation_failed', pointers)
})

test('422: __proto__ is a member like any other, which is not asked for', async () => {
  const { email, password } = credentials()
  const body = `{"email":"${email}","password":"${password}","__proto__":{"polluted":true}}`
  expectProblem(await platform.call('login', { body }), 'validation_failed', ['/body/__proto__'])
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

test('422: a correlation id that is no uuid', async () => {
  const headers = { 'x-correlation-id': 'mine' }
  const answer = await platform.call('login', { body: credentials(), headers })
  expectProblem(answer, 'validation_failed', ['/header/x-correlation-id'])
})

test('429: an account that was guessed at five times, with the right password too', async () => {
  const { email, password } = await platform.createTenant()
  for (let failure = 1; failure <= 5; failure++) {
    expectProblem(await platform.call('login', { body: { email, password: 'not my password' } }), 'unauthorized')
  }
  const answer = await platform.call('login', { body: { email, password } })
  expectProblem(answer, 'rate_limited')
  expect(answer.headers.get('retry-after')).toBe('1')
})

test('503: the database is gone; when it is back, so is the operation', async () => {
  const body = credentials()
  const answer = await platform.withoutDatabase(() => platform.call('login', { body }))
  expectProblem(answer, 'service_unavailable')
  expect((await platform.call('login', { body })).status).toBe(200)
})
