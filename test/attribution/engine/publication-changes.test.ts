import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { type Books, givenBooks } from '../../support/books.ts'
import { type TestTenant, usePlatform } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, ORDER_MODELS, workerContext } from '../../support/worker.ts'

const platform = usePlatform()
const DAY = '2026-03-10'
const at = (minute: number) => new Date(Date.parse(`${DAY}T10:00:00Z`) + minute * 60_000)

interface Given {
  admin: pg.Client
  tenant: TestTenant
  books: Books
  publish: () => Promise<unknown>
}

/** A tenant with two orders that an edition has published. */
async function givenPublished(): Promise<Given> {
  const tenant = await platform.createTenant()
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const books = await givenBooks(admin, tenant.tenantId)
  const ctx = workerContext(platform, tenant, onTestFinished)
  const publish = () => bringUp(ctx)
  await books.addTouches([
    { id: 't1', visitor: 'ann', at: at(-9), channel: 'email' },
    { id: 't2', visitor: 'ann', at: at(-8), channel: 'sms' },
  ])
  await books.addOrders([
    { key: 'one', at: at(0), amount: 1_001, visitor: 'ann' },
    { key: 'two', at: at(1), amount: 500, visitor: null },
  ])
  await publish()
  return { admin, tenant, books, publish }
}

/** Two more publications: a refund, and another touch of the first order. */
async function change({ books, publish }: Given): Promise<void> {
  await books.addRefund({ order: 'two', at: at(30), amount: 200 })
  await publish()
  await books.addTouches([{ id: 't3', visitor: 'ann', at: at(-1), channel: 'paid_search' }])
  await publish()
}

/** `publication model channel revenue conversion` of every run, as the release before reads them. */
async function listChanges({ admin, tenant }: Given): Promise<string[]> {
  const { rows } = await admin.query(
    `select concat_ws(' ', r.publication, r.model, c.channel, c.revenue_delta_minor, c.conversion_delta_micro) as line
     from attribution_day_runs as r
     join attribution_day_run_changes as c on c.tenant_id = $1 and c.run_id = r.run_id
     where r.tenant_id = $1`,
    [tenant.tenantId],
  )
  return rows.map(({ line }) => line).sort()
}

/** What the API says of these runs, and of what they moved. */
async function readReports({ tenant }: Given) {
  const who = { tenant, token: tenant.tokens.viewer }
  const runs = await platform.call('listAttributionRuns', { ...who, query: { date: DAY, limit: '100' } })
  const changes = await platform.call('getAttributionEditionChanges', {
    ...who,
    params: { edition_number: '1' },
    query: { start_date: DAY, end_date: DAY },
  })
  expect([runs.status, changes.status]).toEqual([200, 200])
  return { runs: runs.body.items, figures: changes.body.figures }
}

/** Past what keeps rows as they are. */
async function rewrite(admin: pg.Client, text: string, values: unknown[]): Promise<void> {
  await admin.query("set session_replication_role = 'replica'")
  await admin.query(text, values)
  await admin.query("set session_replication_role = 'origin'")
}

/** Stores what this publication changed as the release before does. */
function storeByRun({ admin, tenant }: Given, publication: number): Promise<void> {
  return rewrite(
    admin,
    `with gone as (
       delete from attribution_publication_changes where tenant_id = $1 and publication = $2
     )
     insert into attribution_run_changes
     select c.*
     from attribution_day_run_changes as c
     join attribution_day_runs as r using (tenant_id, run_id)
     where tenant_id = $1 and r.publication = $2`,
    [tenant.tenantId, publication],
  )
}

test('one row holds what a channel has more or less by all models', async () => {
  const given = await givenPublished()
  await change(given)
  const { rows } = await given.admin.query(
    `select publication, day::text, channel, currency, cardinality(revenue_delta_minor) as models,
            revenue_delta_minor[array_position($2::text[], 'last_touch')] as revenue,
            conversion_delta_micro[array_position($2::text[], 'last_touch')] as conversion
     from attribution_publication_changes where tenant_id = $1 order by publication, channel collate "C"`,
    [given.tenant.tenantId, ORDER_MODELS],
  )
  const row = { day: DAY, currency: 'USD', models: ORDER_MODELS.length }
  expect(rows).toEqual([
    { ...row, publication: 2, channel: '(unattributed)', revenue: '-200', conversion: '0' },
    { ...row, publication: 3, channel: 'email', revenue: '0', conversion: '0' },
    { ...row, publication: 3, channel: 'paid_search', revenue: '1001', conversion: '1000000' },
    { ...row, publication: 3, channel: 'sms', revenue: '-1001', conversion: '-1000000' },
  ])
})

test('a release that stores changes by run goes on, and reads both kinds', async () => {
  const given = await givenPublished()
  const { tenant, admin } = given
  await change(given)
  const known = await listChanges(given)
  expect(known).toContain('3 last_touch paid_search 1001 1000000')
  expect(known.filter((line) => line.startsWith('2 '))).toHaveLength(ORDER_MODELS.length)
  const { rows } = await admin.query(
    "select run_id as id from attribution_day_runs where tenant_id = $1 and model = 'linear' and publication = 3",
    [tenant.tenantId],
  )
  const worker = await connectAs(platform.database, 'app_worker', onTestFinished)
  await worker.query('begin')
  await worker.query("select set_config('app.current_tenant_id', $1, true)", [tenant.tenantId])
  await worker.query(
    `insert into attribution_day_run_changes (tenant_id, run_id, channel, currency, revenue_delta_minor, conversion_delta_micro)
     select $1::uuid, $2::uuid, 'display', 'USD', 7, 0`,
    [tenant.tenantId, rows[0]?.id],
  )
  await worker.query('commit')
  expect(await listChanges(given)).toEqual([...known, '3 linear display 7 0'].sort())
})

test('reports say the same of changes as the release before stores them, and of both kinds together', async () => {
  const given = await givenPublished()
  await change(given)
  const reports = await readReports(given)
  const last = reports.runs.find(({ model }: { model: string }) => model === 'last_touch')
  expect(last.changes).toMatchObject([
    { channel: 'paid_search', revenue: { amount_minor: 1_001 } },
    { channel: 'sms', revenue: { amount_minor: -1_001 } },
  ])
  await storeByRun(given, 2)
  expect(await readReports(given)).toEqual(reports)
  await storeByRun(given, 3)
  expect(await readReports(given)).toEqual(reports)
  await rewrite(
    given.admin,
    "update attribution_run_changes set channel = 'display' where tenant_id = $1 and channel = 'paid_search'",
    [given.tenant.tenantId],
  )
  const other = await readReports(given)
  expect(other.runs).not.toEqual(reports.runs)
  expect(other.figures).not.toEqual(reports.figures)
})

test('what is taken from credits by touch, as an earlier release stored them, changes the same', async () => {
  const [known, other] = [await givenPublished(), await givenPublished()]
  await rewrite(
    other.admin,
    `with gone as (
       delete from attribution_entry_credits where tenant_id = $1
     )
     insert into attribution_touch_credits select * from attribution_order_credits where tenant_id = $1`,
    [other.tenant.tenantId],
  )
  await change(known)
  await change(other)
  expect(await listChanges(other)).toEqual(await listChanges(known))
})
