import type pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { ACCEPTED_ORACLES } from '../../scripts/isolation/exceptions.ts'
import { describeFinding, type IsolationReport, summarize, toJson, toText } from '../../scripts/isolation/report.ts'
import { proveIsolation } from '../../scripts/isolation/run.ts'
import { RUNTIME_ROLES } from '../../src/db/bootstrap.ts'
import { createProverDatabase } from '../support/isolation.ts'
import { connectAs, type Row } from '../support/rows.ts'

/** Of all that `npm run isolation` plants: as many as a test run has time for, drawn with the seed. */
const PLANTED = 12
/** And of the statements that it tries without a fault. */
const STATEMENTS = 2_000
/** It takes 10 s; on a machine that is busy with other tests, several times that. */
const TIMEOUT_MS = 180_000

let admin: pg.Client
let report: IsolationReport

async function query<Result = Row>(statement: string, values: unknown[] = []): Promise<Result[]> {
  return (await admin.query(statement, values)).rows
}

beforeAll(async () => {
  const prover = await createProverDatabase()
  const cleanups: (() => Promise<unknown>)[] = [prover.drop]
  // The server is shared with other tests: its roles stay as they are.
  const options = {
    environment: prover,
    seed: 1,
    sample: PLANTED,
    statements: STATEMENTS,
    isClusterShared: true,
    transactions: 0,
    lanes: 2,
  }
  report = await proveIsolation(options)
  admin = await connectAs(prover.database, 'admin', (clean) => cleanups.unshift(clean))
  return async () => {
    for (const clean of cleanups) await clean()
  }
}, TIMEOUT_MS)

describe('isolation, proven from the catalogue (all of it: npm run isolation)', () => {
  test('every table is under the template or reviewed, and so is all else that the rules are about', () => {
    expect(report.faults).toEqual([])
    expect(report.tables.tenant.length).toBeGreaterThan(15)
    expect(report.functions.definers.length).toBeGreaterThan(3)
  })

  test('no statement of any role in any context reaches a row of another tenant', () => {
    expect(report.findings.map(describeFinding)).toEqual([])
    expect(report.cells).toBe(STATEMENTS)
  })

  test('no function answers or changes what is of another tenant', () => {
    expect(report.callFindings.map(({ call, detail }) => `${call.sql}: ${detail}`)).toEqual([])
    expect(report.calls).toBeGreaterThan(300)
  })

  test('statistics tell nothing but what is reviewed', () => {
    const told = report.oracles.filter(({ status }) => status !== 'closed')
    expect(told.map(({ id, status }) => `${id} ${status}`)).toEqual(
      Object.keys(ACCEPTED_ORACLES).map((id) => `${id} accepted`),
    )
  })

  test('planted faults are noticed, by the structure and by a statement unless none could tell', () => {
    const { survivors, weak, mutants, killed } = summarize(report)
    expect(survivors.map(({ mutant }) => mutant.id)).toEqual([])
    expect(weak.map(({ mutant, byStructure }) => `${mutant.id} (${byStructure})`)).toEqual([])
    expect([killed, mutants]).toEqual([PLANTED, PLANTED])
  })

  test('the report ends with the two figures, and says the same as JSON', () => {
    expect(toText(report)).toMatch(new RegExp(`\\n0 leaks\\n${PLANTED}/${PLANTED} mutants killed\\n$`))
    expect(JSON.parse(toJson(report))).toMatchObject({ proven: true, leaks: 0, mutants: PLANTED, killed: PLANTED })
  })
})

test('functions that run as their caller are callable by the roles that a migration names, and by nobody else', async () => {
  const callable = await query(
    `select p.oid::regproc::text as name,
            array(select r from unnest($1::text[]) as r where has_function_privilege(r, p.oid, 'execute') order by 1) as roles
     from pg_proc as p
     where p.pronamespace = 'internal'::regnamespace and p.prokind = 'f' and not p.prosecdef and p.prorettype <> 'trigger'::regtype
     order by 1`,
    [RUNTIME_ROLES],
  )
  expect(callable).toEqual([
    { name: 'internal.decode_percent', roles: ['app_ingest', 'app_retention', 'app_rw', 'app_user', 'app_worker'] },
    { name: 'internal.end_shop', roles: ['app_retention'] },
    { name: 'internal.enter_effect', roles: ['app_ingest', 'app_user'] },
    { name: 'internal.erase_orders', roles: ['app_retention'] },
    { name: 'internal.find_personal_data', roles: ['app_ingest', 'app_retention', 'app_rw', 'app_user', 'app_worker'] },
    { name: 'internal.has_identity', roles: ['app_retention'] },
    { name: 'internal.hash_kept', roles: ['app_ingest'] },
    { name: 'internal.ingest_deliveries', roles: ['app_ingest'] },
    { name: 'internal.ingest_webhook_event', roles: ['app_ingest'] },
    { name: 'internal.is_erased', roles: ['app_ingest'] },
    { name: 'internal.keys_of_orders', roles: ['app_ingest', 'app_retention'] },
    { name: 'internal.learn_delivery_gap', roles: ['app_ingest'] },
    { name: 'internal.lease_permits', roles: ['app_user'] },
    { name: 'internal.list_endpoint_orders', roles: ['app_retention'] },
    { name: 'internal.offboard_tenant', roles: ['app_retention'] },
    { name: 'internal.plain_text', roles: ['app_ingest', 'app_retention', 'app_rw', 'app_user', 'app_worker'] },
    { name: 'internal.read_watermark', roles: ['app_user'] },
    { name: 'internal.record_api_key_use', roles: ['app_user'] },
    { name: 'internal.record_dead_event', roles: ['app_ingest'] },
    { name: 'internal.record_erasure', roles: ['app_retention'] },
    { name: 'internal.record_webhook_deliveries', roles: ['app_user'] },
    { name: 'internal.remove_expired', roles: ['app_retention'] },
    { name: 'internal.remove_superseded', roles: ['app_retention'] },
    {
      name: 'internal.search_personal_data',
      roles: ['app_ingest', 'app_retention', 'app_rw', 'app_user', 'app_worker'],
    },
    { name: 'internal.without_identity', roles: ['app_ingest', 'app_retention'] },
  ])
})

test('money is bigint, ratios are numeric, words are text, times have a zone, and what a policy compares is leakproof', async () => {
  const columns = await query<{ column: string; type: string }>(`
    select a.attrelid::regclass::text || '.' || a.attname as column, format_type(a.atttypid, a.atttypmod) as type
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped`)
  const types = new Set(columns.map(({ type }) => type))
  expect([...types].sort()).toEqual([
    'bigint',
    'bigint[]',
    'boolean',
    'bytea',
    'date',
    'integer',
    'integer[]',
    'jsonb',
    'numeric',
    'text',
    'text[]',
    'timestamp with time zone',
    'timestamp with time zone[]',
    'uuid',
  ])
  // Credits have one for each model, the money of an order one for each currency. Of one order nobody gets above a million millionths.
  for (const { column, type } of columns) {
    if (column.endsWith('_minor')) expect(['bigint', 'bigint[]'], column).toContain(type)
    if (column.endsWith('_micro')) expect(['bigint', 'bigint[]', 'integer[]'], column).toContain(type)
  }
  expect(
    columns
      .filter(({ type }) => type === 'numeric')
      .map(({ column }) => column)
      .sort(),
  ).toEqual([
    'attribution_window_channels.lower',
    'attribution_window_channels.share',
    'attribution_window_channels.upper',
    'attribution_window_runs.coverage',
    'fx_rates.rate',
    'tenants.matched_from',
    'tenants.min_completeness',
    'tenants.minor_from',
    'tenants.severe_below',
  ])
})

test('the policy template prints the dialect of Citus, which refuses sub-selects', () => {
  expect(report.citus.dialect).toBe(
    `(tenant_id = (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid)`,
  )
})

test('a table that a newer pg-boss adds is open to the worker', async () => {
  await admin.query('begin')
  try {
    await admin.query('set local role skeldir_owner; create table pgboss.added (id integer)')
    const [may] = await query(`
      select has_table_privilege('app_worker', 'pgboss.added', 'select, insert, update, delete') as worker,
             has_table_privilege('app_user', 'pgboss.added', 'select') as api`)
    expect(may).toEqual({ worker: true, api: false })
  } finally {
    await admin.query('rollback')
  }
})
