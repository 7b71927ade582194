import { sql } from 'kysely'
import type { PgBoss, WorkOptions } from 'pg-boss'
import type { AppContext } from '../context.ts'
import { createBatchRunner } from './batch.ts'
import { createBoss } from './boss.ts'
import { keepDeadLetters } from './dead-letters.ts'
import type { JobData, Task } from './job.ts'
import { type Leader, startLeader } from './leader.ts'
import type { FinishedPiece } from './piece.ts'
import { deadLetterQueues, type Pool, pools, type QueueName, queueNames, URGENT } from './queues.ts'
import type { TakenJob } from './records.ts'

/** A question of /health/worker is answered within this, though nobody hears of it. */
const PROBE_POLL_SECONDS = 0.5
const HEARTBEAT_SECONDS = 2
/** Dead letters of one fetch. */
const DEAD_LETTERS = 50
const DEAD_LETTER_POLL_SECONDS = 1

export interface Worker {
  /** Begins nothing more, gives back what waits, and lets running jobs finish: at most `graceMs`. */
  stop(graceMs?: number): Promise<void>
  /** Whether this process supervises the queue and keeps the schedules. */
  isLeading(): boolean
}

export interface WorkerOptions {
  tasks: readonly Task[]
  /** As app_worker. */
  databaseUrl: string
  /** Answers to /health/worker carry it. */
  workerId: string
  /** Called once for each piece of work, when it has ended. */
  onFinished?: (piece: FinishedPiece) => void
  /** Queues to work, and how. Default: all of them, as `queues.ts` says. */
  pools?: Partial<Record<QueueName, Pool>>
  /** False: another process leads. */
  canLead?: boolean
}

/**
 * Takes jobs and runs their tasks until stopped. Survives a loss of the database: pg-boss keeps polling.
 * A job whose worker died is taken again after its heartbeat ran out (10 s).
 */
export async function startWorker(ctx: AppContext, options: WorkerOptions): Promise<Worker> {
  const { tasks, databaseUrl, canLead = true } = options
  // A connection for each queue that is taken from at a time would be idle nearly always: half of them are enough.
  const boss = createBoss(ctx, { databaseUrl, name: 'skeldir worker queue', max: 6, isLeader: false, listens: true })
  const stopping = new AbortController()
  try {
    await boss.start()
    await takeJobs(ctx, boss, options, stopping.signal)
  } catch (error) {
    // What it holds open would keep a process alive that takes no jobs.
    await boss.stop({ graceful: false, close: true }).catch(() => {})
    throw error
  }
  const leader: Leader | null = canLead ? startLeader(ctx, { tasks, databaseUrl }) : null
  return {
    isLeading: () => leader?.isLeading() === true,
    async stop(graceMs = 10_000) {
      stopping.abort()
      await leader?.stop()
      await boss.stop({ graceful: true, timeout: graceMs, close: true })
    },
  }
}

/** From all queues, as each one's pool says. */
async function takeJobs(
  ctx: AppContext,
  boss: PgBoss,
  { tasks, workerId, onFinished, pools: worked = pools }: WorkerOptions,
  stopping: AbortSignal,
): Promise<void> {
  const batchOptions = {
    tasks,
    workerId,
    stopping,
    complete: (queue: QueueName, jobs: TakenJob[]) => boss.complete(queue, jobs),
    ...(onFinished && { onFinished }),
  }
  for (const queue of queueNames) {
    const pool = worked[queue]
    if (pool === undefined) continue
    const runBatch = createBatchRunner(ctx, queue, pool, batchOptions)
    const options = {
      pollingIntervalSeconds: pool.pollSeconds,
      // Somebody may not have been heard.
      notifyPollingIntervalSeconds: pool.pollSeconds,
      // Of the ten that count as dead: one that fails, or is late, is made up for.
      heartbeatRefreshSeconds: HEARTBEAT_SECONDS,
      perJobResults: true,
    } as const
    await boss.work<JobData, object, typeof options & WorkOptions>(
      queue,
      {
        ...options,
        batchSize: pool.batchSize,
        localConcurrency: pool.batches,
        groupConcurrency: pool.perTenant,
        burstWhenBatchFull: true,
      },
      (jobs) => runBatch(jobs as TakenJob[]),
    )
    if (pool.urgentAtOnce === undefined) continue
    await boss.work<JobData, object, typeof options & WorkOptions>(
      queue,
      { ...options, batchSize: 1, localConcurrency: pool.urgentAtOnce, minPriority: URGENT },
      (jobs) => runBatch(jobs as TakenJob[]),
    )
  }
  for (const queue of deadLetterQueues) {
    await boss.work<
      JobData,
      object,
      { batchSize: number; includeMetadata: true; pollingIntervalSeconds: number; perJobResults: true }
    >(
      queue,
      {
        batchSize: DEAD_LETTERS,
        includeMetadata: true,
        pollingIntervalSeconds: DEAD_LETTER_POLL_SECONDS,
        perJobResults: true,
      },
      (jobs) => keepDeadLetters(ctx, tasks, jobs),
    )
  }
  await boss.work(
    'probe',
    {
      batchSize: 1,
      pollingIntervalSeconds: PROBE_POLL_SECONDS,
      notifyPollingIntervalSeconds: PROBE_POLL_SECONDS,
    },
    () => answerProbes(ctx, workerId),
  )
}

async function answerProbes(ctx: AppContext, workerId: string): Promise<void> {
  await sql`
    with old as (delete from worker_probes where requested_at < now() - interval '1 hour')
    update worker_probes
    set answered_at = now(), worker_id = ${workerId}
    where answered_at is null`.execute(ctx.db.probe.lookup)
}
