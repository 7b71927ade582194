import type { Facts, Listing } from './command.ts'

export function print(result: Facts | Listing, asJson: boolean): void {
  if (isListing(result)) printListing(result, asJson)
  else if (asJson) console.log(JSON.stringify(result))
  else printFacts(result)
}

function isListing(result: Facts | Listing): result is Listing {
  return Array.isArray(result.columns) && Array.isArray(result.items)
}

function printFacts(facts: Facts): void {
  const width = Math.max(...Object.keys(facts).map((name) => name.length)) + 2
  for (const [name, value] of Object.entries(facts)) {
    const lines = Array.isArray(value) ? (value.length > 0 ? value : ['(none)']) : [value ?? '(unchanged)']
    for (const line of lines) console.log(`${name.padEnd(width)}${line}`)
  }
}

/** JSON has all that there is; the table the columns that fit a line. */
function printListing({ columns, items }: Listing, asJson: boolean): void {
  if (asJson) {
    console.log(JSON.stringify({ items }))
    return
  }
  const lines = [columns, ...items.map((item) => columns.map((name) => toCell(item[name])))]
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => (cells[index] as string).length)))
  for (const cells of lines) {
    console.log(
      cells
        .map((cell, index) => cell.padEnd(widths[index] as number))
        .join('  ')
        .trimEnd(),
    )
  }
}

function toCell(value: unknown): string {
  if (value === null || value === undefined) return '-'
  return Array.isArray(value) ? value.join(',') : String(value)
}

const PROGRESS_MS = 2_000

/** A line on stderr every two seconds. */
export function showProgress(what: string): (done: number) => void {
  let saidAt = performance.now()
  return (done) => {
    if (performance.now() - saidAt < PROGRESS_MS) return
    saidAt = performance.now()
    console.error(`${done} ${what} …`)
  }
}
