import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { DAY } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { callAsAdmin, givenPerson } from '../support/tenants.ts'

const platform = usePlatform()

const invite = (tenant: TestTenant, email: string) =>
  callAsAdmin(platform, 'inviteMember', { tenant, body: { email, role: 'viewer' } })

const emailsOf = (body: { items: { email: string }[] }) => body.items.map(({ email }) => email)

test('200: members and open invitations, in order of the address', async () => {
  const tenant = await platform.createTenant()
  const admin = await givenPerson(platform, tenant, 'admin', `a-${tenant.slug}@example.test`)
  const invited = await invite(tenant, `Z-${tenant.slug}@example.test`)
  const { status, body } = await callAsAdmin(platform, 'listMembers', { tenant })
  expect(status).toBe(200)
  expect(body).toEqual({
    items: [
      {
        user_id: admin.userId,
        email: admin.email,
        role: 'admin',
        status: 'active',
        invited_at: null,
        joined_at: expect.any(String),
        invite_expires_at: null,
      },
      expect.objectContaining({ user_id: tenant.userId, email: tenant.email, role: 'manager', status: 'active' }),
      {
        user_id: invited.body.user_id,
        email: `z-${tenant.slug}@example.test`,
        role: 'viewer',
        status: 'invited',
        invited_at: expect.any(String),
        joined_at: null,
        invite_expires_at: invited.body.invite_expires_at,
      },
    ],
    next_cursor: null,
  })
  expect(JSON.stringify(body)).not.toContain(invited.body.invite_token)
})

test('200: page by page, each one once, whatever leaves or comes meanwhile', async () => {
  const tenant = await platform.createTenant()
  const emails = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}-${tenant.slug}@example.test`)
  for (const email of emails) await invite(tenant, email)
  const first = await callAsAdmin(platform, 'listMembers', { tenant, query: { limit: '2' } })
  expect(emailsOf(first.body)).toEqual(emails.slice(0, 2))
  // The last one of the page goes, and one comes before it: neither moves what follows.
  const gone = { user_id: first.body.items[1].user_id }
  expect((await callAsAdmin(platform, 'removeMember', { tenant, params: gone })).status).toBe(204)
  await invite(tenant, `aa-${tenant.slug}@example.test`)
  const seen: string[] = []
  let cursor: string | null = first.body.next_cursor
  while (cursor !== null) {
    const { body, status } = await callAsAdmin(platform, 'listMembers', { tenant, query: { limit: '2', cursor } })
    expect(status).toBe(200)
    seen.push(...emailsOf(body))
    cursor = body.next_cursor
  }
  expect(seen).toEqual([...emails.slice(2), tenant.email])
})

test('200: the cursor tells no address', async () => {
  const tenant = await platform.createTenant()
  await invite(tenant, `zz-${tenant.slug}@example.test`)
  const { body } = await callAsAdmin(platform, 'listMembers', { tenant, query: { limit: '1' } })
  const bytes = Buffer.from(body.next_cursor, 'base64url').toString('latin1')
  expect(bytes + body.next_cursor).not.toContain(tenant.slug)
})

test('200: an invitation that has expired is not shown; nor are people of other tenants', async () => {
  const [tenant, other] = [await platform.createTenant(), await platform.createTenant()]
  const email = `late-${tenant.slug}@example.test`
  const { body: invited } = await invite(tenant, email)
  await invite(other, email)
  await platform.query(`update member_invitations set created_at = $2, expires_at = $3 where tenant_id = $1`, [
    tenant.tenantId,
    new Date(Date.now() - 7 * DAY - 60_000),
    new Date(Date.now() - 60_000),
  ])
  const { status, body } = await callAsAdmin(platform, 'listMembers', { tenant })
  expect(status).toBe(200)
  expect(emailsOf(body)).toEqual([tenant.email])
  expect(invited.user_id).toMatch(/^[0-9a-f-]{36}$/)
  const theirs = await callAsAdmin(platform, 'listMembers', { tenant: other })
  expect(emailsOf(theirs.body).sort()).toEqual([email, other.email].sort())
})

test('200: an account that was switched off', async () => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'viewer')
  await platform.query(`update users set status = 'disabled' where user_id = $1`, [person.userId])
  const { status, body } = await callAsAdmin(platform, 'listMembers', { tenant })
  expect(status).toBe(200)
  const member = body.items.find(({ email }: { email: string }) => email === person.email)
  expect(member).toMatchObject({ status: 'disabled', role: 'viewer' })
})

test('401: no token', async () => {
  expectProblem(await platform.call('listMembers', { token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s, who sees no address', async (role) => {
  const answer = await platform.call('listMembers', { token: platform.tenant.tokens[role] })
  expectProblem(answer, 'forbidden')
  expect(answer.text).not.toContain('@')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await callAsAdmin(platform, 'listMembers', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test.each([
  ['no items', { limit: '0' }, ['/query/limit']],
  ['too many', { limit: '101' }, ['/query/limit']],
  ['no cursor of ours', { cursor: 'eyJhIjoiMjAyNiJ9' }, ['/query/cursor']],
  ['no cursor at all', { cursor: '' }, ['/query/cursor']],
  ['a long cursor', { cursor: 'a'.repeat(513) }, ['/query/cursor']],
  ['an unknown parameter', { role: 'admin' }, ['/query/role']],
])('422: %s', async (_, query, pointers) => {
  const answer = await callAsAdmin(platform, 'listMembers', { query: query as Record<string, string> })
  expectProblem(answer, 'validation_failed', pointers)
})

test("422: another tenant's cursor, and that of another list", async () => {
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  for (const tenant of [one, other]) await invite(tenant, `zz-${tenant.slug}@example.test`)
  const page = { query: { limit: '1' } }
  const { body } = await callAsAdmin(platform, 'listMembers', { tenant: one, ...page })
  const query = { cursor: body.next_cursor }
  expect((await callAsAdmin(platform, 'listMembers', { tenant: one, query })).status).toBe(200)
  expectProblem(await callAsAdmin(platform, 'listMembers', { tenant: other, query }), 'validation_failed', [
    '/query/cursor',
  ])
  expectProblem(await callAsAdmin(platform, 'listApiKeys', { tenant: one, query }), 'validation_failed', [
    '/query/cursor',
  ])
})

test('429: a tenant whose quota is used up', async () => {
  const tenant = await platform.createTenant()
  await expectRateLimited(platform, 'listMembers', { tenant, token: tenant.tokens.admin })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => callAsAdmin(platform, 'listMembers'))
  expectProblem(answer, 'service_unavailable')
})
