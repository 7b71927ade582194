import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { DAY } from '../support/given.ts'
import { describeIdempotency, expectInFlight, expectKeyReused, expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { listTablesHolding } from '../support/stored.ts'
import { callAsAdmin, givenPerson, readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const newEmail = () => `${randomUUID()}@example.test`
const invite = (tenant: TestTenant, email: string, role = 'viewer') =>
  callAsAdmin(platform, 'inviteMember', { tenant, body: { email, role } })
const accept = (token: string, password = 'seven green kettles sing') =>
  platform.call('acceptInvite', { body: { token, password } })

test('201: an invitation for seven days, whose token is good', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const { status, body, headers } = await invite(tenant, email.toUpperCase(), 'manager')
  expect(status).toBe(201)
  expect(body).toEqual({
    user_id: expect.any(String),
    email,
    role: 'manager',
    invite_token: expect.any(String),
    invite_expires_at: expect.any(String),
  })
  expect(headers.get('location')).toBe(`/api/tenant/members/${body.user_id}`)
  expect(Buffer.from(body.invite_token, 'base64url')).toHaveLength(32)
  expect(Math.abs(Date.parse(body.invite_expires_at) - Date.now() - 7 * DAY)).toBeLessThan(60_000)
  const joined = await accept(body.invite_token)
  expect(joined.body.user).toEqual({ user_id: body.user_id, email, role: 'manager' })
})

test('201: the token lies nowhere, and the address in the invitation only', async () => {
  const email = newEmail()
  const { status, body } = await invite(await platform.createTenant(), email)
  expect(status).toBe(201)
  expect(await listTablesHolding(platform, body.invite_token)).toEqual([])
  expect(await listTablesHolding(platform, email)).toEqual(['public.member_invitations'])
})

test('201: inviting again replaces the invitation: its token and its role', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const first = await invite(tenant, email, 'admin')
  const { status, body } = await invite(tenant, email, 'viewer')
  expect(status).toBe(201)
  expect(body.invite_token).not.toBe(first.body.invite_token)
  expectProblem(await accept(first.body.invite_token), 'invite_invalid')
  expect((await accept(body.invite_token)).body.user.role).toBe('viewer')
})

test('201: tells of no account: neither by a word, nor by an id that differs from one time to the next', async () => {
  const [tenant, elsewhere] = [await platform.createTenant(), await platform.createTenant()]
  const known = await givenPerson(platform, elsewhere, 'admin')
  const answers = []
  for (const email of [known.email, newEmail()]) {
    const [first, second] = [await invite(tenant, email), await invite(tenant, email)]
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.body.user_id).toBe(first.body.user_id)
    const other = await invite(await platform.createTenant(), email)
    expect(other.body.user_id).toBe(first.body.user_id)
    answers.push(Object.keys(first.body).join())
  }
  expect(answers[0]).toBe(answers[1])
})

test('201: is in the audit log without the address', async () => {
  const tenant = await platform.createTenant()
  const { status, body } = await invite(tenant, newEmail())
  expect(status).toBe(201)
  expect(await readAudit(platform, tenant)).toEqual([
    {
      action: 'member.invited',
      actorKind: 'user',
      actorId: tenant.userId,
      targetKind: 'user',
      targetId: body.user_id,
      correlationId: expect.any(String),
      changes: [
        { pointer: '/role', before: null, after: '"viewer"' },
        { pointer: '/invite_expires_at', before: null, after: JSON.stringify(body.invite_expires_at) },
      ],
    },
  ])
})

test('201: ten invitations of one address at once leave one', async () => {
  const tenant = await platform.createTenant()
  const email = newEmail()
  const answers = await Promise.all(Array.from({ length: 10 }, () => invite(tenant, email)))
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201))
  const rows = await platform.query('select from member_invitations where tenant_id = $1', [tenant.tenantId])
  expect(rows).toHaveLength(1)
  const accepted = await Promise.all(answers.map(({ body }) => accept(body.invite_token)))
  expect(accepted.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(404)])
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await callAsAdmin(platform, 'inviteMember', { body }), 'malformed_request')
})

test('401: no token', async () => {
  const body = { email: newEmail(), role: 'viewer' }
  expectProblem(await platform.call('inviteMember', { body, token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s, who invites nobody', async (role) => {
  const tenant = await platform.createTenant()
  const body = { email: newEmail(), role: 'admin' }
  expectProblem(await platform.call('inviteMember', { tenant, body, token: tenant.tokens[role] }), 'forbidden')
  expect(await platform.query('select from member_invitations where tenant_id = $1', [tenant.tenantId])).toEqual([])
})

test('406: an answer that is not JSON', async () => {
  const body = { email: newEmail(), role: 'viewer' }
  const headers = { accept: 'text/csv' }
  expectProblem(await callAsAdmin(platform, 'inviteMember', { body, headers }), 'not_acceptable')
})

test('409: somebody who is a member already, in any spelling', async () => {
  const tenant = await platform.createTenant()
  expectProblem(await invite(tenant, tenant.email.toUpperCase()), 'already_member')
  const { body } = await invite(tenant, newEmail())
  await accept(body.invite_token)
  const again = await invite(tenant, body.email)
  expectProblem(again, 'already_member')
  expect(masked(again)).not.toContain(body.email)
})

test('413: more than 1 MiB', async () => {
  expectProblem(await callAsAdmin(platform, 'inviteMember', { body: OVERSIZED }), 'payload_too_large')
})

test.each(UNSUPPORTED)('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify({ email: newEmail(), role: 'viewer' }))
  expectProblem(await callAsAdmin(platform, 'inviteMember', { body, headers }), 'unsupported_media_type')
})

test.each([
  ['no member', {}, ['/body/email', '/body/role']],
  ['no address', { email: 'nobody', role: 'viewer' }, ['/body/email']],
  ['a long address', { email: `${'a'.repeat(250)}@b.example`, role: 'viewer' }, ['/body/email']],
  ['an unknown role', { email: 'a@example.test', role: 'owner' }, ['/body/role']],
  ['a token of the own choice', { email: 'a@example.test', role: 'viewer', token: 'x' }, ['/body/token']],
])('422: %s', async (_, body, pointers) => {
  expectProblem(await callAsAdmin(platform, 'inviteMember', { body }), 'validation_failed', pointers)
})

test('429: a tenant whose quota is used up, which invites nobody', async () => {
  const tenant = await platform.createTenant()
  const body = { email: newEmail(), role: 'viewer' }
  await expectRateLimited(platform, 'inviteMember', { tenant, token: tenant.tokens.admin, body })
  expect(await listTablesHolding(platform, body.email)).toEqual([])
})

const keyed = {
  makeBody: () => ({ email: newEmail(), role: 'viewer' }),
  prepare: ({ tokens }: TestTenant) => ({ token: tokens.admin }),
}
describeIdempotency(platform, 'inviteMember', {
  ...keyed,
  count: async () => (await platform.query('select from member_invitations')).length,
})

test('409: a request with the same Idempotency-Key is at work', async () => {
  await expectInFlight(platform, 'inviteMember', keyed)
})

test('422: the Idempotency-Key came with another invitation before', async () => {
  await expectKeyReused(platform, 'inviteMember', keyed)
})

test('201: the stored answer shows the token again, and lies nowhere in clear', async () => {
  const tenant = await platform.createTenant()
  const options = { tenant, body: keyed.makeBody(), headers: { 'idempotency-key': randomUUID() } }
  const [first, again] = [
    await callAsAdmin(platform, 'inviteMember', options),
    await callAsAdmin(platform, 'inviteMember', options),
  ]
  expect(again.status).toBe(201)
  expect(again.body).toEqual(first.body)
  expect(await listTablesHolding(platform, first.body.invite_token)).toEqual([])
})

test('503: the database is gone, and nobody is invited', async () => {
  const email = newEmail()
  const answer = await platform.withoutDatabase(() => invite(platform.tenant, email))
  expectProblem(answer, 'service_unavailable')
  expect(await listTablesHolding(platform, email)).toEqual([])
})
