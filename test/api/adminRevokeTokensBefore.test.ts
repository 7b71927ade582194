import { randomUUID } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { HOUR, MINUTE } from '../support/given.ts'
import { exhaustPermits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, type Person, refresh, statusOf, toSession } from '../support/sessions.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

/** By an admin of the person's tenant. */
function cutOff({ tenant, userId }: Pick<Person, 'tenant' | 'userId'>, before?: Date) {
  const body = { user_id: userId, ...(before !== undefined && { tokens_invalid_before: before.toISOString() }) }
  return platform.call('adminRevokeTokensBefore', { tenant, token: tenant.tokens.admin, body })
}

const asAdmin = (body: unknown, headers: Record<string, string> = {}) =>
  platform.call('adminRevokeTokensBefore', { token: platform.tenant.tokens.admin, body, headers })

test('200: everything until now: access tokens at once, refresh tokens, sessions', async () => {
  const person = await givenPerson(platform)
  const [one, two] = [await logIn(platform, person), await logIn(platform, person)]
  const other = await logIn(platform, await givenPerson(platform, { tenant: person.tenant }))
  const before = Date.now()
  const { status, body } = await cutOff(person)
  expect(status).toBe(200)
  expect(body).toEqual({ user_id: person.userId, tokens_invalid_before: expect.any(String), revoked_sessions: 2 })
  expect(Date.parse(body.tokens_invalid_before)).toBeGreaterThanOrEqual(before)
  for (const { accessToken, refreshToken } of [one, two]) {
    expect(await statusOf(platform, accessToken)).toBe(401)
    expectProblem(await refresh(platform, refreshToken), 'unauthorized')
  }
  expect(await statusOf(platform, other.accessToken)).toBe(200)
})

test('200: who logs in afterwards, in the same millisecond even, is let in', async () => {
  const person = await givenPerson(platform)
  platform.setNow(new Date())
  await cutOff(person)
  const session = await logIn(platform, person)
  expect(await statusOf(platform, session.accessToken)).toBe(200)
  const next = toSession(await refresh(platform, session.refreshToken))
  expect(await statusOf(platform, next.accessToken)).toBe(200)
})

test('200: a session that a process with a faster clock has opened ends too', async () => {
  const person = await givenPerson(platform)
  platform.setNow(new Date(Date.now() + 3_000))
  const session = await logIn(platform, person)
  platform.setNow(null)
  const { body } = await cutOff(person)
  expect(body.revoked_sessions).toBe(1)
  expect(await statusOf(platform, session.accessToken)).toBe(401)
  expectProblem(await refresh(platform, session.refreshToken), 'unauthorized')
})

test('200: until a given time: a session opened later goes on, one opened before ends with what it got later', async () => {
  const person = await givenPerson(platform)
  const at = Date.now()
  platform.setNow(new Date(at - 10 * MINUTE))
  const early = await logIn(platform, person)
  platform.setNow(new Date(at - 4 * MINUTE))
  const late = await logIn(platform, person)
  const renewed = toSession(await refresh(platform, early.refreshToken))
  platform.setNow(new Date(at))
  const { body } = await cutOff(person, new Date(at - 5 * MINUTE))
  expect(body).toMatchObject({
    tokens_invalid_before: new Date(at - 5 * MINUTE).toISOString(),
    revoked_sessions: 1,
  })
  expect(await statusOf(platform, early.accessToken)).toBe(401)
  expect(await statusOf(platform, renewed.accessToken)).toBe(401)
  expectProblem(await refresh(platform, renewed.refreshToken), 'unauthorized')
  expect(await statusOf(platform, late.accessToken)).toBe(200)
  expect((await refresh(platform, late.refreshToken)).status).toBe(200)
})

test('200: the cutoff never moves back', async () => {
  const person = await givenPerson(platform)
  const { body: first } = await cutOff(person)
  const { body: second } = await cutOff(person, new Date(Date.now() - HOUR))
  expect(second).toEqual({ ...first, revoked_sessions: 0 })
})

test('200: it is in the log of the tenant, and in no other tenant the person belongs to', async () => {
  const person = await givenPerson(platform)
  await logIn(platform, person)
  await cutOff(person)
  const entries = await platform.query(
    `select tenant_id, actor_kind, target_kind, target_id from audit_log where action = 'member.tokens_revoked' and target_id = $1`,
    [person.userId],
  )
  expect(entries).toEqual([
    { tenant_id: person.tenant.tenantId, actor_kind: 'user', target_kind: 'user', target_id: person.userId },
  ])
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await asAdmin(body), 'malformed_request')
})

test('401: no token', async () => {
  const body = { user_id: randomUUID() }
  expectProblem(await platform.call('adminRevokeTokensBefore', { token: null, body }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s, whose wish changes nothing', async (role) => {
  const person = await givenPerson(platform)
  const session = await logIn(platform, person)
  const { tenant, userId } = person
  const body = { user_id: userId }
  const answer = await platform.call('adminRevokeTokensBefore', { tenant, token: tenant.tokens[role], body })
  expectProblem(answer, 'forbidden')
  expect(await statusOf(platform, session.accessToken)).toBe(200)
})

test('404: nobody, and a member of another tenant: one answer, and nothing ends', async () => {
  const stranger = await givenPerson(platform)
  const session = await logIn(platform, stranger)
  const missing = await asAdmin({ user_id: randomUUID() })
  const foreign = await asAdmin({ user_id: stranger.userId })
  expectProblem(foreign, 'not_found')
  expect(masked(foreign)).toBe(masked(missing))
  expect(await statusOf(platform, session.accessToken)).toBe(200)
  expect(await platform.query('select from token_cutoffs where user_id = $1', [stranger.userId])).toEqual([])
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await asAdmin({ user_id: randomUUID() }, { accept: 'text/html' }), 'not_acceptable')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await asAdmin(OVERSIZED), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify({ user_id: randomUUID() }))
  expectProblem(await asAdmin(body, headers), 'unsupported_media_type')
})

test.each([
  ['no member', {}, ['/body/user_id']],
  ['no uuid', { user_id: "' or true --" }, ['/body/user_id']],
  ['no time', { user_id: randomUUID(), tokens_invalid_before: 'now' }, ['/body/tokens_invalid_before']],
  ['a surplus member', { user_id: randomUUID(), everybody: true }, ['/body/everybody']],
])('422: %s', async (_, body, pointers) => {
  expectProblem(await asAdmin(body), 'validation_failed', pointers)
})

test('422: a time in the future', async () => {
  const answer = await cutOff(await givenPerson(platform), new Date(Date.now() + MINUTE))
  expectProblem(answer, 'validation_failed', ['/body/tokens_invalid_before'])
})

test('429: the tenant has used up its quota', async () => {
  const tenant = await platform.createTenant()
  await exhaustPermits(platform, tenant)
  expectProblem(await cutOff({ tenant, userId: randomUUID() }), 'rate_limited')
})

test('503: the database is gone, and nothing was revoked', async () => {
  const person = await givenPerson(platform)
  const session = await logIn(platform, person)
  expectProblem(await platform.withoutDatabase(() => cutOff(person)), 'service_unavailable')
  expect(await statusOf(platform, session.accessToken)).toBe(200)
})
