import { setTimeout as delay } from 'node:timers/promises'
import { expect, type onTestFinished as OnTestFinished, test } from 'vitest'
import type { TenantContext } from '../../src/context.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { defineJob, enqueue, runs } from '../../src/queue/job.ts'
import { pools, type QueueName } from '../../src/queue/queues.ts'
import { schedules } from '../../src/queue/schedules.ts'
import { startWorker } from '../../src/queue/worker.ts'
import { startPlatform, until } from '../support/platform.ts'
import { workerContext } from '../support/worker.ts'

async function givenQueue(queue: QueueName, onTestFinished: typeof OnTestFinished) {
  const platform = await startPlatform(onTestFinished)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  const other = workerContext(platform, await platform.createTenant(), onTestFinished)
  const begun: { tenantId: string; what: string }[] = []
  const job = (name: string, priority = 0) =>
    defineJob<Record<string, string>>({ name: `test.${name}`, queue, priority })
  const [nap, hang, urgent] = [job('nap'), job('hang'), job('urgent', 10)]
  const note = ({ tenantId }: TenantContext, what: string) => void begun.push({ tenantId, what })
  const tasks = [
    runs(nap, async (scope) => {
      note(scope, 'nap')
      await delay(200)
    }),
    runs(hang, async (scope) => {
      note(scope, 'hang')
      await delay(3_600_000, undefined, { ref: false })
    }),
    runs(urgent, async (scope) => note(scope, 'urgent')),
  ]
  const start = async () => {
    const { databaseUrls } = platform.config
    const pool = { [queue]: pools[queue] }
    const worker = await startWorker(ctx, { tasks, databaseUrl: databaseUrls.app_worker, workerId: 't/1', pools: pool })
    onTestFinished(() => worker.stop(1_000))
  }
  const add = (of: TenantContext, definition: typeof nap, count = 1) =>
    inTenant(of.db.main, of, async (tx) => {
      for (let n = 0; n < count; n += 1) await enqueue(tx, definition, of, {})
    })
  return { platform, ctx, other, begun, start, add, nap, hang, urgent }
}

test.concurrent('whoever queued sixty jobs of maintenance does not stand before whoever queued one', async ({
  onTestFinished,
}) => {
  const { ctx, other, begun, start, add, nap } = await givenQueue('maintenance', onTestFinished)
  await add(ctx, nap, 60)
  await add(other, nap)
  await start()
  await until(
    async () => begun.findIndex(({ tenantId }) => tenantId === other.tenantId),
    (place) => place >= 0,
  )
  expect(begun.length).toBeLessThan(10)
})

test.concurrent('what is urgent waits for no long job', async ({ onTestFinished }) => {
  const { platform, ctx, begun, start, add, hang, urgent } = await givenQueue('maintenance', onTestFinished)
  for (let n = 0; n < 4; n += 1)
    await add(workerContext(platform, await platform.createTenant(), onTestFinished), hang, 2)
  await start()
  await until(
    async () => begun.length,
    (count) => count === 6,
  )
  await add(ctx, urgent)
  await until(async () => begun.some(({ what }) => what === 'urgent'), Boolean, 5_000)
})

test.concurrent('in housekeeping a job does not wait for what was there before it', async ({ onTestFinished }) => {
  const { ctx, other, begun, start, add, nap, hang } = await givenQueue('housekeeping', onTestFinished)
  await add(ctx, hang, 4)
  await start()
  await until(
    async () => begun.length,
    (count) => count > 0,
  )
  await add(other, nap)
  await until(async () => begun.some(({ what }) => what === 'nap'), Boolean, 5_000)
})

test.concurrent('what the clock asks for is urgent', async ({ onTestFinished }) => {
  const platform = await startPlatform(onTestFinished)
  await platform.startWorker()
  const rows = await until(
    () =>
      platform.query<{ priority: number }>(`select (options ->> 'priority')::integer as priority from pgboss.schedule`),
    ({ length }) => length === Object.keys(schedules).length,
  )
  expect(rows.every(({ priority }) => priority >= 10)).toBe(true)
})
