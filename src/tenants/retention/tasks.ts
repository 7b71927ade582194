import { runs, runsAt, type Task } from '../../queue/job.ts'
import { applyRetention, startRetention } from './jobs.ts'
import { applyRetentionOf, requestRetention } from './service.ts'

/** Daily, while most shops sleep. */
const DAILY = '17 3 * * *'

export const retentionTasks: Task[] = [
  runsAt(startRetention, DAILY, requestRetention),
  runs(applyRetention, async (ctx, _args, signal) => void (await applyRetentionOf(ctx, { signal }))),
]
