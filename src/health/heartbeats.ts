import type { AppContext } from '../context.ts'
import { beat, removeHeartbeat } from './queries.ts'

const EVERY_MS = 5_000

/** Of one that gives a sign of life every 5 s. */
const FRESH_MS = 15_000

export interface Heartbeats {
  /** Whether the database has a sign of life of the last 15 s. */
  isFresh(): boolean
  stop(): Promise<void>
}

/** Says every 5 s that this worker lives and how many jobs it is at, for getDetailedHealth. As app_worker. Never throws. */
export function startHeartbeats(
  ctx: AppContext,
  { workerId, activeJobs }: { workerId: string; activeJobs: () => number },
): Heartbeats {
  // Jobs may hold all other connections: a worker that is merely full is alive.
  const { lookup } = ctx.db.probe
  let running: Promise<void> | undefined
  let lastMs = Number.NEGATIVE_INFINITY
  const once = () => {
    // With a database that hangs, one waits.
    running ??= beat(lookup, { workerId, activeJobs: activeJobs() })
      .then(() => {
        lastMs = performance.now()
      })
      .catch((err: unknown) => ctx.log.debug({ err }, 'no sign of life could be given'))
      .finally(() => {
        running = undefined
      })
  }
  once()
  const timer = setInterval(once, EVERY_MS).unref()
  return {
    isFresh: () => performance.now() - lastMs < FRESH_MS,
    async stop() {
      clearInterval(timer)
      await running
      await removeHeartbeat(lookup, workerId).catch(() => {})
    },
  }
}
