import type { AppContext } from '../context.ts'
import { measureViews, type ViewFigures } from '../rollups/service.ts'
import { listWorkers, measureHorizon, measureQueues, type QueueFigures, type WorkerFigures } from './queries.ts'
import { TooLate, within } from './within.ts'

/** A long count is not made again at once: it takes at most a twentieth of a connection's time. */
const REST_FACTOR = 20
/** Figures that are older than this say nothing of now. */
const MAX_AGE_MS = 60_000

export interface Figures {
  queues: QueueFigures[]
  workers: WorkerFigures[]
  views: ViewFigures[]
  upkeep: {
    deadTuples: number
    /** Since this process first saw it: when it began, only a superuser is told. */
    oldestXminAgeS: number
  }
}

/**
 * What the database knows of queues and workers, shared by whoever asks: read by one at a time, as fresh as the probes are.
 * Who cannot wait for a count that takes long is given the last one of the last minute, or TooLate. Rejects where it cannot
 * be read.
 */
export function createFigures(ctx: AppContext): (waitMs: number) => Promise<Figures> {
  const ageOf = createXminAge()
  let last: { figures: Figures; readAt: number; goodUntil: number } | undefined
  let failure: { error: unknown; goodUntil: number } | undefined
  let running: Promise<Figures> | undefined
  const read = async (): Promise<Figures> => {
    const { lookup } = ctx.db.probe
    const startedAt = performance.now()
    try {
      const [queues, workers, views, { deadTuples, oldestXmin }] = await Promise.all([
        measureQueues(lookup),
        listWorkers(lookup),
        measureViews(lookup),
        measureHorizon(lookup),
      ])
      const figures = { queues, workers, views, upkeep: { deadTuples, oldestXminAgeS: ageOf(oldestXmin) } }
      const readAt = performance.now()
      last = {
        figures,
        readAt,
        goodUntil: readAt + Math.max(ctx.config.probes.freshMs, REST_FACTOR * (readAt - startedAt)),
      }
      failure = undefined
      return figures
    } catch (error) {
      failure = {
        error: isCancelled(error) ? new TooLate('counting took too long') : error,
        goodUntil: performance.now() + ctx.config.probes.freshMs,
      }
      throw failure.error
    } finally {
      running = undefined
    }
  }
  const readWithin = async (waitMs: number): Promise<Figures> => {
    if (failure !== undefined && performance.now() < failure.goodUntil) throw failure.error
    if (failure === undefined && last !== undefined && performance.now() < last.goodUntil) return last.figures
    running ??= read()
    return within(waitMs, running)
  }
  return (waitMs) =>
    readWithin(waitMs).catch((error: unknown) => {
      if (error instanceof TooLate && last !== undefined && performance.now() - last.readAt < MAX_AGE_MS)
        return last.figures
      throw error
    })
}

/** By its time limit: query_canceled. */
function isCancelled(error: unknown): boolean {
  return (error as { code?: string } | null)?.code === '57014'
}

/** How long, in seconds, this process has seen the oldest snapshot: when it began, only a superuser is told. */
function createXminAge(): (xmin: string | null) => number {
  let oldest: { xmin: string; seenAt: number } | undefined
  return (xmin) => {
    if (xmin === null) oldest = undefined
    else if (oldest?.xmin !== xmin) oldest = { xmin, seenAt: performance.now() }
    return oldest === undefined ? 0 : (performance.now() - oldest.seenAt) / 1_000
  }
}
