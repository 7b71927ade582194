import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { RUNTIME_ROLES, type RuntimeRole, toUrl } from '../../src/db/bootstrap.ts'

export const TEMPLATE = 'skeldir_template'

export interface TestServer {
  /** As the superuser: for making and dropping databases, never for what a test asserts. */
  adminUrl: string
  runtimePassword: string
  migratorPassword: string
}

export interface TestDatabase {
  name: string
  adminUrl: string
  migrationUrl: string
  urlOf: (role: RuntimeRole) => string
  drop: () => Promise<void>
}

/** A database of the test's own, cloned from the migrated template, or empty for tests of the migrations themselves. */
export async function createTestDatabase({ empty = false }: { empty?: boolean } = {}): Promise<TestDatabase> {
  const { adminUrl, runtimePassword, migratorPassword } = inject('testServer')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const origin = empty ? 'template0' : TEMPLATE
  // What bootstrap-db does; a clone does not take over the rights on the database itself.
  const roles = [...RUNTIME_ROLES, 'skeldir_migrator'].join(', ')
  await asAdmin(
    adminUrl,
    // Copying files takes half the time of copying pages through the log (measured).
    `create database ${name} owner skeldir_owner template ${origin} strategy file_copy`,
    `revoke all on database ${name} from public`,
    `grant connect on database ${name} to ${roles}`,
  )
  const own = new URL(adminUrl)
  own.pathname = `/${name}`
  return {
    name,
    adminUrl: own.href,
    migrationUrl: toUrl(adminUrl, name, 'skeldir_migrator', migratorPassword),
    urlOf: (role) => toUrl(adminUrl, name, role, runtimePassword),
    drop: () => asAdmin(adminUrl, `drop database ${name} with (force)`),
  }
}

async function asAdmin(adminUrl: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl })
  client.on('error', () => {})
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
