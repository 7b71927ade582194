import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { PgBoss } from 'pg-boss'
import type { AppContext, TenantContext } from '../context.ts'
import type { JobArguments, JobData, Task } from './job.ts'

/** How many jobs one fetch takes. Batches are what makes pg-boss fast: 20 jobs/s one by one, 6,259 in hundreds (measured). */
const BATCH = { webhook: 100, attribution: 500, maintenance: 5, poll: 1 } as const
/** Polls wait for other people's servers, and not for each other. */
const POLLS_AT_ONCE = 4
const POLL_SECONDS = 0.5
/** The tenant of a job that has none: no row is its. */
const NO_TENANT = '00000000-0000-0000-0000-000000000000'

export interface Worker {
  /** Lets running jobs finish (at most `graceMs`), then stops taking new ones. */
  stop(graceMs?: number): Promise<void>
}

export interface WorkerOptions {
  tasks: readonly Task[]
  /** As app_worker. */
  databaseUrl: string
  /** Answers to /health/worker carry it. */
  workerId: string
}

/**
 * Takes jobs and runs their tasks until stopped. Survives a loss of the database: pg-boss keeps polling.
 * A job whose worker died is taken again after its heartbeat ran out (10 s).
 */
export async function startWorker(ctx: AppContext, options: WorkerOptions): Promise<Worker> {
  const boss = new PgBoss({
    connectionString: options.databaseUrl,
    application_name: 'skeldir worker queue',
    max: 4,
    connectionTimeoutMillis: 3_000,
    migrate: false,
    createSchema: false,
    schedule: true,
    reindex: false,
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
  })
  // The error of a lost connection carries the whole client with it: only what it says is logged.
  boss.on('error', reportSparsely(ctx))
  boss.on('warning', (warning) => ctx.log.warn({ warning }, 'the queue warns'))
  await boss.start()

  const tasks = new Map(options.tasks.map((task) => [task.name, task]))
  for (const queue of ['webhook', 'attribution', 'maintenance', 'poll'] as const) {
    await boss.work<JobData>(
      queue,
      {
        batchSize: BATCH[queue],
        localConcurrency: queue === 'poll' ? POLLS_AT_ONCE : 1,
        pollingIntervalSeconds: POLL_SECONDS,
        burstWhenBatchFull: true,
        perJobResults: true,
      },
      (jobs) => runBatch(ctx, tasks, jobs),
    )
  }
  for (const { name, queue, cron } of options.tasks) {
    // One row each, whoever wrote it last; of all workers one adds the job when its time comes.
    if (cron !== undefined) await boss.schedule(queue, cron, { job: name }, { key: name, tz: 'UTC' })
  }
  await boss.work('probe', { batchSize: 1, pollingIntervalSeconds: POLL_SECONDS }, async () => {
    await answerProbes(ctx, options.workerId)
  })
  return {
    async stop(graceMs = 10_000) {
      await boss.stop({ graceful: true, timeout: graceMs, close: true })
    },
  }
}

const REPEAT_AFTER_MS = 30_000

/** pg-boss reports a lost database several times a second; the same fault is one line each half minute. */
function reportSparsely(ctx: AppContext): (error: Error) => void {
  const reportedAt = new Map<string, number>()
  return ({ message }) => {
    const fault = message.replace(/ \(Queue: [^()]*\)$/, '')
    const now = performance.now()
    const last = reportedAt.get(fault)
    if (last !== undefined && now - last < REPEAT_AFTER_MS) return
    if (reportedAt.size > 100) reportedAt.clear()
    reportedAt.set(fault, now)
    ctx.log.warn({ error: fault }, 'the queue reported an error')
  }
}

type Job = { id: string; data: JobData; signal: AbortSignal }
type Outcome = { id: string; status: 'completed' | 'failed' | 'deadletter'; output?: object }

/** Divides a batch into pieces of work; one that fails is retried, the others are done. */
async function runBatch(ctx: AppContext, tasks: Map<string, Task>, jobs: Job[]): Promise<Outcome[]> {
  const groups = new Map<string, Job[]>()
  for (const job of jobs) {
    const isTogether = tasks.get(job.data.job)?.isTogether === true
    const key = isTogether ? `${job.data.job}/${job.data.tenantId}` : job.id
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [job])
    else group.push(job)
  }
  const outcomes: Outcome[] = []
  for (const group of groups.values()) outcomes.push(...(await runGroup(ctx, tasks, group)))
  return outcomes
}

async function runGroup(ctx: AppContext, tasks: Map<string, Task>, jobs: Job[]): Promise<Outcome[]> {
  const [first] = jobs
  if (first === undefined) return []
  const task = tasks.get(first.data.job)
  if (task === undefined) {
    ctx.log.error({ job: first.data.job }, 'no task runs this job: it goes to the dead letter queue')
    return jobs.map(({ id }) => ({
      id,
      status: 'deadletter' as const,
      output: { error: `no task named ${first.data.job}` },
    }))
  }
  const tenantId = task.cron === undefined ? first.data.tenantId : NO_TENANT
  const scope: TenantContext = {
    ...ctx,
    tenantId,
    correlationId: first.data.correlationId ?? randomUUID(),
    clientAddress: null,
    principal: { kind: 'worker', tenantId },
  }
  try {
    // Whoever took the jobs over must not meet us; what was done before them counts all the same.
    first.signal.throwIfAborted()
    await task.run(
      scope,
      jobs.map(({ data }) => data as JobArguments),
      first.signal,
    )
    return jobs.map(({ id }) => ({ id, status: 'completed' as const }))
  } catch (error) {
    ctx.log.warn(
      { err: error, job: task.name, correlationId: scope.correlationId, jobs: jobs.length },
      'a job failed and will be tried again',
    )
    return jobs.map(({ id }) => ({ id, status: 'failed' as const, output: { error: String(error).slice(0, 500) } }))
  }
}

async function answerProbes(ctx: AppContext, workerId: string): Promise<void> {
  await sql`
    with old as (delete from worker_probes where requested_at < now() - interval '1 hour')
    update worker_probes
    set answered_at = now(), worker_id = ${workerId}
    where answered_at is null`.execute(ctx.db.main.lookup)
}
