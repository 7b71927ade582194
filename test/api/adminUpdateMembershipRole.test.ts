import { randomUUID } from 'node:crypto'
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import type { Role } from '../../src/context.ts'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { exhaustPermits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, type Person, refresh, statusOf } from '../support/sessions.ts'

const platform = usePlatform()

/** By an admin of the person's tenant. */
function setRole({ tenant, userId }: Pick<Person, 'tenant' | 'userId'>, role: Role) {
  const body = { user_id: userId, role }
  return platform.call('adminUpdateMembershipRole', { tenant, token: tenant.tokens.admin, body })
}

const asAdmin = (body: unknown, headers: Record<string, string> = {}) =>
  platform.call('adminUpdateMembershipRole', { token: platform.tenant.tokens.admin, body, headers })
const request = () => ({ user_id: randomUUID(), role: 'manager' })

async function storedRole({ userId }: Person): Promise<string | undefined> {
  const [row] = await platform.query<{ role: string }>('select role from memberships where user_id = $1', [userId])
  return row?.role
}

test('200: another role; the old access token is refused at once, and a refresh gives one with the new role', async () => {
  const person = await givenPerson(platform, { role: 'manager' })
  const session = await logIn(platform, person)
  const { status, body } = await setRole(person, 'viewer')
  expect(status).toBe(200)
  expect(body).toEqual({ user_id: person.userId, role: 'viewer', previous_role: 'manager', tokens_revoked: true })
  expect(await storedRole(person)).toBe('viewer')
  expect(await statusOf(platform, session.accessToken)).toBe(401)
  const next = await refresh(platform, session.refreshToken)
  expect(next.status).toBe(200)
  expect(decodeJwt(next.body.access_token).role).toBe('viewer')
  expect(await statusOf(platform, next.body.access_token)).toBe(200)
  const entries = await platform.query(
    `select actor_kind, changes from audit_log where action = 'member.role_changed' and target_id = $1`,
    [person.userId],
  )
  expect(entries).toEqual([
    { actor_kind: 'user', changes: [{ pointer: '/role', before: '"manager"', after: '"viewer"' }] },
  ])
})

test('200: the same role again changes nothing', async () => {
  const person = await givenPerson(platform, { role: 'manager' })
  const session = await logIn(platform, person)
  const { body } = await setRole(person, 'manager')
  expect(body).toMatchObject({ role: 'manager', previous_role: 'manager', tokens_revoked: false })
  expect(await statusOf(platform, session.accessToken)).toBe(200)
  const entries = await platform.query(
    `select from audit_log where action = 'member.role_changed' and target_id = $1`,
    [person.userId],
  )
  expect(entries).toEqual([])
})

test('200: an admin may step down while there is another one', async () => {
  const person = await givenPerson(platform, { role: 'admin' })
  await givenPerson(platform, { role: 'admin', tenant: person.tenant })
  expect((await setRole(person, 'viewer')).status).toBe(200)
})

test('200: only the role in this tenant', async () => {
  const person = await givenPerson(platform, { role: 'viewer' })
  const second = await platform.createTenant()
  await platform.query(`insert into memberships (tenant_id, user_id, role) values ($1, $2, 'viewer')`, [
    second.tenantId,
    person.userId,
  ])
  const elsewhere = await logIn(platform, { ...person, tenant: second })
  await setRole(person, 'admin')
  const roles = await platform.query('select tenant_id, role from memberships where user_id = $1', [person.userId])
  expect(roles).toEqual(
    expect.arrayContaining([
      { tenant_id: person.tenant.tenantId, role: 'admin' },
      { tenant_id: second.tenantId, role: 'viewer' },
    ]),
  )
  expect(await statusOf(platform, elsewhere.accessToken)).toBe(200)
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await asAdmin(body), 'malformed_request')
})

test('401: no token', async () => {
  expectProblem(await platform.call('adminUpdateMembershipRole', { token: null, body: request() }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s, who stays one', async (role) => {
  const person = await givenPerson(platform, { role })
  const { accessToken } = await logIn(platform, person)
  const body = { user_id: person.userId, role: 'admin' }
  expectProblem(await platform.call('adminUpdateMembershipRole', { token: accessToken, body }), 'forbidden')
  expect(await storedRole(person)).toBe(role)
})

test('404: nobody, and a member of another tenant: one answer', async () => {
  const stranger = await givenPerson(platform, { role: 'viewer' })
  const missing = await asAdmin(request())
  const foreign = await asAdmin({ user_id: stranger.userId, role: 'admin' })
  expectProblem(foreign, 'not_found')
  expect(masked(foreign)).toBe(masked(missing))
  expect(await storedRole(stranger)).toBe('viewer')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await asAdmin(request(), { accept: 'text/html' }), 'not_acceptable')
})

test('409: the only admin, and two at once who would each leave it to the other', async () => {
  const person = await givenPerson(platform, { role: 'admin' })
  expectProblem(await setRole(person, 'viewer'), 'last_admin')
  const other = await givenPerson(platform, { role: 'admin', tenant: person.tenant })
  const answers = await Promise.all([setRole(person, 'viewer'), setRole(other, 'manager')])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
  expect([await storedRole(person), await storedRole(other)]).toContain('admin')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await asAdmin(OVERSIZED), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  expectProblem(await asAdmin(encode(JSON.stringify(request())), headers), 'unsupported_media_type')
})

test.each([
  ['no member', {}, ['/body/user_id', '/body/role']],
  ['no uuid', { ...request(), user_id: 'me' }, ['/body/user_id']],
  ['a role that there is not', { ...request(), role: 'owner' }, ['/body/role']],
  ['a list of roles', { ...request(), role: ['admin'] }, ['/body/role']],
  ['a surplus member', { ...request(), tenant_id: randomUUID() }, ['/body/tenant_id']],
])('422: %s', async (_, body, pointers) => {
  expectProblem(await asAdmin(body), 'validation_failed', pointers)
})

test('429: the tenant has used up its quota', async () => {
  const tenant = await platform.createTenant()
  await exhaustPermits(platform, tenant)
  expectProblem(await setRole({ tenant, userId: randomUUID() }, 'viewer'), 'rate_limited')
})

test('503: the database is gone, and the role is as before', async () => {
  const person = await givenPerson(platform, { role: 'viewer' })
  expectProblem(await platform.withoutDatabase(() => setRole(person, 'manager')), 'service_unavailable')
  expect(await storedRole(person)).toBe('viewer')
})
