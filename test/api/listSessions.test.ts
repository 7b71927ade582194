import { afterEach, expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { DAY, HOUR } from '../support/given.ts'
import { exhaustPermits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, refresh, type Session } from '../support/sessions.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

const list = ({ accessToken }: Session, query: Record<string, string> = {}) =>
  platform.call('listSessions', { token: accessToken, query })
const idsOf = (body: { items: { session_id: string }[] }) => body.items.map(({ session_id }) => session_id)

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

test('200: the sessions that run, the one used last first, with what one recognises them by', async () => {
  const person = await givenPerson(platform)
  const at = Date.now()
  platform.setNow(new Date(at - HOUR))
  const older = await logIn(platform, person, { 'user-agent': FIREFOX })
  platform.setNow(new Date(at))
  const newer = await logIn(platform, person, { 'user-agent': 'what is it?' })
  const { status, body } = await list(newer)
  expect(status).toBe(200)
  expect(body).toEqual({
    items: [
      {
        session_id: newer.sessionId,
        current: true,
        client: null,
        created_at: new Date(at).toISOString(),
        last_used_at: new Date(at).toISOString(),
        expires_at: new Date(at + 14 * DAY).toISOString(),
      },
      {
        session_id: older.sessionId,
        current: false,
        client: 'Firefox on Linux',
        created_at: new Date(at - HOUR).toISOString(),
        last_used_at: new Date(at - HOUR).toISOString(),
        expires_at: new Date(at - HOUR + 14 * DAY).toISOString(),
      },
    ],
    next_cursor: null,
  })
})

test('200: a refresh moves a session to the front, and its end up to 30 days after the log-in', async () => {
  const person = await givenPerson(platform)
  const at = Date.now()
  platform.setNow(new Date(at - 13 * DAY))
  const first = await logIn(platform, person)
  platform.setNow(new Date(at - DAY))
  const second = await logIn(platform, person)
  platform.setNow(new Date(at))
  await refresh(platform, first.refreshToken)
  platform.setNow(new Date(at + 1_000))
  const { body } = await list(await logIn(platform, person))
  expect(idsOf(body).slice(1)).toEqual([first.sessionId, second.sessionId])
  expect(body.items[1]).toMatchObject({
    created_at: new Date(at - 13 * DAY).toISOString(),
    last_used_at: new Date(at).toISOString(),
    expires_at: new Date(at + 14 * DAY).toISOString(),
  })
})

test('200: only those of the caller, in the tenant of the token', async () => {
  const person = await givenPerson(platform)
  const colleague = await givenPerson(platform, { tenant: person.tenant })
  const own = await logIn(platform, person)
  await logIn(platform, colleague)
  expect(idsOf((await list(own)).body)).toEqual([own.sessionId])
})

test('200: none that has ended: logged out, unused for 14 days, older than 30, cut off', async () => {
  const person = await givenPerson(platform)
  const [out, idle, old, cut] = [
    await logIn(platform, person),
    await logIn(platform, person),
    await logIn(platform, person),
    await logIn(platform, person),
  ]
  await platform.call('logout', { token: out.accessToken })
  await platform.query(`update sessions set last_used_at = now() - interval '14 days' where session_id = $1`, [
    idle.sessionId,
  ])
  await platform.query('update sessions set expires_at = now() where session_id = $1', [old.sessionId])
  await platform.query(`update sessions set created_at = created_at - interval '1 hour' where session_id = $1`, [
    cut.sessionId,
  ])
  await platform.query(
    `insert into token_cutoffs (tenant_id, user_id, not_before, set_at) values ($1, $2, now() - interval '30 minutes', now())`,
    [person.tenant.tenantId, person.userId],
  )
  const left = await logIn(platform, person)
  expect(idsOf((await list(left)).body)).toEqual([left.sessionId])
})

test('200: page by page, each session once', async () => {
  const person = await givenPerson(platform)
  const sessions: Session[] = []
  const at = Date.now()
  for (let index = 0; index < 5; index++) {
    // Two at a time are equally old.
    platform.setNow(new Date(at + Math.floor(index / 2) * 1_000))
    sessions.push(await logIn(platform, person))
  }
  const last = sessions.at(-1) as Session
  const found: string[] = []
  let cursor: string | null = null
  let pages = 0
  do {
    const { body } = await list(last, { limit: '2', ...(cursor !== null && { cursor }) })
    expect(body.items.length).toBeLessThanOrEqual(2)
    found.push(...idsOf(body))
    cursor = body.next_cursor
    pages += 1
  } while (cursor !== null)
  expect(pages).toBe(3)
  expect(found).toHaveLength(5)
  expect(new Set(found)).toEqual(new Set(sessions.map(({ sessionId }) => sessionId)))
})

test('200: a hundred at most run at once; the one unused for longest makes room, with its tokens', async () => {
  const person = await givenPerson(platform)
  const oldest = await logIn(platform, person)
  await platform.query(
    `insert into sessions (tenant_id, session_id, user_id, created_at, last_used_at, expires_at)
     select tenant_id, gen_random_uuid(), user_id, created_at, last_used_at + make_interval(secs => n), expires_at
     from sessions, generate_series(1, 99) as n where session_id = $1`,
    [oldest.sessionId],
  )
  const newest = await logIn(platform, person)
  const { body } = await list(newest, { limit: '100' })
  expect(body.items).toHaveLength(100)
  expect(body.next_cursor).toBeNull()
  expect(idsOf(body)).not.toContain(oldest.sessionId)
  expectProblem(await refresh(platform, oldest.refreshToken), 'unauthorized')
  expectProblem(await list(oldest), 'unauthorized')
})

test('401: no token', async () => {
  expectProblem(await platform.call('listSessions', { token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('listSessions', { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test.each([
  ['no page', { limit: '0' }, '/query/limit'],
  ['too large a page', { limit: '101' }, '/query/limit'],
  ['no number', { limit: 'all' }, '/query/limit'],
  ['a cursor of nobody', { cursor: 'AAAA' }, '/query/cursor'],
  ['a cursor in another alphabet', { cursor: '%00' }, '/query/cursor'],
  ['what nobody asked for', { user_id: 'x' }, '/query/user_id'],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await platform.call('listSessions', { query }), 'validation_failed', [pointer])
})

test("422: somebody else's cursor", async () => {
  const person = await givenPerson(platform)
  const colleague = await givenPerson(platform, { tenant: person.tenant })
  const [own] = [await logIn(platform, person), await logIn(platform, person)]
  const { body } = await list(own, { limit: '1' })
  const answer = await list(await logIn(platform, colleague), { cursor: body.next_cursor })
  expectProblem(answer, 'validation_failed', ['/query/cursor'])
})

test('429: the tenant has used up its quota', async () => {
  const tenant = await platform.createTenant()
  await exhaustPermits(platform, tenant)
  expectProblem(await platform.call('listSessions', { tenant }), 'rate_limited')
})

test('503: the database is gone', async () => {
  expectProblem(await platform.withoutDatabase(() => platform.call('listSessions')), 'service_unavailable')
  expect((await platform.call('listSessions')).status).toBe(200)
})
