import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { exhaustPermits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { givenPerson, logIn } from '../support/sessions.ts'

const platform = usePlatform()

test('200: an admin, by token and by membership', async () => {
  const person = await givenPerson(platform, { role: 'admin' })
  const { accessToken } = await logIn(platform, person)
  const { status, body } = await platform.call('adminRbacCheck', { token: accessToken })
  expect(status).toBe(200)
  expect(body).toEqual({ tenant_id: person.tenant.tenantId, user_id: person.userId, role: 'admin' })
})

test('401: no token', async () => {
  expectProblem(await platform.call('adminRbacCheck', { token: null }), 'unauthorized')
})

test.each(['viewer', 'manager'] as const)('403: a %s', async (role) => {
  const { accessToken } = await logIn(platform, await givenPerson(platform, { role }))
  expectProblem(await platform.call('adminRbacCheck', { token: accessToken }), 'forbidden')
})

test('403: a token that says admin of somebody whom the database has as a manager', async () => {
  const answer = await platform.call('adminRbacCheck', { token: platform.tenant.tokens.admin })
  expectProblem(answer, 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/html' }
  const { tokens } = platform.tenant
  expectProblem(await platform.call('adminRbacCheck', { token: tokens.admin, headers }), 'not_acceptable')
})

test('422: a query that nobody asked for', async () => {
  const { tokens } = platform.tenant
  const answer = await platform.call('adminRbacCheck', { token: tokens.admin, query: { role: 'admin' } })
  expectProblem(answer, 'validation_failed', ['/query/role'])
})

test('429: the tenant has used up its quota', async () => {
  const tenant = await platform.createTenant()
  await exhaustPermits(platform, tenant)
  const answer = await platform.call('adminRbacCheck', { tenant, token: tenant.tokens.admin })
  expectProblem(answer, 'rate_limited')
})

test('503: the database is gone', async () => {
  const { accessToken } = await logIn(platform, await givenPerson(platform, { role: 'admin' }))
  const call = () => platform.call('adminRbacCheck', { token: accessToken })
  expectProblem(await platform.withoutDatabase(call), 'service_unavailable')
  expect((await call()).status).toBe(200)
})
