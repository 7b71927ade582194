import type { TestProject } from 'vitest/node'
import { bootstrapDatabase } from '../../src/db/bootstrap.ts'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import type { TestServer } from './database.ts'
import { TEMPLATE } from './database.ts'
import { recordWitnesses } from './recording.ts'

const PASSWORDS = { runtimePassword: 'runtime-only-for-tests', migratorPassword: 'migrator-only-for-tests' }

/** One Postgres for the whole run, with a migrated template; each test clones its own database from it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startEmbeddedPostgres({ settings: 'test' })
  try {
    const { adminUrl } = server
    const { migrationDatabaseUrl } = await bootstrapDatabase({ adminUrl, database: TEMPLATE, ...PASSWORDS })
    await migrate({ databaseUrl: migrationDatabaseUrl })
    project.provide('testServer', { adminUrl, ...PASSWORDS })
    const endRecording = recordWitnesses(project)
    return async () => {
      endRecording()
      await server.stop()
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

declare module 'vitest' {
  interface ProvidedContext {
    testServer: TestServer
  }
}
