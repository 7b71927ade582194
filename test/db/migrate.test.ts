import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { MigrationError, migrate, readMigrations, toMigration } from '../../src/db/migrate.ts'
import { createTestDatabase } from '../support/database.ts'
import { connectAs, type OnTestFinished } from '../support/rows.ts'

async function emptyDatabase(onTestFinished: OnTestFinished) {
  const database = await createTestDatabase({ empty: true })
  onTestFinished(database.drop)
  return { database, databaseUrl: database.migrationUrl }
}

const OWN_TABLE = 'set local role skeldir_owner;\ncreate table things (id integer primary key);\n'

async function tables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query(
    "select tablename as name from pg_tables where schemaname = 'public' order by tablename",
  )
  return rows.map(({ name }) => name)
}

test('brings an empty database to the newest migration, and has nothing to do the second time', async ({
  onTestFinished,
}) => {
  const { database, databaseUrl } = await emptyDatabase(onTestFinished)
  const names = (await readMigrations()).map(({ name }) => name)
  const lines: string[] = []
  expect(await migrate({ databaseUrl, log: (line) => lines.push(line) })).toEqual(names)
  expect(lines).toEqual(names.map((name) => `applied ${name}`))

  const admin = await connectAs(database, 'admin', onTestFinished)
  const snapshot = () =>
    admin.query(`select c.oid, c.relname, c.relacl::text, c.xmin::text from pg_class as c
                 where c.relnamespace in ('public'::regnamespace, 'internal'::regnamespace, 'pgboss'::regnamespace)
                 order by c.oid`)
  const before = (await snapshot()).rows
  expect(await migrate({ databaseUrl })).toEqual([])
  expect((await snapshot()).rows).toEqual(before)
})

test('takes the migrations in the order of their names, only the ones that are new', async ({ onTestFinished }) => {
  const { databaseUrl } = await emptyDatabase(onTestFinished)
  const first = toMigration('0001_first', OWN_TABLE)
  const second = toMigration('0002_second', 'alter table things add column name text;')
  expect(await migrate({ databaseUrl, migrations: [first] })).toEqual(['0001_first'])
  expect(await migrate({ databaseUrl, migrations: [first, second] })).toEqual(['0002_second'])
})

test('reads the folder by name, and nothing but .sql', async ({ onTestFinished }) => {
  const folder = await mkdtemp(join(tmpdir(), 'skeldir-migrations-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, '0002_b.sql'), 'select 2')
  await writeFile(join(folder, '0001_a.sql'), '-- no-transaction\n-- requires: queue\nselect 1')
  await writeFile(join(folder, 'README.md'), '')
  const migrations = await readMigrations(pathToFileURL(`${folder}/`))
  expect(migrations.map(({ name, inTransaction, requiresQueue }) => ({ name, inTransaction, requiresQueue }))).toEqual([
    { name: '0001_a', inTransaction: false, requiresQueue: true },
    { name: '0002_b', inTransaction: true, requiresQueue: false },
  ])
})

test('a header counts at the head of a file only', () => {
  const sql = '-- A purpose.\n-- no-transaction\n\ncreate index concurrently i on t (id);\n'
  expect(toMigration('a', sql).inTransaction).toBe(false)
  expect(toMigration('b', `create table t (id int);\n-- no-transaction\n`).inTransaction).toBe(true)
})

test('refuses a file that was edited after it was applied, by name, and applies nothing', async ({
  onTestFinished,
}) => {
  const { database, databaseUrl } = await emptyDatabase(onTestFinished)
  const first = toMigration('0001_first', OWN_TABLE)
  await migrate({ databaseUrl, migrations: [first] })
  const edited = toMigration('0001_first', `${OWN_TABLE}-- one more line\n`)
  const second = toMigration('0002_second', 'set local role skeldir_owner; create table more (id integer)')
  await expect(migrate({ databaseUrl, migrations: [edited, second] })).rejects.toThrow(
    new MigrationError('0001_first.sql was edited after it was applied: restore it and write a new migration'),
  )
  const admin = await connectAs(database, 'admin', onTestFinished)
  expect(await tables(admin)).not.toContain('more')
})

test('refuses to run from a checkout that lacks an applied file', async ({ onTestFinished }) => {
  const { databaseUrl } = await emptyDatabase(onTestFinished)
  const first = toMigration('0001_first', OWN_TABLE)
  const second = toMigration('0002_second', 'alter table things add column name text;')
  await migrate({ databaseUrl, migrations: [first, second] })
  await expect(migrate({ databaseUrl, migrations: [first] })).rejects.toThrow(/^0002_second was applied/)
})

test('a migration that fails leaves nothing, names itself and its line, and keeps the cause', async ({
  onTestFinished,
}) => {
  const { database, databaseUrl } = await emptyDatabase(onTestFinished)
  const broken = toMigration('0002_broken', `${OWN_TABLE}\nselect nonsense from nowhere;\n`)
  const error = await migrate({ databaseUrl, migrations: [broken] }).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(MigrationError)
  expect(error.message).toBe('0002_broken.sql failed: relation "nowhere" does not exist (line 4)')
  expect(error.cause).toMatchObject({ code: '42P01' })

  const admin = await connectAs(database, 'admin', onTestFinished)
  expect(await tables(admin)).toEqual(['schema_migrations'])
  const { rows } = await admin.query('select name from schema_migrations')
  expect(rows).toEqual([])
  // Mended, it goes through: no lock, role or half of a table is left behind.
  expect(await migrate({ databaseUrl, migrations: [toMigration('0002_broken', OWN_TABLE)] })).toEqual(['0002_broken'])
})

test('a failure in a function of a migration says where, too', async ({ onTestFinished }) => {
  const { databaseUrl } = await emptyDatabase(onTestFinished)
  const broken = toMigration('0001_do', `do $$ begin raise exception 'no luck' using detail = 'none at all'; end $$;`)
  await expect(migrate({ databaseUrl, migrations: [broken] })).rejects.toThrow(
    '0001_do.sql failed: no luck: none at all',
  )
})

test('two migrators at once apply each file once; the second one waits and finds nothing to do', async ({
  onTestFinished,
}) => {
  const { database, databaseUrl } = await emptyDatabase(onTestFinished)
  const applied = await Promise.all([migrate({ databaseUrl }), migrate({ databaseUrl }), migrate({ databaseUrl })])
  const names = (await readMigrations()).map(({ name }) => name)
  expect(applied.flat().sort()).toEqual(names)
  const admin = await connectAs(database, 'admin', onTestFinished)
  const { rows } = await admin.query('select name from schema_migrations order by name')
  expect(rows.map(({ name }) => name)).toEqual(names)
})

test('`-- no-transaction` lets an index be made concurrently, and is entered like any other', async ({
  onTestFinished,
}) => {
  const { database, databaseUrl } = await emptyDatabase(onTestFinished)
  const table = toMigration('0001_table', OWN_TABLE)
  const index = toMigration('0002_index', '-- no-transaction\ncreate index concurrently things_idx on things (id);\n')
  expect(await migrate({ databaseUrl, migrations: [table, index] })).toEqual(['0001_table', '0002_index'])
  const admin = await connectAs(database, 'admin', onTestFinished)
  const { rows } = await admin.query(
    "select indisvalid as valid, pg_get_userbyid(c.relowner) as owner from pg_index as i join pg_class as c on c.oid = i.indexrelid where c.relname = 'things_idx'",
  )
  expect(rows).toEqual([{ valid: true, owner: 'skeldir_owner' }])
  expect(await migrate({ databaseUrl, migrations: [table, index] })).toEqual([])

  const inside = toMigration('0003_inside', 'create index concurrently more_idx on things (id);')
  await expect(migrate({ databaseUrl, migrations: [table, index, inside] })).rejects.toThrow(
    /^0003_inside.sql failed: CREATE INDEX CONCURRENTLY cannot run inside a transaction block/,
  )
})

test('the migrator is no superuser, bypasses no policy, and owns nothing itself', async ({ onTestFinished }) => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const migrator = await connectAs(database, 'migrator', onTestFinished)
  const { rows } = await migrator.query('select rolsuper, rolbypassrls, rolcreatedb from pg_roles where rolname = user')
  expect(rows).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreatedb: false }])
  const owners = await migrator.query(`
    select distinct pg_get_userbyid(owner) as owner from (
      select relowner as owner from pg_class where relnamespace in ('public'::regnamespace, 'internal'::regnamespace, 'pgboss'::regnamespace)
      union select proowner from pg_proc where pronamespace in ('public'::regnamespace, 'internal'::regnamespace, 'pgboss'::regnamespace)
      union select nspowner from pg_namespace where nspname in ('internal', 'pgboss')) as o order by 1`)
  expect(owners.rows.map(({ owner }) => owner)).toEqual(['skeldir_control', 'skeldir_owner'])
})

test('brings the settings of a queue up to date, when they changed in the code', async ({ onTestFinished }) => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const admin = await connectAs(database, 'admin', onTestFinished)
  const read = async () => {
    const { rows } = await admin.query('select * from pgboss.queue order by name')
    return rows.map(({ updated_on: _, ...row }) => row)
  }
  const wanted = await read()
  await admin.query("update pgboss.queue set retry_limit = 99, heartbeat_seconds = 77 where name = 'webhook'")
  await migrate({ databaseUrl: database.migrationUrl })
  expect(await read()).toEqual(wanted)
})

test('what is up to date waits for no job that is being added or taken', async ({ onTestFinished }) => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const admin = await connectAs(database, 'admin', onTestFinished)
  await admin.query('begin')
  await admin.query("insert into pgboss.job (name, data) values ('webhook', '{}')")
  await migrate({ databaseUrl: database.migrationUrl })
  await admin.query('rollback')
  const { rows } = await admin.query(
    `select pg_get_expr(d.adbin, d.adrelid) as made from pg_attrdef as d
     join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attname = 'id'
     where d.adrelid in ('pgboss.job'::regclass, 'pgboss.job_common'::regclass)`,
  )
  const { rows: server } = await admin.query(
    "select current_setting('server_version_num')::integer >= 180000 as ascends",
  )
  const made = server[0].ascends ? 'uuidv7()' : 'gen_random_uuid()'
  expect(rows).toEqual([{ made }, { made }])
})
