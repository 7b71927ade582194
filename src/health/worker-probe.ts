import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { AppContext } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import { ProblemError } from '../problem/problem.ts'
import { round } from './checks.ts'
import { askWorker, findAnswer, isWritable } from './queries.ts'
import { TooLate, within } from './within.ts'

/** How long somebody who asks is kept waiting: most of them give up after a second. */
const WAIT_MS = 850
/** How long a worker has to answer, counted from when the question was put. */
const PROBE_MS = 1_300
/**
 * An answer that is older says nothing. Together with a question that is put half a second after the last answer, a worker
 * that is gone is told of after 1,800 ms at the latest, and one that was slow once is not.
 */
const MAX_AGE_MS = 1_500
const POLL_MS = 25
const RETRY_AFTER_SECONDS = '5'

export interface WorkerAnswer {
  workerId: string
  roundTripMs: number
  checkedAt: Date
}

/**
 * A real round trip: a job is queued, a worker takes it and writes its answer, and the answer is read. Askers share one
 * probe, and its answer for `freshMs`, of which the second half is used to get the next one. A question that still waits is
 * waited for instead of asking another one, whichever process asked it: without a worker there is one question and one job,
 * however often it is asked. Throws `worker_unavailable` naming the part that is down.
 */
export function createWorkerProbe(ctx: AppContext): () => Promise<WorkerAnswer> {
  const { freshMs } = ctx.config.probes
  let last: { answer: WorkerAnswer; at: number } | undefined
  let running: Promise<WorkerAnswer> | undefined

  function probe(): Promise<WorkerAnswer> {
    running ??= askAndWait(ctx)
      .then((answer) => {
        last = { answer, at: performance.now() }
        return answer
      })
      .finally(() => {
        running = undefined
      })
    return running
  }

  return async () => {
    const age = () => (last === undefined ? Number.POSITIVE_INFINITY : performance.now() - last.at)
    if (last !== undefined && age() < freshMs) {
      if (age() >= freshMs / 2) probe().catch(() => {})
      return last.answer
    }
    try {
      return await within(WAIT_MS, probe())
    } catch (error) {
      if (last !== undefined && age() < MAX_AGE_MS) return last.answer
      throw error instanceof TooLate ? noAnswer() : error
    }
  }
}

async function askAndWait(ctx: AppContext): Promise<WorkerAnswer> {
  const { lookup } = ctx.db.probe
  const started = performance.now()
  const left = () => Math.max(0, PROBE_MS - (performance.now() - started))
  try {
    if (!(await within(left(), isWritable(lookup)))) throw new Error('read-only')
  } catch (cause) {
    throw unavailable('database', 'The database does not answer, or takes no writes.', cause)
  }
  let probeId: string
  try {
    probeId = await within(left(), askWorker(lookup, randomUUID()))
  } catch (cause) {
    throw unavailable('queue', 'The queue takes no job.', cause)
  }
  const workerId = await awaitAnswer(lookup, probeId, left)
  return { workerId, roundTripMs: round(performance.now() - started), checkedAt: ctx.clock() }
}

async function awaitAnswer(lookup: Lookup, probeId: string, left: () => number): Promise<string> {
  for (;;) {
    const isLast = left() === 0
    const workerId = await within(Math.max(POLL_MS, left()), findAnswer(lookup, probeId)).catch((cause) => {
      throw unavailable('database', 'The database does not answer.', cause)
    })
    if (workerId !== undefined) return workerId
    // The last look is after the time is over: this process may have been the slow one.
    if (isLast) throw noAnswer()
    await delay(Math.min(POLL_MS, left()))
  }
}

function noAnswer(): ProblemError {
  return unavailable('worker', `No worker answered within ${WAIT_MS} ms.`)
}

function unavailable(part: 'database' | 'queue' | 'worker', detail: string, cause?: unknown): ProblemError {
  return new ProblemError('worker_unavailable', detail, {
    cause,
    errors: [{ pointer: `/${part}`, code: 'down', detail }],
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  })
}
