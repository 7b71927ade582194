import { runs, type Task } from '../../queue/job.ts'
import { measureAskedWindows, measureWindows } from './jobs.ts'
import { measureAll, measureAsked } from './service.ts'

export const windowTasks: Task[] = [
  runs(measureWindows, (ctx, _none, signal) => measureAll(ctx, signal)),
  runs(measureAskedWindows, (ctx, _none, signal) => measureAsked(ctx, signal)),
]
