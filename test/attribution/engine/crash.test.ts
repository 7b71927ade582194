import { expect, onTestFinished, test } from 'vitest'
import { givenBooks, readRevisions, readShares } from '../../support/books.ts'
import { startPlatform, until } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, killHard, readResult, workerContext } from '../../support/worker.ts'

const at = (day: string) => new Date(`2026-03-${day}T12:00:00Z`)

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
  // As the release before queued it: with arguments.
  const job = {
    job: 'attribution.recompute_touched',
    tenantId,
    correlationId: tenantId,
    from: '',
    to: '',
    orderKeys: '',
  }
  await admin.query('begin')
  await admin.query("select set_config('app.current_tenant_id', $1, true)", [tenantId])
  await admin.query("select internal.enqueue_job('attribution', $1::jsonb)", [JSON.stringify(job)])
  await admin.query('commit')
  const worker = await platform.startWorker()
  const waiting = async () =>
    (
      await admin.query(
        "select count(*)::integer as n from pg_stat_activity where usename = 'app_worker' and wait_event_type = 'Lock'",
      )
    ).rows[0].n
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
