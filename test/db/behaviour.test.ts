import type pg from 'pg'
import { beforeAll, expect, test } from 'vitest'
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

/*
 * What `npm run isolation` does not ask: who may write and change what at all. Whose rows anybody sees is its matrix
 * (isolation.test.ts).
 */

/** Rows of these are changed in place, by design. Every other tenant table is append-only. */
const MUTABLE = new Set([
  'tenants',
  'tenant_slugs',
  'tenant_keys',
  'tenant_allowed_origins',
  'memberships',
  'member_invitations',
  'api_keys',
  'tenant_alert_targets',
  'sessions',
  'refresh_tokens',
  'token_cutoffs',
  'rate_limits',
  'idempotency_keys',
  'webhook_endpoints',
  'webhook_secrets',
  'published_runs',
  'published_day_runs',
  'attribution_editions',
  'attribution_changes',
  'attribution_orders',
  'attribution_windows',
  'published_windows',
  'attribution_recompute_jobs',
  'dead_event_states',
  'import_files',
  'retention_runs',
  'data_requests',
  'browser_errors',
  'worker_failed_jobs',
  'worker_job_failures',
  'job_effects',
  'erased_orders',
  'poll_credentials',
  'poll_cursors',
  'endpoint_silences',
  'dead_event_sightings',
  'dead_event_bodies',
  'order_groups',
  'uncounted_entries',
  'view_changes',
  'view_allocation_summary',
  'view_channel_performance',
  'view_daily_revenue',
  'view_realtime_revenue',
  'view_reconciliation_status',
])
/** Append-only, but for the retention. */
const ERASABLE = new Set([
  'touchpoints',
  'attribution_entry_credits',
  'attribution_touch_credits',
  'attribution_window_runs',
  'attribution_window_channels',
])
/** Written by attribution, from events that are never written by it. */
const EVENTS = ['webhook_events', 'dead_events', 'canonical_events', 'order_facts', 'ledger_entries', 'touchpoints']

type Actor = RuntimeRole | 'skeldir_owner' | 'skeldir_migrator'
const ACTORS: readonly Actor[] = [...RUNTIME_ROLES, 'skeldir_owner', 'skeldir_migrator']

let database: TestDatabase
let admin: pg.Client
let ours: TenantIds
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
  tables = rowsOf(ours).map(([table]) => table)
  return async () => {
    for (const work of cleanups) await work()
  }
})

const as = (actor: Actor) => clients.get(actor) as pg.Client

test('there is a row to look for in every table that has a tenant', async () => {
  const { rows } = await admin.query(`
    select c.relname as name from pg_class as c join pg_attribute as a on a.attrelid = c.oid
    where a.attname = 'tenant_id' and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace`)
  expect(rows.map(({ name }) => name).sort()).toEqual([...tables].sort())
})

/** Another row of the table, for the tenant; a new tenant's where a tenant has one row only. */
function newRow(table: string, of: TenantIds): Row {
  const { tenantId, endpointId, eventId, editionId, formerRunId, runId, sessionId, deadEventId, entryKey } = newIds()
  const own: Record<string, Partial<TenantIds>> = {
    tenants: { tenantId },
    tenant_slugs: { tenantId },
    webhook_endpoints: { endpointId },
    webhook_events: { eventId },
    attribution_editions: { editionId },
    attribution_runs: { formerRunId },
    attribution_day_runs: { runId },
    sessions: { sessionId },
    dead_events: { deadEventId },
    ledger_entries: { entryKey },
  }
  const [, row] = rowsOf({ ...of, ...own[table] }).find(([name]) => name === table) as [string, Row]
  return table === 'tenant_keys' ? { ...row, key_version: 2 } : row
}

test('append-only tables refuse UPDATE, DELETE and TRUNCATE of every role; the superuser meets the trigger', async () => {
  const appendOnly = tables.filter((table) => !MUTABLE.has(table))
  expect(appendOnly.length).toBe(29)
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
        // Retention and erasure: these go as a whole.
        if (actor === 'app_retention' && statement.startsWith('delete') && ERASABLE.has(table)) continue
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
        `select array(
           select p from unnest(array['update', 'delete', 'truncate', 'references', 'trigger']) as p
           where has_table_privilege($1, $2, p)
           union all
           select 'update ' || a.attname from pg_attribute as a
           where a.attrelid = $2::regclass and a.attnum > 0 and not a.attisdropped
             and has_column_privilege($1, $2, a.attnum, 'update') and not has_table_privilege($1, $2, 'update')
           order by 1) as list`,
        [role, `public.${table}`],
      )
      if (rows[0].list.length > 0) may.set(`${role} ${table}`, rows[0].list)
    }
  }
  const settings = [
    'update lookback_days',
    'update matched_from',
    'update min_completeness',
    'update min_conversions',
    'update minor_from',
    'update reporting_currency',
    'update retention_days',
    'update settings_version',
    'update severe_below',
    'update time_zone',
    'update updated_at',
  ]
  const keys = ['update expires_at', 'update last_used_at', 'update revoked_at']
  expect(Object.fromEntries(may)).toEqual({
    'app_rw tenants': settings,
    'app_user tenants': settings,
    'app_rw tenant_allowed_origins': ['delete'],
    'app_user tenant_allowed_origins': ['delete'],
    'app_user tenant_alert_targets': ['delete', 'update key_version', 'update sealed', 'update updated_at'],
    'app_rw tenant_keys': ['update wrapped_key', 'update wrapping_kid'],
    'app_rw memberships': ['delete', 'update role'],
    'app_user memberships': ['delete', 'update role'],
    'app_rw member_invitations': ['delete'],
    'app_user member_invitations': ['delete'],
    'app_rw users': ['update password_hash', 'update status'],
    'app_rw api_keys': keys,
    'app_user api_keys': keys,
    'app_rw sessions': ['update ended_at'],
    'app_user sessions': ['delete', 'update ended_at', 'update last_used_at'],
    'app_user refresh_tokens': ['delete', 'update key_version', 'update rotated_at', 'update successor_hash'],
    'app_rw token_cutoffs': ['update not_before', 'update set_at'],
    'app_user token_cutoffs': ['update not_before', 'update set_at'],
    'app_rw rate_limits': ['update per_minute'],
    'app_user rate_limits': ['update full_at'],
    'app_user idempotency_keys': [
      'delete',
      'update claim_id',
      'update claimed_until',
      'update effect_at',
      'update expires_at',
      'update key_version',
      'update operation_id',
      'update request_hash',
      'update sealed',
    ],
    'app_ingest idempotency_keys': ['update effect_at'],
    'app_worker idempotency_keys': ['delete'],
    'app_rw webhook_secrets': ['update key_version', 'update sealed'],
    'app_user webhook_endpoints': ['update deleted_at', 'update last_delivery_at', 'update version'],
    'app_user webhook_secrets': ['delete', 'update key_version', 'update not_after', 'update sealed'],
    'app_user attribution_recompute_jobs': ['update'],
    'app_worker attribution_recompute_jobs': ['update'],
    'app_ingest dead_event_sightings': ['update last_correlation_id', 'update last_seen_at', 'update seen'],
    'app_ingest order_groups': ['delete', 'update group_key'],
    'app_ingest uncounted_entries': ['delete', 'update group_key'],
    'app_user browser_errors': [
      'delete',
      'update client',
      'update first_seen_at',
      'update key_version',
      'update last_seen_at',
      'update occurrences',
      'update sealed',
    ],
    'app_retention attribution_entry_credits': ['delete'],
    'app_retention attribution_touch_credits': ['delete'],
    'app_retention attribution_orders': ['delete'],
    'app_retention attribution_window_channels': ['delete'],
    'app_retention attribution_window_runs': ['delete'],
    'app_retention published_windows': ['delete'],
    'app_retention browser_errors': ['delete'],
    'app_user worker_failed_jobs': [
      'update note',
      'update redrives',
      'update resolved_at',
      'update resolved_by',
      'update status',
    ],
    'app_worker worker_failed_jobs': [
      'update attempts',
      'update failure_class',
      'update last_failed_at',
      'update message',
      'update note',
      'update resolved_at',
      'update run_id',
      'update status',
      'update traceback',
    ],
    'app_retention worker_failed_jobs': ['delete'],
    'app_retention worker_job_failures': ['delete'],
    'app_retention job_effects': ['delete'],
    'app_retention api_keys': ['update revoked_at'],
    'app_retention conversions': ['update identity'],
    'app_retention data_requests': ['delete'],
    'app_retention dead_event_bodies': ['delete'],
    'app_retention dead_events': ['update payload'],
    'app_retention idempotency_keys': ['delete'],
    'app_retention member_invitations': ['delete'],
    'app_retention memberships': ['delete'],
    'app_retention order_facts': ['update identity'],
    'app_retention poll_credentials': ['delete'],
    'app_retention retention_runs': ['update finished_at', 'update looked_at', 'update removed'],
    'app_retention sessions': ['delete'],
    'app_retention tenant_alert_targets': ['delete'],
    'app_retention tenant_keys': ['delete'],
    'app_retention tenants': ['update offboarded_at'],
    'app_retention token_cutoffs': ['delete'],
    'app_retention touchpoints': ['delete'],
    'app_retention webhook_endpoints': ['update deleted_at', 'update version'],
    'app_retention webhook_events': ['update payload'],
    'app_retention webhook_secrets': ['delete'],
    'app_ingest endpoint_silences': ['update attempts', 'update told_at', 'update told_targets'],
    'app_ingest dead_event_states': ['update resolved_at', 'update status'],
    'app_user dead_event_states': [
      'update note',
      'update replay_id',
      'update replays',
      'update resolved_at',
      'update resolved_by',
      'update status',
    ],
    'app_ingest import_files': ['update finished_at', 'update rows_done', 'update started_at', 'update tally'],
    'app_ingest poll_credentials': ['delete', 'update key_version', 'update sealed', 'update updated_at'],
    'app_ingest poll_cursors': ['update polled_until', 'update updated_at'],
    'app_worker attribution_editions': [
      'update built_until',
      'update publications',
      'update published_at',
      'update status',
    ],
    'app_user attribution_windows': ['update last_asked_at'],
    'app_worker attribution_windows': ['delete'],
    'app_worker published_windows': ['update checked_at', 'update publication', 'update window_run_id'],
    'app_worker attribution_changes': ['delete'],
    'app_worker attribution_orders': ['delete', 'update'],
    'app_worker published_runs': ['update'],
    'app_worker published_day_runs': ['update published_at', 'update run_id'],
    'app_worker view_changes': ['delete'],
    'app_worker view_allocation_summary': ['delete'],
    'app_worker view_channel_performance': ['delete'],
    'app_worker view_daily_revenue': ['delete'],
    'app_worker view_realtime_revenue': ['delete'],
    'app_worker view_reconciliation_status': ['delete'],
  })
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
    'app_rw webhook_secrets.sealed',
  ])
})
