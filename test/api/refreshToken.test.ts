import { randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import { afterEach, expect, test } from 'vitest'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { DAY } from '../support/given.ts'
import { startPlatform, usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, refresh, statusOf, toSession } from '../support/sessions.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

const later = (ms: number) => platform.setNow(new Date(Date.now() + ms))
const unknownToken = () => `skr_${randomBytes(32).toString('base64url')}`

test('200: new tokens of the same session, and both are good', async () => {
  const person = await givenPerson(platform, { role: 'manager' })
  const { tenant, userId, email } = person
  const session = await logIn(platform, person)
  const answer = await refresh(platform, session.refreshToken)
  expect(answer.status).toBe(200)
  expect(answer.body).toEqual({
    access_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: platform.config.accessTokenSeconds,
    refresh_token: expect.stringMatching(/^skr_[A-Za-z0-9_-]{43}$/),
    refresh_expires_at: expect.any(String),
    session_id: session.sessionId,
    user: { user_id: userId, email, role: 'manager' },
    tenant: { tenant_id: tenant.tenantId, slug: tenant.slug, name: 'Test shop' },
  })
  const next = toSession(answer)
  expect(next.refreshToken).not.toBe(session.refreshToken)
  expect(next.accessToken).not.toBe(session.accessToken)
  expect(await statusOf(platform, next.accessToken)).toBe(200)
  expect(await statusOf(platform, session.accessToken)).toBe(200)
  expect((await refresh(platform, next.refreshToken)).status).toBe(200)
})

test('200: refreshing does not move the end of the session, 30 days after the log-in', async () => {
  const session = await logIn(platform, await givenPerson(platform))
  let { body } = await refresh(platform, session.refreshToken)
  const end = Date.parse(body.refresh_expires_at)
  expect(Math.abs(end - Date.now() - 30 * DAY)).toBeLessThan(60_000)
  for (const day of [13, 26, 29.9]) {
    later(day * DAY)
    const answer = await refresh(platform, body.refresh_token)
    expect(answer.status, `day ${day}`).toBe(200)
    body = answer.body
    expect(Date.parse(body.refresh_expires_at)).toBe(end)
  }
  platform.setNow(new Date(end))
  expectProblem(await refresh(platform, body.refresh_token), 'unauthorized')
})

test('200: the role is read afresh', async () => {
  const person = await givenPerson(platform, { role: 'viewer' })
  const session = await logIn(platform, person)
  await platform.query(`update memberships set role = 'manager' where user_id = $1`, [person.userId])
  const { status, body } = await refresh(platform, session.refreshToken)
  expect(status).toBe(200)
  expect(body.user.role).toBe('manager')
  expect(decodeJwt(body.access_token).role).toBe('manager')
})

test('200: the token used last gives the same successor again, for ten seconds', async () => {
  const session = await logIn(platform, await givenPerson(platform))
  const at = Date.now()
  platform.setNow(new Date(at))
  const first = await refresh(platform, session.refreshToken)
  platform.setNow(new Date(at + 10_000))
  const again = await refresh(platform, session.refreshToken)
  expect(again.status).toBe(200)
  expect(again.body.refresh_token).toBe(first.body.refresh_token)
  expect(await statusOf(platform, again.body.access_token)).toBe(200)
  platform.setNow(new Date(at + 10_001))
  expectProblem(await refresh(platform, session.refreshToken), 'unauthorized')
  expectProblem(await refresh(platform, first.body.refresh_token), 'unauthorized')
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await platform.call('refreshToken', { body }), 'malformed_request')
})

test('401: whatever is wrong with a token, the answer is one and the same', async () => {
  const [used, loggedOut, idle, disabled, removed] = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const person = await givenPerson(platform)
      return { person, ...(await logIn(platform, person)) }
    }),
  )
  if (!used || !loggedOut || !idle || !disabled || !removed) throw new Error('there are five')
  const { body } = await refresh(platform, used.refreshToken)
  await refresh(platform, body.refresh_token)
  await platform.call('logout', { token: loggedOut.accessToken })
  await platform.query(`update sessions set last_used_at = now() - interval '14 days' where session_id = $1`, [
    idle.sessionId,
  ])
  await platform.query(`update users set status = 'disabled' where user_id = $1`, [disabled.person.userId])
  await platform.query('delete from memberships where user_id = $1', [removed.person.userId])
  const expected = masked(await refresh(platform, unknownToken()))
  const tokens = {
    'an ancestor': used.refreshToken,
    'logged out': loggedOut.refreshToken,
    'unused for 14 days': idle.refreshToken,
    'of a disabled person': disabled.refreshToken,
    'of a removed member': removed.refreshToken,
    'an access token': used.accessToken.slice(0, 512),
    'the id of a session': used.sessionId,
  }
  for (const [name, token] of Object.entries(tokens)) {
    const answer = await refresh(platform, token)
    expectProblem(answer, 'unauthorized')
    expect(masked(answer), name).toBe(expected)
  }
})

test('401: an ancestor ends the session with its access tokens, and says so in the log', async () => {
  const person = await givenPerson(platform)
  const first = await logIn(platform, person)
  const other = await logIn(platform, person)
  const second = toSession(await refresh(platform, first.refreshToken))
  const third = toSession(await refresh(platform, second.refreshToken))
  expectProblem(await refresh(platform, first.refreshToken), 'unauthorized')
  expectProblem(await refresh(platform, third.refreshToken), 'unauthorized')
  for (const { accessToken } of [first, second, third]) expect(await statusOf(platform, accessToken)).toBe(401)
  expect(await statusOf(platform, other.accessToken)).toBe(200)
  expect((await refresh(platform, other.refreshToken)).status).toBe(200)
  const entries = await platform.query(
    'select action, actor_kind, changes from audit_log where tenant_id = $1 and target_id = $2',
    [person.tenant.tenantId, first.sessionId],
  )
  expect(entries).toMatchObject([{ action: 'session.revoked', actor_kind: 'system' }])
  expect(JSON.stringify(entries)).toContain('refresh_token_reused')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/html' }
  const body = { refresh_token: unknownToken() }
  expectProblem(await platform.call('refreshToken', { body, headers }), 'not_acceptable')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await platform.call('refreshToken', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify({ refresh_token: unknownToken() }))
  expectProblem(await platform.call('refreshToken', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['no member', {}, ['/body/refresh_token']],
  ['too short', { refresh_token: 'short' }, ['/body/refresh_token']],
  ['SQL', { refresh_token: "' or 1 = 1; drop table sessions --" }, ['/body/refresh_token']],
  ['a list', { refresh_token: [unknownToken()] }, ['/body/refresh_token']],
  ['a surplus member', { refresh_token: unknownToken(), tenant_id: 'x' }, ['/body/tenant_id']],
])('422: %s', async (_, body, pointers) => {
  expectProblem(await platform.call('refreshToken', { body }), 'validation_failed', pointers)
})

test('429: an address that fails often; a good token passes all the while', async ({ onTestFinished }) => {
  // Of its own: the other tests fail from the same address.
  const own = await startPlatform(onTestFinished)
  const session = await logIn(own, await givenPerson(own))
  const at = Date.now()
  own.setNow(new Date(at))
  for (let failure = 1; failure <= 20; failure++) {
    expectProblem(await refresh(own, unknownToken()), 'unauthorized')
  }
  own.setNow(new Date(at + 20_000))
  const answer = await refresh(own, unknownToken())
  expectProblem(answer, 'rate_limited')
  expect(answer.headers.get('retry-after')).toBe('40')
  expect((await refresh(own, session.refreshToken)).status).toBe(200)
  own.setNow(new Date(at + 60_000))
  expectProblem(await refresh(own, unknownToken()), 'unauthorized')
})

test('503: the database is gone; the token is as good as before when it is back', async () => {
  const session = await logIn(platform, await givenPerson(platform))
  const answer = await platform.withoutDatabase(() => refresh(platform, session.refreshToken))
  expectProblem(answer, 'service_unavailable')
  expect((await refresh(platform, session.refreshToken)).status).toBe(200)
})
