import { url as inspectorUrl } from 'node:inspector'
import { Worker } from 'node:worker_threads'
import type { LogLevel } from '../config.ts'

/** Seconds. Others take the jobs of a worker over after 10 without a sign of life, so nothing is gained by waiting much longer. */
const LIMIT_SECONDS = 15
const TICK_MS = 250

/** What the thread is started with. */
export interface Watched {
  /** One number, which grows while the event loop turns. */
  ticks: SharedArrayBuffer
  limitSeconds: number
  logLevel: LogLevel
}

/**
 * Ends this process as kill -9 does when its event loop has not turned for so long: a job that computes without end gives up
 * neither at its signal nor at its time limit, and a process that others took the jobs of must not go on with them. A thread
 * of its own looks, and counts looks instead of reading a clock, so that a process that was stopped and goes on is let be.
 * Returns what ends the watch.
 */
export function watchEventLoop({ logLevel, limitSeconds = LIMIT_SECONDS }: Partial<Watched> & { logLevel: LogLevel }): {
  stop: () => Promise<void>
} {
  // At a breakpoint nothing turns.
  if (inspectorUrl() !== undefined) return { stop: async () => {} }
  const ticks = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  const counter = new Int32Array(ticks)
  const timer = setInterval(() => Atomics.add(counter, 0, 1), TICK_MS).unref()
  const workerData: Watched = { ticks, limitSeconds, logLevel }
  const thread = new Worker(new URL('./watchdog-thread.ts', import.meta.url), { workerData, execArgv: [] })
  thread.unref()
  return {
    async stop() {
      clearInterval(timer)
      await thread.terminate()
    },
  }
}
