import { expect, onTestFinished, test } from 'vitest'
import { listCountedOrders } from '../../../src/attribution/engine/pointers/queries.ts'
import { addOrder, createDaySums, isAnything } from '../../../src/attribution/engine/runs/day.ts'
import { readSums } from '../../../src/attribution/engine/runs/hash-sum.ts'
import { inTenant } from '../../../src/db/tenant.ts'
import { givenBooks } from '../../support/books.ts'
import { startPlatform } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, ORDER_MODELS, workerContext } from '../../support/worker.ts'

const DAYS = ['2026-03-01', '2026-03-02']
const at = (day: number, minute: number) => new Date(Date.parse(`${DAYS[day]}T10:00:00Z`) + minute * 60_000)

async function givenBooksOfTwoDays() {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { tenantId } = platform.tenant
  const books = await givenBooks(admin, tenantId)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  await books.addTouches([
    { id: 't1', visitor: 'ann', at: at(0, -60), channel: 'email' },
    { id: 't2', visitor: 'ben', at: at(0, -50), channel: 'sms' },
  ])
  await books.addOrders([
    { key: 'one', at: at(0, 0), amount: 1_001, visitor: 'ann' },
    { key: 'two', at: at(0, 5), amount: 500, visitor: null },
    { key: 'three', at: at(1, 0), amount: 70, visitor: 'ben' },
  ])
  await bringUp(ctx)
  return { admin, tenantId, books, ctx }
}

type Given = Awaited<ReturnType<typeof givenBooksOfTwoDays>>

/** Of the runs that answer, by day and model. */
async function readRuns({ admin, tenantId }: Pick<Given, 'admin' | 'tenantId'>) {
  const { rows } = await admin.query(
    `select to_char(r.window_start at time zone 'UTC', 'YYYY-MM-DD') as day, r.model, r.version, r.orders, r.input_hash as "inputHash",
            r.output_hash as "outputHash", encode(r.input_sum, 'hex') as "inputSum", encode(r.output_sum, 'hex') as "outputSum",
            r.edition_id as "editionId", array_position(e.models, r.model) as place,
            (select json_agg(json_build_array(t.currency, t.orders, t.attributed_orders, t.captured_minor, t.refunded_minor,
                                              t.over_refunded_minor, t.attributed_minor) order by t.currency)
             from attribution_day_run_totals as t where t.run_id = r.run_id) as money
     from attribution_editions as e
     join published_day_runs as p using (tenant_id, edition_id)
     join attribution_day_runs as r using (tenant_id, run_id)
     where tenant_id = $1 and e.status = 'published'
     order by 1, 2`,
    [tenantId],
  )
  return rows
}

/** That every run says what all orders of its day say, counted one by one. */
async function expectCounted({ admin, tenantId, ctx }: Given) {
  const runs = await readRuns({ admin, tenantId })
  expect(runs.length).toBeGreaterThan(0)
  for (const run of runs) {
    const sums = createDaySums(ORDER_MODELS.length)
    const orders = await inTenant(ctx.db.main, ctx, (tx) =>
      listCountedOrders(tx, { tenantId, editionId: run.editionId }, run.day),
    )
    for (const order of orders) addOrder(sums, order, 1)
    const [inputSum, ...outputSums] = readSums(sums.hashes).map((sum) => sum.toString('hex'))
    const money = [...sums.money]
      .filter(([, one]) => isAnything(one))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([currency, one]) => [
        currency,
        one.orders,
        one.attributedOrders,
        ...[one.capturedMinor, one.refundedMinor, one.overRefundedMinor, one.attributedMinor].map(Number),
      ])
    expect(run, `${run.day} ${run.model}`).toMatchObject({
      orders: orders.length,
      inputSum,
      outputSum: outputSums[run.place - 1],
      money: money.length === 0 ? null : money,
    })
  }
}

/** A refund, an order that comes, one that goes, and one that gets another touch. */
async function change({ admin, tenantId, books, ctx }: Given) {
  await books.addRefund({ order: 'one', at: at(1, 30), amount: 1_500 })
  await bringUp(ctx)
  await books.addOrders([{ key: 'four', at: at(1, 9), amount: 3, visitor: 'ann' }])
  await books.addTouches([{ id: 't3', visitor: 'ben', at: at(0, 55), channel: 'email' }])
  await bringUp(ctx)
  await admin.query(
    `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at, corrects_entry_key)
     select tenant_id, entry_key || ':c', order_key, kind, -amount_minor, currency, vendor, event_id, occurred_at, entry_key
     from ledger_entries where tenant_id = $1 and entry_key = 'stripe:two:capture'`,
    [tenantId],
  )
  await bringUp(ctx)
}

test('a run says what all orders of its day say, however its publication came about', async () => {
  const given = await givenBooksOfTwoDays()
  await expectCounted(given)
  await change(given)
  await expectCounted(given)
  const versions = (await readRuns(given)).filter(({ model }) => model === 'linear').map(({ version }) => version)
  expect(versions).toEqual([3, 2])
})

test('where the release before made a run, which has no sums, all orders of its day are counted again', async () => {
  const [known, other] = [await givenBooksOfTwoDays(), await givenBooksOfTwoDays()]
  await other.admin.query('set session_replication_role = replica')
  await other.admin.query('update attribution_day_runs set input_sum = null, output_sum = null')
  await other.admin.query('set session_replication_role = default')
  await change(known)
  await change(other)
  await expectCounted(other)
  const hashes = async (given: Given) =>
    (await readRuns(given)).map(({ day, model, inputHash, outputHash }) => ({ day, model, inputHash, outputHash }))
  expect(await hashes(other)).toEqual(await hashes(known))
})
