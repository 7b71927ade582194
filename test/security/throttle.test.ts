import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { countHashes, decoyHash, hashPassword } from '../../src/auth/password.ts'
import { admit } from '../../src/auth/throttle.ts'
import type { RequestContext } from '../../src/context.ts'
import { startApi } from '../../src/main/api.ts'
import { MINUTE } from '../support/given.ts'
import { startPlatform, type TestPlatform } from '../support/platform.ts'
import { givenPerson, logIn, logInFrom, type Person, type RawAnswer } from '../support/sessions.ts'
import { listTablesHolding } from '../support/stored.ts'
import { callAsAdmin } from '../support/tenants.ts'

/** Each of the test's own: counters of an address are shared by whoever comes from it. */
async function start(): Promise<{ platform: TestPlatform; at: (seconds: number) => void }> {
  const platform = await startPlatform(onTestFinished)
  await decoyHash()
  const began = Date.now()
  const at = (seconds: number) => platform.setNow(new Date(began + seconds * 1_000))
  at(0)
  return { platform, at }
}

let lastAddress = 1
function newAddress(): string {
  lastAddress += 1
  return `127.0.${lastAddress >> 8}.${lastAddress & 255}`
}

const wrong = ({ email }: { email: string }) => ({ email, password: 'not my password' })
const right = ({ email, password }: Person) => ({ email, password })
const nobody = () => ({ email: `${randomUUID()}@example.test` })

test('an account waits after five failures in a row, twice as long each time, and at most 15 minutes', async () => {
  const { platform, at } = await start()
  const person = await givenPerson(platform)
  const attempt = async (body: { email: string; password: string }) =>
    // Of ever another address: only the account counts.
    logInFrom(platform, newAddress(), body)
  for (let failure = 1; failure <= 5; failure++) expect((await attempt(wrong(person))).status).toBe(401)
  const waits: number[] = []
  let now = 0
  for (let failure = 6; failure <= 18; failure++) {
    const refused = await attempt(right(person))
    expect(refused.status).toBe(429)
    waits.push(refused.retryAfter ?? 0)
    // Neither being refused nor a guess makes the wait longer.
    at(now + (refused.retryAfter ?? 0) - 0.001)
    expect((await attempt(wrong(person))).status).toBe(429)
    now += refused.retryAfter ?? 0
    at(now)
    expect((await attempt(wrong(person))).status, `after ${now} s`).toBe(401)
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])
  at(now + 900)
  expect((await attempt(right(person))).status).toBe(200)
  for (let failure = 1; failure <= 4; failure++) expect((await attempt(wrong(person))).status).toBe(401)
  expect((await attempt(right(person))).status).toBe(200)
})

test('an hour of quiet forgets', async () => {
  const { platform, at } = await start()
  const person = await givenPerson(platform)
  for (let failure = 1; failure <= 4; failure++) await logInFrom(platform, newAddress(), wrong(person))
  at(3_600)
  for (let failure = 1; failure <= 4; failure++) {
    expect((await logInFrom(platform, newAddress(), wrong(person))).status).toBe(401)
  }
  expect((await logInFrom(platform, newAddress(), right(person))).status).toBe(200)
})

test('an account that does not exist waits exactly like one that does', async () => {
  const { platform, at } = await start()
  const person = await givenPerson(platform)
  const disabled = await givenPerson(platform)
  await platform.query(`update users set status = 'disabled' where user_id = $1`, [disabled.userId])
  const histories = await Promise.all(
    [person, disabled, nobody()].map(async ({ email }) => {
      const history: string[] = []
      for (let round = 0; round < 8; round++) {
        const { status, retryAfter, body } = await logInFrom(platform, newAddress(), wrong({ email }))
        history.push(`${status} ${retryAfter} ${body.code}`)
      }
      return history
    }),
  )
  at(0)
  expect(histories[0]?.slice(4, 6)).toEqual(['401 null unauthorized', '429 1 rate_limited'])
  expect(histories[1]).toEqual(histories[0])
  expect(histories[2]).toEqual(histories[0])
})

test('the same work is done for whoever fails: one hash each, and none while one waits', async () => {
  const { platform } = await start()
  const person = await givenPerson(platform)
  const disabled = await givenPerson(platform)
  await platform.query(`update users set status = 'disabled' where user_id = $1`, [disabled.userId])
  const stranger = await givenPerson(platform)
  await platform.query('delete from memberships where user_id = $1', [stranger.userId])
  const hashesOf = async (body: { email: string; password: string }) => {
    const before = countHashes()
    const { status } = await logInFrom(platform, newAddress(), body)
    return { status, hashes: countHashes() - before }
  }
  const failures = {
    'wrong password': wrong(person),
    'no account': wrong(nobody()),
    'disabled, with the right password': right(disabled),
    'disabled, with a wrong one': wrong(disabled),
    'without a tenant': right(stranger),
  }
  for (const [name, body] of Object.entries(failures)) {
    expect(await hashesOf(body), name).toEqual({ status: 401, hashes: 1 })
  }
  const unknown = nobody()
  for (const { email } of [person, unknown]) {
    for (let failure = 1; failure <= 5; failure++) await logInFrom(platform, newAddress(), wrong({ email }))
    expect(await hashesOf(wrong({ email }))).toEqual({ status: 429, hashes: 0 })
  }
  expect(await hashesOf(right(person))).toEqual({ status: 429, hashes: 0 })
})

test('guesses at once are counted before they are checked: five of fifty are tried', async () => {
  const { platform } = await start()
  const person = await givenPerson(platform)
  const before = countHashes()
  const answers = await Promise.all(Array.from({ length: 50 }, () => logInFrom(platform, newAddress(), wrong(person))))
  expect(tally(answers)).toEqual({ 401: 5, 429: 45 })
  expect(countHashes() - before).toBe(5)
})

test('spraying one password over a hundred accounts: twenty are tried, and the right one is not let in', async () => {
  const { platform, at } = await start()
  const attacker = newAddress()
  const victims = await Promise.all(Array.from({ length: 5 }, () => givenPerson(platform)))
  const accounts = Array.from({ length: 100 }, nobody)
  const before = countHashes()
  const answers: RawAnswer[] = []
  for (const account of accounts) answers.push(await logInFrom(platform, attacker, wrong(account)))
  expect(tally(answers)).toEqual({ 401: 20, 429: 80 })
  expect(countHashes() - before).toBe(20)
  for (const answer of answers.slice(20)) expect(answer.retryAfter).toBeLessThanOrEqual(60)
  // Now with a password that fits: from this address nobody gets in for the rest of the minute.
  for (const victim of victims) expect((await logInFrom(platform, attacker, right(victim))).status).toBe(429)
  // The victims were not tried, so they need not wait.
  for (const victim of victims) expect((await logInFrom(platform, newAddress(), right(victim))).status).toBe(200)
  at(60)
  expect((await logInFrom(platform, attacker, wrong(nobody()))).status).toBe(401)
})

test('one who gets in costs their address nothing: a hundred colleagues behind one address', async () => {
  const { platform } = await start()
  const office = newAddress()
  const person = await givenPerson(platform)
  for (let round = 0; round < 30; round++) expect((await logInFrom(platform, office, right(person))).status).toBe(200)
})

test("an account of the attacker's own does not wash the address clean", async () => {
  const { platform } = await start()
  const attacker = newAddress()
  const own = await givenPerson(platform)
  const statuses: number[] = []
  for (let round = 0; round < 25; round++) {
    statuses.push((await logInFrom(platform, attacker, wrong(nobody()))).status)
    await logInFrom(platform, attacker, right(own))
  }
  expect(statuses.filter((status) => status === 401)).toHaveLength(20)
})

test('the counters are those of all processes', async () => {
  const { platform, at } = await start()
  const sibling = await startApi({ ...platform.config, port: 0 })
  onTestFinished(sibling.stop)
  const elsewhere = { ...platform, url: sibling.url }
  const person = await givenPerson(platform)
  for (let failure = 1; failure <= 4; failure++) {
    expect((await logInFrom(elsewhere, newAddress(), wrong(person))).status).toBe(401)
  }
  // The fifth and the following ones, each when its wait is over; the last blocks for 64 s.
  for (let now = 0, wait = 1; wait <= 64; now += wait, wait *= 2) {
    at(now)
    expect((await logInFrom(platform, newAddress(), wrong(person))).status).toBe(401)
  }
  for (const place of [platform, elsewhere]) {
    expect((await logInFrom(place, newAddress(), right(person))).status).toBe(429)
  }
})

test('what is kept of an attempt names nobody: no address, no e-mail, nothing after a day', async () => {
  const { platform, at } = await start()
  const person = await givenPerson(platform)
  const unknown = nobody()
  const address = newAddress()
  for (const body of [wrong(person), wrong(unknown)]) await logInFrom(platform, address, body)
  expect(await listTablesHolding(platform, unknown.email)).toEqual([])
  expect(await listTablesHolding(platform, person.email)).toEqual(['public.users'])
  expect(await listTablesHolding(platform, address)).toEqual([])
  const rows = () => platform.query('select from internal.login_attempts')
  expect(await rows()).toHaveLength(3)
  at(25 * 3_600)
  await logInFrom(platform, newAddress(), wrong(nobody()))
  expect(await rows()).toHaveLength(2)
})

test('the tenants of an account learn that it has to wait, once', async () => {
  const { platform } = await start()
  const person = await givenPerson(platform)
  const second = await platform.createTenant()
  await platform.query(`insert into memberships (tenant_id, user_id, role) values ($1, $2, 'viewer')`, [
    second.tenantId,
    person.userId,
  ])
  for (let attempt = 1; attempt <= 9; attempt++) await logInFrom(platform, newAddress(), wrong(person))
  const deadline = performance.now() + 10_000
  for (;;) {
    const entries = await platform.query(
      `select tenant_id, actor_kind, target_id from audit_log where action = 'user.locked' order by tenant_id`,
    )
    if (entries.length < 2 && performance.now() < deadline) continue
    const tenants = [person.tenant.tenantId, second.tenantId].sort()
    expect(entries).toEqual(tenants.map((tenant_id) => ({ tenant_id, actor_kind: 'system', target_id: person.userId })))
    return
  }
})

test('nobody can be kept out for more than 15 minutes after the last guess', async () => {
  const { platform, at } = await start()
  const person = await givenPerson(platform)
  let now = 0
  for (let guess = 0; guess < 30; guess++) {
    at(now)
    const { retryAfter } = await logInFrom(platform, newAddress(), wrong(person))
    if (retryAfter !== null) now += retryAfter
  }
  at(now + (15 * MINUTE) / 1_000)
  expect((await logInFrom(platform, newAddress(), right(person))).status).toBe(200)
})

describe('an attempt that could not be made, for a reason of ours, counts for nothing', () => {
  interface Counter {
    failures: number
    isBlocked: boolean
  }
  /** Of one account and one address. */
  async function startCounting() {
    const { platform, at } = await start()
    const ctx: RequestContext = { ...platform.tenant.ctx, clientAddress: newAddress() }
    const account = randomUUID()
    const counters = () =>
      platform.query<Counter>(
        `select failures, blocked_until is not null as "isBlocked" from internal.login_attempts order by failures, blocked_until`,
      )
    return { at, attempt: () => admit(ctx, 'login', account), counters }
  }
  const fail = () => Promise.reject(new Error('out of order'))

  test('it is taken back, of the account and of the address', async () => {
    const { attempt, counters } = await startCounting()
    await expect((await attempt()).decide(fail)).rejects.toThrow('out of order')
    expect(await counters()).toEqual([])
  })

  test('it alone is taken back, in whatever order attempts end', async () => {
    const { attempt, counters } = await startCounting()
    const [first, , third] = [await attempt(), await attempt(), await attempt()]
    expect(await third.decide(async () => 'wrong')).toBe('wrong')
    await expect(first.decide(fail)).rejects.toThrow()
    expect(await counters()).toEqual(Array(2).fill({ failures: 2, isBlocked: false }))
  })

  test('the block that it set goes with it, and is set and told anew', async () => {
    const { attempt, counters } = await startCounting()
    for (let failure = 1; failure <= 4; failure++) await attempt()
    for (let fault = 1; fault <= 3; fault++) {
      const fifth = await attempt()
      expect(fifth.isFirstToBlock).toBe(true)
      await expect(attempt()).rejects.toMatchObject({ code: 'rate_limited' })
      await expect(fifth.decide(fail)).rejects.toThrow('out of order')
      expect(await counters()).toEqual([
        { failures: 4, isBlocked: false },
        // A refused one costs the address one all the same.
        { failures: 4 + fault, isBlocked: false },
      ])
    }
  })

  test('a block that another failure set stays', async () => {
    const { attempt, counters } = await startCounting()
    const first = await attempt()
    for (let failure = 2; failure <= 5; failure++) await attempt()
    await expect(first.decide(fail)).rejects.toThrow()
    expect(await counters()).toEqual([
      { failures: 4, isBlocked: true },
      { failures: 4, isBlocked: false },
    ])
  })

  test('a failure of a later series stays', async () => {
    const { at, attempt, counters } = await startCounting()
    const slow = await attempt()
    // The account is proven and forgiven; the minute of the address is over.
    await (await attempt()).forgive()
    at(61)
    await attempt()
    await expect(slow.decide(fail)).rejects.toThrow()
    expect(await counters()).toEqual(Array(2).fill({ failures: 1, isBlocked: false }))
  })

  test('what is thrown is told, also when the failure cannot be taken back', async () => {
    const { platform } = await start()
    const ctx: RequestContext = { ...platform.tenant.ctx, clientAddress: newAddress() }
    const attempt = await admit(ctx, 'login', randomUUID())
    await platform.withoutDatabase(async () => {
      await expect(attempt.decide(fail)).rejects.toThrow('out of order')
    })
  })

  test('so nobody is locked out while too many passwords are being checked', async () => {
    const { platform } = await start()
    const person = await givenPerson(platform)
    const invited = await givenPerson(platform)
    const session = await logIn(platform, person)
    const { body } = await callAsAdmin(platform, 'inviteMember', { body: { email: invited.email, role: 'viewer' } })
    const newPassword = 'seven green kettles sing'
    const requests = {
      login: () => platform.call('login', { body: { email: person.email, password: person.password } }),
      changePassword: () =>
        platform.call('changePassword', {
          token: session.accessToken,
          body: { current_password: person.password, new_password: newPassword },
        }),
      acceptInvite: () =>
        platform.call('acceptInvite', { body: { token: body.invite_token, password: invited.password } }),
    }
    let isOver = false
    const flood = Array.from({ length: 61 * availableParallelism() }, async () => {
      while (!isOver) await hashPassword('password')
    })
    for (const [name, ask] of Object.entries(requests)) {
      for (let attempt = 1; attempt <= 7; attempt++) expect((await ask()).status, name).toBe(503)
    }
    isOver = true
    await Promise.all(flood)
    for (const [name, ask] of Object.entries(requests)) expect((await ask()).status, name).toBe(200)
  })
})

test('a server has made its decoy before it listens: the first stranger is told as fast as anybody', async () => {
  const { platform } = await start()
  vi.resetModules()
  const fresh = await import('../../src/auth/password.ts')
  const server = await (await import('../../src/main/api.ts')).startApi({ ...platform.config, port: 0 })
  onTestFinished(server.stop)
  expect(fresh.countHashes()).toBe(1)
  expect((await logInFrom({ ...platform, url: server.url }, newAddress(), wrong(nobody()))).status).toBe(401)
  expect(fresh.countHashes()).toBe(2)
})

function tally(answers: readonly RawAnswer[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
