/** Options of pg-boss's `createQueue`, with our names for what matters to a reader. */
export interface QueueDefinition {
  name: string
  /** `short`: one waiting job at most. `exclusive`: of a kind and a tenant one job at most, waiting or at work. */
  policy: 'standard' | 'short' | 'exclusive'
  /** Attempts after the first. */
  retryLimit: number
  /** Seconds before the first retry; doubled each time, half of it by chance. */
  retryDelay: number
  retryDelayMax: number
  /** Seconds that one attempt may take, those of the batch that it was taken in included. */
  expireInSeconds: number
  /** Seconds without a heartbeat after which the worker counts as dead (10 is the library's floor). */
  heartbeatSeconds: number
  /** Where a job goes when its retries are used up. */
  deadLetter: string | null
  /** How long a finished job is kept; DELETE_AFTER_SECONDS by default. */
  deleteAfterSeconds?: number
  /** True: whoever adds a job says so, and it starts within milliseconds. For queues where few jobs are added. */
  notify?: boolean
}

/** How one worker process takes the jobs of a queue. */
export interface Pool {
  /** Jobs that one fetch takes. Batches are what makes pg-boss fast: 20 jobs/s one by one, 6,259 in hundreds (measured). */
  batchSize: number
  /** Seconds between two looks for jobs while there are none. */
  pollSeconds: number
  /** Batches at a time. */
  batches: number
  /** Jobs of one tenant that are at work at a time, over all processes: the rest of a batch, or the next one, is for others. */
  perTenant: number
  /** Jobs of a batch that run at a time. */
  jobsAtOnce: number
  /** Seconds after which the signal of a job aborts and the job counts as failed. */
  jobSeconds: number
  /** Jobs of priority URGENT or higher that are taken besides, one by one, however long the others are at work. Default 0. */
  urgentAtOnce?: number
}

/** The priority from which on a job waits for no long one of its queue. */
export const URGENT = 10

const DAY_S = 86_400

/** Finished jobs are kept this long, for whoever asks what happened. */
export const DELETE_AFTER_SECONDS = 7 * DAY_S
/** A waiting job that nobody takes for this long is dropped with a warning: it would mean no worker for two weeks. */
export const RETENTION_SECONDS = 14 * DAY_S

/** The queues whose jobs are tasks of ours, and how each is worked. */
export const pools = {
  /** Small and rare, mostly by the clock: clean-up, figures, views. One by one, so that none waits for what it was taken with. */
  housekeeping: { batchSize: 1, pollSeconds: 1, batches: 3, perTenant: 2, jobsAtOnce: 1, jobSeconds: 120 },
  /** Retention and scans: long, and each goes on where it was stopped. Erasure, and what the clock asks for, are urgent. */
  maintenance: {
    batchSize: 2,
    pollSeconds: 1,
    batches: 3,
    perTenant: 2,
    jobsAtOnce: 2,
    jobSeconds: 900,
    urgentAtOnce: 1,
  },
  /** Waits for somebody else's server, for a person who waits too. */
  llm: { batchSize: 1, pollSeconds: 2, batches: 4, perTenant: 2, jobsAtOnce: 1, jobSeconds: 120 },
  /** Three batches: while one is run, the others are claimed and completed (a fifth faster than two, measured). */
  attribution: { batchSize: 500, pollSeconds: 0.5, batches: 3, perTenant: 500, jobsAtOnce: 4, jobSeconds: 240 },
  /** What is computed over whole windows: long, in a thread of its own, and never needed at once. One at a time in a process. */
  measure: { batchSize: 1, pollSeconds: 1, batches: 1, perTenant: 1, jobsAtOnce: 1, jobSeconds: 600 },
  webhook: { batchSize: 100, pollSeconds: 0.5, batches: 2, perTenant: 100, jobsAtOnce: 2, jobSeconds: 30 },
  /** Polls wait for other people's servers, and not for each other. */
  poll: { batchSize: 1, pollSeconds: 2, batches: 4, perTenant: 2, jobsAtOnce: 1, jobSeconds: 600 },
} as const satisfies Record<string, Pool>

export type QueueName = keyof typeof pools
export const queueNames = Object.keys(pools) as QueueName[]

const ordinary = { policy: 'standard', heartbeatSeconds: 10 } as const

/** What the jobs of a queue need; `poll` and `measure` have no dead letters, since the next one does what one failed to do. */
const worked: readonly QueueDefinition[] = [
  {
    ...ordinary,
    name: 'housekeeping',
    retryLimit: 5,
    retryDelay: 2,
    retryDelayMax: 300,
    expireInSeconds: 300,
    deadLetter: 'housekeeping_dead',
  },
  {
    ...ordinary,
    name: 'maintenance',
    retryLimit: 8,
    retryDelay: 5,
    retryDelayMax: 900,
    expireInSeconds: 930,
    deadLetter: 'maintenance_dead',
  },
  {
    ...ordinary,
    name: 'llm',
    retryLimit: 3,
    retryDelay: 5,
    retryDelayMax: 120,
    expireInSeconds: 150,
    deadLetter: 'llm_dead',
    notify: true,
  },
  {
    ...ordinary,
    name: 'attribution',
    retryLimit: 8,
    retryDelay: 2,
    retryDelayMax: 600,
    expireInSeconds: 300,
    deadLetter: 'attribution_dead',
  },
  {
    // Asked for after each publication, by the hundred: of a tenant one waits, and one that is given up is made good by the next.
    ...ordinary,
    name: 'measure',
    policy: 'exclusive',
    retryLimit: 2,
    retryDelay: 10,
    retryDelayMax: 60,
    expireInSeconds: 630,
    deadLetter: null,
    deleteAfterSeconds: DAY_S,
  },
  {
    ...ordinary,
    name: 'webhook',
    retryLimit: 10,
    retryDelay: 1,
    retryDelayMax: 300,
    expireInSeconds: 60,
    deadLetter: 'webhook_dead',
  },
  {
    // What the clock asks for of a tenant every few minutes: one that is late makes no pile, and one that fails is tried by
    // the next.
    ...ordinary,
    name: 'poll',
    policy: 'exclusive',
    retryLimit: 0,
    retryDelay: 1,
    retryDelayMax: 1,
    expireInSeconds: 900,
    deadLetter: null,
    deleteAfterSeconds: DAY_S,
  },
  {
    // Asked by /health/worker: one question waits at most, so that a dead worker leaves no pile behind.
    ...ordinary,
    name: 'probe',
    policy: 'short',
    retryLimit: 0,
    retryDelay: 1,
    retryDelayMax: 1,
    expireInSeconds: 10,
    deadLetter: null,
    notify: true,
  },
]

/** Dead letter queues come first: a queue refers to its own. What is in them is written down at once (`dead-letters.ts`). */
export const deadLetterQueues: readonly string[] = worked.flatMap(({ deadLetter }) => deadLetter ?? [])

export const queues: readonly QueueDefinition[] = [
  ...deadLetterQueues.map((name) => ({
    ...ordinary,
    name,
    retryLimit: 1_000,
    retryDelay: 1,
    retryDelayMax: 60,
    expireInSeconds: 60,
    deadLetter: null,
  })),
  ...worked,
]
