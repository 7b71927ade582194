import { readFileSync } from 'node:fs'
import { parse } from 'csv-parse/sync'

/** The rows of a file by column name. Throws when it has none. */
export function readCsv(file: string, delimiter = ','): Record<string, string>[] {
  const rows = parse(readFileSync(file), { columns: true, delimiter, skip_empty_lines: true }) as Record<
    string,
    string
  >[]
  if (rows.length === 0) throw new Error(`${file} has no rows`)
  return rows
}
