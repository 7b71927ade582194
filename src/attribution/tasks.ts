import { runs, runsTogether, type Task } from '../queue/job.ts'
import { recomputeTouched, runRecompute } from './jobs.ts'
import { recomputeTouchedDays, runRecomputeJob } from './service.ts'

export const attributionTasks: Task[] = [
  runsTogether(recomputeTouched, recomputeTouchedDays),
  runs(runRecompute, (ctx, { jobId }, signal) => runRecomputeJob(ctx, jobId, signal)),
]
