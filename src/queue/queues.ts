/** Options of pg-boss's `createQueue`, with our names for what matters to a reader. */
export interface QueueDefinition {
  name: string
  /** `short`: one waiting job at most. `exclusive`: of a kind and a tenant one job at most, waiting or at work. */
  policy: 'standard' | 'short' | 'exclusive'
  retryLimit: number
  /** Seconds before the first retry; doubled each time, with jitter. */
  retryDelay: number
  retryDelayMax: number
  /** Seconds that one attempt may take. */
  expireInSeconds: number
  /** Seconds without a heartbeat after which the worker counts as dead (10 is the library's floor). */
  heartbeatSeconds: number
  /** Where a job goes when its retries are used up. */
  deadLetter: string | null
  /** How long a finished job is kept; DELETE_AFTER_SECONDS by default. */
  deleteAfterSeconds?: number
}

const DAY_S = 86_400

/** Finished jobs are kept this long, for whoever asks what happened. */
export const DELETE_AFTER_SECONDS = 7 * DAY_S
/** A waiting job that nobody takes for this long is dropped with a warning: it would mean no worker for two weeks. */
export const RETENTION_SECONDS = 14 * DAY_S

/** Dead letter queues come first: a queue refers to its own. */
export const queues: readonly QueueDefinition[] = [
  deadLetter('webhook_dead'),
  deadLetter('attribution_dead'),
  deadLetter('maintenance_dead'),
  {
    name: 'webhook',
    policy: 'standard',
    retryLimit: 10,
    retryDelay: 1,
    retryDelayMax: 300,
    expireInSeconds: 60,
    heartbeatSeconds: 10,
    deadLetter: 'webhook_dead',
  },
  {
    name: 'attribution',
    policy: 'standard',
    retryLimit: 8,
    retryDelay: 2,
    retryDelayMax: 600,
    expireInSeconds: 300,
    heartbeatSeconds: 10,
    deadLetter: 'attribution_dead',
  },
  {
    // Retention and erasure: long, rare, and each goes on where it was stopped.
    name: 'maintenance',
    policy: 'standard',
    retryLimit: 8,
    retryDelay: 5,
    retryDelayMax: 900,
    expireInSeconds: 900,
    heartbeatSeconds: 10,
    deadLetter: 'maintenance_dead',
  },
  {
    // What the clock asks for of a tenant every few minutes: one that is late makes no pile, and one that fails is tried by
    // the next.
    name: 'poll',
    policy: 'exclusive',
    retryLimit: 0,
    retryDelay: 1,
    retryDelayMax: 1,
    expireInSeconds: 900,
    heartbeatSeconds: 10,
    deadLetter: null,
    deleteAfterSeconds: DAY_S,
  },
  {
    // Asked by /health/worker: one question waits at most, so that a dead worker leaves no pile behind.
    name: 'probe',
    policy: 'short',
    retryLimit: 0,
    retryDelay: 1,
    retryDelayMax: 1,
    expireInSeconds: 10,
    heartbeatSeconds: 10,
    deadLetter: null,
  },
]

function deadLetter(name: string): QueueDefinition {
  return {
    name,
    policy: 'standard',
    retryLimit: 0,
    retryDelay: 1,
    retryDelayMax: 1,
    expireInSeconds: 60,
    heartbeatSeconds: 10,
    deadLetter: null,
  }
}
