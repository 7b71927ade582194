import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type Environment, readSettings } from '../config.ts'
import { type BootstrapOptions, bootstrapDatabase, RUNTIME_ROLES, type RuntimeRole, toUrl } from '../db/bootstrap.ts'
import { UsageError } from './environment.ts'

const HELP = `Prepares a Postgres cluster (15 or newer), once, as a superuser.

  skeldir bootstrap-db --admin-url postgres://postgres:…@host/postgres [--database skeldir] [--separate-passwords]

  --admin-url            by default BOOTSTRAP_DATABASE_URL, where other users of the machine do not see the password
  --separate-passwords   one password for each runtime role, instead of one for all
  --from-environment     the passwords and the database of the URLs that are set (DATABASE_URL, MIGRATION_DATABASE_URL
                         and those of the other roles), and nothing is printed

Makes the roles and the database and prints the URLs, with new passwords, as environment lines. Repeating it changes
the passwords, unless they come from the environment. Then run: npx skeldir migrate
`

export async function runBootstrap(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      'admin-url': { type: 'string' },
      database: { type: 'string', default: 'skeldir' },
      'separate-passwords': { type: 'boolean', default: false },
      'from-environment': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(HELP)
  const adminUrl = values['admin-url'] ?? process.env.BOOTSTRAP_DATABASE_URL
  if (adminUrl === undefined || !URL.canParse(adminUrl))
    throw new UsageError('bootstrap-db needs --admin-url postgres://… or BOOTSTRAP_DATABASE_URL')
  if (values['from-environment']) return void (await bootstrapDatabase({ adminUrl, ...readTargets(process.env) }))
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

/** What the URLs of the environment name: one deployment can so be prepared any number of times. Throws UsageError. */
function readTargets(env: Environment): Omit<BootstrapOptions, 'adminUrl'> {
  for (const name of ['DATABASE_URL', 'MIGRATION_DATABASE_URL']) {
    if (!URL.canParse(env[name] ?? '')) throw new UsageError(`--from-environment needs ${name}`)
  }
  const { databaseUrls } = readSettings(env).config
  const passwordOf = (url: string) => decodeURIComponent(new URL(url).password)
  const own = Object.entries(databaseUrls).map(([role, url]) => [role, passwordOf(url)])
  return {
    database: decodeURIComponent(new URL(databaseUrls.app_user).pathname.slice(1)),
    migratorPassword: passwordOf(env.MIGRATION_DATABASE_URL as string),
    // Nobody logs in as app_ro, which people are given for looking around.
    runtimePassword: { app_ro: randomBytes(24).toString('base64url'), ...Object.fromEntries(own) },
  }
}
