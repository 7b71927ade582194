import type pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { RUNTIME_ROLES, type RuntimeRole } from '../../src/db/bootstrap.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import {
  connectAs,
  givenTenantRows,
  newIds,
  type Row,
  rowsOf,
  type TenantIds,
  toInsert,
  tryIn,
} from '../support/rows.ts'

/** Rows of these are changed in place, by design. Every other tenant table is append-only. */
const MUTABLE = new Set([
  'tenants',
  'tenant_slugs',
  'tenant_keys',
  'tenant_allowed_origins',
  'memberships',
  'api_keys',
  'webhook_endpoints',
  'webhook_secrets',
  'published_runs',
  'attribution_recompute_jobs',
])
/** Not under the template (isolation.test.ts says why): app_rw sees every slug. */
const OUTSIDE_TEMPLATE = new Set(['tenant_slugs'])
/** Written by attribution, from events that are never written by it. */
const EVENTS = ['webhook_events', 'dead_events', 'order_facts', 'ledger_entries', 'touchpoints']

type Actor = RuntimeRole | 'skeldir_owner' | 'skeldir_migrator'
const ACTORS: readonly Actor[] = [...RUNTIME_ROLES, 'skeldir_owner', 'skeldir_migrator']

let database: TestDatabase
let admin: pg.Client
let ours: TenantIds
let theirs: TenantIds
let tables: string[]
const clients = new Map<Actor, pg.Client>()

beforeAll(async () => {
  database = await createTestDatabase()
  const cleanups: (() => Promise<unknown>)[] = [database.drop]
  const clean = (work: () => Promise<void>) => cleanups.unshift(work)
  admin = await connectAs(database, 'admin', clean)
  for (const role of RUNTIME_ROLES) clients.set(role, await connectAs(database, role, clean))
  clients.set('skeldir_migrator', await connectAs(database, 'migrator', clean))
  const owner = await connectAs(database, 'migrator', clean)
  await owner.query('set role skeldir_owner')
  clients.set('skeldir_owner', owner)
  ours = await givenTenantRows(admin)
  theirs = await givenTenantRows(admin)
  tables = rowsOf(ours).map(([table]) => table)
  return async () => {
    for (const work of cleanups) await work()
  }
})

const as = (actor: Actor) => clients.get(actor) as pg.Client

/** What the role is granted on the table, of which SELECT may be on some columns only. */
async function grantsOf(actor: Actor, table: string): Promise<{ select: boolean; insert: boolean }> {
  const { rows } = await admin.query(
    "select has_any_column_privilege($1, $2, 'select') as select, has_table_privilege($1, $2, 'insert') as insert",
    [actor, `public.${table}`],
  )
  return rows[0]
}

test('there is a row to look for in every table that has a tenant', async () => {
  const { rows } = await admin.query(`
    select c.relname as name from pg_class as c join pg_attribute as a on a.attrelid = c.oid
    where a.attname = 'tenant_id' and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace`)
  expect(rows.map(({ name }) => name).sort()).toEqual([...tables].sort())
})

describe.each(ACTORS)('%s', (actor) => {
  test('reads rows of its own tenant only, where it may read at all', async () => {
    const owns = actor === 'skeldir_owner' || actor === 'skeldir_migrator'
    for (const table of tables) {
      const { select } = await grantsOf(actor, table)
      const count = (context: string | null, whose: string) =>
        tryIn(as(actor), context, `select tenant_id from ${table} where tenant_id = $1`, [whose])
      const own = await count(ours.tenantId, ours.tenantId)
      if (!select) {
        expect(own, table).toMatchObject({ code: '42501' })
        continue
      }
      if (OUTSIDE_TEMPLATE.has(table) && actor === 'app_rw') continue
      expect(own, `own of ${table}`).toMatchObject({ rowCount: owns ? 0 : 1 })
      expect(await count(ours.tenantId, theirs.tenantId), `theirs of ${table}`).toMatchObject({ rowCount: 0 })
      expect(await count(null, ours.tenantId), `${table} without a context`).toMatchObject({ rowCount: 0 })
      expect(await count('', ours.tenantId), `${table} with an empty context`).toMatchObject({ rowCount: 0 })
    }
  })

  test('writes rows of its own tenant only, where it may write at all', async () => {
    const owns = actor === 'skeldir_owner' || actor === 'skeldir_migrator'
    for (const table of tables) {
      const { insert } = await grantsOf(actor, table)
      const row = newRow(table, ours)
      const write = (context: string | null, values: Row) => tryIn(as(actor), context, ...toInsert(table, values))
      const own = await write(row.tenant_id as string, row)
      if (!insert || owns) {
        expect(own, `own of ${table}`).toMatchObject({ code: '42501' })
        continue
      }
      if (OUTSIDE_TEMPLATE.has(table)) continue
      expect(own, `own of ${table}`).toSatisfy(
        (outcome: object) => 'rowCount' in outcome || (outcome as { code: string }).code === '23505',
      )
      expect(await write(ours.tenantId, newRow(table, theirs)), `theirs of ${table}`).toMatchObject({
        code: '42501',
        message: expect.stringContaining('row-level security'),
      })
      expect(await write(null, row), `${table} without a context`).toMatchObject({
        code: '42501',
        message: expect.stringContaining('row-level security'),
      })
    }
  })
})

/** Another row of the table, for the tenant; a new tenant's where a tenant has one row only. */
function newRow(table: string, of: TenantIds): Row {
  const { tenantId, endpointId, eventId, runId } = newIds()
  const own: Record<string, Partial<TenantIds>> = {
    tenants: { tenantId },
    tenant_slugs: { tenantId },
    webhook_endpoints: { endpointId },
    webhook_events: { eventId },
    attribution_runs: { runId },
  }
  const [, row] = rowsOf({ ...of, ...own[table] }).find(([name]) => name === table) as [string, Row]
  return table === 'tenant_keys' ? { ...row, key_version: 2 } : row
}

test('append-only tables refuse UPDATE, DELETE and TRUNCATE of every role; the superuser meets the trigger', async () => {
  const appendOnly = tables.filter((table) => !MUTABLE.has(table))
  expect(appendOnly.length).toBe(8)
  for (const table of appendOnly) {
    for (const statement of [
      `update ${table} set tenant_id = tenant_id`,
      `delete from ${table}`,
      `truncate ${table} cascade`,
    ]) {
      for (const actor of ACTORS) {
        const outcome = await tryIn(as(actor), ours.tenantId, statement)
        // The owner may, but sees no row to change; its TRUNCATE meets the trigger.
        const owns = actor === 'skeldir_owner' || actor === 'skeldir_migrator'
        const expected = owns && !statement.startsWith('truncate') ? { rowCount: 0 } : { code: '42501' }
        expect(outcome, `${actor}: ${statement}`).toMatchObject(expected)
      }
      expect(await tryIn(admin, null, statement), `superuser: ${statement}`).toMatchObject({
        code: '42501',
        message: expect.stringContaining('never changed or deleted'),
      })
    }
  }
})

test('nobody may change rows but those whose work it is, and of append-only tables nobody', async () => {
  const may = new Map<string, string[]>()
  for (const table of [...tables, 'users', 'schema_migrations']) {
    for (const role of RUNTIME_ROLES) {
      const { rows } = await admin.query(
        `select array(select p from unnest(array['update', 'delete', 'truncate', 'references', 'trigger']) as p
                      where has_table_privilege($1, $2, p)) as list`,
        [role, `public.${table}`],
      )
      if (rows[0].list.length > 0) may.set(`${role} ${table}`, rows[0].list)
    }
  }
  expect(Object.fromEntries(may)).toEqual({
    'app_rw tenant_allowed_origins': ['delete'],
    'app_worker published_runs': ['update'],
    'app_user attribution_recompute_jobs': ['update'],
    'app_worker attribution_recompute_jobs': ['update'],
  })
})

test("a row cannot be moved to another tenant, nor another tenant's be taken", async () => {
  const worker = as('app_worker')
  const moved = await tryIn(worker, ours.tenantId, 'update attribution_recompute_jobs set tenant_id = $1', [
    theirs.tenantId,
  ])
  expect(moved).toMatchObject({ code: '42501' })
  const taken = await tryIn(
    worker,
    ours.tenantId,
    "update attribution_recompute_jobs set status = 'failed' where tenant_id = $1",
    [theirs.tenantId],
  )
  expect(taken).toMatchObject({ rowCount: 0 })
})

test("a foreign key cannot be used to learn or to point at another tenant's rows", async () => {
  const row = newRow('ledger_entries', ours)
  const pointed = await tryIn(
    as('app_ingest'),
    ours.tenantId,
    ...toInsert('ledger_entries', { ...row, event_id: theirs.eventId }),
  )
  expect(pointed).toMatchObject({ code: '23503' })
})

test('the same keys may be used by two tenants: no unique key tells one about the other', async () => {
  const ingest = as('app_ingest')
  const row = newRow('touchpoints', ours)
  await ingest.query('begin')
  try {
    for (const { tenantId } of [ours, theirs]) {
      await ingest.query("select set_config('app.current_tenant_id', $1, true)", [tenantId])
      const { rowCount } = await ingest.query(
        ...toInsert('touchpoints', { ...row, tenant_id: tenantId, external_id: 'same' }),
      )
      expect(rowCount).toBe(1)
    }
  } finally {
    await ingest.query('rollback')
  }
})

test('a transaction of the worker cannot write events, whoever it is', async () => {
  for (const table of EVENTS) {
    const [statement, values] = toInsert(table, newRow(table, ours))
    const ingest = as('app_ingest')
    await ingest.query('begin')
    try {
      await ingest.query(
        "select set_config('app.current_tenant_id', $1, true), set_config('app.execution_context', 'worker', true)",
        [ours.tenantId],
      )
      await expect(ingest.query(statement, values), table).rejects.toMatchObject({
        code: '42501',
        message: `a worker transaction cannot write ${table}`,
      })
    } finally {
      await ingest.query('rollback')
    }
    expect(await tryIn(ingest, ours.tenantId, statement, values), table).toMatchObject({ rowCount: 1 })
  }
})

test('nobody reads the queue but the worker', async () => {
  for (const role of RUNTIME_ROLES) {
    const { rows } = await admin.query("select has_any_column_privilege($1, 'pgboss.job', 'select') as may", [role])
    expect(rows[0].may, role).toBe(role === 'app_worker')
  }
})

test('who reads hashes and sealed secrets: definer functions hand the API what it needs', async () => {
  const { rows } = await admin.query(
    `select r as role, c as column from unnest($1::text[]) as r,
       unnest(array['users.password_hash', 'api_keys.secret_hash', 'webhook_secrets.sealed', 'tenant_keys.wrapped_key']) as c
     where has_column_privilege(r, split_part(c, '.', 1), split_part(c, '.', 2), 'select') order by 2, 1`,
    [RUNTIME_ROLES],
  )
  expect(rows.map(({ role, column }) => `${role} ${column}`)).toEqual([
    'app_rw api_keys.secret_hash',
    'app_ingest tenant_keys.wrapped_key',
    'app_rw tenant_keys.wrapped_key',
    'app_user tenant_keys.wrapped_key',
    'app_rw users.password_hash',
  ])
})
