import { expect, test } from 'vitest'
import { describe } from './import-progress.ts'

const at = (rows: number, bytes: number) => ({ rows, bytes, totalBytes: 1_000_000 })

test.each([
  [at(0, 0), at(5_000, 250_000), 5_000, '5,000 rows, 1,000/s, 25 %, 0:15 remaining'],
  [at(0, 0), at(100, 100), 1_000, '100 rows, 100/s, 0 %, 2:46:39 remaining'],
  // What an earlier run did counts for the share alone.
  [at(10_000, 500_000), at(12_000, 600_000), 2_000, '12,000 rows, 1,000/s, 60 %, 0:08 remaining'],
  [at(0, 0), at(500, 1_000_000), 100, '500 rows, 5,000/s, 100 %, 0:00 remaining'],
  [at(500, 900), at(500, 900), 100, '500 rows, 0/s, 0 %'],
])('%o to %o in %d ms', (first, now, elapsedMs, line) => {
  expect(describe(first, now, elapsedMs)).toBe(line)
})
