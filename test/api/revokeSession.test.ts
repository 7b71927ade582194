import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, masked } from '../support/answer.ts'
import { exhaustPermits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, refresh, type Session, statusOf } from '../support/sessions.ts'

const platform = usePlatform()

const revoke = ({ accessToken }: Session, sessionId: string, headers: Record<string, string> = {}) =>
  platform.call('revokeSession', { token: accessToken, params: { session_id: sessionId }, headers })

test('204: another session of the caller, with all its tokens at once', async () => {
  const person = await givenPerson(platform)
  const [own, lost] = [await logIn(platform, person), await logIn(platform, person)]
  const answer = await revoke(own, lost.sessionId)
  expect(answer.status).toBe(204)
  expect(await statusOf(platform, lost.accessToken)).toBe(401)
  expectProblem(await refresh(platform, lost.refreshToken), 'unauthorized')
  expect(await statusOf(platform, own.accessToken)).toBe(200)
})

test('204: its own session, by an id in capital letters', async () => {
  const own = await logIn(platform, await givenPerson(platform))
  expect((await revoke(own, own.sessionId.toUpperCase())).status).toBe(204)
  expect(await statusOf(platform, own.accessToken)).toBe(401)
})

test('401: no token', async () => {
  const params = { session_id: randomUUID() }
  expectProblem(await platform.call('revokeSession', { token: null, params }), 'unauthorized')
})

test('404: missing, ended, a colleague’s and another tenant’s: one answer, and nothing ends', async () => {
  const person = await givenPerson(platform)
  const own = await logIn(platform, person)
  const ended = await logIn(platform, person)
  await revoke(own, ended.sessionId)
  const colleague = await logIn(platform, await givenPerson(platform, { tenant: person.tenant }))
  const stranger = await logIn(platform, await givenPerson(platform))
  const idle = await logIn(platform, person)
  await platform.query(`update sessions set last_used_at = now() - interval '15 days' where session_id = $1`, [
    idle.sessionId,
  ])
  const expected = masked(await revoke(own, randomUUID()))
  for (const { sessionId } of [ended, colleague, stranger, idle]) {
    const answer = await revoke(own, sessionId)
    expectProblem(answer, 'not_found')
    expect(masked(answer)).toBe(expected)
  }
  for (const { accessToken } of [colleague, stranger]) expect(await statusOf(platform, accessToken)).toBe(200)
})

test('422: an id that is no uuid', async () => {
  const own = await logIn(platform, await givenPerson(platform))
  expectProblem(await revoke(own, "' or true --"), 'validation_failed', ['/path/session_id'])
  expect(await statusOf(platform, own.accessToken)).toBe(200)
})

test('429: the tenant has used up its quota', async () => {
  const tenant = await platform.createTenant()
  await exhaustPermits(platform, tenant)
  const params = { session_id: randomUUID() }
  expectProblem(await platform.call('revokeSession', { tenant, params }), 'rate_limited')
})

test('503: the database is gone; the session goes on when it is back', async () => {
  const person = await givenPerson(platform)
  const [own, other] = [await logIn(platform, person), await logIn(platform, person)]
  expectProblem(await platform.withoutDatabase(() => revoke(own, other.sessionId)), 'service_unavailable')
  expect(await statusOf(platform, other.accessToken)).toBe(200)
})
