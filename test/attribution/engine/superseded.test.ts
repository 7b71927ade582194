import { expect, onTestFinished, test } from 'vitest'
import { measureWindow } from '../../../src/attribution/windows/service.ts'
import { operatorIn } from '../../../src/tenants/operator.ts'
import { applyRetentionOf } from '../../../src/tenants/retention/service.ts'
import { givenBooks } from '../../support/books.ts'
import { DAY, givenEditions } from '../../support/editions.ts'
import { type TestTenant, usePlatform } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, workerContext } from '../../support/worker.ts'

const DAY_MS = 86_400_000
const platform = usePlatform()

const NOTHING = {
  attribution_orders: 0,
  attribution_entry_credits: 0,
  attribution_touch_credits: 0,
  published_windows: 0,
  attribution_window_runs: 0,
}

/** The retention of what attribution leaves behind, so many days from now; one row at a time, so that every batch has a next one. */
async function applyIn(tenant: TestTenant, days: number, isDry = false): Promise<Record<string, number>> {
  const clock = () => new Date(Date.now() + days * DAY_MS)
  const lines = await applyRetentionOf(
    { ...operatorIn(platform.admin, tenant.tenantId), clock },
    { isDry, batchRows: 1 },
  )
  const items = Object.keys(NOTHING)
  return Object.fromEntries(
    lines.filter(({ item }) => items.includes(item)).map(({ item, removed }) => [item, removed]),
  )
}

/** What each edition has of the orders. */
const count = (tenant: TestTenant) =>
  platform.query(
    `select e.number,
            (select count(*)::integer from attribution_orders as o where o.edition_id = e.edition_id) as orders,
            (select count(*)::integer from attribution_credits_by_touch as c where c.edition_id = e.edition_id) as credits
     from attribution_editions as e where e.tenant_id = $1 order by 1`,
    [tenant.tenantId],
  )

async function readAnswers(tenant: TestTenant): Promise<unknown[]> {
  const days = { start_date: DAY, end_date: DAY }
  const token = tenant.tokens.viewer
  const answers = await Promise.all([
    ...['1', '2', '3'].map((number) =>
      platform.call('getAttributionEditionChanges', { tenant, token, params: { edition_number: number }, query: days }),
    ),
    platform.call('listAttributionEditions', { tenant, token }),
    platform.call('listAttributionRuns', { tenant, token, query: { date: DAY, limit: '100' } }),
  ])
  return answers.map(({ status, body }) => [status, body])
}

test('the credits of superseded editions go after a month, and what was moved is told as before', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  const before = await readAnswers(tenant)
  expect(await applyIn(tenant, 29)).toEqual(NOTHING)
  const due = { ...NOTHING, attribution_orders: 3 }
  expect(await applyIn(tenant, 31, true)).toEqual(due)
  const [, , third] = await count(tenant)
  expect(await applyIn(tenant, 31)).toEqual(due)
  expect(await count(tenant)).toEqual([
    { number: 1, orders: 0, credits: 0 },
    { number: 2, orders: 0, credits: 0 },
    third,
  ])
  expect(await readAnswers(tenant)).toEqual(before)
  expect(await applyIn(tenant, 32)).toEqual(NOTHING)
  expect(await readAnswers(tenant)).toEqual(before)
})

test('credits of what is no order any more go too, and nobody else may remove any', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  await platform.query(
    `delete from attribution_orders as o using attribution_editions as e
     where o.tenant_id = $1 and e.edition_id = o.edition_id and e.number = 2 and o.order_key = 'stripe:two'`,
    [tenant.tenantId],
  )
  await expect(platform.query('delete from attribution_entry_credits')).rejects.toThrow('never changed')
  expect(await applyIn(tenant, 31)).toEqual({ ...NOTHING, attribution_orders: 2, attribution_entry_credits: 1 })
  expect((await count(tenant))[1]).toEqual({ number: 2, orders: 0, credits: 0 })
})

test('figures of windows go when newer ones answer, and those of superseded editions', async () => {
  const tenant = await platform.createTenant()
  const { tenantId } = tenant
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const books = await givenBooks(admin, tenantId)
  const ctx = workerContext(platform, tenant, onTestFinished)
  const march = { from: '2026-03-01', to: '2026-03-31', timeZone: 'UTC', currency: 'USD', isConverted: false }
  const measure = async (key: string) => {
    await books.addTouches([{ id: key, visitor: key, at: new Date('2026-03-09T12:00:00Z') }])
    await books.addOrders([{ key, at: new Date('2026-03-10T12:00:00Z'), amount: 100, visitor: key }])
    await bringUp(ctx)
    await measureWindow(ctx, march, { signal: new AbortController().signal })
  }
  const countRuns = () =>
    platform.query(
      `select (select count(*)::integer from attribution_window_runs where tenant_id = $1) as runs,
              (select count(distinct window_run_id)::integer from attribution_window_channels where tenant_id = $1) as told`,
      [tenantId],
    )
  await measure('one')
  await measure('two')
  await measure('three')
  expect(await countRuns()).toEqual([{ runs: 3, told: 3 }])
  expect(await applyIn(tenant, 29)).toEqual(NOTHING)
  expect(await applyIn(tenant, 31)).toEqual({ ...NOTHING, attribution_window_runs: 2 })
  expect(await countRuns()).toEqual([{ runs: 1, told: 1 }])
  await admin.query('update tenants set lookback_days = 7 where tenant_id = $1', [tenantId])
  await measure('four')
  // The former edition has the fourth order too: it was kept up until the other one was whole.
  const due = { ...NOTHING, attribution_orders: 4, published_windows: 1, attribution_window_runs: 1 }
  expect(await applyIn(tenant, 31, true)).toEqual(due)
  expect(await applyIn(tenant, 31)).toEqual(due)
  expect(await countRuns()).toEqual([{ runs: 1, told: 1 }])
})
