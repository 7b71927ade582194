import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { adminOf } from '../support/admin.ts'
import { expectProblem } from '../support/answer.ts'
import { type Answer, until, usePlatform } from '../support/platform.ts'
import { spawnSkeldir } from '../support/skeldir.ts'
import { listTablesHolding } from '../support/stored.ts'
import { givenPerson, type Person, readAudit } from '../support/tenants.ts'

const platform = usePlatform()
const admin = adminOf(platform)
/** In a process of its own: what it changes must come through to this one. */
const operator = adminOf(platform, spawnSkeldir)

async function givenPersonOfTwo() {
  const tenants = [await platform.createTenant(), await platform.createTenant()] as const
  const person = await givenPerson(platform, tenants[0], 'admin')
  const there = await givenPerson(platform, tenants[1], 'viewer', person.email)
  return { person, tokens: [person.token, there.token], tenants, slugs: tenants.map(({ slug }) => slug).sort() }
}

const login = ({ email }: Person, password: string | null, tenant: string): Promise<Answer> =>
  platform.call('login', { body: { email, password, tenant } })

async function expectRefusedSoon(tokens: readonly string[]): Promise<void> {
  for (const token of tokens) {
    const answer = await until(
      () => platform.call('verifyToken', { token }),
      ({ status }) => status === 401,
      1_000,
    )
    expectProblem(answer, 'unauthorized')
  }
}

test('disable-user ends all that the account can do, in every tenant; enable-user lets it in again', async () => {
  const { person, tokens, tenants, slugs } = await givenPersonOfTwo()
  const slug = tenants[0].slug
  const { body: session } = await login(person, person.password, slug)
  const disabled = await operator.json('disable-user', '--email', person.email.toUpperCase())
  expect(disabled).toEqual({ user_id: person.userId, status: 'disabled', tenants: slugs, without_admin: [slug] })
  await expectRefusedSoon([...tokens, session.access_token])
  expectProblem(await login(person, person.password, slug), 'unauthorized')
  const refresh = { body: { refresh_token: session.refresh_token } }
  expectProblem(await platform.call('refreshToken', refresh), 'unauthorized')

  const enabled = await operator.json('enable-user', '--email', person.email)
  expect(enabled).toEqual({ user_id: person.userId, status: 'active', tenants: slugs })
  expect((await login(person, person.password, slug)).status).toBe(200)
  // What ended stays ended.
  expectProblem(await platform.call('refreshToken', refresh), 'unauthorized')
  for (const tenant of tenants) {
    expect(await readAudit(platform, tenant)).toMatchObject([
      { action: 'user.disabled', actorKind: 'operator', targetKind: 'user', targetId: person.userId },
      { action: 'user.enabled', actorKind: 'operator', targetKind: 'user', targetId: person.userId },
    ])
  }
})

test('what was open when an account was disabled stays closed, also if nobody tried it in between', async () => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'viewer')
  const { body: session } = await login(person, person.password, tenant.slug)
  await admin.json('disable-user', '--email', person.email)
  await admin.json('enable-user', '--email', person.email)
  await expectRefusedSoon([session.access_token])
  const refresh = { body: { refresh_token: session.refresh_token } }
  expectProblem(await platform.call('refreshToken', refresh), 'unauthorized')
  expect((await login(person, person.password, tenant.slug)).status).toBe(200)
})

test('disable-user a second time changes nothing, and is in no log', async () => {
  const { person, tenants } = await givenPersonOfTwo()
  await admin.json('disable-user', '--email', person.email)
  expect(await admin.json('disable-user', '--email', person.email)).toMatchObject({ status: 'disabled' })
  expect(await readAudit(platform, tenants[1])).toHaveLength(1)
})

test('reset-password prints a new one once, and ends all sessions', async () => {
  const { person, tokens, tenants } = await givenPersonOfTwo()
  const slug = tenants[1].slug
  const { body: session } = await login(person, person.password, slug)
  const { status, stdout, stderr } = await operator.run('reset-password', '--email', person.email)
  expect([status, stderr]).toEqual([0, ''])
  const password = /^password +(\S{24})$/m.exec(stdout)?.[1] as string
  expect(stdout.split(password)).toHaveLength(2)
  expect(await listTablesHolding(platform, password)).toEqual([])
  await expectRefusedSoon([...tokens, session.access_token])
  expectProblem(await login(person, person.password, slug), 'unauthorized')
  expect((await login(person, password, slug)).status).toBe(200)
  for (const tenant of tenants) {
    expect(await readAudit(platform, tenant)).toMatchObject([
      { action: 'user.password_reset', actorKind: 'operator', targetId: person.userId, changes: [] },
    ])
  }
})

test('a disabled account gets a new password and stays disabled', async () => {
  const { person, tenants } = await givenPersonOfTwo()
  await admin.json('disable-user', '--email', person.email)
  const reset = await admin.json('reset-password', '--email', person.email)
  expect(reset).toMatchObject({ status: 'disabled' })
  expectProblem(await login(person, reset.password, tenants[0].slug), 'unauthorized')
})

test('an account without any tenant can be switched off and on too', async () => {
  const tenant = await platform.createTenant()
  const person = await givenPerson(platform, tenant, 'viewer')
  await admin.json('remove-member', '--tenant', tenant.slug, '--email', person.email)
  expect(await admin.json('disable-user', '--email', person.email)).toEqual({
    user_id: person.userId,
    status: 'disabled',
    tenants: [],
    without_admin: [],
  })
  expect(await admin.json('reset-password', '--email', person.email)).toMatchObject({ tenants: [] })
})

test.each(['disable-user', 'enable-user', 'reset-password'])('%s needs somebody who has an account', async (verb) => {
  expect(await admin.refusal(verb)).toEqual({ status: 2, sentence: expect.stringContaining('needs --email') })
  const email = `${randomUUID()}@example.test`
  expect(await admin.refusal(verb, '--email', email)).toEqual({
    status: 1,
    sentence: `skeldir: nobody has an account with the address ${email}`,
  })
})
