import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { SignJWT } from 'jose'
import { afterEach, expect, test } from 'vitest'
import type { SigningKey } from '../../src/secrets/keyring.ts'
import { expectProblem, masked } from '../support/answer.ts'
import { expectRateLimited } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { givenPerson, logIn, statusOf } from '../support/sessions.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

const signingKey = (): SigningKey => platform.ctx.keys.signingKeys[0]

/** A token like ours but for what is given; a claim that is undefined is left out. */
function forge({
  header = {},
  claims = {},
  key = signingKey().privateKey,
}: {
  header?: { alg?: string; typ?: string; kid?: string }
  claims?: Record<string, unknown>
  key?: SigningKey['privateKey'] | Uint8Array
} = {}): Promise<string> {
  const now = Math.floor(platform.ctx.clock().getTime() / 1000)
  const { tenantId, userId } = platform.tenant
  const payload = {
    sub: userId,
    tenant_id: tenantId,
    role: 'manager',
    iss: 'skeldir',
    aud: 'skeldir-api',
    jti: randomUUID(),
    sid: randomUUID(),
    auth_time: now,
    iat: now,
    nbf: now,
    exp: now + 900,
    ...claims,
  }
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: signingKey().kid, ...header })
    .sign(key)
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

test.each(['viewer', 'manager', 'admin'] as const)('200: a %s', async (role) => {
  const { tenantId, userId, tokens } = platform.tenant
  const { status, body } = await platform.call('verifyToken', { token: tokens[role] })
  expect(status).toBe(200)
  const lifetime = Date.parse(body.expires_at) - Date.now()
  expect(lifetime).toBeGreaterThan(0)
  expect(lifetime).toBeLessThanOrEqual(platform.config.accessTokenSeconds * 1_000)
  expect(body).toEqual({ valid: true, user_id: userId, tenant_id: tenantId, role, expires_at: body.expires_at })
})

test('200: a token until its last second, 401 from then on', async () => {
  const expiresAt = Math.floor(Date.now() / 1000) + 900
  const token = await forge({ claims: { exp: expiresAt } })
  platform.setNow(new Date(expiresAt * 1000 - 1))
  expect((await platform.call('verifyToken', { token })).status).toBe(200)
  platform.setNow(new Date(expiresAt * 1000))
  expectProblem(await platform.call('verifyToken', { token }), 'unauthorized')
})

test('200: what is forged with our own key is a token of ours, so each refusal below is for its one difference', async () => {
  expect((await platform.call('verifyToken', { token: await forge() })).status).toBe(200)
})

test('401: whatever is wrong with a token, the answer is one and the same', async () => {
  const { publicKey, kid } = signingKey()
  const now = Math.floor(Date.now() / 1000)
  const good = await forge()
  const [head = '', payload = '', signature = ''] = good.split('.')
  const stranger = generateKeyPairSync('ed25519').privateKey
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const hmacKeys = {
    raw: Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'),
    der: publicKey.export({ format: 'der', type: 'spki' }),
    pem: Buffer.from(publicKey.export({ format: 'pem', type: 'spki' })),
  }
  const tokens: Record<string, string> = {
    expired: await forge({ claims: { iat: now - 1000, nbf: now - 1000, exp: now - 1 } }),
    'not yet valid': await forge({ claims: { nbf: now + 60 } }),
    'another audience': await forge({ claims: { aud: 'another-api' } }),
    'another issuer': await forge({ claims: { iss: 'another' } }),
    'another type': await forge({ header: { typ: 'JWT' } }),
    'an unknown role': await forge({ claims: { role: 'owner' } }),
    'a role that is no text': await forge({ claims: { role: ['admin'] } }),
    'no tenant': await forge({ claims: { tenant_id: undefined } }),
    'no subject': await forge({ claims: { sub: undefined } }),
    'no expiry': await forge({ claims: { exp: undefined } }),
    'no id': await forge({ claims: { jti: undefined } }),
    'alg none': `${encode({ alg: 'none', typ: 'at+jwt', kid })}.${payload}.`,
    'alg none with a signature': `${encode({ alg: 'none', typ: 'at+jwt', kid })}.${payload}.${signature}`,
    'HS256 with the public key': await forge({ header: { alg: 'HS256' }, key: hmacKeys.raw }),
    'HS256 with the public key in DER': await forge({ header: { alg: 'HS256' }, key: hmacKeys.der }),
    'HS256 with the public key in PEM': await forge({ header: { alg: 'HS256' }, key: hmacKeys.pem }),
    'an unknown key id': await forge({ header: { kid: '0123456789abcdef' } }),
    "another key's signature": await forge({ key: stranger }),
    'a critical extension': `${encode({ alg: 'EdDSA', typ: 'at+jwt', kid, crit: ['x'], x: 1 })}.${payload}.${signature}`,
    'another role under the old signature': `${head}.${encode({ ...claims, role: 'admin' })}.${signature}`,
    truncated: good.slice(0, -4),
    'without its signature': `${head}.${payload}.`,
    'two parts': `${head}.${payload}`,
    'no JWT': 'abc',
    empty: '',
    'very long': 'a'.repeat(8_000),
  }
  const expected = masked(await platform.call('verifyToken', { token: null }))
  for (const [name, token] of Object.entries(tokens)) {
    const answer = await platform.call('verifyToken', { token })
    expectProblem(answer, 'unauthorized')
    expect(masked(answer), name).toBe(expected)
  }
  const basic = await platform.call('verifyToken', { token: null, headers: { authorization: `Basic ${good}` } })
  expect(masked(basic)).toBe(expected)
})

test('401: comes before everything that may be wrong with the request besides', async () => {
  const headers = { accept: 'text/html', 'x-correlation-id': 'mine' }
  expectProblem(await platform.call('verifyToken', { token: null, headers, query: { a: 'b' } }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('verifyToken', { headers: { accept: 'application/xml' } }), 'not_acceptable')
})

test('503: it cannot be known what is revoked, once the database has been gone for a second', async () => {
  const { accessToken } = await logIn(platform, await givenPerson(platform))
  const answer = await platform.withoutDatabase(async () => {
    const deadline = performance.now() + 10_000
    for (;;) {
      const answered = await platform.call('verifyToken', { token: accessToken })
      if (answered.status !== 200 || performance.now() > deadline) return answered
      await sleep(50)
    }
  })
  expectProblem(answer, 'service_unavailable')
  expect(await statusOf(platform, accessToken)).toBe(200)
})

test('422: a correlation id that is no uuid', async () => {
  const answer = await platform.call('verifyToken', { headers: { 'x-correlation-id': 'mine' } })
  expectProblem(answer, 'validation_failed', ['/header/x-correlation-id'])
})

test('422: a query that nobody asked for', async () => {
  expectProblem(await platform.call('verifyToken', { query: { token: 'x' } }), 'validation_failed', ['/query/token'])
})

test('429: the quota is used up, which comes before whatever is wrong with the request', async () => {
  await expectRateLimited(platform, 'verifyToken', { query: { nobody: 'asked' } })
})
