import { sql } from 'kysely'
import type { Principal, RequestContext, TenantContext } from '../context.ts'
import type { Tx } from '../db/tenant.ts'
import type { Failure } from './failure.ts'
import type { QueueName } from './queues.ts'
import { isScheduleName, schedules } from './schedules.ts'

export type { QueueName } from './queues.ts'

/** What may be enqueued: data, so that a service can name a job without importing what runs it. */
export interface JobDefinition<Arguments> {
  /** `<domain>.<what it does>`; stored with the job. */
  name: string
  /** A queue of queues.ts. In an exclusive one a tenant has one open job of this name, and a further one is not added. */
  queue: QueueName
  /** Seconds to wait, so that a burst becomes one piece of work. Default 0. */
  delaySeconds: number
  /** Higher ones of the same queue are taken first; while there are enough of them, lower ones never run. Default 0. */
  priority: number
  /**
   * True: the job is the act of the member whose request queued it, and is not begun when their session was revoked
   * meanwhile. False, the default: it follows from what is stored, and is done whoever is gone.
   */
  isMembersOwn: boolean
  /** Only for the type: what a job carries besides its envelope. Ids and times, never money or personal data. */
  readonly arguments?: Arguments
}

/** Names of the envelope are refused by `defineJob`. */
export type JobArguments = Record<string, string>

/** For whom a job is done; no task sees it among its arguments. */
export interface JobEnvelope {
  job: string
  /** Absent in jobs of the clock. */
  tenantId: string
  correlationId: string
  /** Whose act it is; absent where it is the system's own. */
  userId?: string
  sessionId?: string
  /** Of a job that is run again by hand: its first id, by which its effects are known, and the attempts it had before. */
  originId?: string
  earlierAttempts?: number
}

/** A job as it lies in the queue. */
export type JobData = JobEnvelope & { [argument: string]: string | number | undefined }

const ENVELOPE: readonly string[] = [
  'job',
  'tenantId',
  'correlationId',
  'userId',
  'sessionId',
  'originId',
  'earlierAttempts',
  'priority',
] satisfies (keyof JobEnvelope | 'priority')[]

export function defineJob<Arguments extends JobArguments & { [Name in keyof JobEnvelope]?: never }>(
  definition: Pick<JobDefinition<Arguments>, 'name' | 'queue'> &
    Partial<Pick<JobDefinition<Arguments>, 'delaySeconds' | 'priority' | 'isMembersOwn'>>,
): JobDefinition<Arguments> {
  return { delaySeconds: 0, priority: 0, isMembersOwn: false, ...definition }
}

/** Arguments that say what of ours a job is about: a stored event, a replay, a recompute. */
const SUBJECTS = ['eventId', 'replayId', 'jobId'] as const
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * What the log calls `businessId`: the id of what a job is about, whichever requests and jobs have to do with it. Only an id
 * that this platform made itself; what a vendor calls its things may name a person.
 */
export function businessIdOf(data: JobData): string | undefined {
  for (const name of SUBJECTS) {
    const value = data[name]
    if (typeof value === 'string' && UUID.test(value)) return value
  }
  return undefined
}

/** What the task is given. */
export function argumentsOf(data: JobData): JobArguments {
  return Object.fromEntries(Object.entries(data).filter(([name]) => !ENVELOPE.includes(name))) as JobArguments
}

/** The member whose act a job is, and the session that they asked in. */
export interface Authority {
  userId: string
  sessionId: string
}

/** For whom a job is queued: a tenant, and the member whose request it is. */
export interface JobScope {
  tenantId: string
  correlationId: string
  principal?: Principal
  /** Of a job that goes on in another one: whose act it is. */
  authority?: Authority
  trace?: RequestContext['trace']
}

/**
 * Adds a job in this transaction: it exists if and only if the transaction commits. The database refuses a job for
 * any other tenant than the transaction's. `delaySeconds` stands before that of the definition.
 */
export async function enqueue<Arguments extends JobArguments>(
  tx: Tx,
  job: JobDefinition<Arguments>,
  scope: JobScope,
  args: Arguments,
  delaySeconds = job.delaySeconds,
): Promise<void> {
  const { tenantId, correlationId, principal } = scope
  const asks =
    principal?.kind === 'user' ? { userId: principal.userId, sessionId: principal.sessionId } : scope.authority
  const data: JobData = { ...args, job: job.name, tenantId, correlationId, ...(job.isMembersOwn && asks) }
  await addJob(tx, job.queue, job.priority === 0 ? data : { ...data, priority: job.priority }, delaySeconds)
  scope.trace?.queued(job)
}

/** A job as it was, once more. */
export async function addJob(tx: Tx, queue: string, data: JobData, delaySeconds = 0): Promise<void> {
  await sql`select internal.enqueue_job(${queue}, ${JSON.stringify(data)}::jsonb, ${delaySeconds}::integer)`.execute(tx)
}

/** One attempt of one job. */
export interface Attempt {
  /** Of the job that was queued first, however often it is run. */
  jobId: string
  /** From 1 on, over all runs. */
  number: number
  /** Of whoever queued it. */
  correlationId?: string | undefined
}

/** What a task is given beside its tenant. */
export interface JobContext extends TenantContext {
  /** Of the jobs that are this piece of work, in the order of their arguments. */
  attempts: readonly [Attempt, ...Attempt[]]
  /** Of a member's own job. */
  authority?: Authority
}

/**
 * True for whoever comes first with this effect of the job, in the transaction that has it: whatever that does is done once,
 * though the job be run again after a crash, by another worker or by hand. False: it is done, so leave it.
 */
export async function enterEffect(tx: Tx, attempt: Attempt, effect = 'done'): Promise<boolean> {
  return (await enterEffects(tx, [attempt], effect)).length === 1
}

/**
 * The same for jobs that are one piece of work: those that come first. For work of which there is much: a transaction for each
 * job costs six times a commit, and one for hundreds next to nothing (measured: `npm run bench -- queue`).
 */
export async function enterEffects(tx: Tx, attempts: readonly Attempt[], effect = 'done'): Promise<Attempt[]> {
  const jobIds = attempts.map(({ jobId }) => jobId)
  const numbers = attempts.map(({ number }) => number)
  // In order, so that two that hold the same jobs do not wait for each other in a circle.
  const { rows } = await sql<{ jobId: string }>`
    insert into job_effects (tenant_id, job_id, effect, attempt)
    select nullif(current_setting('app.current_tenant_id', true), '')::uuid, a.job_id, ${effect}, a.number
    from unnest(${jobIds}::uuid[], ${numbers}::integer[]) as a (job_id, number)
    order by a.job_id
    on conflict (tenant_id, job_id, effect) do nothing
    returning job_id as "jobId"`.execute(tx)
  const first = new Set(rows.map(({ jobId }) => jobId))
  return attempts.filter(({ jobId }) => first.has(jobId))
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
  run: (ctx: JobContext, batch: JobArguments[], signal: AbortSignal) => Promise<void>
  /**
   * Called for each job that is not tried any more, whatever its end: its attempts are used up, its worker died in the last
   * of them, or whoever asked for it may not any more. For what still says that the job will be done. Done at least once:
   * it is called again when it throws, or when the worker dies meanwhile. Queues without dead letters never call it.
   */
  onGivenUp?: (ctx: JobContext, batch: JobArguments[], failure: Failure) => Promise<void>
}

/** Runs each job by itself: one that fails takes no other with it. */
export function runs<Arguments extends JobArguments>(
  job: JobDefinition<Arguments>,
  run: (ctx: JobContext, args: Arguments, signal: AbortSignal) => Promise<void>,
  onGivenUp?: (ctx: JobContext, args: Arguments, failure: Failure) => Promise<void>,
): Task {
  return {
    name: job.name,
    queue: job.queue,
    isTogether: false,
    run: async (ctx, batch, signal) => {
      for (const args of batch) await run(ctx, args as Arguments, signal)
    },
    ...(onGivenUp !== undefined && {
      onGivenUp: async (ctx, batch, failure) => {
        for (const args of batch) await onGivenUp(ctx, args as Arguments, failure)
      },
    }),
  }
}

/**
 * Runs all waiting jobs of a tenant as one, for work that is the same work however often it is asked for. Each ingest
 * adds its own job row, and collapsing them here cannot lose one: a "skip if one is waiting" at enqueue can, since the
 * waiting job may start before this transaction commits.
 */
export function runsTogether<Arguments extends JobArguments>(
  job: JobDefinition<Arguments>,
  run: (ctx: JobContext, batch: Arguments[], signal: AbortSignal) => Promise<void>,
): Task {
  return {
    name: job.name,
    queue: job.queue,
    isTogether: true,
    run: (ctx, batch, signal) => run(ctx, batch as Arguments[], signal),
  }
}

/** Runs when `schedules.ts` says, once for all workers together. `run` sees no tenant. Throws for a job that is not there. */
export function runsAt(
  job: JobDefinition<Record<string, never>>,
  run: (ctx: RequestContext, signal: AbortSignal) => Promise<void>,
): Task {
  if (!isScheduleName(job.name)) throw new TypeError(`${job.name} has no schedule`)
  const { cron } = schedules[job.name]
  return { name: job.name, queue: job.queue, isTogether: true, cron, run: (ctx, _batch, signal) => run(ctx, signal) }
}
