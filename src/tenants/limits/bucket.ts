import { leaseSize, type RatePolicy, USUAL_PER_MINUTE } from './policies.ts'
import type { Lease } from './queries.ts'

/*
 * What one process knows of one tenant's quota of one policy: the permits that it has leased, and how the quota stood in
 * the database when it asked last. Times are milliseconds of the process's own monotonic clock.
 */

export const MINUTE_MS = 60_000

/** So old may a lease be before the database is asked again: so late does a process follow a quota that was changed. */
const STALE_AFTER_MS = 10_000

/**
 * A refusal is asked about again no earlier, so that a tenant without permits costs ten questions a second at most; and no
 * later, whatever it said, since the quota may have been raised.
 */
const MIN_REFUSAL_MS = 100
const MAX_REFUSAL_MS = 1_000

/** So long is the database left alone after it did not answer. */
const RETRY_MS = 1_000

export interface Bucket {
  policy: RatePolicy
  perMinute: number
  /** Leased, and not given out yet. */
  permits: number
  /** Requests that wait for the lease on its way. */
  waiting: number
  leasedAt: number
  /** At `leasedAt`, by the database. */
  fullInMs: number
  /** The database would give nothing before that. */
  refusedUntil: number
  /** When the database gives a permit again; Retry-After is made of it. */
  permitAt: number
  /** Set while the database does not answer: the process then counts by itself, against the whole quota. */
  alone: { fullAt: number; retryAt: number } | null
  lease: Promise<void> | null
}

export function createBucket(policy: RatePolicy): Bucket {
  return {
    policy,
    perMinute: USUAL_PER_MINUTE[policy],
    permits: 0,
    waiting: 0,
    leasedAt: Number.NEGATIVE_INFINITY,
    fullInMs: 0,
    refusedUntil: 0,
    permitAt: 0,
    alone: null,
    lease: null,
  }
}

/** Whether to ask the database in the background, although there may be permits. */
export function wantsLease(bucket: Bucket, now: number): boolean {
  if (bucket.lease !== null || now < bucket.refusedUntil) return false
  if (bucket.alone !== null) return now >= bucket.alone.retryAt
  return bucket.permits <= leaseSize(bucket.perMinute) / 2 || now - bucket.leasedAt > STALE_AFTER_MS
}

/** For those who wait, and so that a whole lease is at hand afterwards. */
export function permitsWanted({ perMinute, permits, waiting, leasedAt }: Bucket): number {
  // The size of a lease is not known before the first: what is too much would be lost to the tenant.
  if (leasedAt === Number.NEGATIVE_INFINITY) return waiting
  return Math.max(0, leaseSize(perMinute) + waiting - permits)
}

export function enterLease(bucket: Bucket, { granted, perMinute, fullInMs }: Lease, wanted: number, now: number): void {
  bucket.alone = null
  bucket.perMinute = perMinute
  bucket.leasedAt = now
  bucket.fullInMs = fullInMs
  // A quota that was lowered lowers what is at hand.
  bucket.permits = Math.min(bucket.permits + granted, leaseSize(perMinute) + bucket.waiting)
  if (granted === wanted) return
  bucket.permitAt = now + Math.max(0, fullInMs - MINUTE_MS + MINUTE_MS / perMinute)
  bucket.refusedUntil = now + Math.min(MAX_REFUSAL_MS, Math.max(MIN_REFUSAL_MS, bucket.permitAt - now))
}

export function enterFailure(bucket: Bucket, now: number): void {
  bucket.alone = { fullAt: bucket.alone?.fullAt ?? now, retryAt: now + RETRY_MS }
}

/** Takes a permit that needs no asking; false when there is none. */
export function takePermit(bucket: Bucket, now: number): boolean {
  if (bucket.permits > 0) {
    bucket.permits -= 1
    return true
  }
  const { alone, perMinute } = bucket
  if (alone === null) return false
  const fullAt = Math.max(alone.fullAt, now) + MINUTE_MS / perMinute
  if (fullAt > now + MINUTE_MS) {
    bucket.permitAt = fullAt - MINUTE_MS
    return false
  }
  alone.fullAt = fullAt
  return true
}

/** How the quota stands for the caller: what other processes have taken since the last lease is not known here. */
export function stateOf({ alone, perMinute, permits, leasedAt, fullInMs }: Bucket, now: number) {
  const step = MINUTE_MS / perMinute
  const debtMs = alone === null ? fullInMs - (now - leasedAt) - permits * step : alone.fullAt - now
  const fullInS = Math.ceil(Math.max(0, debtMs) / 1000)
  // A sliver of a permit is lost to arithmetic with fractions of milliseconds.
  const remaining = Math.floor((MINUTE_MS - debtMs) / step + 1e-6)
  return { remaining: Math.min(perMinute, Math.max(0, remaining)), fullInS }
}
