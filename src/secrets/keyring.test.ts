import { randomBytes, randomUUID, sign, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  createTenantKey,
  DecryptionError,
  deriveKeyRing,
  identityHasher,
  open,
  openWebhookSecret,
  seal,
  sealWebhookSecret,
  unwrapTenantKey,
} from './keyring.ts'

const oldMaster = Buffer.alloc(32, 1)
const newMaster = Buffer.alloc(32, 2)
const key = randomBytes(32)

describe('seal and open', () => {
  test.each([0, 1, 16, 17, 10_000])('%i bytes come back', (length) => {
    const plaintext = randomBytes(length)
    expect(open(key, seal(key, plaintext, 'place'), 'place')).toEqual(plaintext)
  })

  test('the same text is sealed differently each time', () => {
    const sealed = Array.from({ length: 100 }, () => seal(key, Buffer.from('same'), 'place').toString('hex'))
    expect(new Set(sealed.map((text) => text.slice(0, 24))).size).toBe(100)
  })

  test('a ciphertext does not open in another place, with another key, or with any bit changed', () => {
    const sealed = seal(key, Buffer.from('secret'), 'tenant-a|purpose|1')
    expect(() => open(key, sealed, 'tenant-b|purpose|1')).toThrow(DecryptionError)
    expect(() => open(randomBytes(32), sealed, 'tenant-a|purpose|1')).toThrow(DecryptionError)
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(() => open(key, changed, 'tenant-a|purpose|1'), `bit ${bit}`).toThrow(DecryptionError)
    }
  })

  test('nor when it was cut short, at any length', () => {
    const sealed = seal(key, Buffer.from('secret'), 'place')
    for (let length = 0; length < sealed.length; length += 1)
      expect(() => open(key, sealed.subarray(0, length), 'place'), `${length} bytes`).toThrow(DecryptionError)
  })
})

describe('the ring', () => {
  test('is the same for the same master keys, and no key of it serves two purposes', () => {
    const ring = deriveKeyRing([oldMaster])
    const again = deriveKeyRing([Buffer.from(oldMaster)])
    expect(again.wrappingKeys).toEqual(ring.wrappingKeys)
    expect(again.signingKeys[0].kid).toBe(ring.signingKeys[0].kid)
    const text = Buffer.from('text')
    expect(verify(null, text, ring.signingKeys[0].publicKey, sign(null, text, again.signingKeys[0].privateKey))).toBe(
      true,
    )

    const seed = ring.signingKeys[0].privateKey.export({ format: 'jwk' }).d
    const wrapping = ring.wrappingKeys[0].key.toString('base64url')
    expect(new Set([seed, wrapping, oldMaster.toString('base64url')]).size).toBe(3)
    expect(ring.signingKeys[0].kid).not.toBe(ring.wrappingKeys[0].kid)
  })

  test('names keys by 16 hex digits that are not part of the key', () => {
    const { signingKeys, wrappingKeys } = deriveKeyRing([oldMaster, newMaster])
    const kids = [...signingKeys, ...wrappingKeys].map(({ kid }) => kid)
    for (const kid of kids) expect(kid).toMatch(/^[0-9a-f]{16}$/)
    expect(new Set(kids).size).toBe(4)
    expect(wrappingKeys[0].key.toString('hex')).not.toContain(wrappingKeys[0].kid)
  })

  test.each([[[]], [[Buffer.alloc(31)]], [[Buffer.alloc(32), Buffer.alloc(33)]]])('refuses %j', (masters) => {
    expect(() => deriveKeyRing(masters)).toThrow(RangeError)
  })
})

describe('tenant keys', () => {
  const tenantId = randomUUID()
  const ring = deriveKeyRing([oldMaster])
  const wrapped = createTenantKey(ring, tenantId, 1)

  test('are random, and come back only as the key of that tenant and version', () => {
    expect(unwrapTenantKey(ring, wrapped)).toMatchObject({ tenantId, version: 1 })
    const other = unwrapTenantKey(ring, createTenantKey(ring, tenantId, 1))
    expect(other.key).not.toEqual(unwrapTenantKey(ring, wrapped).key)
    expect(() => unwrapTenantKey(ring, { ...wrapped, tenantId: randomUUID() })).toThrow(DecryptionError)
    expect(() => unwrapTenantKey(ring, { ...wrapped, version: 2 })).toThrow(DecryptionError)
  })

  test('survive a rotation of the master key while the old one is kept, and no longer', () => {
    const rotated = deriveKeyRing([newMaster, oldMaster])
    expect(unwrapTenantKey(rotated, wrapped)).toEqual(unwrapTenantKey(ring, wrapped))
    const fresh = createTenantKey(rotated, tenantId, 2)
    expect(fresh.wrappingKid).toBe(rotated.wrappingKeys[0].kid)
    expect(unwrapTenantKey(deriveKeyRing([newMaster]), fresh)).toMatchObject({ version: 2 })
    expect(() => unwrapTenantKey(deriveKeyRing([newMaster]), wrapped)).toThrow(
      `the master key ${wrapped.wrappingKid} is not in the ring`,
    )
  })

  test('a webhook secret opens under its own tenant and version only', () => {
    const tenantKey = unwrapTenantKey(ring, wrapped)
    const sealed = sealWebhookSecret(tenantKey, 'endpoint-1', 'whsec_ä')
    expect(openWebhookSecret(tenantKey, 'endpoint-1', sealed)).toBe('whsec_ä')
    expect(sealed.toString('latin1')).not.toContain('whsec')
    expect(() => openWebhookSecret(tenantKey, 'endpoint-2', sealed)).toThrow(DecryptionError)
    expect(() => openWebhookSecret({ ...tenantKey, tenantId: randomUUID() }, 'endpoint-1', sealed)).toThrow(
      DecryptionError,
    )
    expect(() => openWebhookSecret({ ...tenantKey, version: 2 }, 'endpoint-1', sealed)).toThrow(DecryptionError)
    expect(() => openWebhookSecret({ ...tenantKey, key: randomBytes(32) }, 'endpoint-1', sealed)).toThrow(
      DecryptionError,
    )
    // Another purpose under the same key: the wrapped key is not a secret, nor the other way round.
    expect(() => openWebhookSecret(tenantKey, 'endpoint-1', wrapped.wrappedKey)).toThrow(DecryptionError)
  })

  test('an identity is the same for a visitor within a tenant and another one in every other', () => {
    const own = identityHasher(unwrapTenantKey(ring, wrapped))
    const other = identityHasher(unwrapTenantKey(ring, createTenantKey(ring, randomUUID(), 1)))
    const visitor = '01J9ZQ4Q8Z6F6T4N7X2K5M3B1C'
    expect(own(visitor)).toHaveLength(32)
    expect(own(visitor)).toEqual(own(visitor))
    expect(own(visitor)).not.toEqual(other(visitor))
    expect(own(visitor)).not.toEqual(own(`${visitor} `))
  })
})
