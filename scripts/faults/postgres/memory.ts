import { readFileSync } from 'node:fs'

/** Megabytes, by process: the median of the last seconds, and the most since the last reading. */
export type Memory = ReadonlyMap<string, { nowMb: number; maxMb: number }>

export interface MemoryWatch {
  read: () => Memory
  stop: () => void
}

const EVERY_MS = 200
/** Three seconds' worth: garbage collection makes single readings jump. */
const KEPT = 15

/** Reads how much memory each process has (VmRSS of proc(5)) five times a second. One that is gone has no more readings. */
export function watchMemory(pids: ReadonlyMap<string, number>): MemoryWatch {
  const readings = new Map<string, number[]>()
  const look = () => {
    for (const [name, pid] of pids) {
      const mb = readRss(pid)
      if (mb !== null) readings.set(name, [...(readings.get(name) ?? []), mb])
    }
  }
  look()
  const timer = setInterval(look, EVERY_MS)
  return {
    read() {
      return new Map(
        [...readings].map(([name, all]) => {
          const last = all.slice(-KEPT).toSorted((a, b) => a - b)
          const nowMb = last[Math.floor(last.length / 2)] ?? 0
          const maxMb = Math.max(nowMb, ...all)
          readings.set(name, all.slice(-KEPT))
          return [name, { nowMb, maxMb }]
        }),
      )
    },
    stop: () => clearInterval(timer),
  }
}

function readRss(pid: number): number | null {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kilobytes === undefined ? null : Number(kilobytes) / 1_024
  } catch {
    return null
  }
}
