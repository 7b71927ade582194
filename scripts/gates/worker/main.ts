// A worker of a gate: that of `skeldir worker`, with tasks that do harm. Started by gates r4 and r6 only.
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { loadConfig } from '../../../src/config.ts'
import { inTenant } from '../../../src/db/tenant.ts'
import { createContext } from '../../../src/main/context.ts'
import { defineJob, enterEffect, type JobContext, runs } from '../../../src/queue/job.ts'
import { pools } from '../../../src/queue/queues.ts'
import { createRecycling } from '../../../src/queue/recycle.ts'
import { startWorker } from '../../../src/queue/worker.ts'
import { PRIVILEGES, tryPrivilege } from './privileges.ts'

type Arguments = Record<string, string>
const job = (name: string, queue: 'webhook' | 'housekeeping' | 'attribution') =>
  defineJob<Arguments>({ name: `gate.${name}`, queue })

/** Enters that something was done; the table has no key, so that what is done twice is seen twice. */
const enter = (ctx: JobContext, { fails = false } = {}) =>
  inTenant(ctx.db.main, ctx, async (tx) => {
    const [attempt] = ctx.attempts
    if (await enterEffect(tx, attempt))
      await sql`insert into gate_effects (tenant_id, job_id) values (${ctx.tenantId}::uuid, ${attempt.jobId}::uuid)`.execute(
        tx,
      )
    if (fails) throw new Error('poison')
  })

const note = (ctx: JobContext, name: string, detail: string) =>
  sql`insert into gate_notes (name, detail, pid) values (${name}, ${detail}, ${process.pid})`.execute(
    ctx.db.main.lookup,
  )

const tasks = [
  // What it did is rolled back with what failed.
  runs(job('poison', 'webhook'), (ctx) => enter(ctx, { fails: true })),
  runs(job('sentinel', 'webhook'), async (ctx) => void (await enter(ctx))),
  // Dies once after its effect, before anybody knows that it is done.
  runs(job('crash', 'housekeeping'), async (ctx) => {
    await enter(ctx)
    if (ctx.attempts[0].number === 1) process.kill(process.pid, 'SIGKILL')
  }),
  // Heeds nothing.
  runs(job('runaway', 'webhook'), async (ctx) => {
    await note(ctx, 'runaway', ctx.attempts[0].jobId)
    await sleep(3_600_000, undefined, { ref: false })
  }),
  runs(job('nap', 'webhook'), async (ctx, { ms = '20' }) => {
    await sleep(Number(ms))
    await note(ctx, 'nap', ctx.tenantId)
  }),
  runs(job('foreign', 'attribution'), async (ctx, { other = '' }) => {
    const { rows } = await inTenant(ctx.db.main, ctx, (tx) =>
      sql<{ seen: number }>`
        select ((select count(*) from gate_effects where tenant_id = ${other}::uuid)
              + (select count(*) from worker_job_failures where tenant_id = ${other}::uuid)
              + (select count(*) from job_effects where tenant_id = ${other}::uuid))::integer as seen`.execute(tx),
    )
    await note(ctx, 'foreign rows', String(rows[0]?.seen))
    const written = await inTenant(ctx.db.main, ctx, (tx) =>
      sql`insert into job_effects (tenant_id, job_id, effect, attempt) values (${other}::uuid, ${other}::uuid, 'done', 1)`.execute(
        tx,
      ),
    ).then(
      () => 'written',
      () => 'refused',
    )
    await note(ctx, 'foreign write', written)
  }),
  runs(job('privileges', 'attribution'), async (ctx) => {
    const ask = (statement: string) => inTenant(ctx.db.main, ctx, (tx) => sql.raw(statement).execute(tx))
    for (const [name, { statement }] of Object.entries(PRIVILEGES))
      await note(ctx, `privilege ${name}`, await tryPrivilege(ask, statement))
  }),
]

const config = loadConfig(process.env)
const ctx = createContext(config, 'app_worker', 'gate worker')
const { GATE_MAX_JOBS: maxJobs, GATE_JOB_SECONDS: jobSeconds, GATE_ONE_DEATH: isOneDeath } = process.env
const recycle = createRecycling(ctx, { maxJobs: maxJobs === undefined ? null : Number(maxJobs), maxMemoryBytes: null })
const worker = await startWorker(ctx, {
  tasks,
  databaseUrl: config.databaseUrls.app_worker,
  workerId: `gate/${process.pid}`,
  onFinished: ({ jobs }) => recycle(jobs),
  pools: {
    webhook: { ...pools.webhook, ...(jobSeconds !== undefined && { jobSeconds: Number(jobSeconds) }) },
    // One at a time, where each death is to be one job's.
    housekeeping: { ...pools.housekeeping, ...(isOneDeath && { batchSize: 1, batches: 1, jobsAtOnce: 1 }) },
    attribution: pools.attribution,
    maintenance: pools.maintenance,
  },
})
console.log('taking jobs')
process.once('SIGTERM', async () => {
  await worker.stop(2_000)
  process.exit(0)
})
