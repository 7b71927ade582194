import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { deriveKeyRing } from '../secrets/keyring.ts'
import { issueAccessToken, readAccessToken } from './token.ts'

const oldKey = randomBytes(32)
const newKey = randomBytes(32)
const keys = deriveKeyRing([oldKey])
const NOW = new Date('2026-03-02T10:00:00.900Z')
const after = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)
const who = {
  userId: randomUUID(),
  tenantId: randomUUID(),
  role: 'manager',
  sessionId: randomUUID(),
  openedAt: new Date('2026-03-01T08:00:00.123Z'),
} as const

test('what was issued is read back, until it expires', async () => {
  const { token, expiresAt } = await issueAccessToken(keys, who, NOW, 900)
  expect(expiresAt).toEqual(new Date('2026-03-02T10:15:00.000Z'))
  const notBefore = new Date('2026-03-02T09:59:55.000Z')
  expect(await readAccessToken(keys, token, NOW)).toEqual({ ...who, notBefore, expiresAt })
  expect(await readAccessToken(keys, token, after(899))).not.toBeNull()
})

test.each([
  ['5 s before the second of its issue, by a clock that is behind', -5.9, true],
  ['a millisecond before that', -5.901, false],
  ['in the last millisecond before its expiry', 899.099, true],
  ['at its expiry: no clock is given more time', 899.1, false],
  ['long after', 10_000, false],
])('skew: %s', async (_, seconds, isRead) => {
  const { token } = await issueAccessToken(keys, who, NOW, 900)
  expect((await readAccessToken(keys, token, after(seconds))) !== null).toBe(isRead)
})

test('lives for 15 minutes at most, whatever was configured', async () => {
  const { token, expiresAt } = await issueAccessToken(keys, who, NOW, 86_400)
  expect(expiresAt).toEqual(new Date('2026-03-02T10:15:00.000Z'))
  expect(await readAccessToken(keys, token, after(900))).toBeNull()
})

test('belongs to the deployment whose issuer and audience it names', async () => {
  const realm = { issuer: 'https://eu.example.test', audience: 'eu' }
  const { token } = await issueAccessToken(keys, who, NOW, 900, realm)
  expect(await readAccessToken(keys, token, NOW, realm)).not.toBeNull()
  expect(await readAccessToken(keys, token, NOW)).toBeNull()
  expect(await readAccessToken(keys, token, NOW, { ...realm, issuer: 'https://us.example.test' })).toBeNull()
  expect(await readAccessToken(keys, token, NOW, { ...realm, audience: 'us' })).toBeNull()
})

test('says what it must and no more, and is signed by the newest key', async () => {
  const ring = deriveKeyRing([newKey, oldKey])
  const { token } = await issueAccessToken(ring, who, NOW, 900)
  expect(decodeProtectedHeader(token)).toEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: ring.signingKeys[0].kid })
  expect(Object.keys(decodeJwt(token)).sort()).toEqual(
    ['aud', 'auth_time', 'exp', 'iat', 'iss', 'jti', 'nbf', 'role', 'sid', 'sub', 'tenant_id'].sort(),
  )
  expect(await readAccessToken(deriveKeyRing([newKey]), token, NOW)).not.toBeNull()
})

test('a token outlives the rotation of its key for as long as the key stays in the ring', async () => {
  const { token } = await issueAccessToken(keys, who, NOW, 900)
  expect(await readAccessToken(deriveKeyRing([newKey, oldKey]), token, NOW)).not.toBeNull()
  expect(await readAccessToken(deriveKeyRing([newKey]), token, NOW)).toBeNull()
})

describe('is not read', () => {
  const [signing] = keys.signingKeys
  const header = { alg: 'EdDSA', typ: 'at+jwt', kid: signing.kid }
  const seconds = Math.floor(NOW.getTime() / 1000)
  const claims: JWTPayload = {
    sub: who.userId,
    tenant_id: who.tenantId,
    role: 'manager',
    iss: 'skeldir',
    aud: 'skeldir-api',
    jti: randomUUID(),
    sid: who.sessionId,
    auth_time: seconds,
    iat: seconds,
    nbf: seconds,
    exp: seconds + 900,
  }
  const sign = (changes: JWTPayload = {}, protectedHeader: object = {}, key = signing.privateKey) =>
    new SignJWT({ ...claims, ...changes }).setProtectedHeader({ ...header, ...protectedHeader }).sign(key)
  const without = (name: string) =>
    new SignJWT(Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name)))
      .setProtectedHeader(header)
      .sign(signing.privateKey)
  const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

  test('the token that the following ones change is read', async () => {
    expect(await readAccessToken(keys, await sign(), NOW)).not.toBeNull()
  })

  test.each<[string, () => string | Promise<string>]>([
    ['another issuer', () => sign({ iss: 'someone' })],
    ['another audience', () => sign({ aud: 'skeldir' })],
    ['another type', () => sign({}, { typ: 'JWT' })],
    ['an unknown key', () => sign({}, { kid: '0123456789abcdef' })],
    ["another key under our key's name", () => sign({}, {}, generateKeyPairSync('ed25519').privateKey)],
    ['a role that there is not', () => sign({ role: 'root' })],
    ['a role that is no text', () => sign({ role: ['admin'] })],
    ['a tenant that is no text', () => sign({ tenant_id: 7 })],
    ['not valid yet', () => sign({ nbf: seconds + 60 })],
    ['issued in the future', () => sign({ iat: seconds + 60, exp: seconds + 900 })],
    ['one that lives longer than any of ours', () => sign({ exp: seconds + 901 })],
    ['no time at all', () => sign({ iat: '0' as never })],
    ...['sub', 'tenant_id', 'sid', 'jti'].map((name): [string, () => Promise<string>] => [
      `a ${name} that is no uuid`,
      () => sign({ [name]: "' or true --" }),
    ]),
    ...['sub', 'jti', 'iat', 'nbf', 'exp', 'tenant_id', 'role', 'sid', 'auth_time', 'iss', 'aud'].map(
      (name): [string, () => Promise<string>] => [`no ${name}`, () => without(name)],
    ),
    ['no signature (alg none)', () => `${base64({ ...header, alg: 'none' })}.${base64(claims)}.`],
    [
      'HMAC with our public key as the secret',
      () =>
        new SignJWT(claims)
          .setProtectedHeader({ ...header, alg: 'HS256' })
          .sign(signing.publicKey.export({ format: 'der', type: 'spki' })),
    ],
    [
      'a critical extension that is not understood',
      async () => {
        const [, payload, signature] = (await sign()).split('.')
        return `${base64({ ...header, crit: ['x'], x: 1 })}.${payload}.${signature}`
      },
    ],
    [
      'another payload under the same signature',
      async () => {
        const [head, , signature] = (await sign()).split('.')
        return `${head}.${base64({ ...claims, role: 'admin' })}.${signature}`
      },
    ],
    ['an empty text', () => ''],
    ['not a token', () => 'a.b'],
    ['not base64', () => '!.!.!'],
  ])('%s', async (_, make) => {
    expect(await readAccessToken(keys, await make(), NOW)).toBeNull()
  })
})
