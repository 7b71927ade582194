import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { ProblemError } from './problem/problem.ts'
import { type KeyRing, keysFor } from './secrets/keyring.ts'

/** Where a list goes on: the values that the last item has in the order of the list. */
export type CursorPosition = readonly (string | number)[]

/** What a cursor is good for. With another operation, tenant or filters it is refused. */
export interface CursorScope {
  operationId: string
  tenantId: string
  /** As the caller sent them; without `limit` and `cursor`. */
  filters?: Readonly<Record<string, string | number | boolean | undefined>>
}

const NONCE_BYTES = 12
const TAG_BYTES = 16
/** The bound of the contract's `Cursor`. */
const MAX_LENGTH = 512

/**
 * An opaque cursor, at most 512 characters of base64url. Encrypted, since a position may be personal data (an address)
 * and cursors stand in URLs; the same position gives the same cursor. AES-256-GCM with a nonce that is a MAC of all it
 * protects, so it repeats for the same cursor only. Throws RangeError for a position that does not fit.
 */
export function encodeCursor(ring: KeyRing, scope: CursorScope, position: CursorPosition): string {
  const [keys] = cursorKeys(ring)
  const plaintext = Buffer.from(JSON.stringify(position))
  const aad = describe(scope)
  const nonce = createHmac('sha256', keys.nonce).update(aad).update(plaintext).digest().subarray(0, NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', keys.seal, nonce).setAAD(aad)
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()])
  const text = Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')
  if (text.length > MAX_LENGTH) throw new RangeError(`a cursor of ${text.length} characters`)
  return text
}

/**
 * The position in a cursor; undefined where there is no cursor. One that we did not make for this very list, or that a
 * master key made which has left the ring, is `validation_failed`.
 */
export function decodeCursor<Position extends CursorPosition>(
  ring: KeyRing,
  scope: CursorScope,
  text: string | undefined,
): Position | undefined {
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64url')
  // Buffer.from skips what is not base64url, and the last character has bits to spare: one cursor has one text.
  if (text.length <= MAX_LENGTH && bytes.length >= NONCE_BYTES + TAG_BYTES && bytes.toString('base64url') === text) {
    const aad = describe(scope)
    for (const keys of cursorKeys(ring)) {
      const opened = open(keys.seal, bytes, aad)
      if (opened !== null) return JSON.parse(opened) as Position
    }
  }
  throw new ProblemError('validation_failed', 'The cursor does not belong to this list.', {
    errors: [
      { pointer: '/query/cursor', code: 'cursor', detail: 'Use next_cursor of an answer with the same filters.' },
    ],
  })
}

interface CursorKeys {
  seal: Buffer
  nonce: Buffer
}

function cursorKeys(ring: KeyRing): [CursorKeys, ...CursorKeys[]] {
  const nonces = keysFor(ring, 'cursor-nonce/v1')
  return keysFor(ring, 'cursor/v1').map((seal, index) => ({ seal, nonce: nonces[index] as Buffer })) as [
    CursorKeys,
    ...CursorKeys[],
  ]
}

function open(key: Buffer, bytes: Buffer, aad: Buffer): string | null {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES)).setAAD(aad)
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString()
  } catch {
    return null
  }
}

/** In one form whatever the order of the filters; absent ones are left out. */
function describe({ operationId, tenantId, filters = {} }: CursorScope): Buffer {
  const given = Object.entries(filters).filter(([, value]) => value !== undefined)
  return Buffer.from(JSON.stringify([operationId, tenantId, given.sort(([a], [b]) => (a < b ? -1 : 1))]))
}
