import { hostname } from 'node:os'
import type { Config } from '../config.ts'
import { startWorker } from '../queue/worker.ts'
import { tasks } from './app.ts'
import { createContext } from './context.ts'

export interface RunningWorker {
  workerId: string
  stop(): Promise<void>
}

/** Starts a worker for all queues. */
export async function startWorkerProcess(config: Config): Promise<RunningWorker> {
  const ctx = createContext(config, 'app_worker', 'worker')
  const workerId = `${hostname()}/${process.pid}`.slice(-100)
  const worker = await startWorker(ctx, { tasks, databaseUrl: config.databaseUrls.app_worker, workerId })
  return {
    workerId,
    async stop() {
      await worker.stop()
      await ctx.close()
    },
  }
}
