import type { JobWithMetadata } from 'pg-boss'
import type { AppContext } from '../context.ts'
import { isConstraintError } from '../db/errors.ts'
import { describeOutput } from './failure.ts'
import { argumentsOf, businessIdOf, type JobData, type Task } from './job.ts'
import { contextOf, type Outcome } from './piece.ts'
import { endRun, recordDeadLetter } from './records.ts'

/** Letters that are kept at a time. */
const AT_ONCE = 4
/** Milliseconds after which no further one is begun: half of what pg-boss gives a batch of them. */
const BUDGET_MS = 30_000

type Letter = JobWithMetadata<JobData>

/**
 * Writes down which jobs are not tried any more, and tells their tasks. Each letter by itself: one that fails comes again, and
 * one that no row can hold is logged and stays in the queue for a week.
 */
export async function keepDeadLetters(
  ctx: AppContext,
  tasks: readonly Task[],
  letters: readonly Letter[],
): Promise<Outcome[]> {
  const until = performance.now() + BUDGET_MS
  const waiting = [...letters]
  const outcomes: Outcome[] = []
  const keepNext = async () => {
    for (let letter = waiting.shift(); letter !== undefined; letter = waiting.shift()) {
      const { id } = letter
      if (performance.now() > until) outcomes.push({ id, status: 'failed' })
      else outcomes.push({ id, status: await keep(ctx, tasks, letter) })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, keepNext))
  return outcomes
}

async function keep(ctx: AppContext, tasks: readonly Task[], letter: Letter): Promise<Outcome['status']> {
  const { data, sourceName: queue, sourceId, createdOn } = letter
  if (queue === null || sourceId === null) return 'completed'
  const failure = describeOutput(letter.sourceOutput)
  const { job, correlationId, originId: jobId = sourceId } = data
  const log = ctx.log.child({ job, queue, jobId, correlationId, businessId: businessIdOf(data), class: failure.class })
  const given = { id: sourceId, data, retryCount: letter.sourceRetryCount ?? 0 }
  const task = tasks.find(({ name }) => name === job)
  try {
    // A task that cannot be told keeps nobody from seeing that the job has failed, and is told again.
    const [told] = await Promise.allSettled([
      data.tenantId === undefined
        ? endRun(ctx.db.main.lookup, sourceId, failure)
        : task?.onGivenUp?.(contextOf(ctx, task, [given]), [argumentsOf(data)], failure),
    ])
    if (data.tenantId !== undefined)
      await recordDeadLetter(ctx, {
        data,
        queue,
        runId: sourceId,
        enqueuedAt: letter.sourceCreatedOn ?? createdOn,
        retryCount: given.retryCount,
        output: letter.sourceOutput,
        failedAt: createdOn,
      })
    // Whose session is over has not failed, and nobody has to look.
    if (failure.class === 'rejected') log.warn('a job was not begun: whoever asked for it may not any more')
    else log.error('a job failed for good')
    if (told.status === 'fulfilled') return 'completed'
    log.warn({ err: told.reason }, 'its task could not be told yet')
    return 'failed'
  } catch (error) {
    const isHopeless = isConstraintError(error)
    if (isHopeless) log.error({ err: error }, 'a job failed for good, and cannot be written down')
    else log.warn({ err: error }, 'that a job failed for good could not be written down yet')
    return isHopeless ? 'deadletter' : 'failed'
  }
}
