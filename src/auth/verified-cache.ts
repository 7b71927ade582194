import { createHash } from 'node:crypto'
import type { VerifiedCache } from '../context.ts'

/** Some 10 MB of access tokens; whoever has more of them costs a signature check each. */
const MAX_ENTRIES = 10_000

/** For one process. Says nothing about expiry and revocation: whoever reads an entry looks at both. */
export function createVerifiedCache<T>(maxEntries: number = MAX_ENTRIES): VerifiedCache<T> {
  // A map keeps the order of insertion: the first is the one unused for longest.
  const entries = new Map<string, T>()
  return {
    get(hash) {
      const value = entries.get(hash)
      if (value === undefined) return undefined
      entries.delete(hash)
      entries.set(hash, value)
      return value
    },
    set(hash, value) {
      entries.delete(hash)
      if (entries.size >= maxEntries) entries.delete(entries.keys().next().value as string)
      entries.set(hash, value)
    },
    delete: (hash) => void entries.delete(hash),
  }
}

/** What a credential is remembered by: the credential itself is not kept. */
export function hashCredential(credential: string): string {
  return createHash('sha256').update(credential).digest('base64')
}
