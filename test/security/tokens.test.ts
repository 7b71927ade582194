import { createHmac, generateKeyPairSync, randomBytes, randomUUID, sign as signBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SignJWT } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openSession } from '../../src/auth/service.ts'
import { issueAccessToken } from '../../src/auth/token.ts'
import { inTenant, type Tx } from '../../src/db/tenant.ts'
import { startApi } from '../../src/main/api.ts'
import { deriveKeyRing } from '../../src/secrets/keyring.ts'
import { expectProblem, masked } from '../support/answer.ts'
import { type Answer, usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, type Person, refresh, type Session, statusOf, toSession } from '../support/sessions.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

let person: Person
let refused: string
beforeAll(async () => {
  person = await givenPerson(platform, { role: 'manager' })
  refused = masked(await platform.call('verifyToken', { token: null }))
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const seconds = () => Math.floor(platform.ctx.clock().getTime() / 1000)
const signing = () => platform.ctx.keys.signingKeys[0]

const header = () => ({ alg: 'EdDSA', typ: 'at+jwt', kid: signing().kid })

function claims(): Record<string, unknown> {
  const { userId, tenant } = person
  const now = seconds()
  return {
    sub: userId,
    tenant_id: tenant.tenantId,
    role: 'manager',
    sid: randomUUID(),
    auth_time: now,
    jti: randomUUID(),
    iss: 'skeldir',
    aud: 'skeldir-api',
    iat: now,
    nbf: now,
    exp: now + 900,
  }
}

/** A JWS of any header and payload, however wrong. */
function forge(
  changes: { header?: Record<string, unknown>; claims?: Record<string, unknown> } = {},
  signature: (input: Buffer) => Buffer = (input) => signBytes(null, input, signing().privateKey),
): string {
  const input = `${encode({ ...header(), ...changes.header })}.${encode({ ...claims(), ...changes.claims })}`
  return `${input}.${signature(Buffer.from(input)).toString('base64url')}`
}

/** Nothing of it is accepted, anywhere, and nothing tells why. */
async function expectRefused(tokens: Record<string, string>): Promise<void> {
  for (const [name, token] of Object.entries(tokens)) {
    const answer = await platform.call('verifyToken', { token })
    expect(masked(answer), name).toBe(refused)
    expectProblem(await platform.call('listSessions', { token }), 'unauthorized')
  }
}

test('what is forged by our own key is accepted, so each refusal below is for its one difference', async () => {
  expect(await statusOf(platform, forge())).toBe(200)
  const jose = new SignJWT(claims()).setProtectedHeader(header())
  expect(await statusOf(platform, await jose.sign(signing().privateKey))).toBe(200)
})

test('no algorithm but ours: none in any spelling, HMAC with our public key, RSA, ECDSA, another curve', async () => {
  const { publicKey } = signing()
  const publicForms = {
    raw: Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'),
    der: publicKey.export({ format: 'der', type: 'spki' }),
    pem: Buffer.from(publicKey.export({ format: 'pem', type: 'spki' })),
    jwk: Buffer.from(JSON.stringify(publicKey.export({ format: 'jwk' }))),
  }
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const hmac = (secret: Buffer) => (input: Buffer) => createHmac('sha256', secret).update(input).digest()
  const good = (input: Buffer) => signBytes(null, input, signing().privateKey)
  const algorithms = (signature: (input: Buffer) => Buffer, ...names: unknown[]) =>
    Object.fromEntries(names.map((alg) => [`alg ${JSON.stringify(alg)}`, forge({ header: { alg } }, signature)]))
  await expectRefused({
    ...algorithms(() => Buffer.alloc(0), 'none', 'None', 'NONE', 'nOnE', '', null),
    ...algorithms(good, 'none ', 'eddsa', 'ES256', 'RS256', 'HS256', 'Ed448', ['EdDSA'], { EdDSA: 1 }, 0, undefined),
    ...Object.fromEntries(
      Object.entries(publicForms).flatMap(([form, secret]) =>
        ['HS256', 'HS384', 'HS512', 'EdDSA'].map((alg) => [
          `${alg} with our ${form}`,
          forge({ header: { alg } }, hmac(secret)),
        ]),
      ),
    ),
    RS256: forge({ header: { alg: 'RS256' } }, (input) => signBytes('sha256', input, rsa)),
    'RS256 that claims to be ours': forge({}, (input) => signBytes('sha256', input, rsa)),
    ES256: forge({ header: { alg: 'ES256' } }, (input) =>
      signBytes('sha256', input, { key: ec, dsaEncoding: 'ieee-p1363' }),
    ),
  })
})

test('the header chooses no key: traversal, SQL, lists, objects, URLs and keys that it brings along', async () => {
  const stranger = generateKeyPairSync('ed25519')
  const jwk = stranger.publicKey.export({ format: 'jwk' })
  const asked: string[] = []
  const trap = createServer((req, res) => {
    asked.push(req.url ?? '')
    res.end(JSON.stringify({ keys: [{ ...jwk, kid: signing().kid, alg: 'EdDSA', use: 'sig' }] }))
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void trap.close())
  const url = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/jwks.json`
  const byStranger = (input: Buffer) => signBytes(null, input, stranger.privateKey)
  const kids: unknown[] = [
    '../../../../dev/null',
    '/dev/null',
    'file:///dev/null',
    url,
    "' or '1'='1",
    "x' union select 'AAAA' --",
    `${signing().kid}\0`,
    ` ${signing().kid}`,
    signing().kid.toUpperCase() === signing().kid ? 'x' : signing().kid.toUpperCase(),
    platform.ctx.keys.wrappingKeys[0].kid,
    '__proto__',
    'constructor',
    '0',
    '',
    [signing().kid],
    { toString: signing().kid },
    0,
    true,
    null,
    undefined,
  ]
  await expectRefused({
    ...Object.fromEntries(kids.map((kid) => [`kid ${JSON.stringify(kid)}`, forge({ header: { kid } })])),
    ...Object.fromEntries(
      kids.map((kid) => [`kid ${JSON.stringify(kid)}, another key`, forge({ header: { kid } }, byStranger)]),
    ),
    jku: forge({ header: { jku: url } }, byStranger),
    x5u: forge({ header: { x5u: url } }, byStranger),
    jwk: forge({ header: { jwk } }, byStranger),
    'jwk without a kid': forge({ header: { jwk, kid: undefined } }, byStranger),
    x5c: forge(
      { header: { x5c: [stranger.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')] } },
      byStranger,
    ),
    'a critical extension': forge({ header: { crit: ['exp'], exp: 1 } }),
    'an unencoded payload': forge({ header: { crit: ['b64'], b64: false } }),
    compressed: forge({ header: { zip: 'DEF', crit: ['zip'] } }),
  })
  // A key that comes along with a good signature changes nothing either: it is not looked at.
  expect(await statusOf(platform, forge({ header: { jku: url, jwk } }))).toBe(200)
  expect(asked).toEqual([])
})

test('no claim but ours: type, issuer, audience, times, ids, role', async () => {
  const now = seconds()
  const types = ['JWT', 'at', 'application/jwt', 'id+jwt', 'logout+jwt', '', null, ['at+jwt'], undefined]
  const others: Record<string, unknown[]> = {
    iss: ['skeldir-eu', 'https://skeldir', '', ['skeldir', 'x'], null, undefined],
    aud: ['skeldir', 'skeldir-api-2', ['other'], [], '', null, undefined],
    sub: ['', 'admin', "' or true --", '00000000-0000-0000-0000-00000000000Z', [randomUUID()], null, undefined],
    tenant_id: ['', '*', "'; set role skeldir_owner --", [person.tenant.tenantId], { $ne: 1 }, null, undefined],
    sid: ['', 'x', null, undefined],
    jti: ['', 'x', 1, null, undefined],
    role: ['owner', 'Admin', 'admin ', ['admin'], { admin: true }, '', null, undefined],
    exp: [now, now - 1, 0, -1, String(now + 900), null, undefined, now + 901, now + 86_400, 1e300],
    nbf: [now + 60, String(now), null, undefined, 1e300],
    iat: [now + 60, String(now), null, undefined],
    auth_time: [String(now), 'now', null, undefined],
  }
  await expectRefused({
    ...Object.fromEntries(types.map((typ) => [`typ ${JSON.stringify(typ)}`, forge({ header: { typ } })])),
    ...Object.fromEntries(
      Object.entries(others).flatMap(([name, values]) =>
        values.map((value) => [`${name} ${JSON.stringify(value)}`, forge({ claims: { [name]: value } })]),
      ),
    ),
  })
})

test('what is not a token: cut, padded, doubled, encoded otherwise, nested', async () => {
  const good = forge()
  const [head = '', payload = '', signature = ''] = good.split('.')
  const flip = (text: string, at: number) => `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
  const bytes = Buffer.from(signature, 'base64url')
  await expectRefused({
    empty: '',
    'two parts': `${head}.${payload}`,
    'no signature': `${head}.${payload}.`,
    'half a signature': `${head}.${payload}.${signature.slice(0, 43)}`,
    'zeros for a signature': `${head}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    'a longer signature': `${head}.${payload}.${Buffer.concat([bytes, bytes]).toString('base64url')}`,
    'four parts': `${good}.${signature}`,
    'five parts, as if encrypted': `${good}.${payload}.${signature}`,
    'another payload': `${head}.${encode({ ...claims(), role: 'admin' })}.${signature}`,
    'a bit of the header': `${flip(head, 5)}.${payload}.${signature}`,
    'a bit of the payload': `${head}.${flip(payload, 9)}.${signature}`,
    'a bit of the signature': `${head}.${payload}.${flip(signature, 3)}`,
    padded: `${head}=.${payload}==.${signature}`,
    'no object': `${head}.${Buffer.from('[]').toString('base64url')}.${signature}`,
    'as JSON': JSON.stringify({ protected: head, payload, signature }),
    'of 5,000 characters': `${good}${'A'.repeat(5_000)}`,
    'itself in itself': `${head}.${Buffer.from(good).toString('base64url')}.${signature}`,
  })
})

test('a token of another deployment: another master key, another issuer, another audience', async () => {
  const now = new Date()
  const who = {
    userId: person.userId,
    tenantId: person.tenant.tenantId,
    role: 'manager',
    sessionId: randomUUID(),
    openedAt: now,
  } as const
  const issue = async (...args: Parameters<typeof issueAccessToken>) => (await issueAccessToken(...args)).token
  await expectRefused({
    'master key': await issue(deriveKeyRing([randomBytes(32)]), who, now, 900),
    issuer: await issue(platform.ctx.keys, who, now, 900, { issuer: 'skeldir-eu', audience: 'skeldir-api' }),
    audience: await issue(platform.ctx.keys, who, now, 900, { issuer: 'skeldir', audience: 'skeldir-eu' }),
  })
})

test('keys overlap: a process that has the new key and the old takes tokens of both, and issues by the new', async () => {
  const newKey = randomBytes(32)
  const rotated = await startApi({ ...platform.config, port: 0, masterKeys: [newKey, ...platform.config.masterKeys] })
  onTestFinished(rotated.stop)
  const old = await logIn(platform, person)
  const verify = async (token: string) =>
    (await fetch(`${rotated.url}/api/auth/verify`, { headers: { authorization: `Bearer ${token}` } })).status
  expect(await verify(old.accessToken)).toBe(200)
  const response = await fetch(`${rotated.url}/api/auth/refresh`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refresh_token: old.refreshToken }),
  })
  const next = (await response.json()) as { access_token: string }
  expect(await verify(next.access_token)).toBe(200)
  // A process that does not have the new key yet refuses: the key is added everywhere before it is put in front.
  expect(await statusOf(platform, next.access_token)).toBe(401)
})

test('expiry to the millisecond, and a clock that is five seconds behind', async () => {
  const at = Math.ceil(Date.now() / 1000) * 1000
  platform.setNow(new Date(at))
  const { accessToken } = await logIn(platform, person)
  for (const [offset, status] of [
    [0, 200],
    [-5_000, 200],
    [-5_001, 401],
    [899_999, 200],
    [900_000, 401],
    [3_600_000, 401],
  ] as const) {
    platform.setNow(new Date(at + offset))
    // Whether it was verified before or not.
    expect(await statusOf(platform, accessToken), `${offset} ms`).toBe(status)
  }
})

describe('the access token of somebody', () => {
  test.each<[string, (person: Person) => Promise<unknown>]>([
    ['whose account was deleted', ({ userId }) => removeAccount(userId)],
    [
      'who was disabled',
      ({ userId }) => platform.query(`update users set status = 'disabled' where user_id = $1`, [userId]),
    ],
    ['who was removed', ({ userId }) => platform.query('delete from memberships where user_id = $1', [userId])],
    [
      'who was demoted',
      ({ userId }) => platform.query(`update memberships set role = 'viewer' where user_id = $1`, [userId]),
    ],
  ])('%s is refused within a second, and so is their refresh token', async (_, happen) => {
    const victim = await givenPerson(platform, { role: 'admin' })
    const session = await logIn(platform, victim)
    expect(await statusOf(platform, session.accessToken)).toBe(200)
    await happen(victim)
    const began = performance.now()
    while ((await statusOf(platform, session.accessToken)) !== 401) {
      if (performance.now() - began > 5_000) throw new Error('it is still accepted')
      await sleep(2)
    }
    expect(performance.now() - began).toBeLessThan(1_000)
    const { status, body } = await refresh(platform, session.refreshToken)
    expect(status === 401 || body.user.role === 'viewer').toBe(true)
  })

  async function removeAccount(userId: string): Promise<void> {
    for (const table of ['sessions', 'memberships', 'users'])
      await platform.query(`delete from ${table} where user_id = $1`, [userId])
  }
})

describe('refresh tokens', () => {
  // Each of these tests fails often, from one address.
  const forgetFailures = () => platform.query('delete from internal.login_attempts')
  beforeEach(forgetFailures)

  const open = async (): Promise<Session> => logIn(platform, await givenPerson(platform))

  /** That nothing of the session is good any more. */
  async function expectEnded(...sessions: Session[]): Promise<void> {
    for (const { accessToken, refreshToken } of sessions) {
      expect(await statusOf(platform, accessToken)).toBe(401)
      expectProblem(await refresh(platform, refreshToken), 'unauthorized')
    }
  }

  test('two at once, ten at once: one successor, and the session goes on', async () => {
    for (const times of [2, 10]) {
      const session = await open()
      const answers = await Promise.all(Array.from({ length: times }, () => refresh(platform, session.refreshToken)))
      expect(answers.map(({ status }) => status)).toEqual(Array(times).fill(200))
      expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1)
      const stored = await platform.query('select from refresh_tokens where session_id = $1 and rotated_at is null', [
        session.sessionId,
      ])
      expect(stored).toHaveLength(1)
      expect((await refresh(platform, (answers[0] as Answer).body.refresh_token)).status).toBe(200)
    }
  })

  test('an ancestor inside the grace period of its successor ends the session', async () => {
    const at = Date.now()
    platform.setNow(new Date(at))
    const first = await open()
    const second = toSession(await refresh(platform, first.refreshToken))
    const third = toSession(await refresh(platform, second.refreshToken))
    // No time has passed: the predecessor is still good, the one before it is not.
    expect(toSession(await refresh(platform, second.refreshToken)).refreshToken).toBe(third.refreshToken)
    expectProblem(await refresh(platform, first.refreshToken), 'unauthorized')
    await expectEnded(first, second, third)
  })

  test('the predecessor after its ten seconds ends the session', async () => {
    const at = Date.now()
    platform.setNow(new Date(at))
    const first = await open()
    const second = toSession(await refresh(platform, first.refreshToken))
    platform.setNow(new Date(at + 10_001))
    expectProblem(await refresh(platform, first.refreshToken), 'unauthorized')
    await expectEnded(first, second)
  })

  test('a thief and the owner: whoever comes second ends it for both', async () => {
    for (const thiefIsFirst of [true, false]) {
      const at = Date.now()
      platform.setNow(new Date(at))
      const stolen = await open()
      const winner = toSession(await refresh(platform, stolen.refreshToken))
      platform.setNow(new Date(at + 60_000))
      const ahead = toSession(await refresh(platform, winner.refreshToken))
      platform.setNow(new Date(at + 120_000))
      expectProblem(await refresh(platform, thiefIsFirst ? stolen.refreshToken : winner.refreshToken), 'unauthorized')
      await expectEnded(stolen, winner, ahead)
    }
  })

  test('a log-out and a refresh at once leave nothing good', async () => {
    for (let round = 0; round < 5; round++) {
      const session = await open()
      const [answer] = await Promise.all([
        refresh(platform, session.refreshToken),
        platform.call('logout', { token: session.accessToken }),
      ])
      await expectEnded(session, ...(answer.status === 200 ? [toSession(answer)] : []))
    }
  })

  test('a cut-off and a refresh at once leave nothing good', async () => {
    for (let round = 0; round < 5; round++) {
      const victim = await givenPerson(platform)
      const { tenant, userId } = victim
      const session = await logIn(platform, victim)
      const body = { user_id: userId }
      const [answer] = await Promise.all([
        refresh(platform, session.refreshToken),
        platform.call('adminRevokeTokensBefore', { tenant, token: tenant.tokens.admin, body }),
      ])
      await expectEnded(session, ...(answer.status === 200 ? [toSession(answer)] : []))
    }
  })

  test('a new password and a refresh in another tenant at once leave nothing good', async () => {
    for (let round = 0; round < 6; round++) {
      const victim = await givenPerson(platform)
      const second = await platform.createTenant()
      await platform.query(`insert into memberships (tenant_id, user_id, role) values ($1, $2, 'viewer')`, [
        second.tenantId,
        victim.userId,
      ])
      const own = await logIn(platform, victim)
      const there = await logIn(platform, { ...victim, tenant: second })
      const [changed, refreshed] = await Promise.all([
        changePassword(own, victim),
        // Changing takes two hashes: these come in between, or right at the end.
        sleep(round * 25).then(() => refresh(platform, there.refreshToken)),
      ])
      expect(changed.status).toBe(200)
      await forgetFailures()
      await expectEnded(there, ...(refreshed.status === 200 ? [toSession(refreshed)] : []))
      expect(await statusOf(platform, own.accessToken)).toBe(200)
    }
  })

  test('a session that is being opened by the old password ends with it, and none is opened by it afterwards', async () => {
    const victim = await givenPerson(platform)
    const { userId, tenant } = victim
    const own = await logIn(platform, victim)
    const [{ hash }] = (await platform.query<{ hash: string }>(
      'select password_hash as hash from users where user_id = $1',
      [userId],
    )) as [{ hash: string }]
    const open = (tx: Tx) => openSession(tenant.ctx, tx, { tenantId: tenant.tenantId, userId, passwordHash: hash })
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>()
    // By a process whose clock is ahead.
    platform.setNow(new Date(Date.now() + 3_000))
    const opening = inTenant(platform.ctx.db.main, tenant.ctx, async (tx) => {
      const tokens = await open(tx)
      enter()
      await released
      return tokens
    })
    await entered
    platform.setNow(null)
    const changing = changePassword(own, victim)
    await someoneWaits()
    release()
    const { accessToken, refreshToken, sessionId } = await opening
    expect((await changing).status).toBe(200)
    await expectEnded({ accessToken, refreshToken, sessionId })
    await expect(inTenant(platform.ctx.db.main, tenant.ctx, open)).rejects.toMatchObject({ code: 'unauthorized' })
  })

  const changePassword = ({ accessToken }: Session, { password }: Person) =>
    platform.call('changePassword', {
      token: accessToken,
      body: { current_password: password, new_password: 'seven green kettles sing' },
    })

  /** Until a transaction of this database waits for another. */
  async function someoneWaits(): Promise<void> {
    const deadline = performance.now() + 10_000
    const find = () =>
      platform.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
    while ((await find()).length === 0) {
      if (performance.now() > deadline) throw new Error('nobody waits')
      await sleep(5)
    }
  }

  test("one tenant's token opens no session of another: the tenant comes from the token alone", async () => {
    const two = await givenPerson(platform)
    const second = await platform.createTenant()
    await platform.query(`insert into memberships (tenant_id, user_id, role) values ($1, $2, 'admin')`, [
      second.tenantId,
      two.userId,
    ])
    const session = await logIn(platform, two)
    const body = { refresh_token: session.refreshToken, tenant: second.slug }
    expectProblem(await platform.call('refreshToken', { body }), 'validation_failed', ['/body/tenant'])
    const { body: next } = await refresh(platform, session.refreshToken)
    expect(next.tenant.tenant_id).toBe(two.tenant.tenantId)
    expect(next.user.role).toBe('viewer')
  })

  test('what is stored is of no use: hashes, from which no token can be made', async () => {
    const session = await open()
    const next = toSession(await refresh(platform, session.refreshToken))
    const [{ text }] = (await platform.query<{ text: string }>(
      `select string_agg(t::text, chr(10)) as text from refresh_tokens as t where session_id = $1`,
      [session.sessionId],
    )) as [{ text: string }]
    for (const { refreshToken } of [session, next]) {
      const secret = refreshToken.slice(4)
      expect(text).not.toContain(secret)
      expect(text).not.toContain(Buffer.from(secret, 'base64url').toString('hex'))
    }
    const hashes = text.match(/[0-9a-f]{64}/g) ?? []
    expect(hashes.length).toBeGreaterThanOrEqual(2)
    for (const hash of new Set(hashes)) {
      const guess = `skr_${Buffer.from(hash, 'hex').toString('base64url')}`
      expectProblem(await refresh(platform, guess), 'unauthorized')
    }
    expect((await refresh(platform, next.refreshToken)).status).toBe(200)
  })
})

test('tokens are no keys and keys are no tokens', async () => {
  const { accessToken, refreshToken } = await logIn(platform, person)
  await expectRefused({ 'a refresh token': refreshToken, 'an API key': person.tenant.apiKey })
  for (const key of [accessToken.slice(0, 200), refreshToken]) {
    const headers = { 'x-skeldir-tenant-key': key }
    const answer = await platform.call('ingestTouchpoints', { token: null, headers, body: { touchpoints: [] } })
    expectProblem(answer, 'unauthorized')
  }
})
