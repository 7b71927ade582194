import { runs, runsAt, type Task } from '../../queue/job.ts'
import { applyRetention, removeExpiredTokens, startRetention } from './jobs.ts'
import { applyRetentionOf, removeWhatIsOfNoTenant, requestRetention } from './service.ts'

export const retentionTasks: Task[] = [
  runsAt(startRetention, requestRetention),
  runsAt(removeExpiredTokens, removeWhatIsOfNoTenant),
  runs(applyRetention, async (ctx, _args, signal) => void (await applyRetentionOf(ctx, { signal }))),
]
