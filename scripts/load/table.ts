/** Columns as wide as their widest cell; those of `left` are text, the others numbers. */
export function toTable(columns: readonly string[], rows: readonly (readonly string[])[], left: number): string[] {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)))
  return [columns, ...rows].map((row) =>
    row
      .map((text, index) => (index < left ? text.padEnd(widths[index] ?? 0) : text.padStart(widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}
