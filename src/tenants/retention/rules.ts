const DAY_MS = 86_400_000

/** Bodies that could not be read, and so could not be stripped, are kept for as long as a repair may take. */
export const SEALED_BODY_DAYS = 30
/** How long a report that was made for a data request can be fetched. */
export const DATA_REQUEST_DAYS = 30
/** What does not answer any more can be compared with what does for so long, order by order. */
const SUPERSEDED_DAYS = 30
/** A session that is over stays in sight of its member for so long. */
const ENDED_SESSION_DAYS = 30

/** Kinds of rows that the retention looks at; the names are those of their tables. */
export type RetentionItem =
  | 'touchpoints'
  | 'order_facts'
  | 'conversions'
  | 'webhook_events'
  | 'dead_events'
  | 'dead_event_bodies'
  | 'idempotency_keys'
  | 'sessions'
  | 'member_invitations'
  | 'webhook_secrets'
  | 'data_requests'
  | 'browser_errors'
  | 'worker_failed_jobs'
  | 'worker_job_failures'
  | 'job_effects'
  | 'attribution_orders'
  | 'attribution_entry_credits'
  | 'attribution_touch_credits'
  | 'published_windows'
  | 'attribution_window_runs'

/** Those that something newer stands for; `attribution_orders` go with their credits, and runs with their channels. */
export const SUPERSEDED_ITEMS: ReadonlySet<RetentionItem> = new Set([
  'attribution_orders',
  'attribution_entry_credits',
  'attribution_touch_credits',
  'published_windows',
  'attribution_window_runs',
])

export interface RetentionRule {
  item: RetentionItem
  /** What becomes of a row whose time has come. */
  does: 'removed' | 'redacted'
  /** Days that a row is kept, given the tenant's own number; 0: until the time that it carries. */
  days: (retentionDays: number) => number
  /** Why the others stay. */
  kept: string
}

const own = (days: number) => days

/**
 * What happens to which rows. Events, the ledger, credits that answer and the audit log are never removed: they hold no personal
 * data, and of an event only what ties it to a visitor is redacted. Orders come before credits of what is no order any more.
 */
export const RETENTION_RULES: readonly RetentionRule[] = [
  { item: 'touchpoints', does: 'removed', days: own, kept: 'younger than the retention' },
  { item: 'order_facts', does: 'redacted', days: own, kept: 'younger than the retention' },
  { item: 'conversions', does: 'redacted', days: own, kept: 'younger than the retention' },
  { item: 'webhook_events', does: 'redacted', days: own, kept: 'they name no visitor' },
  { item: 'dead_events', does: 'redacted', days: own, kept: 'younger than the retention' },
  {
    item: 'dead_event_bodies',
    does: 'removed',
    days: (days) => Math.min(days, SEALED_BODY_DAYS),
    kept: 'may still be repaired',
  },
  { item: 'idempotency_keys', does: 'removed', days: () => 0, kept: 'may still be asked for again' },
  { item: 'sessions', does: 'removed', days: () => ENDED_SESSION_DAYS, kept: 'open, or ended a short while ago' },
  { item: 'member_invitations', does: 'removed', days: () => 0, kept: 'open' },
  { item: 'webhook_secrets', does: 'removed', days: () => 0, kept: 'live' },
  { item: 'data_requests', does: 'removed', days: () => 0, kept: 'may still be fetched' },
  { item: 'browser_errors', does: 'removed', days: own, kept: 'younger than the retention' },
  { item: 'worker_failed_jobs', does: 'removed', days: own, kept: 'younger than the retention, or at work' },
  {
    item: 'worker_job_failures',
    does: 'removed',
    days: own,
    kept: 'younger than the retention, or of a job that is listed',
  },
  {
    item: 'job_effects',
    does: 'removed',
    days: own,
    kept: 'younger than the retention, or of a job that may be run again',
  },
  superseded('attribution_orders', 'of an edition that answers, or did a short while ago'),
  superseded('attribution_entry_credits', 'of an order'),
  superseded('attribution_touch_credits', 'of an order'),
  superseded('published_windows', 'of an edition that answers, or did a short while ago'),
  superseded('attribution_window_runs', 'answering, or made a short while ago'),
]

function superseded(item: RetentionItem, kept: string): RetentionRule {
  return { item, does: 'removed', days: () => SUPERSEDED_DAYS, kept }
}

/** Older rows go. Of a tenant that was offboarded every row is old, those of tomorrow by a wrong clock too. */
export function cutoffOf(
  { days }: Pick<RetentionRule, 'days'>,
  { retentionDays, isOffboarded }: { retentionDays: number; isOffboarded: boolean },
  now: Date,
): Date {
  return new Date(now.getTime() + (isOffboarded ? 366 : -days(retentionDays)) * DAY_MS)
}
