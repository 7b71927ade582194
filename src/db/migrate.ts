import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import { installQueue } from '../queue/install.ts'

const FOLDER = new URL('../../migrations/', import.meta.url)
/** Any constant: one migrator at a time per database, the others wait. */
const LOCK = 7_346_210_193

export interface Migration {
  /** File name without `.sql`: `0003_events`. Applied in the order of the names. */
  name: string
  sql: string
  /** SHA-256 of the file, hex. */
  checksum: string
  /** `-- no-transaction`: for a statement such as CREATE INDEX CONCURRENTLY that refuses one. It is the file's only one. */
  inTransaction: boolean
  /** `-- requires: queue`: the queue's schema is brought up to date first. */
  requiresQueue: boolean
}

export interface MigrateOptions {
  /** As the migrator: not a superuser, a member of skeldir_owner. */
  databaseUrl: string
  migrations?: Migration[]
  log?: (line: string) => void
}

/** Names the migration that could not be applied, or that is not what was applied before. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

export async function readMigrations(folder: URL = FOLDER): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file) => toMigration(file.slice(0, -4), await readFile(new URL(file, folder), 'utf8'))),
  )
}

export function toMigration(name: string, sql: string): Migration {
  const [head = ''] = /^(?:--.*\r?\n)*/.exec(sql) ?? []
  const headers = head.split(/\r?\n/)
  return {
    name,
    sql,
    checksum: createHash('sha256').update(sql).digest('hex'),
    inTransaction: !headers.includes('-- no-transaction'),
    requiresQueue: headers.includes('-- requires: queue'),
  }
}

/**
 * Applies the migrations that the database does not have yet, forward only, and returns their names.
 *
 * Waits while another process migrates the same database. Each file runs in a transaction with its own entry in
 * `schema_migrations`, so a failure leaves nothing half done; a file with `-- no-transaction` is entered after it
 * ran. Throws MigrationError when a file that was applied has changed or has gone, or when a statement fails.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const migrations = options.migrations ?? (await readMigrations())
  const client = new pg.Client({ connectionString: options.databaseUrl, application_name: 'skeldir migrate' })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK])
    await client.query("set lock_timeout = '10s'")
    await createHistory(client)
    const applied = await readHistory(client)
    refuseChangedHistory(migrations, applied)
    const names: string[] = []
    for (const migration of migrations) {
      if (applied.has(migration.name)) continue
      if (migration.requiresQueue) await installQueue(client)
      await apply(client, migration)
      options.log?.(`applied ${migration.name}`)
      names.push(migration.name)
    }
    await installQueue(client)
    return names
  } finally {
    await client.end()
  }
}

/** The name of the newest migration in the folder: what the schema must be at for this code to run. */
export async function newestMigration(): Promise<string> {
  const last = (await readMigrations()).at(-1)
  if (last === undefined) throw new MigrationError('there are no migrations')
  return last.name
}

async function createHistory(client: pg.Client): Promise<void> {
  const { rows } = await client.query("select to_regclass('public.schema_migrations') is not null as known")
  if (rows[0].known) return
  await client.query(`
    begin;
    set local role skeldir_owner;
    create table public.schema_migrations (
      name       text        not null primary key,
      checksum   text        not null check (checksum ~ '^[0-9a-f]{64}$'),
      applied_at timestamptz not null default now()
    );
    comment on table public.schema_migrations is 'Which files of migrations/ this database has. Written by the migrator only.';
    grant select, insert on public.schema_migrations to skeldir_migrator;
    commit`)
}

async function readHistory(client: pg.Client): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from public.schema_migrations',
  )
  return new Map(rows.map((row) => [row.name, row.checksum]))
}

function refuseChangedHistory(migrations: Migration[], applied: Map<string, string>): void {
  const files = new Map(migrations.map((migration) => [migration.name, migration.checksum]))
  for (const [name, checksum] of applied) {
    const current = files.get(name)
    if (current === undefined)
      throw new MigrationError(
        `${name} was applied to this database but is not in migrations/: is this an older checkout?`,
      )
    if (current !== checksum)
      throw new MigrationError(`${name}.sql was edited after it was applied: restore it and write a new migration`)
  }
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  const enter = () =>
    client.query('insert into public.schema_migrations (name, checksum) values ($1, $2)', [
      migration.name,
      migration.checksum,
    ])
  try {
    if (!migration.inTransaction) {
      await client.query(migration.sql)
      await client.query('reset role')
      await enter()
      return
    }
    await client.query('begin')
    await client.query(migration.sql)
    await client.query('set local role none')
    await enter()
    const done = await client.query('commit')
    if (done.command !== 'COMMIT') throw new Error(`COMMIT was answered by ${done.command}`)
  } catch (cause) {
    await client.query('rollback').catch(() => {})
    throw new MigrationError(`${migration.name}.sql failed: ${describe(cause, migration.sql)}`, { cause })
  }
}

function describe(cause: unknown, sql: string): string {
  const error = cause as Error & { position?: string; detail?: string }
  const line = error.position === undefined ? '' : ` (line ${sql.slice(0, Number(error.position)).split('\n').length})`
  return `${error.message}${line}${error.detail === undefined ? '' : `: ${error.detail}`}`
}
