import pg from 'pg'

/** The logins of the platform. Their grants are in migrations/. */
export const RUNTIME_ROLES = ['app_rw', 'app_ro', 'app_user', 'app_worker', 'app_ingest', 'app_retention'] as const
export type RuntimeRole = (typeof RUNTIME_ROLES)[number]

export interface BootstrapOptions {
  /** As a superuser, any database of the cluster. */
  adminUrl: string
  /** Created when it does not exist; owned by skeldir_owner either way. */
  database: string
  migratorPassword: string
  /** One for all runtime roles, so that one DATABASE_URL is enough; or one for each. */
  runtimePassword: string | Record<RuntimeRole, string>
}

export interface BootstrapResult {
  /** As app_user. The other runtime roles differ in the user name (and the password, where each has its own). */
  databaseUrl: string
  migrationDatabaseUrl: string
}

/**
 * Prepares a cluster, once: the owner (no login), the control role (no login), the migrator, the runtime roles with
 * their passwords, and the database. Can be repeated: it changes passwords and nothing else. Everything after this runs
 * without a superuser.
 */
export async function bootstrapDatabase(options: BootstrapOptions): Promise<BootstrapResult> {
  const client = new pg.Client({ connectionString: options.adminUrl, application_name: 'skeldir bootstrap-db' })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('select pg_advisory_lock(hashtext($1))', ['skeldir bootstrap-db'])
    const { rows } = await client.query<{ version: number; password_encryption: string }>(
      "select current_setting('server_version_num')::int as version, current_setting('password_encryption') as password_encryption",
    )
    const version = rows[0]?.version ?? 0
    if (version < 150_000) throw new Error(`PostgreSQL 15 or newer is needed, this is ${version}`)
    await ensureRole(client, 'skeldir_owner', 'nologin nosuperuser nocreatedb nocreaterole nobypassrls')
    await ensureRole(client, 'skeldir_control', 'nologin nosuperuser nocreatedb nocreaterole nobypassrls')
    await ensureRole(client, 'skeldir_migrator', 'login nosuperuser nocreatedb createrole nobypassrls')
    await setPassword(client, 'skeldir_migrator', options.migratorPassword)
    await client.query('grant skeldir_owner to skeldir_migrator')
    // Not a membership: the migrator may add itself for the length of a migration, and can use nothing of it otherwise.
    // Before PostgreSQL 16, CREATEROLE alone allows that.
    if (version >= 160_000) {
      await client.query('grant skeldir_control to skeldir_migrator with admin true, inherit false, set false')
    }
    for (const role of RUNTIME_ROLES) {
      await ensureRole(client, role, 'login noinherit nosuperuser nocreatedb nocreaterole nobypassrls')
      await setPassword(client, role, passwordOf(options.runtimePassword, role))
    }
    await ensureDatabase(client, options.database)
  } finally {
    await client.end()
  }
  return {
    databaseUrl: toUrl(options.adminUrl, options.database, 'app_user', passwordOf(options.runtimePassword, 'app_user')),
    migrationDatabaseUrl: toUrl(options.adminUrl, options.database, 'skeldir_migrator', options.migratorPassword),
  }
}

function passwordOf(password: BootstrapOptions['runtimePassword'], role: RuntimeRole): string {
  return typeof password === 'string' ? password : password[role]
}

async function ensureRole(client: pg.Client, role: string, attributes: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
  const verb = rowCount === 0 ? 'create' : 'alter'
  await client.query(`${verb} role ${pg.escapeIdentifier(role)} ${attributes}`)
}

async function setPassword(client: pg.Client, role: string, password: string): Promise<void> {
  await client.query(`alter role ${pg.escapeIdentifier(role)} password ${pg.escapeLiteral(password)}`)
}

async function ensureDatabase(client: pg.Client, database: string): Promise<void> {
  const name = pg.escapeIdentifier(database)
  const { rowCount } = await client.query('select from pg_database where datname = $1', [database])
  if (rowCount === 0) await client.query(`create database ${name} owner skeldir_owner`)
  else await client.query(`alter database ${name} owner to skeldir_owner`)
  await client.query(`revoke all on database ${name} from public`)
  const roles = [...RUNTIME_ROLES, 'skeldir_migrator'].map((role) => pg.escapeIdentifier(role)).join(', ')
  await client.query(`grant connect on database ${name} to ${roles}`)
}

/** The same server with another database and login. */
export function toUrl(base: string, database: string, user: string, password: string): string {
  const url = new URL(base)
  url.username = encodeURIComponent(user)
  url.password = encodeURIComponent(password)
  url.pathname = `/${encodeURIComponent(database)}`
  return url.href
}
