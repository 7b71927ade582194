import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { RequestContext } from '../../src/context.ts'
import { connect } from '../../src/db/connect.ts'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { refreshViews } from '../../src/rollups/service.ts'
import { viewNames } from '../../src/rollups/views.ts'
import { createTestDatabase } from '../support/database.ts'
import { connectAs, newIds, rowsOf, toInsert } from '../support/rows.ts'

test('the views begin with what is there when they come', async () => {
  const database = await createTestDatabase({ empty: true })
  onTestFinished(database.drop)
  const databaseUrl = database.migrationUrl
  const migrations = await readMigrations()
  const before = migrations.filter(({ name }) => name < '0022')
  await migrate({ databaseUrl, migrations: before })
  const admin = await connectAs(database, 'admin', onTestFinished)
  const ids = newIds()
  const needed = ['tenants', 'webhook_endpoints', 'webhook_events', 'ledger_entries', 'poll_cursors']
  await admin.query(`insert into users (user_id, email, password_hash) values ($1, 'a@example.test', 'x')`, [
    ids.userId,
  ])
  for (const [table, row] of rowsOf(ids).filter(([name]) => needed.includes(name)))
    await admin.query(...toInsert(table, row))
  const late = { entry_key: randomUUID(), occurred_at: '2026-03-04T23:30:00Z', corrects_entry_key: null }
  const [, entry] = rowsOf(ids).find(([name]) => name === 'ledger_entries') ?? []
  await admin.query(...toInsert('ledger_entries', { ...entry, ...late }))

  // Whoever reads the ledger holds up no migration, and is not held up by one.
  const reader = await connectAs(database, 'admin', onTestFinished)
  await reader.query('begin')
  await reader.query('select count(*) from ledger_entries')
  await migrate({ databaseUrl })
  expect((await reader.query('select count(*)::integer as n from ledger_entries')).rows).toEqual([{ n: 2 }])
  await reader.query('commit')
  const noted = await admin.query('select tenant_id, view, bucket from view_changes order by view')
  expect(noted.rows).toEqual(viewNames.toSorted().map((view) => ({ tenant_id: ids.tenantId, view, bucket: '*' })))

  const log = pino({ level: 'silent' })
  const main = connect({ url: database.urlOf('app_worker'), applicationName: 'test', max: 2, log })
  onTestFinished(() => main.close())
  const ctx = { db: { main }, log, clock: () => new Date(), correlationId: randomUUID(), clientAddress: null }
  const refreshes = await refreshViews(ctx as unknown as RequestContext, new AbortController().signal)
  expect(refreshes.map(({ view, outcome, buckets }) => `${view} ${outcome} ${buckets}`)).toEqual([
    'allocation_summary success 0',
    'channel_performance success 0',
    'daily_revenue success 2',
    'realtime_revenue success 2',
    'reconciliation_status success 1',
  ])
  const { rows: days } = await admin.query('select distinct day::text from view_daily_revenue order by 1')
  expect(days).toEqual([{ day: '2026-03-01' }, { day: '2026-03-04' }])
  const { rows: hours } = await admin.query('select distinct hour from view_realtime_revenue order by 1')
  expect(hours).toEqual([{ hour: new Date('2026-03-01T12:00Z') }, { hour: new Date('2026-03-04T23:00Z') }])
  expect((await admin.query('select endpoint_id from view_reconciliation_status')).rows).toEqual([
    { endpoint_id: ids.endpointId },
  ])
  expect((await admin.query('select count(*)::integer as n from view_changes')).rows).toEqual([{ n: 0 }])
  const open = await admin.query(
    `select relname from pg_class where relnamespace = 'public'::regnamespace and relrowsecurity and not relforcerowsecurity`,
  )
  expect(open.rows).toEqual([])
})
