import type { Progress } from '../events/import/service.ts'

const AFTER_MS = 2_000
const EVERY_MS = 1_000
/** Where no terminal rewrites the line. */
const EVERY_MS_IN_LOGS = 10_000

/** A line on stderr for whatever takes longer than two seconds: rows, rate, and how long the rest will take. */
export function startProgress(what: string): { show: (progress: Progress) => void; end: () => void } {
  const isTerminal = process.stderr.isTTY === true
  const startedMs = performance.now()
  let first: Progress | null = null
  let shownMs = startedMs + AFTER_MS - (isTerminal ? EVERY_MS : EVERY_MS_IN_LOGS)
  let isShown = false
  return {
    show(progress) {
      first ??= progress
      const nowMs = performance.now()
      if (nowMs - shownMs < (isTerminal ? EVERY_MS : EVERY_MS_IN_LOGS)) return
      shownMs = nowMs
      isShown = true
      const line = `${what}: ${describe(first, progress, nowMs - startedMs)}`
      process.stderr.write(isTerminal ? `\r\u001b[2K${line}` : `${line}\n`)
    },
    end() {
      if (isShown && isTerminal) process.stderr.write('\r\u001b[2K')
    },
  }
}

/** Rows and bytes of an earlier run count for the share that is done, not for the rate. */
export function describe(first: Progress, { rows, bytes, totalBytes }: Progress, elapsedMs: number): string {
  const rate = ((rows - first.rows) * 1000) / elapsedMs
  const bytesPerMs = (bytes - first.bytes) / elapsedMs
  const share = totalBytes === 0 ? 0 : Math.min(1, bytes / totalBytes)
  const parts = [
    `${rows.toLocaleString('en')} rows`,
    `${Math.round(rate).toLocaleString('en')}/s`,
    `${Math.floor(share * 100)} %`,
  ]
  if (bytesPerMs > 0) parts.push(`${toClock((totalBytes - bytes) / bytesPerMs)} remaining`)
  return parts.join(', ')
}

function toClock(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  const tail = `${String(seconds % 60).padStart(2, '0')}`
  return hours === 0 ? `${minutes}:${tail}` : `${hours}:${String(minutes).padStart(2, '0')}:${tail}`
}
