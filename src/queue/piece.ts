import type { AppContext } from '../context.ts'
import { describeFailure, type Failure, JobLost, JobRejected, JobTimeout, toOutput } from './failure.ts'
import { type Attempt, argumentsOf, businessIdOf, type JobContext, type Task } from './job.ts'
import type { Pool, QueueName } from './queues.ts'
import {
  attemptOf,
  endRun,
  isAuthorityLive,
  recordFailures,
  recordRedriven,
  startRun,
  type TakenJob,
} from './records.ts'

/** The tenant of a job that has none: no row is its. */
const NO_TENANT = '00000000-0000-0000-0000-000000000000'

/** A piece of work that has ended; `retried`: it failed and will be tried again, as far as it has attempts left. */
export interface FinishedPiece {
  queue: QueueName
  task: string
  jobs: number
  outcome: 'succeeded' | 'retried' | 'given_up'
  failureClass: Failure['class'] | null
  durationMs: number
  correlationId: string
}

export interface PieceOptions {
  workerId: string
  onFinished?: (piece: FinishedPiece) => void
}

export interface Outcome {
  id: string
  status: 'completed' | 'failed' | 'deadletter'
  output?: object
}

/** As much of a job as says for whom it is, and which attempt this is. */
type Queued = Pick<TakenJob, 'id' | 'data' | 'retryCount'>

/** What runs at once: a job, or all of a tenant's jobs of a kind that are one piece of work. */
export interface Piece {
  task: Task
  jobs: readonly [TakenJob, ...TakenJob[]]
}

export async function runPiece(
  ctx: AppContext,
  { queue, pool, retryLimit }: { queue: QueueName; pool: Pool; retryLimit: number },
  { task, jobs }: Piece,
  options: PieceOptions,
): Promise<Outcome[]> {
  const [first] = jobs
  const scope = contextOf(ctx, task, jobs)
  const args = jobs.map(({ data }) => argumentsOf(data))
  const startedAt = performance.now()
  const finish = (outcome: FinishedPiece['outcome'], failureClass: FinishedPiece['failureClass'] = null) =>
    options.onFinished?.({
      queue,
      task: task.name,
      jobs: jobs.length,
      outcome,
      failureClass,
      durationMs: performance.now() - startedAt,
      correlationId: scope.correlationId,
    })
  try {
    // Whoever took the jobs over must not meet us; what was done before them counts all the same.
    throwIfLost(first.signal)
    if (!(await isAuthorityLive(ctx, first)))
      throw new JobRejected('Whoever asked for this may not ask for it any more: the session was ended or revoked.')
    if (task.cron !== undefined) {
      const { workerId } = options
      for (const { id: runId } of jobs) await startRun(ctx.db.main.lookup, { runId, schedule: task.name, workerId })
    }
    await withinLimit(pool.jobSeconds, first.signal, (signal) => task.run(scope, args, signal))
    if (task.cron !== undefined) for (const { id } of jobs) await endRun(ctx.db.main.lookup, id, null)
    for (const job of jobs) if (job.data.originId !== undefined) await recordRedriven(ctx, job)
    finish('succeeded')
    scope.log.debug({ jobs: jobs.length, durationMs: Math.round(performance.now() - startedAt) }, 'a job was done')
    return jobs.map(({ id }) => ({ id, status: 'completed' as const }))
  } catch (error) {
    const failure = describeFailure(error)
    const isFinal = failure.class === 'rejected' || first.retryCount >= retryLimit
    scope.log.warn(
      { err: error, jobs: jobs.length, class: failure.class },
      isFinal ? 'a job failed in its last attempt' : 'a job failed and will be tried again',
    )
    finish(isFinal ? 'given_up' : 'retried', failure.class)
    // Whoever took them away has said how this attempt ended.
    if (error instanceof JobLost)
      return jobs.map(({ id }) => ({ id, status: 'failed' as const, output: toOutput(failure) }))
    return keepFailure(ctx, jobs, failure, options, failure.class === 'rejected' ? 'deadletter' : 'failed')
  }
}

/** What a task is given for these jobs. */
export function contextOf(ctx: AppContext, task: Task, jobs: readonly [Queued, ...Queued[]]): JobContext {
  const [first] = jobs
  const tenantId = task.cron === undefined ? first.data.tenantId : NO_TENANT
  const correlationId = first.data.correlationId ?? first.id
  const { userId, sessionId } = first.data
  const businessId = jobs.length === 1 ? businessIdOf(first.data) : undefined
  return {
    ...ctx,
    log: ctx.log.child({ correlationId, job: task.name, ...(businessId !== undefined && { businessId }) }),
    tenantId,
    correlationId,
    clientAddress: null,
    principal: { kind: 'worker', tenantId },
    attempts: jobs.map(attemptOf) as [Attempt, ...Attempt[]],
    ...(userId !== undefined && sessionId !== undefined && { authority: { userId, sessionId } }),
  }
}

function throwIfLost(taken: AbortSignal): void {
  if (taken.aborted)
    throw new JobLost('The job was taken from this worker before it was done.', { cause: taken.reason })
}

/**
 * Throws JobTimeout when the work takes longer, and JobLost when the jobs are not this worker's any more. Work that does not heed
 * its signal goes on, and nobody waits for it: what it does after that has its effect once by keys of its own, or by `enterEffect`.
 */
async function withinLimit(
  seconds: number,
  taken: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  // Heard of now or below: nothing happens in between.
  throwIfLost(taken)
  // One signal that two can abort: one made of two costs as much as a small job.
  const limit = new AbortController()
  const { promise: over, reject } = Promise.withResolvers<never>()
  const end = (reason: Error) => {
    reject(reason)
    limit.abort(reason)
  }
  // Errors are made when they are needed: one costs more than a small job.
  const timer = setTimeout(
    () => end(new JobTimeout(`The job ran longer than its limit of ${seconds} seconds.`)),
    seconds * 1_000,
  )
  const giveUp = () =>
    end(new JobLost('The job was taken from this worker before it was done.', { cause: taken.reason }))
  taken.addEventListener('abort', giveUp, { once: true })
  try {
    // What the work throws when it is told to stop says less than why, which is there first.
    await Promise.race([over, work(limit.signal)])
  } finally {
    clearTimeout(timer)
    taken.removeEventListener('abort', giveUp)
  }
}

/** Ends with the work, or throws what aborts the signal, whichever is first. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  aborted.catch(() => {})
  work.catch(() => {})
  try {
    await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** The task as the queue sees it: it is over when its jobs are given up, though it may not heed its signal and go on. */
export function overWhenGivenUp(task: Task): Task {
  return { ...task, run: (ctx, batch, signal) => untilAborted(task.run(ctx, batch, signal), signal) }
}

/** Each attempt that failed is kept; the last one is written down again where its dead letter is read, so that none is lost. */
export async function keepFailure(
  ctx: AppContext,
  jobs: readonly TakenJob[],
  failure: Failure,
  { workerId }: PieceOptions,
  status: 'failed' | 'deadletter',
): Promise<Outcome[]> {
  for (const [tenantId, own] of Map.groupBy(jobs, ({ data }) => data.tenantId)) {
    if (tenantId === undefined) continue
    const correlationId = own[0]?.data.correlationId ?? tenantId
    const failed = own.map((job) => ({ attempt: attemptOf(job), failure, workerId }))
    await recordFailures(ctx, { tenantId, correlationId }, failed).catch((error: Error) =>
      ctx.log.warn({ error: error.message, correlationId }, 'a failure could not be written down'),
    )
  }
  return jobs.map(({ id }) => ({ id, status, output: toOutput(failure) }))
}
