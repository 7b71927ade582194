import { runs, runsAt, type Task } from '../queue/job.ts'
import { refreshAgain, refreshAll } from './jobs.ts'
import { refreshByTheClock, refreshViews } from './service.ts'

export const rollupTasks: Task[] = [
  runsAt(refreshAll, refreshByTheClock),
  { ...runs(refreshAgain, async (ctx, _args, signal) => void (await refreshViews(ctx, signal))), isTogether: true },
]
