import { afterEach, expect, test } from 'vitest'
import { expectProblem, MALFORMED, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { exhaustPermits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, type Person, refresh, type Session, statusOf } from '../support/sessions.ts'
import { listTablesHolding } from '../support/stored.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

const NEW_PASSWORD = 'seven green kettles sing'

const change = ({ accessToken }: Session, current: string, next: string, headers: Record<string, string> = {}) =>
  platform.call('changePassword', {
    token: accessToken,
    body: { current_password: current, new_password: next },
    headers,
  })

const tryLogin = ({ email, tenant }: Person, password: string) =>
  platform.call('login', { body: { email, password, tenant: tenant.slug } })

test('200: the new password holds, the old one does not, and neither lies anywhere in clear', async () => {
  const person = await givenPerson(platform)
  const session = await logIn(platform, person)
  const { status, body } = await change(session, person.password, NEW_PASSWORD)
  expect(status).toBe(200)
  expect(body).toEqual({ changed_at: expect.any(String), revoked_sessions: 0 })
  expect((await tryLogin(person, NEW_PASSWORD)).status).toBe(200)
  expect((await tryLogin(person, person.password)).status).toBe(401)
  expect(await listTablesHolding(platform, NEW_PASSWORD)).toEqual([])
})

test('200: all other sessions end, in every tenant, and the one that asked goes on', async () => {
  const person = await givenPerson(platform)
  const second = await platform.createTenant()
  await platform.query(`insert into memberships (tenant_id, user_id, role) values ($1, $2, 'viewer')`, [
    second.tenantId,
    person.userId,
  ])
  const own = await logIn(platform, person)
  const here = await logIn(platform, person)
  const there = await logIn(platform, { ...person, tenant: second })
  const colleague = await logIn(platform, await givenPerson(platform, { tenant: person.tenant }))
  const { body } = await change(own, person.password, NEW_PASSWORD)
  expect(body.revoked_sessions).toBe(2)
  for (const { accessToken, refreshToken } of [here, there]) {
    expect(await statusOf(platform, accessToken)).toBe(401)
    expectProblem(await refresh(platform, refreshToken), 'unauthorized')
  }
  expect(await statusOf(platform, own.accessToken)).toBe(200)
  expect(await statusOf(platform, colleague.accessToken)).toBe(200)
  const { body: listed } = await platform.call('listSessions', { token: own.accessToken })
  expect(listed.items.map((session: { session_id: string }) => session.session_id)).toEqual([own.sessionId])
  const next = await refresh(platform, own.refreshToken)
  expect(next.status).toBe(200)
  expect(await statusOf(platform, next.body.access_token)).toBe(200)
})

test('200: twice; the session that was kept the first time ends the second time', async () => {
  const person = await givenPerson(platform)
  const first = await logIn(platform, person)
  await change(first, person.password, NEW_PASSWORD)
  const second = await logIn(platform, { ...person, password: NEW_PASSWORD })
  const { body } = await change(second, NEW_PASSWORD, 'nine blue teapots hum')
  expect(body.revoked_sessions).toBe(1)
  expect(await statusOf(platform, first.accessToken)).toBe(401)
  expectProblem(await refresh(platform, first.refreshToken), 'unauthorized')
  expect(await statusOf(platform, second.accessToken)).toBe(200)
})

test('200: who logs in with the new password, in the same millisecond even, is let in', async () => {
  const person = await givenPerson(platform)
  platform.setNow(new Date())
  await change(await logIn(platform, person), person.password, NEW_PASSWORD)
  const session = await logIn(platform, { ...person, password: NEW_PASSWORD })
  expect(await statusOf(platform, session.accessToken)).toBe(200)
  expect((await refresh(platform, session.refreshToken)).status).toBe(200)
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await platform.call('changePassword', { body }), 'malformed_request')
})

test('401: no token', async () => {
  const body = { current_password: 'long enough', new_password: NEW_PASSWORD }
  expectProblem(await platform.call('changePassword', { token: null, body }), 'unauthorized')
})

test('406: an answer that is not JSON; the old password holds', async () => {
  const person = await givenPerson(platform)
  const session = await logIn(platform, person)
  const answer = await change(session, person.password, NEW_PASSWORD, { accept: 'text/html' })
  expectProblem(answer, 'not_acceptable')
  expect((await tryLogin(person, person.password)).status).toBe(200)
})

test('413: more than 1 MiB', async () => {
  expectProblem(await platform.call('changePassword', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify({ current_password: 'long enough', new_password: NEW_PASSWORD }))
  expectProblem(await platform.call('changePassword', { body, headers }), 'unsupported_media_type')
})

test('422: a wrong current password changes nothing', async () => {
  const person = await givenPerson(platform)
  const [session, other] = [await logIn(platform, person), await logIn(platform, person)]
  const answer = await change(session, `${person.password}x`, NEW_PASSWORD)
  expectProblem(answer, 'validation_failed', ['/body/current_password'])
  expect(answer.body.errors[0].code).toBe('mismatch')
  expect(await statusOf(platform, other.accessToken)).toBe(200)
  expect((await tryLogin(person, person.password)).status).toBe(200)
})

test('422: the current password is none that is new', async () => {
  const person = await givenPerson(platform)
  const answer = await change(await logIn(platform, person), person.password, person.password)
  expectProblem(answer, 'validation_failed', ['/body/new_password'])
})

test("422: one's own e-mail address, in any case", async () => {
  const person = await givenPerson(platform)
  const answer = await change(await logIn(platform, person), person.password, person.email.toUpperCase())
  expectProblem(answer, 'validation_failed', ['/body/new_password'])
})

test.each([
  ['no member', {}, ['/body/current_password', '/body/new_password']],
  ['a short password', { current_password: 'long enough', new_password: '11 letters.' }, ['/body/new_password']],
  ['a long password', { current_password: 'long enough', new_password: 'x'.repeat(257) }, ['/body/new_password']],
  [
    'one that is guessed first',
    { current_password: 'long enough', new_password: 'Password2026' },
    ['/body/new_password'],
  ],
  [
    'a surplus member',
    { current_password: 'long enough', new_password: NEW_PASSWORD, user_id: 'x' },
    ['/body/user_id'],
  ],
])('422: %s', async (_, body, pointers) => {
  expectProblem(await platform.call('changePassword', { body }), 'validation_failed', pointers)
})

test('429: after five wrong ones in a row, with the right one too, and log-ins go on', async () => {
  const person = await givenPerson(platform)
  const session = await logIn(platform, person)
  const at = Date.now()
  platform.setNow(new Date(at))
  for (let attempt = 1; attempt <= 5; attempt++) {
    expectProblem(await change(session, 'not my password', NEW_PASSWORD), 'validation_failed')
  }
  const answer = await change(session, person.password, NEW_PASSWORD)
  expectProblem(answer, 'rate_limited')
  expect(answer.headers.get('retry-after')).toBe('1')
  expect((await tryLogin(person, person.password)).status).toBe(200)
  platform.setNow(new Date(at + 1_000))
  expect((await change(session, person.password, NEW_PASSWORD)).status).toBe(200)
})

test('429: the tenant has used up its quota', async () => {
  const tenant = await platform.createTenant()
  await exhaustPermits(platform, tenant)
  const body = { current_password: tenant.password, new_password: NEW_PASSWORD }
  expectProblem(await platform.call('changePassword', { tenant, body }), 'rate_limited')
})

test('503: the database is gone; the old password holds when it is back', async () => {
  const person = await givenPerson(platform)
  const session = await logIn(platform, person)
  const answer = await platform.withoutDatabase(() => change(session, person.password, NEW_PASSWORD))
  expectProblem(answer, 'service_unavailable')
  expect((await tryLogin(person, person.password)).status).toBe(200)
})
