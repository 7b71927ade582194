import { sql } from 'kysely'
import type { RequestContext, TenantContext } from '../context.ts'
import type { Tx } from '../db/tenant.ts'

/** The queues whose jobs are tasks of ours. */
export type QueueName = 'webhook' | 'attribution' | 'maintenance' | 'poll'

/** What may be enqueued: data, so that a service can name a job without importing what runs it. */
export interface JobDefinition<Arguments> {
  /** `<domain>.<what it does>`; stored with the job. */
  name: string
  /** A queue of queues.ts. In an exclusive one a tenant has one open job of this name, and a further one is not added. */
  queue: QueueName
  /** Seconds to wait, so that a burst becomes one piece of work. Default 0. */
  delaySeconds: number
  /** Only for the type: what a job carries besides its tenant. Ids and times, never money or personal data. */
  readonly arguments?: Arguments
}

export type JobArguments = Record<string, string>

/** A job as it lies in the queue. */
export interface JobData {
  job: string
  tenantId: string
  correlationId: string
  [argument: string]: string
}

export function defineJob<Arguments extends JobArguments>(
  definition: Omit<JobDefinition<Arguments>, 'delaySeconds' | 'arguments'> & { delaySeconds?: number },
): JobDefinition<Arguments> {
  return { delaySeconds: 0, ...definition }
}

/**
 * Adds a job in this transaction: it exists if and only if the transaction commits. The database refuses a job for
 * any other tenant than the transaction's. `delaySeconds` stands before that of the definition.
 */
export async function enqueue<Arguments extends JobArguments>(
  tx: Tx,
  job: JobDefinition<Arguments>,
  scope: { tenantId: string; correlationId: string },
  args: Arguments,
  delaySeconds = job.delaySeconds,
): Promise<void> {
  const data: JobData = { ...args, job: job.name, tenantId: scope.tenantId, correlationId: scope.correlationId }
  await sql`select internal.enqueue_job(${job.queue}, ${JSON.stringify(data)}::jsonb, ${delaySeconds}::integer)`.execute(
    tx,
  )
}

/** What runs the jobs of one definition. */
export interface Task {
  name: string
  queue: JobDefinition<unknown>['queue']
  /** True: the jobs of a tenant that were taken at once are one piece of work. False: each is its own. */
  isTogether: boolean
  /** Of a task that no transaction asks for: when it runs, in UTC, as cron has it. It has no tenant. */
  cron?: string
  /** `signal` aborts when the jobs are no longer this worker's: they took too long, or it stops. */
  run: (ctx: TenantContext, batch: JobArguments[], signal: AbortSignal) => Promise<void>
}

/** Runs each job by itself: one that fails takes no other with it. */
export function runs<Arguments extends JobArguments>(
  job: JobDefinition<Arguments>,
  run: (ctx: TenantContext, args: Arguments, signal: AbortSignal) => Promise<void>,
): Task {
  return {
    name: job.name,
    queue: job.queue,
    isTogether: false,
    run: async (ctx, batch, signal) => {
      for (const args of batch) await run(ctx, args as Arguments, signal)
    },
  }
}

/**
 * Runs all waiting jobs of a tenant as one, for work that is the same work however often it is asked for. Each ingest
 * adds its own job row, and collapsing them here cannot lose one: a "skip if one is waiting" at enqueue can, since the
 * waiting job may start before this transaction commits.
 */
export function runsTogether<Arguments extends JobArguments>(
  job: JobDefinition<Arguments>,
  run: (ctx: TenantContext, batch: Arguments[], signal: AbortSignal) => Promise<void>,
): Task {
  return {
    name: job.name,
    queue: job.queue,
    isTogether: true,
    run: (ctx, batch, signal) => run(ctx, batch as Arguments[], signal),
  }
}

/** Runs by the clock, once for all workers together. `run` sees no tenant. */
export function runsAt(
  job: JobDefinition<Record<string, never>>,
  cron: string,
  run: (ctx: RequestContext, signal: AbortSignal) => Promise<void>,
): Task {
  return { name: job.name, queue: job.queue, isTogether: true, cron, run: (ctx, _batch, signal) => run(ctx, signal) }
}
