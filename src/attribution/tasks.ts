import { runs, runsAt, runsTogether, type Task } from '../queue/job.ts'
import { recomputeTouched, runRecompute, startPublications } from './jobs.ts'
import { giveUpRecompute, publishStored, requestPublications, runRecomputeJob } from './recompute/service.ts'

export const attributionTasks: Task[] = [
  runsTogether(recomputeTouched, (ctx, _batch, signal) => publishStored(ctx, signal)),
  runsAt(startPublications, requestPublications),
  runs(
    runRecompute,
    (ctx, { jobId }, signal) => runRecomputeJob(ctx, jobId, signal),
    (ctx, { jobId }) => giveUpRecompute(ctx, jobId),
  ),
]
