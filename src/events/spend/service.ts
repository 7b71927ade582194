import type { TenantContext } from '../../context.ts'
import { storeSparing } from '../../db/savepoint.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { isCurrency } from '../../money.ts'
import { ProblemError } from '../../problem/problem.ts'
import { getTenant } from '../../tenants/queries.ts'
import { isTimeZone } from '../../tenants/time-zone.ts'
import { findPersonalData } from '../../webhooks/personal-data.ts'
import { cleanText } from '../channels/utm.ts'
import { insertSpendVersions, type NewSpend } from './queries.ts'

/** What one channel, source and campaign cost on one day, as it was sent. */
export interface SentSpend extends Omit<NewSpend, 'campaign'> {
  campaign: string | null
}

export type SpendFault =
  | 'invalid_row'
  | 'repeated_row'
  | 'date_in_future'
  | 'date_too_long_ago'
  | 'amount_invalid'
  | 'personal_data'

export interface SpendResult {
  result: 'accepted' | 'replaced' | 'unchanged' | 'rejected'
  code: SpendFault | null
}

const DAY_MS = 86_400_000
/** As touches: what is older counts for no report. */
const MAX_AGE_DAYS = 730
/** What a file of history may hold. */
export const MAX_IMPORT_AGE_DAYS = 3_650

/**
 * Stores what advertising cost; one result per row, in order (see `storeSpend`). Days are those of `timeZone`, by default
 * the tenant's. Throws `validation_failed` for a time zone that there is not.
 */
export function ingestSpend(
  ctx: TenantContext,
  rows: readonly (SentSpend | SpendFault)[],
  timeZone: string | undefined,
): Promise<SpendResult[]> {
  if (timeZone !== undefined && !isTimeZone(timeZone)) throw unknownTimeZone()
  return inTenant(ctx.db.ingest, ctx, async (tx) => {
    const zone = timeZone ?? (await getTenant(tx, ctx.tenantId)).timeZone
    return storeSpend(tx, ctx, { timeZone: zone, maxAgeDays: MAX_AGE_DAYS }, rows)
  })
}

/**
 * Stores the figures that are new, in the transaction of the caller, which is one of `ctx.db.ingest`. Other figures for the
 * same day, time zone, channel, source, campaign and currency become a new version, and the earlier ones stay. A row that
 * could not be read comes as its fault. Of two rows about the same thing in one batch the second is rejected. What the
 * database refuses to hold is `personal_data`, and refuses no other row.
 */
export async function storeSpend(
  tx: Tx,
  ctx: TenantContext,
  { timeZone, maxAgeDays }: { timeZone: string; maxAgeDays: number },
  rows: readonly (SentSpend | SpendFault)[],
): Promise<SpendResult[]> {
  const today = dayIn(timeZone, ctx.clock())
  const span = { first: toDay(Date.parse(today) - maxAgeDays * DAY_MS), last: today }
  const fresh = new Map<string, NewSpend>()
  const judged = rows.map((row) => {
    const item = typeof row === 'string' ? row : judge(row, span)
    if (typeof item === 'string') return item
    const { day, channel, source, campaign, currency } = item
    const key = JSON.stringify([day, channel, source, campaign, currency])
    if (fresh.has(key)) return 'repeated_row'
    fresh.set(key, item)
    return item
  })
  const zone = toNormalTimeZone(timeZone)
  const { stored, refused } = await storeSparing(tx, [...fresh.values()], (items) =>
    insertSpendVersions(tx, ctx.tenantId, zone, items),
  )
  for (const { error } of refused)
    ctx.log.error({ err: error }, 'the database refuses an item that was judged to be good')
  const isRefused = new Set(refused.map(({ item }) => item))
  const versions = new Map(stored.flatMap(({ items, result }) => items.map((item, at) => [item, result[at] ?? null])))
  return judged.map((item): SpendResult => {
    if (typeof item === 'string') return { result: 'rejected', code: item }
    if (isRefused.has(item)) return { result: 'rejected', code: 'personal_data' }
    const version = versions.get(item) ?? null
    if (version === null) return { result: 'unchanged', code: null }
    return { result: version === 1 ? 'accepted' : 'replaced', code: null }
  })
}

function judge(row: SentSpend, { first, last }: { first: string; last: string }): NewSpend | SpendFault {
  const { day, currency, amountMinor } = row
  if (day > last) return 'date_in_future'
  if (day < first) return 'date_too_long_ago'
  if (amountMinor < 0n || !isCurrency(currency)) return 'amount_invalid'
  // As campaign fields of links are cleaned, so that the two meet.
  const source = cleanText(row.source)
  const campaign = row.campaign === null ? '' : (cleanText(row.campaign) ?? '')
  if (source === null) return 'invalid_row'
  return findPersonalData([source, campaign]) === null ? { ...row, source, campaign } : 'personal_data'
}

/** `europe/berlin` is Europe/Berlin: one zone is stored under one name. */
function toNormalTimeZone(timeZone: string): string {
  return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone
}

function dayIn(timeZone: string, now: Date): string {
  const parts = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
  return parts.format(now)
}

function toDay(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10)
}

function unknownTimeZone(): ProblemError {
  return new ProblemError('validation_failed', 'The time zone is not valid.', {
    errors: [{ pointer: '/query/time_zone', code: 'time_zone', detail: 'This is not the name of an IANA time zone.' }],
  })
}
