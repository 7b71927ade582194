import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import { startPlatform, until } from '../support/platform.ts'
import { connectAs, type OnTestFinished } from '../support/rows.ts'
import {
  countJobs,
  givenShop,
  type Happening,
  isIdle,
  killHard,
  ORDER_MODELS,
  readResult,
  type Shop,
} from '../support/worker.ts'

const NOON = new Date(`${new Date(Date.now() - 3 * 86_400_000).toISOString().slice(0, 10)}T12:00:00Z`)

const payment = (order: string): Happening => ({ kind: 'charge', order, visitor: 'ann', at: NOON, amount: 1_000 })
const PAYMENTS = Array.from({ length: 8 }, (_, n) => payment(`o${n}`))
const TOUCH: Happening = {
  kind: 'touch',
  touch: { id: 't1', visitor: 'ann', at: new Date(NOON.getTime() - 1_000), channel: 'email' },
}

async function givenPlatform(onTestFinished: OnTestFinished) {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const shop = await givenShop(platform)
  return { platform, admin, shop }
}

const WAITING = `select count(*)::int as n from pg_stat_activity
  where usename = $1 and datname = current_database() and wait_event_type = 'Lock'`

/** Until a connection of the role waits for a lock that we hold. */
async function untilStuck(admin: pg.Client, role: string): Promise<void> {
  await until(
    async () => (await admin.query(WAITING, [role])).rows[0].n,
    (n) => n > 0,
  )
}

/** Adds a job as the API would, without a service of ours. */
async function enqueue(admin: pg.Client, shop: Shop, queue: string, data: Record<string, string>): Promise<void> {
  const { tenantId } = shop.tenant
  await admin.query('begin')
  await admin.query("select set_config('app.current_tenant_id', $1, true)", [tenantId])
  await admin.query('select internal.enqueue_job($1, $2::jsonb)', [
    queue,
    JSON.stringify({ tenantId, correlationId: tenantId, ...data }),
  ])
  await admin.query('commit')
}

/** Every payment once in the ledger, every order credited once by each model, in one run each. */
async function expectDoneOnce(admin: pg.Client, shop: Shop, payments: number): Promise<void> {
  const { tenantId } = shop.tenant
  const { rows } = await admin.query('select count(*)::int as n from ledger_entries where tenant_id = $1', [tenantId])
  expect(rows[0].n).toBe(payments)
  const { credits } = await readResult(admin, tenantId)
  expect(credits).toHaveLength(payments * ORDER_MODELS.length)
  expect(credits.every((line) => line.endsWith('USD 1000 1000000'))).toBe(true)
}

describe('kill -9 of a worker in the middle of its batch: another one takes over, nothing is lost or doubled', () => {
  test.concurrent('while it enters payments', { timeout: 60_000 }, async ({ expect, onTestFinished }) => {
    const { platform, admin, shop } = await givenPlatform(onTestFinished)
    await shop.send([TOUCH, ...PAYMENTS])
    // The fifth payment cannot be entered: its key is being written by somebody else.
    const blocker = await connectAs(platform.database, 'admin', onTestFinished)
    await blocker.query('begin')
    await blocker.query(
      `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at)
       select tenant_id, 'stripe:pi_o4:capture', 'stripe:pi_o4', 'capture', 1, 'USD', vendor, event_id, received_at
       from webhook_events limit 1`,
    )
    const first = await platform.startWorker()
    await untilStuck(admin, 'app_ingest')
    await killHard(first)
    const started = performance.now()
    await platform.startWorker()
    await blocker.query('rollback')
    await until(() => isIdle(admin), Boolean, 30_000)
    expect(performance.now() - started).toBeLessThan(20_000)
    await expectDoneOnce(admin, shop, PAYMENTS.length)
  })

  test.concurrent('while it computes', { timeout: 60_000 }, async ({ expect, onTestFinished }) => {
    const { platform, admin, shop } = await givenPlatform(onTestFinished)
    await shop.send([TOUCH, ...PAYMENTS])
    const blocker = await connectAs(platform.database, 'admin', onTestFinished)
    await blocker.query("select pg_advisory_lock(hashtextextended('attribution/' || $1, 0))", [shop.tenant.tenantId])
    const first = await platform.startWorker()
    await untilStuck(admin, 'app_worker')
    await killHard(first)
    const started = performance.now()
    await platform.startWorker()
    await blocker.query('select pg_advisory_unlock_all()')
    await until(() => isIdle(admin), Boolean, 30_000)
    expect(performance.now() - started).toBeLessThan(20_000)
    await expectDoneOnce(admin, shop, PAYMENTS.length)
    const { rows } = await admin.query('select count(*)::int as n from published_day_runs')
    expect(rows[0].n).toBe(ORDER_MODELS.length)
  })
})

test.concurrent('a job that fails is tried again and then set aside; its neighbours of either tenant do not notice', async ({
  onTestFinished,
}) => {
  const { platform, admin, shop } = await givenPlatform(onTestFinished)
  const other = await givenShop(platform, await platform.createTenant())
  await shop.send(PAYMENTS.slice(0, 4))
  await enqueue(admin, shop, 'webhook', { job: 'webhooks.normalize_event', eventId: 'not a uuid' })
  await shop.send(PAYMENTS.slice(4))
  await other.send(PAYMENTS)
  await admin.query("update pgboss.job set retry_limit = 2, retry_delay = 1 where data ->> 'eventId' = 'not a uuid'")
  await platform.startWorker()
  await until(() => isIdle(admin), Boolean)
  await expectDoneOnce(admin, shop, PAYMENTS.length)
  await expectDoneOnce(admin, other, PAYMENTS.length)

  const { rows: tries } = await admin.query(
    "select state, retry_count as retries, count(*)::int as jobs from pgboss.job where name = 'webhook' group by 1, 2 order by 1",
  )
  expect(tries).toEqual([
    { state: 'completed', retries: 0, jobs: 2 * PAYMENTS.length },
    { state: 'failed', retries: 2, jobs: 1 },
  ])
  const { rows: dead } = await admin.query(
    "select data, source_name, source_output from pgboss.job where name = 'webhook_dead'",
  )
  expect(dead).toEqual([
    {
      data: expect.objectContaining({ eventId: 'not a uuid', tenantId: shop.tenant.tenantId }),
      source_name: 'webhook',
      source_output: {
        error: expect.stringContaining('invalid input syntax for type uuid'),
        class: 'validation',
        traceback: expect.any(String),
      },
    },
  ])
})

test.concurrent('a recompute that fails does not hold up that of another tenant in the same batch', async ({
  onTestFinished,
}) => {
  const { platform, admin, shop } = await givenPlatform(onTestFinished)
  const other = await givenShop(platform, await platform.createTenant())
  await enqueue(admin, shop, 'attribution', { job: 'attribution.run_recompute', jobId: 'not a uuid' })
  await other.send([TOUCH, payment('o1')])
  await admin.query("update pgboss.job set retry_limit = 0 where data ->> 'jobId' = 'not a uuid'")
  await platform.startWorker()
  await until(() => isIdle(admin), Boolean)
  await expectDoneOnce(admin, other, 1)
  const { rows } = await until(
    () => admin.query('select queue, task, status, failure_class as class, attempts from worker_failed_jobs'),
    ({ rowCount }) => rowCount === 1,
  )
  expect(rows).toEqual([
    {
      queue: 'attribution',
      task: 'attribution.run_recompute',
      status: 'pending',
      class: 'validation',
      attempts: 1,
    },
  ])
})

test.concurrent('a job that no task runs is left to a newer worker, and given up at last', async ({
  onTestFinished,
}) => {
  const { platform, admin, shop } = await givenPlatform(onTestFinished)
  await enqueue(admin, shop, 'attribution', { job: 'attribution.from_the_future' })
  await platform.startWorker()
  const [waiting] = await until(
    () =>
      platform.query(`select retry_count, retry_limit from pgboss.job where name = 'attribution' and state = 'retry'`),
    (rows) => rows.length === 1,
  )
  expect(waiting?.retry_limit).toBeGreaterThan(5)
  // As after its last wait.
  await admin.query(
    `update pgboss.job set retry_limit = 1, start_after = now() where name = 'attribution' and state = 'retry'`,
  )
  const [given] = await until(
    () => platform.query('select task, status, failure_class, message, attempts from worker_failed_jobs'),
    (rows) => rows.length === 1,
  )
  expect(given).toEqual({
    task: 'attribution.from_the_future',
    status: 'pending',
    failure_class: 'validation',
    message: 'no task named attribution.from_the_future',
    attempts: 2,
  })
})

test.concurrent('SIGTERM lets a running job finish, takes no new one, and ends with status 0', async ({
  onTestFinished,
}) => {
  const { platform, admin, shop } = await givenPlatform(onTestFinished)
  await shop.send([TOUCH, payment('o1')])
  const blocker = await connectAs(platform.database, 'admin', onTestFinished)
  await blocker.query("select pg_advisory_lock(hashtextextended('attribution/' || $1, 0))", [shop.tenant.tenantId])
  const worker = await platform.startWorker()
  await untilStuck(admin, 'app_worker')
  const ended = once(worker, 'exit')
  worker.kill('SIGTERM')
  // Long enough for a worker that does not wait to be gone; one that waits is not.
  await delay(1_500)
  expect(worker.exitCode).toBeNull()
  await shop.send([payment('o2')])
  await blocker.query('select pg_advisory_unlock_all()')
  expect(await ended).toEqual([0, null])
  expect(await countJobs(admin, 'webhook')).toMatchObject({ waiting: 1, completed: 1 })
  // What ran was finished; what came after the signal waits for another worker, and was never begun.
  const { rows } = await admin.query(
    "select distinct state, retry_count as retries from pgboss.job where name = 'attribution' and started_on is not null",
  )
  expect(rows).toEqual([{ state: 'completed', retries: 0 }])
  await platform.startWorker()
  await until(() => isIdle(admin), Boolean)
  await expectDoneOnce(admin, shop, 2)
})

test.concurrent('a worker outlives the loss of all its connections, idle and busy', async ({ onTestFinished }) => {
  const { platform, admin, shop } = await givenPlatform(onTestFinished)
  const worker = await platform.startWorker()
  await shop.send([TOUCH, payment('o1')])
  await until(() => isIdle(admin), Boolean)
  const cut = () =>
    admin.query(
      `select pg_terminate_backend(pid, 2000) from pg_stat_activity
       where datname = current_database() and application_name like 'skeldir worker%'`,
    )
  expect((await cut()).rowCount).toBeGreaterThan(1)
  await shop.send([payment('o2')])
  await cut()
  const blocker = await connectAs(platform.database, 'admin', onTestFinished)
  await blocker.query("select pg_advisory_lock(hashtextextended('attribution/' || $1, 0))", [shop.tenant.tenantId])
  await shop.send([payment('o3')])
  await untilStuck(admin, 'app_worker')
  await cut()
  await blocker.query('select pg_advisory_unlock_all()')
  await until(() => isIdle(admin), Boolean, 25_000)
  expect(worker.exitCode).toBeNull()
  await expectDoneOnce(admin, shop, 3)
})
