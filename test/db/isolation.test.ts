import type pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { RUNTIME_ROLES } from '../../src/db/bootstrap.ts'
import { createTestDatabase } from '../support/database.ts'
import { connectAs, type Row } from '../support/rows.ts'

/** Tables without a tenant's context, each with the reason why it may be. */
const OUTSIDE: Record<string, string> = {
  'public.schema_migrations': 'which files of migrations/ the database has: nothing of any tenant',
  'public.users': 'a person may belong to several tenants; only provisioning and find_login read it',
  'public.worker_probes': 'questions of /health/worker: nothing of any tenant',
}
/** Tables with a tenant_id that the template cannot serve. */
const PROVISIONED: Record<string, string> = {
  'public.tenant_slugs': 'a slug is unique across tenants; only app_rw has a grant on it',
}
/** pg-boss's own tables: the control plane. Jobs hold ids; no role that serves requests can read them. */
const QUEUE_SCHEMA = 'pgboss'

const OWN_TENANT = {
  postgres: `(tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif"))`,
  citus: `(tenant_id = (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid)`,
}

interface Table {
  name: string
  oid: number
  hasTenant: boolean
  enabled: boolean
  forced: boolean
}

let admin: pg.Client
let tables: Table[]

async function query<Result = Row>(statement: string, values: unknown[] = []): Promise<Result[]> {
  return (await admin.query(statement, values)).rows
}

beforeAll(async () => {
  const database = await createTestDatabase()
  const cleanups: (() => Promise<unknown>)[] = [database.drop]
  admin = await connectAs(database, 'admin', (clean) => cleanups.unshift(clean))
  tables = await query<Table>(`
    select n.nspname || '.' || c.relname as name, c.oid::integer as oid, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
           exists (select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) as "hasTenant"
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm', 'v', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    order by 1`)
  return async () => {
    for (const clean of cleanups) await clean()
  }
})

const ours = () => tables.filter(({ name }) => !name.startsWith(`${QUEUE_SCHEMA}.`))
const tenantTables = () => ours().filter(({ name, hasTenant }) => hasTenant && PROVISIONED[name] === undefined)

test('the catalogue was read: there are tenant tables, and the reviewed exceptions exist', () => {
  expect(tenantTables().length).toBeGreaterThan(10)
  const names = tables.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining([...Object.keys(OUTSIDE), ...Object.keys(PROVISIONED)]))
})

test('tables without tenant_id are exactly the reviewed ones', () => {
  const outside = ours().filter(({ hasTenant }) => !hasTenant)
  expect(outside.map(({ name }) => name)).toEqual(Object.keys(OUTSIDE).sort())
})

test('every table with tenant_id has row level security, enabled and forced', () => {
  const open = ours().filter(({ hasTenant, enabled, forced }) => hasTenant && !(enabled && forced))
  expect(open).toEqual([])
})

test('every tenant table has the pair of policies, to the same listed roles, and no other one for them', async () => {
  for (const { name, oid } of tenantTables()) {
    const policies = await query(
      `select p.polname as name, p.polpermissive as permissive, p.polcmd as command,
              array(select r.rolname::text from pg_roles as r where r.oid = any (p.polroles) order by 1) as roles,
              0 = any (p.polroles) as "toPublic",
              pg_get_expr(p.polqual, p.polrelid) as using, pg_get_expr(p.polwithcheck, p.polrelid) as check
       from pg_policy as p where p.polrelid = $1 order by p.polname`,
      [oid],
    )
    const [open, own] = policies.filter((policy) => policy.name !== 'lookup_by_control')
    expect(policies.length, name).toBeLessThanOrEqual(3)
    expect(open, name).toMatchObject({
      name: 'open_to_runtime',
      permissive: true,
      command: '*',
      toPublic: false,
      using: 'true',
      check: 'true',
    })
    expect(own, name).toMatchObject({
      name: 'tenant_only',
      permissive: false,
      command: '*',
      toPublic: false,
      using: OWN_TENANT.postgres,
      check: OWN_TENANT.postgres,
      roles: open?.roles,
    })
    const roles = own?.roles as string[]
    expect(roles.length, name).toBeGreaterThan(0)
    expect(RUNTIME_ROLES, name).toEqual(expect.arrayContaining(roles))
    const lookup = policies.find((policy) => policy.name === 'lookup_by_control')
    if (lookup !== undefined)
      expect(lookup, name).toMatchObject({ permissive: true, command: 'r', roles: ['skeldir_control'], using: 'true' })

    // A role with a grant that the policies do not list would see nothing: a mistake, not a leak, but a mistake.
    const granted = await query<{ role: string }>(
      `select distinct grantee::regrole::text as role from pg_class as c, aclexplode(c.relacl) where c.oid = $1
       union select grantee::regrole::text from pg_attribute as a, aclexplode(a.attacl) where a.attrelid = $1`,
      [oid],
    )
    const others = granted.map(({ role }) => role).filter((role) => !role.startsWith('skeldir_'))
    expect(roles, name).toEqual(expect.arrayContaining(others))
  }
})

test('look-ups across tenants are open on the allow-listed tables only, to skeldir_control only', async () => {
  const open = await query<{ name: string }>(
    `select distinct polrelid::regclass::text as name from pg_policy
     where (select oid from pg_roles where rolname = 'skeldir_control') = any (polroles) order by 1`,
  )
  expect(open.map(({ name }) => name)).toEqual([
    'api_keys',
    'memberships',
    'tenant_allowed_origins',
    'tenant_keys',
    'tenant_slugs',
    'tenants',
    'users',
    'webhook_endpoints',
    'webhook_secrets',
  ])
  const granted = await query<{ name: string; privilege: string }>(
    `select c.oid::regclass::text as name, a.privilege_type as privilege
     from pg_class as c, aclexplode(c.relacl) as a
     where c.relnamespace = 'public'::regnamespace and a.grantee = 'skeldir_control'::regrole order by 1, 2`,
  )
  expect(granted.map(({ name }) => name)).toEqual(open.map(({ name }) => name))
  expect(new Set(granted.map(({ privilege }) => privilege))).toEqual(new Set(['SELECT']))
})

test('tenant_id comes first in every primary key and in every unique key and index', async () => {
  for (const { name, oid } of tenantTables()) {
    const keys = await query<{ index: string; first: string; primary: boolean }>(
      `select i.indexrelid::regclass::text as index, i.indisprimary as primary, a.attname as first
       from pg_index as i
       left join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
       where i.indrelid = $1 and i.indisunique`,
      [oid],
    )
    expect(
      keys.some(({ primary }) => primary),
      name,
    ).toBe(true)
    for (const { index, first } of keys) expect(first, index).toBe('tenant_id')
  }
})

test('every foreign key between tenant tables carries the tenant, first and to the same column', async () => {
  const names = new Set(tenantTables().map(({ oid }) => oid))
  const keys = await query<{ name: string; from: number; to: number; own: string[]; their: string[] }>(`
    select c.conname as name, c.conrelid::integer as from, c.confrelid::integer as to,
           array(select a.attname::text from unnest(c.conkey) with ordinality as k(num, at)
                 join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.num order by k.at) as own,
           array(select a.attname::text from unnest(c.confkey) with ordinality as k(num, at)
                 join pg_attribute as a on a.attrelid = c.confrelid and a.attnum = k.num order by k.at) as their
    from pg_constraint as c where c.contype = 'f'`)
  const between = keys.filter(({ from, to }) => names.has(from) && names.has(to))
  expect(between.length).toBeGreaterThan(10)
  for (const { name, own, their } of between) {
    expect(own[0], name).toBe('tenant_id')
    expect(their[0], name).toBe('tenant_id')
  }
})

describe('roles', () => {
  test('no role of ours is superuser, bypasses policies, or is a member of an owner', async () => {
    const roles = await query(
      `select rolname from pg_roles
       where (rolname = any ($1) or rolname like 'skeldir\\_%') and (rolsuper or rolbypassrls or rolreplication)`,
      [RUNTIME_ROLES],
    )
    expect(roles).toEqual([])
    const members = await query(
      `select m.member::regrole::text as member, m.roleid::regrole::text as of from pg_auth_members as m
       where m.member::regrole::text = any ($1) or (m.roleid::regrole::text like 'skeldir\\_%' and m.member::regrole::text <> 'skeldir_migrator')`,
      [RUNTIME_ROLES],
    )
    expect(members).toEqual([])
  })

  test('no runtime role owns anything', async () => {
    const owned = await query(
      `select relname as name from pg_class where relowner::regrole::text = any ($1)
       union all select proname from pg_proc where proowner::regrole::text = any ($1)
       union all select nspname from pg_namespace where nspowner::regrole::text = any ($1)`,
      [RUNTIME_ROLES],
    )
    expect(owned).toEqual([])
  })

  test('skeldir_control cannot log in, and after a migration the migrator can be it in no way', async () => {
    const [control] = await query("select rolcanlogin from pg_roles where rolname = 'skeldir_control'")
    expect(control).toEqual({ rolcanlogin: false })
    const [migrator] = await query(`
      select pg_has_role('skeldir_migrator', 'skeldir_control', 'SET') as set,
             pg_has_role('skeldir_migrator', 'skeldir_control', 'USAGE') as usage`)
    expect(migrator).toEqual({ set: false, usage: false })
  })

  test('no runtime role may make tables or schemas', async () => {
    for (const role of RUNTIME_ROLES) {
      const [may] = await query(
        `select has_schema_privilege($1, 'public', 'create') as public, has_schema_privilege($1, 'internal', 'create') as internal,
                has_schema_privilege($1, 'pgboss', 'create') as queue, has_database_privilege($1, current_database(), 'create') as schemas`,
        [role],
      )
      expect(may, role).toEqual({ public: false, internal: false, queue: false, schemas: false })
    }
  })
})

describe('nothing is granted to PUBLIC', () => {
  const grants = {
    'tables and columns': `
      select c.oid::regclass::text as name from pg_class as c, aclexplode(c.relacl) as a
      where a.grantee = 0 and c.relnamespace::regnamespace::text in ('public', 'internal', 'pgboss')
      union all
      select a.attrelid::regclass::text || '.' || a.attname from pg_attribute as a join pg_class as c on c.oid = a.attrelid, aclexplode(a.attacl) as acl
      where acl.grantee = 0 and c.relnamespace::regnamespace::text in ('public', 'internal', 'pgboss')`,
    functions: `
      select p.oid::regprocedure::text as name from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
      where a.grantee = 0 and p.pronamespace::regnamespace::text in ('public', 'internal', 'pgboss')`,
    schemas: `
      select n.nspname as name from pg_namespace as n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
      where a.grantee = 0 and n.nspname in ('public', 'internal', 'pgboss')`,
  }
  test.each(Object.entries(grants))('%s', async (_, statement) => {
    expect(await query(`${statement} order by 1`)).toEqual([])
  })

  test('functions are callable by the roles that a migration names, and by nobody else', async () => {
    const callable = await query<{ name: string; roles: string[] }>(
      `select p.oid::regproc::text as name,
              array(select r from unnest($1::text[]) as r where has_function_privilege(r, p.oid, 'execute') order by 1) as roles
       from pg_proc as p where p.pronamespace = 'internal'::regnamespace and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
       order by 1`,
      [RUNTIME_ROLES],
    )
    expect(callable).toEqual([
      { name: 'internal.enqueue_job', roles: ['app_ingest', 'app_user', 'app_worker'] },
      { name: 'internal.find_api_key', roles: ['app_user'] },
      { name: 'internal.find_login', roles: ['app_user'] },
      { name: 'internal.find_personal_data', roles: ['app_ingest'] },
      { name: 'internal.find_webhook_endpoint', roles: ['app_user'] },
      { name: 'internal.ingest_webhook_event', roles: ['app_ingest'] },
      { name: 'internal.is_allowed_origin', roles: ['app_user'] },
      { name: 'internal.record_dead_event', roles: ['app_ingest'] },
    ])
  })
})

test('functions that run as their owner belong to skeldir_control and search nowhere; all others search nowhere too', async () => {
  const functions = await query<{ name: string; definer: boolean; owner: string; config: string[] | null }>(`
    select p.oid::regprocedure::text as name, p.prosecdef as definer, p.proowner::regrole::text as owner, p.proconfig as config
    from pg_proc as p where p.pronamespace in ('internal'::regnamespace, 'public'::regnamespace)`)
  const definers = functions.filter(({ definer }) => definer)
  expect(definers.length).toBeGreaterThan(0)
  for (const { name, owner } of definers) expect(owner, name).toBe('skeldir_control')
  for (const { name, config } of functions) expect(config, name).toEqual(['search_path=""'])
})

test('views and materialized views would bypass the policies: there are none yet', async () => {
  expect(
    await query(
      "select oid::regclass from pg_class where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace",
    ),
  ).toEqual([])
})

test('money is bigint, words are text, times have a zone, and what a policy compares is leakproof', async () => {
  const columns = await query<{ column: string; type: string }>(`
    select a.attrelid::regclass::text || '.' || a.attname as column, format_type(a.atttypid, a.atttypmod) as type
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped`)
  const types = new Set(columns.map(({ type }) => type))
  expect([...types].sort()).toEqual([
    'bigint',
    'boolean',
    'bytea',
    'integer',
    'jsonb',
    'text',
    'text[]',
    'timestamp with time zone',
    'uuid',
  ])
  for (const { column, type } of columns) if (column.endsWith('_minor')) expect(type, column).toBe('bigint')
})

test('the policy template prints the dialect of Citus, which refuses sub-selects', async () => {
  await admin.query('begin')
  try {
    await admin.query("set local role skeldir_owner; set local skeldir.policy_dialect = 'citus'")
    await admin.query(`create table probe (tenant_id uuid not null primary key);
                       call internal.isolate_by_tenant('probe', array['app_user'])`)
    const policies = await query(
      "select polname, pg_get_expr(polqual, polrelid) as using, pg_get_expr(polwithcheck, polrelid) as check from pg_policy where polrelid = 'probe'::regclass order by 1",
    )
    expect(policies).toEqual([
      { polname: 'open_to_runtime', using: 'true', check: 'true' },
      { polname: 'tenant_only', using: OWN_TENANT.citus, check: OWN_TENANT.citus },
    ])
  } finally {
    await admin.query('rollback')
  }
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
