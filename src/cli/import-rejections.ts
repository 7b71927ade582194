import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import type { Outcome } from '../events/import/kind.ts'
import type { Row } from '../events/import/rows.ts'

const HEADER = 'line,code,detail\n'

/**
 * Writes the rows that were rejected to FILE.rejected.csv, which exists only when there are any; to stderr where that cannot
 * be written, and in a dry run. Each has its line and the reason, and nothing of what stands in the row.
 */
export function openRejections(
  path: string,
  { isFile }: { isFile: boolean },
): {
  start: (done: { rows: number; line: number }) => void
  add: (row: Pick<Row, 'line'>, outcome: Pick<Outcome, 'code' | 'detail'>) => void
  end: () => void
} {
  const target = `${path}.rejected.csv`
  let kept = ''
  let fd: number | null = null
  let isOpened = false
  const open = () => {
    isOpened = true
    if (!isFile) return
    try {
      fd = openSync(target, 'w')
      writeSync(fd, HEADER + kept)
    } catch {
      process.stderr.write(`${target} cannot be written; rejected rows:\n`)
    }
  }
  return {
    start({ line }) {
      // After a crash the file may tell of rows that are judged again now.
      if (!isFile) return
      kept = line === 0 ? '' : readUntil(target, line)
      if (kept !== '') open()
      else rmSync(target, { force: true })
    },
    add({ line }, { code, detail }) {
      if (!isOpened) open()
      const text = detail === null ? '' : `"${detail.replaceAll('"', '""')}"`
      const entry = `${line},${code},${text}\n`
      if (fd === null) process.stderr.write(`line ${line}: ${code}${detail === null ? '' : `: ${detail}`}\n`)
      else writeSync(fd, entry)
    },
    end() {
      if (fd !== null) closeSync(fd)
    },
  }
}

/** What an earlier run wrote of lines up to this one. */
function readUntil(target: string, line: number): string {
  try {
    const entries = readFileSync(target, 'utf8').split('\n').slice(1)
    return entries
      .filter((entry) => /^\d+,/.test(entry) && Number.parseInt(entry, 10) <= line)
      .map((entry) => `${entry}\n`)
      .join('')
  } catch {
    return ''
  }
}
