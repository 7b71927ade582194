import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'

/** RFC 8410, section 7: the DER prefix of an Ed25519 private key in PKCS #8, before its 32-byte seed. */
const ED25519_PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const NONCE_BYTES = 12
const TAG_BYTES = 16

export interface SigningKey {
  kid: string
  privateKey: KeyObject
  publicKey: KeyObject
}

/**
 * What is derived from the master keys. The first key is the one in use; the others are kept to read what they once
 * wrote, so a key is rotated by putting a new one in front and dropping the last one later.
 */
export interface KeyRing {
  signingKeys: readonly [SigningKey, ...SigningKey[]]
  wrappingKeys: readonly [WrappingKey, ...WrappingKey[]]
  /** Of which `keysFor` makes one key per purpose. */
  purposeRoots: readonly [Buffer, ...Buffer[]]
}

export interface WrappingKey {
  kid: string
  key: Buffer
}

/** Thrown when a ciphertext was changed, belongs to another place (AAD), or its key is not in the ring. */
export class DecryptionError extends Error {
  override name = 'DecryptionError'
}

/**
 * Derives the key ring from master keys of 32 bytes each (newest first) with HKDF-SHA-256 (RFC 5869), one label per
 * purpose, so that no key serves two purposes. Throws RangeError on a wrong length.
 */
export function deriveKeyRing(masterKeys: readonly Buffer[]): KeyRing {
  if (masterKeys.length === 0) throw new RangeError('at least one master key is needed')
  for (const key of masterKeys) if (key.length !== 32) throw new RangeError('a master key has 32 bytes')
  const signing = masterKeys.map(toSigningKey)
  const wrapping = masterKeys.map((master) => {
    const key = derive(master, 'skeldir/tenant-key-wrapping/v1')
    return { kid: keyId(key), key }
  })
  return {
    signingKeys: signing as [SigningKey, ...SigningKey[]],
    wrappingKeys: wrapping as [WrappingKey, ...WrappingKey[]],
    purposeRoots: masterKeys.map((master) => derive(master, 'skeldir/purposes/v1')) as [Buffer, ...Buffer[]],
  }
}

/** Keys of 32 bytes for one purpose of the whole platform, such as `cursor/v1`, newest first: write by the first, read by all. */
export function keysFor(ring: KeyRing, purpose: string): readonly [Buffer, ...Buffer[]] {
  return ring.purposeRoots.map((root) => derive(root, `skeldir/${purpose}`)) as [Buffer, ...Buffer[]]
}

function toSigningKey(master: Buffer): SigningKey {
  const seed = derive(master, 'skeldir/access-token-signing/v1')
  const privateKey = createPrivateKey({
    key: Buffer.concat([ED25519_PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = createPublicKey(privateKey)
  const kid = keyId(publicKey.export({ format: 'der', type: 'spki' }))
  return { kid, privateKey, publicKey }
}

function derive(master: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), purpose, 32))
}

/** 16 hex digits that name a key without telling anything about it. */
function keyId(material: Buffer): string {
  return createHash('sha256').update('skeldir/key-id/').update(material).digest('hex').slice(0, 16)
}

/**
 * AES-256-GCM with a random 96-bit nonce: `nonce ‖ tag ‖ ciphertext`. `aad` binds it to its place (tenant ‖ purpose ‖
 * version), so that a ciphertext moved to another row does not open. Source: NIST SP 800-38D.
 */
export function seal(key: Buffer, plaintext: Buffer, aad: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(aad))
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), body])
}

/** The inverse of `seal`. Throws DecryptionError. */
export function open(key: Buffer, sealed: Buffer, aad: string): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new DecryptionError('the ciphertext is too short')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(aad))
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  } catch (cause) {
    throw new DecryptionError('the ciphertext does not open with this key and place', { cause })
  }
}

/** The data key of a tenant, in memory only for as long as one unit of work. */
export interface TenantKey {
  tenantId: string
  version: number
  key: Buffer
}

export interface WrappedTenantKey {
  tenantId: string
  version: number
  wrappingKid: string
  wrappedKey: Buffer
}

/** Makes a tenant's data key (32 random bytes) and wraps it by the newest master key. */
export function createTenantKey(ring: KeyRing, tenantId: string, version: number): WrappedTenantKey {
  const [wrapping] = ring.wrappingKeys
  return {
    tenantId,
    version,
    wrappingKid: wrapping.kid,
    wrappedKey: seal(wrapping.key, randomBytes(32), place(tenantId, 'tenant-key', version)),
  }
}

/** Throws DecryptionError when no master key of the ring opens it. */
export function unwrapTenantKey(ring: KeyRing, wrapped: WrappedTenantKey): TenantKey {
  const wrapping = ring.wrappingKeys.find(({ kid }) => kid === wrapped.wrappingKid)
  if (wrapping === undefined) throw new DecryptionError(`the master key ${wrapped.wrappingKid} is not in the ring`)
  const key = open(wrapping.key, wrapped.wrappedKey, place(wrapped.tenantId, 'tenant-key', wrapped.version))
  return { tenantId: wrapped.tenantId, version: wrapped.version, key }
}

/** The same data key under the newest master key, or null when it is wrapped by that one already. Throws DecryptionError. */
export function rewrapTenantKey(ring: KeyRing, wrapped: WrappedTenantKey): WrappedTenantKey | null {
  const [wrapping] = ring.wrappingKeys
  if (wrapped.wrappingKid === wrapping.kid) return null
  const { tenantId, version, key } = unwrapTenantKey(ring, wrapped)
  const wrappedKey = seal(wrapping.key, key, place(tenantId, 'tenant-key', version))
  return { tenantId, version, wrappingKid: wrapping.kid, wrappedKey }
}

/** Bound to its endpoint: moved to another one, of the same tenant too, it does not open. */
export function sealWebhookSecret(tenantKey: TenantKey, endpointId: string, secret: string): Buffer {
  const { tenantId, version, key } = tenantKey
  return seal(
    derive(key, 'skeldir/webhook-secret/v1'),
    Buffer.from(secret),
    place(tenantId, `webhook-secret/${endpointId}`, version),
  )
}

/** Throws DecryptionError. */
export function openWebhookSecret(tenantKey: TenantKey, endpointId: string, sealed: Buffer): string {
  const { tenantId, version, key } = tenantKey
  return open(
    derive(key, 'skeldir/webhook-secret/v1'),
    sealed,
    place(tenantId, `webhook-secret/${endpointId}`, version),
  ).toString()
}

const ALERT_TARGETS = 'alert-targets'

/** The JSON of a tenant's alert targets. */
export function sealAlertTargets({ tenantId, version, key }: TenantKey, json: string): Buffer {
  return seal(derive(key, 'skeldir/alert-targets/v1'), Buffer.from(json), place(tenantId, ALERT_TARGETS, version))
}

/** Throws DecryptionError. */
export function openAlertTargets({ tenantId, version, key }: TenantKey, sealed: Buffer): string {
  return open(derive(key, 'skeldir/alert-targets/v1'), sealed, place(tenantId, ALERT_TARGETS, version)).toString()
}

/** What the platform signs in with at a vendor, bound to the endpoint. */
export function sealPollCredential({ tenantId, version, key }: TenantKey, endpointId: string, json: string): Buffer {
  return seal(
    derive(key, 'skeldir/poll-credential/v1'),
    Buffer.from(json),
    place(tenantId, `poll-credential/${endpointId}`, version),
  )
}

/** Throws DecryptionError. */
export function openPollCredential({ tenantId, version, key }: TenantKey, endpointId: string, sealed: Buffer): string {
  return open(
    derive(key, 'skeldir/poll-credential/v1'),
    sealed,
    place(tenantId, `poll-credential/${endpointId}`, version),
  ).toString()
}

/** What alerts to a tenant's own webhooks are signed with (32 bytes); of the first data key, so that it never changes. */
export function alertSigningSecret({ key }: TenantKey): Buffer {
  return derive(key, 'skeldir/alert-signing/v1')
}

/** What is held about a person's orders, bound to the request that asked for it. */
export function sealDataReport({ tenantId, version, key }: TenantKey, requestId: string, json: string): Buffer {
  return seal(
    derive(key, 'skeldir/data-report/v1'),
    Buffer.from(json),
    place(tenantId, `data-report/${requestId}`, version),
  )
}

/** Throws DecryptionError. */
export function openDataReport({ tenantId, version, key }: TenantKey, requestId: string, sealed: Buffer): string {
  return open(
    derive(key, 'skeldir/data-report/v1'),
    sealed,
    place(tenantId, `data-report/${requestId}`, version),
  ).toString()
}

/**
 * The refresh token that takes the place of another one (HMAC-SHA-256, 32 bytes). It can be told again to whoever has
 * that one, as long as the tenant's key lives, and so it is stored nowhere.
 */
export function deriveSuccessor(tenantKey: TenantKey, refreshToken: string): Buffer {
  return createHmac('sha256', derive(tenantKey.key, 'skeldir/refresh-successor/v1')).update(refreshToken).digest()
}

/** The JSON of an answer, bound to the hash of its Idempotency-Key. */
export function sealStoredAnswer({ tenantId, version, key }: TenantKey, keyHash: string, json: string): Buffer {
  return seal(
    derive(key, 'skeldir/stored-answer/v1'),
    Buffer.from(json),
    place(tenantId, `stored-answer/${keyHash}`, version),
  )
}

/** Throws DecryptionError. */
export function openStoredAnswer({ tenantId, version, key }: TenantKey, keyHash: string, sealed: Buffer): string {
  return open(
    derive(key, 'skeldir/stored-answer/v1'),
    sealed,
    place(tenantId, `stored-answer/${keyHash}`, version),
  ).toString()
}

/** What a browser reported (JSON), bound to the fingerprint of the error. */
export function sealBrowserError({ tenantId, version, key }: TenantKey, fingerprint: Buffer, json: string): Buffer {
  const purpose = `browser-error/${fingerprint.toString('hex')}`
  return seal(derive(key, 'skeldir/browser-error/v1'), Buffer.from(json), place(tenantId, purpose, version))
}

/** Throws DecryptionError. */
export function openBrowserError({ tenantId, version, key }: TenantKey, fingerprint: Buffer, sealed: Buffer): string {
  const purpose = `browser-error/${fingerprint.toString('hex')}`
  return open(derive(key, 'skeldir/browser-error/v1'), sealed, place(tenantId, purpose, version)).toString()
}

/** The bytes of a delivery that could not be read, bound to their SHA-256. */
export function sealDeadBody({ tenantId, version, key }: TenantKey, bodySha256: Buffer, rawBody: Buffer): Buffer {
  const purpose = `dead-body/${bodySha256.toString('hex')}`
  return seal(derive(key, 'skeldir/dead-body/v1'), rawBody, place(tenantId, purpose, version))
}

/** Throws DecryptionError. */
export function openDeadBody({ tenantId, version, key }: TenantKey, bodySha256: Buffer, sealed: Buffer): Buffer {
  const purpose = `dead-body/${bodySha256.toString('hex')}`
  return open(derive(key, 'skeldir/dead-body/v1'), sealed, place(tenantId, purpose, version))
}

/**
 * Turns visitor ids into the keyed hashes that are stored (HMAC-SHA-256, 32 bytes): the same visitor gives the same
 * hash within a tenant, another one in every other tenant, and none can be turned back without the tenant's key.
 */
export function identityHasher(tenantKey: TenantKey): (visitorId: string) => Buffer {
  const key = toHmacKey(tenantKey, 'skeldir/identity/v1')
  return (visitorId) => createHmac('sha256', key).update(visitorId).digest()
}

/**
 * The same for click ids, under a key of their own: an order and a touch with the same click id (name and value, with its
 * case) have the same hash within a tenant.
 */
export function clickIdHasher(tenantKey: TenantKey): (name: string, value: string) => Buffer {
  const key = toHmacKey(tenantKey, 'skeldir/click-id/v1')
  // Names have no space.
  return (name, value) => createHmac('sha256', key).update(`${name} ${value}`).digest()
}

/** The same for ids of sessions, so that a session's hash never equals a visitor's. */
export function sessionHasher(tenantKey: TenantKey): (sessionId: string) => Buffer {
  const key = toHmacKey(tenantKey, 'skeldir/session/v1')
  return (sessionId) => createHmac('sha256', key).update(sessionId).digest()
}

/** Not as bytes: with those each HMAC costs 12 us instead of 2 (Node 24.21, measured). */
function toHmacKey({ key }: TenantKey, purpose: string): KeyObject {
  return createSecretKey(derive(key, purpose))
}

function place(tenantId: string, purpose: string, version: number): string {
  return `${tenantId}|${purpose}|${version}`
}
