import { createHash } from 'node:crypto'
import { isRevoked, revocationSubject } from '../../auth/revocations.ts'
import type { Principal, RequestContext, VerifiedKey } from '../../context.ts'
import { networkOf } from '../limits/address.ts'
import { findApiKey } from './queries.ts'

/** 256 random bits in base64url: `skd_` for servers, `skp_` for web pages. */
export const API_KEY = /^sk[dp]_[A-Za-z0-9_-]{43}$/

/** Milliseconds for which a key that was looked up is taken for good. The feed of revocations reaches further back. */
const LIFETIME_MS = 10 * 60_000

/**
 * Security scheme `tenantKey`: null when the key is unknown, expired or revoked. A key that was looked up in the last ten
 * minutes costs no round trip; one that is revoked or gets another expiry is known by the feed, within a second.
 * Throws `service_unavailable` while it cannot be known what is revoked, and `rate_limited` where a key that this process
 * has never seen comes from an address that invents keys: 401 would tell the owner of a good one that it is not.
 */
export async function authenticateKey(ctx: RequestContext, key: string | undefined): Promise<Principal | null> {
  if (key === undefined || !API_KEY.test(key)) return null
  const wait = ctx.revocations.ensureCurrent()
  if (wait !== undefined) await wait
  const secretHash = hashApiKey(key)
  const name = secretHash.toString('base64')
  let verified = ctx.verifiedKeys.get(name)
  if (verified === undefined) {
    verified = await ctx.keyLookUps.run(networkOf(ctx.clientAddress), async () => {
      // Requests with the same new key come together: while this one waited, another may have looked it up.
      const known = ctx.verifiedKeys.get(name)
      return known === undefined || isStale(ctx, known) ? remember(ctx, name, secretHash) : known
    })
  } else if (isStale(ctx, verified)) verified = await remember(ctx, name, secretHash)
  const now = ctx.clock()
  if (verified === undefined || (verified.expiresAt !== null && verified.expiresAt <= now)) return null
  ctx.keyUses.note(verified.principal.tenantId, verified.principal.keyId, now)
  return verified.principal
}

function isStale(ctx: RequestContext, { subject, expiresAt, verifiedMs }: VerifiedKey): boolean {
  if (performance.now() - verifiedMs > LIFETIME_MS) return true
  // Both ends of the comparison come from the key's row: no clock takes part in it.
  return isRevoked(ctx.revocations.find(subject), { standing: standingOf(expiresAt) })
}

async function remember(ctx: RequestContext, name: string, secretHash: Buffer): Promise<VerifiedKey | undefined> {
  const verified = await lookUp(ctx, secretHash)
  if (verified === undefined) ctx.verifiedKeys.delete(name)
  else ctx.verifiedKeys.set(name, verified)
  return verified
}

async function lookUp(ctx: RequestContext, secretHash: Buffer): Promise<VerifiedKey | undefined> {
  const verifiedMs = performance.now()
  const found = await findApiKey(ctx.db.main.lookup, secretHash)
  if (found === undefined) return undefined
  const { tenantId, keyId, scopes, expiresAt } = found
  return {
    principal: { kind: 'key', tenantId, keyId, scopes },
    expiresAt,
    verifiedMs,
    subject: revocationSubject('key', tenantId, keyId),
  }
}

/** What the feed says of a key that works: when it expires (ms since 1970). Another expiry makes a remembered key stale. */
export function standingOf(expiresAt: Date | null): string {
  return expiresAt === null ? 'active' : String(expiresAt.getTime())
}

/** Keys are 256 random bits, so a plain SHA-256 keeps them: there is nothing to guess. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
