import { createHmac } from 'node:crypto'
import { describeClient } from '../client-name.ts'
import type { TenantContext } from '../context.ts'
import { decodeCursor, encodeCursor } from '../cursor.ts'
import { inTenant } from '../db/tenant.ts'
import { keysFor, openBrowserError, sealBrowserError, unwrapTenantKey } from '../secrets/keyring.ts'
import { stripText, stripUrl } from '../strip.ts'
import { limitByUser } from '../tenants/limits/address.ts'
import type { Page } from '../tenants/page.ts'
import { getTenantKey, listTenantKeys } from '../tenants/queries.ts'
import { countError, type ErrorFilter, type ErrorPosition, listErrorRows, removeOldest } from './queries.ts'

/** Reports of one user a minute, all of which may come at once; more say nothing that the others do not. */
const PER_MINUTE = 30
/** Different errors of one tenant; beyond, those that were seen longest ago go. */
const MAX_ERRORS = 500
/** The clock of a browser that is further off is not believed. */
const MAX_SKEW_MS = 86_400_000

export interface ErrorReport {
  userId: string
  name: string | undefined
  message: string
  stack: string | undefined
  url: string | undefined
  release: string | undefined
  occurredAt: Date
}

/** What a report says, as it is sealed. */
interface Said {
  name: string | null
  message: string
  stack: string | null
  url: string | null
}

/**
 * Stores what a browser reports, or counts it with its equal: the same release, class, message and stack, after all that
 * may name a person was dropped. Throws `rate_limited`.
 */
export async function reportError(
  ctx: TenantContext,
  report: ErrorReport,
): Promise<{ errorId: string; occurrences: bigint }> {
  await limitByUser(ctx, report.userId, { purpose: 'error-report', perMinute: PER_MINUTE, burst: PER_MINUTE })
  const { tenantId } = ctx
  const said: Said = {
    name: report.name === undefined ? null : cut(stripText(report.name), 100),
    message: cut(stripText(report.message), 1_000),
    stack: report.stack === undefined ? null : cut(stripText(report.stack), 16_384),
    url: report.url === undefined ? null : stripUrl(report.url),
  }
  const release = report.release ?? null
  const [key] = keysFor(ctx.keys, 'browser-errors/v1')
  const equal = JSON.stringify([tenantId, release, said.name, said.message, said.stack])
  const fingerprint = createHmac('sha256', key).update(equal).digest()
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const tenantKey = unwrapTenantKey(ctx.keys, await getTenantKey(tx, tenantId))
    const counted = await countError(tx, tenantId, {
      fingerprint,
      release,
      client: describeClient(ctx.userAgent),
      seenAt: believe(report.occurredAt, ctx.clock()),
      keyVersion: tenantKey.version,
      sealed: sealBrowserError(tenantKey, fingerprint, JSON.stringify(said)),
    })
    if (counted.occurrences === 1n) await removeOldest(tx, tenantId, MAX_ERRORS)
    return counted
  })
}

/** What is put in place of a secret may be longer than it. */
function cut(text: string, length: number): string {
  return text.slice(0, length)
}

function believe(time: Date, now: Date): Date {
  const age = now.getTime() - time.getTime()
  return age >= 0 && age <= MAX_SKEW_MS ? time : now
}

export interface BrowserError extends Said {
  errorId: string
  release: string | null
  client: string | null
  occurrences: bigint
  firstSeenAt: Date
  lastSeenAt: Date
}

/** The one seen last first. Throws `validation_failed` for a cursor of another list. */
export async function listErrors(
  ctx: TenantContext,
  filter: ErrorFilter,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<BrowserError>> {
  const { tenantId } = ctx
  const filters = { release: filter.release, since: filter.since?.toISOString() }
  const scope = { operationId: 'listErrors', tenantId, filters }
  const after = decodeCursor<ErrorPosition>(ctx.keys, scope, cursor)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listErrorRows(tx, tenantId, filter, { after, limit: limit + 1, now: ctx.clock() })
    const wrapped = await listTenantKeys(tx, tenantId)
    const keys = new Map(wrapped.map((one) => [one.version, unwrapTenantKey(ctx.keys, one)]))
    const shown = rows.slice(0, limit)
    const items = shown.map(({ fingerprint, keyVersion, sealed, lastSeenMicros: _, ...row }): BrowserError => {
      const key = keys.get(keyVersion)
      if (key === undefined) throw new Error(`the tenant ${tenantId} has no data key ${keyVersion}`)
      return { ...row, ...(JSON.parse(openBrowserError(key, fingerprint, sealed)) as Said) }
    })
    const last = shown.at(-1)
    const isMore = rows.length > limit && last !== undefined
    return { items, nextCursor: isMore ? encodeCursor(ctx.keys, scope, [last.lastSeenMicros, last.errorId]) : null }
  })
}
