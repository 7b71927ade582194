import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { bootstrapDatabase, RUNTIME_ROLES, type RuntimeRole, toUrl } from '../db/bootstrap.ts'
import { UsageError } from './environment.ts'

const HELP = `Prepares a Postgres cluster (15 or newer), once, as a superuser.

  skeldir bootstrap-db --admin-url postgres://postgres:…@host/postgres [--database skeldir] [--separate-passwords]

  --separate-passwords   one password for each runtime role, instead of one for all

Makes the roles and the database and prints the URLs, with new passwords, as environment lines. Repeating it changes
the passwords. Then run: npx skeldir migrate
`

export async function runBootstrap(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      'admin-url': { type: 'string' },
      database: { type: 'string', default: 'skeldir' },
      'separate-passwords': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(HELP)
  const adminUrl = values['admin-url']
  if (adminUrl === undefined || !URL.canParse(adminUrl))
    throw new UsageError('bootstrap-db needs --admin-url postgres://…')
  const password = () => randomBytes(24).toString('base64url')
  const passwords = Object.fromEntries(RUNTIME_ROLES.map((role) => [role, password()])) as Record<RuntimeRole, string>
  const result = await bootstrapDatabase({
    adminUrl,
    database: values.database,
    migratorPassword: password(),
    runtimePassword: values['separate-passwords'] ? passwords : passwords.app_user,
  })
  console.log(`DATABASE_URL=${result.databaseUrl}`)
  if (values['separate-passwords']) {
    const names = {
      app_ingest: 'INGEST_DATABASE_URL',
      app_worker: 'WORKER_DATABASE_URL',
      app_rw: 'ADMIN_DATABASE_URL',
      app_retention: 'RETENTION_DATABASE_URL',
    } as const
    for (const [role, name] of Object.entries(names)) {
      console.log(`${name}=${toUrl(adminUrl, values.database, role, passwords[role as RuntimeRole])}`)
    }
  }
  console.log(`MIGRATION_DATABASE_URL=${result.migrationDatabaseUrl}`)
}
