import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Task } from '../queue/job.ts'
import { type Outcome, workerMetrics } from './catalogue.ts'
import { measureProcess } from './process.ts'
import { createMetrics } from './registry.ts'
import { createShardWriter, openFolder } from './shards.ts'

/** What a killed worker may lose of its figures. */
const WRITE_EVERY_MS = 1_000

/** What a worker process counts of its jobs. Without a folder nothing is counted. */
export interface WorkerMetrics {
  /** The task, counting its runs and how long they take. */
  watch(task: Task): Task
  /** What came of jobs; the queue tells, since it decides about retries. */
  onEnded(task: string, outcome: Outcome, jobs?: number): void
  onRefreshed(view: string, outcome: 'success' | 'skipped' | 'failure', durationMs: number): void
  /** Writes the last of it. */
  stop(): Promise<void>
}

const NOTHING: WorkerMetrics = {
  watch: (task) => task,
  onEnded() {},
  onRefreshed() {},
  async stop() {},
}

/** `tasks` are the names that may be labels. A folder that cannot be written to costs the figures, and no job. */
export function startWorkerMetrics(
  { log }: { log: Logger },
  { folder, tasks }: { folder: string | null; tasks: readonly string[] },
): WorkerMetrics {
  if (folder === null) return NOTHING
  const metrics = createMetrics(workerMetrics(tasks))
  const writer = createShardWriter(folder)
  let active = 0
  let isReported = false
  let running: Promise<void> | undefined

  async function write(): Promise<void> {
    try {
      if (folder !== null) await openFolder(folder)
      metrics.set('skd_task_active', {}, active)
      measureProcess(metrics)
      if (!(await writer.write(await metrics.read()))) {
        metrics.reset()
        await writer.write(await metrics.read())
      }
      isReported = false
    } catch (err) {
      // Each second the same would be told.
      if (!isReported) log.error({ err }, 'the figures of this worker could not be written')
      isReported = true
    }
  }
  const writeOnce = () => {
    running ??= write().finally(() => {
      running = undefined
    })
    return running
  }
  void writeOnce()
  const timer = setInterval(writeOnce, WRITE_EVERY_MS).unref()

  return {
    watch: (task) => ({
      ...task,
      run: async (scope, batch, signal) => {
        const started = performance.now()
        active += batch.length
        metrics.add('skd_task_started_total', { task: task.name }, batch.length)
        try {
          return await task.run(scope, batch, signal)
        } finally {
          active -= batch.length
          const seconds = (performance.now() - started) / 1_000
          metrics.observe('skd_task_duration_seconds', { task: task.name }, seconds, scope.correlationId)
        }
      },
    }),
    onEnded(task, outcome, jobs = 1) {
      metrics.add('skd_task_finished_total', { task, outcome }, jobs)
    },
    onRefreshed(view, outcome, durationMs) {
      metrics.add('skd_view_refresh_total', { view, outcome })
      metrics.observe('skd_view_refresh_duration_seconds', { view }, durationMs / 1_000)
    },
    async stop() {
      clearInterval(timer)
      active = 0
      const last = (running ?? Promise.resolve()).then(writeOnce)
      // A disk that hangs does not keep the process from its end.
      await Promise.race([last, sleep(WRITE_EVERY_MS, undefined, { ref: false })])
    },
  }
}
