/**
 * What counts the requests of a tenant; an operation names its own in `x-rate-limit-policy`. `collect` counts what pages
 * send with a publishable key, so that nobody who has read the key there can use up what servers and vendors need.
 */
export type RatePolicy = 'default' | 'ingest' | 'collect'

/**
 * Requests a minute of a tenant that has no number of its own (`skeldir admin set-rate-limit`). Deliveries and events have
 * so many that a vendor's storm is never refused: it would only come again.
 */
export const USUAL_PER_MINUTE: Record<RatePolicy, number> = { default: 600, ingest: 60_000, collect: 12_000 }

/** The bounds of `rate_limits.per_minute`. */
export const MAX_PER_MINUTE = 10_000_000

/** Permits at most that one process holds of one tenant and policy. */
const MAX_LEASE = 2_000

/**
 * How many permits a process takes in advance: what the quota gives in two seconds. So a tenant gets at most
 * `processes × leaseSize` requests more than its quota, and a process asks the database at most every other second.
 */
export function leaseSize(perMinute: number): number {
  return Math.min(MAX_LEASE, Math.max(1, Math.floor(perMinute / 30)))
}
