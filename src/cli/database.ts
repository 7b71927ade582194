import type { EmbeddedPostgres } from '../db/embedded.ts'
import { startEmbeddedPostgres } from '../db/embedded.ts'
import type { Connections, LocalState, Secrets } from './local-state.ts'
import { StartError } from './start-error.ts'
import { type KeepOptions, type Kept, keepRunning, type Running } from './supervise.ts'

export type PrepareTarget =
  | { kind: 'embedded'; adminUrl: string; secrets: Secrets; log: (line: string) => void }
  | { kind: 'external'; connections: Connections; log: (line: string) => void }

/** Either both URLs of one's own server, or none. */
export function readExternalDatabase(env: NodeJS.ProcessEnv): Connections | null {
  const databaseUrl = env.DATABASE_URL || undefined
  const migrationDatabaseUrl = env.MIGRATION_DATABASE_URL || undefined
  if (databaseUrl !== undefined && migrationDatabaseUrl !== undefined) return { databaseUrl, migrationDatabaseUrl }
  if (databaseUrl === undefined && migrationDatabaseUrl === undefined) return null
  const [set, missing] =
    databaseUrl === undefined ? ['MIGRATION_DATABASE_URL', 'DATABASE_URL'] : ['DATABASE_URL', 'MIGRATION_DATABASE_URL']
  throw new StartError(
    `${set} is set but ${missing} is not. DATABASE_URL connects as app_user, MIGRATION_DATABASE_URL as skeldir_migrator: set both for your own server, or none for the embedded one.`,
  )
}

interface PostgresSettings {
  state: LocalState
  note: (line: string) => void
  signal: AbortSignal | undefined
  delays?: KeepOptions['delays']
}

/** Started again on the same port and data, so that the children's connections find it. */
export async function keepPostgres(
  { state, note, signal, delays }: PostgresSettings,
  onChange: (server: EmbeddedPostgres | null) => void,
): Promise<{ first: EmbeddedPostgres; kept: Kept }> {
  let latest: EmbeddedPostgres | undefined
  let first: EmbeddedPostgres | undefined
  const kept = await keepRunning({
    name: 'postgres',
    say: note,
    ...(delays !== undefined && { delays }),
    start: async (stopping): Promise<Running> => {
      const signals = AbortSignal.any(signal === undefined ? [stopping] : [stopping, signal])
      latest = await startEmbeddedPostgres({
        dataDir: state.dataDir,
        log: note,
        signal: signals,
        ...(first !== undefined && { port: first.port }),
      })
      first ??= latest
      return latest
    },
    onChange: (running) => onChange(running === null ? null : (latest ?? null)),
  })
  return { first: first as unknown as EmbeddedPostgres, kept }
}

/** Bootstraps the embedded server, and migrates either. */
export async function prepareDatabase(target: PrepareTarget): Promise<Connections> {
  const [{ bootstrapDatabase }, { migrate }] = await Promise.all([
    import('../db/bootstrap.ts'),
    import('../db/migrate.ts'),
  ])
  const connections =
    target.kind === 'external'
      ? target.connections
      : await bootstrapDatabase({
          adminUrl: target.adminUrl,
          database: 'skeldir',
          migratorPassword: target.secrets.migratorPassword,
          runtimePassword: target.secrets.runtimePassword,
        })
  await migrate({ databaseUrl: connections.migrationDatabaseUrl, log: target.log })
  return connections
}
