import { toTable } from '../load/table.ts'

/** One table that was compared. */
export interface Table {
  name: string
  /** Figures that were compared; a table without any has proven nothing. */
  figures: number
  /** The largest relative error, and where it is; null where everything is equal to the last bit. */
  worst: number
  worstAt: string | null
  limit: number
}

export interface Comparison extends Table {
  /** Relative to the expected figure; where that is 0, the found one itself. */
  add(where: string, found: number, expected: number): void
  /** For what is equal or wrong. */
  same(where: string, found: unknown, expected: unknown): void
}

export function compare(name: string, limit: number): Comparison {
  return {
    name,
    figures: 0,
    worst: 0,
    worstAt: null,
    limit,
    add(where, found, expected) {
      const error = expected === 0 ? Math.abs(found) : Math.abs(found - expected) / Math.abs(expected)
      // What is not a number is as wrong as can be.
      note(this, where, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error)
    },
    same(where, found, expected) {
      note(this, where, found === expected ? 0 : Number.POSITIVE_INFINITY)
    },
  }
}

function note(table: Comparison, where: string, error: number): void {
  table.figures += 1
  if (error <= table.worst) return
  table.worst = error
  table.worstAt = where
}

export function isEqual({ figures, worst, limit }: Table): boolean {
  return figures > 0 && worst <= limit
}

export function printTables(title: string, tables: readonly Table[]): string {
  const rows = tables.map((table) => [
    table.name,
    isEqual(table) ? 'equal' : 'DIFFERS',
    table.worstAt ?? '',
    String(table.figures),
    toText(table.worst),
    toText(table.limit),
  ])
  const wrong = tables.filter((table) => !isEqual(table)).length
  const columns = ['table', 'result', 'worst at', 'figures', 'largest error', 'limit']
  const result = wrong === 0 ? `${tables.length} tables, all equal` : `${wrong} of ${tables.length} tables differ`
  return [title, '', ...toTable(columns, rows, 3), '', result, ''].join('\n')
}

/** JSON has no infinity: what is simply wrong has a null for its error. */
export function tablesToJson(title: string, tables: readonly Table[]): string {
  const rows = tables.map((table) => {
    const { name, figures, worst, worstAt, limit } = table
    return { name, equal: isEqual(table), figures, worst: Number.isFinite(worst) ? worst : null, worstAt, limit }
  })
  return `${JSON.stringify({ title, equal: tables.every(isEqual), tables: rows })}\n`
}

function toText(error: number): string {
  return error === 0 ? '0' : error.toExponential(1)
}
