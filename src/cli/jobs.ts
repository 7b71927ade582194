import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { FailedJobQueue, FailedJobStatus } from '../jobs/queries.ts'
import { describeJobs, getFailedJob, listFailedJobs, redriveFailedJob, resolveFailedJob } from '../jobs/service.ts'
import { createContext } from '../main/context.ts'
import { ProblemError } from '../problem/problem.ts'
import { queueNames } from '../queue/queues.ts'
import { operatorIn, ProvisioningError, requireTenant } from '../tenants/operator.ts'
import { readWhole } from './admin/command.ts'
import { print } from './admin/print.ts'
import { readConfig, UsageError } from './environment.ts'

const HELP = `What the workers have to do, what they did by the clock, and what failed for good.

  skeldir jobs [--json]
      queues with what waits, runs and failed, and the schedules with their last runs
  skeldir jobs failed --tenant S [--status T] [--queue Q] [--limit N] [--json]
  skeldir jobs show --tenant S --job ID [--json]
  skeldir jobs redrive --tenant S --job ID [--json]
      runs it once more, with all of its retries; its effects happen once, however often it runs
  skeldir jobs resolve --tenant S --job ID --note TEXT [--status abandoned] [--json]
      closes it without running it: mended by other means (resolved), or given up (abandoned)

  --status T  pending, in_progress, resolved or abandoned
  --queue Q   ${queueNames.filter((name) => name !== 'poll' && name !== 'measure').join(', ')}
  --limit N   rows at most, from 1 to 100 (default 20)

What is done to a job stands in the tenant's audit log.
`

const STATUSES: readonly string[] = ['pending', 'in_progress', 'resolved', 'abandoned']
const VERBS: readonly string[] = ['failed', 'show', 'redrive', 'resolve']

/** `skeldir jobs`. */
export async function runJobs(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      tenant: { type: 'string' },
      job: { type: 'string' },
      status: { type: 'string' },
      queue: { type: 'string' },
      limit: { type: 'string' },
      note: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) return void process.stdout.write(HELP)
  const [verb, ...rest] = positionals
  if (rest.length > 0 || (verb !== undefined && !VERBS.includes(verb)))
    throw new UsageError(`there is no "jobs ${positionals.join(' ')}"`)
  const { json = false } = values
  if (verb === undefined) return showAll(json)
  const { tenant, job, status, queue, note } = values
  if (tenant === undefined || tenant === '') throw new UsageError(`jobs ${verb} needs --tenant`)
  if (status !== undefined && !STATUSES.includes(status))
    throw new UsageError(`--status is one of ${STATUSES.join(', ')}`)
  if (queue !== undefined && !(queueNames as readonly string[]).includes(queue))
    throw new UsageError(`--queue is one of ${queueNames.join(', ')}`)
  const limit = readWhole('limit', values.limit ?? '20', { min: 1, max: 100 })
  const jobId = verb === 'failed' ? '' : readJobId(needed(verb, 'job', job))

  const config = { ...readConfig(), logLevel: 'error' as const }
  const provisioning = createContext(config, 'app_rw', 'jobs')
  const api = createContext(config, 'app_user', 'jobs')
  try {
    const ctx = operatorIn(api, await requireTenant(provisioning, tenant))
    if (verb === 'failed') {
      const filter = { status: status as FailedJobStatus | undefined, queue: queue as FailedJobQueue | undefined }
      const { items } = await listFailedJobs(ctx, filter, { limit, cursor: undefined })
      print(
        {
          columns: ['job_id', 'queue', 'task', 'status', 'failure_class', 'attempts', 'last_failed_at', 'message'],
          items: items.map((row) => ({
            job_id: row.jobId,
            queue: row.queue,
            task: row.task,
            status: row.status,
            failure_class: row.failureClass,
            attempts: row.attempts,
            redrives: row.redrives,
            last_failed_at: row.lastFailedAt.toISOString(),
            message: row.message,
            correlation_id: row.correlationId,
          })),
        },
        json,
      )
    } else if (verb === 'show') {
      const found = await getFailedJob(ctx, jobId)
      print(
        {
          job_id: found.jobId,
          queue: found.queue,
          task: found.task,
          status: found.status,
          redrives: found.redrives,
          arguments: found.payload ?? '(removed)',
          enqueued_at: found.enqueuedAt.toISOString(),
          correlation_id: found.correlationId,
          failures: found.failures.map(
            ({ failedAt, attempt, failureClass, message, workerId }) =>
              `${failedAt.toISOString()}  ${attempt}  ${failureClass}  ${message}  ${workerId ?? '-'}`,
          ),
          note: found.note ?? '(none)',
        },
        json,
      )
    } else if (verb === 'redrive') {
      const { redrives } = await redriveFailedJob(ctx, jobId)
      print({ job_id: jobId, status: 'in_progress', redrives }, json)
    } else {
      const end = status ?? 'resolved'
      if (end !== 'resolved' && end !== 'abandoned') throw new UsageError('a job is closed as resolved or abandoned')
      await resolveFailedJob(ctx, jobId, { status: end, note: needed(verb, 'note', note) })
      print({ job_id: jobId, status: end }, json)
    }
  } catch (error) {
    throw error instanceof ProblemError ? toProvisioningError(error) : error
  } finally {
    await Promise.all([provisioning.close(), api.close()])
  }
}

async function showAll(json: boolean): Promise<void> {
  const ctx = createContext({ ...readConfig(), logLevel: 'error' }, 'app_worker', 'jobs')
  try {
    const { queues, schedules } = await describeJobs({ ...ctx, correlationId: randomUUID(), clientAddress: null })
    const queueRows = queues.map(({ name, ready, active, failed, oldestReadyAgeS }) => ({
      queue: name,
      ready: Number(ready),
      active: Number(active),
      failed: Number(failed),
      oldest_ready_seconds: oldestReadyAgeS === null ? null : Math.round(oldestReadyAgeS),
    }))
    const scheduleRows = schedules.map(({ name, cron, does, lastRun }) => ({
      schedule: name,
      cron,
      last_run: lastRun?.startedAt.toISOString() ?? null,
      outcome: lastRun?.outcome ?? null,
      seconds: lastRun?.finishedAt == null ? null : Math.round((+lastRun.finishedAt - +lastRun.startedAt) / 100) / 10,
      message: lastRun?.message ?? null,
      does,
    }))
    if (json) {
      console.log(JSON.stringify({ queues: queueRows, schedules: scheduleRows }))
      return
    }
    print({ columns: ['queue', 'ready', 'active', 'failed', 'oldest_ready_seconds'], items: queueRows }, false)
    console.log('')
    print({ columns: ['schedule', 'cron', 'last_run', 'outcome', 'seconds', 'does'], items: scheduleRows }, false)
  } finally {
    await ctx.close()
  }
}

function needed(verb: string, name: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError(`jobs ${verb} needs --${name}`)
  return value
}

function readJobId(text: string): string {
  const id = text.toLowerCase()
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id
  throw new UsageError(`--job is an id, and not ${JSON.stringify(text)}`)
}

/** What the API would answer as a problem, in sentences for a person. */
function toProvisioningError(error: ProblemError): ProvisioningError {
  const faults = (error.errors ?? []).map(({ pointer, detail }) => `${pointer.replace('/body/', '')}: ${detail}`)
  return new ProvisioningError(faults.length > 0 ? faults.join('\n') : error.detail, { cause: error })
}
