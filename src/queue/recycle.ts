import type { AppContext } from '../context.ts'

export interface RecycleLimits {
  /** Jobs after which a worker process ends, for another to begin; null: none. */
  maxJobs: number | null
  /** Resident memory in bytes after which it does; null: none. */
  maxMemoryBytes: number | null
}

/**
 * What is to be called with the number of jobs that were done. Once a limit is reached the process is told to end, as an
 * operator would: what has begun is finished, and whoever keeps it running starts another.
 */
export function createRecycling(
  ctx: AppContext,
  { maxJobs, maxMemoryBytes }: RecycleLimits,
  end: () => void = () => void process.kill(process.pid, 'SIGTERM'),
): (jobs: number) => void {
  let done = 0
  let isOver = false
  return (jobs) => {
    done += jobs
    if (isOver) return
    const memoryBytes = maxMemoryBytes === null ? 0 : process.memoryUsage.rss()
    const isWorn = maxJobs !== null && done >= maxJobs
    if (!isWorn && (maxMemoryBytes === null || memoryBytes <= maxMemoryBytes)) return
    isOver = true
    ctx.log.info({ jobs: done, memoryBytes }, 'this worker has done its share, and another takes its place')
    end()
  }
}
