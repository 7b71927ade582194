import { randomUUID } from 'node:crypto'
import type { AppContext, RequestContext, TenantContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import { enqueue } from '../../queue/job.ts'
import { comesFirst, type MaybeJob } from '../../queue/once.ts'
import { recordAudit } from '../../tenants/audit.ts'
import { requireTenant } from '../../tenants/operator.ts'
import { listTenantIds, retentionPool } from '../../tenants/retention/service.ts'
import { scanStoredData } from '../jobs.ts'
import { SCANNED_TABLES, scanPage } from './queries.ts'

/** Rows of one statement. */
const PAGE_ROWS = 5_000

export interface ScanLine {
  tenantId: string
  table: string
  rows: number
  /** Rows that hold what looks like personal data, or a member that is named like it. */
  hits: number
  /** What the first of them holds, without its text; null where there is none. */
  finding: string | null
}

/**
 * Looks through what is stored of what came in, row by row, by the rules that the insert was judged by: a hit is a fault of
 * ours, or of rules that have become stricter. Reads only. Throws ProvisioningError.
 */
export async function* scanPersonalData(
  ctx: AppContext,
  { tenantSlug }: { tenantSlug: string | undefined },
): AsyncGenerator<ScanLine> {
  const only = tenantSlug === undefined ? undefined : await requireTenant(ctx, tenantSlug)
  for await (const tenantId of only === undefined ? listTenantIds(ctx) : [only]) {
    for (const table of SCANNED_TABLES) yield await scanTable(ctx, tenantId, table)
  }
}

/** Queues a scan of every tenant. */
export async function requestScans(ctx: RequestContext & MaybeJob, signal: AbortSignal): Promise<void> {
  for await (const tenantId of listTenantIds(ctx)) {
    signal.throwIfAborted()
    const scope = { tenantId, correlationId: ctx.correlationId }
    await inTenant(ctx.db.main, scope, async (tx) => {
      if (await comesFirst(tx, ctx, 'scan')) await enqueue(tx, scanStoredData, scope, {})
    })
  }
}

/**
 * Scans what the tenant has stored. What is found stands in its audit log and in ours: the table and how many rows, and nothing
 * of what they say.
 */
export async function scanTenant(ctx: TenantContext & MaybeJob, signal: AbortSignal): Promise<void> {
  const { tenantId } = ctx
  for (const table of SCANNED_TABLES) {
    const { rows, hits } = await scanTable(ctx, tenantId, table, signal)
    if (hits === 0) continue
    ctx.log.error({ tenantId, item: table }, 'stored rows hold what looks like personal data: see the audit log')
    await inTenant(retentionPool(ctx), ctx, async (tx) => {
      if (!(await comesFirst(tx, ctx, `scan.${table}`))) return
      await recordAudit(tx, {
        actor: ctx.principal,
        action: 'privacy.stored_data_found',
        subject: `table:${table}`,
        details: { rows, hits },
      })
    })
  }
}

async function scanTable(
  ctx: AppContext,
  tenantId: string,
  table: (typeof SCANNED_TABLES)[number],
  signal?: AbortSignal,
): Promise<ScanLine> {
  const line: ScanLine = { tenantId, table, rows: 0, hits: 0, finding: null }
  for (let after = '(0,0)'; ; ) {
    signal?.throwIfAborted()
    const scope = { tenantId, correlationId: randomUUID() }
    const position = after
    const page = await inTenant(retentionPool(ctx), scope, (tx) => scanPage(tx, tenantId, table, position, PAGE_ROWS))
    if (page.last === null) return line
    line.rows += page.rows
    line.hits += page.hits
    line.finding ??= page.finding
    after = page.last
  }
}
