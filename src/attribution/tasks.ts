import { runs, runsTogether, type Task } from '../queue/job.ts'
import { recomputeTouched, runRecompute } from './jobs.ts'
import { giveUpRecompute, recomputeTouchedDays, runRecomputeJob } from './service.ts'

export const attributionTasks: Task[] = [
  runsTogether(recomputeTouched, recomputeTouchedDays),
  runs(
    runRecompute,
    (ctx, { jobId }, signal) => runRecomputeJob(ctx, jobId, signal),
    (ctx, { jobId }) => giveUpRecompute(ctx, jobId),
  ),
]
