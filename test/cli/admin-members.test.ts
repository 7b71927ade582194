import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { adminOf } from '../support/admin.ts'
import { expectProblem } from '../support/answer.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'
import { spawnSkeldir } from '../support/skeldir.ts'
import { listTablesHolding } from '../support/stored.ts'
import { callAsAdmin, givenPerson, readAudit } from '../support/tenants.ts'

const platform = usePlatform()
const admin = adminOf(platform)
/** In a process of its own: what it changes must come through to this one. */
const operator = adminOf(platform, spawnSkeldir)

const newEmail = () => `${randomUUID()}@example.test`
const isRefused = (token: string) =>
  until(
    () => platform.call('verifyToken', { token }),
    ({ status }) => status === 401,
    1_000,
  )
const loginAs = ({ email, password }: { email: string; password: string | null }, tenant?: TestTenant) =>
  platform.call('login', { body: { email, password, ...(tenant && { tenant: tenant.slug }) } })

test('invite-member prints a token once, with which the person joins', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const invited = await admin.json(
    'invite-member',
    '--tenant',
    tenant.slug,
    '--email',
    email.toUpperCase(),
    '--role',
    'manager',
  )
  expect(invited).toEqual({
    user_id: expect.any(String),
    email,
    role: 'manager',
    invite_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    invite_expires_at: expect.any(String),
  })
  expect(await listTablesHolding(platform, invited.invite_token)).toEqual([])
  const acceptance = { token: invited.invite_token, password: 'seven green kettles sing' }
  const { body } = await platform.call('acceptInvite', { body: acceptance })
  expect(body.user).toEqual({ user_id: invited.user_id, email, role: 'manager' })
  expect(await readAudit(platform, tenant)).toMatchObject([
    { action: 'member.invited', actorKind: 'operator', actorId: null, targetId: invited.user_id },
    { action: 'member.joined', actorKind: 'user', actorId: invited.user_id },
  ])
})

test('create-user adds an account of another tenant only where that is meant, since anybody may have made it', async () => {
  const [attacker, victim] = [await platform.createTenant(), await platform.createTenant()]
  const email = newEmail()
  const { body } = await callAsAdmin(platform, 'inviteMember', { tenant: attacker, body: { email, role: 'viewer' } })
  const password = 'chosen by somebody else'
  await platform.call('acceptInvite', { body: { token: body.invite_token, password } })
  const member = ['--tenant', victim.slug, '--email', email, '--role', 'admin']
  const { status, sentence } = await admin.refusal('create-user', ...member)
  expect([status, sentence]).toEqual([
    1,
    expect.stringContaining(`${email} has an account already, in ${attacker.slug}: whoever set its password`),
  ])
  expectProblem(await loginAs({ email, password }, victim), 'unauthorized')

  await admin.json('reset-password', '--email', email)
  expect(await admin.json('create-user', ...member, '--existing')).toMatchObject({ email, password: null })
  expectProblem(await loginAs({ email, password }, victim), 'unauthorized')
})

test('list-members prints members and open invitations, as a table or as JSON', async () => {
  const tenant = await platform.createTenant()
  const email = `zz-${newEmail()}`
  await callAsAdmin(platform, 'inviteMember', { tenant, body: { email, role: 'viewer' } })
  const { items } = await admin.json('list-members', '--tenant', tenant.slug)
  expect(items).toEqual([
    expect.objectContaining({ email: tenant.email, user_id: tenant.userId, role: 'manager', status: 'active' }),
    expect.objectContaining({ email, role: 'viewer', status: 'invited', joined_at: null }),
  ])
  const { stdout } = await admin.run('list-members', '--tenant', tenant.slug)
  const [head, ...lines] = stdout.trimEnd().split('\n')
  expect(head).toMatch(/^email +user_id +role +status$/)
  expect(lines.map((line) => line.split(/ +/)[0])).toEqual([tenant.email, email])
})

test('set-role gives another role, which tokens of the old one do not survive', async () => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'manager')
  const set = ['set-role', '--tenant', tenant.slug, '--email', person.email, '--role', 'viewer']
  const changed = await operator.json(...set)
  expect(changed).toMatchObject({ user_id: person.userId, role: 'viewer', previous_role: 'manager' })
  expectProblem(await isRefused(person.token), 'unauthorized')
  expect((await loginAs(person)).body.user.role).toBe('viewer')
  expect(await operator.json(...set)).toMatchObject({ role: 'viewer', previous_role: 'viewer' })
  expect(await readAudit(platform, tenant)).toMatchObject([
    { action: 'member.role_changed', actorKind: 'operator', targetId: person.userId },
  ])
})

test('remove-member ends a membership with its tokens, for who comes back too; the account stays', async () => {
  const [tenant, elsewhere] = [await platform.createTenant(), await platform.createTenant()]
  const person = await givenPerson(platform, tenant, 'manager')
  await givenPerson(platform, elsewhere, 'viewer', person.email)
  const { body: session } = await loginAs(person, tenant)
  const remove = ['remove-member', '--tenant', tenant.slug, '--email', person.email]
  expect(await operator.json(...remove)).toEqual({ user_id: person.userId, email: person.email, removed: true })
  for (const token of [person.token, session.access_token]) expectProblem(await isRefused(token), 'unauthorized')
  expect((await loginAs(person)).body.tenant.slug).toBe(elsewhere.slug)
  await givenPerson(platform, tenant, 'manager', person.email)
  const refresh = await platform.call('refreshToken', { body: { refresh_token: session.refresh_token } })
  expectProblem(refresh, 'unauthorized')
  const log = await readAudit(platform, tenant)
  expect(log.filter(({ action }) => action === 'member.removed')).toMatchObject([
    { actorKind: 'operator', targetId: person.userId },
  ])
})

test('remove-member withdraws an open invitation', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const { body } = await callAsAdmin(platform, 'inviteMember', { tenant, body: { email, role: 'viewer' } })
  expect(await admin.json('remove-member', '--tenant', tenant.slug, '--email', email)).toMatchObject({
    user_id: body.user_id,
  })
  const acceptance = { token: body.invite_token, password: 'seven green kettles sing' }
  expectProblem(await platform.call('acceptInvite', { body: acceptance }), 'invite_invalid')
})

test('nobody takes the last admin from a tenant by accident', async () => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'admin')
  const who = ['--tenant', tenant.slug, '--email', person.email]
  const expected = { status: 1, sentence: expect.stringContaining('the only admin of the tenant') }
  expect(await admin.refusal('remove-member', ...who)).toEqual(expected)
  expect(await admin.refusal('set-role', ...who, '--role', 'viewer')).toEqual(expected)
  expect((await platform.call('verifyToken', { token: person.token })).status).toBe(200)
})

test.each([
  [['invite-member', '--email', 'a@example.test'], 2, 'needs --tenant'],
  [['invite-member', '--tenant', 'SLUG', '--email', 'nobody'], 1, '"nobody" is not an e-mail address'],
  [['invite-member', '--tenant', 'SLUG', '--email', 'a@example.test', '--role', 'owner'], 2, '--role is one of'],
  [['set-role', '--tenant', 'SLUG', '--email', 'a@example.test'], 2, 'needs --role'],
  [['set-role', '--tenant', 'SLUG', '--email', 'a@example.test', '--role', 'admin'], 1, 'no member with this id'],
  [['remove-member', '--tenant', 'SLUG', '--email', 'a@example.test'], 1, 'no member with this id'],
  [['list-members', '--tenant', 'nobody'], 1, 'there is no tenant "nobody"'],
  [['list-members', '--tenant', 'SLUG', '--role', 'admin'], 2, 'takes no --role'],
  [['list-members', '--tenant', 'SLUG', 'x'], 2, 'takes no "x"'],
  [['toString'], 2, 'there is no "admin toString"'],
])('%j is refused in a sentence', async (args, status, sentence) => {
  const told = await admin.refusal(...args.map((arg) => (arg === 'SLUG' ? platform.tenant.slug : arg)))
  expect(told).toEqual({ status, sentence: expect.stringContaining(sentence) })
})

test('inviting a member again is refused, and the address of a foreign one tells nothing', async () => {
  const tenant = await platform.createTenant()
  const invite = (email: string) => admin.refusal('invite-member', '--tenant', tenant.slug, '--email', email)
  expect(await invite(tenant.email)).toMatchObject({ status: 1, sentence: expect.stringContaining('already') })
})
