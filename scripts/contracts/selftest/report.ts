import type { Fault, Verdict } from './operator.ts'

export interface SelftestReport {
  seed: number
  /** Only some of the faults were planted. */
  isPartial: boolean
  planted: number
  caught: number
  faults: (Omit<Fault, 'edits' | 'gates'> & Verdict)[]
  /** Operators without a target in this contract. */
  idle: string[]
  /** Rules that no operator spoils. */
  uncovered: string[]
  /** Files of the contract by the number of faults in them. */
  spread: Record<string, number>
  duration_ms: number
}

/** A row per fault, the count, and what survived. */
export function renderReport(report: SelftestReport, unreachable: Readonly<Record<string, string>>): string {
  const rows = report.faults.map(({ id, rule, isCaught, at }) => [
    id,
    rule,
    isCaught ? 'caught' : 'SURVIVED',
    `${at.file}:${at.line}`,
  ])
  const lines = table([['operator', 'rule', 'result', 'place'], ...rows])
  const survivors = report.faults
    .filter(({ isCaught }) => !isCaught)
    .map(
      ({ id, what, target, at, rule, reason }) =>
        `  ${id}: ${what} (${target}; ${rule} at ${at.file}:${at.line}): ${reason}`,
    )
  const counts = Object.entries(report.spread).filter(([file]) => file.includes('/openapi/'))
  const untouched = counts.filter(([, count]) => count === 0).map(([file]) => file)
  const notes = [
    ...(report.idle.length === 0 ? [] : [`nothing to spoil here: ${report.idle.join(', ')}`]),
    ...(report.uncovered.length === 0 ? [] : [`rules without a fault: ${report.uncovered.join(', ')}`]),
    ...(untouched.length === 0 ? [] : [`files without a fault: ${untouched.join(', ')}`]),
    ...Object.entries(unreachable).map(([rule, reason]) => `not planted: ${rule} ${reason}`),
  ]
  const files = `${counts.length - untouched.length} of ${counts.length} files of the contract, `
  return [
    ...lines,
    '',
    ...(report.isPartial ? [] : notes),
    ...(survivors.length === 0 ? [] : ['survivors:', ...survivors]),
    `caught ${report.caught}/${report.planted} (${report.isPartial ? '' : files}seed ${report.seed}, ${(report.duration_ms / 1_000).toFixed(0)} s)`,
    '',
  ].join('\n')
}

function table(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
