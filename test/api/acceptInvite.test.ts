import { randomBytes, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { countHashes, hashPassword } from '../../src/auth/password.ts'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { DAY, HOUR } from '../support/given.ts'
import { type Answer, startPlatform, type TestTenant, usePlatform } from '../support/platform.ts'
import { listTablesHolding } from '../support/stored.ts'
import { callAsAdmin, givenPerson, readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const PASSWORD = 'seven green kettles sing'
const newEmail = () => `${randomUUID()}@example.test`

async function invite(tenant: TestTenant, email: string, role = 'viewer'): Promise<string> {
  const { body } = await callAsAdmin(platform, 'inviteMember', { tenant, body: { email, role } })
  return body.invite_token
}

const accept = (token: string, password = PASSWORD): Promise<Answer> =>
  platform.call('acceptInvite', { body: { token, password } })

const rolesOf = async (tenant: TestTenant): Promise<string[]> => {
  const rows = await platform.query<{ role: string }>('select role from memberships where tenant_id = $1', [
    tenant.tenantId,
  ])
  return rows.map(({ role }) => role).sort()
}

test('200: somebody new chooses a password, is a member and logged in', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const token = await invite(tenant, email, 'admin')
  const { status, body, headers } = await accept(token)
  expect(status).toBe(200)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(body).toEqual({
    access_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: platform.config.accessTokenSeconds,
    refresh_token: expect.any(String),
    refresh_expires_at: expect.any(String),
    session_id: expect.any(String),
    user: { user_id: expect.any(String), email, role: 'admin' },
    tenant: { tenant_id: tenant.tenantId, slug: tenant.slug, name: 'Test shop' },
  })
  const verified = await platform.call('verifyToken', { token: body.access_token })
  expect(verified.body).toMatchObject({ user_id: body.user.user_id, tenant_id: tenant.tenantId, role: 'admin' })
  const refreshed = await platform.call('refreshToken', { body: { refresh_token: body.refresh_token } })
  expect(refreshed.body).toMatchObject({ session_id: body.session_id, user: { role: 'admin' } })
  const login = await platform.call('login', { body: { email, password: PASSWORD } })
  expect(login.body.user).toEqual(body.user)
  expect(await listTablesHolding(platform, PASSWORD)).toEqual([])
  expect(await listTablesHolding(platform, email)).toEqual(['public.users'])
})

test('200: somebody who has an account proves it, and keeps its password', async () => {
  const [tenant, elsewhere] = [await platform.createTenant(), await platform.createTenant()]
  const { email, password, userId } = await givenPerson(platform, elsewhere, 'viewer')
  const { status, body } = await accept(await invite(tenant, email, 'manager'), password as string)
  expect(status).toBe(200)
  expect(body.user).toEqual({ user_id: userId, email, role: 'manager' })
  expect(body.tenant.slug).toBe(tenant.slug)
  const roles = await Promise.all(
    [tenant, elsewhere].map(({ slug }) => platform.call('login', { body: { email, password, tenant: slug } })),
  )
  expect(roles.map((answer) => answer.body.user.role)).toEqual(['manager', 'viewer'])
})

test('200: two tenants invite the same new person, who accepts both with one password', async () => {
  const tenants = [await platform.createTenant(), await platform.createTenant()]
  const email = newEmail()
  const tokens = await Promise.all(tenants.map((tenant) => invite(tenant, email)))
  const answers = await Promise.all(tokens.map((token) => accept(token)))
  expect(answers.map(({ status }) => status)).toEqual([200, 200])
  expect(new Set(answers.map(({ body }) => body.user.user_id)).size).toBe(1)
})

test('200: the member list and the audit log say so', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const token = await invite(tenant, email)
  const { status, body } = await accept(token)
  expect(status).toBe(200)
  const { body: list } = await callAsAdmin(platform, 'listMembers', { tenant })
  expect(list.items.find((member: { email: string }) => member.email === email)).toEqual({
    user_id: body.user.user_id,
    email,
    role: 'viewer',
    status: 'active',
    invited_at: expect.any(String),
    joined_at: expect.any(String),
    invite_expires_at: null,
  })
  const [, joined] = await readAudit(platform, tenant)
  expect(joined).toMatchObject({
    action: 'member.joined',
    actorKind: 'user',
    actorId: body.user.user_id,
    targetId: body.user.user_id,
    changes: [{ pointer: '/role', before: null, after: '"viewer"' }],
  })
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await platform.call('acceptInvite', { body }), 'malformed_request')
})

test('401: a known person with a wrong password, who may try again with the right one', async () => {
  const [tenant, elsewhere] = [await platform.createTenant(), await platform.createTenant()]
  const { email, password } = await givenPerson(platform, elsewhere, 'viewer')
  const token = await invite(tenant, email)
  expectProblem(await accept(token, 'not the right password'), 'unauthorized')
  expect(await rolesOf(tenant)).toEqual(['manager'])
  expect((await accept(token, password as string)).status).toBe(200)
})

test('401: a person whose account is switched off', async () => {
  const [tenant, elsewhere] = [await platform.createTenant(), await platform.createTenant()]
  const { email, password, userId } = await givenPerson(platform, elsewhere, 'viewer')
  await platform.query(`update users set status = 'disabled' where user_id = $1`, [userId])
  const token = await invite(tenant, email)
  const [wrong, right] = [await accept(token, 'not the right password'), await accept(token, password as string)]
  expectProblem(right, 'unauthorized')
  expect(masked(right)).toBe(masked(wrong))
  expect(await rolesOf(tenant)).toEqual(['manager'])
})

test('404: a token that was used, withdrawn, replaced, has expired or never was: one answer', async () => {
  const tenant = await platform.createTenant()
  const used = await invite(tenant, newEmail())
  await accept(used)
  const email = newEmail()
  const { body: withdrawn } = await callAsAdmin(platform, 'inviteMember', { tenant, body: { email, role: 'viewer' } })
  await callAsAdmin(platform, 'removeMember', { tenant, params: { user_id: withdrawn.user_id } })
  const other = newEmail()
  const replaced = await invite(tenant, other)
  await invite(tenant, other)
  const expired = await invite(tenant, newEmail())
  await platform.query(
    `update member_invitations set created_at = $2, expires_at = $3 where token_hash = sha256(convert_to($1, 'UTF8'))`,
    [expired, new Date(Date.now() - 8 * DAY), new Date(Date.now() - DAY)],
  )
  const never = randomBytes(32).toString('base64url')
  const tokens = [used, withdrawn.invite_token, replaced, expired, never]
  const answers = await Promise.all(tokens.map((token) => accept(token)))
  for (const answer of answers) expectProblem(answer, 'invite_invalid')
  expect(new Set(answers.map(masked)).size).toBe(1)
  expect(await rolesOf(tenant)).toEqual(['manager', 'viewer'])
})

test('404: seven days later, by the clock of the API', async ({ onTestFinished }) => {
  const later = await startPlatform(onTestFinished)
  const accepting = async (email: string, afterMs: number) => {
    later.setNow(null)
    const body = { email, role: 'viewer' }
    const { body: invited } = await callAsAdmin(later, 'inviteMember', { body })
    later.setNow(new Date(Date.now() + afterMs))
    return later.call('acceptInvite', { body: { token: invited.invite_token, password: PASSWORD } })
  }
  expect((await accepting(newEmail(), 7 * DAY - HOUR)).status).toBe(200)
  expectProblem(await accepting(newEmail(), 7 * DAY), 'invite_invalid')
})

test('404: one token, ten times at once, works once', async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const known = await own.createTenant()
  for (const { email, password } of [{ email: newEmail(), password: PASSWORD }, known]) {
    const { body } = await callAsAdmin(own, 'inviteMember', { body: { email, role: 'viewer' } })
    const acceptance = { token: body.invite_token, password }
    const answers = await Promise.all(Array.from({ length: 10 }, () => own.call('acceptInvite', { body: acceptance })))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    // Whoever is late finds no invitation, or has to wait for the others to be checked.
    expect(statuses.every((status) => [200, 404, 429].includes(status))).toBe(true)
    expectProblem(await own.call('acceptInvite', { body: acceptance }), 'invite_invalid')
  }
  const roles = await own.query('select role from memberships where tenant_id = $1', [own.tenant.tenantId])
  expect(roles).toHaveLength(3)
})

test('404: who was made a member by an operator meanwhile', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const token = await invite(tenant, email, 'admin')
  const { password } = await givenPerson(platform, tenant, 'viewer', email)
  expectProblem(await accept(token, password as string), 'invite_invalid')
  expect(await rolesOf(tenant)).toEqual(['manager', 'viewer'])
})

test('406: an answer that is not JSON', async () => {
  const body = { token: randomBytes(32).toString('base64url'), password: PASSWORD }
  const answer = await platform.call('acceptInvite', { body, headers: { accept: 'text/html' } })
  expectProblem(answer, 'not_acceptable')
})

test('413: more than 1 MiB', async () => {
  expectProblem(await platform.call('acceptInvite', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify({ token: randomBytes(32).toString('base64url'), password: PASSWORD }))
  expectProblem(await platform.call('acceptInvite', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['no member', {}, ['/body/token', '/body/password']],
  ['a short token', { token: 'a'.repeat(42), password: PASSWORD }, ['/body/token']],
  ['a token of other characters', { token: `${'a'.repeat(42)}=`, password: PASSWORD }, ['/body/token']],
  ['a short password', { token: 'a'.repeat(43), password: 'short' }, ['/body/password']],
  ['a long password', { token: 'a'.repeat(43), password: 'x'.repeat(257) }, ['/body/password']],
  ['a role of the own choice', { token: 'a'.repeat(43), password: PASSWORD, role: 'admin' }, ['/body/role']],
])('422: %s', async (_, body, pointers) => {
  expectProblem(await platform.call('acceptInvite', { body }), 'validation_failed', pointers)
})

test('422: a password that a new account may not have; the invitation stays good', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const token = await invite(tenant, email)
  for (const password of ['eleven char', email, 'password123456']) {
    expectProblem(await accept(token, password), 'validation_failed', ['/body/password'])
  }
  expect((await accept(token)).status).toBe(200)
})

test('422: the same for an address that has an account, and for one that has none', async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const [known, disabled] = [await own.createTenant(), await own.createTenant()]
  // As it could be chosen before the rules were what they are.
  const weak = 'password123456'
  const weakHash = await hashPassword(weak)
  await own.query('update users set password_hash = $2 where user_id = $1', [known.userId, weakHash])
  await own.query(`update users set password_hash = $2, status = 'disabled' where user_id = $1`, [
    disabled.userId,
    weakHash,
  ])
  const invitedTo = async (email: string) =>
    (await callAsAdmin(own, 'inviteMember', { body: { email, role: 'viewer' } })).body.invite_token
  const counters = () =>
    own.query(
      `select failures, blocked_until is not null as blocked from internal.login_attempts order by failures, blocked`,
    )
  const histories = []
  for (const [email, password] of [
    [known.email, 'password1234567'],
    [disabled.email, weak],
    [newEmail(), weak],
  ] as const) {
    const token = await invitedTo(email)
    await own.query('delete from internal.login_attempts')
    const history = []
    for (let attempt = 1; attempt <= 6; attempt++) {
      const before = countHashes()
      const answer = await own.call('acceptInvite', { body: { token, password } })
      history.push([answer.status, masked(answer), countHashes() - before, await counters()])
    }
    histories.push(history)
  }
  expect(histories[0]?.map(([status]) => status)).toEqual([422, 422, 422, 422, 422, 429])
  expect(histories[1]).toEqual(histories[0])
  expect(histories[2]).toEqual(histories[0])
  await own.query('delete from internal.login_attempts')
  const right = { token: await invitedTo(known.email), password: weak }
  expect((await own.call('acceptInvite', { body: right })).status).toBe(200)
})

test('429: an address that tries many tokens, while a good one still passes', async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const guess = () =>
    own.call('acceptInvite', { body: { token: randomBytes(32).toString('base64url'), password: PASSWORD } })
  const answers = await Promise.all(Array.from({ length: 30 }, guess))
  const refused = answers.filter(({ status }) => status === 429)
  expect(refused).toHaveLength(10)
  const [first] = refused as [Answer]
  expectProblem(first, 'rate_limited')
  expect(Number(first.headers.get('retry-after'))).toBeGreaterThan(0)
  const { body } = await callAsAdmin(own, 'inviteMember', { body: { email: newEmail(), role: 'viewer' } })
  const acceptance = { token: body.invite_token, password: PASSWORD }
  expect((await own.call('acceptInvite', { body: acceptance })).status).toBe(200)
})

test("429: passwords of a known person cannot be guessed with an invitation's help", async ({ onTestFinished }) => {
  const own = await startPlatform(onTestFinished)
  const other = await own.createTenant()
  const { body } = await callAsAdmin(own, 'inviteMember', { body: { email: other.email, role: 'viewer' } })
  const statuses: number[] = []
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const guess = { token: body.invite_token, password: `wrong password ${attempt}` }
    statuses.push((await own.call('acceptInvite', { body: guess })).status)
  }
  expect(statuses).toContain(429)
  expect(statuses.slice(0, 3)).toEqual([401, 401, 401])
})

test('503: the database is gone; when it is back, the invitation is as good as before', async () => {
  const tenant = await platform.createTenant()
  const token = await invite(tenant, newEmail())
  expectProblem(await platform.withoutDatabase(() => accept(token)), 'service_unavailable')
  expect((await accept(token)).status).toBe(200)
})
