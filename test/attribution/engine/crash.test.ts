import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { bringUpToDate } from '../../../src/attribution/engine/service.ts'
import { givenBooks, readRevisions, readShares } from '../../support/books.ts'
import { startPlatform, until } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, killHard, readResult, workerContext } from '../../support/worker.ts'

const at = (day: string) => new Date(`2026-03-${day}T12:00:00Z`)

/** As the release before queued it: with arguments. */
async function enqueuePublication(admin: pg.Client, tenantId: string): Promise<void> {
  const nothing = { from: '', to: '', orderKeys: '' }
  const job = { job: 'attribution.recompute_touched', tenantId, correlationId: tenantId, ...nothing }
  await admin.query('begin')
  await admin.query("select set_config('app.current_tenant_id', $1, true)", [tenantId])
  await admin.query("select internal.enqueue_job('attribution', $1::jsonb)", [JSON.stringify(job)])
  await admin.query('commit')
}

/** Statements of workers that wait for somebody else's lock. */
async function countWaiting(admin: pg.Client): Promise<number> {
  const { rows } = await admin.query(
    "select count(*)::integer as n from pg_stat_activity where usename = 'app_worker' and wait_event_type = 'Lock'",
  )
  return rows[0].n
}

test('a worker that is killed between the writes of a publication leaves figures and changes as they were', async () => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { tenantId } = platform.tenant
  const books = await givenBooks(admin, tenantId)
  await books.addOrders([{ key: 'one', at: at('10'), amount: 100, visitor: 'ann' }])
  await bringUp(workerContext(platform, platform.tenant, onTestFinished))
  const before = await readResult(admin, tenantId)
  const revisions = await readRevisions(admin, tenantId)

  await books.addTouches([{ id: 't1', visitor: 'ann', at: at('09') }])
  const changes = async () => (await admin.query('select change_id from attribution_changes order by 1')).rows
  const noted = await changes()
  expect(noted).toHaveLength(1)
  // Credits are written before runs are.
  const blocker = await connectAs(platform.database, 'admin', onTestFinished)
  await blocker.query('begin')
  await blocker.query('lock table attribution_day_run_totals in share mode')
  await enqueuePublication(admin, tenantId)
  const worker = await platform.startWorker()
  const waiting = () => countWaiting(admin)
  await until(waiting, (count) => count === 1, 20_000)
  await killHard(worker)
  await blocker.query('rollback')
  await until(waiting, (count) => count === 0)
  expect(await readResult(admin, tenantId)).toEqual(before)
  expect(await readRevisions(admin, tenantId)).toEqual(revisions)
  expect(await changes()).toEqual(noted)

  await platform.startWorker()
  await until(changes, (rows) => rows.length === 0, 30_000)
  expect(await readShares(admin, tenantId)).toEqual(['one email t1 100'])
})

/** Orders of two days in another currency, too many for one part of a span: it ends with the first day. */
async function givenTwoParts() {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { tenantId } = platform.tenant
  const books = await givenBooks(admin, tenantId)
  await books.addOrders([
    { key: 'first', at: at('10'), amount: 100, visitor: 'ann', currency: 'EUR' },
    { key: 'second', at: at('11'), amount: 100, visitor: 'ben', currency: 'EUR' },
  ])
  await admin.query(
    `insert into order_facts (tenant_id, order_key, event_id, currency, ordered_at)
     select tenant_id, order_key || '-' || n, event_id, currency, ordered_at
     from order_facts cross join generate_series(1, 5000) as n where tenant_id = $1 and order_key = 'stripe:first'`,
    [tenantId],
  )
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  await bringUp(ctx)
  return {
    platform,
    admin,
    tenantId,
    ctx,
    /** From when on what is noted is to be computed. */
    noted: async () =>
      (await admin.query('select from_at as "from" from attribution_changes where tenant_id = $1', [tenantId])).rows,
    /** New touches of both visitors, of which nothing is noted: whoever reads the order again has them. */
    addTouchesUnsaid: async () => {
      await admin.query('set session_replication_role = replica')
      await books.addTouches([
        { id: 't1', visitor: 'ann', at: at('09') },
        { id: 't2', visitor: 'ben', at: at('09') },
      ])
      await admin.query('reset session_replication_role')
    },
  }
}

const SECOND_DAY = new Date('2026-03-11T00:00:00Z')
/** Of which the second alone was read after the touches. */
const SECOND_PART_READ = ['first (unattributed) - 100', 'second email t2 100']

test('a turn that ends within everything is gone on with where it was', async () => {
  const { admin, tenantId, ctx, noted, addTouchesUnsaid } = await givenTwoParts()
  await admin.query('insert into attribution_changes (tenant_id) values ($1)', [tenantId])
  const takeTurn = () => bringUpToDate(ctx, new AbortController().signal, 0)
  expect(await takeTurn()).toBe('more')
  expect(await noted()).toEqual([{ from: SECOND_DAY }])
  await addTouchesUnsaid()
  expect(await takeTurn()).toBe('more')
  expect(await takeTurn()).toBe('done')
  expect(await noted()).toEqual([])
  expect(await readShares(admin, tenantId)).toEqual(SECOND_PART_READ)
})

test('a worker that is killed within a span leaves its rest, and the next one does not begin anew', async () => {
  const { platform, admin, tenantId, noted, addTouchesUnsaid } = await givenTwoParts()
  const before = await readRevisions(admin, tenantId)
  await admin.query(
    "insert into fx_rates (base, quote, as_of, source, rate) values ('EUR', 'USD', '2026-03-10', 'test', 1.1)",
  )
  expect(await noted()).toEqual([{ from: new Date('2026-03-10T00:00:00Z') }])
  const blocker = await connectAs(platform.database, 'admin', onTestFinished)
  await blocker.query('begin')
  await blocker.query("select from attribution_orders where order_key = 'stripe:second' for update")
  await enqueuePublication(admin, tenantId)
  const worker = await platform.startWorker()
  await until(
    () => countWaiting(admin),
    (count) => count === 1,
    20_000,
  )
  await killHard(worker)
  await blocker.query('rollback')
  await until(
    () => countWaiting(admin),
    (count) => count === 0,
  )
  expect(await noted()).toEqual([{ from: SECOND_DAY }])
  const after = await readRevisions(admin, tenantId)
  expect(Object.keys(after).filter((key) => after[key] !== before[key])).toEqual(['first'])

  await addTouchesUnsaid()
  await platform.startWorker()
  await until(noted, (rows) => rows.length === 0, 30_000)
  expect(await readShares(admin, tenantId)).toEqual(SECOND_PART_READ)
})
