import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts them in hundredths of a second on every architecture that we run on (USER_HZ, proc(5)). */
const TICK_MS = 10

/** Milliseconds of processor time of a Postgres server: of its own, of its processes, and of those that ended. */
export function readCpuMs(postmaster: number): number {
  let ticks = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8')
      // The name of the program, in parentheses, may hold anything.
      const fields = text
        .slice(text.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number)
      const [, parent, utime = 0, stime = 0, childUtime = 0, childStime = 0] = [0, fields[1], ...fields.slice(11, 15)]
      if (parent === postmaster) ticks += utime + stime
      else if (Number(name) === postmaster) ticks += utime + stime + childUtime + childStime
    } catch {
      // It has ended meanwhile.
    }
  }
  return ticks * TICK_MS
}
