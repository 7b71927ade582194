import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'

/** What names an import: the same bytes read in the same way. */
export interface ImportKey {
  tenantId: string
  kind: string
  sha256: Buffer
  /** Format, and what else changes what the bytes say. */
  reading: string
}

/** Rows by what became of them; sums as texts, since JSON has no integers above 2^53. */
export interface Tally {
  results: Record<string, number>
  sums: Record<string, string>
}

export interface ImportRow {
  rowsDone: number
  tally: Tally
  startedAt: Date
  finishedAt: Date | null
}

export async function findImport(
  tx: Tx,
  { tenantId, kind, sha256, reading }: ImportKey,
): Promise<ImportRow | undefined> {
  const { rows } = await sql<Omit<ImportRow, 'rowsDone'> & { rowsDone: bigint }>`
    select rows_done as "rowsDone", tally, started_at as "startedAt", finished_at as "finishedAt"
    from import_files
    where tenant_id = ${tenantId} and kind = ${kind} and file_sha256 = ${sha256} and reading = ${reading}`.execute(tx)
  const [row] = rows
  return row === undefined ? undefined : { ...row, rowsDone: Number(row.rowsDone) }
}

/** From the first row on, whatever was done before. */
export async function startImport(tx: Tx, { tenantId, kind, sha256, reading }: ImportKey): Promise<void> {
  await sql`
    insert into import_files (tenant_id, kind, file_sha256, reading)
    values (${tenantId}, ${kind}, ${sha256}, ${reading})
    on conflict (tenant_id, kind, file_sha256, reading) do update
      set rows_done = 0, tally = '{}', started_at = now(), finished_at = null`.execute(tx)
}

/** Moves from `from` rows to `to`. False when another process has moved it, and nothing was changed. */
export async function advanceImport(
  tx: Tx,
  { tenantId, kind, sha256, reading }: ImportKey,
  { from, to, tally, isFinished }: { from: number; to: number; tally: Tally; isFinished: boolean },
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update import_files
    set rows_done = ${to},
        tally = ${JSON.stringify(tally)}::jsonb,
        finished_at = case when ${isFinished} then now() end
    where tenant_id = ${tenantId} and kind = ${kind} and file_sha256 = ${sha256} and reading = ${reading}
      and rows_done = ${from} and finished_at is null`.execute(tx)
  return numAffectedRows === 1n
}
