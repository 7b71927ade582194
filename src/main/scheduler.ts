import type { Config } from '../config.ts'
import { startLeader } from '../queue/leader.ts'
import { tasks } from './app.ts'
import { createContext } from './context.ts'
import { startProbes } from './listen.ts'

export interface RunningScheduler {
  /** Null where the probes have no port. */
  probeUrl: string | null
  stop(): Promise<void>
}

/**
 * Starts a process that takes no jobs and is ready to lead: to keep the schedules, and to find jobs whose worker is gone.
 * Workers are ready to as well; with this one, schedules are kept where no worker has time.
 */
export async function startScheduler(config: Config): Promise<RunningScheduler> {
  const ctx = createContext(config, 'app_worker', 'scheduler')
  const probes = await startProbes(ctx).catch(async (error: unknown) => {
    await ctx.close()
    throw error
  })
  const leader = startLeader(ctx, { tasks, databaseUrl: config.databaseUrls.app_worker })
  return {
    probeUrl: probes.url,
    async stop() {
      probes.startDraining()
      await leader.stop()
      await ctx.close()
      probes.stop()
    },
  }
}
