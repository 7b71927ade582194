import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import { NO_TENANT } from '../../no-tenant.ts'
import {
  type Bucket,
  createBucket,
  enterFailure,
  enterLease,
  permitsWanted,
  stateOf,
  takePermit,
  wantsLease,
} from './bucket.ts'
import { type RatePolicy, USUAL_PER_MINUTE } from './policies.ts'
import { leasePermits } from './queries.ts'

/** How a tenant's quota stands after a request has asked for a permit. */
export interface Taken {
  policy: RatePolicy
  perMinute: number
  remaining: number
  fullInS: number
  /** Null: the request has its permit. Otherwise seconds, from 1 to 3,600. */
  retryAfterS: number | null
}

export interface TenantRateLimiter {
  /**
   * Takes one permit. It is at hand nearly always; the database is asked for more in the background, and waited for only
   * when there is none, by one request for all. Never rejects.
   *
   * While the database does not answer, each process counts by itself against the whole quota: most requests then fail for
   * want of the database anyway, none is unlimited, and what needs no database is still served. Whoever acts for no tenant
   * is always counted like that.
   */
  take(ctx: RequestContext, tenantId: string, policy: RatePolicy): Taken | Promise<Taken>
}

/** A request waits no longer for permits; then its process counts by itself. */
const TIMEOUT_MS = 1_000
/** Tenants of one policy, some 3 MB; whoever is pushed out is asked for again. */
const MAX_BUCKETS = 10_000
/** Half of a lost database's tenants would otherwise write a line each, every second. */
const REPORT_EVERY_MS = 10_000
const MAX_RETRY_AFTER_S = 3_600

/** For one process. `now` is a monotonic clock in milliseconds. */
export function createRateLimiter(now: () => number = () => performance.now()): TenantRateLimiter {
  const buckets: Record<RatePolicy, Map<string, Bucket>> = {
    default: new Map(),
    ingest: new Map(),
    collect: new Map(),
  }
  let reportedAt = Number.NEGATIVE_INFINITY

  function bucketOf(tenantId: string, policy: RatePolicy): Bucket {
    const known = buckets[policy]
    const found = known.get(tenantId)
    if (found !== undefined) return found
    // A map keeps the order of insertion: the first is the oldest.
    if (known.size >= MAX_BUCKETS) known.delete(known.keys().next().value as string)
    const bucket = createBucket(policy)
    known.set(tenantId, bucket)
    return bucket
  }

  function lease(ctx: RequestContext, tenantId: string, bucket: Bucket): Promise<void> {
    bucket.lease ??= ask(ctx, tenantId, bucket).finally(() => {
      bucket.lease = null
    })
    return bucket.lease
  }

  async function ask({ db, correlationId, log }: RequestContext, tenantId: string, bucket: Bucket): Promise<void> {
    // Those who come in the same turn are counted too.
    await undefined
    const { policy } = bucket
    const wanted = permitsWanted(bucket)
    const request = { tenantId, policy, wanted, usualPerMinute: USUAL_PER_MINUTE[policy] }
    try {
      const answer = inTenant(db.main, { tenantId, correlationId }, (tx) => leasePermits(tx, request))
      enterLease(bucket, await withinTime(answer), wanted, now())
    } catch (error) {
      enterFailure(bucket, now())
      if (now() - reportedAt < REPORT_EVERY_MS) return
      reportedAt = now()
      log.warn({ err: error, policy }, 'permits could not be leased; this process counts requests by itself')
    }
  }

  async function waitForPermit(ctx: RequestContext, tenantId: string, bucket: Bucket): Promise<Taken> {
    for (;;) {
      bucket.waiting += 1
      try {
        await lease(ctx, tenantId, bucket)
      } finally {
        bucket.waiting -= 1
      }
      if (takePermit(bucket, now())) return allowed(bucket, now())
      if (bucket.alone !== null || now() < bucket.refusedUntil) return refused(bucket, now())
    }
  }

  return {
    take(ctx, tenantId, policy) {
      const bucket = bucketOf(tenantId, policy)
      const at = now()
      if (tenantId === NO_TENANT) bucket.alone ??= { fullAt: at, retryAt: Number.POSITIVE_INFINITY }
      const isTaken = takePermit(bucket, at)
      if (!isTaken && at >= bucket.refusedUntil && bucket.alone === null) return waitForPermit(ctx, tenantId, bucket)
      // `ask` never rejects.
      if (wantsLease(bucket, at)) void lease(ctx, tenantId, bucket)
      return isTaken ? allowed(bucket, at) : refused(bucket, at)
    },
  }
}

function allowed(bucket: Bucket, now: number): Taken {
  return { policy: bucket.policy, perMinute: bucket.perMinute, ...stateOf(bucket, now), retryAfterS: null }
}

function refused(bucket: Bucket, now: number): Taken {
  const seconds = Math.ceil((bucket.permitAt - now) / 1000)
  const retryAfterS = Math.min(MAX_RETRY_AFTER_S, Math.max(1, seconds))
  return { policy: bucket.policy, perMinute: bucket.perMinute, ...stateOf(bucket, now), remaining: 0, retryAfterS }
}

async function withinTime<T>(answer: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = sleep(TIMEOUT_MS, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new Error(`no answer within ${TIMEOUT_MS} ms`)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    timer.abort()
    // Whichever lost the race may still reject.
    late.catch(() => {})
    answer.catch(() => {})
  }
}
