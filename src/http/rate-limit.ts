import type { OperationRow } from '../../generated/operations.ts'
import type { RequestContext } from '../context.ts'
import { ProblemError } from '../problem/problem.ts'

/** The policies of `x-rate-limit-policy` that count the requests of a tenant. */
export type TenantPolicy = Extract<OperationRow['rateLimitPolicy'], 'default' | 'ingest'>

/** With what an operation counts that finds out by itself whose it is. */
export type CountedPolicy = TenantPolicy | 'collect'

/** What a tenant may still do, after the request that asked. */
export interface Quota {
  policy: CountedPolicy
  /** Requests in a minute. */
  perMinute: number
  remaining: number
  /** Seconds until all of it is there again. */
  fullInS: number
  /** Null: the request may go on. Otherwise whole seconds, from 1 to 3,600, until one may. */
  retryAfterS: number | null
}

export interface RateLimiter {
  /** Takes one permit of the tenant. Answers at once when it need not ask, which is nearly always. Never throws. */
  take(ctx: RequestContext, tenantId: string, policy: CountedPolicy): Quota | Promise<Quota>
}

/** Of every policy. */
const WINDOW_S = 60

/** Source: draft-ietf-httpapi-ratelimit-headers, sections 3 and 4. */
export function rateLimitHeaders({ policy, perMinute, remaining, fullInS }: Quota): [string, string, string, string] {
  return [
    'RateLimit-Policy',
    `"${policy}";q=${perMinute};w=${WINDOW_S}`,
    'RateLimit',
    `"${policy}";r=${remaining};t=${fullInS}`,
  ]
}

/** Throws `rate_limited` when the quota is used up. */
export function requireQuota({ policy, perMinute, retryAfterS }: Quota): void {
  if (retryAfterS === null) return
  throw new ProblemError(
    'rate_limited',
    `The quota "${policy}" of ${perMinute} requests a minute is used up. Try again in ${retryAfterS} s.`,
    { headers: { 'Retry-After': String(retryAfterS) } },
  )
}

/** Undefined where nothing of a tenant's is counted. */
export function tenantPolicyOf({ rateLimitPolicy, security }: OperationRow): TenantPolicy | undefined {
  const isCounted = rateLimitPolicy === 'default' || rateLimitPolicy === 'ingest'
  return isCounted && security.length > 0 ? rateLimitPolicy : undefined
}
