import type { AppContext } from '../context.ts'
import { describeFailure, JobRefused } from './failure.ts'
import type { Task } from './job.ts'
import { keepFailure, type Outcome, type Piece, type PieceOptions, runPiece } from './piece.ts'
import { type Pool, type QueueName, queues } from './queues.ts'
import { giveBack, recordLostAttempts, type TakenJob } from './records.ts'

export interface BatchOptions extends PieceOptions {
  tasks: readonly Task[]
  /** Aborts when nothing more is to be begun. */
  stopping: AbortSignal
  /** Ends jobs that are done, while others of their batch go on. */
  complete: (queue: QueueName, jobs: TakenJob[]) => Promise<unknown>
}

/** Milliseconds between two looks at a batch that goes on. */
const LOOK_MS = 1_000
/** Milliseconds without a piece that is begun after which those that wait are left to whoever has time. */
const PATIENCE_MS = 5_000
/** Milliseconds that a batch takes besides its pieces. */
const MARGIN_MS = 2_000

/**
 * Runs the jobs that were taken at once; each ends by itself, and one that fails or hangs takes no other with it. While some go
 * on, those that are done are completed each second. Those that wait are given back as they were, and no attempt of theirs
 * counts, when the worker is to stop, when those before them take too long, or when too little of their time is left.
 * What is completed or given back is taken out of `jobs`, which pg-boss settles and keeps alive.
 */
export function createBatchRunner(
  ctx: AppContext,
  queue: QueueName,
  pool: Pool,
  options: BatchOptions,
): (jobs: TakenJob[]) => Promise<Outcome[]> {
  const { stopping } = options
  const tasks = new Map(options.tasks.map((task) => [task.name, task]))
  const { expireInSeconds: expiresS = pool.jobSeconds, retryLimit = 0 } =
    queues.find(({ name }) => name === queue) ?? {}
  const startMs = Math.max(LOOK_MS, (expiresS - pool.jobSeconds) * 1_000 - MARGIN_MS)
  return async (jobs) => {
    // A piece that begins later would be cut short with the whole batch.
    const lastStart = performance.now() + startMs
    const lost = recordLostAttempts(ctx, queue, jobs)
    const outcomes = new Map<string, Outcome>()
    const keep = (ended: readonly Outcome[]) => {
      for (const outcome of ended) outcomes.set(outcome.id, outcome)
    }
    const pieces: Piece[] = []
    for (const group of groupJobs(tasks, jobs)) {
      const task = tasks.get(group[0].data.job)
      if (task === undefined) keep(await refuse(ctx, group, options))
      else pieces.push({ task, jobs: group })
    }
    const waiting = inTurns(pieces)
    let lastBegun = performance.now()

    const isOver = (now: number) => stopping.aborted || now > lastStart || now - lastBegun > PATIENCE_MS
    const look = async () => {
      if (isOver(performance.now())) await giveBackRest(ctx, queue, jobs, waiting)
      const done = jobs.filter(({ id }) => outcomes.get(id)?.status === 'completed')
      if (done.length === 0) return
      // What cannot be completed now is with the rest, at the end.
      await options.complete(queue, done).then(
        () => takeOut(jobs, done),
        () => {},
      )
    }
    let looking: Promise<void> | undefined
    const lookOnce = () => {
      looking ??= look().finally(() => {
        looking = undefined
      })
      return looking
    }
    const onStop = () => void lookOnce()
    const timer = setInterval(lookOnce, LOOK_MS)
    stopping.addEventListener('abort', onStop)

    const runNext = async (): Promise<void> => {
      while (!stopping.aborted && performance.now() <= lastStart) {
        const piece = waiting.shift()
        if (piece === undefined) return
        lastBegun = performance.now()
        keep(await runPiece(ctx, { queue, pool, retryLimit }, piece, options))
        if (stopping.aborted) await lookOnce()
      }
    }
    try {
      await Promise.all(Array.from({ length: pool.jobsAtOnce }, runNext))
    } finally {
      clearInterval(timer)
      stopping.removeEventListener('abort', onStop)
    }
    await looking
    await giveBackRest(ctx, queue, jobs, waiting)
    await lost
    return [...outcomes.values()]
  }
}

/** Whoever looks next takes them, another worker or this one. */
async function giveBackRest(ctx: AppContext, queue: QueueName, jobs: TakenJob[], waiting: Piece[]): Promise<void> {
  const rest = waiting.splice(0).flatMap((piece) => piece.jobs)
  if (rest.length === 0) return
  // First: whoever takes them has the same attempt, and nothing that is done with these here may count as theirs.
  takeOut(jobs, rest)
  ctx.log.debug({ queue, jobs: rest.length }, 'jobs were given back')
  await giveBack(ctx, queue, rest).catch((error: Error) =>
    // They have no sign of life any more, and are taken over as those of a dead worker.
    ctx.log.warn({ error: error.message, queue, jobs: rest.length }, 'jobs could not be given back'),
  )
}

function takeOut(jobs: TakenJob[], gone: readonly TakenJob[]): void {
  const left = new Set(gone)
  jobs.splice(0, jobs.length, ...jobs.filter((job) => !left.has(job)))
}

function groupJobs(tasks: ReadonlyMap<string, Task>, jobs: readonly TakenJob[]): [TakenJob, ...TakenJob[]][] {
  const groups = new Map<string, [TakenJob, ...TakenJob[]]>()
  for (const job of jobs) {
    const { job: name, tenantId, userId } = job.data
    // What members ask for themselves is theirs alone.
    const isTogether = tasks.get(name)?.isTogether === true && userId === undefined
    const key = isTogether ? `${name}/${tenantId}` : job.id
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [job])
    else group.push(job)
  }
  return [...groups.values()]
}

/** The first piece of each tenant, then the second of each: whoever queued much waits behind whoever queued little. */
export function inTurns<T extends { jobs: readonly [{ data: { tenantId?: string } }, ...unknown[]] }>(
  pieces: readonly T[],
): T[] {
  const rounds: T[][] = []
  const taken = new Map<string | undefined, number>()
  for (const piece of pieces) {
    const { tenantId } = piece.jobs[0].data
    const round = taken.get(tenantId) ?? 0
    taken.set(tenantId, round + 1)
    rounds[round] ??= []
    rounds[round].push(piece)
  }
  return rounds.flat()
}

/** While releases change, a worker of the newer one knows the job: it is tried again, and given up with the last attempt. */
async function refuse(ctx: AppContext, jobs: readonly TakenJob[], options: PieceOptions): Promise<Outcome[]> {
  const name = jobs[0]?.data.job
  ctx.log.error({ job: name }, 'no task of this worker runs this job')
  const failure = describeFailure(new JobRefused(`no task named ${name}`))
  return keepFailure(ctx, jobs, failure, options, 'failed')
}
