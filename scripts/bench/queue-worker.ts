// The worker of `npm run bench -- queue`: that of `skeldir worker`, with tasks that do next to nothing.
//   DATABASE_URL=… SKELDIR_MASTER_KEY=… node scripts/bench/queue-worker.ts
import { sql } from 'kysely'
import { loadConfig } from '../../src/config.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { startWorkerProcess } from '../../src/main/worker.ts'
import { enterEffect, enterEffects, runs, runsTogether } from '../../src/queue/job.ts'
import { withEffect, withEffects, withNothing, withWord } from './queue-jobs.ts'

/** Sent to the parent: once after the start, then of each job that says when it began; both clocks are the machine's. */
export type WorkerMessage = 'ready' | { number: number; startedNs: string }

const tasks = [
  runs(withNothing, async () => {}),
  runs(withEffect, async (ctx) => {
    await inTenant(ctx.db.main, ctx, async (tx) => {
      const [attempt] = ctx.attempts
      if (!(await enterEffect(tx, attempt))) return
      await sql`insert into bench_effects (tenant_id, job_id) values (${ctx.tenantId}::uuid, ${attempt.jobId}::uuid)`.execute(
        tx,
      )
    })
  }),
  runsTogether(withEffects, async (ctx) => {
    await inTenant(ctx.db.main, ctx, async (tx) => {
      const jobIds = (await enterEffects(tx, ctx.attempts)).map(({ jobId }) => jobId)
      await sql`
        insert into bench_effects (tenant_id, job_id) select ${ctx.tenantId}::uuid, unnest(${jobIds}::uuid[])`.execute(
        tx,
      )
    })
  }),
  runs(withWord, async (_ctx, { number }) => {
    send({ number: Number(number), startedNs: String(process.hrtime.bigint()) })
  }),
]

function send(message: WorkerMessage): void {
  process.send?.(message)
}

const worker = await startWorkerProcess(loadConfig(process.env), tasks)
process.once('disconnect', async () => {
  await worker.stop()
  process.exit(0)
})
send('ready')
