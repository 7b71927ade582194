import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { publishRevocation } from '../../src/auth/queries.ts'
import { isRevoked, revocationSubject } from '../../src/auth/revocations.ts'
import { authenticateBearer, revokeTokensOf } from '../../src/auth/service.ts'
import type { AppContext } from '../../src/context.ts'
import { connect } from '../../src/db/connect.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { startApi } from '../../src/main/api.ts'
import { createAuthentication } from '../../src/main/context.ts'
import { resetPassword } from '../../src/tenants/members/accounts.ts'
import { openDoor } from '../support/door.ts'
import { startPlatform, type TestPlatform, usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, refresh, statusOf } from '../support/sessions.ts'

/** The promise of the product; the figures seen are some milliseconds. */
const PROPAGATION_MS = 1_000

const platform = usePlatform()

type Clean = typeof onTestFinished

/** A second API on the same database, with a port, pools and a feed of its own; `through` leads its feed elsewhere. */
async function startSibling(clean: Clean, of: TestPlatform = platform): Promise<{ url: string }> {
  const api = await startApi({ ...of.config, port: 0 })
  clean(api.stop)
  return api
}

async function statusAt(url: string, token: string): Promise<number> {
  return (await fetch(`${url}/api/auth/verify`, { headers: { authorization: `Bearer ${token}` } })).status
}

/** Milliseconds until the token is refused there. */
async function refusedAfter(url: string, token: string): Promise<number> {
  const began = performance.now()
  for (;;) {
    const status = await statusAt(url, token)
    const took = performance.now() - began
    if (status === 401) return took
    if (took > 5 * PROPAGATION_MS) throw new Error(`still ${status} after ${took} ms`)
    await sleep(2)
  }
}

describe('another process refuses an access token within a second', () => {
  test.each<[string, (person: Awaited<ReturnType<typeof givenPerson>>, token: string) => Promise<unknown>]>([
    ['its session was logged out', (_, token) => platform.call('logout', { token })],
    [
      'its member was cut off',
      ({ tenant, userId }) =>
        platform.call('adminRevokeTokensBefore', { tenant, token: tenant.tokens.admin, body: { user_id: userId } }),
    ],
    [
      'its member has another role',
      ({ tenant, userId }) =>
        platform.call('adminUpdateMembershipRole', {
          tenant,
          token: tenant.tokens.admin,
          body: { user_id: userId, role: 'manager' },
        }),
    ],
    [
      'the role was changed by SQL',
      ({ userId }) => platform.query(`update memberships set role = 'admin' where user_id = $1`, [userId]),
    ],
    ['its member was removed', ({ userId }) => platform.query('delete from memberships where user_id = $1', [userId])],
    [
      'its account was disabled',
      ({ userId }) => platform.query(`update users set status = 'disabled' where user_id = $1`, [userId]),
    ],
    [
      'its account was deleted',
      async ({ userId }) => {
        await platform.query('delete from sessions where user_id = $1', [userId])
        await platform.query('delete from memberships where user_id = $1', [userId])
        await platform.query('delete from users where user_id = $1', [userId])
      },
    ],
    [
      'an operator has set another password',
      ({ userId }) => platform.query(`update users set password_hash = 'x' where user_id = $1`, [userId]),
    ],
  ])('since %s', async (_, revoke) => {
    const sibling = await startSibling(onTestFinished)
    const person = await givenPerson(platform)
    const { accessToken } = await logIn(platform, person)
    const bystander = await logIn(platform, await givenPerson(platform, { tenant: person.tenant }))
    expect(await statusAt(sibling.url, accessToken)).toBe(200)
    await revoke(person, accessToken)
    expect(await refusedAfter(sibling.url, accessToken)).toBeLessThan(PROPAGATION_MS)
    expect(await statusAt(sibling.url, bystander.accessToken)).toBe(200)
  })
})

test('the process that revoked refuses from its answer on, and one that starts later does too', async () => {
  const person = await givenPerson(platform)
  const { accessToken } = await logIn(platform, person)
  await platform.call('logout', { token: accessToken })
  expect(await statusOf(platform, accessToken)).toBe(401)
  const later = await startSibling(onTestFinished)
  expect(await statusAt(later.url, accessToken)).toBe(401)
})

test('who was kept signed in by a clock that is ahead is refused by the next change of the password', async () => {
  const person = await givenPerson(platform)
  const kept = await logIn(platform, person)
  const next = 'seven green kettles sing'
  platform.setNow(new Date(Date.now() + 5_000))
  const body = { current_password: person.password, new_password: next }
  expect((await platform.call('changePassword', { token: kept.accessToken, body })).status).toBe(200)
  platform.setNow(null)
  expect(await statusOf(platform, kept.accessToken)).toBe(200)
  await resetPassword(platform.admin, person.email)
  await platform.ctx.revocations.catchUp()
  expect(await statusOf(platform, kept.accessToken)).toBe(401)
  expect((await refresh(platform, kept.refreshToken)).status).toBe(401)
})

test('who is a member again, or enabled again, is let in again', async () => {
  const person = await givenPerson(platform)
  const { tenant, userId } = person
  const before = await logIn(platform, person)
  await platform.query('delete from memberships where user_id = $1', [userId])
  await platform.ctx.revocations.catchUp()
  expect(await statusOf(platform, before.accessToken)).toBe(401)
  await platform.query(`insert into memberships (tenant_id, user_id, role) values ($1, $2, 'manager')`, [
    tenant.tenantId,
    userId,
  ])
  await platform.query(`update users set status = 'disabled' where user_id = $1`, [userId])
  await platform.query(`update users set status = 'active' where user_id = $1`, [userId])
  await platform.ctx.revocations.catchUp()
  expect(await statusOf(platform, before.accessToken)).toBe(401)
  expect(await statusOf(platform, (await logIn(platform, person)).accessToken)).toBe(200)
})

describe('the feed', () => {
  test('is followed over a restart of the database server', async () => {
    const own = await startPlatform(onTestFinished)
    const sibling = await startSibling(onTestFinished, own)
    const [one, two] = [await logIn(own, await givenPerson(own)), await logIn(own, await givenPerson(own))]
    // What a restart does to its clients: every connection of the database ends.
    await own.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    )
    await own.query('select 1').catch(() => {})
    await fetchUntilReady(sibling.url)
    await own.call('logout', { token: one.accessToken })
    expect(await refusedAfter(sibling.url, one.accessToken)).toBeLessThan(PROPAGATION_MS)
    // By then the listening connection is there again.
    await listens(own, 2)
    await own.call('logout', { token: two.accessToken })
    expect(await refusedAfter(sibling.url, two.accessToken)).toBeLessThan(PROPAGATION_MS)
  })

  test('that was cut off catches up with what it missed', async () => {
    const { feed, door } = await startFeed(onTestFinished)
    await feed.revocations.ensureCurrent()
    const { subject, publish } = givenSubject()
    door.shut()
    await publish()
    door.open()
    await until(() => feed.revocations.find(subject) !== undefined)
    expect(isRevoked(feed.revocations.find(subject), { standing: 'active' })).toBe(true)
  })

  test('fails closed: nothing is accepted on knowledge that is a second old and cannot be renewed', async () => {
    const { feed, door } = await startFeed(onTestFinished)
    await feed.revocations.ensureCurrent()
    door.shut()
    await until(() => !isCurrent(feed))
    await expect(feed.revocations.ensureCurrent()).rejects.toMatchObject({ code: 'service_unavailable' })
    door.open()
    await until(() => isCurrent(feed))
  })

  test('reads through the pool while its own connection is away, and is never silent about a revocation', async () => {
    // Only the connection that listens leads through the door.
    const { feed, door } = await startFeed(onTestFinished, { lookup: platform.ctx.db.main.lookup })
    await feed.revocations.ensureCurrent()
    door.shut()
    for (let round = 0; round < 3; round++) {
      const { subject, publish } = givenSubject()
      await publish()
      const published = performance.now()
      do await feed.revocations.ensureCurrent()
      while (feed.revocations.find(subject) === undefined && performance.now() - published < 5 * PROPAGATION_MS)
      expect(performance.now() - published).toBeLessThan(PROPAGATION_MS + 500)
    }
  })

  test('is complete however transactions overlap: one that began first and commits last is not skipped', async () => {
    const { subject: slow, publishIn } = givenSubject()
    const { subject: quick, publish } = givenSubject()
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>()
    const slowly = inTenant(platform.ctx.db.main, platform.tenant.ctx, async (tx) => {
      await publishIn(tx)
      enter()
      await held
    })
    await entered
    await publish()
    await platform.ctx.revocations.catchUp()
    expect(platform.ctx.revocations.find(quick)).toBeDefined()
    expect(platform.ctx.revocations.find(slow)).toBeUndefined()
    release()
    await slowly
    await platform.ctx.revocations.catchUp()
    expect(platform.ctx.revocations.find(slow)).toBeDefined()
  })

  test('holds nothing that names a tenant or a person, and forgets after an hour', async () => {
    const { tenantId } = platform.tenant
    const person = await givenPerson(platform)
    await logIn(platform, person)
    await platform.call('adminRevokeTokensBefore', {
      tenant: person.tenant,
      token: person.tenant.tokens.admin,
      body: { user_id: person.userId },
    })
    const [{ text }] = (await platform.query<{ text: string }>(
      'select string_agg(r::text, chr(10)) as text from internal.token_revocations as r',
    )) as [{ text: string }]
    for (const id of [tenantId, person.tenant.tenantId, person.userId, person.email]) expect(text).not.toContain(id)

    await platform.query(`update internal.token_revocations set recorded_at = now() - interval '61 minutes'`)
    await givenSubject().publish()
    const [{ count }] = (await platform.query<{ count: string }>(
      'select count(*) as count from internal.token_revocations',
    )) as [{ count: string }]
    expect(Number(count)).toBeLessThanOrEqual(1)
  })
})

test('authenticating a token that was seen before sends no statement to the database', async () => {
  const { accessToken } = await logIn(platform, await givenPerson(platform))
  const ctx = { ...platform.ctx, correlationId: randomUUID(), clientAddress: null }
  const authenticate = () => authenticateBearer(ctx, `Bearer ${accessToken}`)
  const known = await authenticate()
  expect(known).toMatchObject({ kind: 'user', tenantId: expect.any(String) })
  const statements = await countStatements(platform, async () => {
    for (let round = 0; round < 200; round++) expect(await authenticate()).toBe(known)
    // Not even for the first time, and not for one that is refused.
    expect(await authenticateBearer(ctx, `Bearer ${platform.tenant.tokens.viewer}`)).not.toBeNull()
    expect(await authenticateBearer(ctx, `Bearer ${accessToken}x`)).toBeNull()
  })
  expect(statements).toEqual([])
})

test('the tokens of one tenant cannot be revoked in the transaction of another', async () => {
  const stranger = await platform.createTenant()
  const { ctx } = platform.tenant
  const foreign = {
    tenantId: stranger.tenantId,
    kind: 'member',
    id: stranger.userId,
    standing: 'none',
    notBefore: null,
  }
  await expect(
    inTenant(platform.ctx.db.main, ctx, (tx) => publishRevocation(tx, { ...foreign, kind: 'member' })),
  ).rejects.toMatchObject({ code: '42501' })
  await expect(
    inTenant(platform.ctx.db.main, ctx, (tx) =>
      revokeTokensOf(tx, { tenantId: stranger.tenantId, userId: stranger.userId, now: new Date() }),
    ),
  ).rejects.toMatchObject({ code: '42501' })
  expect(await statusOf(platform, stranger.tokens.viewer)).toBe(200)
})

/** Something to revoke in the platform's own tenant. */
function givenSubject() {
  const { tenantId, ctx } = platform.tenant
  const id = randomUUID()
  const publishIn = (tx: Parameters<typeof publishRevocation>[0]) =>
    publishRevocation(tx, { tenantId, kind: 'session', id, standing: 'none', notBefore: null })
  return {
    subject: revocationSubject('session', tenantId, id),
    publishIn,
    publish: () => inTenant(platform.ctx.db.main, ctx, publishIn),
  }
}

/** A feed on the platform's database by a way that can be shut. */
async function startFeed(clean: Clean, { lookup }: { lookup?: AppContext['db']['main']['lookup'] } = {}) {
  const door = await openDoor(platform.database.adminUrl)
  clean(door.close)
  const url = door.through(platform.database.urlOf('app_user'))
  const log = pino({ level: 'silent' })
  const pool = connect({ url, applicationName: 'test feed', log, max: 2 })
  clean(pool.close)
  const config = { ...platform.config, databaseUrls: { ...platform.config.databaseUrls, app_user: url } }
  const feed = createAuthentication(config, { name: 'test feed', lookup: lookup ?? pool.lookup, log })
  feed.start()
  clean(feed.stop)
  await until(() => isCurrent(feed))
  return { feed, door }
}

function isCurrent({ revocations }: Pick<AppContext, 'revocations'>): boolean {
  const wait = revocations.ensureCurrent()
  wait?.catch(() => {})
  return wait === undefined
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it never came to hold')
    await sleep(5)
  }
}

async function fetchUntilReady(url: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while ((await fetch(`${url}/health/ready`)).status !== 200) {
    if (performance.now() > deadline) throw new Error('it never became ready')
    await sleep(20)
  }
}

/** Waits until so many connections listen. */
async function listens(of: TestPlatform, count: number): Promise<void> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const rows = await of.query(
      `select from pg_stat_activity where datname = current_database() and application_name like '% revocations'`,
    )
    if (rows.length >= count) return
    if (performance.now() > deadline) throw new Error(`${rows.length} listen`)
    await sleep(20)
  }
}

/** What the API's pools send meanwhile. */
async function countStatements(of: TestPlatform, work: () => Promise<void>): Promise<string[]> {
  const sent: string[] = []
  const { pool } = of.ctx.db.main
  const clients = (pool as unknown as { _clients: { query: (...args: unknown[]) => unknown }[] })._clients
  const originals = clients.map((client) => client.query)
  for (const client of clients) {
    const query = client.query
    client.query = function (this: unknown, ...args: unknown[]) {
      const [first] = args
      sent.push(typeof first === 'string' ? first : String((first as { text?: string }).text))
      return query.apply(this, args)
    }
  }
  const opened = pool.totalCount
  try {
    await work()
  } finally {
    clients.forEach((client, index) => {
      if (originals[index] !== undefined) client.query = originals[index]
    })
  }
  if (pool.totalCount > opened) sent.push('a connection was opened')
  return sent
}

test('refreshing works on either process', async () => {
  const sibling = await startSibling(onTestFinished)
  const session = await logIn(platform, await givenPerson(platform))
  const { body } = await refresh(platform, session.refreshToken)
  const response = await fetch(`${sibling.url}/api/auth/refresh`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refresh_token: body.refresh_token }),
  })
  expect(response.status).toBe(200)
})
