import type { TenantContext } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import { findPersonalData } from '../../webhooks/personal-data.ts'
import type { ColumnNames, Row } from './rows.ts'
import { CellError } from './values.ts'

export type ImportKindName = 'orders' | 'touchpoints' | 'spend'

/** What became of a row. */
export interface Outcome {
  /** `skipped`: understood, and there is nothing to store. */
  result: 'accepted' | 'replaced' | 'duplicate' | 'unchanged' | 'skipped' | 'rejected'
  code: string | null
  /** For whoever mends the file; quotes nothing of it. */
  detail: string | null
  /** What an accepted or replaced row adds to the totals: minor units or a count, by what it is of. */
  sums: readonly (readonly [of: string, amount: bigint])[]
  /** What was given to the store; absent for a row that was not. */
  item?: SentItem
}

/** An item by what it is known by, for whoever must tell a repeat without what was stored. */
export interface SentItem {
  id: string
  content: string
  /** What it adds to the totals where it is stored. */
  sums: Outcome['sums']
}

/** One of the things that a file can hold. */
export interface ImportKind {
  columns: ColumnNames
  /** Rows of one transaction. */
  batchSize: number
  /** Of two rows with one id and other content the later one holds; otherwise it is a conflict. */
  isReplaced: boolean
  /** Stores the rows, in the transaction of the caller; one outcome per row, in order. */
  store: (tx: Tx, ctx: TenantContext, rows: readonly Row[], options: { timeZone: string }) => Promise<Outcome[]>
}

export function rejected(code: string, detail: string | null = null): Outcome {
  return { result: 'rejected', code, detail, sums: [] }
}

/** Whether a row was read, or what became of it instead. */
export function isOutcome(read: object): read is Outcome {
  return 'result' in read
}

/**
 * Reads the item out of a row. A row that cannot be read, or with a cell that looks like personal data, is rejected; cells
 * of `unjudged` columns are not looked at: ids, and those of which only what is extracted is kept.
 */
export function readItem<Item extends object>(
  row: Row,
  read: (row: Row) => Item,
  unjudged: readonly string[] = [],
): Item | Outcome {
  if (row.fault !== null) return rejected('invalid_row', row.fault)
  const personal = row.cells().find(([name, text]) => !unjudged.includes(name) && findPersonalData(text) !== null)
  if (personal !== undefined) return rejected('personal_data', `${personal[0]} looks like personal data`)
  try {
    return read(row)
  } catch (error) {
    if (error instanceof CellError) return rejected(error.code, error.message)
    throw error
  }
}

/** The outcomes of all rows, where only those that were read went to the store. */
export function withStored<Item extends object>(
  items: readonly (Item | Outcome)[],
  stored: readonly Outcome[],
): Outcome[] {
  const results = stored.values()
  return items.map((item) => (isOutcome(item) ? item : (results.next().value as Outcome)))
}

/** Equal for items that are. */
export function toContent(item: object): string {
  return JSON.stringify(item, (_name, value) => (typeof value === 'bigint' ? String(value) : value))
}
