import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, masked } from '../support/answer.ts'
import { DAY } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'
import { callAsAdmin, givenPerson, readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const remove = (tenant: TestTenant, userId: string) =>
  callAsAdmin(platform, 'removeMember', { tenant, params: { user_id: userId } })

const rolesOf = (tenant: TestTenant) =>
  platform.query<{ role: string }>('select role from memberships where tenant_id = $1 order by role', [tenant.tenantId])

test('204: a member, whose tokens end within a second and who cannot log in here any more', async () => {
  const [tenant, elsewhere] = [await platform.createTenant(), await platform.createTenant()]
  const person = await givenPerson(platform, tenant, 'manager')
  await givenPerson(platform, elsewhere, 'viewer', person.email)
  const { email, password } = person
  const body = { email, password, tenant: tenant.slug }
  const session = await platform.call('login', { body })
  expect(session.status).toBe(200)
  const { status, text } = await remove(tenant, person.userId)
  expect([status, text]).toEqual([204, ''])
  for (const token of [person.token, session.body.access_token]) {
    const refused = await until(
      () => platform.call('verifyToken', { token }),
      (answer) => answer.status === 401,
      1_000,
    )
    expectProblem(refused, 'unauthorized')
  }
  const refresh = await platform.call('refreshToken', { body: { refresh_token: session.body.refresh_token } })
  expectProblem(refresh, 'unauthorized')
  expectProblem(await platform.call('login', { body }), 'unauthorized')
  // The account stays, and with it the other tenant.
  expect((await platform.call('login', { body: { email, password } })).body.tenant.slug).toBe(elsewhere.slug)
})

test('204: who comes back finds no old session open', async () => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'manager')
  const { body: session } = await platform.call('login', { body: { email: person.email, password: person.password } })
  expect((await remove(tenant, person.userId)).status).toBe(204)
  await givenPerson(platform, tenant, 'manager', person.email)
  const refresh = await platform.call('refreshToken', { body: { refresh_token: session.refresh_token } })
  expectProblem(refresh, 'unauthorized')
})

test('204: an open invitation, whose token is then good for nothing', async () => {
  const tenant = await platform.createTenant()
  const email = `${randomUUID()}@example.test`
  const { body } = await callAsAdmin(platform, 'inviteMember', { tenant, body: { email, role: 'admin' } })
  expect((await remove(tenant, body.user_id)).status).toBe(204)
  const acceptance = { token: body.invite_token, password: 'seven green kettles sing' }
  expectProblem(await platform.call('acceptInvite', { body: acceptance }), 'invite_invalid')
  expectProblem(await remove(tenant, body.user_id), 'not_found')
  expect((await readAudit(platform, tenant)).map(({ action }) => action)).toEqual([
    'member.invited',
    'member.invitation_withdrawn',
  ])
})

test('204: an admin, as long as there is another one; the log says who it was', async () => {
  const tenant = await platform.createTenant()
  const [one] = [await givenPerson(platform, tenant, 'admin'), await givenPerson(platform, tenant, 'admin')]
  const id = one.userId.toUpperCase()
  expect((await remove(tenant, id)).status).toBe(204)
  expect(await rolesOf(tenant)).toEqual([{ role: 'admin' }, { role: 'manager' }])
  expect(await readAudit(platform, tenant)).toMatchObject([
    {
      action: 'member.removed',
      actorId: tenant.userId,
      targetKind: 'user',
      targetId: one.userId,
      changes: [{ pointer: '/role', before: '"admin"', after: null }],
    },
  ])
})

test('401: no token', async () => {
  const params = { user_id: randomUUID() }
  expectProblem(await platform.call('removeMember', { params, token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s, who removes nobody', async (role) => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'viewer')
  const params = { user_id: person.userId }
  expectProblem(await platform.call('removeMember', { tenant, params, token: tenant.tokens[role] }), 'forbidden')
  expect(await rolesOf(tenant)).toHaveLength(2)
})

test('404: nobody, somebody of another tenant, and an invitation that expired are all the same', async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  const late = await callAsAdmin(platform, 'inviteMember', {
    tenant,
    body: { email: `${randomUUID()}@example.test`, role: 'viewer' },
  })
  await platform.query('update member_invitations set created_at = $2, expires_at = $3 where tenant_id = $1', [
    tenant.tenantId,
    new Date(Date.now() - 8 * DAY),
    new Date(Date.now() - DAY),
  ])
  const ids = [randomUUID(), other.userId, late.body.user_id]
  const answers = await Promise.all(ids.map((id) => remove(tenant, id)))
  for (const answer of answers) expectProblem(answer, 'not_found')
  expect(new Set(answers.map(masked)).size).toBe(1)
  expect(await rolesOf(other)).toHaveLength(1)
})

test('409: the last admin', async () => {
  const tenant = await platform.createTenant()
  const admin = await givenPerson(platform, tenant, 'admin')
  expectProblem(await remove(tenant, admin.userId), 'last_admin')
  expect(await rolesOf(tenant)).toEqual([{ role: 'admin' }, { role: 'manager' }])
  expect((await platform.call('verifyToken', { token: admin.token })).status).toBe(200)
})

test('409: the last admin whose account works', async () => {
  const tenant = await platform.createTenant()
  const [one, other] = [await givenPerson(platform, tenant, 'admin'), await givenPerson(platform, tenant, 'admin')]
  await platform.query(`update users set status = 'disabled' where user_id = $1`, [other.userId])
  expectProblem(await remove(tenant, one.userId), 'last_admin')
})

test('409: two admins who remove or demote each other at once: one of them stays', async () => {
  for (let round = 0; round < 10; round += 1) {
    const tenant = await platform.createTenant()
    const [one, other] = [await givenPerson(platform, tenant, 'admin'), await givenPerson(platform, tenant, 'admin')]
    const demotion = { body: { user_id: one.userId, role: 'viewer' }, token: other.token }
    const answers = await Promise.all([
      platform.call('removeMember', { tenant, params: { user_id: other.userId }, token: one.token }),
      round % 2 === 0
        ? platform.call('removeMember', { tenant, params: { user_id: one.userId }, token: other.token })
        : platform.call('adminUpdateMembershipRole', { tenant, ...demotion }),
    ])
    // The one who was quicker may have ended the other's tokens before the other was asked who they are.
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status < 300)).toHaveLength(1)
    expect([401, 403, 409]).toContain(statuses.find((status) => status >= 300))
    expect(await rolesOf(tenant)).toContainEqual({ role: 'admin' })
  }
})

test('422: what is no id', async () => {
  expectProblem(await remove(platform.tenant, 'me'), 'validation_failed', ['/path/user_id'])
})

test('429: a tenant whose quota is used up; the member stays', async () => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'viewer')
  const call = { tenant, token: tenant.tokens.admin, params: { user_id: person.userId } }
  await expectRateLimited(platform, 'removeMember', call)
  expect(await rolesOf(tenant)).toHaveLength(2)
})

test('503: the database is gone, and the member stays', async () => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'viewer')
  expectProblem(await platform.withoutDatabase(() => remove(tenant, person.userId)), 'service_unavailable')
  expect(await rolesOf(tenant)).toHaveLength(2)
})
