import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { expect, inject, test } from 'vitest'
import { bootstrapDatabase, RUNTIME_ROLES, toUrl } from '../../src/db/bootstrap.ts'
import { migrate } from '../../src/db/migrate.ts'
import { run } from '../support/apart.ts'

// The roles are the cluster's, so these tests repeat the passwords of the run: others use them at the same time.
const settings = () => {
  const { adminUrl, runtimePassword, migratorPassword } = inject('testServer')
  return { adminUrl, runtimePassword, migratorPassword, database: `test boot ${randomUUID().slice(0, 8)}` }
}

async function ask<Row extends pg.QueryResultRow>(url: string, statement: string, values?: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(statement, values)).rows
  } finally {
    await client.end()
  }
}

const ROLES = `select rolname, rolsuper, rolcanlogin, rolcreaterole, rolcreatedb, rolbypassrls, rolinherit
  from pg_roles where rolname like 'skeldir\\_%' or rolname like 'app\\_%' order by rolname`

test('can be repeated on a cluster whose roles exist: the roles stay as they are, the database works', async ({
  onTestFinished,
}) => {
  const options = settings()
  const { adminUrl, database } = options
  onTestFinished(async () => void (await ask(adminUrl, `drop database if exists "${database}" with (force)`)))
  const before = await ask(adminUrl, ROLES)
  const first = await bootstrapDatabase(options)
  const second = await bootstrapDatabase(options)
  expect(second).toEqual(first)
  expect(await ask(adminUrl, ROLES)).toEqual(before)

  // A name with a space in it: identifiers are quoted, URLs encoded.
  await migrate({ databaseUrl: first.migrationDatabaseUrl })
  expect(await ask(first.databaseUrl, 'select user as role, current_database() as database')).toEqual([
    { role: 'app_user', database },
  ])
  await bootstrapDatabase(options)
  expect(await migrate({ databaseUrl: first.migrationDatabaseUrl })).toEqual([])
})

test('two at once do not disturb each other', async ({ onTestFinished }) => {
  const options = settings()
  onTestFinished(
    async () => void (await ask(options.adminUrl, `drop database if exists "${options.database}" with (force)`)),
  )
  const [first, second] = await Promise.all([bootstrapDatabase(options), bootstrapDatabase(options)])
  expect(first).toEqual(second)
})

test('nobody but the roles of the platform may connect, and no runtime role may make schemas or temporary tables', async ({
  onTestFinished,
}) => {
  const options = settings()
  const { adminUrl, database } = options
  const stranger = `test_stranger_${randomUUID().slice(0, 8)}`
  onTestFinished(async () => {
    await ask(adminUrl, `drop database if exists "${database}" with (force)`)
    await ask(adminUrl, `drop role if exists ${stranger}`)
  })
  await bootstrapDatabase(options)
  await ask(adminUrl, `create role ${stranger} login password 'stranger'`)
  const denied = await ask(toUrl(adminUrl, database, stranger, 'stranger'), 'select 1').catch((error) => error)
  expect(denied).toMatchObject({ code: '42501' })
  const may = await ask<{ role: string }>(
    adminUrl,
    `select r.rolname as role from pg_roles as r
     where has_database_privilege(r.rolname, $1, 'connect') and r.rolcanlogin and not r.rolsuper order by 1`,
    [database],
  )
  expect(may.map(({ role }) => role)).toEqual([...RUNTIME_ROLES, 'skeldir_migrator'].sort())
  const temporary = await ask(
    adminUrl,
    "select rolname from pg_roles where rolname = any ($1) and has_database_privilege(rolname, $2, 'temp, create')",
    [RUNTIME_ROLES, database],
  )
  expect(temporary).toEqual([])
})

test('keeps one password per role where each has its own, whatever stands in it', () => {
  const url = toUrl('postgres://postgres@localhost:5432/postgres?sslmode=require', 'a b', 'app_user', 'p@ss:/%?#')
  const parsed = new URL(url)
  expect(decodeURIComponent(parsed.password)).toBe('p@ss:/%?#')
  expect(parsed.search).toBe('?sslmode=require')
  const client = new pg.Client({ connectionString: url.replace('?sslmode=require', '') })
  expect([client.user, client.password, client.database]).toEqual(['app_user', 'p@ss:/%?#', 'a b'])
})

test('the superuser is taken from the environment, so that nobody reads its password in the list of processes', async () => {
  // Nothing listens there: that it is asked is all that is wanted.
  const url = (user: string) => `postgres://${user}:made-up@127.0.0.1:1/skeldir`
  const env = { DATABASE_URL: url('app_user'), MIGRATION_DATABASE_URL: url('skeldir_migrator') }
  const command = ['src/cli/main.ts', 'bootstrap-db', '--from-environment']
  const without = await run(command, { env })
  expect(without).toMatchObject({ status: 2 })
  expect(without.stderr).toContain('--admin-url postgres://… or BOOTSTRAP_DATABASE_URL')
  const { status, stderr } = await run(command, { env: { ...env, BOOTSTRAP_DATABASE_URL: url('postgres') } })
  expect(status).toBe(1)
  expect(stderr).toContain('127.0.0.1:1')
  expect(stderr).not.toContain('made-up')
})
