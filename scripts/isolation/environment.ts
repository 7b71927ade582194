import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { bootstrapDatabase, toUrl } from '../../src/db/bootstrap.ts'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import type { Urls } from './matrix.ts'

const DATABASE = 'skeldir_isolation'

/** A migrated database that nothing else uses, with every role's login. */
export interface Environment extends Urls {
  /** A copy of the database as it is now, for planting faults in one more lane. Nobody may be connected to it. */
  clone(lane: number): Promise<string>
  stop(): Promise<void>
}

/** Starts a Postgres of its own, with the real roles and the real migrations; `stop` removes it. */
export async function startEnvironment(
  log: (line: string) => void,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Environment> {
  const server = await startEmbeddedPostgres({ settings: 'test', parameters, log })
  try {
    const { adminUrl } = server
    // Of no use to anyone: the server listens on this machine only and ends with this process.
    const password = randomBytes(16).toString('hex')
    const options = { adminUrl, database: DATABASE, migratorPassword: password, runtimePassword: password }
    const { migrationDatabaseUrl } = await bootstrapDatabase(options)
    await migrate({ databaseUrl: migrationDatabaseUrl })
    return {
      admin: toDatabase(adminUrl, DATABASE),
      of: (role) => toUrl(adminUrl, DATABASE, role, password),
      clone: (lane) => cloneDatabase(adminUrl, DATABASE, lane),
      stop: () => server.stop(),
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

function toDatabase(adminUrl: string, name: string): string {
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Gives the superuser's URL of the copy. A copy takes over neither the owner nor the rights on the database itself. */
export async function cloneDatabase(adminUrl: string, origin: string, lane: number): Promise<string> {
  const name = toCloneName(origin, lane)
  await asAdmin(adminUrl, [
    `create database ${name} owner skeldir_owner template ${origin}`,
    `revoke all on database ${name} from public`,
  ])
  return toDatabase(adminUrl, name)
}

export async function dropClone(adminUrl: string, origin: string, lane: number): Promise<void> {
  await asAdmin(adminUrl, [`drop database if exists ${toCloneName(origin, lane)} with (force)`])
}

const toCloneName = (origin: string, lane: number) => `${origin}_lane_${lane}`

async function asAdmin(adminUrl: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'skeldir isolation' })
  client.on('error', () => {})
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
