import { failRecompute } from '../attribution/recompute/queries.ts'
import type { Tx } from '../db/tenant.ts'
import { giveBack } from '../webhooks/dead-events/replay/queries.ts'

type End = (tx: Tx, tenantId: string, args: Readonly<Record<string, string>>, jobId: string) => Promise<void>

/** What still says that a job will be done, by its task: its end when somebody closes the job by hand. */
const endings: Readonly<Record<string, End>> = {
  'attribution.run_recompute': (tx, tenantId, { jobId }, runId) => failRecompute(tx, tenantId, jobId ?? '', runId),
  'webhooks.replay_dead_events': (tx, tenantId, { replayId }) => giveBack(tx, tenantId, replayId ?? ''),
}

/** In the transaction that closes it. `args` null: they were removed. */
export async function endWork(
  tx: Tx,
  tenantId: string,
  { jobId, task, args }: { jobId: string; task: string; args: Readonly<Record<string, string>> | null },
): Promise<void> {
  if (args !== null) await endings[task]?.(tx, tenantId, args, jobId)
}
