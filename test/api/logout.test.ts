import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { exhaustPermits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, refresh, statusOf, toSession } from '../support/sessions.ts'

const platform = usePlatform()

test('204: the access token, and every refresh token of the session, are good for nothing at once', async () => {
  const first = await logIn(platform, await givenPerson(platform))
  const second = toSession(await refresh(platform, first.refreshToken))
  const answer = await platform.call('logout', { token: second.accessToken })
  expect(answer.status).toBe(204)
  expect(answer.text).toBe('')
  for (const { accessToken, refreshToken } of [first, second]) {
    expect(await statusOf(platform, accessToken)).toBe(401)
    expectProblem(await refresh(platform, refreshToken), 'unauthorized')
  }
})

test('204: other sessions of the same person go on', async () => {
  const person = await givenPerson(platform)
  const [one, other] = [await logIn(platform, person), await logIn(platform, person)]
  expect((await platform.call('logout', { token: one.accessToken })).status).toBe(204)
  expect(await statusOf(platform, other.accessToken)).toBe(200)
  expect((await refresh(platform, other.refreshToken)).status).toBe(200)
})

test('204: a token whose session was removed long ago is refused from then on as well', async () => {
  const session = await logIn(platform, await givenPerson(platform))
  await platform.query('delete from sessions where session_id = $1', [session.sessionId])
  expect(await statusOf(platform, session.accessToken)).toBe(200)
  expect((await platform.call('logout', { token: session.accessToken })).status).toBe(204)
  expect(await statusOf(platform, session.accessToken)).toBe(401)
})

test('401: no token, and one that has logged out', async () => {
  const { accessToken } = await logIn(platform, await givenPerson(platform))
  expectProblem(await platform.call('logout', { token: null }), 'unauthorized')
  await platform.call('logout', { token: accessToken })
  expectProblem(await platform.call('logout', { token: accessToken }), 'unauthorized')
})

test('422: a correlation id that is no uuid; the session goes on', async () => {
  const { accessToken } = await logIn(platform, await givenPerson(platform))
  const headers = { 'x-correlation-id': 'mine' }
  const answer = await platform.call('logout', { token: accessToken, headers })
  expectProblem(answer, 'validation_failed', ['/header/x-correlation-id'])
  expect(await statusOf(platform, accessToken)).toBe(200)
})

test('429: the tenant has used up its quota', async () => {
  const tenant = await platform.createTenant()
  await exhaustPermits(platform, tenant)
  expectProblem(await platform.call('logout', { tenant }), 'rate_limited')
})

test('503: the database is gone; the session goes on when it is back', async () => {
  const { accessToken } = await logIn(platform, await givenPerson(platform))
  const answer = await platform.withoutDatabase(() => platform.call('logout', { token: accessToken }))
  expectProblem(answer, 'service_unavailable')
  expect(await statusOf(platform, accessToken)).toBe(200)
  expect((await platform.call('logout', { token: accessToken })).status).toBe(204)
})
