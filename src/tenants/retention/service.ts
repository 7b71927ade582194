import { randomUUID } from 'node:crypto'
import type { AppContext, RequestContext, TenantContext } from '../../context.ts'
import type { Database } from '../../db/connect.ts'
import { sqlState } from '../../db/errors.ts'
import { inTenant } from '../../db/tenant.ts'
import { enqueue } from '../../queue/job.ts'
import { comesFirst, type MaybeJob } from '../../queue/once.ts'
import { recordAudit } from '../audit.ts'
import { asOperator, operatorIn, ProvisioningError } from '../operator.ts'
import { applyRetention } from './jobs.ts'
import {
  countDue,
  countRows,
  findRetention,
  insertRun,
  listSlugs,
  offboardTenant as offboard,
  type Removed,
  type RetainedTenant,
  removeExpired,
  removeExpiredEverywhere,
} from './queries.ts'
import { cutoffOf, RETENTION_RULES, type RetentionRule } from './rules.ts'

/** Rows of one transaction: its locks are short, and a run that is stopped loses little. */
const BATCH_ROWS = 1_000
const PAGE = 500

export interface RetentionLine {
  item: string
  does: RetentionRule['does']
  lookedAt: number
  /** Removed or redacted; of a dry run, how many would be. */
  removed: number
  kept: number
  /** Why those are kept. */
  why: string
}

/** The pool of app_retention. Throws where the process has none: the API removes nothing. */
export function retentionPool(ctx: AppContext): Database {
  if (ctx.db.retention === undefined) throw new TypeError('this process does not connect as app_retention')
  return ctx.db.retention
}

/** Queues the retention of every tenant, each in a transaction of its own, so that one that fails holds up no other. */
export async function requestRetention(ctx: RequestContext & MaybeJob, signal: AbortSignal): Promise<void> {
  for await (const { tenantId } of listTenants(ctx)) {
    signal.throwIfAborted()
    const scope = { tenantId, correlationId: ctx.correlationId }
    await inTenant(ctx.db.main, scope, async (tx) => {
      if (await comesFirst(tx, ctx, 'retention')) await enqueue(tx, applyRetention, scope, {})
    })
  }
}

/** Counters and revocations by keyed hashes. */
export async function removeWhatIsOfNoTenant(ctx: RequestContext): Promise<void> {
  for (const { item, removed } of await removeExpiredEverywhere(retentionPool(ctx).lookup, ctx.clock(), false)) {
    ctx.log.info({ item, removed }, 'the retention removed what is of no tenant')
  }
}

interface RunOptions {
  isDry?: boolean
  signal?: AbortSignal
  batchRows?: number
}

/**
 * Removes and redacts what has had its time, in batches; can be stopped at any time and started again. What was done is
 * counted in the transaction that did it (`retention_runs`), and the whole stands in the tenant's audit log. Throws, once it
 * has done all the others, for kinds of rows that failed.
 */
export async function applyRetentionOf(ctx: TenantContext, options: RunOptions = {}): Promise<RetentionLine[]> {
  const { lines, failed } = await applyRules(ctx, options)
  const [first] = failed
  if (first === undefined) return lines
  const items = failed.map(({ item }) => item).join(', ')
  throw new Error(`the retention of ${items} did not come to its end`, { cause: first.error })
}

interface Failure {
  item: string
  error: Error
}

async function applyRules(
  ctx: TenantContext,
  options: RunOptions,
): Promise<{ lines: RetentionLine[]; failed: Failure[] }> {
  const tenant = await inTenant(retentionPool(ctx), ctx, (tx) => findRetention(tx, ctx.tenantId))
  if (tenant === undefined) return { lines: [], failed: [] }
  const runId = randomUUID()
  const now = ctx.clock()
  const lines: RetentionLine[] = []
  const failed: Failure[] = []
  for (const rule of RETENTION_RULES) {
    const { item } = rule
    try {
      lines.push(await applyRule(ctx, rule, { runId, tenant, now }, options))
    } catch (error) {
      options.signal?.throwIfAborted()
      ctx.log.error({ err: error, item }, 'the retention of one kind of rows failed')
      failed.push({ item, error: error as Error })
    }
  }
  if (lines.some(({ removed }) => removed > 0) && options.isDry !== true) await writeDown(ctx, runId, lines)
  return { lines, failed }
}

async function applyRule(
  ctx: TenantContext,
  rule: RetentionRule,
  { runId, tenant, now }: { runId: string; tenant: RetainedTenant; now: Date },
  { isDry = false, signal, batchRows: maxRows = BATCH_ROWS }: RunOptions,
): Promise<RetentionLine> {
  const pool = retentionPool(ctx)
  const { tenantId } = ctx
  const { item, does, kept: why } = rule
  const cutoff = cutoffOf(rule, tenant, now)
  const rows = await countRowsOf(ctx, item)
  let removed = 0
  if (isDry) removed = await inTenant(pool, ctx, (tx) => countDue(tx, tenantId, item, cutoff))
  else {
    await inTenant(pool, ctx, (tx) => insertRun(tx, { tenantId, runId, item, cutoff, lookedAt: rows ?? 0 }))
    let last: Removed = { seen: maxRows, gone: 0, lastAt: null, lastId: null }
    while (last.seen === maxRows) {
      signal?.throwIfAborted()
      const after = last
      last = await inTenant(pool, ctx, (tx) => removeExpired(tx, { tenantId, runId, item, cutoff, maxRows, after }))
      removed += last.gone
    }
  }
  const lookedAt = Math.max(rows ?? 0, removed)
  return { item, does, lookedAt, removed, kept: lookedAt - removed, why: rows === null ? UNCOUNTED : why }
}

const UNCOUNTED = 'there are so many that those which stay were not counted'

/** How many there are is for whoever reads the report, and no reason to stop. */
async function countRowsOf(ctx: TenantContext, item: RetentionRule['item']): Promise<number | null> {
  try {
    return await inTenant(retentionPool(ctx), ctx, (tx) => countRows(tx, ctx.tenantId, item))
  } catch (error) {
    if (sqlState(error) !== QUERY_CANCELED) throw error
    return null
  }
}

const QUERY_CANCELED = '57014'

function writeDown(ctx: TenantContext, runId: string, lines: readonly RetentionLine[]): Promise<void> {
  const done = lines.filter(({ removed }) => removed > 0).map(({ item, removed }) => [item, removed] as const)
  return inTenant(retentionPool(ctx), ctx, (tx) =>
    recordAudit(tx, {
      actor: ctx.principal,
      action: 'retention.applied',
      subject: `retention_run:${runId}`,
      details: Object.fromEntries(done),
    }),
  )
}

export interface RetentionReport {
  /** `tenant` null: of no tenant. */
  lines: (RetentionLine & { tenant: string | null })[]
  /** Tenants whose retention did not come to its end. */
  failed: { tenant: string; message: string }[]
}

/** For `skeldir admin`: one tenant, or all of them and what is of none. */
export async function runRetention(
  ctx: AppContext,
  { tenantSlug, isDry }: { tenantSlug: string | undefined; isDry: boolean },
): Promise<RetentionReport> {
  const report: RetentionReport = { lines: [], failed: [] }
  const add = async (slug: string, work: TenantContext) => {
    try {
      const { lines, failed } = await applyRules(work, { isDry })
      report.lines.push(...lines.map((line) => ({ tenant: slug, ...line })))
      report.failed.push(...failed.map(({ item, error }) => ({ tenant: slug, message: `${item}: ${error.message}` })))
    } catch (error) {
      ctx.log.error({ err: error, tenant: slug }, 'the retention of a tenant failed')
      report.failed.push({ tenant: slug, message: (error as Error).message })
    }
  }
  if (tenantSlug !== undefined) {
    await add(tenantSlug, await asOperator(ctx, tenantSlug))
    return report
  }
  for await (const { slug, tenantId } of listTenants(ctx)) await add(slug, operatorIn(ctx, tenantId))
  const everywhere = await removeExpiredEverywhere(retentionPool(ctx).lookup, ctx.clock(), isDry)
  for (const { item, lookedAt, removed } of everywhere) {
    const why = 'still counts'
    report.lines.push({ tenant: null, item, does: 'removed', lookedAt, removed, kept: lookedAt - removed, why })
  }
  return report
}

/**
 * Ends a tenant for good: nobody gets in, nothing is received, and its keys are destroyed; then its retention removes what
 * the keys had made unreadable. `confirm` is the slug again. Can be repeated. Throws ProvisioningError.
 */
export async function offboardTenant(
  ctx: AppContext,
  { tenantSlug, confirm }: { tenantSlug: string; confirm: string },
): Promise<{ tenantId: string; destroyed: Record<string, number>; removed: Record<string, number> }> {
  if (confirm !== tenantSlug) throw new ProvisioningError('--confirm must repeat the slug: this cannot be undone')
  const work = await asOperator(ctx, tenantSlug)
  const { tenantId } = work
  const destroyed = await inTenant(retentionPool(ctx), work, (tx) => offboard(tx, tenantId))
  const lines = await applyRetentionOf(work)
  return { tenantId, destroyed, removed: Object.fromEntries(lines.map(({ item, removed }) => [item, removed])) }
}

/** Of every tenant, those that were offboarded too. */
export async function* listTenantIds(ctx: AppContext): AsyncGenerator<string> {
  for await (const { tenantId } of listTenants(ctx)) yield tenantId
}

async function* listTenants(ctx: AppContext): AsyncGenerator<{ slug: string; tenantId: string }> {
  let after = ''
  for (;;) {
    const page = await listSlugs(retentionPool(ctx).lookup, after, PAGE)
    yield* page
    const last = page.at(-1)
    if (last === undefined) return
    after = last.slug
  }
}
