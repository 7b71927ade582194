import type { TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { recordAudit } from '../../tenants/audit.ts'
import { getTenant } from '../../tenants/queries.ts'
import { inspectFile } from './file.ts'
import type { ImportKind, ImportKindName, Outcome } from './kind.ts'
import { orders } from './orders.ts'
import { advanceImport, findImport, type ImportKey, type ImportRow, startImport, type Tally } from './queries.ts'
import { startRehearsal } from './rehearsal.ts'
import { type Format, type Row, readRows } from './rows.ts'
import { spend } from './spend.ts'
import { touchpoints } from './touchpoints.ts'

const KINDS: Record<ImportKindName, ImportKind> = { orders, touchpoints, spend }

export const IMPORT_KINDS = Object.keys(KINDS) as ImportKindName[]

export interface ImportOptions {
  kind: ImportKindName
  path: string
  format: Format
  /** Of the days of spend; by default the tenant's. */
  timeZone: string | null
  /** Judges every row and stores none. */
  isDryRun: boolean
  /** What to do about a file that was begun or imported before. `null`: nothing, and say so. */
  again: 'resume' | 'restart' | null
}

/** Where an import is. */
export interface Progress {
  rows: number
  /** Of the file. */
  bytes: number
  totalBytes: number
}

export interface ImportWatch {
  /** Before the first row: how many rows an earlier run has done already, and the line that the last of them ends in. */
  onStart: (done: { rows: number; line: number }) => void
  /** Before the rows are committed, so that none is lost: after a crash they may come again. */
  onRejected: (row: Row, outcome: Outcome) => void
  onProgress: (progress: Progress) => void
  /** Aborted: stops after the rows at hand. */
  stop: AbortSignal
}

export interface ImportReport {
  kind: ImportKindName
  status: 'finished' | 'stopped' | 'was_finished' | 'dry_run'
  sha256: string
  rows: number
  tally: Tally
  /** Of an import that was finished before. */
  finishedAt: Date | null
}

/** Thrown when an import cannot go on as asked; the message says what can be done. */
export class ImportError extends Error {
  override name = 'ImportError'
}

/**
 * Imports a file of history: row by row in bounded memory, some hundred rows and the progress in one transaction, so that it
 * goes on after a crash exactly where it was. Each row has an outcome of its own, and none is stored twice. Throws FileError
 * for a file that is not what it is said to be, and ImportError.
 */
export async function importFile(
  ctx: TenantContext,
  options: ImportOptions,
  watch: ImportWatch,
): Promise<ImportReport> {
  const file = await inspectFile(options.path)
  const timeZone = options.timeZone ?? (await readTimeZone(ctx))
  const reading = options.kind === 'spend' ? `${options.format} ${timeZone}` : options.format
  const key: ImportKey = { tenantId: ctx.tenantId, kind: options.kind, sha256: file.sha256, reading }
  const run: Run = { key, kind: KINDS[options.kind], timeZone, options, watch, totalBytes: file.bytes }
  const base = { kind: options.kind, sha256: file.sha256.toString('hex') }
  if (options.isDryRun) return { ...base, status: 'dry_run', ...(await rehearse(ctx, run)), finishedAt: null }
  const known = await inTenant(ctx.db.ingest, ctx, (tx) => findImport(tx, key))
  if (known?.finishedAt != null && options.again !== 'restart') {
    const { tally, rowsDone, finishedAt } = known
    return { ...base, status: 'was_finished', rows: rowsDone, tally, finishedAt }
  }
  if (known !== undefined && options.again === null)
    throw new ImportError(
      `an import of this file ended after ${known.rowsDone} rows: --resume goes on there, --again starts over`,
    )
  const done = await perform(ctx, run, options.again === 'resume' ? known : undefined)
  return { ...base, ...done, finishedAt: null }
}

interface Run {
  key: ImportKey
  kind: ImportKind
  timeZone: string
  options: ImportOptions
  watch: ImportWatch
  totalBytes: number
}

function readTimeZone(ctx: TenantContext): Promise<string> {
  return inTenant(ctx.db.ingest, ctx, async (tx) => (await getTenant(tx, ctx.tenantId)).timeZone)
}

async function perform(
  ctx: TenantContext,
  run: Run,
  known: ImportRow | undefined,
): Promise<Pick<ImportReport, 'status' | 'rows' | 'tally'>> {
  const { key, kind, options, watch } = run
  let rows = known?.rowsDone ?? 0
  let tally: Tally = known?.tally ?? EMPTY
  let line = 0
  const onSkipped = (row: Row) => {
    line = row.line
  }
  const skip = { rows, onSkipped }
  const batches = batchesOf(readRows(options.path, options.format, kind.columns), kind.batchSize, skip)
  let batch = await batches.next()
  if (known === undefined) await inTenant(ctx.db.ingest, ctx, (tx) => begin(tx, ctx, key))
  watch.onStart({ rows, line })
  for (;;) {
    if (watch.stop.aborted) {
      await batches.return(undefined)
      return { status: 'stopped', rows, tally }
    }
    // One batch ahead, to know the last one.
    const current = batch.done === true ? [] : batch.value
    const next = batch.done === true ? batch : await batches.next()
    const isFinished = next.done === true
    tally = await inTenant(ctx.db.ingest, ctx, async (tx) => {
      const counted = await storeBatch(tx, ctx, run, current, tally)
      const step = { from: rows, to: rows + current.length, tally: counted, isFinished }
      if (!(await advanceImport(tx, key, step)))
        throw new ImportError('another process imports this file; wait for it to end')
      if (isFinished) await audit(tx, ctx, key, 'import.finished', { rows: step.to, ...counted.results })
      return counted
    })
    rows += current.length
    watch.onProgress({ rows, bytes: current.at(-1)?.bytes ?? 0, totalBytes: run.totalBytes })
    if (isFinished) return { status: 'finished', rows, tally }
    batch = next
  }
}

async function begin(tx: Tx, ctx: TenantContext, key: ImportKey): Promise<void> {
  await startImport(tx, key)
  await audit(tx, ctx, key, 'import.started', {})
}

function audit(
  tx: Tx,
  ctx: TenantContext,
  { kind, sha256 }: ImportKey,
  action: 'import.started' | 'import.finished',
  details: Record<string, number>,
): Promise<void> {
  const subject = `import:${sha256.toString('hex')}` as const
  return recordAudit(tx, { actor: ctx.principal, action, subject, details: { kind, ...details } })
}

/**
 * Everything that an import would do, batch by batch, each in a transaction that is then undone: nobody waits for longer than
 * for a batch of an import. What an earlier batch would have stored is remembered, so what it tells is what would be.
 */
async function rehearse(ctx: TenantContext, run: Run): Promise<{ rows: number; tally: Tally }> {
  const { kind, options, watch } = run
  const { judge } = startRehearsal(kind)
  let rows = 0
  let tally = EMPTY
  watch.onStart({ rows: 0, line: 0 })
  const all = readRows(options.path, options.format, kind.columns)
  for await (const batch of batchesOf(all, kind.batchSize, { rows: 0, onSkipped: () => {} })) {
    if (watch.stop.aborted) throw new ImportError('it was interrupted; nothing was stored')
    tally = await undone(ctx, (tx) => storeBatch(tx, ctx, run, batch, tally, judge))
    rows += batch.length
    watch.onProgress({ rows, bytes: batch.at(-1)?.bytes ?? 0, totalBytes: run.totalBytes })
  }
  return { rows, tally }
}

/** What `work` came to in a transaction of which nothing stays. */
async function undone<T>(ctx: TenantContext, work: (tx: Tx) => Promise<T>): Promise<T> {
  const end = new Error('undone')
  let result: { value: T } | undefined
  try {
    await inTenant(ctx.db.ingest, ctx, async (tx) => {
      result = { value: await work(tx) }
      throw end
    })
  } catch (error) {
    if (error !== end) throw error
  }
  return (result as { value: T }).value
}

async function storeBatch(
  tx: Tx,
  ctx: TenantContext,
  { kind, timeZone, watch }: Run,
  rows: readonly Row[],
  before: Tally,
  judge: (outcome: Outcome) => Outcome = (outcome) => outcome,
): Promise<Tally> {
  if (rows.length === 0) return before
  const outcomes = (await kind.store(tx, ctx, rows, { timeZone })).map(judge)
  for (const [index, outcome] of outcomes.entries())
    if (outcome.result === 'rejected') watch.onRejected(rows[index] as Row, outcome)
  return addTo(before, outcomes)
}

const EMPTY: Tally = { results: {}, sums: {} }

function addTo({ results, sums }: Tally, outcomes: readonly Outcome[]): Tally {
  const counts = new Map(Object.entries(results))
  const totals = new Map(Object.entries(sums).map(([of, amount]) => [of, BigInt(amount)]))
  for (const { result, sums: added } of outcomes) {
    counts.set(result, (counts.get(result) ?? 0) + 1)
    for (const [of, amount] of added) totals.set(of, (totals.get(of) ?? 0n) + amount)
  }
  return {
    results: Object.fromEntries(counts),
    sums: Object.fromEntries([...totals].map(([of, amount]) => [of, String(amount)])),
  }
}

/** Rows in groups, but for the first ones, which an earlier run has done. */
async function* batchesOf(
  rows: AsyncGenerator<Row>,
  size: number,
  skip: { rows: number; onSkipped: (row: Row) => void },
): AsyncGenerator<Row[]> {
  let batch: Row[] = []
  let seen = 0
  for await (const row of rows) {
    seen += 1
    if (seen <= skip.rows) {
      skip.onSkipped(row)
      continue
    }
    batch.push(row)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
