import { randomUUID } from 'node:crypto'
import type { Config } from '../config.ts'
import { type Heartbeats, startHeartbeats } from '../health/heartbeats.ts'
import { startWorkerMetrics } from '../metrics/worker.ts'
import type { Task } from '../queue/job.ts'
import { type FinishedPiece, overWhenGivenUp } from '../queue/piece.ts'
import { createRecycling } from '../queue/recycle.ts'
import { watchEventLoop } from '../queue/watchdog.ts'
import { startWorker } from '../queue/worker.ts'
import { tasks } from './app.ts'
import { createContext } from './context.ts'
import { startProbes } from './listen.ts'
import { startTraces } from './traces.ts'

export interface RunningWorker {
  workerId: string
  /** Null where the probes have no port. */
  probeUrl: string | null
  stop(): Promise<void>
}

/** Starts a worker for all queues. `own`: what it runs instead of the tasks of the platform, for measurements. */
export async function startWorkerProcess(config: Config, own: readonly Task[] = tasks): Promise<RunningWorker> {
  const ctx = createContext(config, 'app_worker', 'worker')
  // Every tenant may see it, so it does not say where the process runs: its first line does.
  const workerId = randomUUID()
  const stopTraces = await startTraces(ctx, 'worker')
  const taskNames = own.map(({ name }) => name)
  const metrics = startWorkerMetrics(ctx, { folder: config.metrics.folder, tasks: taskNames })
  ctx.onRefreshed = metrics.onRefreshed
  let activeJobs = 0
  // What is counted and told of a run ends when the queue gives it up: it may never end by itself, or too late to be true.
  const counted = own
    .map(overWhenGivenUp)
    .map(metrics.watch)
    .map(
      (task): Task => ({
        ...task,
        run: async (scope, batch, signal) => {
          activeJobs += batch.length
          const trace = ctx.tracing?.startWork({
            task: task.name,
            queue: task.queue,
            correlationId: scope.correlationId,
            isScheduled: task.cron !== undefined,
            work: scope.attempts,
          })
          try {
            await task.run(trace === undefined ? scope : { ...scope, trace }, batch, signal)
            trace?.end({})
          } catch (error) {
            trace?.end({ error })
            throw error
          } finally {
            activeJobs -= batch.length
          }
        },
      }),
    )
  const recycle = createRecycling(ctx, config.worker)
  let heartbeats: Heartbeats | undefined
  const abandon = async (error: unknown): Promise<never> => {
    await Promise.all([metrics.stop(), ctx.close()])
    throw error
  }
  // Before it takes jobs: a port that is taken is a start that failed.
  const probes = await startProbes(ctx, () => heartbeats?.isFresh() === true).catch(abandon)
  const worker = await startWorker(ctx, {
    tasks: counted,
    databaseUrl: config.databaseUrls.app_worker,
    workerId,
    onFinished: (piece) => {
      metrics.onEnded(piece.task, toOutcome(piece), piece.jobs)
      recycle(piece.jobs)
    },
  }).catch((error: unknown) => {
    probes.stop()
    return abandon(error)
  })
  const watchdog = watchEventLoop(config)
  heartbeats = startHeartbeats(ctx, { workerId, activeJobs: () => activeJobs })
  return {
    workerId,
    probeUrl: probes.url,
    async stop() {
      probes.startDraining()
      await worker.stop(config.shutdown.graceMs)
      await heartbeats?.stop()
      await metrics.stop()
      await watchdog.stop()
      await Promise.all([ctx.close(), stopTraces()])
      probes.stop()
    },
  }
}

function toOutcome({ outcome, failureClass }: FinishedPiece): 'success' | 'retry' | 'failure' | 'timeout' | 'rejected' {
  if (outcome === 'succeeded') return 'success'
  if (failureClass === 'timeout' || failureClass === 'rejected') return failureClass
  return outcome === 'retried' ? 'retry' : 'failure'
}
